//! The settings that a refused fork can come from, for a baseline.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::cgroup::{Hierarchies, Resource};
use super::identity;
use super::limits::HostNow;
use super::process::{self, Bounds, Limits};

/// What is set, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A sysctl by its name, and its text.
    Sysctl(String, String),
    /// Bytes of swap.
    SwapTotal(u64),
    /// RLIMIT_NPROC of pid 1: what everything starts with.
    FirstProcess(Bounds),
    /// RLIMIT_NPROC of the process that a unit's manager has started.
    Unit(String, Bounds),
    /// A cgroup's limit: file name, path, `max` or the number.
    Cgroup(String, String, Option<u64>),
}

/// Below /proc/sys. Those that this kernel hasn't got are left out.
const SYSCTLS: &[&str] = &[
    "kernel.pid_max",
    "kernel.threads-max",
    "kernel.core_pattern",
    "kernel.unprivileged_userns_clone",
    "kernel.apparmor_restrict_unprivileged_userns",
    "vm.overcommit_memory",
    "vm.overcommit_ratio",
    "vm.overcommit_kbytes",
    "vm.admin_reserve_kbytes",
    "vm.user_reserve_kbytes",
    "vm.max_map_count",
    "vm.nr_hugepages",
    "vm.panic_on_oom",
    "vm.oom_kill_allocating_task",
    "fs.nr_open",
    "fs.file-max",
];

/// All of them. What this process may not read is in no baseline of it.
pub fn read() -> Vec<Value> {
    let proc = Path::new("/proc");
    let mut values = sysctls(proc);
    if let Some(kb) = HostNow::read().swap_total {
        values.push(Value::SwapTotal(kb.saturating_mul(1024)));
    }
    if let Ok(limits) = Limits::read(proc, 1) {
        values.push(Value::FirstProcess(limits.processes));
    }
    let hierarchies = Hierarchies::discover().unwrap_or_default();
    for resource in [Resource::Pids, Resource::Memory] {
        // Too many to walk: the rest of the baseline is worth having.
        let all = hierarchies.all(resource).unwrap_or_default();
        values.extend(all.into_iter().flatten().map(|cgroup| {
            let name = cgroup.file.file_name().unwrap_or_default();
            Value::Cgroup(
                name.to_string_lossy().into_owned(),
                cgroup.path.to_string_lossy().into_owned(),
                cgroup.limit,
            )
        }));
    }
    values.extend(units(proc, &hierarchies));
    values
}

fn sysctls(proc: &Path) -> Vec<Value> {
    let sys = proc.join("sys");
    let mut names: Vec<String> = SYSCTLS.iter().map(|name| (*name).to_owned()).collect();
    // user.max_*_namespaces: their number grows with the kernel.
    if let Ok(entries) = fs::read_dir(sys.join("user")) {
        let names_there = entries.flatten().map(|e| e.file_name());
        let there = names_there.map(|name| format!("user.{}", name.to_string_lossy()));
        names.extend(there.filter(|name| name.ends_with("_namespaces")));
    }
    let value = |name: &String| {
        let text = fs::read(sys.join(name.replace('.', "/"))).ok()?;
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        Some(Value::Sysctl(name.clone(), text))
    };
    names.iter().filter_map(value).collect()
}

/// One process of each service of the system's manager: the first by start time.
fn units(proc: &Path, hierarchies: &Hierarchies) -> Vec<Value> {
    let Some(hierarchy) = hierarchies.of(Resource::Pids) else {
        return Vec::new();
    };
    let mut first: BTreeMap<String, (u64, u32)> = BTreeMap::new();
    for status in process::all(proc).unwrap_or_default() {
        let path = Hierarchies::path_of_process(proc, status.pid, hierarchy);
        let who = identity::identify(&path.unwrap_or_default().to_string_lossy());
        let (Some(unit), None, Some(started)) = (
            who.unit,
            who.user_manager,
            process::started(proc, status.pid),
        ) else {
            continue;
        };
        if unit.ends_with(".service") && who.container.is_none() {
            let entry = first.entry(unit).or_insert((started, status.pid));
            *entry = (*entry).min((started, status.pid));
        }
    }
    let bounds = first.into_iter().filter_map(|(unit, (_, pid))| {
        let limits = Limits::read(proc, pid).ok()?;
        Some(Value::Unit(unit, limits.processes))
    });
    bounds.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_this_host() {
        let values = read();
        let sysctl = |wanted: &str| {
            values.iter().any(|value| match value {
                Value::Sysctl(name, text) => name == wanted && !text.is_empty(),
                _ => false,
            })
        };
        assert!(sysctl("kernel.pid_max") && sysctl("vm.overcommit_memory"));
        assert!(sysctl("user.max_user_namespaces"));
        assert!(!values.contains(&Value::Sysctl("vm.none".to_owned(), String::new())));
    }
}
