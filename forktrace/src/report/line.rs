//! A `failure` line, as much of it as a report needs. Nearly all of a recording
//! is these lines, and most of each is candidates and sentences, so that looking at
//! those and copying nothing is several times as fast as the whole type.

use std::borrow::Cow;

use crate::{
    model::{Cause, Certainty, Errno, Fix, Holder, Operation, Owner, Qos, Unit, program},
    record::{Failure, Record, parse_line},
    report::{list::List, scan::Scanner},
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

/// What a line is.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every line is the largest"
)]
pub(super) enum Entry<'a> {
    Refusal(Refusal<'a>, &'a [u8]),
    Record(Record, &'a [u8]),
    /// No record.
    Strange,
}

/// Makes a line out, and keeps it. `quick`: of failures, what a report needs is enough.
pub(super) fn entry(line: &[u8], quick: bool) -> Entry<'_> {
    let refusal = match quick && line.starts_with(FAILURE) {
        true => refusal(line),
        false => None,
    };
    match refusal {
        Some(refusal) => Entry::Refusal(refusal, line),
        None => parse_line(line).map_or(Entry::Strange, |record| Entry::Record(record, line)),
    }
}

/// Whether it is the line of a failure as forktrace writes it, and with nothing in it that a terminal would
/// obey: what reading and writing it again would give.
pub fn is_own_failure(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' '..=b'~')) && refusal(line).is_some()
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
                catalogued: text(&caller.catalogued),
            },
            cgroup: Cgroup {
                path: text(&cgroup.path),
                unit: text(&cgroup.unit),
                container: text(&cgroup.container),
                pod: text(&cgroup.pod),
                namespace: text(&cgroup.namespace),
                pod_name: text(&cgroup.pod_name),
            },
            cause: failure.cause,
            certainty: failure.certainty,
            limit: failure.limit.as_ref().map(|limit| Bound {
                name: Cow::Borrowed(limit.kind.name()),
                scope: match limit.owner.cgroup_path() {
                    Some(path) => Cow::Borrowed(path),
                    None => Cow::Owned(limit.owner.to_string()),
                },
                within: limit
                    .nested_within()
                    .map(|within| Cow::Owned(within.to_string())),
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
    /// Its id in the catalogue of programs.
    pub catalogued: Option<Text<'a>>,
}

pub(super) struct Cgroup<'a> {
    pub path: Option<Text<'a>>,
    pub unit: Option<Text<'a>>,
    pub container: Option<Text<'a>>,
    pub pod: Option<Text<'a>>,
    pub namespace: Option<Text<'a>>,
    pub pod_name: Option<Text<'a>>,
}

pub(super) struct Bound<'a> {
    pub name: Cow<'a, str>,
    pub scope: Cow<'a, str>,
    /// Where its use is counted, if not on the whole host.
    pub within: Option<Cow<'a, str>>,
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

/// A line of forktrace's own as a failure: its fields in the order in which they are written, so that
/// reading is comparing what comes next. All of it is looked at, so that a line which is taken here
/// is one that the whole type takes; whatever differs from what forktrace writes is `None`, and for
/// the whole type to judge.
pub(super) fn refusal(line: &[u8]) -> Option<Refusal<'_>> {
    let mut scan = Scanner::new(std::str::from_utf8(line).ok()?);
    let scan = &mut scan;
    let seq = scan.after(b"{\"type\":\"failure\",\"seq\":")?.number()?;
    let time = scan.after(b",\"time\":")?.string()?;
    let operation = scan.after(b",\"operation\":")?.name()?;
    scan.after(b",\"syscall\":")?.optional(Scanner::text)?;
    let errno = scan.after(b",\"errno\":")?.name()?;
    let caller = who(scan.after(b",\"caller\":")?)?;
    let cgroup = lives(scan.after(b",\"cgroup\":")?)?;
    let cause = scan.after(b",\"cause\":")?.name()?;
    let certainty = scan.after(b",\"certainty\":")?.name()?;
    let limit = scan.after(b",\"limit\":")?.optional(bound)?;
    scan.after(b",\"candidates\":")?
        .list(|scan| bound(scan).map(drop))?;
    let holders = scan.after(b",\"holders\":")?.list(holder)?;
    if scan.goes_on(b",\"memory\":") {
        memory(scan)?;
    }
    scan.after(b",\"summary\":")?.text()?;
    let fix = scan.after(b",\"fix\":")?.list(fix)?;
    scan.after(b"}")?.is_at_end().then_some(())?;
    Some(Refusal {
        seq,
        time: Cow::Borrowed(time),
        operation,
        errno,
        caller,
        cgroup,
        cause,
        certainty,
        limit,
        holders: List::Json(holders),
        fix: List::Json(fix),
    })
}

