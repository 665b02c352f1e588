//! From arguments to the options of a session.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{self, Write as _},
    path::Path,
};

use forktrace::{
    cause::Cause,
    host::{
        cgroup::{CgroupError, Controller, Hierarchies, Hierarchy},
        own_namespaces,
        passwd::Passwd,
        pods,
        unit_files::UnitFiles,
    },
    record::Errno,
    tracer::{Options, Selection, own_thread_group},
    view::{quoted, without_numbers},
};
use forktrace_common::settings::{Settings, errnos, hierarchy};

use crate::{
    cli::{ErrnoChoice, FilterArgs, TraceArgs},
    exit::{NotThere, UsageError},
};

/// Details of one key in one second; a person reads fewer, and a storm of many
/// keys still leaves the buffer room.
const DETAIL_PER_SECOND: u32 = 16;
/// TASK_COMM_LEN less the NUL.
const COMM_BYTES: usize = 15;

/// Checks the filters against this host, and makes the options.
pub(super) fn options(args: &TraceArgs) -> anyhow::Result<Options> {
    let filter = &args.filter;
    let mut filters = BTreeMap::new();
    let mut settings = Settings {
        detail_per_second: DETAIL_PER_SECOND,
        thread_stacks: u32::from(args.thread_stacks),
        ..Settings::default()
    };
    if let Some(pid) = filter.pid {
        settings.tgid = thread_group(pid)?;
        filters.insert("pid".to_owned(), pid.to_string());
    }
    if !args.command.is_empty() {
        if filter.pid.is_some() {
            let text = "--pid and a command exclude each other: a command is traced by itself";
            anyhow::bail!(UsageError(text.to_owned()));
        }
        // forktrace itself is the ancestor: its own failing fork counts too.
        settings.tgid = own_thread_group()?;
        filters.insert("command".to_owned(), line(&args.command));
    }
    if let Some(comm) = &filter.comm {
        if comm.len() > COMM_BYTES || comm.is_empty() {
            anyhow::bail!(UsageError(format!(
                "--comm {comm:?}: the kernel keeps 1 to {COMM_BYTES} bytes of a thread's name"
            )));
        }
        settings.comm_set = 1;
        settings.comm[..comm.len()].copy_from_slice(comm.as_bytes());
        filters.insert("comm".to_owned(), comm.clone());
    }
    if let Some(user) = &filter.user {
        let passwd = Passwd::load().unwrap_or_default();
        settings.uid = passwd
            .uid(user)
            .map_err(|e| UsageError(format!("--user {user}: {e}")))?;
        settings.uid_set = 1;
        filters.insert("user".to_owned(), user.clone());
    }
    if let Some(cause) = filter
        .cause
        .iter()
        .find(|c| c.only_of_thread_stacks() && !args.thread_stacks)
    {
        anyhow::bail!(UsageError(format!(
            "--cause {}: only a thread's stack is refused for it, which is not traced without --thread-stacks",
            cause.id()
        )));
    }
    let selection = selection(filter, &mut settings, &mut filters)?;
    Ok(Options {
        attach: args.attach.style(),
        btf: args.btf.clone(),
        seccomp: args.seccomp,
        settings,
        selection,
        ring_bytes: args.ring_size,
        host: args.host.clone(),
        debug: args.verbose,
        filters,
    })
}

/// The words of a command as a shell would take them.
fn line(command: &[OsString]) -> String {
    let words = command.iter().map(|word| {
        let word = word.to_string_lossy();
        quoted(&word).into_owned()
    });
    words.collect::<Vec<_>>().join(" ")
}

fn selection(
    filter: &FilterArgs,
    settings: &mut Settings,
    filters: &mut BTreeMap<String, String>,
) -> anyhow::Result<Selection> {
    let hierarchies = Hierarchies::discover().unwrap_or_default();
    let found = match (&filter.cgroup, &filter.unit) {
        (Some(path), _) => Some((
            "cgroup",
            path.to_string_lossy().into_owned(),
            hierarchies.find(path),
        )),
        (None, Some(unit)) => {
            let files = UnitFiles::new("/".into());
            let found = hierarchies.find_unit_or_alias(unit, &files);
            Some(("unit", unit.clone(), found))
        }
        (None, None) => None,
    };
    if let Some((flag, text, found)) = found {
        let found = found.map_err(|error| {
            let text = format!("--{flag} {text}: {error}");
            match error {
                CgroupError::NoCgroup { .. } | CgroupError::NoUnit { .. } => {
                    anyhow::Error::from(NotThere(text))
                }
                _ => UsageError(text).into(),
            }
        })?;
        // The root of a hierarchy holds everything.
        if found.path != Path::new("/") {
            settings.cgroup = found.id;
            settings.hierarchy = seen_by_kernel_side(found.hierarchy).ok_or_else(|| {
                UsageError(format!(
                    "--{flag} {text}: {} is in the hierarchy name=systemd only, which no controller limits; \
                     give a cgroup of the pids or memory controller, or of cgroup v2",
                    found.folder.display()
                ))
            })?;
        }
        filters.insert(flag.to_owned(), text);
    }
    if !filter.cause.is_empty() {
        let ids: Vec<&str> = filter.cause.iter().map(|c| c.id()).collect();
        filters.insert("cause".to_owned(), ids.join(","));
    }
    if !filter.errno.is_empty() {
        let names: Vec<_> = filter.errno.iter().map(|e| e.name()).collect();
        filters.insert("errno".to_owned(), names.join(","));
    }
    for (option, text) in [
        ("pod", &filter.pod),
        ("namespace", &filter.namespace),
        ("container", &filter.container),
    ] {
        if let Some(text) = text {
            filters.insert(option.to_owned(), text.clone());
        }
    }
    if filter.containers().chooses()
        && let Err(error) = pods::readable()
    {
        let why = without_numbers(&error);
        let _ = writeln!(
            io::stderr(),
            "forktrace: /var/log/pods, which has the names of pods and containers: {why}; only uids and ids match"
        );
    }
    let (reported, errnos) = errnos(&filter.errno);
    settings.errnos = reported;
    for cause in &filter.cause {
        check_cause(*cause, reported)?;
    }
    Ok(Selection {
        causes: filter.cause.clone(),
        errnos,
        containers: filter.containers(),
        descends_from: None,
    })
}

