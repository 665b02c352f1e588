//! Who has set the limit, found from what was read.

use super::{Sources, soft};
use crate::{
    cause::Subject,
    host::{
        identity,
        lineage::{self, Member},
        openrc, pam_limits,
        setter::{self, Kind, Runtime, Scheduler, Service},
        shell_files,
        unit_files::Assignment,
    },
};

/// Who has set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin<'a> {
    /// A line of limits.conf or limits.d, and what else a login by these files gets.
    Pam(&'a pam_limits::Line, &'a pam_limits::Nproc),
    /// LimitNPROC= of the unit, in a file.
    Unit(&'a Assignment),
    /// DefaultLimitNPROC= of its manager.
    Manager(&'a Assignment),
    /// The unit's manager, or a program in it: its files can't be seen.
    UnitPerhaps,
    /// rc_ulimit of a service of OpenRC's.
    OpenRc(&'a openrc::Service, &'a Assignment),
    /// A line of a file that each shell reads.
    Shell(&'a shell_files::Line),
    /// LimitNPROC= of another service, from which the caller's process has come.
    Above(&'a Service, &'a Assignment),
    /// This process; its parent, where it is known, has another.
    Process(&'a Member, Option<&'a Member>),
    /// Some program in the unit that has ended, as no file of the unit does.
    SomeProgram,
    /// What has made the container.
    Runtime(Container),
    /// This process, which is out of the container that it came to be the limit of.
    Outside(&'a Member, Container),
    Slurm,
    /// Slurm's daemon has it as well, from which jobs have theirs where nobody brings another.
    Slurmd,
    /// As pid 1 has it: nobody has changed it.
    Kernel,
    Unknown,
}

/// Who has set a limit of this value.
pub(super) fn origin<'a>(
    value: Option<u64>,
    subject: &Subject<'_>,
    sources: &'a Sources,
) -> Origin<'a> {
    let path = subject.cgroup.path.as_deref().unwrap_or_default();
    let place = setter::of(path);
    let is = |set: &&Assignment| soft(&set.value) == value;
    if let Kind::Job { .. } = place.kind {
        return in_job(sources);
    }
    // It was changed at that moment: nobody's number is that of the one which refused.
    if value.is_none() {
        return Origin::Unknown;
    }
    let of_unit = sources.unit.as_ref();
    if let Some(set) = of_unit.and_then(|says| says.limit.as_ref()).filter(is) {
        return Origin::Unit(set);
    }
    if let Some(service) = &sources.openrc
        && let Some(set) = service.nproc.as_ref().filter(is)
    {
        return Origin::OpenRc(service, set);
    }
    let has_it = sources
        .process()
        .is_some_and(|own| own.bounds.soft == value);
    let first = lineage::first_alike(&sources.lineage).filter(|_| has_it);
    // Where systemd itself has started the first that has it, as that user, no PAM session was opened.
    let by_systemd = of_unit.is_some_and(|says| says.becomes_user)
        && first.is_some_and(|(_, parent)| parent.pid == 1);
    let mut lines = sources.pam.iter().filter(|_| !by_systemd);
    let line = lines.find_map(|all| {
        let line = all.counts().filter(|line| line.value == value)?;
        Some(Origin::Pam(line, all))
    });
    if let Some(line) = line {
        return line;
    }
    let unit_has_none = of_unit.is_some_and(|says| says.limit.is_none());
    if let Some(set) = sources.manager.as_ref().filter(is)
        && unit_has_none
    {
        return Origin::Manager(set);
    }
    let has_unit = unit(subject).is_some();
    if !has_it {
        return match (has_unit, unit_has_none) {
            (true, true) => Origin::SomeProgram,
            (true, false) => Origin::UnitPerhaps,
            (false, _) => Origin::Unknown,
        };
    }
    let Some((top, parent)) = first else {
        return match sources.init.is_some_and(|init| init.soft == value) {
            true => Origin::Kernel,
            false => Origin::Unknown,
        };
    };
    // Whoever makes a container's first process sets the limits of all in it.
    if let Some(container) = entered(top, parent, &place) {
        return Origin::Runtime(container);
    }
    if let Some(above) = &sources.above
        && let Some(set) = above.limit.as_ref().filter(is)
    {
        return Origin::Above(&above.service, set);
    }
    if let Some(line) = &sources.shell {
        return Origin::Shell(line);
    }
    let is_caller = sources.process() == Some(top);
    if let Some(container) = given(top, path).filter(|_| !is_caller) {
        return Origin::Outside(top, container);
    }
    // Where its cgroup can't be read, it is the caller's.
    let is_own = is_caller || top.cgroup.is_none() || same_unit(top, path);
    if has_unit && is_own && !same_unit(parent, path) {
        // The first process of the unit, of which nothing but the unit or itself can be the reason.
        return match unit_has_none {
            true => Origin::Process(top, Some(parent).filter(|parent| parent.pid != 1)),
            false => Origin::UnitPerhaps,
        };
    }
    Origin::Process(top, Some(parent))
}

/// Slurm gives a job its limits; what runs in it can have others.
fn in_job(sources: &Sources) -> Origin<'_> {
    let is_in_job = |member: &Member| {
        let path = member.cgroup.as_deref().unwrap_or_default();
        matches!(setter::of(path).kind, Kind::Job { name: Some(_), .. })
    };
    // slurmstepd stands in the job's cgroups as well, with limits of its own.
    let first = lineage::first_alike(&sources.lineage);
    if let Some((top, parent)) = first.filter(|(_, parent)| is_in_job(parent))
        && !parent.comm.starts_with("slurmstepd")
    {
        return Origin::Process(top, Some(parent));
    }
    // It begins as a part of the daemon.
    let soft = sources.process().map(|own| own.bounds.soft);
    let has_it = |member: &Member| Some(member.bounds.soft) == soft;
    let mut stepds = sources.lineage.iter();
    match stepds.any(|member| member.comm.starts_with("slurmstepd") && has_it(member)) {
        true => Origin::Slurmd,
        false => Origin::Slurm,
    }
}

