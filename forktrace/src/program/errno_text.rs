//! Errnos as programs write them: by glibc's texts in all its languages, by musl's, and apart from those by
//! name or by number: a number behind a colon is a number of anything.

use std::{collections::BTreeMap, sync::LazyLock};

use crate::{model::Errno, order::Order as _};

/// Where they differ from glibc's: musl 1.2.5, `src/errno/__strerror.h`; Tcl's; and what daemontools, runit and s6 have
/// of their own.
const OTHERS: [(&str, &str); 3] = [
    ("ENOMEM", "Out of memory"),
    ("ENOMEM", "not enough memory"),
    ("EAGAIN", "temporary failure"),
];

/// By the text in lower case: some programs write it so.
static TEXTS: LazyLock<BTreeMap<String, Errno>> = LazyLock::new(|| {
    let text = include_str!(concat!(env!("OUT_DIR"), "/errno_texts.json"));
    let glibc: BTreeMap<String, Vec<String>> =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("the errno texts: {error}"));
    let glibc = glibc
        .iter()
        .flat_map(|(name, texts)| texts.iter().map(move |text| (&**name, &**text)));
    glibc
        .chain(OTHERS)
        .filter_map(|(name, text)| Some((text.to_lowercase(), name.parse().ok()?)))
        .collect()
});

/// Names and numbers that are looked for: no creation is refused with another one (EACCES and ENOENT, above all, are
/// of a program that isn't there), and what is said behind it may be of one.
const NUMBERED: [Errno; 4] = [Errno::EAGAIN, Errno::ENOMEM, Errno::EPERM, Errno::ENOSPC];

/// A regular expression for an errno's text, without a group.
pub(super) static TEXT: LazyLock<String> =
    LazyLock::new(|| format!("(?i:{})", longest_first(regex::escape)));

/// The same where the first letter is no capital one of ASCII, as zsh has it.
pub(super) static LOWER: LazyLock<String> = LazyLock::new(|| {
    let lower = |text: &str| {
        let mut chars = text.chars();
        let first = chars.next().unwrap_or_default().to_string();
        format!(
            "{}(?i:{})",
            regex::escape(&first),
            regex::escape(chars.as_str())
        )
    };
    format!("(?:{})", longest_first(lower))
});

/// All texts as alternatives: one may begin as another ends.
fn longest_first(expression: impl Fn(&str) -> String) -> String {
    let mut texts: Vec<&str> = TEXTS.keys().map(String::as_str).collect();
    texts.order_by_key(|text| std::cmp::Reverse(text.len()));
    let each: Vec<String> = texts.into_iter().map(expression).collect();
    each.join("|")
}

/// The same for its name or its number; what a longer one begins with is one, too.
pub(super) static CODE: LazyLock<String> = LazyLock::new(|| {
    let each = NUMBERED.map(|errno| format!("{}|-?{}", errno.name(), errno.number()));
    format!("(?i:{})", each.join("|"))
});

/// The errno that [`TEXT`] or [`CODE`] has matched.
pub(super) fn parse(text: &[u8]) -> Option<Errno> {
    let text = std::str::from_utf8(text).ok()?;
    let number = || text.trim_start_matches('-').parse().ok();
    let named = || text.parse().ok();
    let texts = || TEXTS.get(&text.to_lowercase()).copied();
    texts()
        .or_else(named)
        .or_else(|| Errno::from_number(number()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_any_language_by_name_and_by_number() {
        for text in [
            "Resource temporarily unavailable",
            "resource temporarily unavailable",
            "Risorsa temporaneamente non disponibile",
            "РЕСУРС ВРЕМЕННО НЕДОСТУПЕН",
            "资源暂时不可用",
            "EAGAIN",
            "eagain",
            "11",
            "-11",
        ] {
            assert_eq!(parse(text.as_bytes()), Some(Errno::EAGAIN), "{text}");
        }
        assert_eq!(
            parse("Невозможно выделить память".as_bytes()),
            Some(Errno::ENOMEM)
        );
        assert_eq!(parse(b"Out of memory"), Some(Errno::ENOMEM));
        assert_eq!(parse(b"\xff"), None);
        assert!(TEXTS.len() > 150, "{}", TEXTS.len());
    }
}