/// The hierarchy as the kernel side calls it; `None` for one that it doesn't look at.
fn seen_by_kernel_side(of: Hierarchy) -> Option<u32> {
    match of {
        Hierarchy::V2 => Some(hierarchy::V2),
        Hierarchy::V1(Controller::Pids) => Some(hierarchy::PIDS),
        Hierarchy::V1(Controller::Memory) => Some(hierarchy::MEMORY),
        Hierarchy::V1(Controller::Systemd) => None,
    }
}

/// A cause that only other errnos have would filter everything out, silently.
fn check_cause(cause: Cause, reported: u32) -> Result<(), UsageError> {
    let ids = cause.page().errno;
    let by_default = |id: &&str| matches!(*id, "any" | "EAGAIN" | "ENOMEM");
    let needs = if cause.caller_killed() && reported != errnos::ALL {
        "all".to_owned()
    } else if reported == errnos::LIMITS && !ids.iter().any(by_default) {
        ids.join(",")
    } else {
        return Ok(());
    };
    Err(UsageError(format!(
        "--cause {}: these failures are reported with --errno {needs} only",
        cause.id()
    )))
}

/// What the kernel side is to report, and which of that is wanted; an empty
/// list is all of it.
fn errnos(choices: &[ErrnoChoice]) -> (u32, Vec<Errno>) {
    let mut wanted = Vec::new();
    for choice in choices {
        match choice {
            ErrnoChoice::All => return (errnos::ALL, Vec::new()),
            ErrnoChoice::One(errno) => wanted.push(*errno),
        }
    }
    let of_limits = wanted.iter().all(|e| e.is_of_limits());
    let reported = if of_limits {
        errnos::LIMITS
    } else {
        errnos::OTHERS
    };
    (reported, wanted)
}

/// The thread group of a process or thread, as the initial pid namespace
/// numbers it.
fn thread_group(pid: u32) -> Result<u32, UsageError> {
    if !own_namespaces::proc_is_hosts(Path::new("/proc")) {
        return Err(UsageError(format!(
            "--pid {pid}: inside a pid namespace it isn't known which process of the host that is; \
             filter by --comm, --user or --cgroup, give a command, or use the host's /proc \
             (docker run --pid=host)"
        )));
    }
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(|error| {
        UsageError(match error.kind() {
            io::ErrorKind::NotFound => format!("--pid {pid}: there is no such process"),
            _ => format!("--pid {pid}: {}", without_numbers(&error)),
        })
    })?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("Tgid:"))
        .and_then(|n| n.trim().parse().ok())
        .ok_or_else(|| UsageError(format!("--pid {pid}: /proc/{pid}/status has no Tgid line")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_of_other_errnos_needs_them() {
        let error = check_cause(Cause::MaxNamespaces, errnos::LIMITS).unwrap_err();
        assert!(error.to_string().contains("--errno ENOSPC"), "{error}");
        assert!(check_cause(Cause::MaxNamespaces, errnos::OTHERS).is_ok());
        assert!(check_cause(Cause::FatalSignal, errnos::OTHERS).is_err());
        assert!(check_cause(Cause::FatalSignal, errnos::ALL).is_ok());
        for cause in [Cause::PidMax, Cause::Lsm, Cause::Overcommit, Cause::Unknown] {
            assert!(check_cause(cause, errnos::LIMITS).is_ok(), "{cause:?}");
        }
    }

    #[test]
    fn other_errnos_are_reported_when_one_is_named() {
        let one = ErrnoChoice::One;
        assert_eq!(errnos(&[]), (errnos::LIMITS, vec![]));
        assert_eq!(
            errnos(&[one(Errno::ENOMEM)]),
            (errnos::LIMITS, vec![Errno::ENOMEM])
        );
        assert_eq!(
            errnos(&[one(Errno::ENOMEM), one(Errno::EPERM)]),
            (errnos::OTHERS, vec![Errno::ENOMEM, Errno::EPERM])
        );
        assert_eq!(
            errnos(&[one(Errno::EPERM), ErrnoChoice::All]),
            (errnos::ALL, vec![])
        );
    }
}
