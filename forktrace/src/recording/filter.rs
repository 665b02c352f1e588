//! Choosing among recorded failures, by what the records say.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Gap;
use crate::{
    model::{Caller, Cause, Cgroup, Containers, Errno, program_and_thread, time::timestamp},
    record::{Alike, Failure, Loss, OomKill, Record, Repeat, Session, Summary},
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
    /// The caller's name, or its program's.
    pub comm: Option<String>,
    /// Name or uid.
    pub user: Option<String>,
    /// This cgroup and all below it.
    pub cgroup: Option<String>,
    /// The systemd unit that the caller runs in.
    pub unit: Option<String>,
    /// Pods and containers by name.
    pub containers: Containers,
    /// Any of these causes.
    pub causes: Vec<Cause>,
    /// Any of these errnos.
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
            || self.containers.chooses()
            || !self.causes.is_empty()
            || !self.errnos.is_empty()
    }

    /// Whether the filters can judge failures of which only is known that they are like another.
    pub fn can_judge(&self, alike: Alike) -> bool {
        let of_process = self.pid.is_some() || self.comm.is_some();
        let of_cgroup = self.user.is_some()
            || self.cgroup.is_some()
            || self.unit.is_some()
            || self.containers.chooses();
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
        let (Some(first), Some(last)) = (timestamp(first), timestamp(last)) else {
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
        self.unmet_choice(f).is_none()
    }
}

/// The options that something doesn't meet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unmet(u16);

impl Unmet {
    /// By their bits.
    const OPTIONS: [&str; 12] = [
        "--since",
        "--until",
        "--pid",
        "--comm",
        "--user",
        "--cgroup",
        "--unit",
        "--pod",
        "--namespace",
        "--container",
        "--cause",
        "--errno",
    ];
    const TIMES: u16 = 0b11;
    const OF_PROCESS: u16 = 0b1100;
    const OF_CGROUP: u16 = 0b11_1111_0000;

    fn of(met: [bool; 12]) -> Self {
        let bits = met.iter().enumerate();
        Self(bits.fold(0, |bits, (at, met)| bits | u16::from(!met) << at))
    }

    /// Whether nothing is unmet: the failure is wanted.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        let all = Self::OPTIONS.into_iter().enumerate();
        all.filter_map(move |(at, name)| (self.0 >> at & 1 == 1).then_some(name))
    }

    /// Of these, what failures that are so much like that one don't meet either. Their times are
    /// their own.
    fn shared(self, alike: Alike) -> Self {
        let own = match alike {
            Alike::Process => Self::TIMES,
            Alike::UserAndCgroup => Self::TIMES | Self::OF_PROCESS,
            Alike::Check => Self::TIMES | Self::OF_PROCESS | Self::OF_CGROUP,
        };
        Self(self.0 & !own)
    }
}

/// Failures that filters have left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LeftOut {
    /// How many were left out, repeats included.
    pub failures: u64,
    /// Time of the earliest: UTC, RFC 3339.
    pub first: Option<String>,
    /// Time of the latest: UTC, RFC 3339.
    pub last: Option<String>,
    /// By the option that each doesn't meet; some don't meet several.
    pub by: BTreeMap<String, u64>,
}

impl LeftOut {
    /// Adds one that isn't wanted.
    pub fn add(&mut self, wanted: &Wanted, f: &Failure) {
        self.count(wanted.unmet(f), 1, &f.time, &f.time);
    }

    /// Adds those that a record counts as repeats of a failure that doesn't meet `of`. Whether any
    /// is left out for sure.
    pub fn add_repeats(&mut self, wanted: &Wanted, of: Unmet, repeat: &Repeat) -> bool {
        let times = wanted.unmet_times(&repeat.first, &repeat.last);
        let unmet = Unmet(times.0 | of.shared(repeat.alike).0);
        if !unmet.is_none() {
            self.count(unmet, repeat.count, &repeat.first, &repeat.last);
        }
        !unmet.is_none()
    }

    /// Adds failures that were lost at a time that isn't wanted.
    pub fn add_loss(&mut self, wanted: &Wanted, loss: &Loss, at: &str) {
        if loss.is_of_failures() {
            self.count(wanted.unmet_times(at, at), loss.count, at, at);
        }
    }

