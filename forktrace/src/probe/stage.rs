//! From what the programs noted to the stage that refused.

use forktrace_common::event::{FailureEvent, Stage as Noted, flag, style};

use super::{attach::Outcome, style::Role};
use crate::evidence::Stage;

/// A missing note means something only where the probe that would have left it
/// is attached.
pub fn stage(event: &FailureEvent, probes: &Outcome) -> Stage {
    match Noted::from_u8(event.stage) {
        Noted::Nproc => Stage::Nproc,
        Noted::SecurityToFs => Stage::SecurityToFs,
        Noted::SighandToNamespaces => Stage::SighandToNamespaces,
        Noted::IoToPid => Stage::IoToPid,
        Noted::CgroupAndLater => Stage::CgroupAndLater,
        Noted::Pids => Stage::Pids,
        Noted::NotEntered => Stage::NotEntered,
        Noted::Early => Stage::Early,
        Noted::Unseen => no_note(event, probes),
    }
}

fn no_note(event: &FailureEvent, probes: &Outcome) -> Stage {
    if event.style == style::TRACEPOINT || !probes.has(Role::Wreck) {
        return Stage::Unseen;
    }
    if event.ret != -libc::EAGAIN || probes.has(Role::Nproc) {
        return Stage::Early;
    }
    // Up to 5.13 the only EAGAIN before copy_creds is RLIMIT_NPROC's.
    if probes.has(Role::Creds) {
        return if event.flags & flag::REACHED_CREDS != 0 {
            Stage::Early
        } else {
            Stage::Nproc
        };
    }
    Stage::Unseen
}
