//! Counts the processes of a scope, from cgroup files and /proc.

use std::path::Path;

use super::namespaces::Namespaces;
use super::postgres::is_postgres;
use super::proc::{Proc, Process, cgroup_path};
use super::scope::{Fill, Scope};
use super::subtree::Members;
use super::tally::{Amount, Tally};
use crate::host::cgroup::Version;

/// Counts. `usage`: what the kernel had counted when it refused; as long as as
/// many tasks are found without, zombies of a cgroup needn't be looked for.
/// `None`: it could not be read, or not in the time that `proc` has.
pub(super) fn count(proc: &mut Proc, scope: &Scope, usage: Option<u64>) -> Option<Tally> {
    let mut tally = Tally::new(scope.fill(), proc.living());
    match scope {
        Scope::Cgroup {
            folder,
            path,
            version,
            fill,
        } => {
            let members = Members::read(folder, *version)?;
            let within = Within { folder, path };
            add_members(proc, &mut tally, &members, within)?;
            let live = members.len() as u64;
            if *fill == Fill::Tasks && usage.is_none_or(|usage| usage > live) {
                match version {
                    Version::V2 => add_zombies_of_path(proc, &mut tally, &members, path)?,
                    Version::V1 => {
                        let most = usage.map_or(0, |usage| usage - live);
                        add_zombies_of_members(proc, &mut tally, &members, most)?;
                    }
                }
            }
        }
        Scope::User { uid, userns: None } => {
            add_each(proc, &mut tally, |_, process| process.uid == *uid)?;
        }
        Scope::User {
            uid,
            userns: Some(userns),
        } => {
            let mut all = Namespaces::new("user");
            add_each(proc, &mut tally, |proc, process| {
                // Without CAP_SYS_PTRACE others' namespaces stay unknown: then the
                // uid alone counts, which is right where there are no more.
                all.of(proc, process.pid)
                    .map_or(process.uid == *uid, |(own, above)| {
                        (own == *userns && process.uid == *uid)
                            || above.iter().any(|a| a.inum == *userns && a.owner == *uid)
                    })
            })?;
        }
        Scope::PidNamespace { inum } => {
            let mut all = Namespaces::new("pid");
            add_each(proc, &mut tally, |proc, process| {
                all.of(proc, process.pid).is_some_and(|(own, above)| {
                    own == *inum || above.iter().any(|a| a.inum == *inum)
                })
            })?;
        }
        Scope::Host { .. } => add_each(proc, &mut tally, |_, _| true)?,
    }
    Some(tally)
}

/// The processes of the host that `wanted` picks.
fn add_each(
    proc: &mut Proc,
    tally: &mut Tally,
    mut wanted: impl FnMut(&mut Proc, &Process) -> bool,
) -> Option<()> {
    for pid in proc.pids()? {
        if proc.is_late() {
            return None;
        }
        let Some(process) = proc.status(pid) else {
            continue;
        };
        if wanted(proc, &process) {
            let amount = add(proc, tally, &process, process.threads.max(1));
            if !process.kernel
                && let Some(path) = proc.cgroups(pid).and_then(cgroup)
            {
                tally.add_to_cgroup(&path, amount);
            }
        }
    }
    Some(())
}

/// Adds a process of which `tasks` tasks count, with its title where that says something.
pub(super) fn add(proc: &mut Proc, tally: &mut Tally, process: &Process, tasks: u64) -> Amount {
    let title = is_postgres(&process.comm).then(|| proc.title(process.pid));
    tally.add(process, tasks, title.flatten().as_deref())
}

/// A cgroup as people know it: of the v2 hierarchy where it is in use, else of
/// the pids controller or systemd.
pub(super) fn cgroup(lines: &[u8]) -> Option<String> {
    let named = |start: &[u8]| {
        let mut lines = lines.split(|&b| b == b'\n');
        let path = lines.find_map(|line| {
            let (_, line) = line.split_at(memchr::memchr(b':', line)?);
            line.strip_prefix(start)
        })?;
        Some(cgroup_path(path)).filter(|path| *path != Path::new("/"))
    };
    let path = named(b"::").or_else(|| named(b":pids:"));
    let path = path.or_else(|| named(b":name=systemd:"));
    Some(
        path.unwrap_or(Path::new("/"))
            .to_string_lossy()
            .into_owned(),
    )
}

