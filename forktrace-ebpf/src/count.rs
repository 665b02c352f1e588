//! Exact counts, and the choice which failures travel in full.

use core::arch::asm;

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use forktrace_common::count::{Count, Key, total};

use crate::maps::{COUNTS, TOTALS, setting};

const SECOND: u64 = 1_000_000_000;

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

/// What becomes of one more failure of a key.
pub struct Verdict {
    /// Send it in full.
    pub detail: bool,
    /// Its counts; null when the map is full.
    counts: *mut Count,
}

/// Counts one failure of the key.
#[inline(always)]
pub fn hit(key: &Key) -> Verdict {
    total(total::FAILURES);
    // SAFETY: no arguments, always allowed.
    let now = unsafe { bpf_ktime_get_ns() };
    let mut found = COUNTS.get_ptr_mut(key);
    if found.is_none() {
        let fresh = Count {
            suppressed: 0,
            lost: 0,
            last_ns: now,
            window_ns: now,
            in_window: 0,
        };
        // Another CPU may have been faster; then its entry is used.
        let _ = COUNTS.insert(key, fresh, 1 /* BPF_NOEXIST */);
        found = COUNTS.get_ptr_mut(key);
    }
    let Some(counts) = found else {
        return Verdict {
            detail: true,
            counts: core::ptr::null_mut(),
        };
    };
    // SAFETY: a map value; the window's words are only a rate limit, so a race
    // on them lets a few more or fewer through, and never miscounts.
    unsafe {
        (*counts).last_ns = now;
        if now.wrapping_sub((*counts).window_ns) > SECOND {
            (*counts).window_ns = now;
            (*counts).in_window = 0;
        }
        (*counts).in_window += 1;
        let detail = (*counts).in_window <= setting!(detail_per_second) as u64;
        if !detail {
            add_one(&raw mut (*counts).suppressed);
        }
        Verdict { detail, counts }
    }
}

/// The ring buffer had no room for the failure's detail.
#[inline(always)]
pub fn ring_full(verdict: &Verdict) {
    if verdict.counts.is_null() {
        total(total::KEYS_FULL);
    } else {
        // SAFETY: a map value, see `hit`.
        add_one(unsafe { &raw mut (*verdict.counts).lost });
    }
}
