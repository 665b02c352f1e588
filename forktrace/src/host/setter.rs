//! Who has set a cgroup's limits, by its path: a unit of which systemd, which container runtime,
//! kubelet, a program below its own unit.
//!
//! Names alone are judged, level by level from the root: what a level is depends on those above it.
//! Below a container begins another host: units there are those of the container's own systemd.

use super::identity::{self, is_unit, unescape_cgroup};
use crate::model::Qos;
pub use crate::model::is_of_systemd_run;

/// Who has set up the cgroup at the end of a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setter {
    /// What kind of thing set it up.
    pub kind: Kind,
    /// The container that it lies in; its own one isn't meant.
    pub within: Option<Within>,
}

/// A container around.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Within {
    /// The container's name, or its id where the path has no name.
    pub name: String,
    /// Path of the container's own cgroup, from the hierarchy's root.
    pub path: String,
}

/// What kind of thing sets it up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A unit of a systemd; of a user's manager where there is a uid.
    Unit {
        /// As systemd names it.
        name: String,
        /// The uid whose manager has it.
        user: Option<u32>,
    },
    /// A container, by its runtime; of a user's own where there is a uid.
    Container {
        /// What runs it, as far as the path says.
        runtime: Runtime,
        /// Its name; its id where the path has no name.
        name: String,
        /// The uid whose own it is.
        user: Option<u32>,
        /// The pod that it is one of.
        pod: Option<String>,
        /// The unit of the host that it is as well.
        unit: Option<String>,
        /// Who has it created, where the path says that.
        scheduler: Option<Scheduler>,
    },
    /// A pod as a whole: kubelet.
    Pod {
        /// Kubernetes' uid of the pod.
        uid: String,
    },
    /// All pods of the node: kubelet.
    Pods,
    /// All pods of a class: kubelet.
    Class(Qos),
    /// A job, a part of one, or what holds jobs: Slurm.
    Job {
        /// The job, as Slurm names its cgroup.
        name: Option<String>,
        /// How much of it.
        part: JobPart,
    },
    /// A task of a cluster's scheduler that makes cgroups by itself, as systemd names its own.
    Task {
        /// Whose task it is.
        of: Scheduler,
        /// As the scheduler names it.
        name: String,
    },
    /// A service of OpenRC's.
    Service {
        /// As its script in /etc/init.d is called.
        name: String,
    },
    /// A program, below the cgroup of the unit that it runs in (`None`: below its container's).
    Program {
        /// The unit's name.
        unit: Option<String>,
    },
    /// No name says.
    #[default]
    Unknown,
}

/// A level of Slurm's cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobPart {
    /// All jobs of the node.
    All,
    /// All jobs of a user.
    User,
    /// A job.
    Job,
    /// A step of a job.
    Step,
    /// A task of a step.
    Task,
}

/// What places tasks on machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// Nomad (client/lib/cgroupslib).
    Nomad,
    /// Amazon's Elastic Container Service.
    Ecs,
}

/// What runs containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// Docker Engine.
    Docker,
    /// Podman, and what else runs containers by libpod.
    Podman,
    /// containerd by itself: nerdctl, or kubelet's.
    Containerd,
    /// CRI-O: kubelet's.
    CriO,
    /// LXC, LXD and Incus.
    Lxc,
    /// systemd-nspawn, and what else systemd-machined knows as a container.
    Nspawn,
    /// BuildKit, for a step of an image's build.
    BuildKit,
    /// Of Kata Containers: the tasks of the virtual machine monitor.
    Kata,
    /// The path has an id and no runtime's name.
    Unknown,
}

/// Who has set up the cgroup with this path from the hierarchy's root.
pub fn of(path: &str) -> Setter {
    let mut walk = Walk::default();
    for component in path.split('/').filter(|c| !c.is_empty()) {
        walk.step(component);
    }
    let Walk { kind, within, .. } = walk;
    Setter { kind, within }
}

/// A service of a systemd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its unit's name.
    pub name: String,
    /// Whose user's manager has it; `None`: the system's.
    pub user: Option<u32>,
    /// The container whose own systemd that is.
    pub container: Option<String>,
}

