//! A map of counts by one kind of key: what has come since they were last read, and which failure it repeats.

use std::{collections::HashMap, io};

use aya::{
    Ebpf,
    maps::{HashMap as BpfHashMap, MapData, MapError},
};
use forktrace_common::count::{Count, Key};

use crate::{
    model::{Cause, LimitKind, Owner},
    probe::batch::Batches,
};

/// Keys are dropped from the map when it is at least half full, and they have been quiet for
/// [`QUIET_NS`].
const QUIET_NS: u64 = 10_000_000_000;

/// Failures recorded between two readings whose times are remembered; a process has no more of them in a
/// second.
const REMEMBERED: usize = 64;

/// A map of counts in the kernel, and what was reported of it.
pub(super) struct CountMap {
    batches: Batches<Key, Count>,
    map: BpfHashMap<MapData, Key, Count>,
    room: usize,
    keys: HashMap<Key, Known>,
}

/// What is known of a key.
#[derive(Default)]
struct Known {
    /// The latest of its failures that was recorded.
    recorded: Option<Recorded>,
    /// `recorded` as of the last reading, and those recorded since: when, and their numbers.
    before: Option<u64>,
    since: Vec<(u64, u64)>,
    alike: Option<SameVerdict>,
    /// The latest was filtered out by what only user space knows.
    ignored: bool,
    /// Not all of its failures are the same: several causes or owners, or recorded and filtered out. What
    /// isn't recorded of it is then like none of them.
    mixed: bool,
    /// As last read.
    suppressed: u64,
    lost: u64,
    last_ns: u64,
}

/// A failure that others repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    pub seq: u64,
    pub cause: Cause,
}

/// What two failures of one key have to have in common: the cause, and whose limit it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SameVerdict {
    pub cause: Cause,
    /// The limit and who has it; `None`: no limit, or not asked for.
    pub owner: Option<(LimitKind, Owner)>,
}

/// Which failure counts refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Like {
    Recorded(Recorded),
    /// One that isn't wanted.
    Ignored,
    /// None was recorded, or none alone.
    Unknown,
}

/// What has been counted of a key since the last reading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub like: Like,
    /// Never meant to be recorded in full.
    pub suppressed: u64,
    /// The ring buffer had no room.
    pub lost: u64,
    /// CLOCK_MONOTONIC, nanoseconds: of the first and the latest of them.
    pub first_ns: u64,
    pub last_ns: u64,
}

impl CountMap {
    /// Takes the map from the object; it has room for so many keys.
    ///
    /// # Errors
    ///
    /// The object has no such map.
    pub(super) fn open(ebpf: &mut Ebpf, name: &str, room: u32) -> io::Result<Self> {
        let map = ebpf
            .take_map(name)
            .ok_or_else(|| io::Error::other(format!("the BPF object lacks the map {name}")))?;
        let batches = Batches::of(&map)?;
        let map = BpfHashMap::<MapData, Key, Count>::try_from(map).map_err(io::Error::other)?;
        Ok(Self {
            batches,
            map,
            room: room as usize,
            keys: HashMap::new(),
        })
    }

    /// A failure of this key was recorded in full.
    pub(super) fn recorded(&mut self, key: Key, seq: u64, alike: &SameVerdict, time_ns: u64) {
        let known = self.keys.entry(key).or_default();
        known.mixed |= known.ignored || known.alike.as_ref().is_some_and(|last| last != alike);
        known.ignored = false;
        known.recorded = Some(Recorded {
            seq,
            cause: alike.cause,
        });
        known.alike = Some(alike.clone());
        if known.since.len() < REMEMBERED {
            known.since.push((time_ns, seq));
        }
        known.last_ns = time_ns.max(known.last_ns);
    }

    /// A failure of this key was filtered out.
    pub(super) fn ignore(&mut self, key: Key, time_ns: u64) {
        let known = self.keys.entry(key).or_default();
        known.mixed |= known.recorded.is_some();
        known.ignored = true;
        known.last_ns = time_ns.max(known.last_ns);
    }

