//! A line of tracefs's `trace_pipe`.

use std::collections::HashMap;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub tid: u32,
    /// CLOCK_MONOTONIC, nanoseconds; the line has microseconds.
    pub time: u64,
    pub name: String,
    /// What was read there. A number below zero stands as its two's complement.
    pub values: HashMap<String, i64>,
}

impl Event {
    pub(crate) fn value(&self, name: &str) -> Option<i64> {
        self.values.get(name).copied()
    }

    pub(crate) fn unsigned(&self, name: &str) -> Option<u64> {
        self.value(name).map(|n| n as u64)
    }
}

/// `     comm-123     [000] d....    4.342655: over: (copy_process+0x50b/0x2740 <- …) ret=0`.
/// A comm may hold nearly anything.
pub(crate) fn parse(line: &str) -> Option<Event> {
    // The brackets of the processor are the last ones before the time.
    let (head, rest) = line.split_once("] ")?;
    let (task, _cpu) = head.rsplit_once('[')?;
    let tid = task.trim_end().rsplit_once('-')?.1.parse().ok()?;
    let mut words = rest.split_whitespace();
    let _flags = words.next()?;
    let time = micros(words.next()?.strip_suffix(':')?)? * 1000;
    let name = words.next()?.strip_suffix(':')?.to_owned();
    let values = words.filter_map(|word| {
        let (name, value) = word.split_once('=')?;
        Some((name.to_owned(), number(value)?))
    });
    Some(Event {
        tid,
        time,
        name,
        values: values.collect(),
    })
}

fn micros(text: &str) -> Option<u64> {
    let (seconds, micros) = text.split_once('.')?;
    Some(seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?)
}

fn number(text: &str) -> Option<i64> {
    if let Ok(n) = text.parse::<i64>() {
        return Some(n);
    }
    // Above what an i64 holds.
    text.parse::<u64>().ok().map(|n| n as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line() {
        let line = "              sh-139     [000] .....     4.342655: over: (copy_process+0x4cc/0x2740 <- is_rlimit_overlimit) ret=1 lim=18446744073709551615 x=(fault)";
        let event = parse(line).unwrap();
        assert_eq!((event.tid, event.time), (139, 4_342_655_000));
        assert_eq!(event.name, "over");
        assert_eq!(event.value("ret"), Some(1));
        assert_eq!(event.unsigned("lim"), Some(u64::MAX));
        assert_eq!(event.value("x"), None);
    }

    #[test]
    fn a_comm_may_look_like_anything() {
        let line = "  a-7 [b] - c-42    [001] d..1.  12.000001: end: (kernel_clone+0xbd/0x440 <- copy_process) ret=-11";
        // The first bracket that closes is the comm's: no event, and no wrong one.
        assert!(parse(line).is_none_or(|event| event.tid != 7));
        let line = "   tort-a-42    [001] d..1.  12.000001: end: (kernel_clone+0xbd/0x440 <- copy_process) ret=-11";
        let event = parse(line).unwrap();
        assert_eq!((event.tid, event.value("ret")), (42, Some(-11)));
    }

    #[test]
    fn other_lines_are_none() {
        for line in ["", "CPU:1 [LOST 5 EVENTS]", "# tracer: nop"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
