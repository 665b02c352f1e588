//! One row.

use serde::Serialize;

use crate::{
    model::{
        Caller, Candidate, Cause, Certainty, Cgroup, Errno, Fix, Holder, Limit, LossReason, Memory,
        Operation, time::timestamp,
    },
    record::{Alike, Constraint, Failure, InvokedBy, Loss, OomKill, Repeat, Session, Victim},
};

/// A record with its host and session: the columns of what is converted.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Row<'r> {
    /// Which kind of record: `failure`, `repeat`, `loss`, `oom_kill`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Failed creations that it counts: their sum is a report's total.
    pub failures: u64,
    /// Host name.
    pub host: Option<&'r str>,
    /// Another one after each boot.
    pub boot_id: Option<&'r str>,
    /// Kernel release.
    pub kernel: Option<&'r str>,
    /// forktrace's version.
    pub version: Option<&'r str>,
    /// When the session began, UTC.
    pub session: Option<String>,
    /// UTC; of repeats, when the first of them came, and of losses, since when.
    pub time: Option<String>,
    /// UTC; when the last of them came.
    pub last: Option<String>,
    /// The failure's number in its session.
    pub seq: Option<u64>,
    /// The failure that is repeated.
    pub of: Option<u64>,
    /// What repeats have in common with it.
    pub alike: Option<Alike>,
    /// Why detail was lost.
    pub reason: Option<&'r LossReason>,
    /// See the `failure` record, as all that follows.
    pub operation: Option<Operation>,
    /// The system call, by name.
    pub syscall: Option<&'r str>,
    /// What the call returned.
    pub errno: Option<Errno>,
    /// Which check refused.
    pub cause: Option<Cause>,
    /// How sure that is.
    pub certainty: Option<Certainty>,
    /// The task that called.
    pub caller: Option<&'r Caller>,
    /// The caller's cgroup.
    pub cgroup: Option<&'r Cgroup>,
    /// The limit that refused.
    pub limit: Option<&'r Limit>,
    /// Limits that can have refused, where the cause is not known.
    pub candidates: &'r [Candidate],
    /// Who fills the limit.
    pub holders: &'r [Holder],
    /// Memory of the host, where the cause is about it.
    pub memory: Option<&'r Memory>,
    /// The verdict in a sentence.
    pub summary: Option<&'r str>,
    /// What helps, now and for good.
    pub fix: &'r [Fix],
    /// See the `oom_kill` record, as what follows.
    pub victim: Option<&'r Victim>,
    /// Within what memory was short.
    pub constraint: Option<Constraint>,
    /// Whose allocation it was.
    pub invoked_by: Option<&'r InvokedBy>,
    /// Whether the victim was ending already.
    pub already_dying: Option<bool>,
}

/// The JSON Schema of a row.
pub fn json_schema() -> serde_json::Value {
    crate::model::published::ROWS.value()
}

/// What a failure has in common with its repeats.
pub(super) struct Common {
    operation: Operation,
    errno: Errno,
    cause: Cause,
    certainty: Certainty,
    caller: Caller,
    cgroup: Cgroup,
    limit: Option<Limit>,
}

impl Common {
    pub(super) fn of(failure: Failure) -> Self {
        Self {
            operation: failure.operation,
            errno: failure.errno,
            cause: failure.cause,
            certainty: failure.certainty,
            caller: failure.caller,
            cgroup: failure.cgroup,
            limit: failure.limit,
        }
    }
}

/// A time as every engine reads it; what is none is left out, and what no table has room for: nanoseconds
/// since 1970 in 64 bits.
fn time(text: &str) -> Option<String> {
    let time = timestamp(text)?;
    i64::try_from(time.as_nanosecond()).ok()?;
    Some(time.to_string())
}

impl<'r> Row<'r> {
    fn of(kind: &'static str, session: Option<&'r Session>) -> Self {
        Self {
            kind,
            host: session.map(|session| &*session.host),
            boot_id: session.and_then(|session| session.boot_id.as_deref()),
            kernel: session.map(|session| &*session.kernel),
            version: session.map(|session| &*session.version),
            session: session.and_then(|session| time(&session.started)),
            ..Self::default()
        }
    }

    pub(super) fn failure(session: Option<&'r Session>, failure: &'r Failure) -> Self {
        Self {
            failures: 1,
            time: time(&failure.time),
            seq: Some(failure.seq),
            operation: Some(failure.operation),
            syscall: failure.syscall.as_deref(),
            errno: Some(failure.errno),
            cause: Some(failure.cause),
            certainty: Some(failure.certainty),
            caller: Some(&failure.caller),
            cgroup: Some(&failure.cgroup),
            limit: failure.limit.as_ref(),
            candidates: &failure.candidates,
            holders: &failure.holders,
            memory: failure.memory.as_ref(),
            summary: Some(&failure.summary),
            fix: &failure.fix,
            ..Self::of("failure", session)
        }
    }

    pub(super) fn repeat(
        session: Option<&'r Session>,
        repeat: &'r Repeat,
        common: Option<&'r Common>,
    ) -> Self {
        let near = common.filter(|_| repeat.alike.is_of_cgroup());
        Self {
            failures: repeat.count,
            time: time(&repeat.first),
            last: time(&repeat.last),
            of: Some(repeat.of),
            alike: Some(repeat.alike),
            operation: common.map(|common| common.operation),
            errno: common.map(|common| common.errno),
            cause: common.map(|common| common.cause),
            certainty: common.map(|common| common.certainty),
            caller: common
                .filter(|_| repeat.alike.is_process())
                .map(|common| &common.caller),
            cgroup: near.map(|common| &common.cgroup),
            limit: near.and_then(|common| common.limit.as_ref()),
            ..Self::of("repeat", session)
        }
    }

    pub(super) fn loss(session: Option<&'r Session>, loss: &'r Loss, failures: u64) -> Self {
        Self {
            failures,
            time: time(&loss.since),
            reason: Some(&loss.reason),
            ..Self::of("loss", session)
        }
    }

    pub(super) fn oom_kill(session: Option<&'r Session>, kill: &'r OomKill) -> Self {
        Self {
            time: time(&kill.time),
            cgroup: Some(&kill.cgroup),
            limit: kill.limit.as_ref(),
            summary: Some(&kill.summary),
            victim: Some(&kill.victim),
            constraint: kill.constraint,
            invoked_by: Some(&kill.invoked_by),
            already_dying: kill.already_dying,
            ..Self::of("oom_kill", session)
        }
    }
}

#[cfg(test)]
mod schema_tests {
    use super::*;

    #[test]
    fn times_are_those_that_a_table_holds() {
        let kept = time("2026-11-29T23:59:59.5+01:00");
        assert_eq!(kept.as_deref(), Some("2026-11-29T22:59:59.5Z"));
        for other in ["soon", "9999-12-30T00:00:00Z", "0000-01-01T00:00:00Z"] {
            assert_eq!(time(other), None, "{other}");
        }
    }

    #[test]
    fn the_published_schema_is_that_of_the_types() {
        crate::model::published::ROWS.is_of(schemars::schema_for!(Row<'static>));
    }
}
