//! Sums of what was counted, and the few rows of them that are kept.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::Hash;

use super::postgres::Backends;
use super::proc::{Proc, Process};
use super::scope::Fill;
use crate::host::passwd::Passwd;
use crate::model::{Holder, HolderKind};
use crate::order::Order as _;

/// Names that are summed at most: a fork bomb can call each of its tasks
/// otherwise, and forktrace doesn't grow with it.
pub(super) const NAMES: usize = 4096;

/// Parents of one program's zombies that are told apart.
const PARENTS: usize = 64;

/// Rows of each kind at most.
const PROGRAMS: usize = 5;
const PROCESSES: usize = 2;
const OTHERS: usize = 3;

/// A process has a row of its own from this many threads on.
const MANY_THREADS: u64 = 10;

/// How the kernel's own threads are called together.
const KERNEL_THREADS: &str = "kernel threads";

/// What somebody holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    /// Without zombies.
    pub tasks: u64,
    pub zombies: u64,
    pub bytes: u64,
}

impl Amount {
    pub(super) fn add(&mut self, other: Self) {
        self.tasks += other.tasks;
        self.zombies += other.zombies;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    fn fills(self, fill: Fill) -> u64 {
        match fill {
            Fill::Tasks => self.tasks + self.zombies,
            Fill::Resident | Fill::Private => self.bytes,
        }
    }
}

#[derive(Debug, Default)]
struct Program {
    amount: Amount,
    /// Those that live.
    processes: u64,
    /// The last of them.
    pid: u32,
    backends: Backends,
    /// Who doesn't reap its zombies, and how many.
    parents: Vec<(u32, u64)>,
    kernel: bool,
}

/// The sums.
#[derive(Debug)]
pub(super) struct Tally {
    fill: Fill,
    living: Option<u32>,
    all: Amount,
    programs: HashMap<String, Program>,
    /// The largest processes, largest first.
    processes: Vec<(Amount, u32, String)>,
    cgroups: HashMap<String, Amount>,
    users: HashMap<u32, Amount>,
}

impl Tally {
    /// `living`: a process that lived when the limit refused.
    pub(super) fn new(fill: Fill, living: Option<u32>) -> Self {
        Self {
            fill,
            living,
            all: Amount::default(),
            programs: HashMap::new(),
            processes: Vec::new(),
            cgroups: HashMap::new(),
            users: HashMap::new(),
        }
    }

    /// Everything so far.
    pub(super) fn all(&self) -> Amount {
        self.all
    }

    /// Adds a process of which `tasks` tasks count. `title`: what it says of
    /// itself, if it is one of PostgreSQL's.
    pub(super) fn add(&mut self, process: &Process, tasks: u64, title: Option<&[u8]>) -> Amount {
        // The one that was refused, and a command that forktrace runs and is about to reap, have ended
        // since.
        let ended_since = self.living == Some(process.pid) || process.ppid == std::process::id();
        let zombie = process.is_zombie() && !ended_since;
        let amount = Amount {
            tasks: match process.is_zombie() {
                true if zombie => 0,
                true => tasks.max(1),
                false => tasks,
            },
            zombies: u64::from(zombie),
            bytes: match self.fill {
                Fill::Tasks => 0,
                Fill::Resident => process.resident,
                Fill::Private => process.private,
            },
        };
        self.all.add(amount);
        if let Some(user) = entry(&mut self.users, &process.uid) {
            user.add(amount);
        }
        let kernel = process.kernel;
        let name = if kernel {
            KERNEL_THREADS
        } else {
            &process.comm
        };
        if let Some(program) = entry(&mut self.programs, name) {
            program.kernel = kernel;
            program.amount.add(amount);
            if zombie {
                program.orphan(process.ppid);
            } else {
                program.processes += 1;
                program.pid = process.pid;
            }
            if let Some(title) = title {
                program.backends.add(title);
            }
        }
        if !kernel && amount.fills(self.fill) > 0 {
            self.keep_large(amount, process);
        }
        amount
    }

    /// Adds to a cgroup's sum.
    pub(super) fn add_to_cgroup(&mut self, path: &str, amount: Amount) {
        if let Some(cgroup) = entry(&mut self.cgroups, path) {
            cgroup.add(amount);
        }
    }

    fn keep_large(&mut self, amount: Amount, process: &Process) {
        let size = amount.fills(self.fill);
        let fill = self.fill;
        let at = self
            .processes
            .partition_point(|(other, ..)| other.fills(fill) >= size);
        if at < PROCESSES {
            let row = (amount, process.pid, process.comm.clone());
            self.processes.insert(at, row);
            self.processes.truncate(PROCESSES);
        }
    }