/// The innermost service that the cgroup with this path belongs to, up to the container around.
pub fn service(path: &str) -> Option<Service> {
    let mut at = path;
    loop {
        let place = of(at);
        match place.kind {
            Kind::Unit { name, user } if name.ends_with(".service") => {
                return Some(Service {
                    name,
                    user,
                    container: place.within.map(|within| within.name),
                });
            }
            Kind::Container { .. } => return None,
            _ => at = at.rsplit_once('/')?.0,
        }
    }
}

/// The template of a service that a socket starts for each connection (Accept=yes), by what it calls them:
/// `sshd@5-192.0.2.1:22-198.51.100.7:4242.service`, of a local one `x@5-812-1000.service`, since systemd 258 with
/// the socket's cookie before the peers, and the id of a pidfd behind the pid: `x@5-97-812_4711-1000.service`
/// (src/core/socket.c `instance_from_socket`). No other start has that name.
pub fn of_connection(unit: &str) -> Option<String> {
    let (prefix, instance) = unit.strip_suffix(".service")?.split_once('@')?;
    let (number, peers) = instance.split_once('-')?;
    let after_cookie = peers
        .split_once('-')
        .is_some_and(|(cookie, peers)| decimal(cookie) && are_peers(peers));
    (!prefix.is_empty() && decimal(number) && (are_peers(peers) || after_cookie))
        .then(|| format!("{prefix}@.service"))
}

fn are_peers(text: &str) -> bool {
    let address = |text: &str| {
        let is = |b: u8| b.is_ascii_hexdigit() || b == b'.' || b == b':';
        text.contains(':') && text.bytes().all(is)
    };
    match text.split_once('-') {
        Some((one, other)) => {
            let (pid, pidfd) = one.split_once('_').unwrap_or((one, "0"));
            decimal(pid) && decimal(pidfd) && decimal(other) || address(one) && address(other)
        }
        None => text == "unknown",
    }
}

fn decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

impl Setter {
    /// The containers that it lies in, outermost first.
    pub fn around(&self) -> Vec<Within> {
        let mut around = Vec::new();
        let mut at = self.within.clone();
        while let Some(within) = at {
            at = of(&within.path).within;
            around.push(within);
        }
        around.reverse();
        around
    }

    /// Whether it is a container, or lies in one.
    pub fn is_in_container(&self) -> bool {
        self.within.is_some() || matches!(self.kind, Kind::Container { .. })
    }

    /// The unit of this host's system manager whose own cgroup it is.
    pub fn system_unit(&self) -> Option<&str> {
        match &self.kind {
            _ if self.within.is_some() => None,
            Kind::Unit { name, user: None } => Some(name),
            Kind::Container { unit, .. } => unit.as_deref(),
            _ => None,
        }
    }
}

/// What has been seen from the root down to here.
#[derive(Default)]
struct Walk {
    /// Path so far, and its last name.
    path: String,
    parent: String,
    kind: Kind,
    within: Option<Within>,
    /// Inside of a user's manager.
    user: Option<u32>,
    /// The innermost unit that isn't a slice.
    unit: Option<String>,
    in_pods: bool,
    pod: Option<String>,
}

impl Walk {
    fn step(&mut self, component: &str) {
        self.enter_container(component);
        self.kind = self.kind_of(component);
        if let Kind::Unit { name, .. } = &self.kind {
            if let Some(uid) = identity::user_manager(name) {
                // What follows are its units.
                self.user = Some(uid);
                self.unit = None;
            } else if !is_unit(name, ".slice") {
                self.unit = Some(name.clone());
            }
        }
        self.path.push('/');
        self.path.push_str(component);
        self.parent = component.to_owned();
    }

    /// Below a container's own cgroup begins the container's world.
    fn enter_container(&mut self, component: &str) {
        let Kind::Container {
            runtime,
            name,
            unit,
            ..
        } = &self.kind
        else {
            return;
        };
        if is_root_of(*runtime, unit.is_some(), component) {
            return;
        }
        let within = Within {
            name: name.clone(),
            path: self.path.clone(),
        };
        *self = Self {
            path: std::mem::take(&mut self.path),
            parent: std::mem::take(&mut self.parent),
            within: Some(within),
            ..Self::default()
        };
    }

