//! The v2 cgroups whose folders a process holds open: of these, one was the target of a
//! CLONE_INTO_CGROUP.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::cgroup::{Hierarchies, Hierarchy};

/// Descriptors that are looked at.
const MOST: usize = 1024;

/// A cgroup with controllers enabled for its children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Path from the hierarchy's root.
    pub path: String,
    /// `memory pids`.
    pub controllers: String,
}

/// The one that the process holds open and that takes no tasks, for its controllers; `None` where
/// none is, or more than one.
pub fn with_controllers(proc: &Path, pid: u32, hierarchies: &Hierarchies) -> Option<Target> {
    let entries = fs::read_dir(proc.join(format!("{pid}/fd"))).ok()?;
    let mut folders: Vec<PathBuf> = entries
        .flatten()
        .take(MOST)
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .collect();
    folders.sort();
    folders.dedup();
    let mut targets = folders.iter().filter_map(|folder| {
        let path = hierarchies.path_of(Hierarchy::V2, folder)?;
        let enabled = fs::read_to_string(folder.join("cgroup.subtree_control")).ok()?;
        let enabled = enabled.trim();
        (!enabled.is_empty() && path != Path::new("/")).then(|| Target {
            path: path.to_string_lossy().into_owned(),
            controllers: enabled.to_owned(),
        })
    });
    let target = targets.next()?;
    targets.next().is_none().then_some(target)
}
