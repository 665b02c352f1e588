//! A cgroup's limit on tasks or memory, in the words of who has set the cgroup up.

mod container;
mod scheduled;
mod unit;

use container::{Which, build_step, container, default_of_pods, lxc, quadlet, started_by};
use scheduled::task;

pub(super) use container::{in_file, incus, proxmox, short};
pub(super) use scheduled::{compose_files, service_word};

use crate::{
    cause::{
        Context,
        knob::{
            later::{Line, edit_later},
            manager::Manager,
            target::Target,
        },
    },
    host::setter::{self, JobPart, Kind, Runtime, Scheduler, Setter},
    model::{Limit, LimitKind, Owner},
};

/// What a limit is called by those who set it.
pub(crate) struct Setting {
    /// Property of a systemd unit.
    property: &'static str,
    /// Option of `docker update` and of other runtimes.
    option: &'static str,
    /// Of LXC's own configuration, for either version of cgroups, and of Incus and LXD.
    lxc: &'static str,
    lxc_v1: &'static str,
    incus: &'static str,
    /// Of a service in a Compose file, and in its `deploy.resources.limits`.
    compose: &'static str,
    deploy: &'static str,
    /// Of snapd's quota groups.
    snap: &'static str,
    /// Where Kubernetes has it for a container.
    container: &'static str,
    /// And for a pod.
    pod: &'static str,
    /// kubelet's `systemReserved` and `kubeReserved` of this resource leave the rest to the pods.
    reserved: &'static str,
    /// What that is the rest of, where the node can have more (pkg/kubelet/stats/pidlimit).
    capacity: &'static str,
    /// What a job of Slurm's asks for it by, and a step of one.
    slurm: &'static str,
    slurm_step: &'static str,
    /// Where all jobs together have it.
    slurm_node: &'static str,
}

/// pids.max.
pub(crate) const TASKS: Setting = Setting {
    property: "TasksMax",
    option: "--pids-limit",
    lxc: "lxc.cgroup2.pids.max",
    lxc_v1: "lxc.cgroup.pids.max",
    incus: "limits.processes",
    compose: "pids_limit",
    deploy: "pids",
    snap: "--threads",
    container: "the container's own pids limit, set by its runtime and not by kubelet",
    pod: "kubelet configuration: podPidsLimit",
    reserved: "pid",
    capacity: ", or a higher kernel.pid_max and kernel.threads-max of the node before kubelet starts: it is what \
               is left of these",
    slurm: SLURM_TASKS,
    slurm_step: SLURM_TASKS,
    slurm_node: SLURM_TASKS,
};

const SLURM_TASKS: &str =
    "Slurm's own configuration of the job's cgroups (cgroup.conf, task plugins)";

/// memory.max, memory.limit_in_bytes.
pub(crate) const MEMORY: Setting = Setting {
    property: "MemoryMax",
    option: "--memory",
    lxc: "lxc.cgroup2.memory.max",
    lxc_v1: "lxc.cgroup.memory.limit_in_bytes",
    incus: "limits.memory",
    compose: "mem_limit",
    deploy: "memory",
    snap: "--memory",
    container: "pod specification, of this container: resources.limits.memory",
    pod: "pod specification, of its containers: resources.limits.memory",
    reserved: "memory",
    capacity: "",
    slurm: "what the job asked for (sbatch --mem, --mem-per-cpu), within AllowedRAMSpace= of cgroup.conf",
    slurm_step: "what the step asked for (srun --mem, --mem-per-cpu), within what the job has",
    slurm_node: "Slurm's own configuration: what the node has for its jobs (slurm.conf: RealMemory=, \
                 MemSpecLimit=; cgroup.conf)",
};

/// Where no name says who has set it, or none that a command could have.
const WHERE_SET_UP: &str = "raise the limit where this cgroup is set up";

fn by_its_owner(limit: &Limit, setting: &Setting, target: Target, context: &Context) -> String {
    let setter = setter::of(limit.owner.cgroup_path().unwrap_or_default());
    let text = at_home(&setter, limit, setting, target, context);
    let around = setter.around();
    let mut around = around.iter().map(|container| short(&container.name));
    match around.next() {
        None => text,
        Some(outermost) => {
            let within: String = around
                .map(|inner| format!(", in its container {inner}"))
                .collect();
            format!("in container {outermost}{within}: {text}")
        }
    }
}

/// How to set this limit of a cgroup to `target`, so that it lasts. Where a file of systemd's says the limit, a
/// drop-in that counts after the one which `systemctl set-property` writes would take the number back with the
/// next daemon-reload.
pub(crate) fn lasting(
    limit: &Limit,
    setting: &Setting,
    target: Target,
    context: &Context,
) -> String {
    let Setting { property, .. } = setting;
    let says = context.unit_limit.as_ref();
    let own = format!("50-{property}.conf");
    let setter = setter::of(limit.owner.cgroup_path().unwrap_or_default());
    let file = says
        .filter(|says| says.setting == *property)
        .and_then(|says| says.file.as_deref());
    let later = file.zip(unit_of(&setter)).and_then(|(file, (unit, user))| {
        let line = Line {
            unit,
            manager: manager(&setter, user, context),
            setting: property,
            value: target.to_string(),
        };
        edit_later(file, &own, "set-property", &line)
    });
    later.unwrap_or_else(|| by_its_owner(limit, setting, target, context))
}

