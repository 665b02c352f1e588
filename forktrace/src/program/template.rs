//! Texts of messages with places for what differs, as regular expressions. Their classes are ASCII's: the
//! program is built without Unicode's tables for them, which a test's dependencies may bring along.

use regex::bytes::Regex;

use super::errno_text;

/// What stands for an errno's text.
const ERRNO: &str = "{errno}";
/// What stands for it where its first letter is a small one, as few programs write it.
const LOWER: &str = "{lower}";
/// What stands for an errno's name or number.
const CODE: &str = "{code}";
/// What stands for a number, or a version's.
const NUMBER: &str = "{n}";
/// What stands for one word.
const WORD: &str = "{word}";
/// What stands for anything on the line.
const ANYTHING: &str = "{*}";

const PLACES: [&str; 6] = [ERRNO, LOWER, CODE, NUMBER, WORD, ANYTHING];

/// The parts of a template, in order.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let next = PLACES
            .into_iter()
            .filter_map(|place| Some((rest.find(place)?, place)))
            .min();
        let (at, place) = next.unwrap_or((rest.len(), ""));
        parts.extend((at > 0).then(|| &rest[..at]));
        parts.extend((!place.is_empty()).then_some(place));
        rest = &rest[at + place.len()..];
    }
    parts
}

fn is_place(part: &str) -> bool {
    PLACES.contains(&part)
}

fn expression(text: &str) -> String {
    let mut out = String::new();
    let parts = parts(text);
    for (at, part) in parts.iter().copied().enumerate() {
        match part {
            ERRNO | LOWER | CODE => {
                let pattern = match part {
                    ERRNO => &errno_text::TEXT,
                    LOWER => &errno_text::LOWER,
                    _ => &errno_text::CODE,
                };
                out.push_str("(?P<errno>");
                out.push_str(pattern);
                out.push(')');
                // A number ends there, unless the template says that a word goes on behind it.
                if part == CODE && parts.get(at + 1) != Some(&WORD) {
                    out.push_str(r"(?-u:\b)");
                }
            }
            NUMBER => out.push_str("[0-9]+(?:[.][0-9]+)*"),
            WORD => out.push_str(r"(?-u:[^\s]{1,200}?)"),
            // A message is one line of a sane length.
            ANYTHING => out.push_str("(?-u:[^\n]{0,400}?)"),
            literal => out.push_str(&regex::escape(literal)),
        }
    }
    out
}

/// Finds it anywhere in a line, where a word begins. An errno in it is the group `errno`.
pub(super) fn anywhere(text: &str) -> Result<Regex, regex::Error> {
    Regex::new(&at_a_word(text))
}

/// The same, where nothing goes on behind the errno that it ends with: in somebody's sentence about it, words
/// do.
pub(super) fn anywhere_at_an_end(text: &str) -> Result<Regex, regex::Error> {
    let end = match text.ends_with(ERRNO) {
        true => r"(?-u:[ \t]*(?:$|[\r\n]|at |[^ \t0-9A-Za-z_]))",
        false => "",
    };
    Regex::new(&(at_a_word(text) + end))
}

fn at_a_word(text: &str) -> String {
    let is_word = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let begin = match is_word || text.starts_with(NUMBER) {
        true => r"(?-u:\b)",
        false => "",
    };
    format!("{begin}{}", expression(text))
}

/// Finds it where it is the whole line.
pub(super) fn alone(text: &str) -> Result<Regex, regex::Error> {
    Regex::new(&as_a_whole(text))
}

fn as_a_whole(text: &str) -> String {
    format!(r"(?-u:^\s*){}(?-u:\s*$)", expression(text))
}

/// Whether a name is this one, whatever its number. Without an expression: callers are compared with
/// all names while others' forks are refused.
pub(super) fn is_name(template: &str, name: &str) -> bool {
    let Some((before, after)) = template.split_once(NUMBER) else {
        return template == name;
    };
    let middle = name
        .strip_prefix(before)
        .and_then(|name| name.strip_suffix(after));
    middle.is_some_and(|number| {
        number.starts_with(|c: char| c.is_ascii_digit())
            && number.chars().all(|c| c.is_ascii_digit() || c == '.')
    })
}

/// Matches a name as a word of a line.
pub(super) fn word(text: &str) -> Result<Regex, regex::Error> {
    let name = expression(text);
    Regex::new(&format!(
        r"(?-u:^|[^0-9A-Za-z_-])(?:{name})(?-u:$|[^0-9A-Za-z_.-]|[.](?:$|[^0-9A-Za-z]))"
    ))
}

/// Matches a name where it is who speaks: before a colon, with its process id or without; or in the head of RFC 5424,
/// where process and message ids follow.
pub(super) fn speaker(text: &str) -> Result<Regex, regex::Error> {
    let name = expression(text);
    Regex::new(&format!(
        r"(?-u:^|[^0-9A-Za-z_-])(?:{name})(?-u:(?:[\[(][0-9]+[\])])?:| (?:[0-9]+|-) [^ ]{{1,32}} [-\[])"
    ))
}

/// Whether the text has a place for an errno.
#[cfg(test)]
pub(super) fn has_errno(text: &str) -> bool {
    [ERRNO, LOWER, CODE]
        .iter()
        .any(|place| text.contains(place))
}

/// How much of a line it takes: of two that match, the longer one is meant.
pub(super) fn weight(text: &str) -> usize {
    parts(text)
        .iter()
        .filter(|part| !is_place(part))
        .map(|part| part.len())
        .sum()
}

