//! Failures that the kernel side counted and sent no event of.

use std::{collections::HashMap, io, ops::RangeInclusive};

use aya::{
    Ebpf,
    maps::{Array, HashMap as BpfHashMap, MapData, PerCpuArray},
};
use forktrace_common::{
    count::{Key, room, total},
    event::Stage,
    facts::fact,
    note::Note,
};

use super::count_map::{CountMap, Counted, Like, Recorded, SameVerdict};
use crate::{
    host::clock::Clock,
    model::{Cause, LossReason},
    probe::uninterrupted::uninterrupted,
    record::{Alike, Loss, Record, Repeat},
};

/// Reads the maps of counts, and remembers what was reported.
///
/// A failure is counted by the finest key that there is room for: the process's, that of its user and
/// cgroup, that of the check which refused (forktrace-ebpf `count.rs`).
pub(super) struct Counts {
    processes: CountMap,
    groups: CountMap,
    checks: CountMap,
    totals: PerCpuArray<MapData, u64>,
    notes: BpfHashMap<MapData, u32, Note>,
    counting: Array<MapData, u64>,
    /// The number of the reading that failures are counted for now.
    window: u64,
    uninterrupted: bool,
    /// Totals when the session began, and those reported since.
    start: Totals,
    missed: u64,
    keys_full: u64,
    oom_lost: u64,
    since_ns: u64,
}

/// Totals of the session.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub failures: u64,
    pub keys_full: u64,
    pub killed: u64,
    pub missed: u64,
    /// Victims of the OOM killer, and those of them that could not be recorded.
    pub oom_kills: u64,
    pub oom_lost: u64,
    /// Failures with errnos that were not asked for.
    pub other_errnos: u64,
}

/// A record, and the cause that it adds to.
pub(super) struct News {
    pub record: Record,
    pub cause: Option<Cause>,
}

/// What is reported together.
#[derive(Default)]
struct Tally {
    news: Vec<News>,
    /// Counted for keys of which nothing was recorded, or nothing that holds for all, by the check that
    /// refused.
    unrecorded: HashMap<Key, Unrecorded>,
    ring_full: Lost,
}

/// Failures that are counted alone.
#[derive(Default)]
struct Lost {
    count: u64,
    /// CLOCK_MONOTONIC, nanoseconds: of the first.
    first_ns: Option<u64>,
}

impl Lost {
    fn add(&mut self, count: u64, first_ns: u64) {
        if count > 0 {
            self.count += count;
            let first = self.first_ns.unwrap_or(first_ns);
            self.first_ns = Some(first.min(first_ns));
        }
    }
}

#[derive(Default)]
struct Unrecorded {
    count: u64,
    first_ns: u64,
    last_ns: u64,
}

impl Counts {
    /// `uninterrupted`: while the maps are read, kprobes may be skipped.
    pub(super) fn new(ebpf: &mut Ebpf, uninterrupted: bool) -> io::Result<Self> {
        let missing = || io::Error::other("the BPF object lacks the map");
        let totals = PerCpuArray::try_from(ebpf.take_map("TOTALS").ok_or_else(missing)?)
            .map_err(io::Error::other)?;
        let notes = BpfHashMap::try_from(ebpf.take_map("NOTES").ok_or_else(missing)?)
            .map_err(io::Error::other)?;
        let counting = Array::try_from(ebpf.take_map("COUNTING").ok_or_else(missing)?)
            .map_err(io::Error::other)?;
        let mut new = Self {
            processes: CountMap::open(ebpf, "COUNTS", room::PROCESSES)?,
            groups: CountMap::open(ebpf, "GROUPS", room::GROUPS)?,
            checks: CountMap::open(ebpf, "CHECKS", room::CHECKS)?,
            totals,
            notes,
            counting,
            window: 0,
            uninterrupted,
            start: Totals::default(),
            missed: 0,
            keys_full: 0,
            oom_lost: 0,
            since_ns: Clock::now().monotonic_ns(),
        };
        new.start = new.read_totals();
        new.count(true)?;
        Ok(new)
    }

    /// Whether failing returns count from now on: the totals then don't change while they are read.
    pub(super) fn count(&mut self, on: bool) -> io::Result<()> {
        if on {
            self.window += 1;
        }
        self.counting
            .set(0, if on { self.window } else { 0 }, 0)
            .map_err(io::Error::other)
    }

    /// A failure of this key was recorded in full.
    pub(super) fn detailed(&mut self, key: Key, seq: u64, alike: &SameVerdict, time_ns: u64) {
        self.processes.recorded(key, seq, alike, time_ns);
        self.groups.recorded(key.group(), seq, alike, time_ns);
        // Of a check the cause alone is said.
        let cause = SameVerdict {
            cause: alike.cause,
            owner: None,
        };
        self.checks.recorded(key.check(), seq, &cause, time_ns);
    }