    fn kind_of(&mut self, component: &str) -> Kind {
        // The part of a container's cgroup that its runtime has made.
        if let Kind::Container { .. } = &self.kind {
            return self.kind.clone();
        }
        if let Some(pod) = identity::pod(component).filter(|_| is_pods(component) || self.in_pods) {
            self.in_pods = true;
            self.pod = Some(pod);
        }
        if let Some(name) = build_step(&self.parent, component) {
            return Kind::Container {
                runtime: Runtime::BuildKit,
                name: name.to_owned(),
                user: self.user,
                pod: None,
                unit: component.ends_with(".scope").then(|| component.to_owned()),
                scheduler: None,
            };
        }
        if let Some(name) = identity::container(&self.parent, component) {
            let name_of_unit = unescape_cgroup(component);
            let is_unit = name_of_unit.ends_with(".scope") || name_of_unit.ends_with(".service");
            let scheduler = self.scheduler();
            return Kind::Container {
                runtime: match runtime(&self.parent, component) {
                    // Both run containers by Docker, whose name isn't in each path.
                    Runtime::Unknown if scheduler.is_some() => Runtime::Docker,
                    runtime => runtime,
                },
                name,
                user: self.user,
                pod: self.pod.clone(),
                unit: is_unit.then(|| name_of_unit.to_owned()),
                scheduler,
            };
        }
        if is_pods(component) {
            self.in_pods = true;
        }
        if self.in_pods {
            return match &self.pod {
                Some(uid) if identity::pod(component).is_some() => Kind::Pod { uid: uid.clone() },
                // Beside the containers: CRI-O's monitors.
                Some(_) if is_unit(component, ".scope") => Kind::Unit {
                    name: component.to_owned(),
                    user: None,
                },
                Some(_) => Kind::Program { unit: None },
                None => identity::qos(component).map_or(Kind::Pods, Kind::Class),
            };
        }
        if let Some(service) = self.openrc(component) {
            return service;
        }
        if let Some(job) = self.job(component) {
            return job;
        }
        if let Some(task) = self.task(component) {
            return task;
        }
        if self.unit.is_some() {
            return Kind::Program {
                unit: self.unit.clone(),
            };
        }
        let name = unescape_cgroup(component);
        let is = |kind: &str| is_unit(name, kind);
        if identity::UNITS.iter().chain([&".slice"]).any(|k| is(k)) {
            return Kind::Unit {
                name: name.to_owned(),
                user: self.user,
            };
        }
        match (self.user, &self.within) {
            (None, None) => Kind::Unknown,
            _ => Kind::Program { unit: None },
        }
    }

    /// `/openrc.nginx`, in cgroup v1's hierarchies `/openrc_nginx` (sh/rc-cgroup.sh): of the host or of a
    /// container.
    fn openrc(&self, component: &str) -> Option<Kind> {
        let top = self.within.as_ref().map_or("", |within| &*within.path);
        let name = component
            .strip_prefix("openrc.")
            .or_else(|| component.strip_prefix("openrc_"))
            .filter(|name| !name.is_empty() && self.path == top)?;
        Some(Kind::Service {
            name: name.to_owned(),
        })
    }

    /// `/slurm/uid_7/job_12/step_0`, `/slurm_n1/…` where a host has several slurmd, `/system.slice/slurmstepd.scope/job_12/step_0/user/task_0`.
    fn job(&self, component: &str) -> Option<Kind> {
        let scope = self.unit.as_deref();
        let below = match &self.kind {
            Kind::Job { .. } => true,
            _ => scope.is_some_and(|unit| unit.ends_with("slurmstepd.scope")),
        };
        let is_top = component == "slurm" || component.starts_with("slurm_");
        if !(below || is_top && self.path.is_empty()) {
            return None;
        }
        let own = component.strip_prefix("job_").map(str::to_owned);
        let (above, part) = match &self.kind {
            Kind::Job { name, part } => (name.clone(), *part),
            _ => (None, JobPart::All),
        };
        let part = match component.split('_').next() {
            Some("uid") => JobPart::User,
            Some("job") => JobPart::Job,
            Some("step") => JobPart::Step,
            Some("task") => JobPart::Task,
            _ => part,
        };
        Some(Kind::Job {
            name: own.or(above),
            part,
        })
    }

