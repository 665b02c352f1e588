//! The rows of the tables: limits, callers, cgroups.

use std::{collections::VecDeque, sync::Arc};

use foldhash::HashSet;

use super::{
    advised::Advised,
    counts::add,
    fill::Fill,
    line::{Bound, Refusal, Text},
    list::Kept,
    rate::Rate,
    table::Handle,
    when::When,
};
use crate::model::{Cause, Errno, Holder, Operation, Unit, kin_within, owner_within};

/// Bytes of a name that are kept; the longest path of a file is as long.
const LONGEST: usize = 4096;

/// Threads of a program that are named, and processes that are told apart.
const THREADS: usize = 4;
const PROCESSES: usize = 256;
/// Of these, the latest whose speed is known.
const RATES: usize = 64;

/// A name of bounded length, cut between characters.
pub(super) fn clip(text: &str) -> &str {
    if text.len() <= LONGEST {
        return text;
    }
    // A character has four bytes at most.
    let mut ends = (LONGEST - 3..=LONGEST).rev();
    let end = ends.find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

fn owned(text: &Option<Text<'_>>) -> Option<String> {
    text.as_ref().map(|text| clip(text.as_str()).to_owned())
}

/// Which limit it is.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Which {
    pub name: String,
    pub scope: String,
    /// Where its use is counted, if not on the whole host.
    pub within: Option<String>,
}

impl Which {
    fn of(limit: &Bound<'_>) -> Self {
        Self {
            name: clip(&limit.name).to_owned(),
            scope: clip(&limit.scope).to_owned(),
            within: limit
                .within
                .as_deref()
                .map(|within| clip(within).to_owned()),
        }
    }

    /// Whose it is.
    pub(super) fn owner(&self) -> String {
        owner_within(&self.scope, self.within.as_deref()).into_owned()
    }
}

/// A limit and its owner, or a cause that is no limit.
#[derive(Clone)]
pub(super) struct LimitState {
    pub host: Arc<str>,
    pub when: When,
    pub cause: Cause,
    pub limit: Option<Which>,
    /// The key of its kind: see [`Self::kin_parts`].
    pub kin: String,
    /// Of the latest failure.
    latest: When,
    pub unit: Option<Unit>,
    pub value: Option<u64>,
    pub usage: Option<u64>,
    pub file: Option<String>,
    pub fixes: Advised,
    /// The values that it had, and failures at each.
    pub values: Values,
    pub highest: Option<u64>,
    /// Who filled the limit when `highest` was read.
    pub holders: Kept<Holder>,
    /// For a page alone.
    pub fill: Option<Box<Fill>>,
    /// What it is known by ([`super::distinct`]), until a failure of it counts.
    pub untold: Option<u64>,
    /// Where its kind was in the table of kinds.
    pub rolled: Option<Handle>,
}

impl LimitState {
    pub(super) fn new(host: &Arc<str>, r: &Refusal<'_>, short: u64) -> Self {
        let limit = r.limit.as_ref().map(Which::of);
        Self {
            host: Arc::clone(host),
            when: When::default(),
            cause: r.cause,
            kin: match &limit {
                Some(limit) => {
                    let owner = kin_within(&limit.scope, limit.within.as_deref());
                    format!("{}\0{owner}", limit.name)
                }
                None => format!("\0{}", r.cause.id()),
            },
            limit,
            latest: When::default(),
            unit: None,
            value: None,
            usage: None,
            file: None,
            fixes: Advised::default(),
            values: Values::default(),
            highest: None,
            holders: Kept::default(),
            fill: None,
            untold: Some(short),
            rolled: None,
        }
    }

    /// Name and owner of a kind; `None` of a cause that is no limit.
    pub(super) fn kin_parts(key: &str) -> (Option<&str>, Option<&str>) {
        match key.split_once('\0') {
            Some((name, owner)) if !name.is_empty() => (Some(name), Some(owner)),
            _ => (None, None),
        }
    }