    fn count(&mut self, unmet: Unmet, count: u64, first: &str, last: &str) {
        let add = |sum: &mut u64| *sum = sum.saturating_add(count);
        add(&mut self.failures);
        if self.first.as_deref().is_none_or(|known| first < known) {
            self.first = Some(first.to_owned());
        }
        if self.last.as_deref().is_none_or(|known| last > known) {
            self.last = Some(last.to_owned());
        }
        for option in unmet.names() {
            match self.by.get_mut(option) {
                Some(sum) => add(sum),
                None => drop(self.by.insert(option.to_owned(), count)),
            }
        }
    }
}

impl Wanted {
    /// The options that a failure doesn't meet.
    pub fn unmet(&self, f: &Failure) -> Unmet {
        Unmet(self.unmet_times(&f.time, &f.time).0 | self.unmet_choice(f).0)
    }

    fn unmet_times(&self, first: &str, last: &str) -> Unmet {
        let since = Self {
            since: self.since,
            ..Self::default()
        };
        let until = Self {
            until: self.until,
            ..Self::default()
        };
        let mut met = [true; 12];
        met[0] = since.in_time(first, last);
        met[1] = until.in_time(first, last);
        Unmet::of(met)
    }

    /// Of those that are about no time.
    fn unmet_choice(&self, f: &Failure) -> Unmet {
        let c = &f.caller;
        let [pod, namespace, container] = self.containers.met(&f.cgroup);
        let is_user = |user: &String| c.user.as_ref() == Some(user) || user.parse() == Ok(c.uid);
        Unmet::of([
            true,
            true,
            self.pid.is_none_or(|p| [c.pid, c.tid, c.ppid].contains(&p)),
            self.comm.as_ref().is_none_or(|comm| is_called(comm, c)),
            self.user.as_ref().is_none_or(is_user),
            self.is_within(&f.cgroup),
            self.is_of_unit(&f.cgroup),
            pod,
            namespace,
            container,
            self.causes.is_empty() || self.causes.contains(&f.cause),
            self.errnos.is_empty() || self.errnos.contains(&f.errno),
        ])
    }

    fn is_within(&self, cgroup: &Cgroup) -> bool {
        self.cgroup.as_ref().is_none_or(|wanted| {
            let path = cgroup.path.as_ref();
            path.is_some_and(|path| within(path, wanted))
        })
    }

    fn is_of_unit(&self, cgroup: &Cgroup) -> bool {
        self.unit.as_ref().is_none_or(|wanted| {
            let unit = cgroup.unit.as_ref();
            unit.is_some_and(|unit| is_unit(unit, wanted))
        })
    }

    fn lives(&self, cgroup: &Cgroup) -> bool {
        self.is_within(cgroup) && self.is_of_unit(cgroup) && self.containers.has(cgroup)
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

/// By the thread's name, the program's, or both as they are shown: `python3.11 (python3)`.
fn is_called(wanted: &str, c: &Caller) -> bool {
    let program = c.program();
    wanted == c.comm || wanted == program || wanted == program_and_thread(program, &c.comm)
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
    /// By `seq`, what became of the session's failures: repeats refer to them.
    seen: Vec<Seen>,
    session: Option<Box<Session>>,
    summary: Summary,
    /// Of the session's latest failure, or repeat of one.
    latest: Option<Timestamp>,
    left_out: LeftOut,
    unjudged: u64,
}

/// What became of a failure. Four bytes.
#[derive(Clone, Copy, Debug, Default)]
enum Seen {
    #[default]
    Never,
    Taken(Cause),
    LeftOut(Unmet),
}

/// Failures whose repeats can be recognised: 64 MiB.
const MOST_SEEN: u64 = 16 << 20;

impl Filter {
    /// A filter that has seen nothing yet.
    pub fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            seen: Vec::new(),
            session: None,
            summary: Summary::default(),
            latest: None,
            left_out: LeftOut::default(),
            unjudged: 0,
        }
    }

    /// Whether it passes everything.
    pub fn is_open(&self) -> bool {
        !self.wanted.is_active()
    }

    /// Failures that were not wanted, of all sessions.
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// Repeats of which nobody knows whether they are wanted; they are not passed on either.
    pub fn unjudged(&self) -> u64 {
        self.unjudged
    }

    /// Records are missing here, maybe the beginning of another session: then no repeat is of a
    /// failure that came before.
    pub fn lose(&mut self, gap: &Gap) {
        if gap.session.is_some() {
            self.seen.clear();
            self.summary = Summary::default();
            self.latest = None;
            self.session = None;
        }
    }