    /// A failure of this key was filtered out.
    pub(super) fn ignore(&mut self, key: Key, time_ns: u64) {
        self.processes.ignore(key, time_ns);
        self.groups.ignore(key.group(), time_ns);
        self.checks.ignore(key.check(), time_ns);
    }

    /// What has been counted since the last call.
    pub(super) fn news(&mut self, clock: &Clock) -> Vec<News> {
        let window = self.next_window();
        let (processes, groups, checks) = self.read_maps(window);
        let mut tally = Tally::default();
        for (key, counted) in processes {
            tally.add(key.check(), &counted, Alike::Process, clock);
        }
        for (group, counted) in groups {
            tally.add(group.check(), &counted, Alike::UserAndCgroup, clock);
        }
        for (check, counted) in checks {
            let unnamed = Counted {
                like: Like::Unknown,
                ..counted
            };
            tally.add(check, &unnamed, Alike::Check, clock);
        }
        // The cause of what is known by its check alone is certain only where that check has had one.
        let mut undecided = Lost::default();
        for (check, unrecorded) in std::mem::take(&mut tally.unrecorded) {
            match self.checks.all_like(&check) {
                Like::Recorded(recorded) => tally.repeat(
                    &recorded,
                    unrecorded.count,
                    unrecorded.first_ns..=unrecorded.last_ns,
                    Alike::Check,
                    clock,
                ),
                Like::Ignored => {}
                Like::Unknown => undecided.add(unrecorded.count, unrecorded.first_ns),
            }
        }
        self.report_losses(&tally.ring_full, &undecided, clock, &mut tally.news);
        let now = clock.monotonic_ns();
        self.processes.forget_quiet(now);
        self.groups.forget_quiet(now);
        self.checks.forget_quiet(now);
        tally.news
    }

    /// Failures count for the next reading from now on; the number of this one.
    fn next_window(&mut self) -> u64 {
        let window = self.window;
        // Not where the end has come, and they don't count any more.
        if self.counting.get(&0, 0).is_ok_and(|on| on != 0) {
            // Where it can't be written, times are those of the whole session.
            let _ = self.count(true);
        }
        window
    }

    #[expect(
        clippy::type_complexity,
        reason = "three lists, named where they are taken apart"
    )]
    fn read_maps(
        &mut self,
        window: u64,
    ) -> (
        Vec<(Key, Counted)>,
        Vec<(Key, Counted)>,
        Vec<(Key, Counted)>,
    ) {
        let (processes, groups, checks) = (&mut self.processes, &mut self.groups, &mut self.checks);
        let mut read = || {
            (
                processes.read(window),
                groups.read(window),
                checks.read(window),
            )
        };
        if self.uninterrupted {
            uninterrupted(read)
        } else {
            read()
        }
    }

    fn report_losses(
        &mut self,
        ring_full: &Lost,
        undecided: &Lost,
        clock: &Clock,
        news: &mut Vec<News>,
    ) {
        let totals = self.totals();
        let keys_full = totals.keys_full - self.keys_full;
        let missed = totals.missed - self.missed;
        self.keys_full = totals.keys_full;
        self.missed = totals.missed;
        let oom_lost = totals.oom_lost - self.oom_lost;
        self.oom_lost = totals.oom_lost;
        // Nobody has noted when the others were; after a quiet week that is the week.
        let since = self.since_ns;
        let noted = |lost: &Lost| lost.first_ns.map_or(since, |first| first.max(since));
        for (count, since, reason) in [
            (ring_full.count, noted(ring_full), LossReason::RingFull),
            (undecided.count, noted(undecided), LossReason::Undecided),
            (keys_full, since, LossReason::KeysFull),
            (missed, since, LossReason::ReturnMissed),
            (oom_lost, since, LossReason::OomKill),
        ] {
            if count > 0 {
                news.push(News {
                    record: Record::Loss(Loss {
                        count,
                        since: clock.rfc3339(since),
                        reason,
                    }),
                    cause: None,
                });
            }
        }
        self.since_ns = clock.monotonic_ns();
    }

    /// Refusals that a stage noted and whose return was never reported: those
    /// that no later refusal of the task has brought to light.
    pub(super) fn unreported(&self) -> u64 {
        let unreported = |note: &Note| {
            let refused = note.stage != Stage::Unseen as u8 || note.facts.bits & fact::REFUSED != 0;
            refused && note.reported == 0
        };
        self.read(|all| {
            let notes = all.notes.iter().flatten();
            notes.filter(|(_, note)| unreported(note)).count() as u64
        })
    }

    /// Totals since the session began.
    pub(super) fn totals(&self) -> Totals {
        let now = self.read(Self::read_totals);
        Totals {
            failures: now.failures.saturating_sub(self.start.failures),
            keys_full: now.keys_full.saturating_sub(self.start.keys_full),
            killed: now.killed.saturating_sub(self.start.killed),
            missed: now.missed.saturating_sub(self.start.missed),
            oom_kills: now.oom_kills.saturating_sub(self.start.oom_kills),
            oom_lost: now.oom_lost.saturating_sub(self.start.oom_lost),
            other_errnos: now.other_errnos.saturating_sub(self.start.other_errnos),
        }
    }

    /// Whether the kernel lets the maps be read.
    pub(super) fn are_readable(&self) -> bool {
        self.totals.get(&total::FAILURES, 0).is_ok()
    }

    fn read<T>(&self, what: impl FnOnce(&Self) -> T) -> T {
        if self.uninterrupted {
            uninterrupted(|| what(self))
        } else {
            what(self)
        }
    }

    fn read_totals(&self) -> Totals {
        let sum = |slot: u32| {
            self.totals
                .get(&slot, 0)
                .map_or(0, |per_cpu| per_cpu.iter().sum())
        };
        Totals {
            failures: sum(total::FAILURES),
            keys_full: sum(total::KEYS_FULL),
            killed: sum(total::KILLED),
            missed: sum(total::MISSED),
            oom_kills: sum(total::OOM_KILLS),
            oom_lost: sum(total::OOM_LOST),
            other_errnos: sum(total::OTHER_ERRNOS),
        }
    }
}

