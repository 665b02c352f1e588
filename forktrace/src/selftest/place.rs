//! Where the selftest can make cgroups.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    host::cgroup::{Controller, Hierarchies, Hierarchy, Resource, Version},
    provoke::{
        Trouble,
        cgroup::{Site, Tree},
        undo::Undo,
    },
};

/// What the names of the selftest's cgroups begin with; the pid follows.
pub(super) const PREFIX: &str = "forktrace-selftest-";

/// The hierarchy in which a resource is limited on this host.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub version: Version,
    resource: Resource,
    /// Folders below which cgroups can be tried, best first.
    parents: Vec<PathBuf>,
}

impl Place {
    /// Where `resource` is limited. The top of the hierarchy is tried first
    /// (there no limit of another's is in the way), then this process's own
    /// cgroup, which is all that a container may have.
    pub(super) fn find(hierarchies: &Hierarchies, resource: Resource) -> Result<Self, Trouble> {
        let controller = resource.controller();
        let name = name_of(resource);
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let own_in = |hierarchy| {
            let path = Hierarchies::path_in(&own, hierarchy)?;
            hierarchies.folder(hierarchy, &path)
        };
        let hierarchy = Hierarchy::V1(controller);
        if let Some(mount) = hierarchies.mounts(hierarchy).next() {
            return Ok(Self {
                version: Version::V1,
                resource,
                parents: [mount.point.clone()]
                    .into_iter()
                    .chain(own_in(hierarchy))
                    .collect(),
            });
        }
        let Some(mount) = hierarchies.mounts(Hierarchy::V2).next() else {
            return Err(Trouble::Skip("no cgroup hierarchy is mounted".to_owned()));
        };
        let parents: Vec<PathBuf> = [mount.point.clone()]
            .into_iter()
            .chain(own_in(Hierarchy::V2))
            .filter(|folder| has_word(&folder.join("cgroup.subtree_control"), name))
            .collect();
        if parents.is_empty() {
            return Err(Trouble::Skip(format!(
                "no {name} controller here ({}/cgroup.subtree_control doesn't hand it down)",
                mount.point.display()
            )));
        }
        Ok(Self {
            version: Version::V2,
            resource,
            parents,
        })
    }

    /// A tree with nothing but its top.
    pub(super) fn tree(&self, undo: &Undo, tag: &str) -> Result<Tree, Trouble> {
        let name = format!("{PREFIX}{}-{tag}", std::process::id());
        let mut refused = Vec::new();
        for parent in &self.parents {
            let site = Site {
                parent: parent.clone(),
                hands_down: match self.version {
                    Version::V1 => None,
                    Version::V2 => Some(name_of(self.resource)),
                },
                limit: self.resource.limit_kind(self.version).name().to_owned(),
            };
            match Tree::new(undo, &site, &name) {
                Ok(tree) => return Ok(tree),
                Err(Trouble::Interrupted) => return Err(Trouble::Interrupted),
                Err(trouble) => refused.push(trouble.to_string()),
            }
        }
        Err(Trouble::Skip(format!(
            "no cgroup can be made here ({})",
            refused.join("; ")
        )))
    }
}

fn name_of(resource: Resource) -> &'static str {
    match resource.controller() {
        Controller::Pids => "pids",
        _ => "memory",
    }
}

fn has_word(file: &Path, word: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.split_whitespace().any(|w| w == word))
}