/// The container that a process has been made for, of which its parent is no part.
fn entered(top: &Member, parent: &Member, place: &setter::Setter) -> Option<Container> {
    let around = |member: &Member| container(&setter::of(member.cgroup.as_deref()?));
    let own = around(top);
    // One that has the host's ids is seen by its cgroup alone.
    let enters = own.is_some() && parent.cgroup.is_some() && around(parent) != own;
    if parent.levels >= top.levels && !enters {
        return None;
    }
    own.or_else(|| container(place))
}

/// The outermost container around the caller that this process isn't in: what makes it can give it
/// another limit than its own.
fn given(top: &Member, path: &str) -> Option<Container> {
    let own = containers(top.cgroup.as_deref()?);
    let mut around = containers(path).into_iter();
    around.find(|container| !own.contains(container))
}

/// The container that the caller is in.
pub(super) fn own_container(subject: &Subject<'_>) -> Option<Container> {
    container(&setter::of(subject.cgroup.path.as_deref()?))
}

/// All that a cgroup lies in, outermost first.
fn containers(path: &str) -> Vec<Container> {
    let place = setter::of(path);
    let around = place.around().into_iter();
    let mut all: Vec<Container> = around
        .filter_map(|within| container(&setter::of(&within.path)))
        .collect();
    if let Kind::Container { .. } = &place.kind {
        all.extend(container(&place));
    }
    all
}

/// The service that the caller runs in: one that has LimitNPROC=.
pub(super) fn unit(subject: &Subject<'_>) -> Option<Service> {
    setter::service(subject.cgroup.path.as_deref()?)
}

/// The user whose manager has the unit that the caller runs in, of the host.
pub(super) fn users_manager(subject: &Subject<'_>) -> Option<u32> {
    let path = subject.cgroup.path.as_deref()?;
    let mut parts = path
        .split('/')
        .filter(|_| !setter::of(path).is_in_container());
    parts.find_map(identity::user_manager)
}

fn same_unit(member: &Member, path: &str) -> bool {
    let of = member.cgroup.as_deref().and_then(setter::service);
    of.is_some() && of == setter::service(path)
}

/// A container around a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Container {
    pub runtime: Runtime,
    pub name: String,
    pub in_pod: bool,
    pub scheduler: Option<Scheduler>,
    /// The user whose own it is: a rootless one.
    pub user: Option<u32>,
}

pub(super) fn container(place: &setter::Setter) -> Option<Container> {
    match (&place.kind, &place.within) {
        (
            Kind::Container {
                runtime,
                name,
                pod,
                scheduler,
                user,
                ..
            },
            _,
        ) => Some(Container {
            runtime: *runtime,
            name: name.clone(),
            in_pod: pod.is_some(),
            scheduler: *scheduler,
            user: *user,
        }),
        (_, Some(within)) => container(&setter::of(&within.path)),
        _ => None,
    }
}
