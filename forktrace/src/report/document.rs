//! What a report says: the types that `--format json` prints. Times are UTC,
//! RFC 3339.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::rolled::{Asked, Rolled};
use crate::{
    model::{Cause, Errno, Fix, Holder, Operation, Unit, limit_title, owner_within},
    record::Failure,
    recording::LeftOut,
};

/// A whole report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Report {
    /// Number of this format: 1. Fields are only added to it.
    pub report: u32,
    /// forktrace's version.
    pub version: String,
    /// How many files were read.
    pub files: u64,
    /// Whether filters or times left something out.
    pub filtered: bool,
    /// Failures that they left out.
    #[serde(default)]
    pub left_out: LeftOut,
    /// What could not be read in them.
    pub damage: DamageCount,
    /// Failures, and what else was counted of them all.
    pub totals: Totals,
    /// What to do first: the limits and causes with the most failures.
    pub advice: Vec<Advice>,
    /// Failures by cause, most first.
    pub causes: Vec<CauseCount>,
    /// Failures by errno, most first.
    pub errnos: Vec<Count>,
    /// Failures by what was to be created, most first.
    pub operations: Vec<Count>,
    /// Failures by how sure their cause is, most first.
    pub certainties: Vec<Count>,
    /// Limits by owner, and causes that are no limit.
    pub limits: Top<LimitRow>,
    /// Who was refused.
    pub callers: Top<CallerRow>,
    /// In which cgroups the callers lived.
    pub cgroups: Top<CgroupRow>,
    /// Summed up from the cgroups that the tables kept.
    pub units: Vec<OwnerRow>,
    /// Likewise by container.
    pub containers: Vec<OwnerRow>,
    /// Likewise by pod.
    pub pods: Vec<OwnerRow>,
    /// When the failures were.
    pub timeline: TimelineRow,
    /// The largest; a burst has no gap longer than `burst_gap_seconds`.
    pub bursts: Vec<BurstRow>,
    /// The longest time between two failures of one burst.
    pub burst_gap_seconds: u64,
    /// Bursts beside these.
    pub more_bursts: u64,
    /// What the OOM killer did meanwhile.
    #[serde(default)]
    pub oom: OomReport,
    /// Failures whose detail was lost, by reason.
    pub losses: Vec<Count>,
    /// By host.
    pub hosts: Vec<HostRow>,
    /// By session, in the order of their hosts and starts.
    pub sessions: Vec<SessionRow>,
    /// Sessions beyond those that have rows, counted in the totals.
    pub more_sessions: u64,
    /// Over all hosts.
    #[serde(default)]
    pub rolled: Rolled,
    /// How the tables were asked for (`--by`, `--top`).
    #[serde(default)]
    pub asked: Asked,
    /// Failures as they were recorded: of the kinds of limits with the most failures the first, the one with
    /// the most in use, and the latest; with `--html` alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sample>,
}

/// What was passed over in the files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DamageCount {
    /// Lines that are no record of this schema.
    pub unreadable: u64,
    /// Bytes behind the last newline of a file.
    pub torn_bytes: u64,
    /// Places where compressed data was damaged or cut off.
    pub bad_frames: u64,
    /// Lines of damaged frames that are not believed, as far as they could be counted.
    #[serde(default)]
    pub lost_lines: u64,
    /// Frames without an end, of which what there is could be read: still being written, or a crash.
    #[serde(default)]
    pub open_frames: u64,
    /// Frames that ask for more memory than they get; nothing of them was read.
    #[serde(default)]
    pub refused_frames: u64,
    /// The largest window that one of them asks for, in bytes.
    #[serde(default)]
    pub largest_window: u64,
}

