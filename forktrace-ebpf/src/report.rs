//! The failing return: filter, count, and send.

use core::mem::MaybeUninit;

use aya_ebpf::maps::ring_buf::RingBufEntry;
use forktrace_common::{
    clone,
    count::total,
    event::{FailureEvent, flag},
    note::{Failed, Note},
    settings::errnos,
};

use crate::{
    cgroup, count, facts, filter, limits,
    maps::{EVENTS, offset, setting},
    mem,
    mem::opaque,
    note, other_errnos,
    snapshot::{self, Subject},
    task,
};

pub(crate) const EAGAIN: i64 = 11;
pub(crate) const ENOMEM: i64 = 12;
const EINTR: i64 = 4;
/// include/linux/errno.h: from ERESTARTSYS to ERECALLCONFLICT and what may
/// follow them. User space never sees these: the call is made again.
const RESTARTS: core::ops::RangeInclusive<i64> = 512..=531;
/// The last page of addresses holds errnos (MAX_ERRNO, include/linux/err.h).
const MAX_ERRNO: i64 = 4095;

/// Whether a return is a failure that is reported. Only comparisons, which the
/// verifier allows on the pointer that a tracing program gets as the return
/// value.
#[inline(always)]
pub(crate) fn reported(ret: i64) -> bool {
    if setting!(errnos) == errnos::LIMITS {
        return ret == -EAGAIN || opaque(ret as u64) == errno(ENOMEM);
    }
    failed_for_good(ret)
}

/// Counts a return that isn't reported, where user space sees an error: not a call that is made again, nor
/// what a task that is killed never sees. Of two programs on the return the first one counts.
#[inline(always)]
pub(crate) fn unreported(ret: i64, program: u8) {
    if program <= 1 && failed_for_good(ret) && opaque(opaque(ret as u64)) != errno(EINTR) {
        count::other_errno();
    }
}

/// Whether user space sees this return as an error. Comparisons alone, as in [`reported`].
#[inline(always)]
fn failed_for_good(ret: i64) -> bool {
    // Two comparisons of one value the compiler would make one of, by
    // arithmetic, so it may not know that it is one value.
    let again = opaque(ret as u64);
    // Unsigned, as IS_ERR() compares: the verifier knows no sign of a pointer.
    let (ret, once_more) = (ret as u64, opaque(again));
    ret >= errno(MAX_ERRNO)
        && (again > errno(*RESTARTS.start()) || once_more < errno(*RESTARTS.end()))
}

/// As a system call returns it.
#[inline(always)]
fn errno(number: i64) -> u64 {
    -number as u64
}

/// Reports a failing return, and consumes the note that its stages left.
///
/// Where the kernel is preemptible, two programs sit on the same return (but for
/// kprobes, which can't be preempted), because it skips one that is preempted on
/// this CPU in another task's run. Whichever runs first reports and leaves its number; the other one
/// finds that and removes the note. A program that finds its own number sees
/// that the other was skipped at an earlier return, and reports.
///
/// The return is written into the note, and everything is read back from
/// there. That saves stack (512 bytes for all functions together), and the
/// verifier, to which a map's content is unknown, walks the rest once and not
/// once for each errno and style.
#[inline(never)]
pub(crate) fn failed(failed: &Failed) {
    let tid = task::tid();
    if let Some(note) = begin(failed, tid) {
        send(note, tid);
        end(note, tid, failed.program);
    }
}

/// The note that a failing return is reported from; `None` when it has been reported
/// already, or can't be.
#[inline(always)]
pub(crate) fn begin(failed: &Failed, tid: u32) -> Option<*mut Note> {
    if let Some(note) = note::find(tid) {
        // SAFETY: a map value that this task alone uses.
        let by = unsafe { (*note).reported };
        if by != 0 && by != failed.program {
            note::remove(tid);
            return None;
        }
    }
    let Some(note) = note::open(tid) else {
        // No memory for a note: counted, and reported as a loss.
        count::unkept();
        return None;
    };
    // SAFETY: as above.
    unsafe {
        mem::copy(&raw mut (*note).failed, failed);
    }
    Some(note)
}

