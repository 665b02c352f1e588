//! Whom the OOM killer of a memory cgroup may not kill: oom_score_adj -1000 is inherited by all
//! that a process starts.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use super::{
    holders::rate_limit::{Key, RateLimit},
    identity, members,
    process::Status,
};
use crate::model::Limit;

const GENERATIONS: usize = 32;
/// mm/oom_kill.c: OOM_SCORE_ADJ_MIN.
const NEVER: &str = "-1000";

/// What is known of a cgroup's processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unkillable {
    /// Processes in it and below it.
    pub all: u64,
    /// Of these, those with -1000.
    pub never: u64,
    /// The first of those from whom they have it, where that lives outside of the cgroup.
    pub from: Option<From>,
}

/// Whence it is inherited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct From {
    /// Pid of the process that has it first.
    pub pid: u32,
    /// Its name.
    pub comm: String,
    /// The systemd unit that it runs in.
    pub unit: Option<String>,
}

/// Cgroups that are remembered.
const REMEMBERED: usize = 256;

/// Asks, and remembers the answer until it may be asked again: as often as holders are
/// counted, for thousands of files are read.
#[derive(Debug)]
pub struct Unkillables {
    rate_limit: RateLimit,
    known: HashMap<PathBuf, Option<Unkillable>>,
}

impl Unkillables {
    /// Nothing was asked yet.
    pub fn new() -> Self {
        Self {
            rate_limit: RateLimit::new(Instant::now()),
            known: HashMap::new(),
        }
    }

    /// Of the cgroup with this folder, whose limit this is; `None` where it can't be read.
    pub fn of(&mut self, proc: &Path, limit: &Limit, folder: &Path) -> Option<Unkillable> {
        let start = Instant::now();
        if !self.rate_limit.allows(Key::of_limit(limit), start) {
            return self.known.get(folder).cloned().flatten();
        }
        let found = of(proc, folder);
        self.rate_limit.spent(start.elapsed());
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(folder.to_owned(), found.clone());
        found
    }
}

impl Default for Unkillables {
    fn default() -> Self {
        Self::new()
    }
}

fn of(proc: &Path, folder: &Path) -> Option<Unkillable> {
    let pids = members::of(folder)?;
    let never: Vec<u32> = pids
        .iter()
        .copied()
        .filter(|pid| is_never(proc, *pid))
        .collect();
    Some(Unkillable {
        all: pids.len() as u64,
        never: never.len() as u64,
        from: never.first().and_then(|pid| from(proc, *pid, &pids)),
    })
}

fn is_never(proc: &Path, pid: u32) -> bool {
    let text = fs::read_to_string(proc.join(format!("{pid}/oom_score_adj")));
    text.is_ok_and(|text| text.trim() == NEVER)
}

fn from(proc: &Path, pid: u32, inside: &[u32]) -> Option<From> {
    let mut at = pid;
    let mut top = None;
    for _ in 0..GENERATIONS {
        let parent = Status::read(proc, at).ok()?.parent;
        if parent == 0 || !is_never(proc, parent) {
            break;
        }
        at = parent;
        top = Some(parent).filter(|parent| !inside.contains(parent));
    }
    let pid = top?;
    let comm = Status::read(proc, pid).ok()?.comm;
    let cgroups = fs::read_to_string(proc.join(format!("{pid}/cgroup"))).unwrap_or_default();
    let mut paths = cgroups
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2));
    let unit = paths.find_map(|path| identity::identify(path).unit);
    Some(From { pid, comm, unit })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::made_up;
    use crate::model::{LimitKind, Owner, Unit};

    #[test]
    fn it_counts_and_finds_whose_child_they_are() {
        let root = std::env::temp_dir().join(format!("forktrace-oom-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let put = |file: &str, text: &str| {
            made_up::write(&root, file, text);
        };
        for (pid, parent, adj) in [(1, 0, "0"), (5, 1, "-1000"), (6, 5, "-1000"), (7, 6, "0")] {
            put(
                &format!("proc/{pid}/status"),
                &format!(
                    "Name:\tp{pid}\nState:\tS\nTgid:\t{pid}\nPPid:\t{parent}\nUid:\t0\t0\nThreads:\t1\nCapEff:\t0\n"
                ),
            );
            put(&format!("proc/{pid}/oom_score_adj"), adj);
        }
        put("proc/5/cgroup", "0::/system.slice/nomad.service\n");
        put("cg/cgroup.procs", "6\n");
        put("cg/a/cgroup.procs", "7\n");
        let found = of(&root.join("proc"), &root.join("cg")).unwrap();
        assert_eq!((found.all, found.never), (2, 1));
        let from = found.from.unwrap();
        assert_eq!(
            (from.pid, &*from.comm, from.unit.as_deref()),
            (5, "p5", Some("nomad.service"))
        );
        assert_eq!(of(&root.join("proc"), &root.join("none")), None);
        // Again, and at once: as it was.
        let mut all = Unkillables::new();
        let limit = Limit::new(LimitKind::MemoryMax, Owner::cgroup("/cg"), Unit::Bytes);
        let mut asked = || all.of(&root.join("proc"), &limit, &root.join("cg"));
        assert_eq!(asked().unwrap().never, 1);
        fs::remove_dir_all(root.join("cg")).unwrap();
        assert_eq!(asked().unwrap().never, 1);
        fs::remove_dir_all(&root).unwrap();
    }
}
