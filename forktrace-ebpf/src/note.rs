//! What a stage of a creation leaves on the task for the failing return.
//!
//! A note must never outlive its attempt. It is made by what runs only when a
//! creation is refused, within `copy_process()` (what also runs elsewhere looks
//! at the stack first: [`crate::within`]), and the refusal is followed by the
//! failing return of the same creation, which consumes the note. Where the kernel
//! skipped the program on that return, the next refusal of the task finds the note
//! and counts it as missed. A note says whose it is, because ids are used again.

use forktrace_common::{count::total, event::Stage, facts::fact, note::Note};

use crate::{
    count,
    maps::{NOTES, offset},
    mem, task,
};

/// In read-only memory and not on the stack, which is short.
static EMPTY: Note = Note::EMPTY;

/// The task's note, if it has one.
#[inline(always)]
pub(crate) fn find(tid: u32) -> Option<*mut Note> {
    NOTES.get_ptr_mut(tid)
}

/// The note, if it is of the current task and not of one that had its id before.
#[inline(always)]
pub(crate) fn own(tid: u32) -> Option<*mut Note> {
    let note = find(tid)?;
    // SAFETY: a map value that this task alone uses.
    (unsafe { (*note).owner } == owner()).then_some(note)
}

/// When the current task began: with its id it is one task's for ever.
#[inline(always)]
pub(crate) fn owner() -> u64 {
    mem::field::<u64>(task::current(), offset!(task_start_time))
}

/// The task's note, made empty where there was none, or where the one found
/// belongs to an attempt that has been reported, or to another task. `None` when
/// the map can't take it: the evidence is then absent.
#[inline(always)]
pub(crate) fn open(tid: u32) -> Option<*mut Note> {
    let owner = owner();
    if let Some(note) = NOTES.get_ptr_mut(tid) {
        // SAFETY: a map value that this task alone uses.
        let (reported, of) = unsafe { ((*note).reported, (*note).owner) };
        if reported == 0 && of == owner {
            return Some(note);
        }
        if reported == 0 {
            forget(tid);
        }
    }
    reset(tid);
    let note = NOTES.get_ptr_mut(tid)?;
    // SAFETY: as above.
    unsafe { (*note).owner = owner };
    Some(note)
}

/// As [`open`], for a stage of the attempt under way. The child's credentials are
/// the last thing that a refused creation notes, so a note that has them is an
/// earlier attempt's, whose return was not reported.
#[inline(always)]
pub(crate) fn stage(tid: u32) -> Option<*mut Note> {
    let note = open(tid)?;
    if !has(note, fact::CHILD_SEEN) {
        return Some(note);
    }
    forget(tid);
    open(tid)
}

/// Gives the task a new, empty note.
#[inline(never)]
pub(crate) fn reset(tid: u32) {
    let _ = NOTES.insert(tid, &EMPTY, 0);
}

#[inline(always)]
pub(crate) fn remove(tid: u32) {
    let _ = NOTES.remove(tid);
}

/// Removes what an earlier attempt left. A refusal that was noted and never
/// reported is counted: the kernel skips a tracing program where another run
/// of it was preempted on the same CPU (kernel/bpf/trampoline.c
/// `__bpf_prog_enter_recur`), and nothing may be lost silently.
#[inline(never)]
pub(crate) fn forget(tid: u32) {
    if let Some(old) = find(tid) {
        // SAFETY: a map value that this task alone uses.
        let (stage, reported, bits) = unsafe { ((*old).stage, (*old).reported, (*old).facts.bits) };
        if reported == 0 && (stage != Stage::Unseen as u8 || bits & fact::REFUSED != 0) {
            count::total(total::MISSED);
        }
        remove(tid);
    }
}

/// Removes what an earlier creation left, before something that is no
/// `copy_process()` is reported: a stage that was noted isn't its stage.
#[inline(always)]
pub(crate) fn forget_unreported(tid: u32) {
    if let Some(note) = find(tid) {
        // SAFETY: a map value that this task alone uses.
        if unsafe { (*note).reported } == 0 {
            forget(tid);
        }
    }
}

/// Notes a fact.
#[inline(always)]
pub(crate) fn add(note: *mut Note, bits: u32) {
    // SAFETY: a live map value that this task alone uses.
    unsafe { (*note).facts.bits |= bits };
}

/// Whether a fact is noted.
#[inline(always)]
pub(crate) fn has(note: *const Note, bits: u32) -> bool {
    // SAFETY: as above.
    unsafe { (*note).facts.bits & bits != 0 }
}
