//! Reading it.

use crate::order::{self, Order as _};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::{
    CgroupUse, Details, Hierarchies, HostNow, Limits, Missing, Passwd, Readings, ReadingsError,
    Resource, Status, Subject, UnitLimits, UserNamespaces, at_start, namespaces,
};
use crate::evidence::OvercommitMode;
use crate::host::cgroup::Reading;
use crate::host::process::Bounds;
use crate::host::{deadline, limits, mappings, own_namespaces, process, unit_limits};
use crate::model::without_numbers;

pub(super) fn read(subject: &Subject, proc: &Path) -> Result<Readings, ReadingsError> {
    let failed = |source| ReadingsError::Proc {
        path: proc.to_owned(),
        source,
    };
    let processes = process::all(proc).map_err(failed)?;
    let namespaces = UserNamespaces::read(proc, &processes).map_err(failed)?;
    let text = |name: &str| {
        let text = fs::read_to_string(proc.join("sys/kernel").join(name));
        text.unwrap_or_default().trim().to_owned()
    };
    let mut readings = Readings {
        subject: subject.clone(),
        time: format!("{:.0}", jiff::Timestamp::now()),
        hostname: text("hostname"),
        kernel: text("osrelease"),
        host: HostNow::read_from(proc),
        initial_pid_namespace: namespaces::is_initial_pid_namespace(proc),
        hidden: Status::read(proc, 1).is_err(),
        counts_by_namespace: namespaces::counts_by_namespace(&namespaces),
        processes,
        namespaces,
        ..Readings::default()
    };
    readings.ids_outside = namespaces::ids_outside(&readings, proc);
    let hierarchies = Hierarchies::discover().unwrap_or_default();
    readings.hides_cgroups = hierarchies.hides_ancestors();
    if hierarchies.of(Resource::Pids).is_none() {
        readings.unreadable.push(Missing {
            of_cgroup: true,
            what: "limits of this process's own cgroup and of those above it".to_owned(),
            why: "no cgroup file system is mounted here; run it on the host".to_owned(),
        });
    }
    let passwd = Passwd::load().unwrap_or_default();
    let files = Path::new("/");
    let are_hosts = own_namespaces::files_are_hosts(proc);
    readings.next = match subject {
        _ if !are_hosts => None,
        Subject::User(uid) => {
            let name = passwd.name(*uid);
            let most = most_tasks(&readings, &hierarchies);
            // A number without a name logs in nowhere, unless logind knows it: a directory service's.
            let logs_in = name.is_some() || at_start::has_logged_in(files, *uid);
            logs_in.then(|| at_start::of_login(files, name.as_deref(), *uid, most))
        }
        Subject::Cgroup {
            unit: Some(_),
            path,
            ..
        } => at_start::of_unit(files, path, most_tasks(&readings, &hierarchies), init(proc)),
        _ => None,
    };
    let members = members(subject, &readings.processes, proc);
    readings.main = main(subject, &members, &readings.processes, proc)?;
    read_cgroups(&mut readings, &hierarchies, &members, proc);
    if are_hosts {
        read_unit_limits(&mut readings, &hierarchies);
    }
    for &pid in readings.main.iter().chain(&members) {
        if let Ok(limits) = Limits::read(proc, pid) {
            readings.limits.insert(pid, limits);
        }
    }
    if let Some(pid) = readings.main {
        let flags = flags_matter(&readings, pid);
        let mut details = details(&mut readings.unreadable, &hierarchies, proc, pid, flags);
        details.pid_namespace_dead =
            namespaces::pid_namespace_is_dead(&readings.processes, proc, pid);
        readings.details = Some(details);
    }
    let mut uids = order::set(readings.processes.iter().map(|p| p.uid));
    // Of whom nothing may run yet.
    let next = readings
        .next
        .as_ref()
        .and_then(|next| next.processes.as_ref());
    uids.extend(next.map(|(uid, _)| *uid));
    if let Subject::User(uid) = subject {
        uids.insert(*uid);
    }
    let named = uids
        .into_iter()
        .filter_map(|uid| Some((uid, passwd.name(uid)?)));
    readings.users = order::map(named);
    Ok(readings)
}

/// Of what systemd takes percentages of tasks.
fn most_tasks(readings: &Readings, hierarchies: &Hierarchies) -> Option<u64> {
    let host = unit_limits::most_tasks(&readings.host)?;
    let root = hierarchies.root_tasks_max();
    Some(root.map_or(host, |root| root.min(host)))
}

/// RLIMIT_NPROC of pid 1.
fn init(proc: &Path) -> Option<Bounds> {
    Some(Limits::read(proc, 1).ok()?.processes)
}

