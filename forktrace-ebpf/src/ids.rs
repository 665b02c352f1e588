//! Whether a pid namespace has an id to give.
//!
//! kernel/pid.c `alloc_pid` takes the next free one of `[300, pid_max)` (before the
//! numbers have wrapped round for the first time: of `[1, pid_max)`). How many ids
//! are in use says nothing of that: those below 300 are given once and never again, and
//! those above a `pid_max` that was lowered stay. The tree that they are kept in
//! (lib/idr.c, lib/radix-tree.c) marks in each node which slots have something
//! free below, so a few words say whether anything is.

use forktrace_common::facts::fact;
use forktrace_common::note::Note;

use crate::{
    maps::{offset, symbol},
    mem,
    walk::{Step, Walk, up},
};

/// RESERVED_PIDS (include/linux/pid.h).
const RESERVED: u32 = 300;
const PIDNS_ADDING: u32 = 1 << 31; // include/linux/pid_namespace.h

/// Namespaces that look full and are looked at.
const LOOKED_AT: usize = 3;
const SLOTS: u64 = 64; // XA_CHUNK_SIZE, include/linux/xarray.h

/// Notes which of the namespaces that a child of the task needs an id in has
/// none, innermost first as the kernel goes, and whether one has no init.
#[inline(never)]
pub(crate) fn looked_for(note: *mut Note, task: u64) {
    let nsproxy = mem::pointer(task, offset!(task_nsproxy));
    let mut ns = mem::pointer(nsproxy, offset!(nsproxy_pid_ns_for_children));
    let mut level = 0;
    for _ in 0..LOOKED_AT {
        let near = up(ToCrowded {
            note,
            ns,
            level,
            found: 0,
        });
        if near.found == 0 {
            break;
        }
        if has_none(near.found) {
            noted(note, near.level);
        }
        ns = mem::pointer(near.found, offset!(pidns_parent));
        level = near.level + 1;
    }
}

#[inline(always)]
fn noted(note: *mut Note, level: u32) {
    // SAFETY: a live map value that this task alone uses.
    unsafe {
        if (*note).facts.bits & fact::PID_FULL != 0 {
            (*note).facts.bits |= fact::PID_SEVERAL;
        } else {
            (*note).facts.bits |= fact::PID_FULL;
            (*note).facts.pid_level = level as u8;
        }
    }
}

#[inline(always)]
fn pid_max(ns: u64) -> u32 {
    if symbol!(pid_max) != 0 {
        mem::field::<u32>(symbol!(pid_max), 0)
    } else {
        mem::field::<u32>(ns, offset!(pidns_pid_max))
    }
}

/// Up to the first namespace that has so many ids in use that it may have none
/// left: necessary, and not enough.
struct ToCrowded {
    note: *mut Note,
    ns: u64,
    level: u32,
    found: u64,
}

impl Walk for ToCrowded {
    const LEVELS: u32 = forktrace_common::event::PID_NS_LEVELS as u32;

    #[inline(always)]
    fn step(&mut self, _: usize) -> Step {
        if self.ns == 0 {
            return Step::End;
        }
        let allocated = mem::field::<u32>(self.ns, offset!(pidns_pid_allocated));
        if allocated & PIDNS_ADDING == 0 {
            // SAFETY: a live map value that this task alone uses.
            unsafe { (*self.note).facts.bits |= fact::PID_DEAD };
        }
        let max = pid_max(self.ns);
        if max != 0 && (allocated & !PIDNS_ADDING) + RESERVED >= max {
            self.found = self.ns;
            return Step::End;
        }
        self.ns = mem::pointer(self.ns, offset!(pidns_parent));
        self.level += 1;
        Step::On
    }
}

/// Whether no id is free in a namespace.
#[inline(never)]
fn has_none(ns: u64) -> bool {
    if !mem::has(offset!(xa_node_marks)) || !mem::has(offset!(pidns_idr_next)) {
        return false;
    }
    let next = mem::field::<u32>(ns, offset!(pidns_idr_next));
    let first = if next > RESERVED { RESERVED } else { 1 };
    let last = pid_max(ns).wrapping_sub(1);
    let root = mem::pointer(ns, offset!(pidns_idr));
    free_between(root, mem::unknown(first as u64), mem::unknown(last as u64)) == 0
}

/// Levels of the tree: 64 ids, 4096, 262,144, all that there can be (PID_MAX_LIMIT).
const DEPTH: usize = 4;

/// Marks of what is free between two ids, both included; 0: nothing.
///
/// A range touches, on each level, two nodes in part (that of its first id and that
/// of its last, which can be one), and all between them as a whole, for which their
/// parents have marks. So nothing has to be searched, and there is nothing that the
/// verifier would walk twice.
#[inline(always)]
fn free_between(root: u64, first: u64, last: u64) -> u64 {
    // A tree without a node holds one id at most.
    if root & 3 != 2 {
        return 1;
    }
    let (mut low, mut high) = (root, root);
    let mut free = 0;
    for level in 0..DEPTH {
        // The marks and the shift of both nodes; of what is no node, zeroes.
        let (of_low, of_high) = (node(low), node(high));
        let shift = mem::field::<u8>(of_low, offset!(xa_node_shift)) as u64 & 63;
        let at_low = first.wrapping_shr(shift as u32);
        let at_high = last.wrapping_shr(shift as u32);
        if level == 0 && at_high >= SLOTS {
            // The tree ends before the last id: what is above is free.
            return 1;
        }
        let (at_low, at_high) = (at_low & (SLOTS - 1), at_high & (SLOTS - 1));
        let leaf = (shift == 0) as u64;
        let above_low = above(at_low) | bit(at_low) * leaf;
        let below_high = below(at_high) | bit(at_high) * leaf;
        // One node: between the two. Two nodes: to the end of one, and from the
        // beginning of the next.
        let apart = ((of_low != of_high) as u64).wrapping_neg();
        let marks_low = mem::field::<u64>(of_low, offset!(xa_node_marks));
        let marks_high = mem::field::<u64>(of_high, offset!(xa_node_marks));
        free |= marks_low & above_low & (below_high | apart);
        free |= marks_high & below_high & (above_low | apart);
        if shift == 0 {
            break;
        }
        low = mem::pointer(of_low + 8 * at_low, offset!(xa_node_slots));
        high = mem::pointer(of_high + 8 * at_high, offset!(xa_node_slots));
        // Without a node below, all of it is free.
        free |= marks_low & bit(at_low) * (low & 3 != 2) as u64;
        free |= marks_high & bit(at_high) * (high & 3 != 2) as u64;
        if free != 0 {
            break;
        }
    }
    free
}

/// Address of the node behind an entry.
#[inline(always)]
fn node(entry: u64) -> u64 {
    entry.wrapping_sub(2)
}

#[inline(always)]
fn bit(at: u64) -> u64 {
    1u64.wrapping_shl(at as u32)
}

/// All bits below one.
#[inline(always)]
fn below(at: u64) -> u64 {
    bit(at).wrapping_sub(1)
}

/// All bits above one.
#[inline(always)]
fn above(at: u64) -> u64 {
    !(below(at) | bit(at))
}
