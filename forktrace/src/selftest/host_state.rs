//! The host before and after: what differs is said.

use std::{collections::BTreeSet, fs, path::PathBuf};

use super::place::PREFIX;
use crate::{
    evidence::HugePool,
    host::{
        cgroup::{Hierarchies, SEARCH},
        huge_pages,
    },
    order,
};

/// Settings that a provocation could change.
const SETTINGS: [&str; 10] = [
    "kernel/pid_max",
    "kernel/threads-max",
    "vm/overcommit_memory",
    "vm/overcommit_ratio",
    "vm/overcommit_kbytes",
    "vm/max_map_count",
    "vm/nr_hugepages",
    "fs/nr_open",
    "kernel/unprivileged_userns_clone",
    "user/max_uts_namespaces",
];

/// What the selftest leaves as it was.
pub(super) struct HostState {
    settings: Vec<(&'static str, String)>,
    /// What the folders below which it works hand down to new cgroups.
    handed_down: Vec<(PathBuf, String)>,
    /// Cgroups that are called like this selftest's.
    cgroups: BTreeSet<PathBuf>,
    mounts: String,
    huge_pages: Vec<HugePool>,
}

impl HostState {
    /// As it is now.
    pub(super) fn now() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let folders = folders();
        // Another selftest may run at the same time.
        let own = format!("{PREFIX}{}-", std::process::id());
        Self {
            settings: SETTINGS
                .iter()
                .map(|name| (*name, read(&format!("/proc/sys/{name}")).trim().to_owned()))
                .collect(),
            handed_down: folders
                .iter()
                .map(|folder| {
                    let file = folder.join("cgroup.subtree_control");
                    let text = fs::read_to_string(&file).unwrap_or_default();
                    (file, text.trim().to_owned())
                })
                .collect(),
            cgroups: folders
                .iter()
                .filter_map(|folder| fs::read_dir(folder).ok())
                .flat_map(|entries| entries.flatten())
                .filter(|e| e.file_name().to_string_lossy().starts_with(&own))
                .map(|e| e.path())
                .collect(),
            mounts: read("/proc/self/mountinfo"),
            huge_pages: huge_pages::all(),
        }
    }

    /// What differs from before, one sentence each.
    pub(super) fn differences(&self, before: &Self) -> Vec<String> {
        let mut all = Vec::new();
        for ((name, now), (_, then)) in self.settings.iter().zip(&before.settings) {
            if now != then {
                all.push(format!("/proc/sys/{name} is {now}, was {then}"));
            }
        }
        for ((file, now), (_, then)) in self.handed_down.iter().zip(&before.handed_down) {
            if now != then {
                all.push(format!("{} is {now:?}, was {then:?}", file.display()));
            }
        }
        for folder in self.cgroups.difference(&before.cgroups) {
            all.push(format!("cgroup {} is left", folder.display()));
        }
        let lines = |text: &str| order::set(text.lines().map(str::to_owned));
        let (now, then) = (lines(&self.mounts), lines(&before.mounts));
        for line in now.difference(&then) {
            all.push(format!("mounted meanwhile: {line}"));
        }
        for line in then.difference(&now) {
            all.push(format!("unmounted meanwhile: {line}"));
        }
        // With surplus_max others' come and go, and the selftest adds none.
        let unused = |pool: &HugePool| match pool.surplus_max {
            0 => pool.surplus.min(pool.free),
            _ => 0,
        };
        for pool in &self.huge_pages {
            let then = before.huge_pages.iter().find(|p| p.page == pool.page);
            let (now, then) = (unused(pool), then.map_or(0, unused));
            if now > then {
                all.push(format!(
                    "huge pages of {} kB that are free and beyond nr_hugepages: {now}, were {then}",
                    pool.page / 1024
                ));
            }
        }
        all
    }
}

/// Every folder below which a cgroup of the selftest can be.
fn folders() -> Vec<PathBuf> {
    let hierarchies = Hierarchies::discover().unwrap_or_default();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut all = BTreeSet::new();
    for hierarchy in SEARCH {
        all.extend(hierarchies.mounts(hierarchy).map(|m| m.point.clone()));
        let own = Hierarchies::path_in(&own, hierarchy);
        all.extend(own.and_then(|path| hierarchies.folder(hierarchy, &path)));
    }
    all.into_iter().filter(|folder| folder.is_dir()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_is_named() {
        let state =
            |pid_max: &str, handed: &str, cgroup: Option<&str>, mounts: &str, surplus| HostState {
                settings: vec![("kernel/pid_max", pid_max.to_owned())],
                handed_down: vec![(PathBuf::from("/cg/x"), handed.to_owned())],
                cgroups: cgroup.map(PathBuf::from).into_iter().collect(),
                mounts: mounts.to_owned(),
                huge_pages: vec![HugePool {
                    page: 2 << 20,
                    total: 4,
                    free: 2,
                    reserved: 0,
                    surplus,
                    surplus_max: 0,
                }],
            };
        let before = state("32768", "pids", None, "1 /\n2 /proc\n", 1);
        assert_eq!(
            state("32768", "pids", None, "1 /\n2 /proc\n", 1).differences(&before),
            Vec::<String>::new()
        );
        assert_eq!(
            state(
                "310",
                "pids memory",
                Some("/cg/forktrace-selftest-1-a"),
                "1 /\n3 /tmp\n",
                2
            )
            .differences(&before),
            [
                "/proc/sys/kernel/pid_max is 310, was 32768",
                "/cg/x is \"pids memory\", was \"pids\"",
                "cgroup /cg/forktrace-selftest-1-a is left",
                "mounted meanwhile: 3 /tmp",
                "unmounted meanwhile: 2 /proc",
                "huge pages of 2048 kB that are free and beyond nr_hugepages: 2, were 1",
            ]
        );
    }

    #[test]
    fn this_host_does_not_differ_from_itself() {
        let before = HostState::now();
        // Debian's kernels alone have this one.
        let everywhere = |name: &str| name != "kernel/unprivileged_userns_clone";
        for (name, value) in &before.settings {
            assert!(!value.is_empty() || !everywhere(name), "{name}");
        }
        assert!(!before.mounts.is_empty());
    }
}
