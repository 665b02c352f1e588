//! The cgroups that an event names: the caller's in each hierarchy, and theirs above.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
};

use forktrace_common::{
    clone,
    event::{self, FailureEvent},
};

use super::{Named, text::lossy};
use crate::{
    host::{
        cgroup::{Controller, Hierarchies, Hierarchy},
        identity,
    },
    model::Cgroup,
};

/// One path with its components, root first.
pub(super) struct Path {
    id: u64,
    pub v2: bool,
    /// `None`: longer than an event holds, and gone since.
    components: Option<Vec<Vec<u8>>>,
}

impl Path {
    /// The path of the ancestor at this depth (0 is the root).
    pub(super) fn ancestor(&self, level: u32) -> Option<Vec<u8>> {
        let components = self.components.as_ref()?.get(..level as usize)?;
        if components.is_empty() {
            return Some(b"/".to_vec());
        }
        let mut path = Vec::new();
        for component in components {
            path.push(b'/');
            path.extend_from_slice(component);
        }
        Some(path)
    }

    fn whole(&self) -> Option<Vec<u8>> {
        let depth = self.components.as_ref()?.len();
        self.ancestor(u32::try_from(depth).ok()?)
    }
}

/// The paths that the event carries.
pub(super) struct Paths {
    all: Vec<Path>,
    pids_id: u64,
    memory_id: u64,
    into_cgroup: bool,
}

impl Paths {
    /// Takes the names apart; what was too long is looked up by its id.
    pub(super) fn of(event: &FailureEvent, hierarchies: &Hierarchies) -> Self {
        let mut all = Vec::new();
        for path in event.paths.iter().filter(|p| p.id != 0) {
            let start = path.start as usize;
            let names = event
                .names
                .get(start..start.saturating_add(path.len as usize))
                .unwrap_or(&[]);
            let v2 = path.hierarchy == 0;
            let components = if path.truncated == 0 {
                let mut components: Vec<Vec<u8>> = names
                    .split(|b| *b == 0)
                    .filter(|c| !c.is_empty())
                    .map(<[u8]>::to_vec)
                    .collect();
                components.reverse();
                Some(components)
            } else {
                by_id(hierarchies, v2, path.id).map(|p| {
                    p.as_os_str()
                        .as_bytes()
                        .split(|b| *b == b'/')
                        .filter(|c| !c.is_empty())
                        .map(<[u8]>::to_vec)
                        .collect()
                })
            };
            all.push(Path {
                id: path.id,
                v2,
                components,
            });
        }
        // The nearest limit's cgroup is the leaf of its path.
        let leaf = |list: &[event::CgroupLimit], len: u8| if len > 0 { list[0].id } else { 0 };
        Self {
            all,
            pids_id: leaf(&event.pids, event.pids_len),
            memory_id: leaf(&event.memory, event.memory_len),
            into_cgroup: event.clone_flags & clone::INTO_CGROUP != 0,
        }
    }

    fn by_id(&self, id: u64) -> Option<&Path> {
        self.all.iter().find(|p| p.id == id)
    }

    /// The cgroup that CLONE_INTO_CGROUP names.
    pub(super) fn target(&self, event: &FailureEvent) -> Option<Named> {
        let filled = event.flags & event::flag::HAVE_OTHER_ERRNOS != 0;
        let id = event.other_errnos.into_cgroup;
        let path = || self.by_id(id).filter(|path| path.v2)?.whole();
        (filled && id != 0).then(|| Named {
            id,
            path: path().map(|bytes| OsString::from_vec(bytes).into()),
        })
    }

    /// Of the cgroup whose pids.max is asked first.
    pub(super) fn pids(&self) -> Option<&Path> {
        self.by_id(self.pids_id)
    }

    /// Of the one whose memory limit is.
    pub(super) fn memory(&self) -> Option<&Path> {
        self.by_id(self.memory_id)
    }

    /// Where the caller lives: its v2 cgroup, or, where everything is in the
    /// v2 root (v1 hosts, hybrid ones without systemd), its pids cgroup.
    pub(super) fn own_cgroup(&self) -> Cgroup {
        let v2 = self.all.first();
        let unused = v2.is_none_or(|p| p.components.as_ref().is_some_and(Vec::is_empty));
        let own = match self.pids() {
            Some(pids) if unused && !pids.v2 && !self.into_cgroup => Some(pids),
            _ => v2,
        };
        let Some(own) = own else {
            return Cgroup::default();
        };
        let Some(bytes) = own.whole() else {
            return Cgroup {
                id: own.id,
                ..Cgroup::default()
            };
        };
        let (path, path_hex) = lossy(&bytes);
        let who = identity::identify(&path);
        Cgroup {
            path: Some(path),
            path_hex,
            id: own.id,
            unit: who.unit,
            container: who.container,
            pod: who.pod,
            qos: who.qos,
            ..Cgroup::default()
        }
    }
}

/// The path of a cgroup whose names didn't fit into the event.
fn by_id(hierarchies: &Hierarchies, v2: bool, id: u64) -> Option<std::path::PathBuf> {
    if v2 {
        return hierarchies.path_by_id(Hierarchy::V2, id);
    }
    [Controller::Pids, Controller::Memory]
        .into_iter()
        .find_map(|c| hierarchies.path_by_id(Hierarchy::V1(c), id))
}
