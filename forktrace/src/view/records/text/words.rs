//! What is said of a failure, a kill and a limit, as parts of lines. Names are made harmless.

use std::fmt::Write as _;

use crate::{
    model::{Limit, Operation, amount, clean, program_and_thread},
    record::{Failure, OomKill},
};

/// "java (http-nio-8080-e)[812]".
pub(super) fn name(f: &Failure) -> String {
    let name = program_and_thread(f.caller.program(), &f.caller.comm);
    format!("{}[{}]", clean(&name), f.caller.pid)
}

/// What failures of one group have in common: the limit, or the cause and where.
pub(super) fn group_title(f: &Failure) -> String {
    match (&f.limit, &f.cgroup.path) {
        (Some(limit), _) => title(limit),
        (None, Some(path)) if f.cause.is_unknown() => {
            format!("cause unknown, in {}", clean(path))
        }
        (None, Some(path)) => format!("{} in {}", f.cause.id(), clean(path)),
        (None, None) => f.cause.id().to_owned(),
    }
}

pub(super) fn what(f: &Failure) -> String {
    let operation = match f.operation {
        Operation::Process => "process",
        Operation::Thread => "thread",
        // By a call of another name: one bracket holds both.
        Operation::Vfork => match &f.syscall {
            Some(call) if call != "vfork" => {
                return format!("process (vfork, {})", clean(call));
            }
            _ => "process (vfork)",
        },
        Operation::Exec => "program",
        Operation::KernelThread => "kernel thread",
        Operation::IoWorker => "io_uring worker",
        Operation::ThreadStack => "thread stack",
    };
    match &f.syscall {
        Some(call) if call != "vfork" => format!("{operation} ({})", clean(call)),
        _ => operation.to_owned(),
    }
}

/// "postgres (uid 112)".
pub(super) fn who_it_is(f: &Failure) -> String {
    let c = &f.caller;
    match &c.user {
        Some(user) => format!("{} (uid {})", clean(user), c.uid),
        None => format!("uid {}", c.uid),
    }
}

pub(super) fn who(f: &Failure) -> String {
    let c = &f.caller;
    let mut who = who_it_is(f);
    if c.tid != c.pid {
        let _ = write!(who, ", thread {}", c.tid);
    }
    let _ = write!(who, ", child of {}", c.ppid);
    if let Some(exe) = &c.exe {
        let _ = write!(who, ", {}", clean(exe));
    }
    if let Some(unit) = &f.cgroup.unit {
        let _ = write!(who, ", unit {}", clean(unit));
    }
    if let Some(container) = &f.cgroup.container {
        let short: String = container.chars().take(12).collect();
        let _ = match &f.cgroup.container_name {
            Some(name) => write!(who, ", container {} ({})", clean(name), clean(&short)),
            None => write!(who, ", container {}", clean(&short)),
        };
    }
    if let Some(pod) = &f.cgroup.pod {
        // Its uid is in the cgroup's path.
        let _ = match (&f.cgroup.namespace, &f.cgroup.pod_name) {
            (Some(namespace), Some(name)) => {
                write!(who, ", pod {}/{}", clean(namespace), clean(name))
            }
            _ => write!(who, ", pod {}", clean(pod)),
        };
        if let Some(qos) = f.cgroup.qos {
            let _ = write!(who, " ({qos:?})");
        }
    }
    who
}

/// "postgres (pid 812) in /x, by memory.max of /x (64 MiB, in use 64 MiB)".
pub(super) fn oom_line(k: &OomKill) -> String {
    let mut line = format!("{} (pid {})", clean(&k.victim.comm), k.victim.pid);
    if let Some(path) = &k.cgroup.path {
        let _ = write!(line, " in {}", clean(path));
    }
    match (&k.constraint, &k.limit) {
        (_, Some(limit)) => {
            let _ = write!(line, ", by {}", title(limit));
            if let (Some(value), Some(usage)) = (limit.value, limit.usage) {
                let (value, usage) = (amount(value, limit.unit), amount(usage, limit.unit));
                let _ = write!(line, " ({value}, in use {usage})");
            }
        }
        (Some(_), None) => {
            let _ = write!(line, ": {}", k.reason());
        }
        (None, None) => {}
    }
    if k.already_dying == Some(true) {
        line.push_str("; it was dying already");
    }
    line
}

/// "pids.max of /a".
pub(super) fn title(limit: &Limit) -> String {
    clean(&limit.title()).into_owned()
}

pub(super) fn limit_line(l: &Limit) -> String {
    let mut line = title(l);
    if let Some(value) = l.value {
        let _ = write!(line, " = {}", amount(value, l.unit));
    }
    if let Some(usage) = l.usage {
        let _ = write!(line, ", in use {}", amount(usage, l.unit));
    }
    if let Some(requested) = l.requested {
        let _ = write!(line, ", asked for {}", amount(requested, l.unit));
    }
    line
}

pub(super) fn candidate(c: &Limit) -> String {
    let numbers = how_full(c).unwrap_or_else(|| "?".to_owned());
    format!("{}: {numbers}", title(c))
}

/// "60 of 60".
pub(super) fn how_full(c: &Limit) -> Option<String> {
    let (usage, bound) = (c.usage?, c.bound()?);
    Some(format!(
        "{} of {}",
        amount(usage, c.unit),
        amount(bound, c.unit)
    ))
}
