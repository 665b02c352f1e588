//! Choosing among recorded failures, by what the records say.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Gap;
use crate::{
    model::{Cause, Cgroup, Errno},
    record::{Alike, Failure, OomKill, Record, Session, Summary},
};

/// What is wanted; empty or `None` takes everything.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Not after this.
    pub until: Option<Timestamp>,
    /// The caller's process, thread, or its parent.
    pub pid: Option<u32>,
    pub comm: Option<String>,
    /// Name or uid.
    pub user: Option<String>,
    /// This cgroup and all below it.
    pub cgroup: Option<String>,
    pub unit: Option<String>,
    pub causes: Vec<Cause>,
    pub errnos: Vec<Errno>,
}

impl Wanted {
    /// Whether anything is left out.
    pub fn is_active(&self) -> bool {
        self.since.is_some() || self.until.is_some() || self.chooses()
    }

    /// Whether some failures of the same time are left out.
    pub fn chooses(&self) -> bool {
        self.pid.is_some()
            || self.comm.is_some()
            || self.user.is_some()
            || self.cgroup.is_some()
            || self.unit.is_some()
            || !self.causes.is_empty()
            || !self.errnos.is_empty()
    }

    /// Whether the filters can judge failures of which only is known that they are like another.
    pub fn can_judge(&self, alike: Alike) -> bool {
        let of_process = self.pid.is_some() || self.comm.is_some();
        let of_cgroup = self.user.is_some() || self.cgroup.is_some() || self.unit.is_some();
        match alike {
            Alike::Process => true,
            Alike::UserAndCgroup => !of_process,
            Alike::Check => !of_process && !of_cgroup,
        }
    }

    /// Whether something that went on from `first` until `last` was within the
    /// time wanted. What has no readable time was not.
    pub fn in_time(&self, first: &str, last: &str) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        let (Ok(first), Ok(last)) = (first.parse::<Timestamp>(), last.parse::<Timestamp>()) else {
            return false;
        };
        self.since.is_none_or(|since| last >= since)
            && self.until.is_none_or(|until| first <= until)
    }

    /// Whether it is wanted.
    pub fn wants(&self, f: &Failure) -> bool {
        self.in_time(&f.time, &f.time) && self.chosen(f)
    }

    /// Whether it is wanted, if its time is.
    pub fn chosen(&self, f: &Failure) -> bool {
        let c = &f.caller;
        self.pid.is_none_or(|p| [c.pid, c.tid, c.ppid].contains(&p))
            && self.comm.as_ref().is_none_or(|comm| *comm == c.comm)
            && self
                .user
                .as_ref()
                .is_none_or(|user| c.user.as_ref() == Some(user) || user.parse() == Ok(c.uid))
            && self.lives(&f.cgroup)
            && (self.causes.is_empty() || self.causes.contains(&f.cause))
            && (self.errnos.is_empty() || self.errnos.contains(&f.errno))
    }
}

/// Failures that filters have left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    pub failures: u64,
    pub first: Option<String>,
    pub last: Option<String>,
    /// By the option that each doesn't meet; some don't meet several.
    pub by: BTreeMap<String, u64>,
}

impl LeftOut {
    /// Adds one that isn't wanted.
    pub fn add(&mut self, wanted: &Wanted, f: &Failure) {
        self.failures += 1;
        let time = &f.time;
        if self.first.as_ref().is_none_or(|first| time < first) {
            self.first = Some(time.clone());
        }
        if self.last.as_ref().is_none_or(|last| time > last) {
            self.last = Some(time.clone());
        }
        for option in wanted.unmet(f) {
            match self.by.get_mut(option) {
                Some(count) => *count += 1,
                None => drop(self.by.insert(option.to_owned(), 1)),
            }
        }
    }
}

impl Wanted {
    /// The options that a failure doesn't meet.
    fn unmet(&self, f: &Failure) -> Vec<&'static str> {
        let only = |wanted: Self| !wanted.wants(f);
        let none = Self::default;
        let mut unmet = Vec::new();
        for (option, alone) in [
            (
                "--since",
                Self {
                    since: self.since,
                    ..none()
                },
            ),
            (
                "--until",
                Self {
                    until: self.until,
                    ..none()
                },
            ),
            (
                "--pid",
                Self {
                    pid: self.pid,
                    ..none()
                },
            ),
            (
                "--comm",
                Self {
                    comm: self.comm.clone(),
                    ..none()
                },
            ),
            (
                "--user",
                Self {
                    user: self.user.clone(),
                    ..none()
                },
            ),
            (
                "--cgroup",
                Self {
                    cgroup: self.cgroup.clone(),
                    ..none()
                },
            ),
            (
                "--unit",
                Self {
                    unit: self.unit.clone(),
                    ..none()
                },
            ),
            (
                "--cause",
                Self {
                    causes: self.causes.clone(),
                    ..none()
                },
            ),
            (
                "--errno",
                Self {
                    errnos: self.errnos.clone(),
                    ..none()
                },
            ),
        ] {
            if only(alone) {
                unmet.push(option);
            }
        }
        unmet
    }

    fn lives(&self, cgroup: &Cgroup) -> bool {
        let within = |wanted: &String| {
            let path = cgroup.path.as_ref();
            path.is_some_and(|path| within(path, wanted))
        };
        let is_unit = |wanted: &String| {
            let unit = cgroup.unit.as_ref();
            unit.is_some_and(|unit| is_unit(unit, wanted))
        };
        self.cgroup.as_ref().is_none_or(within) && self.unit.as_ref().is_none_or(is_unit)
    }

    /// Whether an OOM kill is wanted, by its victim. It is no failure: who asks for causes or
    /// errnos doesn't ask for it.
    pub fn wants_kill(&self, kill: &OomKill) -> bool {
        let v = &kill.victim;
        self.in_time(&kill.time, &kill.time)
            && self.causes.is_empty()
            && self.errnos.is_empty()
            && self.pid.is_none_or(|p| [v.pid, v.tid, v.ppid].contains(&p))
            && self.comm.as_ref().is_none_or(|comm| *comm == v.comm)
            && self
                .user
                .as_ref()
                .is_none_or(|user| v.user.as_ref() == Some(user) || user.parse() == Ok(v.uid))
            && self.lives(&kill.cgroup)
    }
}

