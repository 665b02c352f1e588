//! What is read to find who has set a limit: the refused process and those above it, unit files,
//! limits.conf, whom the OOM killer spares, whether what fills it grows.

use std::path::{Path, PathBuf};

use crate::{
    cause::{Above, Sources, Subject, UnitSays},
    host::{
        cgroup::Resource,
        growth::{self, Growth, Growths},
        holders::Scope,
        identity,
        limit_file::cgroup_folder,
        lineage::{self, Member},
        oom_score::{Unkillable, Unkillables},
        openrc, own_namespaces, pam_limits,
        passwd::Passwd,
        process::{self, Bounds, Limits, Status},
        remembered::Remembered,
        setter::{self, Kind, Service},
        shell_files::{self, ShellFiles},
        unit_files::{Assignment, UnitFiles},
        unit_limits::UnitPlace,
    },
    model::{Errno, Holder, Limit, LimitKind, Owner},
};

const PROC: &str = "/proc";
/// Units and users whose files are remembered.
const REMEMBERED: usize = 256;

/// Of whom the files are.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
struct Key {
    /// A unit's, of a user's manager where there is a uid.
    unit: Option<(String, Option<u32>)>,
    /// Those of a user's logins, and of OpenRC's service whose cgroup this is.
    caller: Option<Caller>,
}

/// What files of the host's can be about.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Caller {
    uid: u32,
    place: Place,
    /// Those of the process, which needn't be all that its user has now; `None` where it has ended.
    groups: Option<(u32, Vec<u32>)>,
}

/// Where a process runs, as far as files of the host's can be about it.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Place {
    Host { openrc: Option<String> },
    Container,
}

impl Place {
    fn of(path: &str) -> Self {
        let setter = setter::of(path);
        match setter.kind {
            _ if setter.is_in_container() => Self::Container,
            Kind::Service { name } => Self::Host { openrc: Some(name) },
            _ => Self::Host { openrc: None },
        }
    }
}

/// Reads, and remembers what files say for a minute.
pub(super) struct Knobs {
    /// Numbers of processes in /proc are those of the records, and so are paths of cgroups.
    pids_are_hosts: bool,
    sees_host: bool,
    nixos: bool,
    known: Remembered<Key, Sources>,
    unkillables: Unkillables,
    growths: Growths,
    shells: ShellFiles,
}

impl Knobs {
    /// `sees_host`: cgroups and files are the host's; `nixos`: NixOS has made these.
    pub(super) fn new(sees_host: bool, nixos: bool) -> Self {
        Self {
            pids_are_hosts: own_namespaces::proc_is_hosts(Path::new(PROC)),
            sees_host,
            nixos,
            known: Remembered::new(REMEMBERED),
            unkillables: Unkillables::new(),
            growths: Growths::new(),
            shells: ShellFiles::default(),
        }
    }

    /// Who may have set a limit that a process has by itself; nobody for others.
    pub(super) fn sources(&mut self, limit: &Limit, subject: &Subject<'_>) -> Sources {
        let Some(resource) = resource(&limit.kind) else {
            return Sources::default();
        };
        let is_nproc = limit.kind == LimitKind::RlimitNproc;
        let is_of_unit = match limit.kind {
            LimitKind::RlimitNproc => matches!(limit.owner, Owner::User { .. }),
            _ => limit.kind == LimitKind::RlimitNofile,
        };
        let pid = self.pid(subject);
        let mut sources = match is_of_unit {
            true => self.files(subject, pid),
            false => Sources::default(),
        };
        sources.nixos = self.nixos;
        if self.pids_are_hosts {
            // Of the others nobody asks who has set them.
            let generations = if is_nproc { lineage::GENERATIONS } else { 1 };
            if let Some(pid) = pid {
                sources.lineage = lineage::of(Path::new(PROC), pid, generations, resource);
            }
            sources.ended = sources.lineage.is_empty();
            if is_nproc && sources.ended {
                sources.lineage = of_ended(limit, subject);
            }
            let service = lineage::first_service(&sources.lineage).filter(|_| is_nproc);
            sources.above = service.and_then(|service| self.above(service, subject));
            sources.shell = limit
                .value
                .filter(|_| is_nproc && self.sees_host)
                .and_then(|value| self.of_shell(&sources.lineage, value));
        }
        sources
    }