/// The processes whose forks are meant; for one process, none beside it.
fn members(subject: &Subject, processes: &[Status], proc: &Path) -> Vec<u32> {
    let pids = processes.iter().map(|p| p.pid);
    match subject {
        Subject::Host => pids.collect(),
        Subject::Process(_) => Vec::new(),
        Subject::User(uid) => {
            let theirs = processes.iter().filter(|p| p.uid == *uid);
            theirs.map(|p| p.pid).collect()
        }
        Subject::Cgroup {
            hierarchy, path, ..
        } => pids
            .filter(|pid| {
                Hierarchies::path_of_process(proc, *pid, *hierarchy)
                    .is_some_and(|at| at.starts_with(path) && !Hierarchies::is_outside(&at))
            })
            .collect(),
    }
}

/// Of a unit or cgroup, the first that was started of those whose parent is
/// elsewhere: what systemd started, not its workers.
fn main(
    subject: &Subject,
    members: &[u32],
    processes: &[Status],
    proc: &Path,
) -> Result<Option<u32>, ReadingsError> {
    match subject {
        Subject::Host | Subject::User(_) => Ok(None),
        // A thread's id isn't listed, and has a status all the same.
        Subject::Process(pid) => {
            let leader = Status::read(proc, *pid).map_err(|_| not_shown(*pid))?;
            match processes.iter().any(|p| p.pid == leader.pid) {
                true => Ok(Some(leader.pid)),
                false => Err(not_shown(*pid)),
            }
        }
        Subject::Cgroup { .. } => {
            let within = order::set(members.iter().copied());
            let tops = processes
                .iter()
                .filter(|p| within.contains(&p.pid) && !within.contains(&p.parent));
            Ok(tops
                .filter(|p| !p.is_zombie())
                .min_by_key(|p| process::started(proc, p.pid).unwrap_or(u64::MAX))
                .map(|p| p.pid))
        }
    }
}

/// Why /proc has no such process: kill(2) answers EPERM of one that belongs to another user.
fn not_shown(pid: u32) -> ReadingsError {
    let id = i32::try_from(pid).ok().and_then(Pid::from_raw);
    match id.map(test_kill_process) {
        Some(Ok(()) | Err(Errno::PERM)) => ReadingsError::Hidden(pid),
        _ => ReadingsError::NoProcess(pid),
    }
}

fn read_cgroups(readings: &mut Readings, hierarchies: &Hierarchies, members: &[u32], proc: &Path) {
    let mut outside = BTreeSet::new();
    for resource in [
        Resource::Pids,
        Resource::Memory,
        Resource::MemoryAndSwap,
        Resource::KernelMemory,
    ] {
        let walked = match &readings.subject {
            Subject::Host => hierarchies.all(resource),
            // What a service has set up below its own cgroup, with a limit of its own, refuses as well.
            Subject::Cgroup { path, .. } => hierarchies.below(resource, path),
            Subject::Process(_) | Subject::User(_) => Ok(Vec::new()),
        };
        let walked = walked.unwrap_or_else(|error| {
            readings.unreadable.push(Missing {
                of_cgroup: true,
                what: "limits of all cgroups".to_owned(),
                why: error.to_string(),
            });
            Vec::new()
        });
        let found = match &readings.subject {
            Subject::Host => Vec::new(),
            Subject::Cgroup { path, .. } => hierarchies.chain(resource, path),
            Subject::Process(_) | Subject::User(_) => {
                let Some(hierarchy) = hierarchies.of(resource) else {
                    continue;
                };
                let pids = readings.main.iter().chain(members);
                // Where a login would go, though nothing of the user's may be there now.
                let slice = readings.next.as_ref().and_then(|next| next.cgroup.clone());
                let paths = pids.filter_map(|pid| {
                    let path = Hierarchies::path_of_process(proc, *pid, hierarchy)?;
                    if Hierarchies::is_outside(&path) {
                        outside.insert(*pid);
                    }
                    Some(path)
                });
                let paths = order::set(paths.chain(slice));
                let chains = paths
                    .iter()
                    .flat_map(|path| hierarchies.chain(resource, path));
                chains.collect()
            }
        };
        add(readings, found.into_iter().chain(walked));
    }
    readings.outside = outside;
}

/// Of so many cgroups at most, the fullest first: each may take a hundred folders to look into.
const UNIT_LIMITS: usize = 100;

