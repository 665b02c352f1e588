//! Who fills a limit: the tasks, zombies or memory of programs, processes,
//! cgroups and users, counted over the limit's own scope.
//!
//! Tasks are listed by the kernel itself where it takes a program for that
//! ([`Tasks`]), in any attach style. Memory, and tasks elsewhere, are counted from
//! cgroup files and /proc, which every kernel has: that reads one file a process,
//! with one file and one folder open at a time. Neither makes a thread, and what
//! vanishes meanwhile is left out. It comes some milliseconds after the refusal, so
//! it needn't add up to the number that refused.
//!
//! Who fills the limit is counted in user space, after the verdict: `host/holders/scope.rs`
//! says whose tasks or memory the limit counts, its neighbours count them. Tasks are listed by a
//! BPF task iterator where the kernel takes one (`probe/task_iter.rs`,
//! `forktrace-ebpf/src/task_iter.rs`, in any attach style): the program runs only while it is
//! read from, and picks those that the limit counts by the kernel's own structs, zombies
//! included. Else, and for memory, they come from cgroup files and /proc, with the same sums: a
//! cgroup's from the lists of its subtree, which cost a system call for hundreds of ids, and
//! not from a look at every process; zombies are in no list and are looked for in /proc when
//! the kernel counts more than the lists have. One limit is counted every five seconds at most while its numbers stay,
//! of those of one name 32 at once and then four a second, and all together take a hundredth of
//! the time (`rate_limit.rs`): the other failures have no holders. Tables are bounded, whatever tasks
//! call themselves. A verdict about memory has the host's memory beside it as often
//! (`host/memory.rs`, which `check` reads as well).

mod count;
mod namespaces;
mod postgres;
mod proc;
pub(in crate::host) mod rate_limit;
mod scope;
mod subtree;
mod tally;
mod tasks;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use proc::parse_status;
pub use scope::{Fill, Scope};
pub use tasks::Tasks;

use super::{own_namespaces, passwd::Passwd};
use crate::model::{Holder, Limit, Unit};
use proc::Proc;
use rate_limit::{Key, RateLimit};
use tasks::Uncounted;

/// A count that takes longer is given up: a part would be wrong, and events wait
/// meanwhile. Some 60,000 processes are counted in this time.
const LONGEST: Duration = Duration::from_secs(3);

/// Counts holders, each limit's at most every five seconds.
pub struct Holders {
    proc: Proc,
    passwd: Passwd,
    rate_limit: RateLimit,
    /// /proc and the task iterator show all processes of the host.
    sees_all: bool,
    /// Asked first.
    tasks: Option<Box<dyn Tasks>>,
}

impl Holders {
    /// For this host.
    pub fn new(passwd: Passwd) -> Self {
        Self {
            sees_all: Self::possible(),
            ..Self::from_folder(Path::new("/proc").to_owned(), passwd)
        }
    }

    /// Whether holders are counted at all: not inside a pid namespace or behind `hidepid`, which
    /// don't show the others.
    pub fn possible() -> bool {
        let proc = Path::new("/proc");
        own_namespaces::proc_is_hosts(proc) && own_namespaces::proc_shows_others(proc)
    }

    /// From another folder like /proc.
    pub fn from_folder(proc: PathBuf, passwd: Passwd) -> Self {
        Self {
            proc: Proc::new(proc),
            passwd,
            rate_limit: RateLimit::new(Instant::now()),
            sees_all: true,
            tasks: None,
        }
    }

    /// Asks this source first for tasks, and files for what it can't list.
    pub fn with_tasks(self, tasks: Option<Box<dyn Tasks>>) -> Self {
        Self { tasks, ..self }
    }

    /// Who fills this limit now, the largest of each kind first. Nobody where it
    /// was counted at the same value and use within the last five seconds, where counting has taken too
    /// much of the time lately, and inside a pid namespace or behind
    /// `hidepid`, where /proc doesn't show the others; nor where it takes more than three seconds.
    /// `caller`: the process that was refused; `home`: the path of its cgroup, without which one that holds
    /// all of it would go without saying.
    pub fn of(
        &mut self,
        limit: &Limit,
        caller: u32,
        home: Option<&str>,
        scope: impl FnOnce() -> Option<Scope>,
    ) -> Vec<Holder> {
        let start = Instant::now();
        let numbers = numbers(limit);
        if !self.sees_all
            || !self
                .rate_limit
                .allows_at(numbers, Key::of_limit(limit), start)
        {
            return Vec::new();
        }
        self.proc.give_up_at(Some(start + LONGEST));
        self.proc.has_lived(Some(caller));
        let rows = scope().and_then(|scope| self.count_for(&scope, limit.usage, home));
        self.proc.has_lived(None);
        self.proc.give_up_at(None);
        self.rate_limit.spent(start.elapsed());
        rows.unwrap_or_default()
    }

    /// The same at once, however often it is asked. `usage`: what the limit says
    /// is in use, where that is known. `None` where it can't be counted.
    pub fn count(&mut self, scope: &Scope, usage: Option<u64>) -> Option<Vec<Holder>> {
        self.count_for(scope, usage, None)
    }

    fn count_for(
        &mut self,
        scope: &Scope,
        usage: Option<u64>,
        home: Option<&str>,
    ) -> Option<Vec<Holder>> {
        let listed = self.tasks.as_deref_mut();
        let listed = listed.map(|source| tasks::count(source, &mut self.proc, scope));
        let tally = match listed {
            Some(Ok(tally)) => tally,
            Some(Err(Uncounted::Late)) => return None,
            Some(Err(Uncounted::NotHere)) | None => count::count(&mut self.proc, scope, usage)?,
        };
        Some(tally.rows(&mut self.proc, &self.passwd, home))
    }
}

/// At which others may fill a limit: bytes in use are others at each refusal.
fn numbers(limit: &Limit) -> rate_limit::Numbers {
    let usage = limit.usage.filter(|_| limit.unit != Unit::Bytes);
    (limit.value, usage)
}
