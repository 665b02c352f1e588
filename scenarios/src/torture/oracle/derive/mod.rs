//! From what the checks of one creation answered to which of them refused it.
//!
//! The checks of `copy_process()` come one after the other and the first that refuses ends it: so the
//! last one that was reached, and what it answered, is the refusal. Where the answer can't be seen
//! (an inlined function, a value that wasn't read) the refusal is undecided, never guessed.

#[cfg(test)]
mod tests;

use super::line::Event;
use crate::arch::page;

/// Below zero and above this a pointer is an errno (`IS_ERR`, include/linux/err.h).
const LEAST_ERRNO: i64 = -4095;
/// PIDNS_ADDING (include/linux/pid_namespace.h): the namespace takes new ids.
const ADDING: u64 = 1 << 31;
/// RESERVED_PIDS (kernel/pid.c).
const RESERVED: u64 = 300;

/// Whose limit it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// By its kernfs id.
    Cgroup(u64),
    /// The one below or at which the limit is: the kernel named the forking cgroup only.
    Above(u64),
    Uid(u32),
    /// By its inode number.
    UserNamespace(u64),
    PidNamespace(u64),
    Host,
}

/// A creation that failed with EAGAIN or ENOMEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub tid: u32,
    /// Its process; filled in by who knows.
    pub process: u32,
    /// CLOCK_MONOTONIC, nanoseconds, of the entry and the return.
    pub begin: u64,
    pub end: u64,
    pub errno: i32,
    /// `None`: undecided.
    pub cause: Option<&'static str>,
    pub owner: Option<Owner>,
    /// The limit's value and use, as the check had them.
    pub value: Option<u64>,
    pub usage: Option<u64>,
    /// For people: what was seen.
    pub seen: String,
}

/// What an event leads to.
pub(crate) enum Seen {
    Nothing,
    /// A creation succeeded.
    Born {
        tid: u32,
        process: u32,
    },
    Refused(Box<Refusal>),
    /// It failed with another errno, or was cut short.
    Other,
}

/// One creation, as far as it has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    began: Option<u64>,
    new_user_ns: bool,
    tasks: Option<(i64, i64)>,
    creds: Option<i64>,
    over_in: Option<Event>,
    over: Option<bool>,
    capable: Vec<bool>,
    sched: Option<i64>,
    lsm: Option<i64>,
    overcommitted: Option<i64>,
    killed: bool,
    pid_in: Option<Event>,
    pid: Option<i64>,
    in_pids: bool,
    refuser: Option<Event>,
    pids: Option<i64>,
    can: Option<i64>,
    oom_in: Option<Event>,
    /// A memory cgroup's OOM killer found nobody, and no check has passed since.
    out_of_memory: Option<Event>,
}

impl Story {
    /// The next event of the task. `has_overlimit`: RLIMIT_NPROC's check can be seen.
    pub(crate) fn take(&mut self, event: &Event, has_overlimit: bool) -> Seen {
        if event.name == "begin" {
            *self = Self {
                began: Some(event.time),
                new_user_ns: event
                    .value("flags")
                    .is_some_and(|flags| flags & i64::from(libc::CLONE_NEWUSER) != 0),
                tasks: event.value("tasks").zip(event.value("most")),
                ..Self::default()
            };
            return Seen::Nothing;
        }
        if event.name == "born" {
            let born = event.unsigned("pid").zip(event.unsigned("tgid"));
            return born.map_or(Seen::Nothing, |(tid, process)| Seen::Born {
                tid: tid as u32,
                process: process as u32,
            });
        }
        // Checks are asked elsewhere too: execve, mmap, page faults.
        let Some(began) = self.began else {
            return Seen::Nothing;
        };
        let ret = event.value("ret");
        match event.name.as_str() {
            "creds" => self.creds = ret,
            "over_in" => self.over_in = Some(event.clone()),
            "over" => {
                self.over = ret.map(|n| n != 0);
                // What was asked before had nothing to do with it.
                self.capable.clear();
            }
            "capable" => self.capable.push(ret.is_some_and(|n| n != 0)),
            "sched" => self.sched = self.passed(ret),
            "lsm" => self.lsm = self.passed(ret),
            "vm" if ret == Some(-i64::from(libc::ENOMEM)) => {
                self.overcommitted = Some(event.value("pages").unwrap_or(0));
            }
            "mmap" => self.killed |= ret == Some(-i64::from(libc::EINTR)),
            "pid_in" => self.pid_in = Some(event.clone()),
            "pid" => {
                let errno = ret.filter(|n| (LEAST_ERRNO..0).contains(n)).unwrap_or(0);
                self.pid = self.passed(ret.map(|_| errno));
            }
            "pids_in" => self.in_pids = true,
            "refuser" if self.in_pids && self.pids.is_none() && self.refuser.is_none() => {
                self.refuser = Some(event.clone());
            }
            "pids" => self.pids = ret,
            "can" => self.can = self.passed(ret),
            "oom_in" => self.oom_in = Some(event.clone()),
            "oom" => {
                self.out_of_memory = match ret {
                    Some(0) => self.oom_in.take(),
                    _ => None,
                }
            }
            "end" => return std::mem::take(self).end(event, began, has_overlimit),
            _ => {}
        }
        Seen::Nothing
    }