    /// Whose container it is that lies here: `/nomad.slice/docker-ID.scope`, `/ecs/TASK/ID`.
    fn scheduler(&self) -> Option<Scheduler> {
        let mut above = self.path.split('/').skip(1);
        match above.next()? {
            "nomad.slice" => Some(Scheduler::Nomad),
            "ecs" | "ecstasks.slice" => above.next().map(|_| Scheduler::Ecs),
            _ => None,
        }
    }

    /// `/nomad.slice/share.slice/UUID.web.scope`, `/ecstasks.slice/ecstasks-ID.slice`, `/ecs/ID`.
    fn task(&self, component: &str) -> Option<Kind> {
        let of_ecs = match self.path.as_str() {
            "/ecs" => Some(component),
            "/ecstasks.slice" => component
                .strip_prefix("ecstasks-")
                .and_then(|rest| rest.strip_suffix(".slice")),
            _ => None,
        };
        if let Some(id) = of_ecs {
            return identity::is_hex(id, 32).then(|| Kind::Task {
                of: Scheduler::Ecs,
                name: id.to_owned(),
            });
        }
        if !self.path.starts_with("/nomad.slice") {
            return None;
        }
        let (allocation, task) = component.strip_suffix(".scope")?.split_once('.')?;
        identity::is_uuid(allocation).then(|| Kind::Task {
            of: Scheduler::Nomad,
            name: task.to_owned(),
        })
    }
}

/// `kubepods`, `kubepods.slice`, `kubepods-burstable.slice`, `kubelet-kubepods-podUID.slice`.
fn is_pods(component: &str) -> bool {
    component.split(['-', '.']).any(|word| word == "kubepods")
}

/// Whether a folder below a container's is the container's own still; `is_unit`: of that, systemd has
/// made the cgroup.
fn is_root_of(runtime: Runtime, is_unit: bool, component: &str) -> bool {
    match runtime {
        // crun's, below the scope that it asked systemd for (src/libcrun/cgroup-systemd.c): the limits of
        // the container are the folder's too, whoever has crun run it.
        Runtime::Podman => component == "container",
        Runtime::Docker | Runtime::Containerd | Runtime::CriO | Runtime::BuildKit => {
            is_unit && component == "container"
        }
        Runtime::Nspawn => matches!(component, "payload" | "supervisor"),
        Runtime::Lxc => component == "ns",
        _ => false,
    }
}

/// The id of a step of BuildKit's, which has 25 digits of base 36 (identity/randomid.go): `buildkit/ID`, or
/// `docker-ID.scope` where Docker Engine builds and systemd makes the cgroups (executor/oci/spec.go).
fn build_step<'a>(parent: &str, component: &'a str) -> Option<&'a str> {
    let id = match parent {
        "buildkit" => component,
        _ => component
            .strip_prefix("docker-")
            .and_then(|rest| rest.strip_suffix(".scope"))?,
    };
    let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'z');
    (id.len() == 25 && id.bytes().all(is_digit)).then_some(id)
}

fn runtime(parent: &str, component: &str) -> Runtime {
    let named = |word: &str| {
        component
            .split(['-', ':'])
            .any(|part| part == word || part.strip_prefix('/') == Some(word))
    };
    if component.starts_with("kata_") || parent == "kata_overhead" {
        Runtime::Kata
    } else if component.starts_with("lxc.payload.") || matches!(parent, "lxc" | "lxc.payload") {
        Runtime::Lxc
    } else if component.starts_with("systemd-nspawn@") || component.starts_with("machine-") {
        Runtime::Nspawn
    } else if named("libpod") {
        Runtime::Podman
    } else if named("crio") {
        Runtime::CriO
    } else if named("containerd") || named("nerdctl") || parent == "k8s.io" {
        Runtime::Containerd
    } else if named("docker") || parent == "docker" {
        Runtime::Docker
    } else {
        Runtime::Unknown
    }
}

#[cfg(test)]
mod tests;
