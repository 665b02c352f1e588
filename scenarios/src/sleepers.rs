//! Processes and threads that only exist.

use std::io::{Read, Write};

use anyhow::{Context, Result, ensure};
use forktrace::provoke::sys::{self, Signal};
use forktrace::provoke::{create, sleeper};

use crate::actor::Actor;
use crate::arch;
use crate::attempt::{Attempt, Kind};

/// So many of them, until it is dropped.
pub(crate) struct Sleepers {
    /// Its threads, where they are threads.
    actor: Option<Actor>,
    pids: Vec<i32>,
}

impl Sleepers {
    /// `count` processes that have done `setup`, children of this one.
    pub(crate) fn start(count: u64, setup: impl Fn() -> Result<()>) -> Result<Self> {
        let mut all = Self {
            actor: None,
            pids: Vec::new(),
        };
        let (from, to) = sys::pipe()?;
        let (mut from, mut to) = (std::fs::File::from(from), std::fs::File::from(to));
        for _ in 0..count {
            let pid = sys::child("fork of a sleeper", || {
                sys::die_with_parent();
                sys::set_comm("sleeper");
                let word = if setup().is_ok() { b"y" } else { b"n" };
                let _ = to.write_all(word);
                sys::close_from(3);
                sys::sleep_for_ever()
            })?;
            all.pids.push(pid);
        }
        drop(to);
        let mut words = vec![0; count as usize];
        let heard = from.read_exact(&mut words);
        ensure!(
            heard.is_ok() && !words.contains(&b'n'),
            "a sleeper could not be set up"
        );
        Ok(all)
    }

    /// One process with `threads` threads besides its first.
    pub(crate) fn threads(threads: u64, setup: impl FnOnce() -> Result<()>) -> Result<Self> {
        let (actor, _) = Actor::start("sleeper-t", |link| {
            setup()?;
            let mut all = Vec::new();
            for _ in 0..threads {
                all.push(
                    std::thread::Builder::new()
                        .stack_size(64 << 10)
                        .spawn(|| sys::sleep_for_ever())
                        .context("a sleeping thread")?,
                );
            }
            loop {
                link.step();
            }
        })?;
        Ok(Self {
            actor: Some(actor),
            pids: Vec::new(),
        })
    }

    /// The process that has the threads.
    pub(crate) fn pid(&self) -> Option<i32> {
        self.actor.as_ref().map(Actor::pid)
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        for pid in &self.pids {
            sys::kill(*pid, Signal::KILL);
        }
        for pid in &self.pids {
            sys::reap(*pid);
        }
    }
}

/// Forks sleepers until it is refused; the sleepers' pids and the refusal.
pub(crate) fn fill(kind: Kind, at_most: usize) -> (Vec<i32>, Option<Attempt>) {
    let copy = match kind {
        Kind::Fork => arch::copy_by_fork,
        _ => create::copy,
    };
    let (pids, errno) = sleeper::fill_by(copy, at_most);
    let refused = (errno != 0).then(|| Attempt::of(kind, errno));
    (pids, refused)
}
