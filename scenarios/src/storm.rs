//! Storms: many refused forks, counted by who makes them.

use anyhow::{Context, Result, bail};
use forktrace::provoke::sys;

use crate::actor::Actor;
use crate::attempt::{Kind, attempt};
use crate::cgroup::Tree;

/// Who is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// One process, again and again.
    One,
    /// Each time another process of the same user in the same cgroup.
    Processes,
    /// Each time another process of another user.
    Users {
        /// The first of them.
        from: u32,
    },
}

/// A process that makes a storm, part by part.
pub(crate) struct Storm {
    actor: Actor,
    _tree: Tree,
}

impl Storm {
    /// A process called `comm` in the tree's top cgroup, with so many refusals to a part.
    pub(crate) fn new(comm: &str, keys: Keys, part: u32, tree: Tree) -> Result<Self> {
        let home = tree.top();
        let (actor, _) = Actor::start(comm, |link| {
            home.enter()?;
            let (mut next, mut refused) = (0, 0);
            loop {
                link.ready(vec![refused]);
                refused = 0;
                for _ in 0..part {
                    refused += u64::from(one(keys, &mut next)?);
                }
            }
        })?;
        match keys {
            Keys::One => home.limit(1)?,
            Keys::Processes => home.limit(2)?,
            Keys::Users { .. } => {}
        }
        Ok(Self { actor, _tree: tree })
    }

    /// Lets the others have most of its processor.
    pub(crate) fn stand_back(&self) -> Result<()> {
        Ok(sys::be_nice(Some(self.actor.pid()), 10)?)
    }

    /// Begins the next part.
    pub(crate) fn begin(&mut self) -> Result<()> {
        self.actor.send()
    }

    /// Waits for the part's end: how many forks were refused.
    pub(crate) fn end(&mut self) -> Result<u64> {
        let refused = self.actor.hear()?.numbers;
        refused.first().copied().context("the storm sent no number")
    }
}

/// One more; whether it was refused.
fn one(keys: Keys, next: &mut u32) -> Result<bool> {
    let uid = match keys {
        Keys::One => return Ok(refused()),
        Keys::Processes => None,
        Keys::Users { from } => Some(from + *next),
    };
    *next += 1;
    let child = sys::child("fork in a storm", || {
        let ready = uid.is_none_or(|uid| {
            let limited = sys::limit_nproc(1, 1);
            limited.and_then(|()| sys::become_uid(uid)).is_ok()
        });
        match (ready, refused()) {
            (false, _) => 2,
            (true, refused) => i32::from(!refused),
        }
    })?;
    match sys::reap(child) {
        Some(0) => Ok(true),
        Some(status) if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 1 => Ok(false),
        other => bail!("a process of the storm ended with {other:?}"),
    }
}

fn refused() -> bool {
    attempt(Kind::PLAIN).errno == libc::EAGAIN
}
