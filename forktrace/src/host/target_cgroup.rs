//! The v2 cgroup that CLONE_INTO_CGROUP names.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use super::cgroup::{Hierarchies, Hierarchy};

/// A cgroup that a child should have gone into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Path from the hierarchy's root.
    pub path: String,
    /// The controllers that are enabled for its children, as cgroup.subtree_control has them now:
    /// `memory pids`; empty for none.
    pub controllers: String,
}

impl Target {
    /// The cgroup whose folder this was; `None` where it is gone.
    pub fn read(hierarchies: &Hierarchies, folder: &Path, id: u64) -> Option<Self> {
        // One of the same name can stand there since.
        if fs::metadata(folder).ok()?.ino() != id {
            return None;
        }
        let path = hierarchies.path_of(Hierarchy::V2, folder)?;
        let enabled = fs::read_to_string(folder.join("cgroup.subtree_control")).ok()?;
        Some(Self {
            path: path.to_string_lossy().into_owned(),
            controllers: enabled.trim().to_owned(),
        })
    }
}
