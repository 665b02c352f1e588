//! A process and those that it descends from, with what each has of one resource: whoever has set a
//! limit is the first that has another than its parent.

use std::path::Path;

use super::{
    cgroup::{Controller, Hierarchies, Hierarchy},
    process::{Bounds, Limits, Status, started, ticks, uptime},
    setter::{self, Service},
};

/// Generations that are worth following.
pub const GENERATIONS: usize = 32;

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Its pid, in this process's pid namespace.
    pub pid: u32,
    /// Its name.
    pub comm: String,
    /// Real uid.
    pub uid: u32,
    /// What it has of the resource.
    pub bounds: Bounds,
    /// How long it has run; `None` where that can't be read.
    pub seconds: Option<u64>,
    /// Its pid namespaces: one more than its parent's where a container begins.
    pub levels: usize,
    /// Its cgroup's path in the v2 hierarchy, else in that of the v1 pids controller.
    pub cgroup: Option<String>,
}

/// The process, its parent, and so on up to the first that has another soft limit, or to init; empty
/// where it has ended. So many generations at most; `of` picks the resource.
pub fn of(proc: &Path, pid: u32, generations: usize, of: fn(&Limits) -> Bounds) -> Vec<Member> {
    let uptime = uptime(proc);
    let mut members: Vec<Member> = Vec::new();
    let mut at = pid;
    while at != 0 && members.len() < generations {
        let Some((member, parent)) = member(proc, at, of, uptime) else {
            break;
        };
        let differs = |first: &Member| first.bounds.soft != member.bounds.soft;
        let is_last = members.first().is_some_and(differs);
        members.push(member);
        if is_last {
            break;
        }
        at = parent;
    }
    members
}

/// The same of a process that has ended, by what its refusal has told of it: `own`, and its parent if
/// that lives on. Empty where it doesn't.
pub fn of_ended(
    proc: &Path,
    own: Member,
    parent: u32,
    generations: usize,
    resource: fn(&Limits) -> Bounds,
) -> Vec<Member> {
    let mut above = of(proc, parent, generations, resource);
    let Some(first) = above.first() else {
        return above;
    };
    if first.bounds.soft != own.bounds.soft {
        above.truncate(1);
    }
    above.insert(0, own);
    above
}

/// The topmost of those in a row, from the first on, that have its soft limit, and the one above, which has
/// another; `None` where nobody above is known to.
pub fn first_alike(members: &[Member]) -> Option<(&Member, &Member)> {
    let soft = members.first()?.bounds.soft;
    let other = members
        .iter()
        .position(|member| member.bounds.soft != soft)?;
    Some((&members[other - 1], &members[other]))
}

/// The service whose first process that topmost one is: whatever runs in it, or comes of it, may have
/// its limits. Of this host's systemd alone.
pub fn first_service(members: &[Member]) -> Option<Service> {
    let (top, above) = first_alike(members)?;
    let service = |member: &Member| setter::service(member.cgroup.as_deref()?);
    let own = service(top).filter(|own| own.container.is_none())?;
    (service(above).as_ref() != Some(&own)).then_some(own)
}

fn member(
    proc: &Path,
    pid: u32,
    of: fn(&Limits) -> Bounds,
    uptime: Option<u64>,
) -> Option<(Member, u32)> {
    let status = Status::read(proc, pid).ok()?;
    let limits = Limits::read(proc, pid).ok()?;
    let age = |begun: u64| Some(uptime?.saturating_sub(begun / ticks()));
    let member = Member {
        pid: status.pid,
        uid: status.uid,
        bounds: of(&limits),
        seconds: started(proc, pid).and_then(age),
        levels: status.pids.len(),
        cgroup: cgroup(proc, pid),
        comm: status.comm,
    };
    Some((member, status.parent))
}

fn cgroup(proc: &Path, pid: u32) -> Option<String> {
    let path = |hierarchy| Hierarchies::path_of_process(proc, pid, hierarchy);
    let unified = path(Hierarchy::V2).filter(|path| path != Path::new("/"));
    let path = unified.or_else(|| path(Hierarchy::V1(Controller::Pids)))?;
    Some(path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_and_its_parents() {
        let proc = Path::new("/proc");
        let own = of(proc, std::process::id(), GENERATIONS, |limits| {
            limits.processes
        });
        assert!(own.len() > 1, "{own:?}");
        assert_eq!(own[0].pid, std::process::id());
        assert_eq!(
            own[0].bounds,
            Limits::read(proc, own[0].pid).unwrap().processes
        );
        assert!(own[0].seconds.unwrap() < 3600 && own[0].levels > 0);
        assert!(of(proc, u32::MAX - 1, GENERATIONS, |limits| limits.processes).is_empty());
    }

    #[test]
    fn a_process_that_has_ended_has_its_parents() {
        let proc = Path::new("/proc");
        let processes = |limits: &Limits| limits.processes;
        let parent = std::process::id();
        let soft = Limits::read(proc, parent).unwrap().processes.soft;
        let ended = |soft, parent| {
            let own = Member {
                pid: u32::MAX - 1,
                bounds: Bounds { soft, hard: None },
                ..Member::default()
            };
            of_ended(proc, own, parent, GENERATIONS, processes)
        };
        // With the parent's limit it may be from further up, with another it is its own.
        let alike = ended(soft, parent);
        assert!(alike.len() > 2 && alike[1].pid == parent, "{alike:?}");
        assert_eq!(ended(Some(7), parent).len(), 2);
        assert!(ended(soft, u32::MAX - 1).is_empty() && ended(soft, 0).is_empty());
    }
}
