//! A cgroup's limit on tasks or memory, in the words of who has set the cgroup up.

use crate::{
    cause::words::shell_word,
    host::setter::{self, Kind, Runtime, Setter},
    model::{Limit, LimitKind, Owner},
};

/// What a limit is called by those who set it.
pub(crate) struct Setting {
    /// Property of a systemd unit.
    property: &'static str,
    /// Option of `docker update` and of other runtimes.
    option: &'static str,
    /// Of LXC's own configuration, and of Incus and LXD.
    lxc: &'static str,
    incus: &'static str,
    /// Of snapd's quota groups.
    snap: &'static str,
    /// Where Kubernetes has it for a container.
    container: &'static str,
    /// And for a pod.
    pod: &'static str,
    /// kubelet's `systemReserved` and `kubeReserved` of this resource leave the rest to the pods.
    reserved: &'static str,
    /// What a job of Slurm's asks for it by.
    slurm: &'static str,
}

/// pids.max.
pub(crate) const TASKS: Setting = Setting {
    property: "TasksMax",
    option: "--pids-limit",
    lxc: "lxc.cgroup2.pids.max",
    incus: "limits.processes",
    snap: "--threads",
    container: "the container's own pids limit, set by its runtime and not by kubelet",
    pod: "kubelet configuration: podPidsLimit",
    reserved: "pid",
    slurm: "Slurm's own configuration of the job's cgroups (cgroup.conf, task plugins)",
};

/// memory.max, memory.limit_in_bytes.
pub(crate) const MEMORY: Setting = Setting {
    property: "MemoryMax",
    option: "--memory",
    lxc: "lxc.cgroup2.memory.max",
    incus: "limits.memory",
    snap: "--memory",
    container: "pod specification, of this container: resources.limits.memory",
    pod: "pod specification, of its containers: resources.limits.memory",
    reserved: "memory",
    slurm: "what the job asked for (sbatch --mem, --mem-per-cpu), within AllowedRAMSpace= of cgroup.conf",
};

/// Where no name says who has set it, or none that a command could have.
const WHERE_SET_UP: &str = "raise the limit where this cgroup is set up";

