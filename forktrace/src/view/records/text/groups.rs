//! All groups: which a failure belongs to, how many may be told in full, and what is due when.

use std::{collections::VecDeque, rc::Rc};

use super::{
    group::{AGAIN, Group, Key, Line, Telling},
    rest::Rest,
};
use crate::{
    order::Order as _,
    record::{Alike, Failure, Repeat},
};

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
        self.all.push(Group::new(id, f, now));
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
        counts.order_by_key(|group| std::cmp::Reverse(group.unsaid()));
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
        moving.order_by_key(|group| std::cmp::Reverse((group.last, group.id)));
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
