//! Actors of the scenarios: what they report, and those whose steps are attempts.

use anyhow::Result;
use forktrace::provoke::actor;

use crate::attempt::{Attempt, Kind, attempts};

pub(crate) use forktrace::provoke::actor::PATIENCE;

/// A child process under a scenario's direction.
pub(crate) type Actor = actor::Actor<Report, anyhow::Error>;
/// Its end.
pub(crate) type Link = actor::Link<Report>;

/// What an actor reports at a step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub attempts: Vec<Attempt>,
    pub numbers: Vec<u64>,
}

impl From<Vec<Attempt>> for Report {
    fn from(attempts: Vec<Attempt>) -> Self {
        Self {
            attempts,
            numbers: Vec::new(),
        }
    }
}

impl From<Vec<u64>> for Report {
    fn from(numbers: Vec<u64>) -> Self {
        Self {
            attempts: Vec::new(),
            numbers,
        }
    }
}

const KINDS: &[Kind] = &[
    Kind::Fork,
    Kind::Vfork,
    Kind::CloneProcess,
    Kind::CloneThread,
    Kind::Clone3,
    Kind::Clone3Thread,
    Kind::Execve,
    Kind::Execveat,
    Kind::Fork32,
    Kind::Vfork32,
    Kind::Execve32,
    Kind::StackMmap,
    Kind::StackMprotect,
];

/// The number of attempts, each by its kind, thread and errno, then the numbers.
impl actor::Report for Report {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend((self.attempts.len() as u32).to_le_bytes());
        for a in &self.attempts {
            let kind = KINDS.iter().position(|k| *k == a.kind).unwrap_or(0);
            bytes.push(kind as u8);
            bytes.extend(a.tid.to_le_bytes());
            bytes.extend(a.errno.to_le_bytes());
        }
        bytes.extend(self.numbers.to_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut at = Cursor(bytes);
        let count = u32::from_le_bytes(at.take()?);
        let mut attempts = Vec::new();
        for _ in 0..count {
            let [kind] = at.take()?;
            attempts.push(Attempt {
                kind: *KINDS.get(usize::from(kind))?,
                tid: i32::from_le_bytes(at.take()?),
                errno: i32::from_le_bytes(at.take()?),
            });
        }
        Some(Self {
            attempts,
            numbers: Vec::from_bytes(at.0)?,
        })
    }
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }
}

/// An actor whose next step is a number of attempts.
pub(crate) struct Prober {
    pub actor: Actor,
    /// What `setup` answered.
    pub numbers: Vec<u64>,
}

impl Prober {
    /// Starts one; `setup` runs in it first.
    pub(crate) fn start(
        comm: &str,
        kind: Kind,
        count: u32,
        setup: impl FnOnce() -> Result<Vec<u64>>,
    ) -> Result<Self> {
        let (actor, report) = Actor::start(comm, |link| {
            let numbers = setup()?;
            link.ready(numbers);
            loop {
                link.ready(attempts(kind, count));
            }
        })?;
        Ok(Self {
            actor,
            numbers: report.numbers,
        })
    }

    /// Makes the attempts.
    pub(crate) fn fire(&mut self) -> Result<Vec<Attempt>> {
        Ok(self.actor.go()?.attempts)
    }
}
