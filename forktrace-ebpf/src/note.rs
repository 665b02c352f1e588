//! What a stage of a creation leaves on the task for the failing return.
//!
//! A note must never outlive its attempt. It is made by what runs only when a
//! creation is refused, and the refusal is followed by the failing return of
//! the same creation, which consumes the note. Where the kernel skipped the
//! program on that return, the next refusal of the task finds the note and
//! counts it as missed.

use forktrace_common::{
    count::total,
    event::{CgroupLimit, Stage},
};

use crate::{
    count,
    maps::{NOTES, REACHED, REACHED_BUCKETS},
    report::Failed,
};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Note {
    /// Arguments saved at the entry of probed functions (kprobe style).
    pub args: u64,
    pub ucounts: u64,
    pub rlimit: u64,
    pub cset: u64,
    pub memcg_arg: u64,
    /// css of the pids controller at which the refused charge began.
    pub pids_css: u64,
    /// RLIMIT_NPROC as compared at the refusing level.
    pub nproc_usage: i64,
    pub nproc_limit: i64,
    pub refused: CgroupLimit,
    pub memcg_oom: CgroupLimit,
    /// The failing return itself, while it is reported.
    pub failed: Failed,
    /// A [`Stage`] as a number.
    pub stage: u8,
    pub nproc_level: u8,
    /// `fs->in_exec` when the wreck was looked at.
    pub in_exec: u8,
    /// 1: the failing return has been reported, by another program on it.
    pub reported: u8,
    pub reserved2: u32,
}

impl Note {
    pub const EMPTY: Self = Self {
        args: 0,
        ucounts: 0,
        rlimit: 0,
        cset: 0,
        memcg_arg: 0,
        pids_css: 0,
        nproc_usage: 0,
        nproc_limit: 0,
        refused: NO_CGROUP,
        memcg_oom: NO_CGROUP,
        failed: Failed::NONE,
        stage: Stage::Unseen as u8,
        nproc_level: 0,
        in_exec: 0,
        reported: 0,
        reserved2: 0,
    };
}

pub const NO_CGROUP: CgroupLimit = CgroupLimit {
    id: 0,
    level: 0,
    reserved: 0,
    usage: 0,
    limit: 0,
};

/// In read-only memory and not on the stack, which is short.
static EMPTY: Note = Note::EMPTY;

/// The task's note, if it has one.
#[inline(always)]
pub fn find(tid: u32) -> Option<*mut Note> {
    NOTES.get_ptr_mut(tid)
}

/// The task's note, made empty where there was none. `None` when the map
/// can't take it: the evidence is then absent.
#[inline(always)]
pub fn open(tid: u32) -> Option<*mut Note> {
    if let Some(note) = NOTES.get_ptr_mut(tid) {
        return Some(note);
    }
    reset(tid);
    NOTES.get_ptr_mut(tid)
}

/// Gives the task a new, empty note.
#[inline(never)]
pub fn reset(tid: u32) {
    let _ = NOTES.insert(tid, &EMPTY, 0);
}

#[inline(always)]
pub fn remove(tid: u32) {
    let _ = NOTES.remove(tid);
}

/// Removes what an earlier attempt left. A refusal that was noted and never
/// reported is counted: the kernel skips a tracing program where another run
/// of it was preempted on the same CPU (kernel/bpf/trampoline.c
/// `__bpf_prog_enter_recur`), and nothing may be lost silently.
#[inline(never)]
pub fn forget(tid: u32) {
    if let Some(old) = find(tid) {
        // SAFETY: a map value that this task alone uses.
        let (stage, reported) = unsafe { ((*old).stage, (*old).reported) };
        if reported == 0 && stage != Stage::Unseen as u8 {
            count::total(total::MISSED);
        }
        remove(tid);
    }
}

/// Up to 5.13: `copy_creds` has succeeded, so RLIMIT_NPROC has not refused.
#[inline(always)]
pub fn reached_creds(tid: u32) {
    if let Some(slot) = reached_slot(tid) {
        // SAFETY: in bounds, see `reached_slot`; only the task itself reads
        // back its own id.
        unsafe { *slot = tid };
    }
}

/// Whether [`reached_creds`] was called in this attempt; forgets it.
#[inline(always)]
pub fn take_reached_creds(tid: u32) -> bool {
    let Some(slot) = reached_slot(tid) else {
        return false;
    };
    // SAFETY: as above.
    unsafe {
        let reached = *slot == tid;
        if reached {
            *slot = 0;
        }
        reached
    }
}

#[inline(always)]
fn reached_slot(tid: u32) -> Option<*mut u32> {
    let slots = REACHED.get_ptr_mut(0)?;
    // SAFETY: masked to the array's size.
    Some(unsafe {
        slots
            .cast::<u32>()
            .add((tid & (REACHED_BUCKETS - 1)) as usize)
    })
}
