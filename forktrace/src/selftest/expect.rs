//! What the records of a provocation have to say, and the comparison.

use crate::{
    model::{Cause, Certainty, Errno, Limit, Owner},
    record::Failure,
    selftest::report::Outcome,
};

/// What a number in a record may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Any,
    Exact(u64),
    AtLeast(u64),
    /// Both included.
    Between(u64, u64),
}

impl Number {
    fn fits(self, got: Option<u64>) -> bool {
        match (self, got) {
            (Self::Any, _) => true,
            (_, None) => false,
            (Self::Exact(n), Some(got)) => got == n,
            (Self::AtLeast(n), Some(got)) => got >= n,
            (Self::Between(low, high), Some(got)) => (low..=high).contains(&got),
        }
    }

    fn words(self) -> String {
        match self {
            Self::Any => "anything".to_owned(),
            Self::Exact(n) => n.to_string(),
            Self::AtLeast(n) => format!("at least {n}"),
            Self::Between(low, high) => format!("{low} to {high}"),
        }
    }
}

/// Whose limit a record may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Exact(Owner),
    /// A user namespace, whose number isn't known before.
    UserNamespace,
    /// A cgroup, whose whole path isn't known within a cgroup namespace: what it ends in.
    Cgroup(String),
}

impl Scope {
    fn fits(&self, got: &Owner) -> bool {
        match self {
            Self::Exact(owner) => got == owner,
            Self::UserNamespace => matches!(got, Owner::UserNamespace(_)),
            Self::Cgroup(end) => got.cgroup_path().is_some_and(|path| path.ends_with(end)),
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Exact(owner) => owner.to_string(),
            Self::UserNamespace => "user namespace …".to_owned(),
            Self::Cgroup(end) => format!("…{end}"),
        }
    }
}

/// The limit that the record has to name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExpectedLimit {
    pub scope: Scope,
    pub value: Number,
    pub usage: Number,
}

/// What each record of a provocation has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    pub cause: Cause,
    pub errno: Errno,
    /// The caller's real user.
    pub uid: u32,
    /// Creations that were refused: as many have to be recorded.
    pub refused: u64,
    /// `None` for a cause that is no limit.
    pub limit: Option<ExpectedLimit>,
    /// What is refused meanwhile for this cause belongs to the set-up, and is
    /// not looked at.
    pub aside: Option<Cause>,
}

impl Expected {
    /// Refusals of root that name no limit.
    pub(super) fn new(cause: Cause, errno: Errno, refused: u64) -> Self {
        Self {
            cause,
            errno,
            uid: 0,
            refused,
            limit: None,
            aside: None,
        }
    }

    /// The caller's real user.
    pub(super) fn uid(mut self, uid: u32) -> Self {
        self.uid = uid;
        self
    }

    /// What the set-up meets.
    pub(super) fn aside(mut self, cause: Cause) -> Self {
        self.aside = Some(cause);
        self
    }

    /// The limit.
    pub(super) fn limit(mut self, scope: Scope, value: Number, usage: Number) -> Self {
        self.limit = Some(ExpectedLimit {
            scope,
            value,
            usage,
        });
        self
    }
}

/// What the records said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub outcome: Outcome,
    pub said: Option<Cause>,
    pub certainty: Option<Certainty>,
    pub limit: Option<Limit>,
    /// What is wrong, one sentence each.
    pub why: Vec<String>,
}

/// Compares the records of a provocation's callers with what they have to say.
/// `recorded` are the failures with their number of repeats.
pub(super) fn compare(expected: &Expected, recorded: &[(Failure, u64)]) -> Judged {
    let mut judged = Judged {
        outcome: Outcome::Missed,
        said: None,
        certainty: None,
        limit: None,
        why: Vec::new(),
    };
    // The one that is furthest from the expectation stands for all.
    let other = recorded
        .iter()
        .map(|(f, _)| f)
        .find(|f| f.cause != expected.cause && !f.cause.is_unknown());
    let right: Vec<&Failure> = recorded
        .iter()
        .map(|(f, _)| f)
        .filter(|f| f.cause == expected.cause)
        .collect();
    let unknown = recorded
        .iter()
        .map(|(f, _)| f)
        .find(|f| f.cause.is_unknown());
    let shown = match (other, unknown, right.first()) {
        (Some(f), ..) => {
            judged.outcome = Outcome::Misnamed;
            judged
                .why
                .push(format!("the record says {}: {}", f.cause.id(), f.summary));
            f
        }
        (None, Some(f), _) => {
            judged.outcome = Outcome::Unknown;
            judged
                .why
                .push(format!("the record says unknown: {}", f.summary));
            f
        }
        (None, None, Some(f)) => {
            judged.outcome = Outcome::Named;
            f
        }
        (None, None, None) => {
            judged
                .why
                .push(format!("{} refused, no record names it", expected.refused));
            return judged;
        }
    };
    judged.said = Some(shown.cause);
    judged.certainty = Some(shown.certainty);
    judged.limit = shown.limit.clone();
    let count: u64 = recorded.iter().map(|(_, repeats)| 1 + repeats).sum();
    if count != expected.refused {
        judged
            .why
            .push(format!("{} refused, {count} recorded", expected.refused));
    }
    for failure in &right {
        differences(expected, failure, &mut judged.why);
        // The least sure stands for all.
        if failure.certainty != Certainty::Observed {
            judged.certainty = Some(failure.certainty);
        }
    }
    judged.why.dedup();
    if judged.outcome == Outcome::Named && !judged.why.is_empty() {
        judged.outcome = Outcome::Wrong;
    }
    judged
}