/// `failures` is the sum of the next four.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Totals {
    /// `told`, `repeated`, `cause_not_here` and `lost` together.
    pub failures: u64,
    /// `failure` records.
    pub told: u64,
    /// Counted by `repeat` records.
    pub repeated: u64,
    /// Counted by `repeat` records whose failure is not in these files.
    pub cause_not_here: u64,
    /// Counted by `loss` records.
    pub lost: u64,
    /// Failures that only the summaries count, in no record; not in `failures`.
    pub only_in_summaries: u64,
    /// Lost, or repeats of a failure that is not in these files, so that nobody
    /// knows whether the filters want them; not in `failures`.
    pub unjudged: u64,
    /// Failures that stand in the files again, as in a copy of a recording; each is counted once.
    #[serde(default)]
    pub again: u64,
    /// Whether these are all; left out where they are. Beyond 262,144 repeats, losses and OOM kills, and in sessions
    /// beyond 4096, what stands in the files again is counted again.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub again_exact: bool,
    /// Failures that the kernel kept from forktrace: an upper bound.
    pub skipped_at_most: u64,
    /// Creations that a fatal signal cut short: no failures.
    pub killed: u64,
    /// Failures whose time can't be read.
    pub without_time: u64,
    /// Time of the earliest failure.
    pub first: Option<String>,
    /// Time of the latest failure.
    pub last: Option<String>,
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            failures: 0,
            told: 0,
            repeated: 0,
            cause_not_here: 0,
            lost: 0,
            only_in_summaries: 0,
            unjudged: 0,
            again: 0,
            again_exact: true,
            skipped_at_most: 0,
            killed: 0,
            without_time: 0,
            first: None,
            last: None,
        }
    }
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Advice {
    /// How many failures that limit or cause has, repeats included.
    pub failures: u64,
    /// Whose limit, how large, how full.
    pub summary: String,
    /// What that of the failures proposed first which had the highest value and use.
    pub fix: Option<Fix>,
    /// What these failures proposed or noted beside that.
    #[serde(default)]
    pub more_fixes: Vec<Fix>,
    /// Which check refused the latest of them.
    pub cause: Cause,
    /// Who filled the limit when its use was the highest; of several limits, that with the most failures.
    #[serde(default)]
    pub holders: Vec<Holder>,
}

/// Failures of one cause, repeats included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CauseCount {
    /// Which check refused.
    pub cause: Cause,
    /// How many failures, repeats included.
    pub failures: u64,
    /// Of all failures, from 0 to 1.
    pub share: f64,
    /// Time of the earliest.
    pub first: Option<String>,
    /// Time of the latest.
    pub last: Option<String>,
}

/// Failures by a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Count {
    /// What they have in common, as records name it.
    pub name: String,
    /// How many failures, repeats included.
    pub failures: u64,
}

/// The rows with the most failures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Top<R> {
    /// Most failures first.
    pub rows: Vec<R>,
    /// Failures that belong to none of the rows.
    pub others: u64,
    /// Of these, failures counted without what tells whose they are (`repeat` records whose `alike`
    /// isn't `process`): most of them belong to the rows.
    #[serde(default)]
    pub unrecorded: u64,
    /// Rows beside these that were told apart.
    #[serde(default)]
    pub other_rows: u64,
    /// Failures of the largest of them.
    #[serde(default)]
    pub largest_other: Option<u64>,
    /// Whether the rows' counts are exact. They are, unless there were more than
    /// the tables hold: then a row can have had more, which is in `others`.
    pub exact: bool,
}

impl<R> Top<R> {
    /// So many rows at most; what goes is of others.
    pub(super) fn keep(&mut self, rows: usize, failures: impl Fn(&R) -> u64) {
        if self.rows.len() <= rows {
            return;
        }
        self.largest_other = Some(failures(&self.rows[rows]));
        self.other_rows += (self.rows.len() - rows) as u64;
        for row in self.rows.drain(rows..) {
            self.others = self.others.saturating_add(failures(&row));
        }
    }

    /// The same of something else for each row.
    pub fn map<S>(self, row: impl FnMut(R) -> S) -> Top<S> {
        Top {
            rows: self.rows.into_iter().map(row).collect(),
            others: self.others,
            unrecorded: self.unrecorded,
            other_rows: self.other_rows,
            largest_other: self.largest_other,
            exact: self.exact,
        }
    }
}

impl<R> Default for Top<R> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            others: 0,
            unrecorded: 0,
            other_rows: 0,
            largest_other: None,
            exact: true,
        }
    }
}

/// A limit and its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LimitRow {
    /// How many failures, repeats included.
    pub failures: u64,
    /// Name of the host.
    pub host: String,
    /// The latest failure's.
    pub cause: Cause,
    /// `null` where the cause is no limit.
    pub name: Option<String>,
    /// The limit's owner, as records name it.
    pub scope: Option<String>,
    /// Where its use is counted, if not on the whole host: a user namespace; left out where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// What `value` and `usage` count.
    pub unit: Option<Unit>,
    /// At the latest failure, as `usage`.
    pub value: Option<u64>,
    /// How much of it was in use at the latest failure.
    pub usage: Option<u64>,
    /// How much was in use at the most.
    pub highest_usage: Option<u64>,
    /// The file that sets the limit; `null` where none does, or none is known.
    pub file: Option<String>,
    /// Time of the earliest failure.
    pub first: Option<String>,
    /// Time of the latest failure.
    pub last: Option<String>,
    /// Its values, highest first, where failures are known by value.
    #[serde(default)]
    pub values: Vec<ValueCount>,
    /// What that of the failures proposed first which had the highest value and use.
    pub fix: Option<Fix>,
    /// What these failures proposed or noted beside that.
    #[serde(default)]
    pub more_fixes: Vec<Fix>,
    /// Who filled it when its usage was the highest.
    pub holders: Vec<Holder>,
    /// How full it was over time; with `--html` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fullness: Option<Fullness>,
}