    /// The rows: programs, then processes, cgroups and users where they say
    /// more; the largest of each first. One cgroup says more where it is another than `home`.
    pub(super) fn rows(
        mut self,
        proc: &mut Proc,
        passwd: &Passwd,
        home: Option<&str>,
    ) -> Vec<Holder> {
        let fill = self.fill;
        let large = std::mem::take(&mut self.processes);
        let large = large.into_iter().filter(|(amount, _, comm)| {
            let of_several = self.programs.get(comm).is_none_or(|p| p.processes > 1);
            let enough = fill != Fill::Tasks || amount.tasks >= MANY_THREADS;
            of_several && enough && amount.fills(fill) >= self.all.fills(fill).div_ceil(4)
        });
        let large: Vec<_> = large
            .map(|(amount, pid, comm)| {
                row(
                    HolderKind::Process,
                    comm,
                    amount,
                    fill,
                    Some(format!("pid {pid}")),
                )
            })
            .collect();

        let programs = largest(self.programs, PROGRAMS, |p| p.amount.fills(fill));
        let mut rows: Vec<Holder> = programs
            .into_iter()
            .map(|(name, program)| {
                let kind = if program.kernel {
                    HolderKind::Kernel
                } else {
                    HolderKind::Program
                };
                let detail = program.detail(proc);
                Holder {
                    idle: program.backends.idle(),
                    ..row(kind, name, program.amount, fill, detail)
                }
            })
            .collect();
        rows.extend(large);
        let elsewhere = home.is_some_and(|home| !self.cgroups.contains_key(home));
        if self.cgroups.len() > 1 || elsewhere {
            let cgroups = largest(self.cgroups, OTHERS, |amount| amount.fills(fill));
            let cgroups = cgroups.into_iter();
            rows.extend(
                cgroups.map(|(path, amount)| row(HolderKind::Cgroup, path, amount, fill, None)),
            );
        }
        if self.users.len() > 1 {
            let users = largest(self.users, OTHERS, |amount| amount.fills(fill));
            rows.extend(users.into_iter().map(|(uid, amount)| {
                let name = passwd.name(uid).unwrap_or_else(|| format!("uid {uid}"));
                row(HolderKind::User, name, amount, fill, None)
            }));
        }
        rows
    }
}

impl Program {
    fn orphan(&mut self, parent: u32) {
        if let Some((_, count)) = self.parents.iter_mut().find(|(of, _)| *of == parent) {
            *count += 1;
        } else if self.parents.len() < PARENTS {
            self.parents.push((parent, 1));
        }
    }

    /// "91 idle, 2 active; zombies of pid 812 nginx".
    fn detail(&self, proc: &mut Proc) -> Option<String> {
        let mut parts = Vec::new();
        parts.extend(self.backends.words());
        match self.processes {
            0 => {}
            _ if self.kernel => {}
            1 if self.amount.tasks > 1 => parts.push(format!("pid {}", self.pid)),
            n if n < self.amount.tasks => parts.push(format!("in {n} processes")),
            _ => {}
        }
        let first = self.parents.iter().max_by_key(|(_, count)| *count);
        if let Some((parent, count)) = first {
            let mut text = format!("zombies of pid {parent}");
            if let Some(process) = proc.status(*parent) {
                let _ = write!(text, " {}", process.comm);
            }
            let others = self.amount.zombies - count;
            if others > 0 {
                let _ = write!(text, ", {others} of others");
            }
            parts.push(text);
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

fn row(
    kind: HolderKind,
    name: String,
    amount: Amount,
    fill: Fill,
    detail: Option<String>,
) -> Holder {
    Holder {
        kind,
        name,
        tasks: amount.tasks,
        zombies: amount.zombies,
        bytes: (fill != Fill::Tasks).then_some(amount.bytes),
        idle: None,
        detail,
    }
}

/// The value of a key, new if it has to be; `None` when there are too many.
fn entry<'a, K, Q, V>(map: &'a mut HashMap<K, V>, key: &Q) -> Option<&'a mut V>
where
    K: Eq + Hash + Borrow<Q>,
    Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    V: Default,
{
    if !map.contains_key(key) {
        if map.len() >= NAMES {
            return None;
        }
        map.insert(key.to_owned(), V::default());
    }
    map.get_mut(key)
}

/// The entries with the largest sizes, of those that have any.
fn largest<K: Ord, V>(map: HashMap<K, V>, most: usize, size: impl Fn(&V) -> u64) -> Vec<(K, V)> {
    let mut all: Vec<_> = map.into_iter().filter(|(_, v)| size(v) > 0).collect();
    all.order_by(|(a, x), (b, y)| size(y).cmp(&size(x)).then_with(|| a.cmp(b)));
    all.truncate(most);
    all
}
