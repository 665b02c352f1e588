//! What a record of an attempt has to say, and the comparison.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use forktrace::cause::Cause;
use forktrace::record::{Certainty, Errno, Failure, Limit, Operation, Record, Unit};

use crate::actor::Actor;
use crate::attempt::{Attempt, Kind};

/// A number in a record.
#[derive(Clone, Debug)]
pub(crate) enum Number {
    Exact(u64),
    AtLeast(u64),
    Between(u64, u64),
    Null,
    Any,
}

impl Number {
    fn fits(&self, got: Option<u64>) -> bool {
        match (self, got) {
            (Self::Any, _) | (Self::Null, None) => true,
            (Self::Exact(want), Some(got)) => *want == got,
            (Self::AtLeast(least), Some(got)) => got >= *least,
            (Self::Between(least, most), Some(got)) => (*least..=*most).contains(&got),
            _ => false,
        }
    }
}

/// The owner of a limit.
#[derive(Clone, Debug)]
pub(crate) enum Scope {
    Exact(String),
    StartsWith(&'static str),
}

impl Scope {
    fn fits(&self, got: &str) -> bool {
        match self {
            Self::Exact(want) => want == got,
            Self::StartsWith(start) => got.starts_with(start),
        }
    }
}

/// The refusing limit.
#[derive(Clone, Debug)]
pub(crate) struct WantedLimit {
    pub name: Option<&'static str>,
    pub scope: Scope,
    pub value: Number,
    pub usage: Number,
    pub unit: Option<Unit>,
    /// The file that the record has to name, whose content has to be `value`.
    pub file: Option<PathBuf>,
}

impl WantedLimit {
    /// RLIMIT_NPROC of `uid`.
    pub(crate) fn nproc(uid: u32, value: u64, usage: u64) -> Self {
        Self {
            name: Some("RLIMIT_NPROC"),
            scope: Scope::Exact(format!("uid {uid}")),
            value: Number::Exact(value),
            usage: Number::Exact(usage),
            unit: Some(Unit::Tasks),
            file: None,
        }
    }

    /// `pids.max` of a cgroup.
    pub(crate) fn pids(cgroup: &crate::cgroup::Cgroup, value: u64, usage: u64) -> Self {
        // A name that is no UTF-8 names no file in a record.
        let file = cgroup.hex().is_none().then(|| cgroup.limit_file());
        Self {
            name: Some("pids.max"),
            scope: Scope::Exact(cgroup.shown()),
            value: Number::Exact(value),
            usage: Number::Exact(usage),
            unit: Some(Unit::Tasks),
            file,
        }
    }

    /// kernel.threads-max.
    pub(crate) fn threads(value: u64) -> Self {
        Self {
            name: Some("kernel.threads-max"),
            scope: Scope::Exact("host".to_owned()),
            value: Number::Exact(value),
            usage: Number::AtLeast(value),
            unit: Some(Unit::Tasks),
            file: None,
        }
    }
}

/// What the tracepoint style may say, that sees no check refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FromTracepoint {
    /// It has to conclude the cause.
    Inferred,
    /// The cause doesn't always leave something behind that names it.
    MayBeUnknown,
}

/// A refused attempt.
#[derive(Clone, Debug)]
pub(crate) struct Expect {
    pub pid: u32,
    pub tid: u32,
    pub comm: String,
    pub uid: u32,
    pub kind: Kind,
    pub errno: Errno,
    pub cause: Cause,
    pub from_tracepoint: FromTracepoint,
    /// No style sees this check refuse.
    pub inferred: bool,
    pub limit: Option<WantedLimit>,
    /// What `limit.requested` has to be.
    pub requested: Option<u64>,
    /// Another limit that has to be among the candidates.
    pub candidate: Option<WantedLimit>,
    /// Any of these.
    pub cgroup: Option<Vec<String>>,
    pub cgroup_hex: Option<String>,
    pub cgroup_id: Option<u64>,
}

impl Expect {
    /// An attempt of an actor in the initial pid namespace, as root.
    pub(crate) fn of(actor: &Actor, attempt: &Attempt, cause: Cause) -> Self {
        Self {
            pid: actor.pid() as u32,
            tid: attempt.tid as u32,
            comm: actor.comm(),
            uid: 0,
            kind: attempt.kind,
            errno: Errno::from_number(attempt.errno).unwrap_or(Errno::EAGAIN),
            cause,
            from_tracepoint: FromTracepoint::Inferred,
            inferred: false,
            limit: None,
            requested: None,
            candidate: None,
            cgroup: None,
            cgroup_hex: None,
            cgroup_id: None,
        }
    }

