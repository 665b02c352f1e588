//! What a verdict is answered with beside itself: who fills the limit, the host's memory, where the
//! limit comes from, what of its cgroup this forktrace sees. Read once for each verdict, asked of its
//! limit's kind and owner.

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use super::{demand::Demands, knob::Knobs};
use crate::{
    cause::{Context, Sources, Subject, Verdict, Visibility, also_full},
    host::{
        cgroup::{Hierarchies, Resource},
        holders::{Holders, Scope},
        limit_file,
        memory::AtVerdicts,
        readings::is_initial_pid_namespace,
        target_cgroup::{Target, Targets},
        unit_limits::UnitLimits,
    },
    model::{Limit, Owner},
    probe::decode::Named,
};

/// Cgroups that are remembered: where the path doesn't help, all are looked through for one.
const REMEMBERED: usize = 256;

/// Reads contexts, and remembers what need not be read again.
pub(super) struct Contexts {
    hierarchies: Hierarchies,
    holders: Holders,
    memory: AtVerdicts,
    unit_limits: UnitLimits,
    visibilities: HashMap<u64, Visibility>,
    targets: Targets,
    knobs: Knobs,
    demands: Demands,
    in_pid_namespace: bool,
}

impl Contexts {
    /// Of this host.
    pub(super) fn new(hierarchies: Hierarchies, holders: Holders) -> Self {
        let sees_host = !hierarchies.hides_ancestors();
        Self {
            hierarchies,
            holders,
            memory: AtVerdicts::new(),
            unit_limits: UnitLimits::new(),
            visibilities: HashMap::new(),
            targets: Targets::default(),
            knobs: Knobs::new(sees_host),
            demands: Demands::default(),
            in_pid_namespace: !is_initial_pid_namespace(Path::new("/proc")),
        }
    }

    /// Of a verdict on this refusal.
    pub(super) fn of(&mut self, verdict: &Verdict, subject: &Subject<'_>) -> Context {
        let errno = subject.errno;
        let limit = verdict.limit.as_ref();
        let visibility = limit.map_or(Visibility::Whole, |limit| self.visibility(limit));
        let holders = limit.map(|limit| {
            let scope = || Scope::of_limit(limit, &self.hierarchies);
            self.holders.of(limit, subject.caller.pid, scope)
        });
        let unit_limit =
            limit.and_then(|limit| self.unit_limits.of_limit(limit, &self.hierarchies));
        let wanted = limit.and_then(|limit| self.demands.take(limit, subject, Instant::now()));
        let more = limit
            .zip(wanted)
            .map(|(limit, wanted)| wanted.saturating_sub(limit.usage.unwrap_or_default()));
        let also_full: Vec<Context> = also_full(verdict)
            .into_iter()
            .map(|limit| Context {
                sources: self.knobs.sources(limit, subject),
                unit_limit: self.unit_limits.of_limit(limit, &self.hierarchies),
                visibility: self.visibility(limit),
                current: limit_file::current(limit, self.in_pid_namespace),
                wanted: more.map(|more| limit.usage.unwrap_or_default().saturating_add(more)),
                in_pid_namespace: self.in_pid_namespace,
                ..Context::default()
            })
            .collect();
        let memory = verdict
            .cause
            .memory_matters(errno)
            .then(|| self.memory.read(verdict.cause, limit))
            .flatten();
        let knobs = &mut self.knobs;
        let holders = holders.unwrap_or_default();
        let growth = limit.and_then(|limit| {
            let scope = || Scope::of_limit(limit, &self.hierarchies);
            knobs.growth(limit, subject, &holders, scope)
        });
        Context {
            sources: match limit {
                Some(limit) => knobs.sources(limit, subject),
                None if verdict.cause.is_turned_in_caller() => knobs.of_caller(subject),
                None => Sources::default(),
            },
            unkillable: limit.and_then(|limit| knobs.unkillable(limit, errno)),
            holders,
            growth,
            wanted,
            memory,
            current: limit.and_then(|limit| limit_file::current(limit, self.in_pid_namespace)),
            last_memory: self.memory.last().copied(),
            unit_limit,
            visibility,
            also_full,
            in_pid_namespace: self.in_pid_namespace,
        }
    }

    /// The cgroup that CLONE_INTO_CGROUP named.
    pub(super) fn target(&mut self, named: &Named) -> Option<Target> {
        let path = named.path.as_deref();
        self.targets.of(&self.hierarchies, named.id, path)
    }

    /// What this process sees of the cgroup that has the limit; of a limit that is no cgroup's, all.
    fn visibility(&mut self, limit: &Limit) -> Visibility {
        let (Owner::Cgroup(owner), Some(resource)) =
            (&limit.owner, Resource::of_limit(&limit.kind))
        else {
            return Visibility::Whole;
        };
        if !self.hierarchies.hides_ancestors() {
            return Visibility::Whole;
        }
        let Some(id) = owner.id else {
            return Visibility::None;
        };
        if self.visibilities.len() >= REMEMBERED {
            self.visibilities.clear();
        }
        let look = || {
            let (hierarchy, _) = self.hierarchies.of_controller(resource.controller());
            // The kernel's path means another cgroup here: its id is looked for.
            let folder = self.hierarchies.locate(hierarchy, Path::new("/.."), id);
            folder.map_or(Visibility::None, Visibility::Folder)
        };
        self.visibilities.entry(id).or_insert_with(look).clone()
    }
}