fn differences(expected: &Expected, got: &Failure, why: &mut Vec<String>) {
    let mut differ = |what: &str, got: String, wanted: String| {
        why.push(format!("{what} is {got}, should be {wanted}"));
    };
    if got.errno != expected.errno {
        differ(
            "errno",
            got.errno.name().into_owned(),
            expected.errno.name().into_owned(),
        );
    }
    if got.caller.uid != expected.uid {
        differ(
            "caller.uid",
            got.caller.uid.to_string(),
            expected.uid.to_string(),
        );
    }
    if got.certainty == Certainty::Unknown {
        differ("certainty", "unknown".to_owned(), "better".to_owned());
    }
    let Some(wanted) = &expected.limit else {
        return;
    };
    let Some(limit) = &got.limit else {
        differ("limit", "missing".to_owned(), wanted.scope.words());
        return;
    };
    if !wanted.scope.fits(&limit.owner) {
        differ("limit.scope", limit.owner.to_string(), wanted.scope.words());
    }
    let number = |n: Option<u64>| n.map_or_else(|| "null".to_owned(), |n| n.to_string());
    for (what, got, wanted) in [
        ("limit.value", limit.value, wanted.value),
        ("limit.usage", limit.usage, wanted.usage),
    ] {
        if !wanted.fits(got) {
            differ(what, number(got), wanted.words());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Caller, Cgroup, LimitKind, Operation, Unit};

    fn expected() -> Expected {
        Expected::new(Cause::RlimitNproc, Errno::EAGAIN, 1)
            .uid(7)
            .limit(
                Scope::Exact(Owner::user(7)),
                Number::Exact(3),
                Number::Exact(3),
            )
    }

    fn right() -> Failure {
        Failure {
            seq: 1,
            time: String::new(),
            operation: Operation::Process,
            syscall: None,
            errno: Errno::EAGAIN,
            caller: Caller {
                pid: 1,
                tid: 1,
                ppid: 1,
                comm: String::new(),
                comm_hex: None,
                uid: 7,
                euid: 7,
                user: None,
                exe: None,
                exe_hex: None,
                catalogued: None,
            },
            cgroup: Cgroup::default(),
            cause: Cause::RlimitNproc,
            certainty: Certainty::Observed,
            limit: Some(Limit {
                value: Some(3),
                usage: Some(3),
                requested: Some(1),
                ..Limit::new(LimitKind::RlimitNproc, Owner::user(7), Unit::Tasks)
            }),
            candidates: Vec::new(),
            holders: Vec::new(),
            memory: None,
            summary: "…".to_owned(),
            fix: Vec::new(),
        }
    }

    fn outcome(change: impl FnOnce(&mut Failure)) -> Outcome {
        let mut failure = right();
        change(&mut failure);
        let judged = compare(&expected(), &[(failure, 0)]);
        assert_eq!(judged.why.is_empty(), judged.outcome == Outcome::Named);
        judged.outcome
    }

    #[test]
    fn the_right_record_is_named() {
        let judged = compare(&expected(), &[(right(), 0)]);
        assert_eq!(judged.outcome, Outcome::Named);
        assert_eq!(judged.certainty, Some(Certainty::Observed));
        assert_eq!(judged.said, Some(Cause::RlimitNproc));
        assert_eq!(judged.why, Vec::<String>::new());
    }

    #[test]
    fn wrong_records_are_not() {
        assert_eq!(outcome(|f| f.cause = Cause::PidMax), Outcome::Misnamed);
        assert_eq!(
            outcome(|f| {
                f.cause = Cause::Unknown;
                f.certainty = Certainty::Unknown;
            }),
            Outcome::Unknown
        );
        for change in [
            (|f| f.errno = Errno::ENOMEM) as fn(&mut Failure),
            |f| f.caller.uid = 8,
            |f| f.limit = None,
            |f| f.certainty = Certainty::Unknown,
            |f| f.limit.as_mut().unwrap().owner = Owner::user(8),
            |f| f.limit.as_mut().unwrap().value = Some(4),
            |f| f.limit.as_mut().unwrap().usage = Some(2),
            |f| f.limit.as_mut().unwrap().usage = None,
        ] {
            assert_eq!(outcome(change), Outcome::Wrong);
        }
        assert_eq!(compare(&expected(), &[]).outcome, Outcome::Missed);
    }

    #[test]
    fn each_refusal_is_recorded_once() {
        let twice = [(right(), 0), (right(), 0)];
        assert_eq!(compare(&expected(), &twice).outcome, Outcome::Wrong);
        assert_eq!(
            compare(&expected(), &[(right(), 1)]).outcome,
            Outcome::Wrong
        );
        let mut three = expected();
        three.refused = 3;
        let one_repeated = [(right(), 1), (right(), 0)];
        assert_eq!(compare(&three, &one_repeated).outcome, Outcome::Named);
    }

    #[test]
    fn the_least_sure_record_stands_for_all() {
        let mut inferred = right();
        inferred.certainty = Certainty::Inferred;
        let mut expected = expected();
        expected.refused = 2;
        let judged = compare(&expected, &[(right(), 0), (inferred, 0)]);
        assert_eq!(judged.outcome, Outcome::Named);
        assert_eq!(judged.certainty, Some(Certainty::Inferred));
    }
}