/// A failing return of which nothing is known yet ([`Failed::NONE`]).
#[inline(always)]
pub(crate) fn unknown() -> Failed {
    let mut failed = MaybeUninit::uninit();
    // SAFETY: words, and `Unseen` is 0.
    unsafe {
        mem::zero::<Failed>(failed.as_mut_ptr());
        failed.assume_init()
    }
}

/// The number of one of two programs on a return; 0 where it is the only one.
#[inline(always)]
pub(crate) fn number(program: u8) -> u8 {
    if setting!(two_programs) != 0 {
        program
    } else {
        0
    }
}

/// The number of one of two programs on a tracepoint; 0 where it is the only one.
#[inline(always)]
pub(crate) fn tracepoint_number(program: u8) -> u8 {
    if setting!(two_tracepoints) != 0 {
        program
    } else {
        0
    }
}

/// Ends a report. `program`: which of two programs on the return made it, from 1; 0: it is alone.
#[inline(always)]
pub(crate) fn end(note: *mut Note, tid: u32, program: u8) {
    if program != 0 {
        // SAFETY: a live map value that this task alone uses.
        unsafe { (*note).reported = program };
    } else {
        note::remove(tid);
    }
}

/// Filters and counts the return that is in the note, and sends what its limits held.
#[inline(never)]
fn send(note: *mut Note, tid: u32) {
    let current = task::current();
    // SAFETY: a live map value, here and below.
    let failed = unsafe { &(*note).failed };
    // A fork of a task that is being killed answers ENOMEM where dup_mmap() was
    // interrupted (up to 6.18), or EINTR, to nobody: it never returns to user
    // space.
    let errno = -failed.ret;
    let others = setting!(errnos) != errnos::LIMITS;
    if (errno == ENOMEM || others && errno == EINTR) && task::dying(current) {
        if setting!(errnos) != errnos::ALL {
            count::total(total::KILLED);
            return;
        }
        // SAFETY: as above.
        unsafe { (*note).failed.flags |= flag::DYING };
    }
    if !filter::passes(current) {
        return;
    }
    facts::request(note, current);
    let cset = mem::pointer(current, offset!(task_cgroups));
    let pids_css = charged(note, current, cset);
    facts::gather(note, current, pids_css);
    facts::keys(note, current, pids_css);
    let Some(mut entry) = event(note, current, tid) else {
        return;
    };
    let ev = entry.as_mut_ptr();
    limits::nproc(ev, current);
    limits::pid_namespaces(ev, current);
    limits::overcommit(ev, current);
    snapshot::cgroups(ev, cset, pids_css);
    if others {
        other_errnos::fill(ev, current, note);
    }
    entry.submit(0);
}

/// css of the pids controller whose way up is sent: the child's. A task can be moved as soon as its creation
/// has failed; the cgroup that was seen to refuse is then on another way. It is not gone up from what was noted:
/// only within a program is a css sure to be there still, and copy_process() sleeps behind `cgroup_can_fork`.
/// What it compared is in the note by value, and user space finds its name by its id.
#[inline(never)]
fn charged(note: *mut Note, current: u64, cset: u64) -> u64 {
    // SAFETY: a live map value.
    let failed = unsafe { &(*note).failed };
    let own = mem::pointer(cset, offset!(cset_pids));
    let mut css = failed.pids_css;
    if css == 0 && mem::field::<u64>(failed.args, offset!(args_flags)) & clone::INTO_CGROUP != 0 {
        let fd = mem::field::<i32>(failed.args, offset!(args_cgroup));
        css = cgroup::find::pids_css_within(cgroup::find::of_fd(current, fd as u64), own);
    }
    if css == 0 { own } else { css }
}

/// Counts a failure, and begins its record: who asked for what, and where they
/// live. `None`: the counts alone have it.
#[inline(always)]
pub(crate) fn event(note: *mut Note, task: u64, tid: u32) -> Option<RingBufEntry<FailureEvent>> {
    count::hit(note);
    // SAFETY: a live map value.
    if unsafe { (*note).in_full } == 0 {
        return None;
    }
    let Some(mut entry) = EVENTS.reserve::<FailureEvent>(0) else {
        count::ring_full(note);
        return None;
    };
    let ev = entry.as_mut_ptr();
    let subject = Subject { task, note, tid };
    snapshot::take(ev, &subject);
    snapshot::flags(ev, &subject);
    Some(entry)
}
