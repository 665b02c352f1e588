//! What a verdict is answered with beside itself: who fills the limit, the host's memory, where the
//! limit comes from, what of its cgroup this forktrace sees. Read once for each verdict, asked of its
//! limit's kind and owner.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{demand::Demands, knob::Knobs};
use crate::{
    cause::{Context, Sources, Subject, Verdict, Visibility, also_full},
    host::{
        cgroup::{Hierarchies, Hierarchy, Resource},
        docker::{Creator, Docker},
        etc::Etc,
        holders::{Holders, Scope},
        limit_file,
        located::Located,
        memory::AtVerdicts,
        nixos, own_namespaces,
        readings::is_initial_pid_namespace,
        sysctl_files::SysctlFiles,
        target_cgroup::Target,
        unit_files::Assignment,
        unit_limits::{UnitLimit, UnitLimits, UnitPlace},
    },
    model::{Limit, LimitKind, Owner},
    probe::decode::Named,
};

/// Reads contexts, and remembers what need not be read again.
pub(super) struct Contexts {
    hierarchies: Hierarchies,
    holders: Holders,
    memory: AtVerdicts,
    unit_limits: UnitLimits,
    /// Where the host's files can be seen.
    sysctls: Option<SysctlFiles>,
    docker: Option<Docker>,
    located: Located,
    knobs: Knobs,
    demands: Demands,
    in_pid_namespace: bool,
    /// Files are the host's, and so are paths of cgroups.
    sees_host: bool,
    nixos: bool,
    etc: Etc,
}

impl Contexts {
    /// Of this host.
    pub(super) fn new(hierarchies: Hierarchies, holders: Holders) -> Self {
        let sees_host =
            !hierarchies.hides_ancestors() && own_namespaces::files_are_hosts(Path::new("/proc"));
        let nixos = sees_host && nixos::has_made(Path::new("/"));
        Self {
            hierarchies,
            holders,
            memory: AtVerdicts::new(),
            unit_limits: UnitLimits::new(),
            sysctls: sees_host.then(SysctlFiles::new),
            docker: sees_host.then(|| Docker::new(PathBuf::from("/"))),
            located: Located::default(),
            knobs: Knobs::new(sees_host, nixos),
            demands: Demands::default(),
            in_pid_namespace: !is_initial_pid_namespace(Path::new("/proc")),
            sees_host,
            nixos,
            etc: Etc::read(Path::new("/proc")),
        }
    }

    /// Of a verdict on this refusal. `whole_copy`: as in [`Context`].
    pub(super) fn of(
        &mut self,
        verdict: &Verdict,
        subject: &Subject<'_>,
        whole_copy: Option<u64>,
    ) -> Context {
        let errno = subject.errno;
        let limit = verdict.limit.as_ref();
        let visibility = limit.map_or(Visibility::Whole, |limit| self.visibility(limit));
        let holders = limit.map(|limit| {
            let scope = || Scope::of_limit(limit, &self.hierarchies);
            let home = subject.cgroup.path.as_deref();
            self.holders.of(limit, subject.caller.pid, home, scope)
        });
        let unit_limit = limit.and_then(|limit| self.unit_limit(limit));
        let unit = limit.map(|limit| self.unit(limit)).unwrap_or_default();
        let wanted = limit.and_then(|limit| self.demands.take(limit, subject, Instant::now()));
        let more = limit
            .zip(wanted)
            .map(|(limit, wanted)| wanted.saturating_sub(limit.usage.unwrap_or_default()));
        let also_full: Vec<Context> = also_full(verdict)
            .into_iter()
            .map(|limit| Context {
                sources: self.sources(limit, subject),
                unit_limit: self.unit_limit(limit),
                unit: self.unit(limit),
                creator: self.creator(limit.owner.cgroup_path()),
                sysctl: self.sysctl(limit),
                visibility: self.visibility(limit),
                current: limit_file::current(limit, self.in_pid_namespace),
                wanted: more.map(|more| limit.usage.unwrap_or_default().saturating_add(more)),
                in_pid_namespace: self.in_pid_namespace,
                nixos: self.nixos,
                ..Context::default()
            })
            .collect();
        let memory = verdict
            .cause
            .memory_matters(errno)
            .then(|| self.memory.read(verdict.cause, limit))
            .flatten();
        let sysctl = limit.and_then(|limit| self.sysctl(limit));
        let creator = limit.and_then(|limit| self.creator(limit.owner.cgroup_path()));
        let sources = limit.map(|limit| self.sources(limit, subject));
        let knobs = &mut self.knobs;
        let holders = holders.unwrap_or_default();
        let growth = limit.and_then(|limit| {
            let scope = || Scope::of_limit(limit, &self.hierarchies);
            knobs.growth(limit, subject, &holders, scope)
        });
        Context {
            sources: match sources {
                Some(sources) => sources,
                None if verdict.cause.is_turned_in_caller() => knobs.of_caller(subject),
                None => Sources::default(),
            },
            unkillable: limit.and_then(|limit| knobs.unkillable(limit, errno)),
            whole_copy,
            holders,
            growth,
            wanted,
            memory,
            current: limit.and_then(|limit| limit_file::current(limit, self.in_pid_namespace)),
            last_memory: self.memory.last().copied(),
            unit_limit,
            unit,
            creator,
            sysctl,
            visibility,
            also_full,
            in_pid_namespace: self.in_pid_namespace,
            nixos: self.nixos,
            etc: self.etc,
        }
    }

