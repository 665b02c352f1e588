//! Filters, applied at the failing return only.

use crate::{
    cgroup,
    maps::{offset, setting},
    mem, task,
};

/// Ancestors that are followed to find the wanted process.
const GENERATIONS: usize = 64;

/// Whether user space asked for this task's failures.
#[inline(never)]
pub fn passes(current: u64) -> bool {
    if setting!(uid_set) != 0 {
        if task::uid() != setting!(uid) {
            return false;
        }
    }
    if setting!(comm_set) != 0 {
        let comm = mem::field::<[u64; 2]>(current, offset!(task_comm));
        if comm != wanted_comm() {
            return false;
        }
    }
    if setting!(tgid) != 0 && !descends_from(current, setting!(tgid)) {
        return false;
    }
    let wanted = setting!(cgroup);
    if wanted != 0 {
        let cset = mem::pointer(current, offset!(task_cgroups));
        let own = mem::pointer(cset, offset!(cset_dfl_cgrp));
        let pids = mem::pointer(mem::pointer(cset, offset!(cset_pids)), offset!(css_cgroup));
        if !cgroup::within(own, wanted) && !cgroup::within(pids, wanted) {
            return false;
        }
    }
    true
}

/// The wanted name; the kernel pads `comm` with NULs (5.10: from the last
/// name's end on, which `set_task_comm` clears as well).
#[inline(always)]
fn wanted_comm() -> [u64; 2] {
    let comm = setting!(comm);
    [
        u64::from_ne_bytes([
            comm[0], comm[1], comm[2], comm[3], comm[4], comm[5], comm[6], comm[7],
        ]),
        u64::from_ne_bytes([
            comm[8], comm[9], comm[10], comm[11], comm[12], comm[13], comm[14], comm[15],
        ]),
    ]
}

#[inline(always)]
fn descends_from(current: u64, tgid: u32) -> bool {
    let mut at = current;
    for _ in 0..GENERATIONS {
        let own = mem::field::<u32>(at, offset!(task_tgid));
        if own == tgid {
            return true;
        }
        // Process 0 is its own parent.
        if own == 0 {
            break;
        }
        at = mem::pointer(at, offset!(task_real_parent));
    }
    false
}
