//! A `failure` line, as much of it as a report needs. Nearly all of a recording
//! is these lines, and most of each is candidates and sentences, so that parsing
//! a part of it and copying nothing is several times as fast as the whole type.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::{
    cause::Cause,
    record::{Certainty, Errno, Operation, Unit},
};

/// How a line of forktrace's own that holds a failure begins.
pub const FAILURE: &[u8] = b"{\"type\":\"failure\",";

/// See [`crate::record::Failure`], whose types the fields share: what one
/// refuses, the other does.
#[derive(Deserialize)]
pub struct Refusal<'a> {
    #[serde(rename = "type")]
    _type: Type,
    pub seq: u64,
    #[serde(borrow)]
    pub time: Cow<'a, str>,
    pub operation: Operation,
    pub errno: Errno,
    #[serde(borrow)]
    pub caller: Who<'a>,
    #[serde(borrow)]
    pub cgroup: Place<'a>,
    pub cause: Cause,
    pub certainty: Certainty,
    #[serde(borrow)]
    pub limit: Option<Bound<'a>>,
    /// Parsed only where they are kept to the end.
    #[serde(borrow, default)]
    pub holders: Raw<'a>,
    #[serde(borrow, default)]
    pub fix: Raw<'a>,
}

/// JSON of a value; empty where there is none.
#[derive(Clone, Copy, Default)]
pub struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    pub fn get(self) -> &'a str {
        self.0
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Type {
    Failure,
}

#[derive(Deserialize)]
pub struct Who<'a> {
    #[serde(borrow)]
    pub comm: Cow<'a, str>,
    pub uid: u32,
    #[serde(borrow)]
    pub user: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub struct Place<'a> {
    #[serde(borrow)]
    pub path: Option<Text<'a>>,
    #[serde(borrow)]
    pub unit: Option<Text<'a>>,
    #[serde(borrow)]
    pub container: Option<Text<'a>>,
    #[serde(borrow)]
    pub pod: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub struct Bound<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow)]
    pub scope: Cow<'a, str>,
    pub value: Option<u64>,
    pub usage: Option<u64>,
    pub unit: Unit,
    #[serde(borrow)]
    pub file: Option<Text<'a>>,
}

/// serde borrows a `Cow` that is a field, and copies one within an `Option`.
#[derive(Deserialize)]
pub struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Self(raw.get()))
    }
}

/// A line as a failure; `None` if it isn't one. `buffer` is any string, for
/// more than one line.
///
/// More than half of a line of forktrace's own is behind `limit`, and only
/// passed over: there the brackets and quotes are looked at and nothing else.
/// Every other line is parsed as a whole.
pub fn refusal<'a>(line: &'a [u8], buffer: &'a mut String) -> Option<Refusal<'a>> {
    let line = std::str::from_utf8(line).ok()?;
    if let Some((head, holders, fix)) = cut(line) {
        buffer.clear();
        buffer.push_str(head);
        buffer.push('}');
        if let Ok(refusal) = serde_json::from_str(buffer) {
            return Some(Refusal {
                holders,
                fix,
                ..refusal
            });
        }
    }
    let whole: Refusal<'_> = serde_json::from_str(line).ok()?;
    let complete = !whole.holders.0.is_empty() && !whole.fix.0.is_empty();
    complete.then_some(whole)
}

/// A line in forktrace's own order: what is before `candidates`, without its
/// closing bracket, and the values of `holders` and `fix`.
fn cut(line: &str) -> Option<(&str, Raw<'_>, Raw<'_>)> {
    let bytes = line.as_bytes();
    // Quotes within strings are escaped, so that this is no part of one.
    let at = memchr::memmem::find(bytes, CANDIDATES)?;
    let candidates = end_of_value(bytes, at + CANDIDATES.len())?;
    let from = behind(bytes, candidates, HOLDERS)?;
    let holders = end_of_value(bytes, from)?;
    let summary = end_of_value(bytes, behind(bytes, holders, SUMMARY)?)?;
    let fix_from = behind(bytes, summary, FIX)?;
    let fix = end_of_value(bytes, fix_from)?;
    let whole = &bytes[fix..] == b"}";
    whole.then(|| {
        (
            &line[..at],
            Raw(&line[from..holders]),
            Raw(&line[fix_from..fix]),
        )
    })
}

const CANDIDATES: &[u8] = b",\"candidates\":";
const HOLDERS: &[u8] = b",\"holders\":";
const SUMMARY: &[u8] = b",\"summary\":";
const FIX: &[u8] = b",\"fix\":";