    pub(crate) fn uid(mut self, uid: u32) -> Self {
        self.uid = uid;
        self
    }

    /// As the initial pid namespace numbers a caller of one thread.
    pub(crate) fn pid(mut self, pid: u64) -> Self {
        self.pid = pid as u32;
        self.tid = pid as u32;
        self
    }

    pub(crate) fn limit(mut self, limit: WantedLimit) -> Self {
        self.limit = Some(limit);
        self
    }

    pub(crate) fn candidate(mut self, limit: WantedLimit) -> Self {
        self.candidate = Some(limit);
        self
    }

    /// Whether a record names this cause and this owner, as far as one is wanted.
    fn is_of(&self, failure: &Failure) -> bool {
        let owner = failure.limit.as_ref().map(|limit| limit.owner.to_string());
        let fits = |wanted: &WantedLimit| owner.as_deref().is_none_or(|got| wanted.scope.fits(got));
        self.cause == failure.cause && self.limit.as_ref().is_none_or(fits)
    }

    pub(crate) fn may_be_unknown(mut self) -> Self {
        self.from_tracepoint = FromTracepoint::MayBeUnknown;
        self
    }

    /// Nothing shows the cause: then none may be named.
    pub(crate) fn unknown(mut self) -> Self {
        self.cause = Cause::Unknown;
        self
    }

    pub(crate) fn inferred(mut self) -> Self {
        self.inferred = true;
        self
    }

    /// The caller's cgroup.
    pub(crate) fn within(
        mut self,
        hosts: &crate::cgroup::Hierarchies,
        cgroup: &crate::cgroup::Cgroup,
    ) -> Self {
        self.cgroup = Some(hosts.caller_paths(&cgroup.shown()));
        self.cgroup_hex = if hosts.pids_is_v2 { cgroup.hex() } else { None };
        self.cgroup_id = if hosts.pids_is_v2 {
            cgroup.id().ok()
        } else {
            None
        };
        self
    }
}

/// What came of the comparison, for the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Right,
    Unknown,
    Wrong,
}

impl Verdict {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Unknown => "unknown",
            Self::Wrong => "wrong",
        }
    }
}

/// A line of the stream.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub raw: String,
    pub record: Record,
}

/// The failures of one part of a recording with what repeats them, by caller.
/// A part is a scenario's, for pids come back.
#[derive(Default)]
pub(crate) struct Recorded {
    by_pid: HashMap<u32, Vec<(usize, Failure)>>,
    repeats: HashMap<u64, u64>,
    raw: Vec<String>,
    /// What `limit.file` held while the scenario stood, by `seq`.
    pub files: BTreeMap<u64, String>,
}

impl Recorded {
    /// Adds one line.
    pub(crate) fn add(&mut self, line: &Line) {
        match &line.record {
            Record::Failure(failure) => {
                self.raw.push(line.raw.clone());
                self.by_pid
                    .entry(failure.caller.pid)
                    .or_default()
                    .push((self.raw.len() - 1, (**failure).clone()));
            }
            Record::Repeat(repeat) => *self.repeats.entry(repeat.of).or_default() += repeat.count,
            _ => {}
        }
    }

    /// Drops the counts, to take them from the whole recording.
    pub(crate) fn forget_repeats(&mut self) {
        self.repeats.clear();
    }

    /// The callers.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let mut all: Vec<_> = self.by_pid.keys().copied().collect();
        all.sort_unstable();
        all
    }

    /// Records of a caller.
    pub(crate) fn of(&self, pid: u32) -> impl Iterator<Item = &Failure> {
        self.by_pid.get(&pid).into_iter().flatten().map(|(_, f)| f)
    }

    /// The lines of a caller's records.
    pub(crate) fn raw_of(&self, pid: u32) -> Vec<String> {
        self.by_pid
            .get(&pid)
            .into_iter()
            .flatten()
            .map(|(at, _)| self.raw[*at].clone())
            .collect()
    }

    /// Failures of a caller, repeats included.
    pub(crate) fn count(&self, pid: u32) -> u64 {
        self.of(pid)
            .map(|f| 1 + self.repeats.get(&f.seq).copied().unwrap_or(0))
            .sum()
    }

    /// Failures of all.
    pub(crate) fn total(&self) -> u64 {
        self.pids().iter().map(|pid| self.count(*pid)).sum()
    }
}

/// One expectation's outcome.
pub(crate) struct Seen {
    pub cause: Cause,
    pub certainty: Certainty,
    pub verdict: Verdict,
}