    /// Its values.
    pub(super) fn values_seen(&self) -> impl Iterator<Item = u64> {
        let seen = self.values.0.iter().filter(|(_, failures)| *failures > 0);
        seen.filter_map(|(value, _)| *value)
    }

    /// Takes the numbers of a failure; files may be given in any order.
    pub(super) fn take(&mut self, when: When, r: &Refusal<'_>) {
        self.when.cover(when);
        if when.is_latest(self.latest) {
            self.latest = when;
            self.cause = r.cause;
            if let Some(limit) = &r.limit {
                self.unit = Some(limit.unit);
                self.value = limit.value;
                self.usage = limit.usage;
                let file = limit.file.as_ref().map(|file| clip(file.as_str()));
                if self.file.as_deref() != file {
                    self.file = file.map(str::to_owned);
                }
            }
        }
        let limit = r.limit.as_ref();
        let (value, usage) = limit.map_or((None, None), |limit| (limit.value, limit.usage));
        self.fixes.take(r.fix, (value, usage), when);
        if let (Some(fill), Some(value), Some(usage)) = (&mut self.fill, value, usage) {
            fill.take(when, usage, value);
        }
        if usage > self.highest {
            self.highest = usage;
            self.holders.replace(r.holders);
        } else if usage.is_some() && usage == self.highest && self.holders.is_empty() {
            // As full as that, and this time it is known by whom.
            self.holders.replace(r.holders);
        }
    }
}

/// Values of one limit, and failures at each: a limit of processes differs between them, and one that is
/// raised was another before.
#[derive(Clone, Default)]
pub(super) struct Values(Vec<(Option<u64>, u64)>);

impl Values {
    /// Further ones share a place without a value.
    const MOST: usize = 8;

    /// The place of a value.
    pub(super) fn place(&mut self, value: Option<u64>) -> u8 {
        let of = |value| self.0.iter().position(|(known, _)| *known == value);
        let is_full = self.0.len() >= Self::MOST;
        let known = of(value).or_else(|| of(None).filter(|_| is_full));
        let place = known.unwrap_or_else(|| {
            self.0.push((value.filter(|_| !is_full), 0));
            self.0.len() - 1
        });
        place as u8
    }

    /// Failures at the value of a place.
    pub(super) fn add(&mut self, place: u8, count: u64) {
        if let Some((_, failures)) = self.0.get_mut(usize::from(place)) {
            add(failures, count);
        }
    }

    /// Those that are known, highest first.
    pub(super) fn into_counts(self) -> Vec<(u64, u64)> {
        let known = self.0.into_iter().filter(|(_, failures)| *failures > 0);
        let mut known: Vec<_> = known.filter_map(|(value, n)| Some((value?, n))).collect();
        known.sort_unstable_by(|a, b| b.cmp(a));
        known
    }
}

/// Who asked.
#[derive(Clone)]
pub(super) struct CallerState {
    pub host: Arc<str>,
    pub when: When,
    pub program: String,
    /// It is the executable's name, and not the thread's.
    pub by_exe: bool,
    /// Names of its threads, the first that came.
    pub threads: Vec<String>,
    pub uid: u32,
    pub user: Option<String>,
    processes: HashSet<u32>,
    /// There were more than are told apart.
    pub more: bool,
    /// How fast processes try, the latest last, and which they are.
    rates: VecDeque<Rate>,
    tried: VecDeque<u32>,
    /// Attempts of one process in one second.
    pub most: u64,
    /// Its id in the catalogue of programs.
    pub catalogued: Option<String>,
    /// What was asked for and answered; `None` within: not always the same.
    asked: Option<Option<(Operation, Errno)>>,
    /// Where user and program were in their tables.
    pub rolled_user: Option<Handle>,
    pub rolled_program: Option<Handle>,
}