/// The unit of a systemd that the cgroup is of, and whose user's manager has it.
fn unit_of(setter: &Setter) -> Option<(&str, Option<u32>)> {
    match &setter.kind {
        Kind::Unit { name, user } => Some((name, *user)),
        Kind::Container { unit, user, .. } => Some((unit.as_deref()?, *user)),
        _ => None,
    }
}

/// The systemd that has a unit with this cgroup.
fn manager<'a>(setter: &Setter, user: Option<u32>, context: &'a Context) -> Manager<'a> {
    let in_container = setter.within.is_some();
    Manager {
        user,
        home: context.unit.home.as_deref(),
        in_container,
        nixos: context.nixos && !in_container,
    }
}

/// Whether it is of a hierarchy of its controller's own (cgroup v1).
fn is_v1(limit: &Limit) -> bool {
    match &limit.kind {
        LimitKind::MemoryLimit | LimitKind::KernelMemoryLimit => true,
        LimitKind::PidsMax => {
            let path = limit.owner.cgroup_path().unwrap_or_default();
            let file = limit.file.as_deref().unwrap_or_default();
            let folder = file.strip_suffix("/pids.max");
            let mount = folder.and_then(|folder| folder.strip_suffix(path.trim_end_matches('/')));
            let name = mount.and_then(|mount| mount.rsplit('/').next());
            name.is_some_and(|name| name.split(',').any(|controller| controller == "pids"))
        }
        _ => false,
    }
}

fn at_home(
    setter: &Setter,
    limit: &Limit,
    setting: &Setting,
    target: Target,
    context: &Context,
) -> String {
    let path = limit.owner.cgroup_path().unwrap_or_default();
    let says = context.unit_limit.as_ref();
    let manager = |user| manager(setter, user, context);
    match &setter.kind {
        Kind::Unit { name, user } => unit::at_home(name, manager(*user), setting, target, context),
        Kind::Container {
            runtime,
            name,
            user,
            pod,
            unit,
            scheduler,
        } => match runtime {
            Runtime::Nspawn => match unit {
                Some(name) => unit::at_home(name, manager(None), setting, target, context),
                None => by_whom("the container's manager"),
            },
            Runtime::Lxc => lxc(name, is_v1(limit), setting, target),
            Runtime::BuildKit => build_step(unit.as_deref(), manager(*user), setting, target, says),
            _ => match quadlet(path) {
                Some(service) => started_by(&service, setting, target),
                None => Some(says)
                    .filter(|_| setting.property == TASKS.property)
                    .and_then(|says| {
                        let unit = (unit.as_deref(), manager(None));
                        default_of_pods(unit, pod.as_deref(), *runtime, target, says)
                    })
                    .unwrap_or_else(|| {
                        let which = Which {
                            runtime: *runtime,
                            scheduler: *scheduler,
                            creator: context.creator.as_ref(),
                            name,
                            user: *user,
                            pod: pod.as_deref(),
                        };
                        container(&which, setting, target)
                    }),
            },
        },
        Kind::Service { name } => openrc(name, limit, setting, target),
        Kind::Pod { uid } => format!("{}: {target} (pod {uid})", setting.pod),
        Kind::Pods => format!(
            "kubelet configuration: less of `{}` in systemReserved and kubeReserved{}",
            setting.reserved, setting.capacity
        ),
        Kind::Class(class) => match setting.property == TASKS.property {
            // pkg/kubelet/cm/node_container_manager_linux.go: podPidsLimit and node allocatable only.
            true => by_whom(&format!(
                "kubelet gives the {class} pods together no limit of tasks, somebody else has"
            )),
            false => format!("kubelet configuration: qosReserved of the {class} pods"),
        },
        Kind::Job { part, .. } => match part {
            JobPart::All | JobPart::User => setting.slurm_node,
            JobPart::Job => setting.slurm,
            JobPart::Step | JobPart::Task => setting.slurm_step,
        }
        .to_owned(),
        Kind::Task { of, name } => task(*of, name, setting, target),
        Kind::Program { unit } => {
            let name = path.rsplit('/').next().unwrap_or_default();
            match unit {
                Some(unit) => by_whom(&format!(
                    "what runs in {unit} has set up {name} below its own cgroup, with a limit of its own"
                )),
                None => by_whom(&format!("the program that has set up {name} has its limit")),
            }
        }
        Kind::Unknown => WHERE_SET_UP.to_owned(),
    }
}

