//! A `failure` line, as much of it as a report needs. Nearly all of a recording
//! is these lines, and most of each is candidates and sentences, so that parsing
//! a part of it and copying nothing is several times as fast as the whole type.

use std::{borrow::Cow, sync::LazyLock};

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::{
    model::{Cause, Certainty, Errno, Fix, Holder, Operation, Unit, program},
    record::Failure,
    report::{list::List, scan::Scanner},
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
    pub holders: List<'a, Holder>,
    #[serde(borrow, default)]
    pub fix: List<'a, Fix>,
}

impl Who<'_> {
    /// As [`crate::model::Caller::program`].
    pub fn program(&self) -> &str {
        program(self.exe.as_ref().map(Text::as_str), &self.comm)
    }
}

impl<'a> Refusal<'a> {
    /// Of a record that is there as a whole.
    pub fn of(failure: &'a Failure) -> Self {
        fn text(text: &Option<String>) -> Option<Text<'_>> {
            text.as_deref().map(|text| Text(Cow::Borrowed(text)))
        }
        let (caller, cgroup) = (&failure.caller, &failure.cgroup);
        Self {
            _type: Type::Failure,
            seq: failure.seq,
            time: Cow::Borrowed(&failure.time),
            operation: failure.operation,
            errno: failure.errno,
            caller: Who {
                pid: caller.pid,
                exe: text(&caller.exe),
                comm: Cow::Borrowed(&caller.comm),
                uid: caller.uid,
                user: text(&caller.user),
            },
            cgroup: Place {
                path: text(&cgroup.path),
                unit: text(&cgroup.unit),
                container: text(&cgroup.container),
                pod: text(&cgroup.pod),
            },
            cause: failure.cause,
            certainty: failure.certainty,
            limit: failure.limit.as_ref().map(|limit| Bound {
                name: Cow::Borrowed(limit.kind.name()),
                scope: Cow::Owned(limit.owner.to_string()),
                value: limit.value,
                usage: limit.usage,
                unit: limit.unit,
                file: text(&limit.file),
            }),
            holders: List::Of(&failure.holders),
            fix: List::Of(&failure.fix),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Type {
    Failure,
}

#[derive(Deserialize)]
pub struct Who<'a> {
    pub pid: u32,
    #[serde(borrow)]
    pub exe: Option<Text<'a>>,
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
///
/// A line as forktrace writes it is read by hand, which takes a third of the
/// time; whatever differs from that, an escaped character for one, is parsed.
pub fn refusal(line: &[u8]) -> Option<Refusal<'_>> {
    let line = std::str::from_utf8(line).ok()?;
    if let Some(refusal) = by_hand(line) {
        return Some(refusal);
    }
    let whole: Refusal<'_> = serde_json::from_str(line).ok()?;
    let complete = whole.holders.is_there() && whole.fix.is_there();
    complete.then_some(whole)
}

/// What follows `candidates`, which are half of a line and are not read.
static HOLDERS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"],\"holders\":"));

fn by_hand(line: &str) -> Option<Refusal<'_>> {
    let mut kind = None;
    let (mut seq, mut time, mut operation, mut errno) = (None, None, None, None);
    let (mut caller, mut cgroup) = (None, None);
    let (mut cause, mut certainty, mut limit) = (None, None, None);
    let (mut holders, mut fix) = (None, None);
    let mut scan = Scanner::new(line);
    scan.object(|scan, key| match key {
        "type" => once(&mut kind, scan.string()),
        "seq" => once(&mut seq, scan.number()),
        "time" => once(&mut time, scan.string()),
        "operation" => once(&mut operation, scan.name()),
        "errno" => once(&mut errno, scan.name()),
        "caller" => once(&mut caller, who(scan)),
        "cgroup" => once(&mut cgroup, place(scan)),
        "cause" => once(&mut cause, scan.name()),
        "certainty" => once(&mut certainty, scan.name()),
        "limit" => once(&mut limit, scan.optional(bound)),
        "candidates" => scan.list_before(&HOLDERS),
        "holders" => once(&mut holders, scan.value()),
        "fix" => once(&mut fix, scan.value()),
        _ => scan.value().map(drop),
    })?;
    if !scan.is_at_end() || kind? != "failure" {
        return None;
    }
    Some(Refusal {
        _type: Type::Failure,
        seq: seq?,
        time: Cow::Borrowed(time?),
        operation: operation?,
        errno: errno?,
        caller: caller?,
        cgroup: cgroup?,
        cause: cause?,
        certainty: certainty?,
        limit: limit.flatten(),
        holders: List::Json(holders?),
        fix: List::Json(fix?),
    })
}

