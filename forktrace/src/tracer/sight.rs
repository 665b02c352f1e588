//! What this process sees of the cgroup whose limit refused.

use std::collections::HashMap;
use std::path::Path;

use crate::{
    cause::Sight,
    host::cgroup::{Controller, Hierarchies},
    model::{Limit, LimitKind, Owner},
};

/// Cgroups that are remembered: where the path doesn't help, all are looked through for one.
const REMEMBERED: usize = 256;

/// Finds it out, once for each cgroup.
#[derive(Default)]
pub struct Sights {
    known: HashMap<u64, Sight>,
}

impl Sights {
    /// Of a limit that is no cgroup's, all.
    pub fn of(&mut self, limit: Option<&Limit>, hierarchies: &Hierarchies) -> Sight {
        let Some(limit) = limit.filter(|_| hierarchies.hides_ancestors()) else {
            return Sight::Whole;
        };
        let Owner::Cgroup(owner) = &limit.owner else {
            return Sight::Whole;
        };
        let Some(id) = owner.id else {
            return Sight::None;
        };
        let controller = match limit.kind {
            LimitKind::PidsMax => Controller::Pids,
            _ => Controller::Memory,
        };
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        let look = || {
            let (hierarchy, _) = hierarchies.of_controller(controller);
            // The kernel's path means another cgroup here: its id is looked for.
            let folder = hierarchies.locate(hierarchy, Path::new("/.."), id);
            folder.map_or(Sight::None, Sight::Folder)
        };
        self.known.entry(id).or_insert_with(look).clone()
    }
}