fn read_unit_limits(readings: &mut Readings, hierarchies: &Hierarchies) {
    let mut limited: Vec<(u64, &CgroupUse)> = readings
        .cgroups
        .iter()
        .filter_map(|cgroup| Some((cgroup.limit?, cgroup)))
        .collect();
    limited.order_by_key(|(limit, cgroup)| limit.saturating_sub(cgroup.usage));
    let mut unit_limits = UnitLimits::new();
    let found = limited
        .into_iter()
        .take(UNIT_LIMITS)
        .filter_map(|(limit, cgroup)| {
            let path = cgroup.path.to_string_lossy();
            let found = unit_limits.of(cgroup.resource, &path, limit, hierarchies)?;
            Some((cgroup.file.clone(), found))
        });
    readings.unit_limits = order::map(found);
}

fn add(readings: &mut Readings, found: impl Iterator<Item = Reading>) {
    for reading in found {
        match reading {
            // Several chains meet.
            Ok(one)
                if readings
                    .cgroups
                    .iter()
                    .any(|c: &CgroupUse| c.file == one.file) => {}
            Ok(one) => readings.cgroups.push(one),
            Err(error) => readings.unreadable.push(Missing {
                of_cgroup: true,
                what: error.file.to_string_lossy().into_owned(),
                why: without_numbers(&error.source),
            }),
        }
    }
}

fn details(
    unreadable: &mut Vec<Missing>,
    hierarchies: &Hierarchies,
    proc: &Path,
    pid: u32,
    flags: bool,
) -> Details {
    let promises = flags.then(|| mappings::accounted(pid)).flatten();
    let mappings = process::mappings(proc, pid);
    if let Err(error) = &mappings {
        unreadable.push(Missing {
            of_cgroup: false,
            what: format!("mappings of process {pid} (vm.max_map_count, the largest one)"),
            why: unreadable_mappings(error, rustix::process::geteuid().is_root()),
        });
    }
    let hierarchy = hierarchies.of(Resource::Pids);
    let path = hierarchy.and_then(|hierarchy| Hierarchies::path_of_process(proc, pid, hierarchy));
    let deadline = process::is_deadline(proc, pid);
    Details {
        mappings: mappings.ok().filter(|count| *count > 0),
        max_map_count: limits::max_map_count(),
        largest_mapping: promises
            .map(|promises| promises.largest)
            .or_else(|| mappings::largest_private_writable(pid)),
        promises: promises.map(|promises| promises.sum),
        deadline,
        deadline_refuses: deadline && deadline::refuses(proc, pid),
        data_limit_ignored: limits::data_limit_ignored(),
        pid_namespace_dead: false,
        cgroup: path.map(|path| path.to_string_lossy().into_owned()),
    }
}

/// Whether it takes the flags of a process's mappings to say what a fork of it promises: MAP_NORESERVE,
/// MADV_DONTFORK and huge pages are private and writable, and promised by nobody. For these flags the
/// kernel walks the page tables, so where so much is far from any limit their sizes have to do.
fn flags_matter(readings: &Readings, pid: u32) -> bool {
    let host = &readings.host;
    let size = readings.processes.iter().find(|p| p.pid == pid);
    let size = size.and_then(|p| p.vm_size).unwrap_or(0);
    match host.overcommit_memory.map(OvercommitMode::from_number) {
        Some(OvercommitMode::Never) => true,
        Some(OvercommitMode::Heuristic) => {
            let kib = host.mem_total.unwrap_or(0) + host.swap_total.unwrap_or(0);
            size / 1024 >= kib / 2
        }
        Some(OvercommitMode::Always) | None => false,
    }
}

/// Root with all capabilities is refused as well: by a security module, or in a container.
fn unreadable_mappings(error: &std::io::Error, is_root: bool) -> String {
    let said = without_numbers(error);
    match is_root {
        true => {
            format!("{said}; root is refused too where a security module or a container forbids it")
        }
        false => format!("{said}; it takes root or CAP_SYS_PTRACE"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_mappings_are_read_where_they_can_decide() {
        let matter = |mode, vm_size| {
            let mut readings = Readings::default();
            readings.host.overcommit_memory = mode;
            readings.host.mem_total = Some(768);
            readings.host.swap_total = Some(256);
            readings.processes = vec![Status {
                pid: 7,
                vm_size: Some(vm_size),
                ..Status::default()
            }];
            flags_matter(&readings, 7)
        };
        assert!(matter(Some(0), 512 << 10));
        assert!(!matter(Some(0), (512 << 10) - 1024));
        assert!(!matter(Some(1), 1 << 40) && !matter(None, 1 << 40));
        assert!(matter(Some(2), 0));
    }

    #[test]
    fn root_is_not_told_to_be_root() {
        let error = std::io::Error::from_raw_os_error(libc::EACCES);
        assert!(unreadable_mappings(&error, false).contains("it takes root"));
        let told = unreadable_mappings(&error, true);
        assert!(told.starts_with("Permission denied"), "{told}");
        assert!(!told.contains("it takes root"), "{told}");
    }
}
