//! Which lines of the kernel's log report refused forks and killed
//! processes.

use super::{Log, LogKind, LogLine};
use crate::host::{clock::Clock, kernel_log::Message};

/// How far back the log is looked at.
pub const WINDOW_SECONDS: u64 = 3600;

/// Lines that are reported at most.
const MOST: usize = 100;

/// What a line reports; `None`: nothing of interest.
///
/// mm/oom_kill.c `__oom_kill_process` and `out_of_memory`, kernel/cgroup/pids.c
/// `pids_event`, mm/util.c `__vm_enough_memory` (since 6.1).
pub fn kind_of(text: &str) -> Option<LogKind> {
    if text.starts_with("Out of memory and no killable processes")
        || text.starts_with("Memory cgroup out of memory and no killable processes")
        || text.starts_with("System is deadlocked on memory")
    {
        return Some(LogKind::OomNoVictim);
    }
    if text.starts_with("Memory cgroup out of memory: Killed process") {
        return Some(LogKind::CgroupOomKill);
    }
    // "Out of memory", "Out of memory (oom_kill_allocating_task)".
    if text.starts_with("Out of memory") && text.contains(": Killed process") {
        return Some(LogKind::OomKill);
    }
    if text.starts_with("cgroup: fork rejected by pids controller in ") {
        return Some(LogKind::ForkRefused);
    }
    (text.starts_with("__vm_enough_memory: ") && text.contains("enough memory for the allocation"))
        .then_some(LogKind::Overcommit)
}

/// The lines of interest, with wall times.
pub fn lines(messages: &[Message], clock: &Clock) -> Log {
    let all: Vec<LogLine> = messages
        .iter()
        .filter_map(|message| {
            Some(LogLine {
                time: clock.rfc3339(message.at_us.saturating_mul(1000)),
                kind: kind_of(&message.text)?,
                text: message.text.clone(),
            })
        })
        .collect();
    let more = all.len().saturating_sub(MOST);
    Log {
        seconds: WINDOW_SECONDS,
        lines: all.into_iter().skip(more).collect(),
        more: more as u64,
        unreadable: None,
    }
}