impl LimitRow {
    /// "pids.max of /system.slice"; the cause where there is no limit.
    pub fn title(&self) -> String {
        match (&self.name, self.owner()) {
            (Some(name), Some(owner)) => limit_title(name, &owner),
            _ => self.cause.id().to_owned(),
        }
    }

    /// "uid 1000 in user namespace 4026532200".
    pub fn owner(&self) -> Option<Cow<'_, str>> {
        let within = self.within.as_deref();
        self.scope.as_ref().map(|scope| owner_within(scope, within))
    }
}

/// What refusals said of a limit over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Fullness {
    /// When the first bucket begins.
    pub start: String,
    /// How long a bucket is.
    pub bucket_seconds: u64,
    /// The most that was in use, a number for each bucket; `null`: no refusal.
    pub usage: Vec<Option<u64>>,
    /// The limit's value, its highest where it had several.
    pub value: Vec<Option<u64>>,
}

/// A failure, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Sample {
    /// Name of the host.
    pub host: String,
    /// The record, as it was written.
    pub failure: Failure,
}

/// Failures at one value of a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ValueCount {
    /// The limit's value, in its `unit`.
    pub value: u64,
    /// How many failures at this value.
    pub failures: u64,
}

/// Who asked. Each failure is an attempt: for one thing that is wanted a program may make several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CallerRow {
    /// How many failures, repeats included.
    pub failures: u64,
    /// Name of the host.
    pub host: String,
    /// The name of a thread: the first of `threads`.
    pub comm: String,
    /// The executable's name; the thread's, where that isn't known.
    #[serde(default)]
    pub program: String,
    /// Names of its threads that asked, a few at most.
    #[serde(default)]
    pub threads: Vec<String>,
    /// Processes of it that asked.
    #[serde(default)]
    pub processes: u64,
    /// There were more of them than are told apart.
    #[serde(default)]
    pub more_processes: bool,
    /// The most attempts of one process in one second.
    #[serde(default)]
    pub most_in_a_second: u64,
    /// Real uid, initial user namespace's number.
    pub uid: u32,
    /// The uid's name in /etc/passwd.
    pub user: Option<String>,
    /// Time of the earliest failure.
    pub first: Option<String>,
    /// Time of the latest failure.
    pub last: Option<String>,
    /// Its id in the catalogue of programs (`forktrace explain --programs`).
    #[serde(default)]
    pub catalogued: Option<String>,
    /// What it asked for, and was answered, where all its failures agree.
    #[serde(default)]
    pub operation: Option<Operation>,
    /// What it was answered, where all its failures agree.
    #[serde(default)]
    pub errno: Option<Errno>,
    /// From its last attempt to the end of what was recorded on its host.
    #[serde(default)]
    pub quiet_seconds: Option<u64>,
}

/// Where the callers live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CgroupRow {
    /// How many failures, repeats included.
    pub failures: u64,
    /// Name of the host.
    pub host: String,
    /// Path of the cgroup, as the host sees it.
    pub path: Option<String>,
    /// The systemd unit that the path names.
    pub unit: Option<String>,
    /// Id of the container that the path names.
    pub container: Option<String>,
    /// Uid of the Kubernetes pod that the path names.
    pub pod: Option<String>,
    /// How the pod is called: NAMESPACE/NAME; left out where no record has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<String>,
    /// Time of the earliest failure.
    pub first: Option<String>,
    /// Time of the latest failure.
    pub last: Option<String>,
}

/// A unit, container or pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OwnerRow {
    /// How many failures, repeats included.
    pub failures: u64,
    /// Name of the host.
    pub host: String,
    /// The unit's name, the container's id or the pod's uid.
    pub name: String,
    /// How a pod is called: NAMESPACE/NAME; left out where no record has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<String>,
}

impl OwnerRow {
    /// As people know it.
    pub fn shown(&self) -> &str {
        self.called.as_deref().unwrap_or(&self.name)
    }
}

/// Failures over time, at most 120 buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TimelineRow {
    /// When the first bucket begins.
    pub start: Option<String>,
    /// How long each bucket is.
    pub bucket_seconds: u64,
    /// Most failures first.
    pub series: Vec<Series>,
}

