//! Wording that the causes share.

use crate::model::{Fix, Limit, Unit, bytes, quoted};

/// "100 of 100 tasks", "1.9 GiB of 2.0 GiB".
pub(super) fn numbers(limit: &Limit) -> String {
    match (limit.usage, limit.bound(), limit.unit) {
        (Some(usage), Some(bound), Unit::Bytes) => format!("{} of {}", bytes(usage), bytes(bound)),
        (Some(usage), Some(bound), Unit::Tasks) => format!("{usage} of {bound} tasks"),
        (Some(usage), Some(bound), Unit::Mappings) => format!("{usage} of {bound} mappings"),
        (Some(usage), Some(bound), Unit::Ids) => format!("{usage} of {bound} ids"),
        (Some(usage), Some(bound), Unit::Namespaces) => format!("{usage} of {bound} namespaces"),
        (Some(usage), Some(bound), Unit::Levels) => format!("{usage} of {bound} levels"),
        (Some(usage), Some(bound), Unit::Descriptors) => format!("{usage} of {bound} descriptors"),
        (Some(usage), Some(bound), Unit::Files) => format!("{usage} of {bound} files"),
        (Some(usage), Some(bound), Unit::HugePages) => format!("{usage} of {bound} huge pages"),
        (None, Some(bound), Unit::Bytes) => bytes(bound),
        (_, Some(bound), _) => bound.to_string(),
        _ => "no number".to_owned(),
    }
}

/// A value that would give room: half as much again, rounded up to a number
/// that one can read.
pub(super) fn roomier(value: u64) -> u64 {
    let wanted = value.saturating_add(value / 2).saturating_add(1);
    let mut step = 1u64;
    while step.saturating_mul(20) < wanted {
        step = step.saturating_mul(10);
    }
    wanted.div_ceil(step).saturating_mul(step)
}

/// A path as one word for a POSIX shell. Paths come from other processes: a
/// name with control characters is not offered as a command at all.
pub(super) fn shell_word(path: &str) -> Option<String> {
    if path.is_empty() || path.chars().any(|c| c.is_control() || c == '\u{FFFD}') {
        return None;
    }
    Some(quoted(path).into_owned())
}

/// A fix with all three parts.
pub(super) fn fix(
    now: impl Into<Option<String>>,
    persistent: impl Into<Option<String>>,
    note: impl Into<Option<String>>,
) -> Fix {
    Fix {
        now: now.into(),
        persistent: persistent.into(),
        note: note.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roomier_is_larger_and_round() {
        assert_eq!(roomier(0), 1);
        assert_eq!(roomier(100), 160);
        assert_eq!(roomier(32768), 50000);
        for n in 0..5000 {
            assert!(roomier(n) > n);
        }
        let _ = roomier(u64::MAX);
    }

    #[test]
    fn shell_words_are_safe() {
        assert_eq!(shell_word("/a/b.service").as_deref(), Some("/a/b.service"));
        assert_eq!(shell_word("/a b/'x'").as_deref(), Some(r"'/a b/'\''x'\'''"));
        assert_eq!(shell_word("/a\u{1b}[31m"), None);
        assert_eq!(shell_word("/$(reboot)").as_deref(), Some("'/$(reboot)'"));
    }
}