fn who<'a>(scan: &mut Scanner<'a>) -> Option<Who<'a>> {
    let (mut comm, mut uid, mut user) = (None, None, None);
    let (mut pid, mut exe) = (None, None);
    scan.object(|scan, key| match key {
        "pid" => once(&mut pid, scan.number()),
        "exe" => once(&mut exe, scan.optional(text)),
        "comm" => once(&mut comm, scan.string()),
        "uid" => once(&mut uid, scan.number()),
        "user" => once(&mut user, scan.optional(text)),
        _ => scan.value().map(drop),
    })?;
    Some(Who {
        pid: pid?,
        exe: exe.flatten(),
        comm: Cow::Borrowed(comm?),
        uid: uid?,
        user: user.flatten(),
    })
}

fn place<'a>(scan: &mut Scanner<'a>) -> Option<Place<'a>> {
    let (mut path, mut unit, mut container, mut pod) = (None, None, None, None);
    scan.object(|scan, key| match key {
        "path" => once(&mut path, scan.optional(text)),
        "unit" => once(&mut unit, scan.optional(text)),
        "container" => once(&mut container, scan.optional(text)),
        "pod" => once(&mut pod, scan.optional(text)),
        _ => scan.value().map(drop),
    })?;
    Some(Place {
        path: path.flatten(),
        unit: unit.flatten(),
        container: container.flatten(),
        pod: pod.flatten(),
    })
}

fn bound<'a>(scan: &mut Scanner<'a>) -> Option<Bound<'a>> {
    let (mut name, mut scope, mut value) = (None, None, None);
    let (mut usage, mut unit, mut file) = (None, None, None);
    scan.object(|scan, key| match key {
        "name" => once(&mut name, scan.string()),
        "scope" => once(&mut scope, scan.string()),
        "value" => once(&mut value, scan.optional(Scanner::number)),
        "usage" => once(&mut usage, scan.optional(Scanner::number)),
        "unit" => once(&mut unit, scan.name()),
        "file" => once(&mut file, scan.optional(text)),
        _ => scan.value().map(drop),
    })?;
    Some(Bound {
        name: Cow::Borrowed(name?),
        scope: Cow::Borrowed(scope?),
        value: value.flatten(),
        usage: usage.flatten(),
        unit: unit?,
        file: file.flatten(),
    })
}

fn text<'a>(scan: &mut Scanner<'a>) -> Option<Text<'a>> {
    scan.string().map(|text| Text(Cow::Borrowed(text)))
}

