//! A `failure` line, as much of it as a report needs. Nearly all of a recording
//! is these lines, and most of each is candidates and sentences, so that looking at
//! those and copying nothing is several times as fast as the whole type.

use std::borrow::Cow;

use crate::{
    model::{Cause, Certainty, Errno, Fix, Holder, Operation, Qos, Unit, program},
    record::Failure,
    report::{
        list::List,
        scan::Scanner,
        shape::{Known, Shape},
    },
};

/// How a line of forktrace's own that holds a failure begins.
pub(super) const FAILURE: &[u8] = b"{\"type\":\"failure\",";

/// See [`crate::record::Failure`].
pub(super) struct Refusal<'a> {
    pub seq: u64,
    pub time: Cow<'a, str>,
    pub operation: Operation,
    pub errno: Errno,
    pub caller: Who<'a>,
    pub cgroup: Cgroup<'a>,
    pub cause: Cause,
    pub certainty: Certainty,
    pub limit: Option<Bound<'a>>,
    /// Parsed only where they are kept to the end.
    pub holders: List<'a, Holder>,
    pub fix: List<'a, Fix>,
}

impl Who<'_> {
    /// As [`crate::model::Caller::program`].
    pub(super) fn program(&self) -> &str {
        program(self.exe.as_ref().map(Text::as_str), &self.comm)
    }
}

impl<'a> Refusal<'a> {
    /// Of a record that is there as a whole.
    pub(super) fn of(failure: &'a Failure) -> Self {
        fn text(text: &Option<String>) -> Option<Text<'_>> {
            text.as_deref().map(|text| Text(Cow::Borrowed(text)))
        }
        let (caller, cgroup) = (&failure.caller, &failure.cgroup);
        Self {
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
            cgroup: Cgroup {
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

pub(super) struct Who<'a> {
    pub pid: u32,
    pub exe: Option<Text<'a>>,
    pub comm: Cow<'a, str>,
    pub uid: u32,
    pub user: Option<Text<'a>>,
}

pub(super) struct Cgroup<'a> {
    pub path: Option<Text<'a>>,
    pub unit: Option<Text<'a>>,
    pub container: Option<Text<'a>>,
    pub pod: Option<Text<'a>>,
}

pub(super) struct Bound<'a> {
    pub name: Cow<'a, str>,
    pub scope: Cow<'a, str>,
    pub value: Option<u64>,
    pub usage: Option<u64>,
    pub unit: Unit,
    pub file: Option<Text<'a>>,
}

