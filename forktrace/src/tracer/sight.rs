//! What this process sees of the cgroup whose limit refused.

use std::collections::HashMap;
use std::path::Path;

use crate::{
    cause::{Cause, Sight, Verdict},
    evidence::{CgroupLimit, Evidence},
    host::cgroup::{Controller, Hierarchies},
};

/// Cgroups that are remembered: where the path doesn't help, all are looked through for one.
const REMEMBERED: usize = 256;

/// Finds it out, once for each cgroup.
#[derive(Default)]
pub struct Sights {
    known: HashMap<u64, Sight>,
}

impl Sights {
    /// Of a verdict that is no cgroup's, all.
    pub fn of(
        &mut self,
        verdict: &Verdict,
        evidence: &Evidence,
        hierarchies: &Hierarchies,
    ) -> Sight {
        let (controller, refused, others) = match verdict.cause {
            Cause::CgroupPidsMax => (Controller::Pids, &evidence.pids_full, &evidence.pids),
            Cause::CgroupMemoryMax => {
                let refused = &evidence.memory_refused;
                (Controller::Memory, refused, &evidence.memory)
            }
            Cause::CgroupKernelMemoryMax => {
                let near = &evidence.kernel_memory_near;
                (Controller::Memory, near, &evidence.memory)
            }
            _ => return Sight::Whole,
        };
        let limit = verdict.limit.as_ref();
        let Some(limit) = limit.filter(|_| hierarchies.hides_ancestors()) else {
            return Sight::Whole;
        };
        let is_it = |cgroup: &&CgroupLimit| match &cgroup.path {
            Some(path) => *path == limit.scope,
            None => limit.scope == format!("cgroup id {}", cgroup.id),
        };
        let Some(cgroup) = refused.iter().chain(others).find(is_it) else {
            return Sight::None;
        };
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        let look = || {
            let (hierarchy, _) = hierarchies.of_controller(controller);
            // The kernel's path means another cgroup here: its id is looked for.
            let folder = hierarchies.locate(hierarchy, Path::new("/.."), cgroup.id);
            folder.map_or(Sight::None, Sight::Folder)
        };
        self.known.entry(cgroup.id).or_insert_with(look).clone()
    }
}