fn who<'a>(scan: &mut Scanner<'a>) -> Option<Who<'a>> {
    let pid = scan.after(b"{\"pid\":")?.number()?;
    scan.after(b",\"tid\":")?.number::<u32>()?;
    scan.after(b",\"ppid\":")?.number::<u32>()?;
    let comm = scan.after(b",\"comm\":")?.string()?;
    if scan.goes_on(b",\"comm_hex\":") {
        scan.text()?;
    }
    let uid = scan.after(b",\"uid\":")?.number()?;
    scan.after(b",\"euid\":")?.number::<u32>()?;
    let user = scan.after(b",\"user\":")?.optional(text)?;
    let exe = scan.after(b",\"exe\":")?.optional(text)?;
    if scan.goes_on(b",\"exe_hex\":") {
        scan.text()?;
    }
    let catalogued = match scan.goes_on(b",\"program\":") {
        true => Some(text(scan)?),
        false => None,
    };
    scan.after(b"}")?;
    Some(Who {
        pid,
        exe,
        comm: Cow::Borrowed(comm),
        uid,
        user,
        catalogued,
    })
}

fn lives<'a>(scan: &mut Scanner<'a>) -> Option<Cgroup<'a>> {
    let path = scan.after(b"{\"path\":")?.optional(text)?;
    if scan.goes_on(b",\"path_hex\":") {
        scan.text()?;
    }
    scan.after(b",\"id\":")?.number::<u64>()?;
    let unit = scan.after(b",\"unit\":")?.optional(text)?;
    let container = scan.after(b",\"container\":")?.optional(text)?;
    let pod = scan.after(b",\"pod\":")?.optional(text)?;
    if scan.goes_on(b",\"qos\":") {
        scan.name::<Qos>()?;
    }
    let namespace = named(scan, b",\"namespace\":")?;
    let pod_name = named(scan, b",\"pod_name\":")?;
    named(scan, b",\"container_name\":")?;
    scan.after(b"}")?;
    Some(Cgroup {
        path,
        unit,
        container,
        pod,
        namespace,
        pod_name,
    })
}

/// A name that is left out where there is none.
fn named<'a, const N: usize>(scan: &mut Scanner<'a>, key: &[u8; N]) -> Option<Option<Text<'a>>> {
    match scan.goes_on(key) {
        true => text(scan).map(Some),
        false => Some(None),
    }
}

fn bound<'a>(scan: &mut Scanner<'a>) -> Option<Bound<'a>> {
    let name = scan.after(b"{\"name\":")?.string()?;
    let scope = scan.after(b",\"scope\":")?.string()?;
    let value = scan.after(b",\"value\":")?.optional(Scanner::number)?;
    let usage = scan.after(b",\"usage\":")?.optional(Scanner::number)?;
    scan.after(b",\"requested\":")?
        .optional(Scanner::number::<u64>)?;
    let unit = scan.after(b",\"unit\":")?.name()?;
    if scan.goes_on(b",\"usable\":") {
        scan.number::<u64>()?;
    }
    let within = match scan.goes_on(b",\"within\":") {
        true => Some(scan.string()?),
        false => None,
    };
    let within = within.filter(|within| !Owner::from(*within).is_initial_user_namespace());
    let file = match scan.goes_on(b",\"file\":") {
        true => scan.optional(text)?,
        false => None,
    };
    scan.after(b"}")?;
    Some(Bound {
        name: Cow::Borrowed(name),
        scope: Cow::Borrowed(scope),
        within: within.map(Cow::Borrowed),
        value,
        usage,
        unit,
        file,
    })
}