pub(super) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A line of forktrace's own as a failure. All of it is looked at, so that a line which is taken here
/// is one that the whole type takes; whatever differs from what forktrace writes is `None`, and for
/// the whole type to judge.
pub(super) fn refusal(line: &[u8]) -> Option<Refusal<'_>> {
    let line = std::str::from_utf8(line).ok()?;
    let (mut seq, mut time, mut operation, mut errno) = (None, None, None, None);
    let (mut caller, mut cgroup) = (None, None);
    let (mut cause, mut certainty, mut limit) = (None, None, None);
    let (mut holders, mut fix, mut candidates) = (None, None, None);
    let mut kind = None;
    let mut other = Known::new(&[
        ("syscall", Shape::MaybeText),
        ("summary", Shape::Text),
        ("memory", Shape::MaybeObject(&MEMORY)),
    ]);
    let mut scan = Scanner::new(line);
    scan.object(|scan, key| match key {
        "type" => once(&mut kind, scan.string()),
        "seq" => once(&mut seq, scan.number()),
        "time" => once(&mut time, scan.string()),
        "operation" => once(&mut operation, scan.name()),
        "errno" => once(&mut errno, scan.name()),
        "caller" => once(&mut caller, who(scan)),
        "cgroup" => once(&mut cgroup, lives(scan)),
        "cause" => once(&mut cause, scan.name()),
        "certainty" => once(&mut certainty, scan.name()),
        "limit" => once(&mut limit, scan.optional(bound)),
        "candidates" => once(&mut candidates, scan.list(|scan| bound(scan).map(drop))),
        "holders" => once(&mut holders, scan.list(|scan| Known::object(&HOLDER, scan))),
        "fix" => once(&mut fix, scan.list(|scan| Known::object(&FIX, scan))),
        _ => other.take(scan, key),
    })?;
    candidates?;
    if !scan.is_at_end() || kind? != "failure" || !other.is_complete() {
        return None;
    }
    Some(Refusal {
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

const HOLDER: [(&str, Shape); 7] = [
    ("kind", Shape::Text),
    ("name", Shape::Text),
    ("tasks", Shape::Number),
    ("zombies", Shape::Number),
    ("bytes", Shape::MaybeNumber),
    ("idle", Shape::MaybeNumber),
    ("detail", Shape::MaybeText),
];

const FIX: [(&str, Shape); 3] = [
    ("now", Shape::MaybeText),
    ("persistent", Shape::MaybeText),
    ("note", Shape::MaybeText),
];

const MEMORY: [(&str, Shape); 12] = [
    ("total", Shape::MaybeNumber),
    ("available", Shape::MaybeNumber),
    ("swap_total", Shape::MaybeNumber),
    ("swap_free", Shape::MaybeNumber),
    ("overcommit_memory", Shape::MaybeNumber),
    ("overcommit_ratio", Shape::MaybeNumber),
    ("overcommit_kbytes", Shape::MaybeNumber),
    ("commit_limit", Shape::MaybeNumber),
    ("committed", Shape::MaybeNumber),
    ("huge_pages", Shape::MaybeNumber),
    ("admin_reserve", Shape::MaybeNumber),
    ("user_reserve", Shape::MaybeNumber),
];

fn who<'a>(scan: &mut Scanner<'a>) -> Option<Who<'a>> {
    let (mut comm, mut uid, mut user) = (None, None, None);
    let (mut pid, mut exe) = (None, None);
    let mut other = Known::new(&[
        ("tid", Shape::Small),
        ("ppid", Shape::Small),
        ("euid", Shape::Small),
        ("comm_hex", Shape::MaybeText),
        ("exe_hex", Shape::MaybeText),
        ("program", Shape::MaybeText),
    ]);
    scan.object(|scan, key| match key {
        "pid" => once(&mut pid, scan.number()),
        "exe" => once(&mut exe, scan.optional(text)),
        "comm" => once(&mut comm, scan.string()),
        "uid" => once(&mut uid, scan.number()),
        "user" => once(&mut user, scan.optional(text)),
        _ => other.take(scan, key),
    })?;
    other.is_complete().then_some(())?;
    Some(Who {
        pid: pid?,
        exe: exe.flatten(),
        comm: Cow::Borrowed(comm?),
        uid: uid?,
        user: user.flatten(),
    })
}

fn lives<'a>(scan: &mut Scanner<'a>) -> Option<Cgroup<'a>> {
    let (mut path, mut unit, mut container, mut pod) = (None, None, None, None);
    let mut qos = None;
    let mut other = Known::new(&[("path_hex", Shape::MaybeText), ("id", Shape::Number)]);
    scan.object(|scan, key| match key {
        "path" => once(&mut path, scan.optional(text)),
        "unit" => once(&mut unit, scan.optional(text)),
        "container" => once(&mut container, scan.optional(text)),
        "pod" => once(&mut pod, scan.optional(text)),
        "qos" => once(&mut qos, scan.optional(Scanner::name::<Qos>)),
        _ => other.take(scan, key),
    })?;
    other.is_complete().then_some(())?;
    Some(Cgroup {
        path: path.flatten(),
        unit: unit.flatten(),
        container: container.flatten(),
        pod: pod.flatten(),
    })
}

