//! Failures that are told together: those of one cause, limit and owner.
//!
//! The first is told in full, the next few on a line each that says what differs, the rest as a
//! count. In full again when value, holders or advice are others than those that have been told, or
//! after a minute. Nothing here prints, and time is what it is given: milliseconds, of the clock
//! while failures are traced, of the records in a recording.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _};

use foldhash::{HashSet, quality::FixedState};

use super::tally::Tally;
use crate::{
    model::{Cause, Certainty, Fix, HolderKind, LimitKind, Owner, wording},
    program::{Afterwards, after, by_id},
    record::Failure,
};

/// In full again after this, however alike.
pub(super) const AGAIN: u64 = 60_000;
/// Without another attempt for this long, that is said.
const QUIET: u64 = 60_000;
/// The first count is due after this, each further one after twice the time, up to [`SELDOM`].
const SOON: u64 = 2_000;
const SELDOM: u64 = 30_000;
/// A count is due when nothing more has come for this long.
pub(super) const PAUSE: u64 = 5_000;
/// Lines between a failure in full and the count: of any other process, and of those that differ in
/// more than the process.
const LINES: u32 = 3;
const LINES_OF_OTHERS: u32 = 6;
/// In full within [`AGAIN`] because holders or advice are others; and the values of a limit.
const FULL: usize = 4;
const VALUES: usize = 16;
/// As many processes as a person knows by name.
const A_FEW: usize = 3;

/// What a group has in common.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key {
    cause: Cause,
    certainty: Certainty,
    limit: Option<(LimitKind, Owner)>,
    /// Where no limit says whose they are: the cgroup's id.
    place: Option<u64>,
}

impl Key {
    pub(super) fn of(f: &Failure) -> Self {
        let limit = f.limit.as_ref();
        Self {
            cause: f.cause,
            certainty: f.certainty,
            limit: limit.map(|limit| (limit.kind.clone(), limit.owner.clone())),
            place: limit.is_none().then_some(f.cgroup.id),
        }
    }

    /// Whether [`Self::of`] makes this one.
    pub(super) fn is_of(&self, f: &Failure) -> bool {
        let limit = match (&self.limit, &f.limit) {
            (Some((kind, owner)), Some(limit)) => *kind == limit.kind && *owner == limit.owner,
            (None, None) => self.place == Some(f.cgroup.id),
            _ => false,
        };
        limit && self.cause == f.cause && self.certainty == f.certainty
    }
}

/// What a failure is to be told as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    Full,
    /// On one line, with what differs from the one in full.
    Line {
        /// None has been in full yet.
        first: bool,
        user: bool,
        cgroup: bool,
    },
    /// By the count.
    Counted,
}

/// A line that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Of the records' clock.
    pub(super) at: u64,
    pub(super) text: String,
}

/// Failures of one cause, limit and owner.
pub(super) struct Group {
    pub(super) id: u64,
    pub(super) key: Key,
    title: String,
    /// Of the first failure: how full its limit was.
    full: Option<String>,
    told: Told,
    /// One has been told in full, ever.
    pub(super) in_full: bool,
    /// Since when there is something that isn't said.
    waits: u64,
    /// Since the first in full.
    pub(super) all: Tally,
    /// Of these, what has been told by the count or for itself.
    pub(super) said: u64,
    /// Of any user and cgroup, by the same check.
    pub(super) elsewhere: u64,
    elsewhere_said: u64,
    pub(super) last: u64,
    pub(super) last_said: u64,
    /// Until the next count.
    interval: u64,
    /// It has been said that nothing more came.
    pub(super) quiet: bool,
    /// What its programs do without an attempt; `None` within: they differ, or it isn't known.
    without: Option<Option<Afterwards>>,
}

/// What has been told in full within [`AGAIN`].
#[derive(Default)]
struct Told {
    at: u64,
    values: Vec<Option<u64>>,
    leaders: Vec<String>,
    advice: HashSet<u64>,
    /// Of the latest failure, where all of it is among these.
    fix: Option<Vec<Fix>>,
    full: usize,
    lines: u32,
    /// Of the latest in full: the user, and the cgroup's id.
    whose: (Option<u32>, Option<u64>),
    /// Who and what had a line, or was told in full.
    kinds: HashSet<u64>,
    processes: HashSet<u32>,
}