    /// A line of the host's files by which a shell of the host has set the limit.
    fn of_shell(&mut self, lineage: &[Member], value: u64) -> Option<shell_files::Line> {
        let (top, _) = lineage::first_alike(lineage)?;
        let place = setter::of(top.cgroup.as_deref()?);
        if place.is_in_container() || !shell_files::is_shell(&top.comm) {
            return None;
        }
        self.shells.nproc(value)
    }

    /// What the files of another service than the caller's say, from which its processes have come.
    fn above(&mut self, service: Service, subject: &Subject<'_>) -> Option<Above> {
        let own = subject.cgroup.path.as_deref().and_then(setter::service);
        if own.as_ref() == Some(&service) || !self.sees_host {
            return None;
        }
        let key = Key {
            unit: Some((service.name.clone(), service.user)),
            caller: None,
        };
        let known = self
            .known
            .get(key, |_| of_unit(&service.name, service.user, 0));
        let says = known.unit.unwrap_or_default();
        Some(Above {
            service,
            limit: says.limit.or(known.manager),
            hidden: says.hidden,
            place: says.place,
        })
    }

    /// The refused process alone.
    pub(super) fn of_caller(&self, subject: &Subject<'_>) -> Sources {
        let mut sources = Sources::default();
        if let Some(pid) = self.pid(subject) {
            sources.lineage = lineage::of(Path::new(PROC), pid, 1, |limits| limits.processes);
        }
        sources
    }

    /// The number in /proc of the refused process, where it is there still, by the thread that asked: where ids have
    /// run out, one that is given back is another process's at once.
    fn pid(&self, subject: &Subject<'_>) -> Option<u32> {
        let caller = subject.caller;
        let name = self
            .pids_are_hosts
            .then(|| process::thread_name(Path::new(PROC), caller.pid, caller.tid))
            .flatten()?;
        (String::from_utf8_lossy(&name) == caller.comm).then_some(caller.pid)
    }

    /// `pid`: of the refused process, if it is there.
    fn files(&mut self, subject: &Subject<'_>, pid: Option<u32>) -> Sources {
        let unit = subject.cgroup.path.as_deref().and_then(service);
        let sees_host = self.sees_host;
        let place = Place::of(subject.cgroup.path.as_deref().unwrap_or_default());
        let caller = Caller {
            uid: subject.caller.uid,
            groups: pid
                .filter(|_| place != Place::Container)
                .and_then(|pid| process::groups(Path::new(PROC), pid)),
            place,
        };
        let key = Key {
            unit,
            caller: Some(caller),
        };
        self.known.get(key, |key| match sees_host {
            true => read(key, subject),
            false => Sources::default(),
        })
    }

    /// Whom the OOM killer may not kill, where it found nobody.
    pub(super) fn unkillable(&mut self, limit: &Limit, errno: Errno) -> Option<Unkillable> {
        if errno != Errno::ENOMEM || Resource::of_limit(&limit.kind) != Some(Resource::Memory) {
            return None;
        }
        let folder = cgroup_folder(limit)?;
        if !self.pids_are_hosts {
            return None;
        }
        self.unkillables.of(Path::new(PROC), limit, folder)
    }

    /// Whether the refused program fills the limit by what it has started lately.
    pub(super) fn growth(
        &mut self,
        limit: &Limit,
        subject: &Subject<'_>,
        holders: &[Holder],
        scope: impl FnOnce() -> Option<Scope>,
    ) -> Option<Growth> {
        let proc = Path::new(PROC);
        let largest = growth::largest(holders)?;
        if !self.pids_are_hosts {
            return None;
        }
        // A thread has a name of its own.
        let leader = self
            .pid(subject)
            .and_then(|pid| Status::read(proc, pid).ok());
        let program = leader.map_or_else(|| subject.caller.comm.clone(), |leader| leader.comm);
        if program != largest {
            return None;
        }
        self.growths.of(proc, limit, &scope()?, &program)
    }
}

