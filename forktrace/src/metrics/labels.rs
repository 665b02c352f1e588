//! Labels: names that this program gives, and values that come from elsewhere.

use crate::model::{Limit, clean, owner_within};

/// Bytes of a value. A cgroup's path can have 4,096, and its owner chooses them.
const LONGEST: usize = 256;

/// What a value says that stands for all that have no series of their own.
pub(super) const OTHER: &str = "other";

/// `name="value",…`; an empty value is a label that isn't there.
pub(super) fn labels(all: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (name, value) in all.iter().filter(|(_, value)| !value.is_empty()) {
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(name);
        out.push_str("=\"");
        push(&mut out, value);
        out.push('"');
    }
    out
}

/// Control characters and marks that hide text become `\u{…}`, as everywhere; then the format's own
/// escapes.
fn push(out: &mut String, value: &str) {
    for c in cut(&clean(value)).chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

/// Of what is too long, the end: that tells cgroups apart.
fn cut(value: &str) -> String {
    if value.len() <= LONGEST {
        return value.to_owned();
    }
    const CUT: &str = "…";
    let mut from = value.len() - (LONGEST - CUT.len());
    while !value.is_char_boundary(from) {
        from += 1;
    }
    format!("{CUT}{}", &value[from..])
}

/// Whose limit, in one label: the owner, and where its use is counted if that is elsewhere.
pub(super) fn owner(limit: &Limit) -> String {
    let within = limit.nested_within().map(ToString::to_string);
    owner_within(&limit.owner.to_string(), within.as_deref()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_values_stay_within_their_quotes() {
        let made = labels(&[("a", "x\"} 1\nforged 2"), ("b", "c:\\d"), ("gone", "")]);
        assert_eq!(made, r#"a="x\"} 1\\u{a}forged 2",b="c:\\d""#);
        let made = labels(&[("a", "\x1b[31m\u{202e}")]);
        assert_eq!(made, r#"a="\\u{1b}[31m\\u{202e}""#);
        assert!(!made.chars().any(char::is_control));
    }

    #[test]
    fn long_values_keep_their_end() {
        let long = format!("{}/the-end", "ü/".repeat(4096));
        let made = labels(&[("a", &long)]);
        assert!(made.len() <= LONGEST + 4, "{}", made.len());
        assert!(made.ends_with("/the-end\""), "{made}");
    }
}