impl CallerState {
    pub(super) fn new(host: &Arc<str>, r: &Refusal<'_>) -> Self {
        Self {
            host: Arc::clone(host),
            when: When::default(),
            program: clip(r.caller.program()).to_owned(),
            by_exe: r.caller.exe.is_some(),
            threads: vec![clip(&r.caller.comm).to_owned()],
            uid: r.caller.uid,
            user: owned(&r.caller.user),
            processes: HashSet::default(),
            more: false,
            rates: VecDeque::new(),
            tried: VecDeque::new(),
            most: 0,
            catalogued: owned(&r.caller.catalogued),
            asked: None,
            rolled_user: None,
            rolled_program: None,
        }
    }

    /// What was asked for and answered, where that is always the same.
    pub(super) fn asked(&self) -> Option<(Operation, Errno)> {
        self.asked.flatten()
    }

    fn ask(&mut self, this: Option<(Operation, Errno)>) {
        let before = self.asked.unwrap_or(this);
        self.asked = Some(before.filter(|before| Some(*before) == this));
    }

    /// Takes a failure.
    pub(super) fn take(&mut self, when: When, r: &Refusal<'_>) {
        self.when.cover(when);
        self.ask(Some((r.operation, r.errno)));
        if self.catalogued.is_none() {
            self.catalogued = owned(&r.caller.catalogued);
        }
        let comm = clip(&r.caller.comm);
        if self.threads.len() < THREADS && !self.threads.iter().any(|name| name == comm) {
            self.threads.push(comm.to_owned());
        }
        if self.processes.len() < PROCESSES {
            self.processes.insert(r.caller.pid);
        } else if !self.processes.contains(&r.caller.pid) {
            self.more = true;
        }
        self.tried(r.caller.pid, 1, when);
    }

    /// Takes repeats of a process's.
    pub(super) fn again(&mut self, pid: u32, count: u64, when: When) {
        self.when.cover(when);
        self.tried(pid, count, when);
    }

    fn tried(&mut self, pid: u32, count: u64, when: When) {
        let Some((first, last)) = when.get() else {
            return;
        };
        let known = self.tried.iter().rposition(|of| *of == pid);
        // Else in the place of the oldest, whose memory it takes over.
        let place = known.or_else(|| (self.tried.len() >= RATES).then_some(0));
        let before = place.and_then(|at| self.tried.remove(at).and(self.rates.remove(at)));
        let mut rate = before.unwrap_or_default();
        if known.is_none() {
            rate.restart();
        }
        rate.add(count, first.as_millisecond(), last.as_millisecond());
        self.most = self.most.max(rate.most());
        self.rates.push_back(rate);
        self.tried.push_back(pid);
    }

    /// Whether these are the callers of another row, whose executable is known: of those that end at
    /// once it can't be read.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        !self.by_exe
            && other.by_exe
            && (&self.host, self.uid, &self.user) == (&other.host, other.uid, &other.user)
            && other.threads.contains(&self.program)
    }

    /// Takes another row's in.
    pub(super) fn absorb(&mut self, other: Self) {
        self.when.cover(other.when);
        self.more |= other.more;
        if let Some(asked) = other.asked {
            self.ask(asked);
        }
        self.catalogued = self.catalogued.take().or(other.catalogued);
        for pid in other.processes {
            self.more |= self.processes.len() >= PROCESSES && !self.processes.contains(&pid);
            if self.processes.len() < PROCESSES {
                self.processes.insert(pid);
            }
        }
        self.most = self.most.max(other.most);
    }

    /// Processes that were told apart.
    pub(super) fn processes(&self) -> u64 {
        self.processes.len() as u64
    }
}

/// Where the callers live.
#[derive(Clone)]
pub(super) struct CgroupState {
    pub host: Arc<str>,
    pub when: When,
    pub path: Option<String>,
    pub unit: Option<String>,
    pub container: Option<String>,
    pub pod: Option<String>,
    /// NAMESPACE/NAME of the pod; a pod that has just been started may have none in its first records.
    pub called: Option<String>,
    /// Where unit and pod were in their tables.
    pub rolled_unit: Option<Handle>,
    pub rolled_pod: Option<Handle>,
}