    /// Reads the counts; the keys of which there is anything new. `window`: the number of the reading
    /// that ends with it.
    pub(super) fn read(&mut self, window: u64) -> Vec<(Key, Counted)> {
        let mut news = Vec::new();
        let keys = &mut self.keys;
        let see = |key, count: Count| {
            let known = keys.entry(key).or_default();
            let suppressed = count.suppressed.saturating_sub(known.suppressed);
            let lost = count.lost.saturating_sub(known.lost);
            // Without one of its own in this window, they came between the readings of two maps.
            let first_ns = first_of(&count, window).unwrap_or(known.last_ns.max(1));
            known.suppressed = count.suppressed;
            known.lost = count.lost;
            known.last_ns = count.last_ns;
            let like = known.like_before(first_ns);
            known.before = known.recorded.map(|recorded| recorded.seq);
            known.since.clear();
            if suppressed + lost == 0 {
                return;
            }
            let counted = Counted {
                like,
                suppressed,
                lost,
                first_ns: first_ns.min(count.last_ns),
                last_ns: count.last_ns,
            };
            news.push((key, counted));
        };
        // What can't be read now is recorded at the next reading, or as a loss.
        let _ = self.batches.each(see);
        news
    }

    /// What all failures of the key are like, if they are alike at all.
    pub(super) fn all_like(&self, key: &Key) -> Like {
        match self.keys.get(key) {
            Some(known) => known.like(),
            None => Like::Unknown,
        }
    }

    /// Makes room in the map. A failure that is counted between the last reading and the removal is
    /// missing from the key, not from the totals: the summary reports the difference.
    pub(super) fn forget_quiet(&mut self, now_ns: u64) {
        if self.keys.len() <= self.room / 2 {
            return;
        }
        let map = &mut self.map;
        self.keys.retain(|key, known| {
            let quiet = now_ns.saturating_sub(known.last_ns) > QUIET_NS;
            // One that stays in the map would be taken for new, and counted again.
            !(quiet && removed(map.remove(key)))
        });
    }
}

/// When the first came that is counted for a reading and not recorded.
fn first_of(count: &Count, window: u64) -> Option<u64> {
    let at = (window & 1) as usize;
    let of = *count.first_window.get(at)?;
    (of == window).then(|| count.first_ns.get(at).copied())?
}

/// Whether the key isn't in the map any more; it may never have been.
fn removed(answer: Result<(), MapError>) -> bool {
    match answer {
        Ok(()) | Err(MapError::KeyNotFound) => true,
        Err(MapError::SyscallError(error)) => error.io_error.raw_os_error() == Some(libc::ENOENT),
        Err(_) => false,
    }
}

impl Known {
    /// What those are like that came from this time on: of the failures that were recorded, they repeat the
    /// one before them, and not the first of the next second.
    fn like_before(&self, first_ns: u64) -> Like {
        let Like::Recorded(recorded) = self.like() else {
            return self.like();
        };
        let earlier = self.since.iter().rev().find(|(at, _)| *at <= first_ns);
        let first = self.since.first().map(|(_, seq)| *seq);
        let seq = earlier.map(|(_, seq)| *seq).or(self.before).or(first);
        Like::Recorded(Recorded {
            seq: seq.unwrap_or(recorded.seq),
            ..recorded
        })
    }

    fn like(&self) -> Like {
        match self.recorded {
            _ if self.mixed => Like::Unknown,
            _ if self.ignored => Like::Ignored,
            Some(recorded) => Like::Recorded(recorded),
            None => Like::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a storm that goes on, the first of the next second come before the count is read.
    #[test]
    fn repeats_are_of_the_failure_before_them() {
        let mut known = Known {
            recorded: Some(Recorded {
                seq: 128,
                cause: crate::cause::Cause::CgroupPidsMax,
            }),
            before: Some(112),
            since: (113..=128).map(|seq| (56_202 + seq, seq)).collect(),
            ..Known::default()
        };
        let of = |known: &Known, first_ns| match known.like_before(first_ns) {
            Like::Recorded(recorded) => recorded.seq,
            other => panic!("{other:?}"),
        };
        assert_eq!(of(&known, 55_196), 112);
        assert_eq!(of(&known, 56_202 + 120), 120);
        assert_eq!(of(&known, 60_000), 128);
        known.before = None;
        assert_eq!(of(&known, 55_196), 113);
        known.mixed = true;
        assert_eq!(known.like_before(55_196), Like::Unknown);
    }
}
