//! Counts the tasks of a scope, from a source that knows which of them the limit counts.

use std::collections::HashMap;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;

use forktrace_common::task::{Query, Task, flag, of};

use super::count::{Within, add, cgroup};
use super::proc::{Proc, Process, cgroup_path};
use super::scope::{Fill, Scope};
use super::tally::{Amount, NAMES, Tally};
use crate::host::cgroup::{Version, folders};

/// Processes of several threads that are remembered while a cgroup is counted; with more of them the
/// count from /proc takes less memory.
const PROCESSES: usize = 1 << 16;

/// A source of the tasks that a limit counts.
pub trait Tasks {
    /// Calls `see` with each task of a query, until it breaks off.
    ///
    /// # Errors
    /// It can't list such tasks here, or not now.
    fn each(
        &mut self,
        query: &Query,
        see: &mut dyn FnMut(&Task) -> ControlFlow<()>,
    ) -> io::Result<()>;
}

/// Why there is no count.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Uncounted {
    /// It takes longer than `proc` has time.
    Late,
    /// Not by tasks: memory, or what the source can't list.
    NotHere,
}

/// Counts. What it takes `proc` for are titles, and the paths of cgroups.
pub(super) fn count(
    tasks: &mut dyn Tasks,
    proc: &mut Proc,
    scope: &Scope,
) -> Result<Tally, Uncounted> {
    if scope.fill() != Fill::Tasks {
        return Err(Uncounted::NotHere);
    }
    let query = query(scope).ok_or(Uncounted::NotHere)?;
    let mut count = Count {
        tally: Tally::new(Fill::Tasks, proc.living()),
        by_cgroup: matches!(scope, Scope::Cgroup { .. }),
        several: HashMap::new(),
        cgroups: HashMap::new(),
        stopped: None,
    };
    tasks
        .each(&query, &mut |task| count.see(proc, task))
        .map_err(|_| Uncounted::NotHere)?;
    if let Some(why) = count.stopped {
        return Err(why);
    }
    count.add_several(proc);
    match scope {
        Scope::Cgroup {
            folder,
            path,
            version,
            ..
        } => count.name_below(proc, Within { folder, path }, *version),
        _ => count.name_any(proc),
    }
    Ok(count.tally)
}

fn query(scope: &Scope) -> Option<Query> {
    Some(match scope {
        Scope::Cgroup {
            folder, version, ..
        } => Query {
            // The inode number of a cgroup's folder is its kernfs id (5.5+, 64 bit).
            cgroup: std::fs::metadata(folder).ok()?.ino(),
            of: match version {
                Version::V1 => of::PIDS_CGROUP,
                Version::V2 => of::CGROUP,
            },
            ..Query::default()
        },
        Scope::User { uid, userns } => Query {
            of: userns.map_or(of::UID, |_| of::USER),
            uid: *uid,
            inum: userns.unwrap_or(0),
            ..Query::default()
        },
        Scope::PidNamespace { inum } => Query {
            of: of::PID_NAMESPACE,
            inum: *inum,
            ..Query::default()
        },
        Scope::Host { .. } => Query::default(),
    })
}

/// What a cgroup holds, and a task in whose /proc folder its path stands.
#[derive(Default)]
struct Held {
    amount: Amount,
    task: u32,
    /// That task has ended: v1 says that it is in the root.
    ended: bool,
}

struct Count {
    tally: Tally,
    /// Thread by thread.
    by_cgroup: bool,
    /// Processes of several threads, and the tasks of each by cgroup.
    several: HashMap<u32, (Task, Vec<(u64, u64)>)>,
    /// By the cgroup's id where one is counted, else by what stands for all of a task's cgroups.
    cgroups: HashMap<u64, Held>,
    stopped: Option<Uncounted>,
}

impl Count {
    fn see(&mut self, proc: &mut Proc, task: &Task) -> ControlFlow<()> {
        if proc.is_late() {
            self.stopped = Some(Uncounted::Late);
            return ControlFlow::Break(());
        }
        // It went away while it was read.
        if task.tgid == 0 {
            return ControlFlow::Continue(());
        }
        if !self.by_cgroup {
            let amount = self.add(proc, task, u64::from(task.threads.max(1)));
            if task.flags & flag::KERNEL == 0 {
                self.hold(task.cgroups, amount, task);
            }
        } else if task.threads <= 1 && task.tid == task.tgid {
            let amount = self.add(proc, task, 1);
            self.hold(task.cgroup, amount, task);
        } else {
            return self.remember(task);
        }
        ControlFlow::Continue(())
    }