/// One cause over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Series {
    /// `null`: lost, or the cause is not in these files.
    pub cause: Option<Cause>,
    /// How many failures, all buckets together.
    pub failures: u64,
    /// A number for each bucket.
    pub counts: Vec<u64>,
}

/// Many failures at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BurstRow {
    /// How many failures.
    pub failures: u64,
    /// Name of the host.
    pub host: String,
    /// Time of the first of them.
    pub first: String,
    /// Time of the last of them.
    pub last: String,
    /// The cause of most of them; `null`: lost, or not in these files.
    pub cause: Option<Cause>,
    /// Failures of that cause.
    pub of_cause: u64,
}

/// A host, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HostRow {
    /// Empty: the files don't say.
    pub host: String,
    /// How many failures, repeats included.
    pub failures: u64,
    /// How many sessions ran on it.
    pub sessions: u64,
    /// Different boots.
    pub boots: u64,
    /// Time of the earliest failure.
    pub first: Option<String>,
    /// Time of the latest failure.
    pub last: Option<String>,
}

/// A session, in however many files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SessionRow {
    /// Name of the host.
    pub host: String,
    /// The kernel's id of the boot.
    pub boot_id: Option<String>,
    /// Kernel release (uname -r).
    pub kernel: String,
    /// Style of the probe that saw the failing return.
    pub attach: String,
    /// Version of the forktrace that recorded it.
    pub version: String,
    /// When it began; `null` where its first line is not among these.
    pub started: Option<String>,
    /// `null`: without a summary; the session crashed, goes on, or its last file
    /// is not among these.
    pub ended: Option<String>,
    /// How many failures, repeats included.
    pub failures: u64,
    /// Time of the earliest failure.
    pub first: Option<String>,
    /// Time of the latest failure.
    pub last: Option<String>,
    /// Failures that its summary counts and these files don't hold.
    pub missing: u64,
    /// Of `missing`, those of which the summary says that their detail was lost.
    pub only_in_summary: u64,
    /// Failures read beyond what its summary counts: a file was given twice.
    pub too_many: u64,
    /// Lines of damaged data that belong to it, as far as that is known: not believed.
    #[serde(default)]
    pub lost_lines: u64,
    /// Whether only damaged data says which session it is, so that host, boot and the rest may be wrong.
    #[serde(default)]
    pub unsure: bool,
}

/// OOM kills: no failures, and counted in none of the totals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OomReport {
    /// Processes that the OOM killer made its victims.
    pub kills: u64,
    /// Of these, those that were dying already, so that nobody was killed.
    pub already_dying: u64,
    /// Kills beside these that could not be reported, or recorded.
    pub lost: u64,
    /// Time of the earliest kill.
    pub first: Option<String>,
    /// Time of the latest kill.
    pub last: Option<String>,
    /// By cgroup; `others` counts kills.
    pub victims: Top<VictimRow>,
    /// Kills within `near_seconds` of a failure for want of memory on the same host, by time.
    pub near: Vec<NearRow>,
    /// How near is near.
    pub near_seconds: u64,
    /// Kills near such a failure beside these.
    pub more_near: u64,
    /// Whether all kills and failures were compared. They are, unless there were more than is kept.
    pub near_exact: bool,
}

/// OOM kills in one cgroup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VictimRow {
    /// How many victims there were in the cgroup.
    pub kills: u64,
    /// Name of the host.
    pub host: String,
    /// Path of the victims' cgroup, as the host sees it.
    pub path: Option<String>,
    /// The systemd unit that the path names.
    pub unit: Option<String>,
    /// Id of the container that the path names.
    pub container: Option<String>,
    /// Uid of the Kubernetes pod that the path names.
    pub pod: Option<String>,
    /// The latest victim's name.
    pub comm: String,
    /// What the latest kill was for: "memory.max of /x is full".
    pub reason: String,
    /// Time of the earliest kill.
    pub first: Option<String>,
    /// Time of the latest kill.
    pub last: Option<String>,
}

/// An OOM kill near a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NearRow {
    /// When the kill was.
    pub time: String,
    /// Name of the host.
    pub host: String,
    /// The victim's pid, as the initial pid namespace numbers it.
    pub pid: u32,
    /// The victim's name.
    pub comm: String,
    /// Path of the victim's cgroup, as the host sees it.
    pub path: Option<String>,
    /// What the kill was for, as in `victims`.
    pub reason: String,
    /// Failures for want of memory within the time, before and after.
    pub failures: u64,
    /// Seconds from the kill to the nearest of them; negative: the failure came first.
    pub nearest_seconds: i64,
}
