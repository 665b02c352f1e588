//! What provocations know of the host that they run on.

use std::{collections::HashSet, fs, os::unix::fs::MetadataExt as _};

use super::place::Place;
use crate::{
    host::cgroup::{Hierarchies, Resource},
    model::initial,
    provoke::{Trouble, cgroup::Tree, undo::Undo},
};

/// uids from here on are given to nobody: systemd's list of uid ranges
/// (systemd.io/UIDS-GIDS) has 1879048192 to 2147483647 as unused.
const UNUSED: u32 = 2_000_000_000;

/// The host, and what is changed on it.
pub(super) struct World {
    /// What has to be put back.
    pub undo: Undo,
    hierarchies: Hierarchies,
    /// The name of the present provocation's processes.
    pub comm: String,
    /// The tracer sees how far a creation came.
    pub sees_stages: bool,
}

impl World {
    /// Looks at the host.
    pub(super) fn new(undo: Undo, sees_stages: bool) -> Self {
        Self {
            undo,
            hierarchies: Hierarchies::discover().unwrap_or_default(),
            comm: String::new(),
            sees_stages,
        }
    }

    /// Where a resource is limited by cgroups.
    pub(super) fn place(&self, resource: Resource) -> Result<Place, Trouble> {
        Place::find(&self.hierarchies, resource)
    }

    /// A tree of cgroups that limit a resource.
    pub(super) fn tree(&self, resource: Resource) -> Result<Tree, Trouble> {
        self.place(resource)?.tree(&self.undo, &self.comm)
    }

    /// A uid that no task has.
    pub(super) fn fresh_uid(&self) -> Result<u32, Trouble> {
        let taken = uids_in_use();
        // Another for each selftest that runs at the same time.
        let first = UNUSED + std::process::id() % 100_000 * 16;
        (first..first + 1000)
            .find(|uid| !taken.contains(uid))
            .ok_or_else(|| Trouble::Skip("no uid without tasks was found".to_owned()))
    }
}

/// Owners of all processes.
fn uids_in_use() -> HashSet<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|e| {
            e.file_name()
                .as_encoded_bytes()
                .iter()
                .all(u8::is_ascii_digit)
        })
        .filter_map(|e| {
            let status = fs::read_to_string(e.path().join("status")).ok()?;
            let line = status.lines().find_map(|l| l.strip_prefix("Uid:"))?;
            line.split_whitespace().next()?.parse().ok()
        })
        .collect()
}

/// Whether this process lives in the pid namespace of the whole host.
pub(super) fn in_initial_pid_namespace() -> bool {
    fs::metadata("/proc/self/ns/pid").is_ok_and(|m| m.ino() == u64::from(initial::PID))
}
