//! From what the programs noted to the stage that refused.

use forktrace_common::{
    clone,
    event::{CgroupLimit, FailureEvent, Stage as Noted, flag, style},
};

use super::{attach::Outcome, skips::Spot, style::Role};
use crate::evidence::Stage;

/// Whether this is of a creation, which the stages have a word on.
pub fn is_creation(event: &FailureEvent) -> bool {
    !matches!(
        Noted::from_u8(event.stage),
        Noted::Exec
            | Noted::ExecUnseen
            | Noted::Filtered
            | Noted::NotEntered
            | Noted::StackMmap
            | Noted::StackMprotect
            | Noted::OomKill
    )
}

/// Takes out what the stages noted: what is left was read at the return.
pub fn forget(event: &mut FailureEvent) {
    event.stage = Noted::Unseen as u8;
    event.flags &= !flag::IN_EXEC;
    event.nproc_level = 0;
    event.refused_limit = CgroupLimit::default();
    event.memcg_oom = CgroupLimit::default();
}

const SECCOMP_MODE_FILTER: i32 = 2; // include/uapi/linux/seccomp.h

/// A missing note means something only where the probe that would have left it
/// is attached, and was not skipped (`doubted`: it can have been).
pub fn stage(event: &FailureEvent, probes: &Outcome, doubted: bool) -> Stage {
    match Noted::from_u8(event.stage) {
        Noted::Nproc => Stage::Nproc,
        // copy_fs() refuses only who asks to share (CLONE_FS).
        Noted::SecurityToFs if event.clone_flags & clone::FS == 0 => Stage::SecurityToFiles,
        Noted::SecurityToFs => Stage::SecurityToFs,
        Noted::SighandToNamespaces => Stage::SighandToNamespaces,
        Noted::IoToPid => Stage::IoToPid,
        Noted::Cgroups => Stage::Cgroups,
        Noted::AfterCgroups => Stage::AfterCgroups,
        Noted::Pids => Stage::Pids,
        // Without a filter the entry was there, and its programs were skipped;
        // where they ever were, that can't be told from a filter's answer.
        Noted::NotEntered
            if event.seccomp_mode == SECCOMP_MODE_FILTER && probes.skipped(Spot::Entry) == 0 =>
        {
            Stage::NotEntered
        }
        Noted::NotEntered => Stage::Unseen,
        Noted::Filtered => Stage::Filtered,
        Noted::Exec if event.style == style::TRACEPOINT => Stage::ExecReturned,
        Noted::Exec => Stage::Exec,
        Noted::ExecUnseen => Stage::ExecUnseen,
        Noted::Early => Stage::Early,
        Noted::StackMmap | Noted::StackMprotect if event.style != style::TRACEPOINT => {
            Stage::ThreadStack
        }
        Noted::StackMmap | Noted::StackMprotect => Stage::Unseen,
        // No failure, and asked about by nobody.
        Noted::OomKill => Stage::Unseen,
        Noted::Unseen if doubted => Stage::Unseen,
        Noted::Unseen => no_note(event, probes),
    }
}

fn no_note(event: &FailureEvent, probes: &Outcome) -> Stage {
    if event.style == style::TRACEPOINT || !probes.has(Role::Wreck) {
        return Stage::Unseen;
    }
    // Up to 5.13 the only EAGAIN before copy_creds is RLIMIT_NPROC's.
    let reached = event.flags & flag::REACHED_CREDS != 0;
    if event.ret == -libc::EAGAIN && probes.has(Role::Creds) && !reached {
        return Stage::Nproc;
    }
    Stage::Early
}
