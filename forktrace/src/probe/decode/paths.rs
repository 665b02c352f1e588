//! The cgroups that an event names: the caller's in each hierarchy, and theirs above.
//!
//! Ids are unique within one hierarchy only: on a host with several, the caller's cgroups in two of them can have
//! one id. So a path is known by its place in the event.

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
        cgroup::{Controller, Hierarchies, Hierarchy, Resource},
        identity,
    },
    model::Cgroup,
};

/// Places of an event's paths: that in v2, and those in which pids and memory are charged where these are others
/// (`forktrace-ebpf/src/snapshot.rs` `cgroups`).
const OWN: usize = 0;
const PIDS: usize = 1;
const MEMORY: usize = 2;

/// One path with its components, root first.
pub(super) struct Path {
    id: u64,
    place: usize,
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
    /// The hierarchy of the memory controller, where one is mounted here.
    memory_is_v2: Option<bool>,
    into_cgroup: bool,
}

impl Paths {
    /// Takes the names apart; what was too long is looked up by its id.
    pub(super) fn of(event: &FailureEvent, hierarchies: &Hierarchies) -> Self {
        let mut all = Vec::new();
        for (place, path) in event.paths.iter().enumerate() {
            if path.id == 0 {
                continue;
            }
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
                by_id(hierarchies, v2, place, path.id).map(|p| {
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
                place,
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
            memory_is_v2: hierarchies
                .of(Resource::Memory)
                .map(|hierarchy| hierarchy == Hierarchy::V2),
            into_cgroup: event.clone_flags & clone::INTO_CGROUP != 0,
        }
    }

    /// The path at a place.
    fn at(&self, place: usize) -> Option<&Path> {
        self.all.iter().find(|path| path.place == place)
    }

    /// The cgroup that CLONE_INTO_CGROUP names.
    pub(super) fn target(&self, event: &FailureEvent) -> Option<Named> {
        let filled = event.flags & event::flag::HAVE_OTHER_ERRNOS != 0;
        let id = event.other_errnos.into_cgroup;
        let path = || self.all.iter().find(|p| p.v2 && p.id == id)?.whole();
        (filled && id != 0).then(|| Named {
            id,
            path: path().map(|bytes| OsString::from_vec(bytes).into()),
        })
    }

    /// Of the cgroup whose pids.max is asked first.
    pub(super) fn pids(&self) -> Option<&Path> {
        let path = self.at(PIDS).or_else(|| self.at(OWN))?;
        (path.id == self.pids_id).then_some(path)
    }

    /// Of the one whose memory limit is. Where it has no place of its own, it is one of the two others, and where
    /// both of these have its id, the one in the hierarchy that memory is limited in.
    pub(super) fn memory(&self) -> Option<&Path> {
        let fits = |path: &&Path| path.id == self.memory_id;
        if let Some(path) = self.at(MEMORY) {
            return Some(path).filter(fits);
        }
        let mut others = [OWN, PIDS]
            .into_iter()
            .filter_map(|place| self.at(place))
            .filter(fits);
        match (others.next(), others.next()) {
            (Some(own), Some(pids)) if self.memory_is_v2 == Some(false) && own.v2 => Some(pids),
            (first, _) => first,
        }
    }

    /// Where the caller lives: its v2 cgroup, or, where everything is in the
    /// v2 root (v1 hosts, hybrid ones without systemd), its pids cgroup.
    pub(super) fn own_cgroup(&self) -> Cgroup {
        let v2 = self.at(OWN);
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
fn by_id(hierarchies: &Hierarchies, v2: bool, place: usize, id: u64) -> Option<std::path::PathBuf> {
    if v2 {
        return hierarchies.path_by_id(Hierarchy::V2, id);
    }
    let controller = match place {
        MEMORY => Controller::Memory,
        // An execve's own is that of pids where nobody is in v2's.
        _ => Controller::Pids,
    };
    hierarchies.path_by_id(Hierarchy::V1(controller), id)
}
