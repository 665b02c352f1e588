//! JSON as records are written: harmless on a terminal as well.
//!
//! JSON asks for escapes below U+0020 only. U+007F, the C1 controls (U+009B
//! begins an escape sequence) and the marks that reorder text are written as
//! `\uXXXX` too, which any reader turns back.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::Formatter;

use super::{Failure, Record};
use crate::model::is_harmful;

/// How a line of forktrace's own that holds a failure begins.
const FAILURE: &str = "{\"type\":\"failure\",";

/// A line, without its newline, as the record that it is; `None`: it is none.
///
/// Nearly all of a recording is failures. What kind a record is can stand anywhere in a line, so that
/// serde keeps all of it until it knows; where it comes first, a failure is read at once.
pub fn parse_line(line: &[u8]) -> Option<Record> {
    // Of a field that it doesn't know serde looks for the end alone: bytes there that are no text would
    // make a record of a failure, and of a repeat none.
    let line = std::str::from_utf8(line).ok()?;
    if line.starts_with(FAILURE)
        && let Ok(failure) = serde_json::from_str::<Failure>(line)
    {
        return Some(Record::Failure(Box::new(failure)));
    }
    serde_json::from_str(line).ok()
}

/// Appends the value and a newline to `line`.
pub fn write_line(line: &mut Vec<u8>, value: &impl Serialize) -> serde_json::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *line, Harmless);
    value.serialize(&mut serializer)?;
    line.push(b'\n');
    Ok(())
}

struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Controls below U+0020 have been taken out, and the rest of ASCII is harmless but for U+007F.
        if fragment.bytes().all(|byte| byte < 0x7f) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut plain = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| is_harmful(*c)) {
            writer.write_all(&fragment.as_bytes()[plain..at])?;
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            plain = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[plain..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_text_is_no_record() {
        let failure = include_bytes!("../../../docs/examples/web1.ndjson")
            .split(|b| *b == b'\n')
            .find(|line| line.starts_with(FAILURE.as_bytes()))
            .unwrap();
        let repeat = br#"{"type":"repeat","of":1,"cause":"pid_max","count":2,"first":"a","last":"b","unknown":""#;
        for (line, byte) in [(failure, b'x'), (failure, 0xac), (repeat, 0xac)] {
            let mut line = line.to_vec();
            match line.pop() {
                Some(b'}') => line.extend_from_slice(b",\"unknown\":\""),
                last => line.extend(last),
            }
            line.extend([byte, b'"', b'}']);
            let text = String::from_utf8_lossy(&line);
            assert_eq!(parse_line(&line).is_some(), byte == b'x', "{text}");
        }
    }

    #[test]
    fn nothing_harmful_is_raw_and_all_comes_back() {
        let hostile = "a\u{7f}\u{9b}31m\u{202e}\u{e0041}\x1b\n\"ä\u{10ffff}";
        let mut line = Vec::new();
        write_line(&mut line, &hostile).unwrap();
        let text = String::from_utf8(line).unwrap();
        assert!(!text.trim_end().chars().any(is_harmful), "{text:?}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), hostile);
    }
}