impl Group {
    /// Of its first failure.
    pub(super) fn new(id: u64, f: &Failure, now: u64) -> Self {
        Self {
            id,
            key: Key::of(f),
            title: super::words::group_title(f),
            full: f.limit.as_ref().and_then(super::words::how_full),
            told: Told::default(),
            in_full: false,
            waits: now,
            all: Tally::default(),
            said: 0,
            elsewhere: 0,
            elsewhere_said: 0,
            last: now,
            last_said: now,
            interval: SOON,
            quiet: false,
            without: None,
        }
    }

    pub(super) fn unsaid(&self) -> u64 {
        let here = self.all.attempts().saturating_sub(self.said);
        here.saturating_add(self.elsewhere.saturating_sub(self.elsewhere_said))
    }

    pub(super) fn due(&self, in_place: bool) -> Option<u64> {
        if self.unsaid() == 0 {
            let waits = !self.quiet && self.all.attempts() > 0;
            return waits.then(|| self.last.saturating_add(QUIET));
        }
        let paused = self.last.max(self.last_said).saturating_add(PAUSE);
        let seldom = self.last_said.saturating_add(self.interval);
        // After a silence that was longer the next one is not late.
        let seldom = match seldom < self.waits {
            true => self.waits.saturating_add(SOON),
            false => seldom,
        };
        Some(if in_place { paused } else { paused.min(seldom) })
    }

    /// Something comes.
    pub(super) fn wait(&mut self, now: u64) {
        if self.unsaid() == 0 {
            self.waits = now;
        }
    }

    pub(super) fn telling(&mut self, f: &Failure, now: u64, crowded: bool) -> Telling {
        let kind = kind_of(f);
        let value = f.limit.as_ref().and_then(|limit| limit.value);
        let leader = leader(f);
        let told = &mut self.told;
        let minute = now.saturating_sub(told.at) >= AGAIN;
        let other_value = !told.values.contains(&value) && told.values.len() < VALUES;
        let is_leader = |of: &String| leader.is_some_and(|leader| of == leader);
        let other_leader = leader.is_some() && !told.leaders.iter().any(is_leader);
        let other_advice = !told.knows(&f.fix);
        let other = (other_leader || other_advice) && told.full < FULL;
        let wanted = told.full == 0 || minute || other_value || other;
        if wanted && !crowded {
            if minute {
                *told = Told::default();
            }
            if told.full == 0 {
                told.at = now;
            }
            told.full += 1;
            told.values.push(value);
            let other = leader.filter(|_| other_leader);
            told.leaders.extend(other.map(str::to_owned));
            told.advice.extend(f.fix.iter().flat_map(advice));
            told.lines = 0;
            told.kinds.insert(kind);
            told.processes.insert(f.caller.pid);
            told.whose = (Some(f.caller.uid), Some(f.cgroup.id));
            return Telling::Full;
        }
        let is_new = told.kinds.len() < 64 && told.kinds.insert(kind);
        let another = told.processes.len() < 64 && told.processes.insert(f.caller.pid);
        let room = (is_new && told.lines < LINES_OF_OTHERS) || (another && told.lines < LINES);
        // Lines come before the count, not among it.
        if room && (self.unsaid() == 0 || is_new) {
            self.told.lines += 1;
            let (uid, cgroup) = self.told.whose;
            return Telling::Line {
                first: uid.is_none(),
                user: uid != Some(f.caller.uid),
                cgroup: cgroup != Some(f.cgroup.id),
            };
        }
        Telling::Counted
    }

    /// "… 396 more: pids.max of /a; 400 attempts by 380 processes of sh and sleep, …".
    pub(super) fn count(&self) -> String {
        let here = self.all.attempts().saturating_sub(self.said);
        let elsewhere = self.elsewhere.saturating_sub(self.elsewhere_said);
        let mut text = match here {
            0 => format!("… {}", self.title),
            // Nothing that these could be more than.
            _ if self.said == 0 => {
                let full = self.full.as_ref().map(|full| format!(": {full}"));
                let (words, title) = (self.all.words(), &self.title);
                format!("… {words}: {title}{}", full.unwrap_or_default())
            }
            _ => format!("… {here} more: {}; in all {}", self.title, self.all.words()),
        };
        if elsewhere > 0 {
            text.push_str(&format!(
                "; {elsewhere} more by the same check, of any user and cgroup"
            ));
        }
        text
    }

