//! Exact counts, and the choice which failures travel in full.

use core::arch::asm;

use aya_ebpf::{helpers::generated::bpf_ktime_get_ns, maps::HashMap};
use forktrace_common::{
    count::{Count, Key, detail, total},
    note::Note,
};

use crate::{
    filter,
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
pub(crate) fn total(slot: u32) {
    if let Some(count) = TOTALS.get_ptr_mut(slot) {
        // Programs on one CPU can interrupt each other: atomic all the same.
        add_one(count);
    }
}

/// The number of the reading that failures count for; 0: they don't.
#[inline(always)]
fn window() -> u64 {
    // SAFETY: a word that user space writes whole.
    COUNTING
        .get_ptr(0)
        .map_or(0, |window| unsafe { window.read_volatile() })
}

/// Counts a creation that failed with an errno that nobody asked for.
#[inline(never)]
pub(crate) fn other_errno() {
    if window() != 0 && filter::passes(task::current()) {
        total(total::OTHER_ERRNOS);
    }
}

/// Counts a failure of which nothing can be kept.
#[inline(never)]
pub(crate) fn unkept() {
    if window() != 0 {
        total(total::FAILURES);
        total(total::KEYS_FULL);
    }
}

/// Counts one failure of the key, and notes whether it is to be reported in full.
///
/// Several functions, so that their keys and counts don't lie on one stack; and the answer goes by
/// the note, which the verifier knows nothing of: what follows is then walked once, and not once for
/// each way through here.
#[inline(never)]
pub(crate) fn hit(note: *mut Note) {
    // SAFETY: a live map value.
    unsafe { (*note).in_full = 0 };
    let window = window();
    if window == 0 {
        return;
    }
    total(total::FAILURES);
    // SAFETY: no arguments, always allowed.
    let now = unsafe { bpf_ktime_get_ns() };
    let mut before = 0;
    if let Some(own) = found(&COUNTS, process(note)) {
        before = so_far(own, now);
        if before >= setting!(detail_per_second) as u64 {
            suppressed(own, now, window);
            return;
        }
    }
    let wanted = Wanted {
        before,
        in_group: so_far_of(&GROUPS, group(note), now),
        in_check: so_far_of(&CHECKS, check(note), now),
    };
    if wanted.is_granted() {
        grant(note, now);
        // SAFETY: as above.
        unsafe { (*note).in_full = 1 };
    } else {
        suppress(note, now, window);
    }
}

/// A failure that its process has room for.
struct Wanted {
    /// What has been reported in this second of the process, of the group, of the check. Where there is
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

// The keys lie in the note, a map value: a map takes them from there.

#[inline(always)]
fn process(note: *mut Note) -> *const Key {
    // SAFETY: a live map value, here and below.
    unsafe { &raw const (*note).key }
}

#[inline(always)]
fn group(note: *mut Note) -> *const Key {
    // SAFETY: as above.
    unsafe { &raw const (*note).group }
}

#[inline(always)]
fn check(note: *mut Note) -> *const Key {
    // SAFETY: as above.
    unsafe { &raw const (*note).check }
}

#[inline(always)]
fn found(map: &HashMap<Key, Count>, key: *const Key) -> Option<*mut Count> {
    // SAFETY: one of the keys above.
    map.get_ptr_mut(unsafe { &*key })
}

#[inline(never)]
fn so_far_of(map: &HashMap<Key, Count>, key: *const Key, now: u64) -> u64 {
    entry(map, key).map_or(0, |counts| so_far(counts, now))
}

/// Counts a failure that is reported in full, on all levels. A process that is new gets a key.
#[inline(never)]
fn grant(note: *mut Note, now: u64) {
    if let Some(own) = entry(&COUNTS, process(note)) {
        so_far(own, now);
        one_more(own);
    }
    if let Some(group) = found(&GROUPS, group(note)) {
        one_more(group);
    }
    if let Some(check) = found(&CHECKS, check(note)) {
        one_more(check);
    }
}

/// Counts one more that isn't reported in full. The first of a window has its time noted; a window that
/// user space is reading keeps its own beside the next one's.
#[inline(always)]
fn suppressed(counts: *mut Count, now: u64, window: u64) {
    let at = (window & 1) as usize;
    // SAFETY: a map value; two CPUs that are first at once note the same time.
    unsafe {
        let of = (&raw mut (*counts).first_window).cast::<u64>().add(at);
        if of.read_volatile() != window {
            (&raw mut (*counts).first_ns)
                .cast::<u64>()
                .add(at)
                .write_volatile(now);
            of.write_volatile(window);
        }
        add_one(&raw mut (*counts).suppressed);
    }
}

/// Counts what isn't reported in full, by the finest key that there is.
#[inline(never)]
fn suppress(note: *mut Note, now: u64, window: u64) {
    match finest(note) {
        Some(counts) => suppressed(counts, now, window),
        None => total(total::KEYS_FULL),
    }
}

/// The ring buffer had no room for the failure's detail.
#[inline(never)]
pub(crate) fn ring_full(note: *mut Note) {
    match finest(note) {
        // SAFETY: a map value.
        Some(counts) => add_one(unsafe { &raw mut (*counts).lost }),
        None => total(total::KEYS_FULL),
    }
}

#[inline(always)]
fn finest(note: *mut Note) -> Option<*mut Count> {
    found(&COUNTS, process(note))
        .or_else(|| found(&GROUPS, group(note)))
        .or_else(|| found(&CHECKS, check(note)))
}

/// In read-only memory and not on the stack, which is short.
static FRESH: Count = Count {
    suppressed: 0,
    lost: 0,
    last_ns: 0,
    first_ns: [0; 2],
    first_window: [0; 2],
    window_ns: 0,
    in_window: 0,
};

/// The counts of a key, made where it has none; `None`: the map is full.
#[inline(always)]
fn entry(map: &HashMap<Key, Count>, key: *const Key) -> Option<*mut Count> {
    if let Some(found) = found(map, key) {
        return Some(found);
    }
    // Another CPU may have been faster; then its entry is used.
    // SAFETY: one of the keys of a note.
    let _ = map.insert(unsafe { &*key }, &FRESH, 1 /* BPF_NOEXIST */);
    found(map, key)
}

/// Whether more than one part in `parts` of the ring buffer is unread.
#[inline(always)]
fn is_unread(parts: u64) -> bool {
    EVENTS.query(AVAIL_DATA) * parts > EVENTS.query(RING_SIZE)
}

/// How many of the key have been reported in its second so far.
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
