//! The v2 cgroup that CLONE_INTO_CGROUP names.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::cgroup::{Hierarchies, Hierarchy};

/// Cgroups that are remembered: where the path doesn't help, all are looked through for one.
const REMEMBERED: usize = 256;

/// A cgroup that a child should have gone into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Path from the hierarchy's root.
    pub path: String,
    /// The controllers that are enabled for its children, as cgroup.subtree_control has them now:
    /// `memory pids`; empty for none.
    pub controllers: String,
}

/// Finds them by their kernfs ids.
#[derive(Debug, Default)]
pub struct Targets {
    folders: HashMap<u64, Option<PathBuf>>,
}

impl Targets {
    /// The cgroup with this id. `path`: where it is by the kernel's names, if that is known. `None` where
    /// it can't be seen, or is gone.
    pub fn of(
        &mut self,
        hierarchies: &Hierarchies,
        id: u64,
        path: Option<&Path>,
    ) -> Option<Target> {
        if self.folders.len() >= REMEMBERED {
            self.folders.clear();
        }
        let look = || hierarchies.locate(Hierarchy::V2, path.unwrap_or(Path::new("/")), id);
        let folder = self.folders.entry(id).or_insert_with(look).as_ref()?;
        // One of the same name can stand there since.
        if fs::metadata(folder).ok()?.ino() != id {
            return None;
        }
        let path = hierarchies.path_of(Hierarchy::V2, folder)?;
        let enabled = fs::read_to_string(folder.join("cgroup.subtree_control")).ok()?;
        Some(Target {
            path: path.to_string_lossy().into_owned(),
            controllers: enabled.trim().to_owned(),
        })
    }
}