/// How to set the limit of this cgroup to `target`, so that it lasts.
pub(crate) fn lasting(owner: &Owner, setting: &Setting, target: u64) -> String {
    let setter = setter::of(owner.cgroup_path().unwrap_or_default());
    let text = at_home(&setter, owner, setting, target);
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

fn at_home(setter: &Setter, owner: &Owner, setting: &Setting, target: u64) -> String {
    match &setter.kind {
        Kind::Unit { name, user } => unit(name, *user, setting, target),
        Kind::Container {
            runtime,
            name,
            user,
            pod,
            unit,
        } => match runtime {
            Runtime::Nspawn => match unit {
                Some(name) => self::unit(name, None, setting, target),
                None => by_whom("the container's manager"),
            },
            Runtime::Lxc => format!(
                "configuration of container {name}: {} = {target} (Incus: incus config set {name} {} {target})",
                setting.lxc, setting.incus
            ),
            _ => container(*runtime, name, *user, pod.as_deref(), setting, target),
        },
        Kind::Pod { uid } => format!("{}: {target} (pod {uid})", setting.pod),
        Kind::Pods => format!(
            "kubelet configuration: less of `{}` in systemReserved and kubeReserved",
            setting.reserved
        ),
        Kind::Class(class) => match setting.property == TASKS.property {
            // pkg/kubelet/cm/node_container_manager_linux.go: podPidsLimit and node allocatable only.
            true => by_whom(&format!(
                "kubelet gives the {class} pods together no limit of tasks, somebody else has"
            )),
            false => format!("kubelet configuration: qosReserved of the {class} pods"),
        },
        Kind::Job { .. } => setting.slurm.to_owned(),
        Kind::Program { unit } => {
            let name = owner.cgroup_path().unwrap_or_default().rsplit('/').next();
            let name = name.unwrap_or_default();
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

fn by_whom(who: &str) -> String {
    format!("{who}: raise it there")
}

fn container(
    runtime: Runtime,
    name: &str,
    user: Option<u32>,
    pod: Option<&str>,
    setting: &Setting,
    target: u64,
) -> String {
    let Setting { option, .. } = setting;
    let is_memory = setting.property == MEMORY.property;
    match (runtime, pod) {
        (Runtime::CriO, _) if !is_memory => format!(
            "CRI-O, crio.conf: [crio.runtime] pids_limit = {target} (OpenShift: pidsLimit of a \
             ContainerRuntimeConfig), for each container of the node that is started then"
        ),
        (Runtime::Kata, _) => by_whom(
            "Kata Containers has set up the cgroup of this sandbox, in which the virtual machine's own \
             threads count (configuration.toml: default_vcpus, sandbox_cgroup_only)",
        ),
        (_, Some(pod)) if is_memory => format!("{}: {target} (pod {pod})", setting.container),
        (Runtime::Docker, _) => docker(option, target, name),
        (_, Some(pod)) => format!("{} (pod {pod}): {target}", setting.container),
        (Runtime::Podman, _) => {
            let whose = user
                .map(|uid| format!(", as uid {uid}"))
                .unwrap_or_default();
            format!(
                "podman update {option} {target} {name} (before Podman 4.3: {option} when it is created{whose})"
            )
        }
        (Runtime::Containerd, _) => format!(
            "nerdctl update {option} {target} {name} (other clients of containerd: when it is created)"
        ),
        _ => format!("{option} {target} when container {name} is created (Docker: docker update)"),
    }
}

fn docker(option: &str, target: u64, name: &str) -> String {
    // Without it, memory and swap together would stay where they are, and refuse.
    let swap = match option {
        "--memory" => format!(" --memory-swap {target}"),
        _ => String::new(),
    };
    format!("docker update {option} {target}{swap} {name}")
}

fn unit(name: &str, user: Option<u32>, setting: &Setting, target: u64) -> String {
    let Some(word) = shell_word(name) else {
        return WHERE_SET_UP.to_owned();
    };
    let Setting { property, .. } = setting;
    let set = match user {
        Some(uid) => {
            format!("systemctl --user set-property {word} {property}={target} (as uid {uid}")
        }
        None => format!("systemctl set-property {word} {property}={target}"),
    };
    match (next_ones(name, user, setting, target), user) {
        (Some(next), Some(_)) => format!("{set}; until it ends; for the next ones: {next})"),
        (Some(next), None) => format!("{set} (until it ends; for the next ones: {next})"),
        (None, Some(_)) => format!("{set})"),
        (None, None) => set,
    }
}

/// Who makes scopes of these names, each for what it starts.
const MAKERS: [(&str, &str); 10] = [
    ("session-", "logind"),
    ("app-flatpak-", "Flatpak"),
    ("app-gnome-", "GNOME"),
    ("app-", "the desktop"),
    ("vte-spawn-", "the terminal"),
    ("tmux-spawn-", "tmux"),
    ("libpod-conmon-", "Podman, for its monitor"),
    ("crio-conmon-", "CRI-O, for its monitor"),
    ("podman-", "Podman"),
    ("machine-", "machined"),
];

/// Of a unit that goes when what is in it ends: how those that come have more.
fn next_ones(unit: &str, user: Option<u32>, setting: &Setting, target: u64) -> Option<String> {
    let Setting { property, snap, .. } = setting;
    let (stem, kind) = unit.rsplit_once('.')?;
    if let Some(rest) = stem.strip_prefix("snap.") {
        let name = rest.split('.').next().unwrap_or(rest);
        return Some(format!("snap set-quota GROUP {snap}={target} {name}"));
    }
    if stem.starts_with("run-") {
        return Some(format!("systemd-run -p {property}={target}"));
    }
    if kind != "scope" || stem == "init" {
        return None;
    }
    let maker = MAKERS.iter().find(|(start, _)| stem.starts_with(start));
    let Some((start, maker)) = maker else {
        return Some("where what makes the scope asks for its limit".to_owned());
    };
    // Drop-ins of a dashed prefix are for all of that name (systemd.unit(5)).
    let prefix = match start.starts_with("app-") {
        true => stem
            .rsplit_once('-')
            .map_or(*start, |(name, _)| &stem[..=name.len()]),
        false => start,
    };
    let folder = match user {
        Some(_) => "~/.config/systemd/user",
        None => "/etc/systemd/system",
    };
    let file = shell_word(&format!("{prefix}.scope.d"))?;
    Some(format!(
        "{folder}/{file}/: [Scope] {property}={target}, of what {maker} starts"
    ))
}

/// What else turning the knob does, or what it leaves as it is.
pub(crate) fn binds(owner: &Owner, setting: &Setting) -> Option<String> {
    let setter = setter::of(owner.cgroup_path()?);
    let is_tasks = setting.property == TASKS.property;
    let shared = |by: &str| Some(format!("it is shared by {by}"));
    match &setter.kind {
        Kind::Pod { .. } if is_tasks => Some(
            "podPidsLimit is one number for every pod of the node, and is read when kubelet starts"
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
        Kind::Job { .. } => shared("all steps and tasks of the job"),
        _ => None,
    }
}

/// Where a unit of a container's own systemd has its number from: a part of what the container may
/// have, which systemd took when it set the unit up. `others` are the limits at the same instant.
pub(crate) fn part_of_container(limit: &Limit, others: &[Limit]) -> Option<String> {
    /// src/core/manager.c `DEFAULT_TASKS_MAX`, in percent.
    const DEFAULT: u64 = 15;
    let setter = setter::of(limit.owner.cgroup_path()?);
    let (Kind::Unit { name, .. }, Some(container)) = (&setter.kind, &setter.within) else {
        return None;
    };
    if name.ends_with(".slice") || limit.kind != LimitKind::PidsMax {
        return None;
    }
    let around = others.iter().find(|other| {
        other.kind == limit.kind && other.owner.cgroup_path() == Some(&container.path)
    })?;
    let of = around.value?;
    let is = u128::from(of) * u128::from(DEFAULT) / 100 == u128::from(limit.value?);
    is.then(|| {
        format!(
            "{DEFAULT} % of container {}'s {of}: it seems to be DefaultTasksMax={DEFAULT}% of the \
             container's own systemd, taken when {name} was started",
            short(&container.name)
        )
    })
}

/// A container's id is known by its first digits.
pub(super) fn short(name: &str) -> String {
    match name.len() {
        64 => name.chars().take(12).collect(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
#[path = "cgroup_tests.rs"]
mod tests;
