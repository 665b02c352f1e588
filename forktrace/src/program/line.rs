//! What a line of a log says, whatever it is wrapped in: JSON (the journal's, Docker's, applications'),
//! values in quotes, colours.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// Where a log of JSON lines has its text: the journal's, Docker's, what applications write (MongoDB's errnos are
/// attributes), and what those who collect it put it into (Google Cloud, Elastic's common schema).
const MESSAGES: &[&str] = &[
    "MESSAGE",
    "log",
    "message",
    "msg",
    "attr",
    "error",
    "err",
    "@message",
    "error.message",
    "exception",
    "exc_info",
    "stack",
    "stack_trace",
    "stacktrace",
    "error.stack_trace",
    "textPayload",
    "jsonPayload",
    "event",
    "event.original",
];

/// Where it has who spoke.
const SPEAKERS: [&str; 6] = [
    "SYSLOG_IDENTIFIER",
    "_COMM",
    "_EXE",
    "_SYSTEMD_UNIT",
    "UNIT",
    "container_name",
];

/// What a line may have where its text isn't there as it is: a log of many lines is searched for these.
pub(super) const WRAPPED: [&str; 4] = ["\"MESSAGE\":[", "\"MESSAGE\" : [", "\x1b[", "\\u001b["];

/// A line's text, and who spoke as far as the line says so apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Readable<'a> {
    pub text: Cow<'a, [u8]>,
    pub speaker: String,
}

/// A line without what it is wrapped in.
pub(super) fn readable(line: &[u8]) -> Readable<'_> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let Some(object) = object(line) else {
        return Readable {
            text: without_escapes(Cow::Borrowed(line)),
            speaker: String::new(),
        };
    };
    let mut text = Vec::new();
    for message in MESSAGES.iter().filter_map(|name| object.get(*name)) {
        if !text.is_empty() {
            text.push(b' ');
        }
        add(&mut text, message);
    }
    if text.is_empty() {
        // Who calls it otherwise has it somewhere.
        object
            .values()
            .for_each(|value| add_strings(&mut text, value));
    }
    let speakers = SPEAKERS
        .iter()
        .filter_map(|name| object.get(*name)?.as_str());
    Readable {
        text: without_escapes(Cow::Owned(text)),
        speaker: speakers.collect::<Vec<_>>().join(" "),
    }
}

/// The object that a line is.
fn object(line: &[u8]) -> Option<Map<String, Value>> {
    let begins = line.iter().find(|byte| !byte.is_ascii_whitespace());
    if begins != Some(&b'{') {
        return None;
    }
    let lossy = String::from_utf8_lossy(line);
    serde_json::from_str(&lossy).ok()
}

/// A message; the journal writes one that isn't plain text as its bytes.
fn add(text: &mut Vec<u8>, message: &Value) {
    match message {
        Value::String(message) => text.extend_from_slice(message.trim_end().as_bytes()),
        Value::Array(bytes) => text.extend(
            bytes
                .iter()
                .filter_map(|byte| u8::try_from(byte.as_u64()?).ok()),
        ),
        Value::Object(inner) => {
            let strings = inner.values().filter_map(Value::as_str);
            text.extend_from_slice(strings.collect::<Vec<_>>().join(" ").as_bytes());
        }
        _ => {}
    }
}

/// All texts in a value, a line each.
fn add_strings(text: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(string) => {
            if !text.is_empty() {
                text.push(b'\n');
            }
            text.extend_from_slice(string.trim_end().as_bytes());
        }
        Value::Array(values) => values.iter().for_each(|value| add_strings(text, value)),
        Value::Object(inner) => inner.values().for_each(|value| add_strings(text, value)),
        _ => {}
    }
}

/// Without the sequences that colour a terminal's text (ECMA-48, CSI), and with quotes as they were
/// before a value was put between quotes.
fn without_escapes(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'\x1b', b'\\', &text).is_none() {
        return text;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest: &[u8] = &text;
    while let Some(at) = memchr::memchr2(b'\x1b', b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let skipped = match rest {
            [b'\x1b', b'[', parameters @ ..] => {
                let end = parameters.iter().position(|b| !(0x20..0x40).contains(b));
                2 + end.map_or(parameters.len(), |end| end + 1)
            }
            [b'\\', b'"', ..] => 1,
            [first, ..] => {
                out.push(*first);
                1
            }
            [] => break,
        };
        rest = &rest[skipped..];
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> String {
        String::from_utf8_lossy(&readable(line.as_bytes()).text).into_owned()
    }

    #[test]
    fn a_line_of_each_kind() {
        assert_eq!(text("a b\r"), "a b");
        assert_eq!(text(r#"{"log":"a \"b\"\n","stream":"stderr"}"#), "a \"b\"");
        assert_eq!(text(r#"{"MESSAGE":[97,32,98]}"#), "a b");
        assert_eq!(text(r#"{"level":"error","msg":"a","err":"b"}"#), "a b");
        let mongodb = r#"{"s":"E","attr":{"code":11,"error":"b"},"msg":"a"}"#;
        assert_eq!(text(mongodb), "a b");
        for line in [
            r#"{"error":{"message":"a","code":3}}"#,
            r#"{"jsonPayload":{"message":"a"},"severity":"ERROR"}"#,
            r#"{"textPayload":"a","resource":{"type":"b"}}"#,
            r#"{"event":{"original":"a"},"@timestamp":"b"}"#,
            r#"{"stack_trace":"a","thread":"b"}"#,
        ] {
            assert_eq!(text(line), "a", "{line}");
        }
        for line in [
            r#"{"body":{"stringValue":"a"},"severityNumber":17}"#,
            r#"{"_source":{"message":"a"},"_score":null}"#,
            r#"{"line":"a\n"}"#,
        ] {
            assert_eq!(text(line), "a", "{line}");
        }
        assert_eq!(text(r#"{"a":"b","c":["d"]}"#), "b\nd");
        assert_eq!(
            text(r#"level=error msg="a \"b\"""#),
            r#"level=error msg="a "b"""#
        );
        assert_eq!(text("\x1b[1;31mfork\x1b[0m: x"), "fork: x");
        assert_eq!(text(r#"{"MESSAGE":"\u001b[31mfork\u001b[0m"}"#), "fork");
        let journal =
            br#"{"SYSLOG_IDENTIFIER":"sshd","_SYSTEMD_UNIT":"ssh.service","MESSAGE":"x"}"#;
        assert_eq!(readable(journal).speaker, "sshd ssh.service");
    }

    #[test]
    fn what_is_torn_or_isnt_text_stays_as_it_is() {
        for odd in ["{", "{\"log\":", "\x1b[", "\\", "\x1b", "{}x", ""] {
            let _ = readable(odd.as_bytes());
        }
        assert_eq!(text("{\"log\": 1"), "{\"log\": 1");
        assert_eq!(&*readable(b"\xff\xfe").text, b"\xff\xfe");
    }
}
