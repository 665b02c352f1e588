//! Whether a program that fills a limit grows: how many of its tasks have begun lately. A part of them
//! is looked at.

use std::{fs, path::Path, time::Instant};

use super::{
    holders::{
        Scope,
        rate_limit::{Key, RateLimit},
    },
    members,
    process::{Status, started, stat_field, threads, ticks, uptime},
};
use crate::model::{Holder, HolderKind, Limit};

/// Processes, tasks of one, and tasks that are looked at at most.
const PROCESSES: usize = 512;
const TASKS: usize = 64;
const MOST: u64 = 512;
/// What has begun within this time is new.
const LATELY_SECONDS: u64 = 60;

/// Of a program's tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Growth {
    /// Its name.
    pub program: String,
    /// Tasks that were looked at.
    pub seen: u64,
    /// Of these, those that have begun within the last minute.
    pub young: u64,
}

/// The program that holds half of a limit's tasks or more.
pub fn largest(holders: &[Holder]) -> Option<&str> {
    let programs = holders
        .iter()
        .filter(|holder| holder.kind == HolderKind::Program && holder.bytes.is_none());
    let all: u64 = programs
        .clone()
        .map(|holder| holder.tasks + holder.zombies)
        .sum();
    let largest = programs.max_by_key(|holder| holder.tasks)?;
    (largest.tasks * 2 >= all).then_some(&largest.name)
}

/// Looks, as often as holders are counted.
#[derive(Debug)]
pub struct Growths {
    rate_limit: RateLimit,
}

impl Growths {
    /// Nothing was looked at yet.
    pub fn new() -> Self {
        Self {
            rate_limit: RateLimit::new(Instant::now()),
        }
    }

    /// Of the program with this name among whom the limit counts; `None` where nobody can be looked
    /// at, or was a moment ago.
    pub fn of(
        &mut self,
        proc: &Path,
        limit: &Limit,
        scope: &Scope,
        program: &str,
    ) -> Option<Growth> {
        let start = Instant::now();
        if !self.rate_limit.allows(Key::of_limit(limit), start) {
            return None;
        }
        let growth = of(proc, scope, program);
        self.rate_limit.spent(start.elapsed());
        growth
    }
}

impl Default for Growths {
    fn default() -> Self {
        Self::new()
    }
}

fn of(proc: &Path, scope: &Scope, program: &str) -> Option<Growth> {
    let (pids, uid) = match scope {
        Scope::Cgroup { folder, .. } => (members::of(folder)?, None),
        Scope::User { uid, .. } => (listed(proc)?, Some(*uid)),
        Scope::Host { .. } => (listed(proc)?, None),
        Scope::PidNamespace { .. } => return None,
    };
    let now = uptime(proc)?;
    let mut growth = Growth {
        program: program.to_owned(),
        seen: 0,
        young: 0,
    };
    for pid in spread(&pids, PROCESSES) {
        if growth.seen >= MOST {
            break;
        }
        if !is_of(proc, pid, program) || uid.is_some_and(|uid| !is_users(proc, pid, uid)) {
            continue;
        }
        let tasks = threads(proc, pid);
        for tid in spread(&tasks, TASKS) {
            let Some(begun) = started(&proc.join(format!("{pid}/task")), tid) else {
                continue;
            };
            growth.seen += 1;
            growth.young += u64::from(now.saturating_sub(begun / ticks()) < LATELY_SECONDS);
        }
    }
    Some(growth)
}

/// So many of them at most, from all over.
fn spread(ids: &[u32], most: usize) -> impl Iterator<Item = u32> {
    let step = ids.len().div_ceil(most).max(1);
    ids.iter().copied().step_by(step)
}

fn listed(proc: &Path) -> Option<Vec<u32>> {
    let entries = fs::read_dir(proc).ok()?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Some(pids.collect())
}

fn is_of(proc: &Path, pid: u32, program: &str) -> bool {
    let text = fs::read(proc.join(format!("{pid}/stat"))).unwrap_or_default();
    // The second field is the name in parentheses.
    let name = stat_field(&text, 3).is_some().then(|| {
        let end = text.iter().rposition(|&b| b == b')')?;
        let begin = text.iter().position(|&b| b == b'(')?;
        text.get(begin + 1..end)
    });
    let name = name.flatten().unwrap_or_default();
    String::from_utf8_lossy(name) == program
}

fn is_users(proc: &Path, pid: u32, uid: u32) -> bool {
    Status::read(proc, pid).is_ok_and(|status| status.uid == uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::made_up;

    #[test]
    fn what_has_begun_lately_of_one_program() {
        let root = std::env::temp_dir().join(format!("forktrace-growth-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let put = |file: String, text: &str| {
            made_up::write(&root, file, text);
        };
        put("uptime".to_owned(), "1000.50 7.0\n");
        let ticks = ticks();
        let stat = |pid: u32, name: &str, begun: u64| {
            let fields = ["0"; 18].join(" ");
            format!("{pid} ({name}) S {fields} {} 0 0\n", begun * ticks)
        };
        for (pid, name, begun) in [
            (10, "a b) c", 990),
            (11, "a b) c", 995),
            (12, "a b) c", 10),
            (13, "other", 999),
        ] {
            put(format!("{pid}/stat"), &stat(pid, name, begun));
            put(format!("{pid}/task/{pid}/stat"), &stat(pid, name, begun));
        }
        // Threads have names of their own.
        put("12/task/20/stat".to_owned(), &stat(20, "pool", 999));
        let of = |program| {
            of(
                &root,
                &Scope::Host {
                    fill: crate::host::holders::Fill::Tasks,
                },
                program,
            )
        };
        let growth = of("a b) c").unwrap();
        assert_eq!((growth.seen, growth.young), (4, 3));
        assert_eq!(of("none").unwrap().seen, 0);
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_part_from_all_over() {
        let ids: Vec<u32> = (0..1000).collect();
        let part: Vec<u32> = spread(&ids, 64).collect();
        assert!(part.len() <= 64 && part.len() > 32, "{}", part.len());
        assert!(part.contains(&0) && *part.last().unwrap() > 900);
        assert_eq!(spread(&ids[..3], 64).count(), 3);
        assert_eq!(spread(&[], 64).count(), 0);
    }
}
