//! Filters, applied at the failing return only.

use aya_ebpf::helpers::bpf_get_current_comm;
use forktrace_common::settings::hierarchy;

use crate::{
    cgroup,
    maps::{offset, setting},
    mem, task,
    walk::{Step, Walk, up},
};

/// Ancestors that are followed to find the wanted process.
const GENERATIONS: u32 = 64;

/// Whether user space asked for this task's failures.
#[inline(never)]
pub(crate) fn passes(current: u64) -> bool {
    if setting!(uid_set) != 0 {
        if task::uid() != setting!(uid) {
            return false;
        }
    }
    if setting!(comm_set) != 0 {
        let comm = bpf_get_current_comm().unwrap_or([0; 16]);
        if words(comm) != words(setting!(comm)) {
            return false;
        }
    }
    if setting!(tgid) != 0 && !descends_from(current, setting!(tgid)) {
        return false;
    }
    lives_in_wanted(current)
}

/// Whether user space asked for a task that is not the current one, by what it is and where it lives.
#[inline(never)]
pub(crate) fn passes_other(task: u64, uid: u32, comm: &[u8; 16]) -> bool {
    if setting!(uid_set) != 0 && uid != setting!(uid) {
        return false;
    }
    if setting!(comm_set) != 0 && words(*comm) != words(setting!(comm)) {
        return false;
    }
    if setting!(tgid) != 0 && !descends_from(task, setting!(tgid)) {
        return false;
    }
    lives_in_wanted(task)
}

/// Whether the task's cgroup, in the hierarchy of the wanted one, is that or below it.
#[inline(always)]
fn lives_in_wanted(task: u64) -> bool {
    let wanted = setting!(cgroup);
    if wanted == 0 {
        return true;
    }
    let cset = mem::pointer(task, offset!(task_cgroups));
    let at = match setting!(hierarchy) {
        hierarchy::PIDS => of_css(mem::pointer(cset, offset!(cset_pids))),
        hierarchy::MEMORY => of_css(mem::pointer(cset, offset!(cset_memory))),
        _ => mem::pointer(cset, offset!(cset_dfl_cgrp)),
    };
    cgroup::find::within(at, wanted)
}

#[inline(always)]
fn of_css(css: u64) -> u64 {
    mem::pointer(css, offset!(css_cgroup))
}

/// Sixteen bytes as two words: a comparison without a loop.
#[inline(always)]
fn words(b: [u8; 16]) -> [u64; 2] {
    [
        u64::from_ne_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]),
        u64::from_ne_bytes([b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]]),
    ]
}

#[inline(always)]
fn descends_from(current: u64, tgid: u32) -> bool {
    up(ToAncestor {
        at: current,
        tgid,
        found: false,
    })
    .found
}

struct ToAncestor {
    at: u64,
    tgid: u32,
    found: bool,
}

impl Walk for ToAncestor {
    const LEVELS: u32 = GENERATIONS;

    #[inline(always)]
    fn step(&mut self, _: usize) -> Step {
        let own = mem::field::<u32>(self.at, offset!(task_tgid));
        if own == self.tgid {
            self.found = true;
            return Step::End;
        }
        // Process 0 is its own parent.
        if own == 0 {
            return Step::End;
        }
        self.at = mem::pointer(self.at, offset!(task_real_parent));
        Step::On
    }
}
