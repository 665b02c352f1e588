//! RLIMIT_NPROC: users, set-uid callers, user namespaces.

use anyhow::Result;
use forktrace::provoke::sys;

use super::{Burst, Keep, NO_THREADS, Stage, caller};
use crate::actor::Actor;
use crate::attempt;
use crate::setting;
use crate::sleepers::Sleepers;

/// A user with as many tasks as its limit allows. Some of its callers have another effective uid,
/// or an effective uid of 0, which exempts them: threads-max refuses those.
pub(super) fn play(stage: &mut Stage<'_>) -> Result<Keep> {
    let (uid, other) = (stage.uid(), stage.uid());
    let callers = stage.rng.between(1, 4);
    let sleeping = stage.rng.between(0, 6);
    let used = callers + sleeping;
    let limit = stage.rng.between(1.max(used.saturating_sub(2)), used);
    let threads = setting::keep("kernel/threads-max")?;
    let sleepers = Sleepers::start(sleeping, || Ok(sys::become_uid(uid)?))?;
    let mut all = Vec::new();
    for n in 0..callers {
        let plan: Vec<_> = (0..2).map(|_| stage.burst(90)).collect();
        let effective = match stage.rng.between(0, 3) {
            0 => other,
            1 => 0,
            _ => uid,
        };
        let (actor, _) = caller(&format!("t-user-{n}"), &plan, || {
            sys::limit_nproc(limit, limit)?;
            set_uids(uid, effective)?;
            Ok(Vec::new())
        })?;
        stage.uids.insert(actor.pid() as u32, uid);
        all.push((actor, effective));
    }
    threads.change(NO_THREADS)?;
    for (actor, effective) in &mut all {
        if *effective == 0 {
            stage.note(actor.pid(), "threads_max", Some("host".to_owned()));
        } else {
            stage.note(actor.pid(), "rlimit_nproc", Some(format!("uid {uid}")));
        }
        actor.go()?;
        actor.go()?;
    }
    Ok(vec![Box::new(threads), Box::new(all), Box::new(sleepers)])
}

/// Real and effective uid apart, as a set-uid program has them.
fn set_uids(real: u32, effective: u32) -> Result<()> {
    sys::no_groups()?;
    Ok(sys::become_uids(real, effective, effective)?)
}

/// User namespaces one within the other, made under limits of their own; some callers ask for one
/// more with the child (CLONE_NEWUSER), where the walk begins in that one.
pub(super) fn namespaces(stage: &mut Stage<'_>) -> Result<Keep> {
    let uid = stage.uid();
    let levels = stage.rng.between(0, 2);
    let used = stage.rng.between(2, 6);
    // What the limit was when each namespace was made, and the caller's own.
    let limits: Vec<u64> = (0..levels)
        .map(|_| used + stage.rng.between(0, 2))
        .collect();
    let own = used + stage.rng.between(0, 2);
    // Where there is room, what was granted comes and goes between the refusals.
    stage.race = limits.first().copied().unwrap_or(own) > used;
    let with_user = stage.rng.chance(50);
    let bursts = stage.rng.between(1, 4);
    let plan: Vec<Burst> = (0..bursts).map(|_| stage.burst(60)).collect();
    let sleepers = Sleepers::start(used - 1, || Ok(sys::become_uid(uid)?))?;
    let (mut actor, _) = Actor::start("t-userns", |link| {
        sys::limit_nproc(limits.first().copied().unwrap_or(own), sys::INFINITY)?;
        sys::become_uid(uid)?;
        for level in 0..levels as usize {
            sys::unshare(libc::CLONE_NEWUSER, "CLONE_NEWUSER")?;
            sys::map_own_ids(uid)?;
            let next = limits.get(level + 1).copied().unwrap_or(own);
            sys::limit_nproc(next, sys::INFINITY)?;
        }
        link.step();
        for burst in &plan {
            let mut refused = 0;
            for _ in 0..burst.count {
                let answer = if with_user {
                    attempt::clone(libc::SIGCHLD | libc::CLONE_NEWUSER)
                } else {
                    -(attempt::attempt(burst.kind).errno as isize)
                };
                if answer > 0 {
                    sys::reap(answer as i32);
                }
                refused += u64::from(answer < 0);
            }
            link.ready(vec![refused]);
        }
        Ok(())
    })?;
    stage.uids.insert(actor.pid() as u32, uid);
    for _ in 0..bursts {
        actor.go()?;
    }
    Ok(vec![Box::new(actor), Box::new(sleepers)])
}