/// The longest run of bytes that every line has which it matches, as a log writes them whether it is
/// JSON or not: quotes and what isn't ASCII may be escaped there.
pub(super) fn literal(text: &str) -> &str {
    let plain = |c: char| c == ' ' || (c.is_ascii_graphic() && !"\"\\<>&".contains(c));
    parts(text)
        .into_iter()
        .filter(|part| !is_place(part))
        .flat_map(|part| part.split(move |c| !plain(c)))
        // What is between two fields of a line of JSON is a space only once they are put together.
        .map(str::trim_end)
        .max_by_key(|run| run.len())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_what_stands_between_them() {
        let fork = anywhere("worker {n} ({*}): fork failed: {errno}").unwrap();
        let line = "x worker 12 (a(b)): fork failed: Nicht genügend Hauptspeicher verfügbar y";
        let found = fork.captures(line.as_bytes()).unwrap();
        assert_eq!(
            &found["errno"],
            "Nicht genügend Hauptspeicher verfügbar".as_bytes()
        );
        assert!(!fork.is_match(b"worker x (y): fork failed: Cannot allocate memory"));
        assert!(!fork.is_match(b"worker 1 (y): fork failed: 11"));
        assert!(!fork.is_match(b"coworker 1 (y): fork failed: Cannot allocate memory"));
        let numbered = anywhere("{n}: fork failed: {lower}").unwrap();
        assert!(numbered.is_match(b"zsh:1: fork failed: cannot allocate memory"));
        assert!(!numbered.is_match(b"open2: fork failed: cannot allocate memory"));
        assert!(!numbered.is_match(b"main.c:81: fork failed: Cannot allocate memory"));
        let number = anywhere("error = {code}").unwrap();
        assert!(number.is_match(b"error = 11,") && number.is_match(b"x error = eagain"));
        assert!(!number.is_match(b"error = 110") && !number.is_match(b"error = EAGAINST"));
        let with_a_word = anywhere("error {code}{word}.cc").unwrap();
        assert!(with_a_word.is_match(b"error 11a.cc") && with_a_word.is_match(b"error 1/a.cc"));
        let ended = anywhere_at_an_end("fork: {errno}").unwrap();
        for end in [
            "",
            "\n  next",
            " at x.pl line 3.",
            ", retrying",
            " (11)",
            "'",
            "：再试",
        ] {
            let line = format!("a: fork: Cannot allocate memory{end}");
            assert!(ended.is_match(line.as_bytes()), "{line}");
        }
        assert!(!ended.is_match(b"fork: Cannot allocate memory is told twice"));
        assert!(alone("No more.").unwrap().is_match(b" No more.\t"));
        assert!(!alone("No more.").unwrap().is_match(b"x No more."));
        assert!(!fork.is_match(b"worker 1 (y): fork failed: something"));
        assert_eq!(parts("{n}{errno} a{*}"), ["{n}", "{errno}", " a", "{*}"]);
    }

    #[test]
    fn a_literal_is_what_no_log_escapes() {
        assert_eq!(literal("a \"worker process\" ({n}"), "worker process");
        assert_eq!(literal("‘cc1’: vfork: {errno}"), ": vfork:");
        assert_eq!(literal("{errno}"), "");
        assert_eq!(weight("ab{*}c{n}"), 3);
    }

    #[test]
    fn no_class_takes_tables_that_the_program_has_not() {
        for text in ["{n}: a {errno}, {lower} {code}", "{word}{*}a"] {
            for expression in [at_a_word(text), as_a_whole(text), expression(text)] {
                let mut rest = &*expression;
                while let Some((unicode, ascii)) = rest.split_once("(?-u:") {
                    assert!(!has_class(unicode), "{unicode}");
                    rest = after_group(ascii);
                }
                assert!(!has_class(rest), "{rest}");
            }
        }
        assert!(has_class(r"a\s*") && !has_class(r"a\.\("));
    }

    fn has_class(expression: &str) -> bool {
        let letters = expression.split('\\').skip(1).map(|rest| &rest[..1]);
        letters
            .into_iter()
            .any(|letter| "sSwWdDbBpP".contains(letter))
    }

    /// Behind the parenthesis that ends a group.
    fn after_group(text: &str) -> &str {
        let mut depth = 1;
        let end = text.bytes().position(|byte| {
            depth += i32::from(byte == b'(') - i32::from(byte == b')');
            depth == 0
        });
        &text[end.unwrap() + 1..]
    }

    #[test]
    fn names_are_words() {
        let name = word("php-fpm{n}").unwrap();
        assert!(name.is_match(b"host php-fpm8.2[12]: x"));
        assert!(!name.is_match(b"my-php-fpm8.2: x") && !name.is_match(b"php-fpm8.2x"));
        let speaker = speaker("sshd").unwrap();
        for line in [
            "sshd: fork: ",
            "host sshd[812]: error: fork: ",
            "<35>1 2026-11-30T10:00:00Z host sshd 812 - - error: fork: ",
            "<35>1 2026-11-30T10:00:00Z host sshd - ID47 [x y=\"1\"] error: fork: ",
        ] {
            assert!(speaker.is_match(line.as_bytes()), "{line}");
        }
        for line in [
            "restarting sshd failed, fork: ",
            "my-sshd: fork: ",
            "sshd 2 fork: ",
        ] {
            assert!(!speaker.is_match(line.as_bytes()), "{line}");
        }
        assert!(is_name("python{n}", "python3.11") && is_name("nginx", "nginx"));
        for other in ["python", "python3.11-dbg", "xpython3", "python.3"] {
            assert!(!is_name("python{n}", other), "{other}");
        }
    }
}
