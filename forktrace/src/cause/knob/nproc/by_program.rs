//! A limit that a program has set, for itself or for what it starts.

use super::origin::own_container;
use crate::{
    cause::{Sources, Subject},
    host::{lineage::Member, shell_files::is_shell},
    model::Operation,
};

/// In the process that has a limit, before its execve.
fn before(subject: &Subject<'_>) -> &'static str {
    match own_container(subject) {
        // Its own PAM has files of its own.
        Some(_) => "by what ran in it before (ulimit, prlimit, su by the container's limits.conf)",
        None => "by what ran in it before (ulimit, prlimit, su)",
    }
}

/// In whom it was set, and by what, as far as that is known.
pub(super) fn by_itself(
    setter: &Member,
    parent: Option<&Member>,
    subject: &Subject<'_>,
    sources: &Sources,
) -> String {
    let whose = match setter.pid == subject.caller.pid {
        true => "this process".to_owned(),
        false => format!("process {} ({})", setter.pid, setter.comm),
    };
    let mut why = Vec::new();
    let adopted = parent.is_some_and(adopts);
    if let Some(parent) = parent {
        let has = parent.bounds.soft;
        let has = has.map_or("no limit".to_owned(), |soft| soft.to_string());
        why.push(match adopted {
            true => format!("its parent is {} now, which has {has}", parent.comm),
            false => format!("its parent {} has {has}", parent.comm),
        });
    }
    if sources
        .unit
        .as_ref()
        .is_some_and(|says| says.limit.is_none())
    {
        why.push("no file of the unit has LimitNPROC=".to_owned());
    }
    let why = why.join(", ");
    let why = if why.is_empty() {
        String::new()
    } else {
        format!(" ({why})")
    };
    if subject.operation == Operation::Exec && setter.pid != subject.caller.pid {
        return format!(
            "the limit was set in {whose}{why}, from which others are started as well: raise it for \
             this program alone (ulimit, prlimit, limits.conf), before its setuid"
        );
    }
    // What a process was before its execve had the same limits, and isn't to be seen any more.
    let before = before(subject);
    let others = match parent {
        Some(_) if adopted => format!(", {before}, or by what started it and has ended"),
        Some(parent) if is_supervisor(&parent.comm) => format!(
            ", or by the run script of {} before (chpst -p, s6-softlimit -p, softlimit -p, ulimit)",
            parent.comm
        ),
        // Between fork and execve it is the parent's own code that runs.
        Some(parent) if parent.comm != setter.comm && !sets_none_itself(&parent.comm) => {
            format!(
                ", by {} for it ({}), or {before}",
                parent.comm,
                setting_for_children(&parent.comm).unwrap_or("a setting of its own")
            )
        }
        _ => format!(", or {before}"),
    };
    let own = setting_for_itself(&setter.comm).or_else(|| setting_for_children(&setter.comm));
    let own = match own {
        _ if is_shell(&setter.comm) => " (ulimit -u in its files: profile, rc)".to_owned(),
        Some(own) => format!(" ({own})"),
        None => String::new(),
    };
    format!(
        "the limit was set in {whose}{why}: by {} itself{own}{others}; raise it there",
        setter.comm
    )
}

/// What programs call the limit that they give to what they start.
fn setting_for_children(comm: &str) -> Option<&'static str> {
    Some(match comm {
        "apache2" | "httpd" => "RLimitNPROC",
        "litespeed" | "openlitespeed" | "lshttpd" | "lscgid" => {
            "Process Soft Limit of its external application: procSoftLimit, procHardLimit"
        }
        "libvirtd" | "virtqemud" => "max_processes in /etc/libvirt/qemu.conf",
        _ => return None,
    })
}

/// And the one that they give to themselves.
fn setting_for_itself(comm: &str) -> Option<&'static str> {
    Some(match comm {
        "avahi-daemon" => "rlimit-nproc in /etc/avahi/avahi-daemon.conf",
        // Raises it to that, and no further.
        "supervisord" => "minprocs in supervisord.conf",
        "runguard" => "--nproc: Jobe's numprocs, DOMjudge's process limit",
        "uwsgi" => "limit-nproc",
        _ => return None,
    })
}

/// Runs a script that becomes the service: runit, s6, daemontools, perp. None sets a limit itself.
fn is_supervisor(comm: &str) -> bool {
    matches!(comm, "runsv" | "s6-supervise" | "supervise" | "perpd")
}

/// What runs in a shell's child before its execve is the user's; forktrace starts a command as it is.
fn sets_none_itself(comm: &str) -> bool {
    is_shell(comm) || comm == "forktrace"
}

/// Whether it takes over the children of processes that have ended: init, and users' managers.
fn adopts(parent: &Member) -> bool {
    parent.pid == 1 || parent.comm == "systemd"
}