/// Verdicts that were given to more refusals than there were of that cause and owner, repeats included.
fn too_many_of_one(recorded: &Recorded, pid: u32, wanted: &[&Expect]) -> Vec<String> {
    let mut counts: BTreeMap<(String, Option<String>), (u64, u64)> = BTreeMap::new();
    for failure in recorded.of(pid) {
        if failure.cause == Cause::Unknown {
            continue;
        }
        let owner = failure.limit.as_ref().map(|limit| limit.owner.to_string());
        let key = (format!("{:?}", failure.cause), owner);
        let (said, could) = counts.entry(key).or_default();
        *said += 1 + recorded.repeats.get(&failure.seq).copied().unwrap_or(0);
        *could = wanted.iter().filter(|e| e.is_of(failure)).count() as u64;
    }
    counts
        .into_iter()
        // Of what nothing was wanted, more is said below.
        .filter(|(_, (said, could))| *could > 0 && said > could)
        .map(|((cause, owner), (said, could))| {
            let owner = owner.unwrap_or_default();
            format!("{said} are said to be {cause} of {owner:?}, which refused {could}")
        })
        .collect()
}

/// Compares everything that was recorded of one caller with what it did. The
/// second answer is what is wrong.
///
/// So many as `skipped` says may be missing; as many as are, are taken off. What
/// was recorded may then be `unknown` because a stage's program was skipped, and
/// where that is `doubted`, inferred.
pub(crate) fn compare(
    recorded: &Recorded,
    pid: u32,
    wanted: &[&Expect],
    style: &str,
    doubted: bool,
    skipped: &mut u64,
) -> (Vec<Seen>, Vec<String>) {
    let mut seen = Vec::new();
    let mut wrong = Vec::new();
    let count = recorded.count(pid);
    let missing = (wanted.len() as u64).saturating_sub(count);
    let may_lack_stages = *skipped > 0;
    if missing > 0 && missing <= *skipped {
        *skipped -= missing;
    } else if count != wanted.len() as u64 {
        wrong.push(format!(
            "{} refused, {count} recorded (repeats included)",
            wanted.len()
        ));
    }
    wrong.extend(too_many_of_one(recorded, pid, wanted));
    let mut left: Vec<&Expect> = wanted.to_vec();
    for failure in recorded.of(pid) {
        let made = |e: &&Expect| {
            e.tid == failure.caller.tid && failure.syscall.as_deref() == Some(e.kind.syscall())
        };
        let position = |fits: &dyn Fn(&&Expect) -> bool| left.iter().position(fits);
        let at = position(&|e| made(e) && e.is_of(failure))
            .or_else(|| position(&|e| made(e) && e.cause == failure.cause))
            .or_else(|| position(&made))
            .unwrap_or(0);
        let Some(expect) = left.get(at).copied() else {
            wrong.push(format!("seq {} is one too many", failure.seq));
            continue;
        };
        left.remove(at);
        if may_lack_stages && failure.cause == Cause::Unknown {
            seen.push(Seen {
                cause: expect.cause,
                certainty: failure.certainty,
                verdict: Verdict::Unknown,
            });
            continue;
        }
        let mut expect = expect.clone();
        expect.inferred |= doubted && failure.certainty == Certainty::Inferred;
        let verdict = compare_one(failure, &expect, style, &mut wrong);
        if let Some(file) = recorded.files.get(&failure.seq)
            && let Some(value) = failure.limit.as_ref().and_then(|l| l.value)
            && file.trim() != value.to_string()
        {
            wrong.push(format!("limit.file holds {file:?}, value is {value}"));
        }
        seen.push(Seen {
            cause: expect.cause,
            certainty: failure.certainty,
            verdict,
        });
    }
    wrong.sort();
    wrong.dedup();
    (seen, wrong)
}

