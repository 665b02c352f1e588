//! A cgroup's limit on tasks or memory, in the words of who has set the cgroup up.

use crate::{
    cause::words::shell_word,
    host::setter::{self, Kind, Runtime, Setter},
    model::{Limit, LimitKind, Owner},
};

/// What a limit is called by those who set it.
pub struct Setting {
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
pub const TASKS: Setting = Setting {
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
pub const MEMORY: Setting = Setting {
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
pub fn lasting(owner: &Owner, setting: &Setting, target: u64) -> String {
    let setter = setter::of(owner.cgroup_path().unwrap_or_default());
    let text = at_home(&setter, owner, setting, target);
    match &setter.within {
        Some(container) => format!("in container {}: {text}", short(&container.name)),
        None => text,
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
    match (next_ones(name, setting, target), user) {
        (Some(next), Some(_)) => format!("{set}; until it ends; for the next ones: {next})"),
        (Some(next), None) => format!("{set} (until it ends; for the next ones: {next})"),
        (None, Some(_)) => format!("{set})"),
        (None, None) => set,
    }
}

/// Of a unit that goes when what is in it ends: how those that come have more.
fn next_ones(unit: &str, setting: &Setting, target: u64) -> Option<String> {
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
    if stem.starts_with("session-") {
        return Some(format!(
            "/etc/systemd/system/session-.scope.d/: [Scope] {property}={target}"
        ));
    }
    Some("where what makes the scope asks for its limit".to_owned())
}

/// What else turning the knob does, or what it leaves as it is.
pub fn binds(owner: &Owner, setting: &Setting) -> Option<String> {
    let setter = setter::of(owner.cgroup_path()?);
    let is_tasks = setting.property == TASKS.property;
    match setter.kind {
        Kind::Pod { .. } if is_tasks => Some(
            "podPidsLimit is one number for every pod of the node, and is read when kubelet starts"
                .to_owned(),
        ),
        Kind::Pods => Some("it is what all pods of the node share (node allocatable)".to_owned()),
        Kind::Unit { name, user: None }
            if name.starts_with("user-") && name.ends_with(".slice") =>
        {
            Some(
                "it is shared by all logins, services and rootless containers of this user"
                    .to_owned(),
            )
        }
        _ => None,
    }
}

/// Where a unit of a container's own systemd has its number from: a part of what the container may
/// have, which systemd took when it set the unit up. `others` are the limits at the same instant.
pub fn part_of_container(limit: &Limit, others: &[Limit]) -> Option<String> {
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
mod tests {
    use super::*;
    use crate::model::Unit;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const POD: &str = "01234567-89ab-cdef-0123-456789abcdef";

    fn command(path: &str, setting: &Setting) -> String {
        let path = path.replace("POD", POD).replace("ID", ID);
        lasting(&Owner::cgroup(path), setting, 4096).replace(ID, "ID")
    }

    #[test]
    fn in_the_words_of_the_owner() {
        for (path, tasks) in [
            (
                "/system.slice/x.service",
                "systemctl set-property x.service TasksMax=4096",
            ),
            (
                "/user.slice/user-7.slice",
                "systemctl set-property user-7.slice TasksMax=4096",
            ),
            (
                "/user.slice/user-7.slice/user@7.service/app.slice/x.service",
                "systemctl --user set-property x.service TasksMax=4096 (as uid 7)",
            ),
            (
                "/user.slice/user-7.slice/session-3.scope",
                "systemctl set-property session-3.scope TasksMax=4096 (until it ends; for the next \
                 ones: /etc/systemd/system/session-.scope.d/: [Scope] TasksMax=4096)",
            ),
            (
                "/system.slice/run-r12.scope",
                "systemctl set-property run-r12.scope TasksMax=4096 (until it ends; for the next \
                 ones: systemd-run -p TasksMax=4096)",
            ),
            (
                "/system.slice/docker-ID.scope",
                "docker update --pids-limit 4096 ID",
            ),
            (
                "/kubepods/podPOD",
                "kubelet configuration: podPidsLimit: 4096 (pod POD)",
            ),
            ("/shop", "raise the limit where this cgroup is set up"),
            (
                "/lxc.payload.c1/system.slice/x.service",
                "in container c1: systemctl set-property x.service TasksMax=4096",
            ),
            (
                "/lxc.payload.c1",
                "configuration of container c1: lxc.cgroup2.pids.max = 4096 (Incus: incus config \
                 set c1 limits.processes 4096)",
            ),
            (
                "/machine.slice/systemd-nspawn@web.service/payload",
                "systemctl set-property systemd-nspawn@web.service TasksMax=4096",
            ),
        ] {
            assert_eq!(command(path, &TASKS), tasks.replace("POD", POD), "{path}");
        }
        assert!(command("/machine.slice/libpod-ID.scope", &TASKS).starts_with("podman update "));
        assert!(command("/kubepods.slice", &TASKS).contains("kubeReserved"));
        assert!(command("/slurm/uid_7/job_1", &MEMORY).contains("--mem"));
        assert_eq!(
            command("/kubepods/podPOD/ID", &MEMORY),
            format!(
                "pod specification, of this container: resources.limits.memory: 4096 (pod {POD})"
            )
        );
    }

    /// The limits of other levels aren't this one's knob.
    #[test]
    fn no_other_level_is_named() {
        let crio = command(
            "/kubepods.slice/kubepods-podPOD.slice/crio-ID.scope",
            &TASKS,
        );
        assert!(
            crio.contains("pids_limit = 4096") && !crio.contains("podPidsLimit"),
            "{crio}"
        );
        for path in ["/system.slice/go.service/box-3", "/docker/ID/box-3"] {
            let own = command(path, &TASKS);
            assert!(
                own.contains("box-3") && !own.contains("set-property"),
                "{own}"
            );
            assert!(!own.contains("update"), "{own}");
        }
    }

    #[test]
    fn a_part_of_what_the_container_may_have() {
        let limit = |path: &str, value| Limit {
            value: Some(value),
            ..Limit::new(LimitKind::PidsMax, Owner::cgroup(path), Unit::Tasks)
        };
        let around = [limit("/lxc.payload.c1", 200)];
        let of = |path, value| part_of_container(&limit(path, value), &around);
        let unit = "/lxc.payload.c1/system.slice/x.service";
        assert!(of(unit, 30).unwrap().contains("15 % of container c1's 200"));
        assert_eq!(of(unit, 31), None);
        assert_eq!(of("/system.slice/x.service", 30), None);
        assert_eq!(of("/lxc.payload.c1/system.slice", 30), None);
    }
}