    /// What the host's files say of a unit's limit.
    fn unit_limit(&mut self, limit: &Limit) -> Option<UnitLimit> {
        let known = self.sees_host.then_some(&mut self.unit_limits)?;
        known.of_limit(limit, &self.hierarchies)
    }

    /// What they say of the unit itself.
    fn unit(&mut self, limit: &Limit) -> UnitPlace {
        match self.sees_host {
            true => self.unit_limits.place(limit, &self.hierarchies),
            false => UnitPlace::default(),
        }
    }

    /// Who may have set a limit that a process has by itself.
    fn sources(&mut self, limit: &Limit, subject: &Subject<'_>) -> Sources {
        let mut sources = self.knobs.sources(limit, subject);
        if limit.kind == LimitKind::RlimitNproc {
            sources.creator = self.creator(subject.cgroup.path.as_deref());
        }
        sources
    }

    /// What has had Docker create the container with this cgroup.
    fn creator(&mut self, path: Option<&str>) -> Option<Creator> {
        self.docker.as_mut()?.creator(path?)
    }

    /// What the host's files say of a limit that is a setting of the whole host.
    fn sysctl(&mut self, limit: &Limit) -> Option<Assignment> {
        // Of namespaces there are files nowhere.
        let is_hosts = !matches!(
            limit.owner,
            Owner::PidNamespace { .. } | Owner::UserNamespace(_)
        );
        let by_size = self
            .memory
            .last()
            .and_then(|memory| memory.overcommit_kbytes);
        let key = match &limit.kind {
            LimitKind::CommitLimit if by_size.is_some_and(|kbytes| kbytes > 0) => {
                "vm.overcommit_kbytes".to_owned()
            }
            LimitKind::CommitLimit => "vm.overcommit_ratio".to_owned(),
            kind => kind.to_string(),
        };
        let is_sysctl = ["kernel.", "vm.", "fs.", "user."]
            .iter()
            .any(|part| key.starts_with(part));
        self.sysctls
            .as_mut()
            .filter(|_| is_hosts && is_sysctl)?
            .of(&key)
    }

    /// The cgroup that CLONE_INTO_CGROUP named.
    pub(super) fn target(&mut self, named: &Named) -> Option<Target> {
        let path = named.path.as_deref().unwrap_or(Path::new("/"));
        let folder = self
            .located
            .of(&self.hierarchies, Hierarchy::V2, path, named.id)?;
        Target::read(&self.hierarchies, folder, named.id)
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
        let (hierarchy, _) = self.hierarchies.of_controller(resource.controller());
        // The kernel's path means another cgroup here: its id is looked for.
        let folder = self
            .located
            .of(&self.hierarchies, hierarchy, Path::new("/.."), id);
        folder.map_or(Visibility::None, |folder| {
            Visibility::Folder(folder.to_owned())
        })
    }
}
