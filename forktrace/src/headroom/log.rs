//! Which lines of the kernel's log report refused forks and killed
//! processes.

use std::{
    collections::VecDeque,
    io::{self, BufRead},
};

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

/// The lines of interest of what `journalctl --output=json` prints of the kernel's log, with their own
/// times. What a line can't be read as is passed over: the journal's fields may have any bytes.
pub fn from_journal(printed: impl BufRead, seconds: u64) -> io::Result<Log> {
    #[derive(serde::Deserialize)]
    struct Entry {
        #[serde(rename = "__REALTIME_TIMESTAMP")]
        micros: String,
        #[serde(rename = "MESSAGE")]
        message: String,
    }
    let mut lines = VecDeque::new();
    let mut more = 0;
    for line in printed.split(b'\n') {
        let Ok(entry) = serde_json::from_slice::<Entry>(&line?) else {
            continue;
        };
        let time = entry
            .micros
            .parse()
            .ok()
            .map(jiff::Timestamp::from_microsecond);
        let (Some(Ok(time)), Some(kind)) = (time, kind_of(&entry.message)) else {
            continue;
        };
        if lines.len() >= MOST {
            lines.pop_front();
            more += 1;
        }
        lines.push_back(LogLine {
            time: time.to_string(),
            kind,
            text: entry.message,
        });
    }
    Ok(Log {
        seconds,
        lines: lines.into(),
        more,
        unreadable: None,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journals_lines_have_their_own_times() {
        let mut printed = String::new();
        for n in 0..150 {
            printed.push_str(&format!(
                "{{\"__REALTIME_TIMESTAMP\":\"{}000000\",\"MESSAGE\":\"cgroup: fork rejected by pids controller in /a\"}}\n",
                1_700_000_000 + n
            ));
        }
        printed.push_str("{\"__REALTIME_TIMESTAMP\":\"1\",\"MESSAGE\":\"usb 1-1: new device\"}\n");
        printed.push_str("{\"__REALTIME_TIMESTAMP\":\"1\",\"MESSAGE\":[99,103]}\nno JSON\n");
        let log = from_journal(printed.as_bytes(), 5).unwrap();
        assert_eq!((log.lines.len(), log.more, log.seconds), (MOST, 50, 5));
        assert_eq!(log.lines[0].time, "2023-11-14T22:14:10Z");
        assert_eq!(log.lines[0].kind, LogKind::ForkRefused);
    }
}
