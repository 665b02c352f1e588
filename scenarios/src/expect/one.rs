//! One record, against the refusal that it is of.

use std::fmt::Debug;

use forktrace::cause::Cause;
use forktrace::record::{Certainty, Failure, Limit, Operation, Unit};

use super::{Expect, FromTracepoint, Verdict, WantedLimit};

/// What differs: one sentence each.
struct Differences<'a>(&'a mut Vec<String>);

impl Differences<'_> {
    /// `wanted`: in words.
    fn add(&mut self, what: &str, got: impl Debug, wanted: &str) {
        self.0.push(format!("{what} is {got:?}, wanted {wanted}"));
    }

    fn unless(&mut self, right: bool, what: &str, got: impl Debug, wanted: impl Debug) {
        if !right {
            self.add(what, got, &format!("{wanted:?}"));
        }
    }

    fn unless_same<T: Debug + PartialEq<W>, W: Debug>(&mut self, what: &str, got: T, wanted: W) {
        self.unless(got == wanted, what, got, wanted);
    }
}

/// Compares them. What differs is added to `wrong`.
pub(super) fn compare(
    got: &Failure,
    want: &Expect,
    style: &str,
    wrong: &mut Vec<String>,
) -> Verdict {
    let mut differences = Differences(wrong);
    call(got, want, &mut differences);
    texts(got, &mut differences);
    cgroup(got, want, &mut differences);
    candidate(got, want, &mut differences);
    if let Some(part) = want.never {
        let record = serde_json::to_string(got).unwrap_or_default();
        differences.unless(!record.contains(part), "the record", &record, part);
    }
    let verdict = cause(got, want, style == "tracepoint", &mut differences);
    if verdict == Verdict::Right {
        limit(got, want, &mut differences);
        said(got, want, &mut differences);
    }
    verdict
}

/// Who called what, and what the kernel answered.
fn call(got: &Failure, want: &Expect, differences: &mut Differences<'_>) {
    differences.unless_same("operation", got.operation, want.kind.operation());
    differences.unless_same("syscall", got.syscall.as_deref(), Some(want.kind.syscall()));
    differences.unless_same("errno", got.errno, want.errno);
    differences.unless_same("caller.pid", got.caller.pid, want.pid);
    differences.unless_same("caller.tid", got.caller.tid, want.tid);
    if let Some(ppid) = want.ppid {
        differences.unless_same("caller.ppid", got.caller.ppid, ppid);
    }
    differences.unless_same("caller.comm", &got.caller.comm, &want.comm);
    differences.unless_same("caller.uid", got.caller.uid, want.uid);
    let euid = want.euid.unwrap_or(want.uid);
    differences.unless_same("caller.euid", got.caller.euid, euid);
}

/// What every record has.
fn texts(got: &Failure, differences: &mut Differences<'_>) {
    if !got.time.ends_with('Z') || got.time.len() < 20 {
        differences.add("time", &got.time, "RFC 3339, UTC");
    }
    if got.summary.is_empty() || got.summary.contains('\n') {
        differences.add("summary", &got.summary, "one sentence");
    }
}

/// What the answer has to say.
fn said(got: &Failure, want: &Expect, differences: &mut Differences<'_>) {
    let fixes = got.fix.iter();
    let texts = fixes.flat_map(|fix| [&fix.now, &fix.persistent, &fix.note].into_iter().flatten());
    let texts: Vec<&String> = texts.chain([&got.summary]).collect();
    for part in &want.says {
        let right = texts.iter().any(|text| text.contains(part));
        differences.unless(right, "the answer", &texts, part);
    }
}

/// Where the caller lives.
fn cgroup(got: &Failure, want: &Expect, differences: &mut Differences<'_>) {
    let got = &got.cgroup;
    if let Some(paths) = &want.cgroup {
        let right = paths.iter().any(|path| Some(path) == got.path.as_ref());
        differences.unless(right, "cgroup.path", &got.path, paths);
    }
    if let Some(hex) = &want.cgroup_hex {
        differences.unless_same("cgroup.path_hex", got.path_hex.as_ref(), Some(hex));
    }
    if let Some(id) = want.cgroup_id {
        differences.unless_same("cgroup.id", got.id, id);
    }
}

/// The other limit that has to be beside the refusing one.
fn candidate(got: &Failure, want: &Expect, differences: &mut Differences<'_>) {
    let Some(wanted) = &want.candidate else {
        return;
    };
    let fits = |candidate| {
        let mut differences = Vec::new();
        numbers(candidate, wanted, want, &mut Differences(&mut differences));
        differences.is_empty()
    };
    let right = got.candidates.iter().any(fits);
    differences.unless(right, "candidates", &got.candidates, wanted);
}

/// The cause, and how sure it is.
fn cause(
    got: &Failure,
    want: &Expect,
    by_tracepoint: bool,
    differences: &mut Differences<'_>,
) -> Verdict {
    let may_be_unknown = by_tracepoint && want.from_tracepoint == FromTracepoint::MayBeUnknown;
    if got.cause == Cause::Unknown && (want.cause == Cause::Unknown || may_be_unknown) {
        differences.unless_same("certainty", got.certainty, Certainty::Unknown);
        return Verdict::Unknown;
    }
    if got.cause != want.cause {
        differences.unless_same("cause", got.cause, want.cause);
        return match got.cause {
            Cause::Unknown => Verdict::Unknown,
            _ => Verdict::Wrong,
        };
    }
    let certainty = match by_tracepoint || want.inferred {
        true => Certainty::Inferred,
        false => Certainty::Observed,
    };
    differences.unless_same("certainty", got.certainty, certainty);
    Verdict::Right
}

/// The refusing limit.
fn limit(got: &Failure, want: &Expect, differences: &mut Differences<'_>) {
    let Some(wanted) = &want.limit else {
        return;
    };
    let Some(got) = &got.limit else {
        return differences.unless(false, "limit", None::<Limit>, wanted);
    };
    numbers(got, wanted, want, differences);
    if want.requested.is_some() {
        differences.unless_same("limit.requested", got.requested, want.requested);
    }
    if let Some(file) = &wanted.file {
        differences.unless_same("limit.file", got.file.as_deref(), file.to_str());
    }
}

/// Name, owner and numbers of a limit that `want` names.
fn numbers(got: &Limit, wanted: &WantedLimit, want: &Expect, differences: &mut Differences<'_>) {
    if let Some(name) = wanted.name {
        differences.unless_same("limit.name", got.kind.name(), name);
    }
    let scope = got.owner.to_string();
    let right = wanted.scope.fits(&scope);
    differences.unless(right, "limit.scope", scope, &wanted.scope);
    let right = wanted.value.fits(got.value);
    differences.unless(right, "limit.value", got.value, &wanted.value);
    let right = wanted.usage.fits(got.usage);
    differences.unless(right, "limit.usage", got.usage, &wanted.usage);
    let Some(unit) = wanted.unit else {
        return;
    };
    differences.unless_same("limit.unit", got.unit, unit);
    if unit == Unit::Tasks && got.requested.is_some() {
        // execve adds nobody.
        let tasks = u64::from(want.kind.operation() != Operation::Exec);
        differences.unless_same("limit.requested", got.requested, Some(tasks));
    }
}
