//! Kills by the OOM killer: what is hooked for them, and what their events say.

use aya::{Ebpf, programs::Program};
use forktrace_common::{
    event::{FailureEvent, Stage},
    oom::constraint,
};

use super::{
    outcome::Outcome,
    style::{Hook, Role, Trampoline},
    why::Why,
};
use crate::record::Constraint;

/// The tracepoint that fires at a kill and at nothing else (include/trace/events/oom.h).
pub const CATEGORY: &str = "oom";
/// Its name in that category.
pub const NAME: &str = "mark_victim";
/// Its program as a plain tracepoint.
pub const TRACEPOINT: &str = "mark_victim";
const RAW: &str = "raw_mark_victim";

/// Why somebody had to go. Runs at a kill alone.
pub const CHOICE: Hook = Hook {
    role: Role::OomChoice,
    targets: &["oom_kill_process"],
    trampoline: Some(Trampoline::Fentry(&["fexit_oom_kill", "fentry_oom_kill"])),
    kprobes: &["kprobe_oom_kill", "kretprobe_oom_kill"],
    lost: "whose limit an OOM kill was for is not seen",
};

/// What is lost without the tracepoint.
pub const LOST: &str = "OOM kills are not seen";

/// Attaches to it as a raw tracepoint, which takes no tracefs and so no CAP_SYS_ADMIN.
pub(super) fn attach_raw(ebpf: &mut Ebpf) -> Result<(), Why> {
    let Some(Program::RawTracePoint(program)) = ebpf.program_mut(RAW) else {
        return Err(Why::text("is no raw tracepoint program"));
    };
    program.load()?;
    program.attach(NAME)?;
    Ok(())
}

/// Whether this event is no failure but an OOM kill.
pub fn is_kill(event: &FailureEvent) -> bool {
    event.stage == Stage::OomKill as u8
}

/// Why the OOM killer was at work; `None`: not seen.
pub fn constraint(event: &FailureEvent) -> Option<Constraint> {
    match event.oom.constraint {
        constraint::NONE => Some(Constraint::None),
        constraint::CPUSET => Some(Constraint::Cpuset),
        constraint::MEMORY_POLICY => Some(Constraint::MemoryPolicy),
        constraint::MEMCG => Some(Constraint::Memcg),
        _ => None,
    }
}

/// Whether the victim was dying already, so that nobody was killed for memory's sake; `None`: not
/// known.
///
/// A task that is dying already is marked by `out_of_memory` itself, without `oom_kill_process`: so no
/// word from there says it, unless the kernel can have skipped the program.
pub fn already_dying(event: &FailureEvent, probes: &Outcome) -> Option<bool> {
    match event.oom.dying {
        0 => Some(false),
        1 => Some(true),
        _ => {
            let unseen = event.oom.constraint == constraint::UNKNOWN;
            let itself = event.oom.by_tgid == event.tgid;
            (unseen && itself && probes.has(Role::OomChoice) && !probes.skips_programs())
                .then_some(true)
        }
    }
}
