//! What a stage of a creation leaves on the task for the failing return.
//!
//! A note must never outlive its attempt. It is made by what runs only when a
//! creation is refused, and the refusal is followed by the failing return of
//! the same creation, which consumes the note. Where the kernel skipped the
//! program on that return, the next refusal of the task finds the note and
//! counts it as missed.

use forktrace_common::{count::total, event::Stage, note::Note};

use crate::{
    count,
    maps::{NOTES, REACHED, REACHED_BUCKETS},
    task,
};

/// In read-only memory and not on the stack, which is short.
static EMPTY: Note = Note::EMPTY;

/// The task's note, if it has one.
#[inline(always)]
pub fn find(tid: u32) -> Option<*mut Note> {
    NOTES.get_ptr_mut(tid)
}

/// The task's note, made empty where there was none, or where the one found
/// belongs to an attempt that has been reported. `None` when the map can't
/// take it: the evidence is then absent.
#[inline(always)]
pub fn open(tid: u32) -> Option<*mut Note> {
    if let Some(note) = NOTES.get_ptr_mut(tid) {
        // SAFETY: a map value that this task alone uses.
        if unsafe { (*note).reported } == 0 {
            return Some(note);
        }
    }
    reset(tid);
    NOTES.get_ptr_mut(tid)
}

/// The task's note, if it is creating one: that of the entry probe, or a new
/// one in a system call that creates tasks.
#[inline(always)]
pub fn of_creation() -> Option<*mut Note> {
    let tid = task::tid();
    match find(tid) {
        Some(note) => Some(note),
        None if task::creating() => open(tid),
        None => None,
    }
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

/// Removes what an earlier creation left, before something that is no
/// `copy_process()` is reported: a stage that was noted isn't its stage.
#[inline(always)]
pub fn forget_unreported(tid: u32) {
    if let Some(note) = find(tid) {
        // SAFETY: a map value that this task alone uses.
        if unsafe { (*note).reported } == 0 {
            forget(tid);
        }
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