fn compare_one(got: &Failure, want: &Expect, style: &str, wrong: &mut Vec<String>) -> Verdict {
    // execve adds nobody.
    let requested = u64::from(want.kind.operation() != Operation::Exec);
    let mut differ = |what: &str, got: String, want: String| {
        wrong.push(format!("{what} is {got}, wanted {want}"));
    };
    macro_rules! same {
        ($what:literal, $got:expr, $want:expr) => {
            if $got != $want {
                differ($what, format!("{:?}", $got), format!("{:?}", $want));
            }
        };
    }
    same!("operation", got.operation, want.kind.operation());
    same!("syscall", got.syscall.as_deref(), Some(want.kind.syscall()));
    same!("errno", got.errno, want.errno);
    same!("caller.pid", got.caller.pid, want.pid);
    same!("caller.tid", got.caller.tid, want.tid);
    same!("caller.comm", got.caller.comm, want.comm);
    same!("caller.uid", got.caller.uid, want.uid);
    if !got.time.ends_with('Z') || got.time.len() < 20 {
        differ(
            "time",
            format!("{:?}", got.time),
            "RFC 3339, UTC".to_owned(),
        );
    }
    if got.summary.is_empty() || got.summary.contains('\n') {
        differ(
            "summary",
            format!("{:?}", got.summary),
            "one sentence".to_owned(),
        );
    }
    if let Some(paths) = &want.cgroup
        && !paths.iter().any(|p| Some(p) == got.cgroup.path.as_ref())
    {
        differ(
            "cgroup.path",
            format!("{:?}", got.cgroup.path),
            format!("{paths:?}"),
        );
    }
    if let Some(hex) = &want.cgroup_hex {
        same!("cgroup.path_hex", got.cgroup.path_hex.as_ref(), Some(hex));
    }
    if let Some(id) = want.cgroup_id {
        same!("cgroup.id", got.cgroup.id, id);
    }
    if let Some(candidate) = &want.candidate
        && !got
            .candidates
            .iter()
            .any(|c| limit_differs(c, candidate, requested).is_empty())
    {
        differ(
            "candidates",
            format!("{:?}", got.candidates),
            format!("{candidate:?}"),
        );
    }

    let by_tracepoint = style == "tracepoint";
    let verdict = if got.cause == want.cause {
        Verdict::Right
    } else if got.cause == Cause::Unknown {
        Verdict::Unknown
    } else {
        Verdict::Wrong
    };
    let unknown_allowed = match want.from_tracepoint {
        FromTracepoint::Inferred => false,
        FromTracepoint::MayBeUnknown => by_tracepoint,
    };
    match verdict {
        Verdict::Right if want.cause == Cause::Unknown => {
            same!("certainty", got.certainty, Certainty::Unknown);
            return Verdict::Unknown;
        }
        Verdict::Right => {
            let right_certainty = match got.certainty {
                Certainty::Observed => !by_tracepoint && !want.inferred,
                Certainty::Inferred => by_tracepoint || want.inferred,
                Certainty::Unknown => false,
            };
            if !right_certainty {
                let allowed = if by_tracepoint || want.inferred {
                    "inferred"
                } else {
                    "observed"
                };
                differ(
                    "certainty",
                    format!("{:?}", got.certainty),
                    allowed.to_owned(),
                );
            }
        }
        Verdict::Unknown if unknown_allowed => {
            same!("certainty", got.certainty, Certainty::Unknown);
            return verdict;
        }
        Verdict::Unknown | Verdict::Wrong => {
            differ(
                "cause",
                format!("{:?}", got.cause),
                format!("{:?}", want.cause),
            );
            return verdict;
        }
    }
    let wanted_bytes = want.requested;
    match (&want.limit, &got.limit) {
        (Some(want), Some(got)) => {
            for difference in limit_differs(got, want, requested) {
                differ(&difference.0, difference.1, difference.2);
            }
            if wanted_bytes.is_some() && got.requested != wanted_bytes {
                differ(
                    "limit.requested",
                    format!("{:?}", got.requested),
                    format!("{wanted_bytes:?}"),
                );
            }
            if let Some(file) = &want.file
                && got.file.as_deref() != file.to_str()
            {
                differ("limit.file", format!("{:?}", got.file), format!("{file:?}"));
            }
        }
        (Some(want), None) => differ("limit", "null".to_owned(), format!("{want:?}")),
        (None, _) => {}
    }
    verdict
}

fn limit_differs(got: &Limit, want: &WantedLimit, requested: u64) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    let mut differ = |what: &str, got: String, want: String| {
        all.push((format!("limit.{what}"), got, want));
    };
    if let Some(name) = want.name
        && got.kind.name() != name
    {
        differ("name", got.kind.to_string(), name.to_owned());
    }
    let scope = got.owner.to_string();
    if !want.scope.fits(&scope) {
        differ("scope", format!("{scope:?}"), format!("{:?}", want.scope));
    }
    if !want.value.fits(got.value) {
        differ(
            "value",
            format!("{:?}", got.value),
            format!("{:?}", want.value),
        );
    }
    if !want.usage.fits(got.usage) {
        differ(
            "usage",
            format!("{:?}", got.usage),
            format!("{:?}", want.usage),
        );
    }
    if let Some(unit) = want.unit {
        if got.unit != unit {
            differ("unit", format!("{:?}", got.unit), format!("{unit:?}"));
        }
        if unit == Unit::Tasks && got.requested.is_some_and(|r| r != requested) {
            differ(
                "requested",
                format!("{:?}", got.requested),
                requested.to_string(),
            );
        }
    }
    all
}