fn behind(line: &[u8], at: usize, key: &[u8]) -> Option<usize> {
    line[at..].starts_with(key).then_some(at + key.len())
}

/// Where a string, list or object ends that begins here.
fn end_of_value(line: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0usize;
    loop {
        match line.get(at)? {
            b'"' => at = end_of_string(line, at + 1)?,
            b'[' | b'{' => {
                depth += 1;
                at += 1;
            }
            b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            _ if depth > 0 => {
                at += 1;
                continue;
            }
            _ => return None,
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

fn end_of_string(line: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', line.get(at..)?)?;
        if line[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        record::{Failure, Record, write_line},
        report::tests::failure,
    };

    fn line() -> Vec<u8> {
        let mut line = Vec::new();
        let failure = Failure {
            summary: "\u{1b}[31m \"quoted\"".to_owned(),
            ..failure(7, "2026-01-01T00:00:00Z")
        };
        write_line(&mut line, &Record::Failure(Box::new(failure))).unwrap();
        line.pop();
        line
    }

    #[test]
    fn forktrace_s_own_lines_begin_as_expected() {
        assert!(line().starts_with(FAILURE));
        let line = line();
        assert!(cut(std::str::from_utf8(&line).unwrap()).is_some());
        let mut buffer = String::new();
        let read = refusal(&line, &mut buffer).unwrap();
        assert_eq!(read.seq, 7);
        assert!(matches!(read.caller.comm, Cow::Borrowed("postgres")));
        assert!(matches!(read.caller.user, Some(Text(Cow::Borrowed(_)))));
    }

    /// A flipped byte in what is read costs the line here as with the whole
    /// type. (In what isn't read, the part may take what the whole refuses.)
    #[test]
    fn takes_every_line_that_the_whole_type_takes_and_reads_the_same() {
        let whole = line();
        let mut refused = 0;
        for at in 0..whole.len() {
            for flip in [0x01, 0x04, 0x20, 0x80] {
                let mut line = whole.clone();
                line[at] ^= flip;
                let mut buffer = String::new();
                let part = refusal(&line, &mut buffer);
                match serde_json::from_slice::<Record>(&line) {
                    Ok(Record::Failure(full)) => {
                        let part = part.unwrap_or_else(|| panic!("byte {at} ^ {flip:#x}"));
                        assert_eq!(part.seq, full.seq);
                        assert_eq!(part.time, full.time);
                        assert_eq!(part.caller.comm, full.caller.comm);
                        assert_eq!(part.cause, full.cause);
                    }
                    Ok(_) => assert!(part.is_none(), "byte {at} ^ {flip:#x}"),
                    Err(_) => refused += u32::from(part.is_none()),
                }
            }
        }
        assert!(refused > 400, "{refused}");
        for torn in 0..whole.len() {
            assert!(
                refusal(&whole[..torn], &mut String::new()).is_none(),
                "{torn}"
            );
        }
    }

    /// Both ways of reading one, and what neither takes.
    #[test]
    fn another_order_is_read_as_a_whole() {
        let line = String::from_utf8(line()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        let mut other = value.as_object().unwrap().clone();
        let fix = other.remove("fix").unwrap();
        let without = serde_json::to_string(&other).unwrap();
        assert!(refusal(without.as_bytes(), &mut String::new()).is_none());
        let other = format!("{{\"fix\":{fix},{}", &without[1..]);
        assert!(cut(&other).is_none());
        let (mut a, mut b) = (String::new(), String::new());
        let one = refusal(line.as_bytes(), &mut a).unwrap();
        let two = refusal(other.as_bytes(), &mut b).unwrap();
        assert_eq!((one.seq, one.holders.get()), (two.seq, two.holders.get()));
        let parsed = |raw: Raw<'_>| serde_json::from_str::<serde_json::Value>(raw.get()).unwrap();
        assert_eq!(parsed(one.fix), parsed(two.fix));
        for bad in [
            line.replace("\"candidates\":[]", "\"candidates\":[\""),
            line.replace("\"candidates\":[]", "\"candidates\":"),
            line.replace("}]}", "}]}}"),
            line.replace("\"seq\":7", "\"seq\":7,\"seq\":8"),
        ] {
            assert_ne!(bad, line);
            assert!(
                refusal(bad.as_bytes(), &mut String::new()).is_none(),
                "{bad}"
            );
        }
    }
}
