//! What the kernel counted and did not tell.

use std::{collections::BTreeMap, io};

use aya::{
    Ebpf,
    maps::{Array, HashMap as BpfHashMap, MapData, PerCpuArray},
};
use forktrace_common::{
    count::{Check, Group, Key, room, total},
    event::Stage,
    note::Note,
};

use super::level::{Counted, Level, Like, Told};
use crate::{
    cause::Cause,
    host::clock::Clock,
    probe::uninterrupted::uninterrupted,
    record::{Alike, Loss, OOM_KILL, Record, Repeat},
};

/// Reads the maps of counts, and remembers what was reported.
///
/// A failure is counted by the finest key that there is room for: the process's, that of its user and
/// cgroup, that of the check which refused (forktrace-ebpf `count.rs`).
pub struct Counts {
    processes: Level<Key>,
    groups: Level<Group>,
    checks: Level<Check>,
    totals: PerCpuArray<MapData, u64>,
    notes: BpfHashMap<MapData, u32, Note>,
    counting: Array<MapData, u32>,
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
pub struct Totals {
    pub failures: u64,
    pub keys_full: u64,
    pub killed: u64,
    pub missed: u64,
    /// Victims of the OOM killer, and those of them that could not be told.
    pub oom_kills: u64,
    pub oom_lost: u64,
}

/// A record, and the cause that it adds to.
pub struct News {
    pub record: Record,
    pub cause: Option<Cause>,
}

/// What is reported together.
#[derive(Default)]
struct Tally {
    news: Vec<News>,
    /// Counted for keys of which nothing was told, by the check that refused, and the latest.
    untold: BTreeMap<Check, (u64, u64)>,
    ring_full: u64,
}

impl Counts {
    /// `uninterrupted`: while the maps are read, kprobes may be skipped.
    pub fn new(ebpf: &mut Ebpf, uninterrupted: bool) -> io::Result<Self> {
        let missing = || io::Error::other("the BPF object lacks the map");
        let totals = PerCpuArray::try_from(ebpf.take_map("TOTALS").ok_or_else(missing)?)
            .map_err(io::Error::other)?;
        let notes = BpfHashMap::try_from(ebpf.take_map("NOTES").ok_or_else(missing)?)
            .map_err(io::Error::other)?;
        let counting = Array::try_from(ebpf.take_map("COUNTING").ok_or_else(missing)?)
            .map_err(io::Error::other)?;
        let mut new = Self {
            processes: Level::open(ebpf, "COUNTS", room::PROCESSES)?,
            groups: Level::open(ebpf, "GROUPS", room::GROUPS)?,
            checks: Level::open(ebpf, "CHECKS", room::CHECKS)?,
            totals,
            notes,
            counting,
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
    pub fn count(&mut self, on: bool) -> io::Result<()> {
        self.counting
            .set(0, u32::from(on), 0)
            .map_err(io::Error::other)
    }

    /// A failure of this key, asked by the user, was told in full.
    pub fn detailed(&mut self, key: Key, uid: u32, seq: u64, cause: Cause, time_ns: u64) {
        self.processes.told(key, seq, cause, time_ns);
        self.groups.told(key.group(uid), seq, cause, time_ns);
        self.checks.told(key.check(), seq, cause, time_ns);
    }

    /// A failure of this key was filtered out.
    pub fn ignore(&mut self, key: Key, uid: u32, time_ns: u64) {
        self.processes.ignore(key, time_ns);
        self.groups.ignore(key.group(uid), time_ns);
        self.checks.ignore(key.check(), time_ns);
    }

    /// What has been counted since the last call.
    pub fn news(&mut self, clock: &Clock) -> Vec<News> {
        let (processes, groups, checks) = self.read_levels();
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
        let mut keys_full = 0;
        for (check, (count, last_ns)) in std::mem::take(&mut tally.untold) {
            match self.checks.all_like(&check) {
                Like::Told(told) => tally.repeat(&told, count, last_ns, Alike::Check, clock),
                Like::Ignored => {}
                Like::Unknown => keys_full += count,
            }
        }
        self.report_losses(tally.ring_full, keys_full, clock, &mut tally.news);
        let now = clock.monotonic_ns();
        self.processes.forget_quiet(now);
        self.groups.forget_quiet(now);
        self.checks.forget_quiet(now);
        tally.news
    }

    #[expect(
        clippy::type_complexity,
        reason = "three lists, named where they are taken apart"
    )]
    fn read_levels(
        &mut self,
    ) -> (
        Vec<(Key, Counted)>,
        Vec<(Group, Counted)>,
        Vec<(Check, Counted)>,
    ) {
        let (processes, groups, checks) = (&mut self.processes, &mut self.groups, &mut self.checks);
        let mut read = || (processes.read(), groups.read(), checks.read());
        if self.uninterrupted {
            uninterrupted(read)
        } else {
            read()
        }
    }

