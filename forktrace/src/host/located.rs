//! Cgroups by their kernfs ids, remembered: where the path doesn't help, all are looked through for one.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::cgroup::{Hierarchies, Hierarchy};

const REMEMBERED: usize = 256;

/// The folders of cgroups, and of which ids there is none to be seen.
#[derive(Debug, Default)]
pub struct Located {
    folders: HashMap<(Hierarchy, u64), Option<PathBuf>>,
}

impl Located {
    /// What [`Hierarchies::locate`] answered the first time. Another cgroup of the same name can be there since.
    pub fn of(
        &mut self,
        hierarchies: &Hierarchies,
        hierarchy: Hierarchy,
        path: &Path,
        id: u64,
    ) -> Option<&Path> {
        if self.folders.len() >= REMEMBERED {
            self.folders.clear();
        }
        let look = || hierarchies.locate(hierarchy, path, id);
        let folder = self.folders.entry((hierarchy, id)).or_insert_with(look);
        folder.as_deref()
    }
}