/// The cgroup that is counted.
#[derive(Clone, Copy)]
pub(super) struct Within<'a> {
    pub folder: &'a Path,
    pub path: &'a Path,
}

impl Within<'_> {
    /// The path of the cgroup of a folder below.
    pub(super) fn path_of(self, folder: &Path) -> String {
        let below = folder.strip_prefix(self.folder).unwrap_or(Path::new(""));
        let mut path = self.path.to_owned();
        path.extend(below);
        path.to_string_lossy().into_owned()
    }
}

/// The processes that tasks of a cgroup belong to, with as many tasks as are in
/// it: in cgroup v1 and in threaded cgroups, threads of a process can be apart.
fn add_members(
    proc: &mut Proc,
    tally: &mut Tally,
    members: &Members,
    within: Within<'_>,
) -> Option<()> {
    let mut counted = vec![false; members.len()];
    for index in 0..members.len() {
        let Some((tid, folder)) = members.get(index) else {
            break;
        };
        if counted[index] {
            continue;
        }
        if proc.is_late() {
            return None;
        }
        let Some(mut process) = proc.status(tid) else {
            continue;
        };
        if process.threads <= 1 && process.pid == tid {
            let amount = add(proc, tally, &process, 1);
            tally.add_to_cgroup(&within.path_of(folder), amount);
            continue;
        }
        // Its threads come with the first of them.
        let mut folders: Vec<(&Path, u64)> = Vec::new();
        for thread in proc.threads(process.pid) {
            let Some(at) = members.find(thread) else {
                continue;
            };
            counted[at] = true;
            let Some((_, folder)) = members.get(at) else {
                continue;
            };
            match folders.iter_mut().find(|(of, _)| *of == folder) {
                Some((_, tasks)) => *tasks += 1,
                None => folders.push((folder, 1)),
            }
        }
        if process.pid != tid {
            let Some(first) = proc.status(process.pid) else {
                continue;
            };
            process = first;
        }
        // A first thread that has ended is listed nowhere and counts.
        if process.ended
            && let Some((_, tasks)) = folders.first_mut()
        {
            *tasks += 1;
        }
        let tasks = folders.iter().map(|(_, tasks)| tasks).sum();
        let mut amount = add(proc, tally, &process, tasks);
        for (folder, tasks) in folders {
            tally.add_to_cgroup(&within.path_of(folder), Amount { tasks, ..amount });
            amount.bytes = 0;
        }
    }
    Some(())
}

/// The process of this id, if it is a zombie that has not been counted while it
/// was still listed. `None`, for all, when the time is up.
fn zombie(proc: &mut Proc, members: &Members, pid: u32) -> Option<Option<Process>> {
    if proc.is_late() {
        return None;
    }
    if members.find(pid).is_some() {
        return Some(None);
    }
    Some(proc.status(pid).filter(Process::is_zombie))
}

/// cgroup v2: a zombie's /proc/PID/cgroup goes on naming its cgroup
/// (kernel/cgroup/cgroup.c `proc_cgroup_show`), though no list has it.
fn add_zombies_of_path(
    proc: &mut Proc,
    tally: &mut Tally,
    members: &Members,
    top: &Path,
) -> Option<()> {
    for pid in proc.pids()? {
        let Some(process) = zombie(proc, members, pid)? else {
            continue;
        };
        let Some(lines) = proc.cgroups(pid) else {
            continue;
        };
        let mut lines = lines.split(|&b| b == b'\n');
        let path = lines.find_map(|line| line.strip_prefix(b"0::"));
        let Some(path) = path.map(cgroup_path).filter(|p| p.starts_with(top)) else {
            continue;
        };
        let path = path.to_string_lossy().into_owned();
        let amount = tally.add(&process, 1, None);
        tally.add_to_cgroup(&path, amount);
    }
    Some(())
}

/// cgroup v1: all zombies seem to be in the root cgroup. A child is born into its
/// parent's cgroup, so those count whose parent is a member; at most as many as
/// the kernel counts beyond what lives.
fn add_zombies_of_members(
    proc: &mut Proc,
    tally: &mut Tally,
    members: &Members,
    most: u64,
) -> Option<()> {
    let before = tally.all().zombies;
    for pid in proc.pids()? {
        if tally.all().zombies - before >= most {
            break;
        }
        let Some(process) = zombie(proc, members, pid)? else {
            continue;
        };
        if members.find(process.ppid).is_some() {
            tally.add(&process, 1, None);
        }
    }
    Some(())
}
