//! A `failure` line, as much of it as a report needs. Nearly all of a recording
//! is these lines, and most of each is candidates and sentences, so that parsing
//! a part of it and copying nothing is several times as fast as the whole type.

use std::borrow::Cow;

use serde::Deserialize;
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
    #[serde(borrow)]
    pub holders: &'a RawValue,
    #[serde(borrow)]
    pub fix: &'a RawValue,
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

/// A line as a failure; `None` if it isn't one.
pub fn refusal(line: &[u8]) -> Option<Refusal<'_>> {
    serde_json::from_slice(line).ok()
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
        let read = refusal(&line).unwrap();
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
                let part = refusal(&line);
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
            assert!(refusal(&whole[..torn]).is_none(), "{torn}");
        }
    }
}