    /// What becomes of a record; `None`: it isn't wanted.
    pub fn pass(&mut self, record: Record) -> Option<Record> {
        if !self.wanted.is_active() {
            return Some(record);
        }
        match record {
            Record::Session(session) => Some(self.begin(session)),
            Record::Failure(failure) => {
                self.latest = timestamp(&failure.time).or(self.latest);
                if !self.wanted.wants(&failure) {
                    self.left_out.add(&self.wanted, &failure);
                    // Of one whose time alone isn't wanted, repeats may be.
                    let seen = match self.wanted.unmet_choice(&failure) {
                        unmet if unmet.is_none() => Seen::Taken(failure.cause),
                        unmet => Seen::LeftOut(unmet),
                    };
                    self.see(failure.seq, seen);
                    return None;
                }
                self.see(failure.seq, Seen::Taken(failure.cause));
                self.count(failure.cause, 1);
                Some(Record::Failure(failure))
            }
            Record::Repeat(repeat) => self.repeat(repeat),
            // Nobody knows which failures were lost.
            Record::Loss(loss) => self.loss(loss),
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
            self.seen.clear();
            self.summary = Summary::default();
            self.latest = None;
            self.session = Some(session.clone());
        }
        Record::Session(session)
    }

    fn loss(&mut self, loss: Loss) -> Option<Record> {
        // Its beginning may be long before the first failure that it is about.
        let at = timestamp(&loss.since).max(self.latest);
        let at = at.map_or_else(|| loss.since.clone(), |at| at.to_string());
        if !self.wanted.in_time(&at, &at) {
            self.left_out.add_loss(&self.wanted, &loss, &at);
            return None;
        }
        Some(Record::Loss(loss))
    }

    fn repeat(&mut self, repeat: Repeat) -> Option<Record> {
        self.latest = timestamp(&repeat.last).max(self.latest);
        let (cause, unmet) = match self.seen(repeat.of) {
            Seen::Taken(cause) => (Some(cause), Unmet::default()),
            Seen::LeftOut(unmet) => (None, unmet),
            Seen::Never => (None, Unmet::default()),
        };
        if self.left_out.add_repeats(&self.wanted, unmet, &repeat) {
            return None;
        }
        if (cause.is_none() && self.wanted.chooses()) || !self.wanted.can_judge(repeat.alike) {
            self.unjudged = self.unjudged.saturating_add(repeat.count);
            return None;
        }
        if let Some(cause) = cause {
            self.count(cause, repeat.count);
        }
        Some(Record::Repeat(repeat))
    }

    fn see(&mut self, seq: u64, seen: Seen) {
        if self.wanted.is_active() && seq < MOST_SEEN {
            let at = seq as usize;
            if self.seen.len() <= at {
                self.seen.resize(at + 1, Seen::Never);
            }
            self.seen[at] = seen;
        }
    }