    /// A check that has let the creation pass: what had been refused on the way was no matter.
    fn passed(&mut self, ret: Option<i64>) -> Option<i64> {
        if ret == Some(0) {
            self.out_of_memory = None;
        }
        ret
    }

    fn end(self, event: &Event, began: u64, has_overlimit: bool) -> Seen {
        let Some(ret) = event.value("ret") else {
            return Seen::Nothing;
        };
        if !(LEAST_ERRNO..0).contains(&ret) {
            return Seen::Nothing;
        }
        let errno = -ret as i32;
        if self.killed || (errno != libc::EAGAIN && errno != libc::ENOMEM) {
            return Seen::Other;
        }
        let mut refusal = Refusal {
            tid: event.tid,
            process: event.tid,
            begin: began,
            end: event.time,
            errno,
            cause: None,
            owner: None,
            value: None,
            usage: None,
            seen: self.words(),
        };
        if errno == libc::EAGAIN {
            self.again(&mut refusal, has_overlimit);
        } else {
            self.no_memory(&mut refusal);
        }
        Seen::Refused(Box::new(refusal))
    }

    fn again(&self, refusal: &mut Refusal, has_overlimit: bool) {
        let refused = |answer: Option<i64>| answer.is_some_and(|n| n < 0);
        if self.sched.is_none() {
            return self.early(refusal, has_overlimit);
        }
        refusal.cause = if refused(self.sched) {
            Some("sched_deadline")
        } else if refused(self.lsm) {
            Some("lsm")
        } else if self.lsm.is_none() {
            // perf_event_init_task() and audit_alloc(): neither can be seen.
            None
        } else if self.pid_in.is_none() && self.pid.is_none() {
            // copy_fs() is all that answers EAGAIN between the two.
            Some("exec_in_progress")
        } else if refused(self.pid) {
            refusal.owner = self.full_pid_namespace();
            Some("pid_max")
        } else if refused(self.pids) {
            self.full_cgroup(refusal);
            Some("cgroup_pids_max")
        } else if self.can == Some(0) {
            Some("sched_ext")
        } else {
            None
        };
    }

    /// RLIMIT_NPROC, then threads-max: both before sched_fork().
    fn early(&self, refusal: &mut Refusal, has_overlimit: bool) {
        let exempt = match self.capable[..] {
            // Not asked: the root user. Any yes: a capability.
            [] => true,
            ref asked => asked.iter().any(|&yes| yes),
        };
        let by_user = if has_overlimit {
            match self.over {
                Some(over) => over && !exempt,
                // copy_creds() comes before and may fail.
                None => return,
            }
        } else if self.creds.is_some_and(|ret| ret < 0) {
            return;
        } else {
            // 5.10: copy_creds() follows the check.
            self.creds.is_none()
        };
        if by_user {
            refusal.cause = Some("rlimit_nproc");
            self.full_user(refusal);
        } else {
            refusal.cause = Some("threads_max");
            refusal.owner = Some(Owner::Host);
            refusal.value = self.tasks.map(|(_, most)| most as u64);
        }
    }

    /// Which level of the user namespaces is over its limit: decided where one alone is.
    fn full_user(&self, refusal: &mut Refusal) {
        let Some(at) = &self.over_in else {
            return;
        };
        let mut limit = at.unsigned("lim");
        let mut owner = at.unsigned("u0").map(|uid| Owner::Uid(uid as u32));
        let mut over = Vec::new();
        for level in 0.. {
            let Some(count) = at.unsigned(&format!("c{level}")) else {
                break;
            };
            // Without a namespace above, the rest reads as nothing.
            let Some(namespace) = at.unsigned(&format!("n{level}")).filter(|n| *n != 0) else {
                break;
            };
            if let (Some(limit), Some(owner)) = (limit, owner)
                && count > limit
            {
                over.push((owner, limit, count));
            }
            limit = at.unsigned(&format!("m{level}"));
            owner = if level == 0 && self.new_user_ns {
                // The bound of the namespace that was to be made is the limit of the caller
                // (kernel/user_namespace.c `create_user_ns`, `enforced_nproc_rlimit`).
                at.unsigned("u1").map(|uid| Owner::Uid(uid as u32))
            } else {
                Some(Owner::UserNamespace(namespace))
            };
        }
        if let [(owner, limit, count)] = &over[..] {
            refusal.owner = Some(owner.clone());
            refusal.value = Some(*limit);
            // The new task is counted already.
            refusal.usage = Some(count - 1);
        } else if let Some((owner, limit, count)) = over.first()
            && over.len() > 1
        {
            // The walk begins at the innermost, and ends at the first that is over.
            refusal.owner = Some(owner.clone());
            refusal.value = Some(*limit);
            refusal.usage = Some(count - 1);
        }
    }