/// See [`Holder`].
fn holder(scan: &mut Scanner<'_>) -> Option<()> {
    scan.after(b"{\"kind\":")?.text()?;
    scan.after(b",\"name\":")?.text()?;
    scan.after(b",\"tasks\":")?.number::<u64>()?;
    scan.after(b",\"zombies\":")?.number::<u64>()?;
    if scan.goes_on(b",\"bytes\":") {
        scan.number::<u64>()?;
    }
    if scan.goes_on(b",\"idle\":") {
        scan.number::<u64>()?;
    }
    if scan.goes_on(b",\"detail\":") {
        scan.text()?;
    }
    scan.after(b"}").map(drop)
}

/// See [`Fix`].
fn fix(scan: &mut Scanner<'_>) -> Option<()> {
    scan.after(b"{\"now\":")?.optional(Scanner::text)?;
    scan.after(b",\"persistent\":")?.optional(Scanner::text)?;
    scan.after(b",\"note\":")?.optional(Scanner::text)?;
    scan.after(b"}").map(drop)
}

/// See [`crate::model::Memory`].
fn memory(scan: &mut Scanner<'_>) -> Option<()> {
    let number = Scanner::number::<u64>;
    scan.after(b"{\"total\":")?.optional(number)?;
    scan.after(b",\"available\":")?.optional(number)?;
    scan.after(b",\"swap_total\":")?.optional(number)?;
    scan.after(b",\"swap_free\":")?.optional(number)?;
    scan.after(b",\"overcommit_memory\":")?.optional(number)?;
    scan.after(b",\"overcommit_ratio\":")?.optional(number)?;
    scan.after(b",\"overcommit_kbytes\":")?.optional(number)?;
    scan.after(b",\"commit_limit\":")?.optional(number)?;
    scan.after(b",\"committed\":")?.optional(number)?;
    scan.after(b",\"huge_pages\":")?.optional(number)?;
    scan.after(b",\"admin_reserve\":")?.optional(number)?;
    scan.after(b",\"user_reserve\":")?.optional(number)?;
    scan.after(b"}").map(drop)
}

fn text<'a>(scan: &mut Scanner<'a>) -> Option<Text<'a>> {
    scan.string().map(|text| Text(Cow::Borrowed(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        record::write_line,
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

    /// What is passed on as it stands is what would be written again.
    #[test]
    fn own_lines_are_those_that_would_be_written_again() {
        let recorded = include_str!("../../tests/data/schema-1.ndjson");
        let own = String::from_utf8(line()).unwrap();
        let all = recorded.lines().chain([&*own]);
        let all = all.filter(|line| is_own_failure(line.as_bytes()));
        let mut count = 0;
        for line in all {
            let record = parse_line(line.as_bytes()).unwrap();
            let mut again = Vec::new();
            write_line(&mut again, &record).unwrap();
            assert_eq!(String::from_utf8(again).unwrap(), format!("{line}\n"));
            count += 1;
        }
        assert!(count > 50, "{count}");
        for (old, new) in [
            ("postgres", "postgr\u{9b}s"),
            ("postgres", "postgr\u{7f}s"),
            ("\"seq\":7", "\"seq\": 7"),
            ("\"summary\":", "\"new\":1,\"summary\":"),
        ] {
            let other = own.replacen(old, new, 1);
            assert_ne!(other, own);
            assert!(!is_own_failure(other.as_bytes()), "{other}");
        }
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
        let mut failure = failure(7, "2026-01-01T00:00:00Z");
        failure.limit.as_mut().unwrap().within = Some(Owner::user_namespace(4_026_532_200));
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
        let lives = |r: &Refusal<'_>| {
            let c = &r.cgroup;
            let parts = [
                &c.path,
                &c.unit,
                &c.container,
                &c.pod,
                &c.namespace,
                &c.pod_name,
            ];
            parts.map(|part| part.as_ref().map(|text| text.as_str().to_owned()))
        };
        assert_eq!(lives(&of), lives(&read));
        let bound = |r: &Refusal<'_>| {
            let limit = r.limit.as_ref().unwrap();
            let file = limit.file.as_ref().map(|file| file.as_str().to_owned());
            let title = format!("{} of {}", limit.name, limit.scope);
            let within = limit.within.as_ref().map(ToString::to_string);
            (title, within, limit.value, limit.usage, limit.unit, file)
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
