//! What depends on pid and user namespaces.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Readings, Status, UserNamespaces};
use crate::{btf::Btf, evidence::RESERVED_PIDS, host::process, model::initial};

/// Whether this process is in the host's pid namespace.
pub fn is_initial_pid_namespace(proc: &Path) -> bool {
    let meta = fs::metadata(proc.join("self/ns/pid"));
    meta.is_ok_and(|meta| meta.ino() == u64::from(initial::PID))
}

/// It matters only where there are several namespaces; the kernel's types say so,
/// and where there are none, its version does.
pub(super) fn counts_by_namespace(namespaces: &UserNamespaces) -> bool {
    if namespaces.all.len() < 2 {
        return true;
    }
    match Btf::from_sys() {
        Ok(types) => types.field("user_struct", "processes").is_none(),
        Err(_) => {
            let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
            let mut parts = release
                .split('.')
                .map(|part| part.parse::<u32>().unwrap_or(0));
            (parts.next(), parts.next()) >= (Some(5), Some(14))
        }
    }
}

/// A thread's id is looked at only where it can lie outside: its process's does,
/// or pid_max was lowered below ids in use.
pub(super) fn ids_outside(readings: &Readings, proc: &Path) -> u64 {
    let Some(pid_max) = readings.host.pid_max else {
        return 0;
    };
    let outside = |id: u32| !(RESERVED_PIDS..pid_max).contains(&u64::from(id));
    let lowered = |id: u32| u64::from(id) >= pid_max;
    let was_lowered = readings.processes.iter().any(|p| lowered(p.pid));
    let of_process = |p: &Status| match p.threads {
        0 | 1 => u64::from(outside(p.pid)),
        _ if was_lowered || outside(p.pid) => {
            let ids = process::threads(proc, p.pid);
            ids.into_iter().filter(|id| outside(*id)).count() as u64
        }
        _ => 0,
    };
    readings.processes.iter().map(of_process).sum()
}

/// After unshare(CLONE_NEWPID) or setns: a namespace that has had an init (else
/// the kernel shows none), and has no living one. Each is seen in the pid
/// namespaces above it.
pub(super) fn pid_namespace_is_dead(processes: &[Status], proc: &Path, pid: u32) -> bool {
    let id = |pid: u32, name: &str| {
        let meta = fs::metadata(proc.join(format!("{pid}/ns/{name}")));
        meta.ok().map(|meta| meta.ino())
    };
    let (Some(own), Some(next)) = (id(pid, "pid"), id(pid, "pid_for_children")) else {
        return false;
    };
    let mut inits = processes
        .iter()
        .filter(|p| p.pids.len() > 1 && p.pids.last() == Some(&1) && !p.is_zombie());
    own != next && !inits.any(|init| id(init.pid, "pid") == Some(next))
}
