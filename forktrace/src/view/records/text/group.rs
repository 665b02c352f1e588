//! Failures that are told together: those of one cause, limit and owner.
//!
//! The first is told in full, the next few on a line each that says what differs, the rest as a
//! count. In full again when value, holders or advice are others than those that have been told, or
//! after a minute. Nothing here prints, and time is what it is given: milliseconds, of the clock
//! while failures are traced, of the records in a recording.

use std::{
    collections::VecDeque,
    hash::{BuildHasher as _, Hash as _, Hasher as _},
    rc::Rc,
};

use foldhash::{HashSet, quality::FixedState};

use super::tally::Tally;
use crate::{
    model::{Cause, Certainty, Fix, HolderKind, LimitKind, Owner, wording},
    program::{Afterwards, after, by_id},
    record::{Alike, Failure, Repeat},
};

/// In full again after this, however alike.
pub(super) const AGAIN: u64 = 60_000;
/// Without another attempt for this long, that is said.
const QUIET: u64 = 60_000;
/// The first count is due after this, each further one after twice the time, up to [`SELDOM`].
const SOON: u64 = 2_000;
const SELDOM: u64 = 30_000;
/// A count is due when nothing more has come for this long.
const PAUSE: u64 = 5_000;
/// Lines between a failure in full and the count: of any other process, and of those that differ in
/// more than the process.
const LINES: u32 = 3;
const LINES_OF_OTHERS: u32 = 6;
/// In full within [`AGAIN`] because holders or advice are others; and the values of a limit.
const FULL: usize = 4;
const VALUES: usize = 16;
/// In full within [`AGAIN`] of all groups together; further ones begin with a line.
const FULLS: usize = 12;
/// On a line of their own within [`AGAIN`], of all groups together.
const ALL_LINES: usize = 40;
/// Groups that are remembered.
const GROUPS: usize = 64;
/// Counts that are said at once, one a line; the rest of them in one.
const COUNTS: usize = 4;
/// Failures that repeats can refer to.
const REMEMBERED: usize = 4096;
/// As many processes as a person knows by name.
const A_FEW: usize = 3;

/// What a group has in common.
#[derive(Clone, PartialEq, Eq)]
struct Key {
    cause: Cause,
    certainty: Certainty,
    limit: Option<(LimitKind, Owner)>,
    /// Where no limit says whose they are: the cgroup's id.
    place: Option<u64>,
}

impl Key {
    fn of(f: &Failure) -> Self {
        let limit = f.limit.as_ref();
        Self {
            cause: f.cause,
            certainty: f.certainty,
            limit: limit.map(|limit| (limit.kind.clone(), limit.owner.clone())),
            place: limit.is_none().then_some(f.cgroup.id),
        }
    }