impl CgroupState {
    pub(super) fn new(host: &Arc<str>, r: &Refusal<'_>) -> Self {
        Self {
            host: Arc::clone(host),
            when: When::default(),
            path: owned(&r.cgroup.path),
            unit: owned(&r.cgroup.unit),
            container: owned(&r.cgroup.container),
            pod: owned(&r.cgroup.pod),
            called: None,
            rolled_unit: None,
            rolled_pod: None,
        }
    }

    /// Of a further failure, or the first.
    pub(super) fn take(&mut self, when: When, r: &Refusal<'_>) {
        self.when.cover(when);
        if self.called.is_none()
            && let (Some(namespace), Some(name)) = (&r.cgroup.namespace, &r.cgroup.pod_name)
        {
            self.called = Some(format!("{}/{}", namespace.as_str(), name.as_str()));
        }
    }
}

/// Makes the keys of the tables, in one buffer.
#[derive(Clone, Default)]
pub(super) struct KeyMaker(Vec<u8>);

impl KeyMaker {
    /// The limit on its host, or the cause.
    pub(super) fn limit(&mut self, host: u32, r: &Refusal<'_>) -> &[u8] {
        self.start(host);
        match &r.limit {
            Some(limit) => self
                .part(Some(&limit.name))
                .part(Some(&limit.scope))
                .part(limit.within.as_deref()),
            None => self.part(None).part(Some(r.cause.id())),
        };
        &self.0
    }

    pub(super) fn caller(&mut self, host: u32, r: &Refusal<'_>) -> &[u8] {
        self.start(host);
        self.0.extend_from_slice(&r.caller.uid.to_le_bytes());
        self.part(Some(r.caller.program()));
        self.part(r.caller.user.as_ref().map(Text::as_str));
        &self.0
    }

    pub(super) fn cgroup(&mut self, host: u32, r: &Refusal<'_>) -> &[u8] {
        self.start(host);
        self.part(r.cgroup.path.as_ref().map(Text::as_str));
        // The path names unit, pod and container.
        &self.0
    }

    fn start(&mut self, host: u32) {
        self.0.clear();
        self.0.extend_from_slice(&host.to_le_bytes());
    }

    /// With its length, so that no two lists of parts are one key.
    fn part(&mut self, text: Option<&str>) -> &mut Self {
        let text = text.map(clip);
        let length = text.map_or(u32::MAX, |text| text.len() as u32);
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0
            .extend_from_slice(text.unwrap_or_default().as_bytes());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No number is told for a limit that had another.
    #[test]
    fn values_beyond_those_that_are_told_apart_are_no_values() {
        let mut values = Values::default();
        for value in (1..=20).chain(1..=3).map(Some).chain([None]) {
            let place = values.place(value);
            values.add(place, 1);
        }
        assert!(values.0.len() <= Values::MOST + 1);
        let mut counts = values.into_counts();
        counts.reverse();
        assert_eq!(
            counts,
            [
                (1, 2),
                (2, 2),
                (3, 2),
                (4, 1),
                (5, 1),
                (6, 1),
                (7, 1),
                (8, 1)
            ]
        );
    }

    #[test]
    fn names_are_cut_between_characters() {
        assert_eq!(clip("größe"), "größe");
        for wide in ["x", "ö", "語", "\u{10ffff}"] {
            for before in ["", "a", "ab", "abc"] {
                let text = before.to_owned() + &wide.repeat(LONGEST);
                let cut = clip(&text);
                assert!(text.starts_with(cut) && cut.len() > LONGEST - 4, "{wide}");
                assert!(cut.len() <= LONGEST);
            }
        }
    }
}
