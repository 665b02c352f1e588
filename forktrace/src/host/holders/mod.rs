//! Who fills a limit: the tasks, zombies or memory of programs, processes,
//! cgroups and users, counted over the limit's own scope.
//!
//! From cgroup files and /proc, which every kernel and every attach style has. A
//! count reads one file a process, with one file and one folder open at a time; it
//! makes no thread, and what vanishes meanwhile is left out. It comes some
//! milliseconds after the refusal, so it needn't add up to the number that
//! refused.

mod count;
mod namespaces;
mod pace;
mod postgres;
mod proc;
mod scope;
mod subtree;
mod tally;
#[cfg(test)]
mod tests;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use scope::{Fill, Scope};

use super::passwd::Passwd;
use crate::record::{Holder, Limit};
use pace::Pace;
use proc::Proc;

/// Inode number of the initial pid namespace: `PROC_PID_INIT_INO`,
/// include/linux/proc_ns.h, the same in all versions.
const INITIAL_PID_NAMESPACE: u64 = 0xefff_fffc;

/// A count that takes longer is given up: a part would be wrong, and events wait
/// meanwhile. Some 60,000 processes are counted in this time.
const LONGEST: Duration = Duration::from_secs(3);

/// Counts holders, each limit's at most every five seconds.
pub struct Holders {
    proc: Proc,
    passwd: Passwd,
    pace: Pace,
    /// /proc shows all processes of the host.
    sees_all: bool,
}

impl Holders {
    /// For this host.
    pub fn new(passwd: Passwd) -> Self {
        let proc = Path::new("/proc");
        let own = std::fs::metadata(proc.join("self/ns/pid"));
        Self {
            sees_all: own.is_ok_and(|own| own.ino() == INITIAL_PID_NAMESPACE),
            ..Self::from_folder(proc.to_owned(), passwd)
        }
    }

    /// From another folder like /proc.
    pub fn from_folder(proc: PathBuf, passwd: Passwd) -> Self {
        Self {
            proc: Proc::new(proc),
            passwd,
            pace: Pace::new(Instant::now()),
            sees_all: true,
        }
    }

    /// Who fills this limit now, the largest of each kind first. Nobody where it
    /// was counted within the last five seconds, where counting has taken too
    /// much of the time lately, and inside a pid namespace, whose /proc doesn't
    /// show the others; nor where it takes more than three seconds.
    pub fn of(&mut self, limit: &Limit, scope: impl FnOnce() -> Option<Scope>) -> Vec<Holder> {
        let start = Instant::now();
        let key = (limit.name.clone(), limit.scope.clone());
        if !self.sees_all || !self.pace.allows(key, start) {
            return Vec::new();
        }
        self.proc.give_up_at(Some(start + LONGEST));
        let rows = scope().and_then(|scope| self.count(&scope, limit.usage));
        self.proc.give_up_at(None);
        self.pace.spent(start.elapsed());
        rows.unwrap_or_default()
    }

    /// The same at once, however often it is asked. `usage`: what the limit says
    /// is in use, where that is known. `None` where it can't be counted.
    pub fn count(&mut self, scope: &Scope, usage: Option<u64>) -> Option<Vec<Holder>> {
        let tally = count::count(&mut self.proc, scope, usage)?;
        Some(tally.rows(&mut self.proc, &self.passwd))
    }
}
