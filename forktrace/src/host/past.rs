//! What the kernel still counts of refusals from before anybody looked: the events of cgroups, and
//! the OOM killer's victims. Counters without times.

use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use super::cgroup::{Controller, Hierarchies, TooMany, Version, folders};

/// A cgroup's counts, as its files have them; absent files and keys are absent here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Its path, as this process's cgroup namespace names it.
    pub cgroup: PathBuf,
    /// `max` of pids.events.
    pub refused: Option<u64>,
    /// `max` of pids.events.local; only kernels from 6.11 on have the file.
    pub refused_here: Option<u64>,
    /// pids.peak: the most tasks that there ever were at once.
    pub peak: Option<u64>,
    /// pids.max as it is now.
    pub limit: Option<u64>,
    /// `oom` of memory.events.local.
    pub out_of_memory: Option<u64>,
    /// `oom_kill` of memory.events.local.
    pub killed: Option<u64>,
}

/// What the files of all cgroups tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Version of the hierarchy that was read.
    pub version: Version,
    /// The mount option `pids_localevents`, by which pids.events counts as it did before 6.11.
    pub local_events: bool,
    /// Those of whom any refusal or kill is known.
    pub cgroups: Vec<Counts>,
    /// `oom_kill` of /proc/vmstat: of the whole host since its start.
    pub killed: Option<u64>,
    /// There are more cgroups than were read.
    pub more: bool,
}

/// Reads the files of all cgroups that are visible here.
pub fn read(hierarchies: &Hierarchies, proc: &Path) -> Past {
    let (hierarchy, version) = hierarchies.of_controller(Controller::Pids);
    let mut cgroups: BTreeMap<PathBuf, Counts> = BTreeMap::new();
    let mut more = false;
    let memory = hierarchies.of_controller(Controller::Memory).0;
    for (of, is_pids) in [(hierarchy, true), (memory, false)] {
        for mount in hierarchies.mounts(of) {
            let walked = of_mount(&mount.point, is_pids, &mut |folder, counts| {
                let Some(path) = hierarchies.path_of(of, folder) else {
                    return;
                };
                let known = cgroups.entry(path.clone()).or_default();
                known.cgroup = path;
                known.merge(counts);
            });
            more |= walked.is_err();
        }
    }
    Past {
        version,
        local_events: has_local_events(proc, "pids_localevents"),
        cgroups: cgroups.into_values().filter(Counts::tells).collect(),
        killed: fs::read(proc.join("vmstat"))
            .ok()
            .and_then(|text| key(&text, "oom_kill")),
        more,
    }
}

fn of_mount(
    top: &Path,
    is_pids: bool,
    found: &mut dyn FnMut(&Path, Counts),
) -> Result<(), TooMany> {
    folders(top, |folder, _| {
        let counts = match is_pids {
            true => pids(folder),
            false => memory(folder),
        };
        found(folder, counts);
        ControlFlow::Continue(())
    })
}

fn pids(folder: &Path) -> Counts {
    let file = |name| fs::read(folder.join(name)).ok();
    let number = |name| std::str::from_utf8(&file(name)?).ok()?.trim().parse().ok();
    let refused = file("pids.events").and_then(|text| key(&text, "max"));
    // Most cgroups have refused nothing: their other files aren't read.
    if refused.unwrap_or(0) == 0 {
        return Counts::default();
    }
    Counts {
        refused,
        refused_here: file("pids.events.local").and_then(|text| key(&text, "max")),
        peak: number("pids.peak"),
        limit: number("pids.max"),
        ..Counts::default()
    }
}

fn memory(folder: &Path) -> Counts {
    let text = fs::read(folder.join("memory.events.local"))
        .or_else(|_| fs::read(folder.join("memory.oom_control")));
    let of = |name| text.as_ref().ok().and_then(|text| key(text, name));
    Counts {
        out_of_memory: of("oom"),
        killed: of("oom_kill"),
        ..Counts::default()
    }
}