/// OpenRC gives a service the settings of its conf.d file each time that it is started, in place of those
/// that rc.conf has for all.
fn openrc(name: &str, limit: &Limit, setting: &Setting, target: Target) -> String {
    let is_tasks = setting.property == TASKS.property;
    let (variable, key) = match (is_v1(limit), is_tasks) {
        (true, true) => ("rc_cgroup_pids", "pids.max"),
        (true, false) => ("rc_cgroup_memory", "memory.limit_in_bytes"),
        (false, true) => ("rc_cgroup_settings", "pids.max"),
        (false, false) => ("rc_cgroup_settings", "memory.max"),
    };
    format!(
        "OpenRC, /etc/conf.d/{name}: `{key} {target}` on a line of its own in {variable}, for its next start"
    )
}

fn by_whom(who: &str) -> String {
    format!("{who}: raise it there")
}

/// What else turning the knob does, or what it leaves as it is.
pub(crate) fn binds(owner: &Owner, setting: &Setting) -> Option<String> {
    let setter = setter::of(owner.cgroup_path()?);
    let is_tasks = setting.property == TASKS.property;
    let shared = |by: &str| Some(format!("it is shared by {by}"));
    match &setter.kind {
        Kind::Pod { .. } if is_tasks => Some(
            "podPidsLimit is one number for every pod of the node, is read when kubelet starts, and counts for \
             pods that are created then"
                .to_owned(),
        ),
        Kind::Pods => Some("it is what all pods of the node share (node allocatable)".to_owned()),
        Kind::Class(class) => shared(&format!("all {class} pods of the node")),
        Kind::Unit { name, user } => match (name.rsplit_once('.')?, user) {
            (("machine", "slice"), None) => {
                shared("all containers and virtual machines that machined knows")
            }
            (("user", "slice"), None) => shared("all logins of all users"),
            ((stem, "slice"), None) if stem.starts_with("user-") => {
                shared("all logins, services and rootless containers of this user")
            }
            ((_, "slice"), None) => shared(&format!("all units in {name}")),
            ((_, "slice"), Some(_)) => {
                shared(&format!("all units in {name} of this user's manager"))
            }
            ((stem, "service"), None) if stem.starts_with("user@") => {
                shared("all units of this user's manager (systemctl --user)")
            }
            ((stem, "scope"), _) if stem.starts_with("session-") => {
                shared("all that this login has started")
            }
            _ => None,
        },
        Kind::Container {
            runtime: Runtime::Lxc | Runtime::Nspawn,
            ..
        } => shared("all that runs in the container, the services of its own systemd too"),
        Kind::Job { part, .. } => match part {
            JobPart::All => shared("all jobs of the node"),
            JobPart::User => shared("all jobs of this user on the node"),
            JobPart::Job => shared("all steps and tasks of the job"),
            JobPart::Step => shared("all tasks of this step, and by no other step of the job"),
            JobPart::Task => None,
        },
        Kind::Task {
            of: Scheduler::Ecs, ..
        } => shared("all containers of the task"),
        _ => None,
    }
}

/// Where a unit of a container's own systemd has its number from: a part of what there may be in the
/// container, which systemd took when it set the unit up. `others` are the limits at the same instant.
pub(crate) fn part_of_container(limit: &Limit, others: &[Limit]) -> Option<String> {
    let setter = setter::of(limit.owner.cgroup_path()?);
    let (Kind::Unit { name, .. }, Some(container)) = (&setter.kind, &setter.within) else {
        return None;
    };
    if limit.kind != LimitKind::PidsMax {
        return None;
    }
    let (percent, whose) = percent_of(name)?;
    let own = |other: &&Limit| {
        other.kind == LimitKind::PidsMax && other.owner.cgroup_path() == Some(&container.path)
    };
    let host = |other: &&Limit| matches!(other.kind, LimitKind::ThreadsMax | LimitKind::PidMax);
    // src/basic/limits-util.c `system_tasks_max`: the smallest of what is seen inside.
    let of = others.iter().filter(|other| own(other) || host(other));
    let smallest = of.min_by_key(|other| other.value.unwrap_or(u64::MAX))?;
    let of = smallest.value?;
    let is = u128::from(of) * u128::from(percent) / 100 == u128::from(limit.value?);
    let container = short(&container.name);
    let base = match smallest.kind {
        LimitKind::PidsMax => format!("container {container}'s {of}"),
        _ => format!(
            "{}, {of}, container {container} having no lower limit",
            smallest.kind
        ),
    };
    is.then(|| {
        format!(
            "{percent} % of {base}: it seems to be {whose} of the container's own systemd, taken when \
             {name} was started"
        )
    })
}

/// What systemd gives a unit by itself, in percent.
fn percent_of(unit: &str) -> Option<(u64, &'static str)> {
    match unit.strip_suffix(".slice") {
        // src/core/manager.c `DEFAULT_TASKS_MAX`, of all but slices.
        None => Some((15, "DefaultTasksMax=15%")),
        // units/user-.slice.d/10-defaults.conf
        Some(slice) => {
            let uid = slice.strip_prefix("user-")?;
            uid.parse::<u32>().ok()?;
            Some((33, "TasksMax=33% of user-.slice.d"))
        }
    }
}

#[cfg(test)]
#[path = "cgroup_tests.rs"]
mod tests;
