//! The `session` record.

use std::path::Path;

use super::options::Options;
use crate::{
    host::{clock::Clock, holders::Holders, limits::HostNow, own_namespaces},
    model::without_numbers,
    probe::{
        kernel::Kernel,
        oom,
        outcome::Outcome,
        style::{HOOKS, Role, SECCOMP, Style},
    },
    record::{HostLimits, PROC, ProbeInUse, SCHEMA, Session, TASK_ITER},
};

/// What `hidepid` keeps from forktrace.
const HIDDEN: &str = "/proc hides other users' processes (hidepid): their executables stay unknown, \
    and who fills a limit; CAP_SYS_PTRACE sees them";

/// Evidence that is absent because a probe is, or because /proc doesn't show it, one sentence each.
pub(super) fn absent_evidence(probes: &Outcome, style: Style, seccomp: bool) -> Vec<String> {
    let proc = Path::new("/proc");
    let hidden = (!own_namespaces::proc_shows_others(proc)).then(|| HIDDEN.to_owned());
    let oom_kills = (!probes.has(Role::OomVictim))
        .then(|| format!("no probe on {}:{}: {}", oom::CATEGORY, oom::NAME, oom::LOST));
    if style == Style::Tracepoint {
        let calls =
            "attached to system-call tracepoints: the refusing check is not seen, causes are concluded from numbers at the return; creations from inside the kernel are not seen"
                .to_owned();
        return [calls].into_iter().chain(oom_kills).chain(hidden).collect();
    }
    let wanted = HOOKS.iter().chain(seccomp.then_some(&SECCOMP));
    let wanted = wanted.chain([&oom::CHOICE]);
    wanted
        .filter(|hook| !probes.has(hook.role))
        .map(|hook| format!("no probe on {}: {}", hook.targets[0], hook.lost))
        .chain(probes.absent.iter().cloned())
        .chain(oom_kills)
        .chain(hidden)
        .collect()
}

pub(super) fn record(
    options: &Options,
    kernel: &Kernel,
    probes: &Outcome,
    style: Style,
    by_iterator: bool,
) -> Session {
    let host = HostNow::read();
    Session {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: Clock::now().wall(),
        host: options
            .host
            .clone()
            .or_else(|| line("/proc/sys/kernel/hostname"))
            .unwrap_or_default(),
        boot_id: line("/proc/sys/kernel/random/boot_id"),
        kernel: line("/proc/sys/kernel/osrelease").unwrap_or_default(),
        attach: style.name().to_owned(),
        probes: probes
            .attached
            .iter()
            .map(|a| ProbeInUse {
                target: a.target.clone(),
                style: a.style.name().to_owned(),
            })
            .collect(),
        absent: [kernel.absent.clone(), super::privilege::unreadable()]
            .concat()
            .iter()
            .map(|why| without_numbers(why))
            .collect(),
        holders_by: holders_by(by_iterator).map(str::to_owned),
        inside: own_namespaces::inside(Path::new("/proc")),
        filters: options.filters.clone(),
        limits: HostLimits {
            pid_max: host.pid_max,
            threads_max: host.threads_max,
            threads: host.threads,
            overcommit_memory: host.overcommit_memory,
            commit_limit: host.commit_limit.map(|k| k * 1024),
            committed: host.committed.map(|k| k * 1024),
        },
    }
}

/// How [`Session::holders_by`] calls it.
pub fn holders_by(iterator: bool) -> Option<&'static str> {
    match iterator {
        true => Some(TASK_ITER),
        false => Holders::possible().then_some(PROC),
    }
}

fn line(path: &str) -> Option<String> {
    Some(std::fs::read_to_string(path).ok()?.trim().to_owned())
}