impl Tally {
    fn add(&mut self, check: Key, counted: &Counted, alike: Alike, clock: &Clock) {
        let times = counted.first_ns..=counted.last_ns;
        match counted.like {
            Like::Ignored => return,
            _ if counted.suppressed == 0 => {}
            Like::Recorded(recorded) => {
                self.repeat(&recorded, counted.suppressed, times, alike, clock);
            }
            Like::Unknown => {
                let unrecorded = self.unrecorded.entry(check).or_default();
                if unrecorded.count == 0 || counted.first_ns < unrecorded.first_ns {
                    unrecorded.first_ns = counted.first_ns;
                }
                unrecorded.count += counted.suppressed;
                unrecorded.last_ns = counted.last_ns.max(unrecorded.last_ns);
            }
        }
        self.ring_full.add(counted.lost, counted.first_ns);
    }

    fn repeat(
        &mut self,
        of: &Recorded,
        count: u64,
        times: RangeInclusive<u64>,
        alike: Alike,
        clock: &Clock,
    ) {
        self.news.push(News {
            record: Record::Repeat(Repeat {
                of: of.seq,
                count,
                first: clock.rfc3339(*times.start()),
                last: clock.rfc3339(*times.end()),
                alike,
            }),
            cause: Some(of.cause),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(like: Like, suppressed: u64, lost: u64, times: [u64; 2]) -> Counted {
        Counted {
            like,
            suppressed,
            lost,
            first_ns: times[0],
            last_ns: times[1],
        }
    }

    #[test]
    fn each_failure_is_counted_once_as_what_is_known_of_it() {
        let clock = Clock::now();
        let (check, other) = (
            Key::default(),
            Key {
                stage: 6,
                ..Key::default()
            },
        );
        let recorded = Recorded {
            seq: 7,
            cause: Cause::CgroupPidsMax,
        };
        let mut tally = Tally::default();
        let mut add = |check: Key, counted: Counted| {
            tally.add(check, &counted, Alike::Process, &clock);
        };
        add(check, counted(Like::Recorded(recorded), 5, 2, [10, 20]));
        // What was lost alone repeats nothing.
        add(check, counted(Like::Recorded(recorded), 0, 3, [20, 30]));
        // What isn't wanted is no loss either.
        add(check, counted(Like::Ignored, 100, 100, [10, 20]));
        add(check, counted(Like::Unknown, 4, 1, [40, 50]));
        add(check, counted(Like::Unknown, 6, 0, [30, 45]));
        add(other, counted(Like::Unknown, 9, 0, [1, 2]));

        assert_eq!(tally.ring_full.count, 2 + 3 + 1);
        assert_eq!(tally.ring_full.first_ns, Some(10));
        let unrecorded = &tally.unrecorded[&check];
        assert_eq!(unrecorded.count, 4 + 6);
        assert_eq!((unrecorded.first_ns, unrecorded.last_ns), (30, 50));
        assert_eq!(tally.unrecorded[&other].count, 9);
        let [news] = &tally.news[..] else {
            panic!("{}", tally.news.len());
        };
        let Record::Repeat(repeat) = &news.record else {
            panic!("{:?}", news.record);
        };
        assert_eq!((repeat.of, repeat.count), (7, 5));
        assert_eq!(repeat.first, clock.rfc3339(10));
        assert_eq!(repeat.last, clock.rfc3339(20));
        assert_eq!(news.cause, Some(Cause::CgroupPidsMax));
    }
}