/// How often the limit in this file has refused a task so far (v2 since 6.11: `max` of pids.events.local); `None`
/// where that isn't to be had.
pub fn refusals_at(limit: &Path) -> Option<u64> {
    let text = fs::read(limit.with_file_name("pids.events.local")).ok()?;
    key(&text, "max")
}

/// How often the limit in this file has called the OOM killer so far (v2: `oom` of memory.events.local); `None`
/// where that isn't to be had.
pub fn ooms_at(limit: &Path) -> Option<u64> {
    memory(limit.parent()?).out_of_memory
}

impl Counts {
    fn tells(&self) -> bool {
        [
            self.refused,
            self.refused_here,
            self.out_of_memory,
            self.killed,
        ]
        .into_iter()
        .flatten()
        .any(|count| count > 0)
    }

    fn merge(&mut self, other: Self) {
        self.refused = self.refused.or(other.refused);
        self.refused_here = self.refused_here.or(other.refused_here);
        self.peak = self.peak.or(other.peak);
        self.limit = self.limit.or(other.limit);
        self.out_of_memory = self.out_of_memory.or(other.out_of_memory);
        self.killed = self.killed.or(other.killed);
    }
}

/// The number behind a key, in lines of a key and a number.
fn key(text: &[u8], name: &str) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    text.lines().find_map(|line| {
        let (key, number) = line.split_once(' ')?;
        (key == name).then(|| number.trim().parse().ok())?
    })
}

/// Whether the v2 hierarchy is mounted with an option by which events aren't counted in the cgroups above as well.
pub fn has_local_events(proc: &Path, option: &str) -> bool {
    let mounts = fs::read(proc.join("self/mountinfo")).unwrap_or_default();
    let mounts = String::from_utf8_lossy(&mounts);
    mounts.lines().any(|line| {
        let filesystem = line.split_once(" - ").map(|(_, after)| after);
        filesystem.is_some_and(|after| {
            after.starts_with("cgroup2 ") && after.split([' ', ',']).any(|word| word == option)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::made_up;

    #[test]
    fn counts_of_a_made_up_tree() {
        let top = std::env::temp_dir().join(format!("forktrace-past-{}", std::process::id()));
        let write = |name: &str, text: &str| {
            made_up::write(&top, name, text);
        };
        write("cg/a/pids.events", "max 7\n");
        write("cg/a/pids.events.local", "max 5\n");
        write("cg/a/pids.peak", "20\n");
        write("cg/a/pids.max", "max\n");
        write("cg/a/memory.events.local", "low 0\noom 2\noom_kill 1\n");
        write("cg/b/pids.events", "max 0\n");
        write("cg/b/memory.events.local", "oom 0\noom_kill 0\n");
        write("proc/vmstat", "nr_free_pages 1\noom_kill 3\n");
        write(
            "proc/self/mountinfo",
            "1 2 0:3 / /x rw - cgroup2 cgroup2 rw,pids_localevents\n",
        );
        let mount = top.join("cg");
        let mountinfo = format!("1 2 0:3 / {} rw - cgroup2 cgroup2 rw\n", mount.display());
        let hierarchies = Hierarchies::from_mountinfo(mountinfo.as_bytes(), true);
        let past = read(&hierarchies, &top.join("proc"));
        let local = |option| has_local_events(&top.join("proc"), option);
        assert!(local("pids_localevents") && !local("memory_localevents"));
        let ooms = |name| ooms_at(&mount.join(name).join("memory.max"));
        assert_eq!((ooms("a"), ooms("b"), ooms("c")), (Some(2), Some(0), None));
        let refusals = |name| refusals_at(&mount.join(name).join("pids.max"));
        assert_eq!((refusals("a"), refusals("b")), (Some(5), None));
        let _ = fs::remove_dir_all(&top);
        assert_eq!(
            (past.killed, past.local_events, past.more),
            (Some(3), true, false)
        );
        let expected = Counts {
            cgroup: PathBuf::from("/a"),
            refused: Some(7),
            refused_here: Some(5),
            peak: Some(20),
            limit: None,
            out_of_memory: Some(2),
            killed: Some(1),
        };
        assert_eq!(past.cgroups, [expected]);
    }
}