    /// Whether [`Self::of`] makes this one.
    fn is_of(&self, f: &Failure) -> bool {
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

/// A failure that repeats can refer to.
struct Remembered {
    seq: u64,
    group: u64,
    pid: u32,
    program: Rc<str>,
}

/// All groups.
#[derive(Default)]
pub(super) struct Groups {
    all: Vec<Group>,
    remembered: VecDeque<Remembered>,
    next: u64,
    /// When failures were told in full, and when on a line, within [`AGAIN`].
    fulls: VecDeque<u64>,
    lines: VecDeque<u64>,
    /// Of groups that are not remembered any more, and repeats of what has not come by.
    rest: Rest,
    /// Groups that had to go before one of them was told in full.
    not_in_full: u64,
    /// Counts move: they are due when nothing more comes, and not before.
    in_place: bool,
}

/// What belongs to none of the groups.
#[derive(Default)]
struct Rest {
    /// Of groups that had to go.
    gone: u64,
    /// Like failures that are not here.
    unknown: u64,
    /// Since when, of the first that isn't said.
    since: u64,
}

impl Rest {
    fn add(&mut self, gone: u64, unknown: u64, now: u64) {
        if self.gone == 0 && self.unknown == 0 {
            self.since = now;
        }
        self.gone = self.gone.saturating_add(gone);
        self.unknown = self.unknown.saturating_add(unknown);
    }

    fn due(&self) -> Option<u64> {
        (self.gone > 0 || self.unknown > 0).then(|| self.since.saturating_add(PAUSE))
    }

    fn settle(&mut self, at: u64) -> Vec<Line> {
        let Self { gone, unknown, .. } = std::mem::take(self);
        let mut texts = Vec::new();
        if gone > 0 {
            texts.push(format!("… {gone} of other limits"));
        }
        if unknown > 0 {
            texts.push(format!(
                "… {unknown} more like failures that are not shown here"
            ));
        }
        texts.into_iter().map(|text| Line { at, text }).collect()
    }
}

struct Group {
    id: u64,
    key: Key,
    title: String,
    /// Of the first failure: how full its limit was.
    full: Option<String>,
    told: Told,
    /// One has been told in full, ever.
    in_full: bool,
    /// Since when there is something that isn't said.
    waits: u64,
    /// Since the first in full.
    all: Tally,
    /// Of these, what has been told by the count or for itself.
    said: u64,
    /// Of any user and cgroup, by the same check.
    elsewhere: u64,
    elsewhere_said: u64,
    last: u64,
    last_said: u64,
    /// Until the next count.
    interval: u64,
    /// It has been said that nothing more came.
    quiet: bool,
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

/// A line that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Of the records' clock.
    pub(super) at: u64,
    pub(super) text: String,
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

impl Groups {
    /// Whose counts move while failures come.
    pub(super) fn in_place() -> Self {
        Self {
            in_place: true,
            ..Self::default()
        }
    }

    /// Takes a failure at a time. Where one in full is to follow, the count so far goes before it:
    /// [`Self::settle_one`].
    pub(super) fn take(&mut self, f: &Failure, now: u64, at: u64) -> Telling {
        let program = f.caller.program();
        for times in [&mut self.fulls, &mut self.lines] {
            while times
                .front()
                .is_some_and(|at| now.saturating_sub(*at) >= AGAIN)
            {
                times.pop_front();
            }
        }
        let position = match self.all.iter().position(|group| group.key.is_of(f)) {
            Some(position) => position,
            None => self.begin(f, now),
        };
        let crowded = self.fulls.len() >= FULLS;
        let group = &mut self.all[position];
        if group.quiet {
            group.start_anew();
        }
        let mut telling = group.telling(f, now, crowded);
        match telling {
            Telling::Full => self.fulls.push_back(now),
            Telling::Line { .. } if self.lines.len() >= ALL_LINES => telling = Telling::Counted,
            Telling::Line { .. } => self.lines.push_back(now),
            Telling::Counted => {}
        }
        group.wait(now);
        group.all.one(f.caller.pid, program, at);
        group.all.learn(&f.caller.comm, program);
        group.learn(f);
        group.last = now;
        if telling != Telling::Counted {
            group.said += 1;
        }
        if telling == Telling::Full {
            group.in_full = true;
            group.last_said = now;
        }
        let id = group.id;
        let latest = self.remembered.back().map(|latest| &latest.program);
        let program = match latest.filter(|latest| &***latest == program) {
            Some(latest) => Rc::clone(latest),
            None => program.into(),
        };
        self.remember(Remembered {
            seq: f.seq,
            group: id,
            pid: f.caller.pid,
            program,
        });
        telling
    }

    /// Program and process of a failure that repeats can refer to.
    pub(super) fn caller(&self, seq: u64) -> Option<(&str, u32)> {
        let found = self.remembered.binary_search_by(|of| of.seq.cmp(&seq));
        let of = self.remembered.get(found.ok()?)?;
        Some((&of.program, of.pid))
    }

    /// Takes repeats.
    pub(super) fn repeat(&mut self, r: &Repeat, now: u64, first: u64, last: u64) {
        let found = self.remembered.binary_search_by(|of| of.seq.cmp(&r.of));
        let Some(of) = found.ok().and_then(|at| self.remembered.get(at)) else {
            return self.rest.add(0, r.count, now);
        };
        let Some(group) = self.all.iter_mut().find(|group| group.id == of.group) else {
            return self.rest.add(r.count, 0, now);
        };
        if group.quiet {
            group.start_anew();
        }
        group.wait(now);
        match r.alike {
            Alike::Process => {
                let process = Some((of.pid, &*of.program));
                group.all.some(process, r.count, first, last);
            }
            Alike::UserAndCgroup => group.all.some(None, r.count, first, last),
            Alike::Check => group.elsewhere = group.elsewhere.saturating_add(r.count),
        }
        group.last = now;
    }

    fn begin(&mut self, f: &Failure, now: u64) -> usize {
        if self.all.len() >= GROUPS {
            let oldest = self
                .all
                .iter()
                .enumerate()
                .min_by_key(|(_, group)| group.last);
            let gone = oldest.map(|(at, _)| at).map(|at| self.all.swap_remove(at));
            if let Some(gone) = gone {
                self.not_in_full += u64::from(!gone.in_full);
                if gone.unsaid() > 0 {
                    self.rest.add(gone.unsaid(), 0, now);
                }
            }
        }
        let id = self.next;
        self.next += 1;
        self.all.push(Group {
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
        });
        self.all.len() - 1
    }

    fn remember(&mut self, one: Remembered) {
        // Numbers rise in a session; another's begin anew.
        if self
            .remembered
            .back()
            .is_some_and(|last| last.seq >= one.seq)
        {
            self.remembered.clear();
        }
        if self.remembered.len() >= REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back(one);
    }

    /// When something is due, though nothing more comes.
    pub(super) fn due(&self) -> Option<u64> {
        let due = |group: &Group| group.due(self.in_place);
        let groups = self.all.iter().filter_map(due).min();
        groups.into_iter().chain(self.rest.due()).min()
    }

    /// What is due by this time, in the order in which it is.
    pub(super) fn lines(&mut self, now: u64) -> Vec<Line> {
        let mut lines = Vec::new();
        while let Some(at) = self.due().filter(|due| *due <= now) {
            self.lines_at(at, &mut lines);
        }
        lines
    }

    fn lines_at(&mut self, at: u64, lines: &mut Vec<Line>) {
        if self.rest.due().is_some_and(|due| due <= at) {
            lines.extend(self.rest.settle(at));
        }
        let in_place = self.in_place;
        let due = |group: &Group| group.due(in_place).is_some_and(|due| due <= at);
        let mut counts: Vec<&mut Group> = Vec::new();
        for group in self.all.iter_mut().filter(|group| due(group)) {
            if group.unsaid() > 0 {
                counts.push(group);
            } else {
                group.quiet = true;
                lines.push(Line {
                    at,
                    text: group.silence(),
                });
            }
        }
        counts.sort_by_key(|group| std::cmp::Reverse(group.unsaid()));
        let rest = counts.split_off(counts.len().min(COUNTS));
        for group in counts {
            let text = group.count();
            group.have_said(at);
            lines.push(Line { at, text });
        }
        if !rest.is_empty() {
            let more = rest.iter().map(|group| group.unsaid());
            let more = more.fold(0, u64::saturating_add);
            let text = format!("… {more} of {} other limits", rest.len());
            rest.into_iter().for_each(|group| group.have_said(at));
            lines.push(Line { at, text });
        }
    }

    /// What has not been said of the failure's group, before it is told in full again.
    pub(super) fn settle_one(&mut self, f: &Failure, now: u64) -> Option<Line> {
        let key = Key::of(f);
        let group = self.all.iter_mut().find(|group| group.key == key)?;
        group.settle(now)
    }

    /// What has not been said yet of any.
    pub(super) fn settle(&mut self, now: u64) -> Vec<Line> {
        let lines = self.all.iter_mut().filter_map(|group| group.settle(now));
        let mut lines: Vec<_> = lines.collect();
        lines.extend(self.rest.settle(now));
        lines
    }

    /// That there were limits whose value and advice have not been printed.
    pub(super) fn not_in_full(&self) -> Option<String> {
        let here = self.all.iter().filter(|group| !group.in_full);
        let n = self.not_in_full.saturating_add(here.count() as u64);
        (n > 0).then(|| {
            let limits = if n == 1 { "limit" } else { "limits" };
            format!("… {n} {limits} without advice above: --each prints every failure in full")
        })
    }

    /// The counts that move: of the groups with something that isn't said, the latest first.
    pub(super) fn moving(&self) -> Vec<String> {
        let mut moving: Vec<&Group> = self.all.iter().filter(|g| g.unsaid() > 0).collect();
        moving.sort_by_key(|group| std::cmp::Reverse((group.last, group.id)));
        let more = moving.split_off(moving.len().min(COUNTS));
        let mut lines: Vec<String> = moving.into_iter().map(Group::moving).collect();
        if !more.is_empty() {
            lines.push(format!("… and {} other limits", more.len()));
        }
        lines
    }

    /// Another session's failures are others.
    pub(super) fn clear(&mut self) {
        *self = Self {
            in_place: self.in_place,
            ..Self::default()
        };
    }
}

impl Group {
    fn unsaid(&self) -> u64 {
        let here = self.all.attempts().saturating_sub(self.said);
        here.saturating_add(self.elsewhere.saturating_sub(self.elsewhere_said))
    }

    fn due(&self, in_place: bool) -> Option<u64> {
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
    fn wait(&mut self, now: u64) {
        if self.unsaid() == 0 {
            self.waits = now;
        }
    }

    fn telling(&mut self, f: &Failure, now: u64, crowded: bool) -> Telling {
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
    fn count(&self) -> String {
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
    fn moving(&self) -> String {
        let here = self.all.attempts().saturating_sub(self.said);
        if here == 0 || self.said == 0 {
            return self.count();
        }
        let (words, title) = (self.all.words(), &self.title);
        format!("… {here} more, in all {words}: {title}")
    }

    fn settle(&mut self, now: u64) -> Option<Line> {
        (self.unsaid() > 0).then(|| {
            let text = self.count();
            self.have_said(now);
            Line { at: now, text }
        })
    }

    fn have_said(&mut self, now: u64) {
        self.said = self.all.attempts();
        self.elsewhere_said = self.elsewhere;
        self.last_said = now;
        self.interval = (self.interval * 2).min(SELDOM);
    }

    /// What comes after a long silence is counted by itself.
    fn start_anew(&mut self) {
        self.all = Tally::default();
        self.said = 0;
        self.elsewhere = 0;
        self.elsewhere_said = 0;
        self.interval = SOON;
        self.quiet = false;
        self.without = None;
    }

    /// What the program does, where the catalogue has it.
    fn learn(&mut self, f: &Failure) {
        let program = f.caller.catalogued.as_deref().and_then(by_id);
        let of = program.and_then(|one| after::afterwards(one, f.operation, f.errno));
        let before = self.without.unwrap_or(of);
        self.without = Some(before.filter(|before| Some(*before) == of));
    }

    /// That nothing more has come, which nobody would see else.
    fn silence(&self) -> String {
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