    /// A namespace that has no id left has at least as many in use as can be given: decided where
    /// that is so of one level alone.
    fn full_pid_namespace(&self) -> Option<Owner> {
        let levels = self.pid_levels();
        if levels.last()?.level > 0 {
            return None;
        }
        let mut full = levels
            .iter()
            .filter(|level| level.used + RESERVED >= level.most);
        match (full.next(), full.next()) {
            (Some(level), None) => Some(level.owner()),
            _ => None,
        }
    }

    /// From the innermost outwards, as far as they were read.
    fn pid_levels(&self) -> Vec<PidLevel> {
        let mut levels: Vec<PidLevel> = Vec::new();
        let Some(at) = &self.pid_in else {
            return levels;
        };
        while levels.last().is_none_or(|last| last.level > 0) {
            let n = levels.len();
            let read = |name: &str| at.unsigned(&format!("{name}{n}"));
            let (Some(level), Some(ids), Some(most), Some(inum)) =
                (read("l"), read("a"), read("m"), read("i"))
            else {
                break;
            };
            levels.push(PidLevel {
                used: ids & !ADDING,
                dead: ids & ADDING == 0,
                most,
                inum,
                level,
            });
        }
        levels
    }

    fn full_cgroup(&self, refusal: &mut Refusal) {
        // What couldn't be read (a page that isn't there) is zeroes: no cgroup has that id.
        let known = |at: &&Event| at.unsigned("id").is_some_and(|id| id != 0);
        let Some(at) = self.refuser.as_ref().filter(known) else {
            return;
        };
        let id = at.unsigned("id");
        if at.value("m").is_some() {
            refusal.owner = id.map(Owner::Cgroup);
            refusal.value = at.unsigned("m");
            refusal.usage = at.unsigned("c");
        } else {
            refusal.owner = id.map(Owner::Above);
        }
    }

    fn no_memory(&self, refusal: &mut Refusal) {
        let refused = |answer: Option<i64>| answer.is_some_and(|n| n < 0);
        if let Some(at) = &self.out_of_memory {
            refusal.cause = Some("cgroup_memory_max");
            refusal.owner = at.unsigned("id").map(Owner::Cgroup);
            refusal.value = at.unsigned("m").map(|pages| pages * page() as u64);
        } else if self.overcommitted.is_some() {
            refusal.cause = Some("overcommit");
            refusal.owner = Some(Owner::Host);
        } else if refused(self.lsm) {
            refusal.cause = Some("lsm");
        } else if refused(self.pid) {
            // 7.x asks every level, from the outermost; before that only the innermost is asked.
            let levels = self.pid_levels();
            let mut dead = levels.iter().filter(|level| level.dead);
            if let Some(level) = dead.next() {
                refusal.cause = Some("pid_namespace_dead");
                refusal.owner = dead.next().is_none().then(|| level.owner());
            }
        }
    }

    fn words(&self) -> String {
        let mut text = String::new();
        let mut say = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                text += &format!(" {name}={value}");
            }
        };
        let number = |n: Option<i64>| n.map(|n| n.to_string());
        let inside = |event: &Option<Event>| {
            event.as_ref().map(|event| {
                let mut all: Vec<_> = event.values.iter().collect();
                all.sort();
                let all: Vec<_> = all.iter().map(|(name, n)| format!("{name}:{n}")).collect();
                format!("[{}]", all.join(" "))
            })
        };
        say("copy_creds", number(self.creds));
        say(
            "overlimit",
            self.over.map(|over| format!("{over} {:?}", self.capable)),
        );
        say("nproc", inside(&self.over_in));
        say("tasks", self.tasks.map(|(n, most)| format!("{n}/{most}")));
        say("sched_fork", number(self.sched));
        say("task_alloc", number(self.lsm));
        say("vm_enough_pages", number(self.overcommitted));
        say("pid_levels", inside(&self.pid_in));
        say("alloc_pid", number(self.pid));
        say("pids_can_fork", number(self.pids));
        say("refuser", inside(&self.refuser));
        say("cgroup_can_fork", number(self.can));
        say("oom", inside(&self.out_of_memory));
        text.trim_start().to_owned()
    }
}

struct PidLevel {
    used: u64,
    dead: bool,
    most: u64,
    inum: u64,
    level: u64,
}

impl PidLevel {
    fn owner(&self) -> Owner {
        if self.level == 0 {
            Owner::Host
        } else {
            Owner::PidNamespace(self.inum)
        }
    }
}