/// What files say of a unit, and of a user's logins.
fn read(key: &Key, subject: &Subject<'_>) -> Sources {
    let init = Limits::read(Path::new(PROC), 1).ok();
    let uid = subject.caller.uid;
    let mut sources = key
        .unit
        .as_ref()
        .map(|(name, user)| of_unit(name, *user, uid))
        .unwrap_or_default();
    sources.init = init.map(|limits| limits.processes);
    if let Some(caller) = &key.caller
        && let Place::Host { openrc } = &caller.place
    {
        let root = Path::new("/");
        sources.openrc = openrc
            .as_ref()
            .map(|name| openrc::service(root, name.clone()));
        let user = pam_limits::User::read(root, subject.caller.user.as_deref(), uid);
        let user = match &caller.groups {
            Some((gid, others)) => user.with_groups(root, *gid, others),
            None => user,
        };
        let services = pam_limits::Services::read(root);
        sources.pam = services.nproc(root, &user);
        // An image with nothing but forktrace says nothing of PAM.
        sources.no_pam = root.join("bin/sh").exists() && !services.ask();
    }
    sources
}

/// What the files of a unit and of its manager say, whose processes have this uid.
fn of_unit(name: &str, user: Option<u32>, uid: u32) -> Sources {
    let root = || PathBuf::from("/");
    let mut sources = Sources::default();
    if !UnitFiles::new(root()).are_in_use() {
        return sources;
    }
    let passwd = Passwd::load().unwrap_or_default();
    let home = user.and_then(|uid| passwd.home(uid));
    let files = match user {
        Some(uid) => UnitFiles::of_user(root(), uid, home.as_deref()),
        None => UnitFiles::new(root()),
    };
    let becomes = |set: Assignment| passwd.uid(&set.value).ok() == Some(uid);
    let limit = files.of_unit(name, "LimitNPROC");
    let template = setter::of_connection(name);
    let edited = template.as_deref().unwrap_or(name);
    sources.unit = (limit.is_some() || files.has(name)).then(|| UnitSays {
        limit,
        hidden: files.hidden_by(edited, "override.conf"),
        becomes_user: user.is_none()
            && files.of_unit(name, "PAMName").is_none()
            && files.of_unit(name, "User").is_some_and(becomes),
        place: UnitPlace {
            is_transient: files.is_transient(name),
            home,
        },
    });
    sources.manager = files.of_manager("DefaultLimitNPROC");
    sources
}

/// Of a process that has ended since it was refused: its limit is what the kernel has compared.
fn of_ended(limit: &Limit, subject: &Subject<'_>) -> Vec<Member> {
    let (caller, cgroup) = (subject.caller, subject.cgroup);
    let own = Member {
        pid: caller.pid,
        comm: caller.comm.clone(),
        uid: caller.uid,
        bounds: Bounds {
            soft: limit.value,
            hard: None,
        },
        seconds: None,
        levels: 0,
        cgroup: cgroup.path.clone(),
    };
    let proc = Path::new(PROC);
    let mut all = lineage::of_ended(proc, own, caller.ppid, lineage::GENERATIONS, |limits| {
        limits.processes
    });
    if let [own, parent, ..] = &mut all[..] {
        let container = |path: &str| identity::identify(path).container;
        let around = parent.cgroup.as_deref().and_then(container);
        // Whoever makes a container's first process is out of it.
        let enters = cgroup.container.is_some() && around != cgroup.container;
        own.levels = parent.levels + usize::from(enters);
    }
    all
}

fn resource(kind: &LimitKind) -> Option<fn(&Limits) -> Bounds> {
    Some(match kind {
        LimitKind::RlimitNproc => |limits| limits.processes,
        LimitKind::RlimitAs => |limits| limits.address_space,
        LimitKind::RlimitData => |limits| limits.data,
        LimitKind::RlimitMemlock => |limits| limits.locked,
        LimitKind::RlimitNofile => |limits| limits.files,
        _ => return None,
    })
}

/// The innermost service of the host that a cgroup belongs to, and whose user's manager has it.
fn service(path: &str) -> Option<(String, Option<u32>)> {
    let service = setter::service(path).filter(|service| service.container.is_none())?;
    Some((service.name, service.user))
}
