//! Worlds: what a phase sets up, and who is refused in it. Everything is drawn from the seed.
//!
//! A world says what it knows by its own construction ([`Stage::note`]). That is compared with the
//! oracle where both know, and stands in for it where the oracle leaves it open. In a `race` something
//! changes while tasks are created, and only the oracle is asked.

mod cgroups;
mod crowd;
mod flips;
mod memory;
mod mixture;
mod namespaces;
mod others;
mod users;

use std::any::Any;
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use forktrace::provoke::sys::{self, Resource};

use super::clock;
use super::rng::Rng;
use crate::actor::Actor;
use crate::attempt::{Kind, attempt};
use crate::cgroup::{Cgroup, Tree};
use crate::scenario::Place;

/// What is to stand until forktrace has reported everything; dropped in this order.
pub(super) type Keep = Vec<Box<dyn Any>>;

/// One kind of world.
pub(super) struct World {
    pub name: &'static str,
    /// How often it comes up, beside the others.
    pub weight: u64,
    pub play: fn(&mut Stage<'_>) -> Result<Keep>,
}

/// For a note about whoever is refused.
pub(super) const ANYONE: i32 = 0;

pub(super) const WORLDS: &[World] = &[
    World {
        name: "into another cgroup",
        weight: 1,
        play: cgroups::into_another,
    },
    World {
        name: "waiting threads",
        weight: 2,
        play: crowd::waiting,
    },
    World {
        name: "ids around a namespace",
        weight: 1,
        play: namespaces::outer_ids,
    },
    World {
        name: "refused before",
        weight: 1,
        play: memory::before,
    },
    World {
        name: "nested cgroups",
        weight: 4,
        play: cgroups::nested,
    },
    World {
        name: "moved",
        weight: 3,
        play: cgroups::moved,
    },
    World {
        name: "mixture",
        weight: 4,
        play: mixture::play,
    },
    World {
        name: "users",
        weight: 3,
        play: users::play,
    },
    World {
        name: "user namespaces",
        weight: 2,
        play: users::namespaces,
    },
    World {
        name: "flips",
        weight: 4,
        play: flips::play,
    },
    World {
        name: "crowd",
        weight: 3,
        play: crowd::play,
    },
    World {
        name: "many processes",
        weight: 2,
        play: crowd::many,
    },
    World {
        name: "dead pid namespace",
        weight: 1,
        play: namespaces::dead,
    },
    World {
        name: "ids of a namespace",
        weight: 1,
        play: namespaces::own_ids,
    },
    World {
        name: "ids of the host",
        weight: 1,
        play: namespaces::host_ids,
    },
    World {
        name: "security module",
        weight: 1,
        play: others::security_module,
    },
    World {
        name: "deadline",
        weight: 1,
        play: others::deadline,
    },
    World {
        name: "exec",
        weight: 1,
        play: others::exec,
    },
    World {
        name: "overcommit",
        weight: 2,
        play: memory::overcommit,
    },
    World {
        name: "memory cgroup",
        weight: 2,
        play: memory::full,
    },
];

/// What a world says of the refusals of a process from a moment on.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub process: u32,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub from: u64,
    pub cause: Option<&'static str>,
    pub owner: Option<String>,
}

/// Where a phase plays.
pub(super) struct Stage<'a> {
    pub rng: Rng,
    pub place: &'a Place,
    /// Paths by kernfs id, of every cgroup that was made.
    pub paths: &'a mut HashMap<u64, String>,
    pub race: bool,
    pub notes: Vec<Note>,
    /// Cgroups that have, or had, a pids.max.
    pub limited: BTreeSet<String>,
    /// Real uids by process.
    pub uids: HashMap<u32, u32>,
    next_uid: &'a mut u32,
}

impl<'a> Stage<'a> {
    pub(super) fn new(
        rng: Rng,
        place: &'a Place,
        paths: &'a mut HashMap<u64, String>,
        next_uid: &'a mut u32,
    ) -> Self {
        Self {
            rng,
            place,
            paths,
            race: false,
            notes: Vec::new(),
            limited: BTreeSet::new(),
            uids: HashMap::new(),
            next_uid,
        }
    }

    /// A uid that has no tasks.
    pub(super) fn uid(&mut self) -> u32 {
        *self.next_uid += 1;
        *self.next_uid
    }

    /// A tree of cgroups.
    pub(super) fn tree(&mut self, name: &str) -> Result<Tree> {
        let tree = self.place.cgroups.tree(name)?;
        self.know(&tree.top())?;
        Ok(tree)
    }

