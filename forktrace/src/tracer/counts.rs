//! What the kernel counted and did not tell.

use std::{collections::HashMap, io};

use aya::{
    Ebpf,
    maps::{HashMap as BpfHashMap, MapData, PerCpuArray},
};
use forktrace_common::{
    count::{Count, Key, total},
    event::Stage,
    note::Note,
};

use crate::{
    cause::Cause,
    host::clock::Clock,
    probe::uninterrupted::uninterrupted,
    record::{Loss, OOM_KILL, Record, Repeat},
};

/// Keys are dropped from the map when more than this many are in it and they
/// have been quiet for [`QUIET_NS`].
const MANY_KEYS: usize = 1024;
const QUIET_NS: u64 = 10_000_000_000;

/// Reads the maps of counts, and remembers what was reported.
pub struct Counts {
    counts: BpfHashMap<MapData, Key, Count>,
    totals: PerCpuArray<MapData, u64>,
    notes: BpfHashMap<MapData, u32, Note>,
    uninterrupted: bool,
    keys: HashMap<Key, Known>,
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

#[derive(Default)]
struct Known {
    /// The latest failure of this key that was told, and its cause.
    told: Option<(u64, Cause)>,
    /// Filtered out by what only user space knows.
    ignored: bool,
    told_ns: u64,
    suppressed: u64,
    lost: u64,
}

/// A record, and the cause that it adds to.
pub struct News {
    pub record: Record,
    pub cause: Option<Cause>,
}

impl Counts {
    /// `uninterrupted`: while the maps are read, kprobes may be skipped.
    pub fn new(ebpf: &mut Ebpf, uninterrupted: bool) -> io::Result<Self> {
        let missing = || io::Error::other("the BPF object lacks the map");
        let counts = BpfHashMap::try_from(ebpf.take_map("COUNTS").ok_or_else(missing)?)
            .map_err(io::Error::other)?;
        let totals = PerCpuArray::try_from(ebpf.take_map("TOTALS").ok_or_else(missing)?)
            .map_err(io::Error::other)?;
        let notes = BpfHashMap::try_from(ebpf.take_map("NOTES").ok_or_else(missing)?)
            .map_err(io::Error::other)?;
        let mut new = Self {
            counts,
            totals,
            notes,
            uninterrupted,
            keys: HashMap::new(),
            start: Totals::default(),
            missed: 0,
            keys_full: 0,
            oom_lost: 0,
            since_ns: Clock::now().monotonic_ns(),
        };
        new.start = new.read_totals();
        // What was counted before the session began isn't the session's.
        let before: Vec<(Key, Count)> = new.counts.iter().flatten().collect();
        for (key, count) in before {
            let known = new.keys.entry(key).or_default();
            known.suppressed = count.suppressed;
            known.lost = count.lost;
        }
        Ok(new)
    }

    /// A failure of this key was told in full.
    pub fn detailed(&mut self, key: Key, seq: u64, cause: Cause, time_ns: u64) {
        let known = self.keys.entry(key).or_default();
        known.told = Some((seq, cause));
        known.ignored = false;
        known.told_ns = time_ns;
    }

    /// A failure of this key was filtered out.
    pub fn ignore(&mut self, key: Key) {
        self.keys.entry(key).or_default().ignored = true;
    }

    /// What has been counted since the last call.
    pub fn news(&mut self, clock: &Clock) -> Vec<News> {
        let mut news = Vec::new();
        let mut lost = 0;
        let current: Vec<(Key, Count)> = self.read(|all| all.counts.iter().flatten().collect());
        for (key, count) in &current {
            let known = self.keys.entry(*key).or_default();
            let repeated = count.suppressed.saturating_sub(known.suppressed);
            let without_room = count.lost.saturating_sub(known.lost);
            known.suppressed = count.suppressed;
            known.lost = count.lost;
            if known.ignored {
                continue;
            }
            let uncounted = repeated + without_room;
            if uncounted == 0 {
                continue;
            }
            match known.told {
                Some((seq, cause)) => {
                    news.push(News {
                        record: Record::Repeat(Repeat {
                            of: seq,
                            count: uncounted,
                            first: clock.rfc3339(known.told_ns),
                            last: clock.rfc3339(count.last_ns),
                        }),
                        cause: Some(cause),
                    });
                    known.told_ns = count.last_ns;
                }
                None => lost += uncounted,
            }
        }
        self.report_losses(lost, clock, &mut news);
        self.forget_quiet(&current, clock);
        news
    }

    fn report_losses(&mut self, ring_full: u64, clock: &Clock, news: &mut Vec<News>) {
        let totals = self.totals();
        let keys_full = totals.keys_full - self.keys_full;
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

    /// Makes room in the map. A failure that is counted between the look and
    /// the removal is missing from the key, not from the totals: the summary
    /// reports the difference.
    fn forget_quiet(&mut self, current: &[(Key, Count)], clock: &Clock) {
        if current.len() <= MANY_KEYS {
            return;
        }
        for (key, count) in current {
            if clock.monotonic_ns().saturating_sub(count.last_ns) > QUIET_NS
                && self.counts.remove(key).is_ok()
            {
                self.keys.remove(key);
            }
        }
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