    /// The same for a line that is cut where the terminal ends: first what changes.
    pub(super) fn moving(&self) -> String {
        let here = self.all.attempts().saturating_sub(self.said);
        if here == 0 || self.said == 0 {
            return self.count();
        }
        let (words, title) = (self.all.words(), &self.title);
        format!("… {here} more, in all {words}: {title}")
    }

    pub(super) fn settle(&mut self, now: u64) -> Option<Line> {
        (self.unsaid() > 0).then(|| {
            let text = self.count();
            self.have_said(now);
            Line { at: now, text }
        })
    }

    pub(super) fn have_said(&mut self, now: u64) {
        self.said = self.all.attempts();
        self.elsewhere_said = self.elsewhere;
        self.last_said = now;
        self.interval = (self.interval * 2).min(SELDOM);
    }

    /// What comes after a long silence is counted by itself.
    pub(super) fn start_anew(&mut self) {
        self.all = Tally::default();
        self.said = 0;
        self.elsewhere = 0;
        self.elsewhere_said = 0;
        self.interval = SOON;
        self.quiet = false;
        self.without = None;
    }

    /// What the program does, where the catalogue has it.
    pub(super) fn learn(&mut self, f: &Failure) {
        let program = f.caller.catalogued.as_deref().and_then(by_id);
        let of = program.and_then(|one| after::afterwards(one, f.operation, f.errno));
        let before = self.without.unwrap_or(of);
        self.without = Some(before.filter(|before| Some(*before) == of));
    }

    /// That nothing more has come, which nobody would see else.
    pub(super) fn silence(&self) -> String {
        let who = self.all.who();
        let title = &self.title;
        let known = self.without.flatten().map(Afterwards::without_attempt);
        if let (Some(what), n @ 1..) = (known, self.all.processes()) {
            let told = match n {
                1 => format!("{who} has not tried again: it {what}"),
                _ => format!("none of {who} has tried again: each {what}"),
            };
            return format!("no further attempt for a minute: {title}; {told}");
        }
        match self.all.processes() {
            0 => format!("no further attempt for a minute: {title}"),
            1 => format!(
                "no further attempt for a minute: {title}; {who} has not tried again, and what it lacks may \
                 need a restart or reload"
            ),
            n if n <= A_FEW => format!(
                "no further attempt for a minute: {title}; none of {who} has tried again, and what they lack \
                 may need a restart or reload"
            ),
            _ => format!("no further attempt for a minute: {title}; none of {who} has tried again"),
        }
    }
}

impl Told {
    /// Whether each part of an advice has been told.
    fn knows(&mut self, fix: &[Fix]) -> bool {
        // In a storm it is the same again and again.
        if self.fix.as_deref() == Some(fix) {
            return true;
        }
        let known = fix
            .iter()
            .flat_map(advice)
            .all(|part| self.advice.contains(&part));
        if known {
            self.fix = Some(fix.to_vec());
        }
        known
    }
}

/// What a line would say that differs, the process aside.
fn kind_of(f: &Failure) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    (
        f.caller.program(),
        &f.caller.comm,
        f.caller.uid,
        f.cgroup.id,
    )
        .hash(&mut hasher);
    (f.operation, &f.syscall, f.errno.name()).hash(&mut hasher);
    hasher.finish()
}

/// The program that has half of the limit or more.
fn leader(f: &Failure) -> Option<&str> {
    let programs = || {
        let all = f.holders.iter();
        all.filter(|h| matches!(h.kind, HolderKind::Program | HolderKind::Kernel))
    };
    let size = |h: &crate::model::Holder| h.bytes.unwrap_or(h.tasks + h.zombies);
    let most = programs().max_by_key(|h| size(h))?;
    let sum = programs().map(size).fold(0, u64::saturating_add);
    let is_half = size(most).saturating_mul(2) >= sum && size(most) > 1;
    is_half.then_some(&*most.name)
}

/// Each part of an advice, whatever numbers stand in it.
fn advice(fix: &Fix) -> impl Iterator<Item = u64> {
    let parts = [(0, &fix.now), (1, &fix.persistent), (2, &fix.note)];
    parts.into_iter().filter_map(|(n, part)| {
        let part = part.as_ref()?;
        Some(FixedState::default().hash_one((n, wording(part))))
    })
}