fn within(path: &str, wanted: &str) -> bool {
    let wanted = wanted.trim_end_matches('/');
    path.strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// As systemd's commands take it: `.service` may be left out.
fn is_unit(unit: &str, wanted: &str) -> bool {
    unit == wanted || unit.strip_suffix(".service") == Some(wanted)
}

/// Filters a stream of records.
pub struct Filter {
    wanted: Wanted,
    /// By `seq`, the causes of the session's failures that were wanted: repeats
    /// refer to them. A byte each.
    taken: Vec<Option<Cause>>,
    session: Option<Box<Session>>,
    summary: Summary,
    left_out: LeftOut,
}

/// Failures whose repeats can be recognised: 64 MiB.
const MOST_TAKEN: u64 = 64 << 20;

impl Filter {
    pub fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            taken: Vec::new(),
            session: None,
            summary: Summary::default(),
            left_out: LeftOut::default(),
        }
    }

    /// Failures that were not wanted, of all sessions.
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// Records are missing here, maybe the beginning of another session: then no repeat is of a
    /// failure that came before.
    pub fn lose(&mut self, gap: &Gap) {
        if gap.session.is_some() {
            self.taken.clear();
            self.summary = Summary::default();
            self.session = None;
        }
    }

    /// What becomes of a record; `None`: it isn't wanted.
    pub fn pass(&mut self, record: Record) -> Option<Record> {
        match record {
            Record::Session(session) => Some(self.begin(session)),
            Record::Failure(failure) => {
                if !self.wanted.wants(&failure) {
                    self.left_out.add(&self.wanted, &failure);
                    return None;
                }
                self.take(failure.seq, failure.cause);
                self.count(failure.cause, 1);
                Some(Record::Failure(failure))
            }
            Record::Repeat(repeat) => {
                let cause = self.taken(repeat.of);
                if !self.wanted.in_time(&repeat.first, &repeat.last)
                    || (cause.is_none() && self.wanted.chooses())
                    || !self.wanted.can_judge(repeat.alike)
                {
                    return None;
                }
                if let Some(cause) = cause {
                    self.count(cause, repeat.count);
                }
                Some(Record::Repeat(repeat))
            }
            // Nobody knows which failures were lost.
            Record::Loss(loss) => self
                .wanted
                .in_time(&loss.since, &loss.since)
                .then_some(Record::Loss(loss)),
            Record::OomKill(kill) => {
                if !self.wanted.wants_kill(&kill) {
                    return None;
                }
                self.summary.oom_kills += 1;
                Some(Record::OomKill(kill))
            }
            Record::Summary(summary) => Some(Record::Summary(self.end(summary))),
        }
    }

    fn begin(&mut self, session: Box<Session>) -> Record {
        // A recording that goes on in another file repeats its session there.
        if self.session.as_ref() != Some(&session) {
            self.taken.clear();
            self.summary = Summary::default();
            self.session = Some(session.clone());
        }
        Record::Session(session)
    }

    fn take(&mut self, seq: u64, cause: Cause) {
        if self.wanted.is_active() && seq < MOST_TAKEN {
            let at = seq as usize;
            if self.taken.len() <= at {
                self.taken.resize(at + 1, None);
            }
            self.taken[at] = Some(cause);
        }
    }

    fn taken(&self, seq: u64) -> Option<Cause> {
        let at = usize::try_from(seq).ok()?;
        self.taken.get(at).copied().flatten()
    }

    fn count(&mut self, cause: Cause, n: u64) {
        self.summary.failures += n;
        let of = self.summary.causes.entry(cause.id().to_owned());
        *of.or_default() += n;
    }

    /// The session's own totals say nothing of what is left out.
    fn end(&mut self, whole: Summary) -> Summary {
        let counted = std::mem::take(&mut self.summary);
        if !self.wanted.is_active() {
            return whole;
        }
        Summary {
            ended: whole.ended,
            failures: counted.failures,
            causes: counted.causes,
            oom_kills: counted.oom_kills,
            ..Summary::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{AT, failure};

    #[test]
    fn each_option_that_is_not_met_is_counted() {
        let wanted = Wanted {
            since: Some("2030-01-01T00:00:00Z".parse().unwrap()),
            comm: Some("postgres".to_owned()),
            user: Some("nosuch".to_owned()),
            ..Wanted::default()
        };
        let mut filter = Filter::new(wanted);
        for seq in 1..=3 {
            let record = Record::Failure(Box::new(failure(seq, AT)));
            assert!(filter.pass(record).is_none());
        }
        let left_out = filter.left_out();
        assert_eq!(left_out.failures, 3);
        assert_eq!(left_out.first.as_deref(), Some(AT));
        let by: Vec<_> = left_out.by.iter().map(|(o, n)| (o.as_str(), *n)).collect();
        assert_eq!(by, [("--since", 3), ("--user", 3)]);
    }
}