    /// Cgroups one within the other, from the tree's top down, `depth` of them below it.
    pub(super) fn chain(&mut self, tree: &Tree, prefix: &str, depth: u64) -> Result<Vec<Cgroup>> {
        let mut all = vec![tree.top()];
        let mut names: Vec<String> = Vec::new();
        for n in 1..=depth {
            names.push(format!("{prefix}{n}"));
            let cgroup = tree.at(&names)?;
            self.know(&cgroup)?;
            all.push(cgroup);
        }
        Ok(all)
    }

    fn know(&mut self, cgroup: &Cgroup) -> Result<()> {
        self.paths.insert(cgroup.id()?, cgroup.shown());
        Ok(())
    }

    /// Sets pids.max.
    pub(super) fn limit(&mut self, cgroup: &Cgroup, tasks: u64) -> Result<()> {
        self.limited.insert(cgroup.shown());
        Ok(cgroup.limit(tasks)?)
    }

    /// From now on the process is refused for this.
    pub(super) fn note(&mut self, process: i32, cause: &'static str, owner: Option<String>) {
        self.notes.push(Note {
            process: process as u32,
            from: clock::monotonic(),
            cause: Some(cause),
            owner,
        });
    }

    /// From now on nothing is known of the process's refusals.
    pub(super) fn unknown(&mut self, process: i32) {
        self.notes.push(Note {
            process: process as u32,
            from: clock::monotonic(),
            cause: None,
            owner: None,
        });
    }

    pub(super) fn kind(&mut self) -> Kind {
        *self.rng.pick(Kind::EVERY)
    }

    /// A burst of any kind of creation.
    pub(super) fn burst(&mut self, most: u32) -> Burst {
        // Few, each with a record of its own, and many, that are repeats for the most part.
        let most = if self.rng.chance(50) {
            most.min(14)
        } else {
            most
        };
        Burst {
            kind: self.kind(),
            count: self.rng.between(1, u64::from(most)) as u32,
            pause: 0,
        }
    }
}

/// Attempts one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Burst {
    pub kind: Kind,
    pub count: u32,
    /// Microseconds between two of them.
    pub pause: u64,
}

impl Burst {
    /// How many were refused.
    pub(super) fn play(self) -> u64 {
        let mut refused = 0;
        for _ in 0..self.count {
            refused += u64::from(attempt(self.kind).errno != 0);
            if self.pause > 0 {
                std::thread::sleep(Duration::from_micros(self.pause));
            }
        }
        refused
    }
}

/// A process that has done `setup` and plays a burst at each word.
pub(super) fn caller(
    comm: &str,
    plan: &[Burst],
    setup: impl FnOnce() -> Result<Vec<u64>>,
) -> Result<(Actor, Vec<u64>)> {
    let (actor, report) = Actor::start(comm, |link| {
        link.ready(setup()?);
        for burst in plan {
            link.ready(vec![burst.play()]);
        }
        Ok(())
    })?;
    Ok((actor, report.numbers))
}

/// Lets the callers play one burst at once, and does `disturb` over and over until all are done.
pub(super) fn meanwhile(
    callers: &mut [Actor],
    mut disturb: impl FnMut() -> Result<()>,
) -> Result<u64> {
    for caller in callers.iter_mut() {
        caller.send()?;
    }
    let end = Instant::now() + Duration::from_secs(50);
    let mut refused = 0;
    for caller in callers.iter_mut() {
        while !caller.has_answered() {
            disturb()?;
            anyhow::ensure!(
                Instant::now() < end,
                "{} is not done in time",
                caller.comm()
            );
        }
        refused += caller.hear()?.numbers.first().copied().unwrap_or(0);
    }
    Ok(refused)
}

/// RLIMIT_NPROC of another process: its soft limit.
pub(super) fn limit_of(pid: i32, soft: u64) -> Result<()> {
    let limited = sys::limit_of(pid, Resource::Nproc, soft, sys::INFINITY);
    limited.context("RLIMIT_NPROC of a caller")
}

/// Moves a process into a cgroup.
pub(super) fn move_to(cgroup: &Cgroup, pid: i32) -> Result<()> {
    let file = cgroup.dir.join("cgroup.procs");
    std::fs::write(&file, pid.to_string())
        .with_context(|| format!("write {pid} to {}", file.display()))
}

/// The smallest kernel.threads-max: fewer than any machine has.
pub(super) const NO_THREADS: u64 = 20;