    fn add(&mut self, proc: &mut Proc, task: &Task, tasks: u64) -> Amount {
        add(proc, &mut self.tally, &process(task), tasks)
    }

    fn hold(&mut self, cgroup: u64, amount: Amount, task: &Task) {
        let room = self.cgroups.len() < NAMES;
        let held = match self.cgroups.get_mut(&cgroup) {
            Some(held) => held,
            None if room => self.cgroups.entry(cgroup).or_default(),
            None => return,
        };
        held.amount.add(amount);
        if held.task == 0 || held.ended {
            held.task = task.tid;
            held.ended = task.flags & flag::EXITING != 0;
        }
    }

    /// One of several threads, which may be in different cgroups.
    fn remember(&mut self, task: &Task) -> ControlFlow<()> {
        let full = self.several.len() >= PROCESSES && !self.several.contains_key(&task.tgid);
        if full || self.several.try_reserve(1).is_err() {
            self.stopped = Some(Uncounted::NotHere);
            return ControlFlow::Break(());
        }
        let none = Amount::default();
        self.hold(task.cgroup, none, task);
        let (_, cgroups) = self.several.entry(task.tgid).or_insert((*task, Vec::new()));
        match cgroups.iter_mut().find(|(of, _)| *of == task.cgroup) {
            Some((_, tasks)) => *tasks += 1,
            None => cgroups.push((task.cgroup, 1)),
        }
        ControlFlow::Continue(())
    }

    fn add_several(&mut self, proc: &mut Proc) {
        let mut several: Vec<_> = self.several.drain().collect();
        several.sort_unstable_by_key(|(tgid, _)| *tgid);
        for (_, (task, cgroups)) in several {
            let tasks = cgroups.iter().map(|(_, tasks)| tasks).sum();
            let amount = self.add(proc, &task, tasks);
            for (cgroup, tasks) in cgroups {
                if let Some(held) = self.cgroups.get_mut(&cgroup) {
                    held.amount.add(Amount { tasks, ..amount });
                }
            }
        }
    }

    /// The paths of cgroups within the one that is counted, by their folders. One that has been
    /// removed has none: v2 goes on naming it.
    fn name_below(&mut self, proc: &mut Proc, within: Within<'_>, version: Version) {
        let (cgroups, tally) = (&mut self.cgroups, &mut self.tally);
        // Too many folders: by their tasks then.
        let _ = folders(within.folder, |folder, id| {
            if let Some(held) = cgroups.remove(&id) {
                tally.add_to_cgroup(&within.path_of(folder), held.amount);
            }
            if cgroups.is_empty() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        if version == Version::V1 {
            return;
        }
        for held in cgroups.values() {
            let Some(lines) = proc.cgroups(held.task) else {
                continue;
            };
            let mut lines = lines.split(|&b| b == b'\n');
            let path = lines.find_map(|line| line.strip_prefix(b"0::"));
            if let Some(path) = path.map(cgroup_path).filter(|p| p.starts_with(within.path)) {
                tally.add_to_cgroup(&path.to_string_lossy(), held.amount);
            }
        }
    }

    /// The paths of anybody's cgroups.
    fn name_any(&mut self, proc: &mut Proc) {
        for held in self.cgroups.values() {
            if let Some(path) = proc.cgroups(held.task).and_then(cgroup) {
                self.tally.add_to_cgroup(&path, held.amount);
            }
        }
    }
}

fn process(task: &Task) -> Process {
    let end = memchr::memchr(0, &task.comm).unwrap_or(task.comm.len());
    Process {
        pid: task.tgid,
        ppid: task.ppid,
        comm: String::from_utf8_lossy(&task.comm[..end]).into_owned(),
        uid: task.uid,
        ended: task.flags & flag::ENDED != 0,
        threads: task.threads.into(),
        kernel: task.flags & flag::KERNEL != 0,
        ..Process::default()
    }
}

#[cfg(test)]
mod tests;
