//! Exact counts, and the choice which failures travel in full.

use core::arch::asm;

use aya_ebpf::{helpers::generated::bpf_ktime_get_ns, maps::HashMap};
use forktrace_common::{
    count::{Count, Key, detail, total},
    note::Note,
};

use crate::{
    maps::{CHECKS, COUNTING, COUNTS, EVENTS, GROUPS, TOTALS, setting},
    task,
};

const SECOND: u64 = 1_000_000_000;

// include/uapi/linux/bpf.h BPF_RB_AVAIL_DATA, BPF_RB_RING_SIZE
const AVAIL_DATA: u64 = 0;
const RING_SIZE: u64 = 1;

/// Adds one to a word that other CPUs add to as well.
#[inline(always)]
fn add_one(word: *mut u64) {
    // SAFETY: callers pass a live map value; one atomic add (BPF_XADD).
    unsafe {
        asm!("lock *(u64 *)({word} + 0) += {one}", word = in(reg) word, one = in(reg) 1u64);
    }
}

/// Adds one to a slot of the totals.
#[inline(always)]
pub fn total(slot: u32) {
    if let Some(count) = TOTALS.get_ptr_mut(slot) {
        // Programs on one CPU can interrupt each other: atomic all the same.
        add_one(count);
    }
}

#[inline(always)]
fn is_counting() -> bool {
    // SAFETY: a word that user space writes whole.
    COUNTING
        .get_ptr(0)
        .is_some_and(|on| unsafe { on.read_volatile() } != 0)
}

/// Counts a failure of which nothing can be kept.
#[inline(never)]
pub fn unkept() {
    if is_counting() {
        total(total::FAILURES);
        total(total::KEYS_FULL);
    }
}

/// Counts one failure of the key, and notes whether it is to be told in full.
///
/// Several functions, so that their keys and counts don't lie on one stack; and the answer goes by
/// the note, which the verifier knows nothing of: what follows is then walked once, and not once for
/// each way through here.
#[inline(never)]
pub fn hit(key: &Key, note: *mut Note) {
    // SAFETY: a live map value.
    unsafe { (*note).told = 0 };
    if !is_counting() {
        return;
    }
    total(total::FAILURES);
    // SAFETY: no arguments, always allowed.
    let now = unsafe { bpf_ktime_get_ns() };
    let mut before = 0;
    if let Some(own) = COUNTS.get_ptr_mut(key) {
        before = so_far(own, now);
        if before >= setting!(detail_per_second) as u64 {
            // SAFETY: a map value.
            add_one(unsafe { &raw mut (*own).suppressed });
            return;
        }
    }
    let wanted = Wanted {
        before,
        in_group: of_group(key, now),
        in_check: of_check(key, now),
    };
    if wanted.is_granted() {
        grant(key, now);
        // SAFETY: as above.
        unsafe { (*note).told = 1 };
    } else {
        suppress(key);
    }
}

/// A failure that its process has room for.
struct Wanted {
    /// What has been told in this second of the process, of the group, of the check. Where there is
    /// no room to count a group, none of it.
    before: u64,
    in_group: u64,
    in_check: u64,
}

impl Wanted {
    /// The rarer a failure, the more of the second and of the ring buffer it may use.
    #[inline(always)]
    fn is_granted(&self) -> bool {
        let again = self.before > 0;
        let of_group = if again {
            detail::GROUP_AGAIN
        } else {
            detail::GROUP
        };
        let (of_check, unread) = if self.in_check == 0 {
            (1, 1)
        } else if self.in_group == 0 {
            (detail::CHECK_GROUPS, 2)
        } else if again {
            (detail::CHECK_AGAIN, 8)
        } else {
            (detail::CHECK, 4)
        };
        self.in_group < of_group && self.in_check < of_check && !is_unread(unread)
    }
}

#[inline(never)]
fn of_group(key: &Key, now: u64) -> u64 {
    let group = key.group(task::uid());
    entry(&GROUPS, &group).map_or(0, |counts| so_far(counts, now))
}

#[inline(never)]
fn of_check(key: &Key, now: u64) -> u64 {
    entry(&CHECKS, &key.check()).map_or(0, |counts| so_far(counts, now))
}

/// It is told: counts it on all levels, the process's made where it is new.
#[inline(never)]
fn grant(key: &Key, now: u64) {
    if let Some(own) = entry(&COUNTS, key) {
        so_far(own, now);
        one_more(own);
    }
    if let Some(group) = GROUPS.get_ptr_mut(key.group(task::uid())) {
        one_more(group);
    }
    if let Some(check) = CHECKS.get_ptr_mut(key.check()) {
        one_more(check);
    }
}

/// Counts what isn't told, by the finest key that there is.
#[inline(never)]
fn suppress(key: &Key) {
    match finest(key) {
        // SAFETY: a map value.
        Some(counts) => add_one(unsafe { &raw mut (*counts).suppressed }),
        None => total(total::KEYS_FULL),
    }
}

/// The ring buffer had no room for the failure's detail.
#[inline(never)]
pub fn ring_full(key: &Key) {
    match finest(key) {
        // SAFETY: a map value.
        Some(counts) => add_one(unsafe { &raw mut (*counts).lost }),
        None => total(total::KEYS_FULL),
    }
}

#[inline(always)]
fn finest(key: &Key) -> Option<*mut Count> {
    COUNTS
        .get_ptr_mut(key)
        .or_else(|| GROUPS.get_ptr_mut(key.group(task::uid())))
        .or_else(|| CHECKS.get_ptr_mut(key.check()))
}

/// In read-only memory and not on the stack, which is short.
static FRESH: Count = Count {
    suppressed: 0,
    lost: 0,
    last_ns: 0,
    window_ns: 0,
    in_window: 0,
};

/// The counts of a key, made where it has none; `None`: the map is full.
#[inline(always)]
fn entry<K>(map: &HashMap<K, Count>, key: &K) -> Option<*mut Count> {
    if let Some(found) = map.get_ptr_mut(key) {
        return Some(found);
    }
    // Another CPU may have been faster; then its entry is used.
    let _ = map.insert(key, &FRESH, 1 /* BPF_NOEXIST */);
    map.get_ptr_mut(key)
}

/// Whether more than one part in `parts` of the ring buffer is unread.
#[inline(always)]
fn is_unread(parts: u64) -> bool {
    EVENTS.query(AVAIL_DATA) * parts > EVENTS.query(RING_SIZE)
}

/// How many of the key are told in its second so far.
#[inline(always)]
fn so_far(counts: *mut Count, now: u64) -> u64 {
    // SAFETY: a map value; the window's words are only a rate limit, so a race
    // on them lets a few more or fewer through, and never miscounts.
    unsafe {
        (*counts).last_ns = now;
        if now.wrapping_sub((*counts).window_ns) > SECOND {
            (*counts).window_ns = now;
            (*counts).in_window = 0;
        }
        (*counts).in_window
    }
}

#[inline(always)]
fn one_more(counts: *mut Count) {
    // SAFETY: as above.
    unsafe { (*counts).in_window += 1 };
}