    fn seen(&self, seq: u64) -> Seen {
        let at = usize::try_from(seq).ok();
        at.and_then(|at| self.seen.get(at).copied())
            .unwrap_or_default()
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
    use crate::report::tests::{AT, LATER, failed, failure, repeat};

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

    #[test]
    fn repeats_of_what_is_left_out_are_left_out() {
        let wanted = Wanted {
            pid: Some(7),
            user: Some("nosuch".to_owned()),
            ..Wanted::default()
        };
        let mut filter = Filter::new(wanted);
        assert!(filter.pass(failed(1, AT)).is_none());
        for alike in [Alike::Process, Alike::UserAndCgroup, Alike::Check] {
            let Record::Repeat(mut repeat) = repeat(1, 10, AT, LATER) else {
                unreachable!()
            };
            repeat.alike = alike;
            assert!(filter.pass(Record::Repeat(repeat)).is_none());
        }
        let left_out = filter.left_out();
        // Of those that have the check alone in common nobody knows whose they are.
        assert_eq!((left_out.failures, filter.unjudged()), (21, 10));
        assert_eq!(left_out.last.as_deref(), Some(LATER));
        let by: Vec<_> = left_out.by.iter().map(|(o, n)| (o.as_str(), *n)).collect();
        assert_eq!(by, [("--pid", 11), ("--user", 21)]);
    }

    #[test]
    fn pods_are_chosen_and_their_repeats_with_them() {
        let wanted = Wanted {
            containers: Containers {
                namespace: Some("shop".to_owned()),
                ..Containers::default()
            },
            ..Wanted::default()
        };
        let mut filter = Filter::new(wanted);
        let mut of_pod = failure(1, AT);
        of_pod.cgroup.namespace = Some("shop".to_owned());
        assert!(filter.pass(Record::Failure(Box::new(of_pod))).is_some());
        assert!(filter.pass(failed(2, AT)).is_none());
        assert!(filter.pass(repeat(1, 5, AT, LATER)).is_some());
        assert!(filter.pass(repeat(2, 5, AT, LATER)).is_none());
        assert_eq!(filter.left_out().by["--namespace"], 6);
    }

    #[test]
    fn repeats_have_times_of_their_own() {
        let wanted = Wanted {
            since: Some(LATER.parse().unwrap()),
            ..Wanted::default()
        };
        let mut filter = Filter::new(wanted);
        assert!(filter.pass(failed(1, AT)).is_none());
        assert!(filter.pass(repeat(1, 5, AT, AT)).is_none());
        assert!(filter.pass(repeat(1, 3, AT, LATER)).is_some());
        assert_eq!(filter.left_out().failures, 6);
        assert_eq!(filter.left_out().by["--since"], 6);
    }

    #[test]
    fn each_option_takes_its_own_and_nobody_elses() {
        let mut f = failure(1, AT);
        f.caller.user = Some("postgres".to_owned());
        (f.caller.pid, f.caller.tid, f.caller.ppid) = (41, 42, 40);
        (f.caller.uid, f.caller.euid) = (70, 71);
        let wants = |change: &dyn Fn(&mut Wanted)| {
            let mut wanted = Wanted::default();
            change(&mut wanted);
            wanted.wants(&f)
        };
        for (pid, is) in [(40, true), (41, true), (42, true), (39, false), (43, false)] {
            assert_eq!(wants(&|w| w.pid = Some(pid)), is, "{pid}");
        }
        for (user, is) in [
            ("postgres", true),
            ("70", true),
            ("71", false),
            ("postgre", false),
        ] {
            assert_eq!(wants(&|w| w.user = Some(user.to_owned())), is, "{user}");
        }
        for (cgroup, is) in [
            ("/", true),
            ("/system.slice", true),
            ("/system.slice/", true),
            ("/system.slice/postgresql.service", true),
            ("/system.slice/postgresql", false),
            ("/system.slice/postgresql.service/x", false),
        ] {
            assert_eq!(
                wants(&|w| w.cgroup = Some(cgroup.to_owned())),
                is,
                "{cgroup}"
            );
        }
        for (causes, is) in [
            (vec![Cause::CgroupPidsMax], true),
            (vec![Cause::PidMax, Cause::CgroupPidsMax], true),
            (vec![Cause::PidMax], false),
        ] {
            assert_eq!(wants(&|w| w.causes.clone_from(&causes)), is, "{causes:?}");
        }
        assert!(wants(&|w| w.errnos = vec![Errno::EAGAIN]));
        assert!(!wants(&|w| w.errnos = vec![Errno::ENOMEM]));
        // The instant itself is within both bounds.
        let at: Timestamp = AT.parse().unwrap();
        for (nanoseconds, since, until) in [(-1, true, false), (0, true, true), (1, false, true)] {
            let bound = at + jiff::SignedDuration::from_nanos(nanoseconds);
            assert_eq!(wants(&|w| w.since = Some(bound)), since, "{bound}");
            assert_eq!(wants(&|w| w.until = Some(bound)), until, "{bound}");
        }
    }

    #[test]
    fn a_process_is_known_by_the_name_that_is_shown() {
        let mut python = failure(1, AT);
        python.caller.comm = "python3".to_owned();
        python.caller.exe = Some("/usr/bin/python3.11".to_owned());
        for (name, is) in [
            ("python3", true),
            ("python3.11", true),
            ("python3.11 (python3)", true),
            ("python", false),
            ("/usr/bin/python3.11", false),
        ] {
            let wanted = Wanted {
                comm: Some(name.to_owned()),
                ..Wanted::default()
            };
            assert_eq!(wanted.chosen(&python), is, "{name}");
        }
    }
}