    fn report_losses(
        &mut self,
        ring_full: u64,
        keys_full: u64,
        clock: &Clock,
        news: &mut Vec<News>,
    ) {
        let totals = self.totals();
        let keys_full = keys_full + totals.keys_full - self.keys_full;
        let missed = totals.missed - self.missed;
        self.keys_full = totals.keys_full;
        self.missed = totals.missed;
        let oom_lost = totals.oom_lost - self.oom_lost;
        self.oom_lost = totals.oom_lost;
        for (count, reason) in [
            (ring_full, "ring_full"),
            (keys_full, "keys_full"),
            (missed, "return_missed"),
            (oom_lost, OOM_KILL),
        ] {
            if count > 0 {
                news.push(News {
                    record: Record::Loss(Loss {
                        count,
                        since: clock.rfc3339(self.since_ns),
                        reason: reason.to_owned(),
                    }),
                    cause: None,
                });
            }
        }
        self.since_ns = clock.monotonic_ns();
    }

    /// Refusals that a stage noted and whose return was never reported: those
    /// that no later refusal of the task has brought to light.
    pub fn unreported(&self) -> u64 {
        let unreported = |note: &Note| note.stage != Stage::Unseen as u8 && note.reported == 0;
        self.read(|all| {
            let notes = all.notes.iter().flatten();
            notes.filter(|(_, note)| unreported(note)).count() as u64
        })
    }

    /// Totals since the session began.
    pub fn totals(&self) -> Totals {
        let now = self.read(Self::read_totals);
        Totals {
            failures: now.failures.saturating_sub(self.start.failures),
            keys_full: now.keys_full.saturating_sub(self.start.keys_full),
            killed: now.killed.saturating_sub(self.start.killed),
            missed: now.missed.saturating_sub(self.start.missed),
            oom_kills: now.oom_kills.saturating_sub(self.start.oom_kills),
            oom_lost: now.oom_lost.saturating_sub(self.start.oom_lost),
        }
    }

    /// Whether the kernel lets the maps be read.
    pub fn are_readable(&self) -> bool {
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
        }
    }
}

impl Tally {
    fn add(&mut self, check: Check, counted: &Counted, alike: Alike, clock: &Clock) {
        match counted.like {
            Like::Ignored => return,
            _ if counted.suppressed == 0 => {}
            Like::Told(told) => {
                self.repeat(&told, counted.suppressed, counted.last_ns, alike, clock);
            }
            Like::Unknown => {
                let (count, last_ns) = self.untold.entry(check).or_default();
                *count += counted.suppressed;
                *last_ns = counted.last_ns.max(*last_ns);
            }
        }
        self.ring_full += counted.lost;
    }

    fn repeat(&mut self, of: &Told, count: u64, last_ns: u64, alike: Alike, clock: &Clock) {
        self.news.push(News {
            record: Record::Repeat(Repeat {
                of: of.seq,
                count,
                first: clock.rfc3339(of.since_ns.min(last_ns)),
                last: clock.rfc3339(last_ns),
                alike,
            }),
            cause: Some(of.cause),
        });
    }
}