fn bound<'a>(scan: &mut Scanner<'a>) -> Option<Bound<'a>> {
    let (mut name, mut scope, mut value) = (None, None, None);
    let (mut usage, mut unit, mut file) = (None, None, None);
    let mut other = Known::new(&[
        ("requested", Shape::MaybeNumber),
        ("usable", Shape::MaybeNumber),
        ("within", Shape::MaybeText),
    ]);
    scan.object(|scan, key| match key {
        "name" => once(&mut name, scan.string()),
        "scope" => once(&mut scope, scan.string()),
        "value" => once(&mut value, scan.optional(Scanner::number)),
        "usage" => once(&mut usage, scan.optional(Scanner::number)),
        "unit" => once(&mut unit, scan.name()),
        "file" => once(&mut file, scan.optional(text)),
        _ => other.take(scan, key),
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
        let mut failure = Failure {
            summary: "\u{1b}[31m \"quoted\"".to_owned(),
            ..failure(7, "2026-01-01T00:00:00Z")
        };
        failure.caller.catalogued = Some("postgresql".to_owned());
        write_line(&mut line, &Record::Failure(Box::new(failure))).unwrap();
        line.pop();
        line
    }

    #[test]
    fn forktrace_s_own_lines_begin_as_expected() {
        assert!(line().starts_with(FAILURE));
        let line = line();
        let text = String::from_utf8_lossy(&line);
        assert!(text.contains("\"program\":\"postgresql\""), "{text}");
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

    fn whole(line: &[u8]) -> Option<Box<Failure>> {
        match serde_json::from_slice(line) {
            Ok(Record::Failure(failure)) => Some(failure),
            _ => None,
        }
    }

    /// Of every line of a recording, and whatever byte of it is another: what is taken here, the whole
    /// type takes, and reads the same.
    #[test]
    fn takes_no_line_that_the_whole_type_refuses() {
        let recorded = include_str!("../../tests/data/schema-1.ndjson");
        let recorded = recorded
            .lines()
            .filter(|line| line.contains("\"type\":\"failure\""));
        let own = String::from_utf8(line()).unwrap();
        let (mut refused, mut taken) = (0, 0);
        for (n, line) in recorded.chain([&*own]).enumerate() {
            assert!(refusal(line.as_bytes()).is_some(), "not by hand: {line}");
            let every = if line == own { 1 } else { 41 };
            for at in (n % every..line.len()).step_by(every) {
                for flip in [0x01, 0x04, 0x20, 0x80] {
                    let mut line = line.as_bytes().to_vec();
                    line[at] ^= flip;
                    let Some(part) = refusal(&line) else {
                        refused += 1;
                        continue;
                    };
                    taken += 1;
                    let text = String::from_utf8_lossy(&line);
                    let full = whole(&line).unwrap_or_else(|| panic!("taken: {text}"));
                    assert_eq!(part.seq, full.seq);
                    assert_eq!(part.time, full.time);
                    assert_eq!(part.caller.comm, full.caller.comm);
                    assert_eq!(part.cause, full.cause);
                }
            }
        }
        assert!(refused > 400 && taken > 400, "{refused} {taken}");
        for torn in 0..own.len() {
            assert!(refusal(&own.as_bytes()[..torn]).is_none(), "{torn}");
        }
    }

    /// What a report doesn't read is looked at all the same.
    #[test]
    fn a_line_has_one_answer() {
        let line = String::from_utf8(line()).unwrap();
        for (old, new) in [
            ("\\\"quoted", "\\ud800quoted"),
            ("\\\"quoted", "\\ud83d\\ude00quoted"),
            ("\\\"quoted", "\\xquoted"),
            ("\"candidates\":[]", "\"candidates\":[1]"),
            ("\"candidates\":[]", "\"candidates\":{}"),
            ("\"summary\":", "\"summary\":\"\",\"summary\":"),
            ("\"summary\":", "\"new\":[1.5,{}],\"summary\":"),
            ("\"summary\":", "\"summery\":"),
            ("\"pid\":", "\"pid\":-"),
            ("\"euid\":", "\"euid\":4294967296,\"was\":"),
            ("\"syscall\":", "\"syscall\":1,\"was\":"),
        ] {
            let other = line.replacen(old, new, 1);
            assert_ne!(other, line, "{old}");
            let (part, full) = (refusal(other.as_bytes()), whole(other.as_bytes()));
            assert!(part.is_none() || full.is_some(), "{other}");
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

    #[test]
    fn what_is_not_as_forktrace_writes_it_is_for_the_whole_type() {
        let line = String::from_utf8(line()).unwrap();
        for (other, is_failure) in [
            (line.replace("\":", "\" : "), true),
            (line.replace("postgres", "p\\u006fstgres"), true),
            (
                line.replace("\"candidates\":[]", "\"candidates\":[\""),
                false,
            ),
            (line.replace("}]}", "}]}}"), false),
            (line.replace("\"seq\":7", "\"seq\":7,\"seq\":8"), false),
            (line.replace("\"seq\":7", "\"seq\":-7"), false),
            (line.replace("\"seq\":7", "\"seq\":07"), false),
            (line.replace("\"seq\":7", "\"seq\":7.5"), false),
            (
                line.replace("\"seq\":7", "\"seq\":77777777777777777777"),
                false,
            ),
            (line.replace("postgres", "post\tgres"), false),
        ] {
            assert_ne!(other, line);
            assert!(refusal(other.as_bytes()).is_none(), "{other}");
            assert_eq!(whole(other.as_bytes()).is_some(), is_failure, "{other}");
        }
    }
}