/// A field that stands twice makes the line none of forktrace's.
fn once<T>(field: &mut Option<T>, value: Option<T>) -> Option<()> {
    let value = value?;
    field.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        record::{Record, write_line},
        report::{
            list::{Item, Kept},
            tests::failure,
        },
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
        assert!(by_hand(std::str::from_utf8(&line).unwrap()).is_some());
        let read = refusal(&line).unwrap();
        assert_eq!(read.seq, 7);
        assert!(matches!(read.caller.comm, Cow::Borrowed("postgres")));
        assert!(matches!(read.caller.user, Some(Text(Cow::Borrowed(_)))));
    }

    fn items<T: Item>(list: List<'_, T>) -> Vec<T> {
        let mut kept = Kept::default();
        kept.replace(list);
        kept.into_items()
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

    #[test]
    fn a_record_is_the_same_as_its_line() {
        let failure = failure(7, "2026-01-01T00:00:00Z");
        let mut line = Vec::new();
        write_line(&mut line, &Record::Failure(Box::new(failure.clone()))).unwrap();
        let (of, read) = (
            Refusal::of(&failure),
            refusal(&line[..line.len() - 1]).unwrap(),
        );
        assert_eq!((of.seq, &of.time), (read.seq, &read.time));
        assert_eq!((of.operation, of.errno), (read.operation, read.errno));
        assert_eq!((of.cause, of.certainty), (read.cause, read.certainty));
        let who = |r: &Refusal<'_>| {
            let user = r.caller.user.as_ref().map(|user| user.as_str().to_owned());
            let exe = r.caller.exe.as_ref().map(|exe| exe.as_str().to_owned());
            (
                r.caller.comm.to_string(),
                r.caller.uid,
                user,
                exe,
                r.caller.pid,
            )
        };
        assert_eq!(who(&of), who(&read));
        let place = |r: &Refusal<'_>| {
            let c = &r.cgroup;
            let parts = [&c.path, &c.unit, &c.container, &c.pod];
            parts.map(|part| part.as_ref().map(|text| text.as_str().to_owned()))
        };
        assert_eq!(place(&of), place(&read));
        let bound = |r: &Refusal<'_>| {
            let limit = r.limit.as_ref().unwrap();
            let file = limit.file.as_ref().map(|file| file.as_str().to_owned());
            let title = format!("{} of {}", limit.name, limit.scope);
            (title, limit.value, limit.usage, limit.unit, file)
        };
        assert_eq!(bound(&of), bound(&read));
        assert_eq!(items(of.holders), items(read.holders));
        assert_eq!(items(of.fix), items(read.fix));
    }

    /// Both ways of reading one, and what neither takes.
    #[test]
    fn what_is_not_as_forktrace_writes_it_is_parsed() {
        let line = String::from_utf8(line()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        let mut other = value.as_object().unwrap().clone();
        let fix = other.remove("fix").unwrap();
        let without = serde_json::to_string(&other).unwrap();
        assert!(refusal(without.as_bytes()).is_none());
        let one = refusal(line.as_bytes()).unwrap();
        let reordered = format!("{{\"fix\":{fix},{}", &without[1..]);
        let spaced = line.replace("\":", "\" : ");
        let escaped = line.replace("postgres", "p\\u006fstgres");
        for (other, hand) in [(reordered, true), (spaced, false), (escaped, false)] {
            assert_ne!(other, line);
            assert_eq!(by_hand(&other).is_some(), hand, "{other}");
            let two = refusal(other.as_bytes()).unwrap();
            assert_eq!((one.seq, &one.time), (two.seq, &two.time));
            assert_eq!(one.caller.comm, two.caller.comm);
            assert_eq!(items(one.holders), items(two.holders));
            assert_eq!(items(one.fix), items(two.fix));
        }
        for bad in [
            line.replace("\"candidates\":[]", "\"candidates\":[\""),
            line.replace("\"candidates\":[]", "\"candidates\":"),
            line.replace("}]}", "}]}}"),
            line.replace("\"seq\":7", "\"seq\":7,\"seq\":8"),
            line.replace("\"seq\":7", "\"seq\":-7"),
            line.replace("\"seq\":7", "\"seq\":07"),
            line.replace("\"seq\":7", "\"seq\":7.5"),
            line.replace("\"seq\":7", "\"seq\":77777777777777777777"),
            line.replace("\"uid\":", "\"uid\":4294967296,\"was\":"),
            line.replace("postgres", "post\tgres"),
        ] {
            assert_ne!(bad, line);
            assert!(refusal(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
