//! What refuses without a limit: a security module, SCHED_DEADLINE, an execve in progress.

use anyhow::{Context, Result};
use forktrace::provoke::held_exec::HeldExec;
use forktrace::provoke::sys;

use super::{Burst, Keep, Stage, caller, limit_of};
use crate::actor::Actor;
use crate::attempt::Kind;
use crate::bpf_lsm;

/// A module that refuses a user with an errno of limits, and the user's limit before it.
pub(super) fn security_module(stage: &mut Stage<'_>) -> Result<Keep> {
    if !bpf_lsm::active() {
        return Ok(Vec::new());
    }
    let uid = stage.uid();
    let errno = *stage.rng.pick(&[libc::EAGAIN, libc::ENOMEM]);
    let plan: Vec<_> = (0..4).map(|_| stage.burst(60)).collect();
    let (mut actor, _) = caller("t-lsm", &plan, || {
        sys::become_uid(uid)?;
        Ok(Vec::new())
    })?;
    stage.uids.insert(actor.pid() as u32, uid);
    let refusal = bpf_lsm::Refusal::new(uid, errno)?;
    for _ in 0..plan.len() {
        if stage.rng.chance(40) {
            limit_of(actor.pid(), 1)?;
            stage.note(actor.pid(), "rlimit_nproc", Some(format!("uid {uid}")));
        } else {
            limit_of(actor.pid(), 10_000)?;
            stage.note(actor.pid(), "lsm", None);
        }
        actor.go()?;
    }
    Ok(vec![Box::new(actor), Box::new(refusal)])
}

/// A SCHED_DEADLINE task, that no limit lets fork, and one that is over its user's limit too.
pub(super) fn deadline(stage: &mut Stage<'_>) -> Result<Keep> {
    let burst = Burst {
        pause: 500,
        ..stage.burst(40)
    };
    let (mut actor, _) = caller("t-deadline", &[burst], || {
        sys::sched_deadline(10)?;
        Ok(Vec::new())
    })?;
    stage.note(actor.pid(), "sched_deadline", None);
    actor.go()?;
    Ok(vec![Box::new(actor)])
}

/// A thread that asks for another while its process is within execve; at times a module refuses
/// before that is looked at.
pub(super) fn exec(stage: &mut Stage<'_>) -> Result<Keep> {
    let by_module = bpf_lsm::active() && stage.rng.chance(60);
    let uid = stage.uid();
    let burst = Burst {
        kind: Kind::CloneThread,
        count: stage.rng.between(1, 30) as u32,
        pause: 0,
    };
    let (mut actor, _) = Actor::start("t-exec", |link| {
        let held = HeldExec::new().context("make an execve that can be held")?;
        link.step();
        let asked = held.during(|| {
            if by_module {
                sys::become_real_uid(uid)?;
            }
            anyhow::Ok(burst.play())
        });
        link.ready(vec![asked.context("hold an execve")??]);
        Ok(())
    })?;
    let refusal = match by_module {
        true => Some(bpf_lsm::Refusal::new(uid, libc::EAGAIN)?),
        false => None,
    };
    let cause = if by_module { "lsm" } else { "exec_in_progress" };
    stage.note(actor.pid(), cause, None);
    actor.go()?;
    Ok(vec![Box::new(actor), Box::new(refusal)])
}
