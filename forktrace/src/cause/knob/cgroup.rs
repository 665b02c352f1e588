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
pub fn binds(owner: &Owner, setting: &Setting) -> Option<String> {
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
                 ones: /etc/systemd/system/session-.scope.d/: [Scope] TasksMax=4096, of what logind \
                 starts)",
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
        assert!(
            command("/kubepods/burstable", &TASKS).starts_with("kubelet gives the Burstable pods")
        );
        assert!(command("/kubepods/besteffort", &MEMORY).contains("qosReserved"));
        assert!(command("/slurm/uid_7/job_1", &MEMORY).contains("--mem"));
        assert_eq!(
            command("/kubepods/podPOD/ID", &MEMORY),
            format!(
                "pod specification, of this container: resources.limits.memory: 4096 (pod {POD})"
            )
        );
    }

    /// What a level's path says of who has set it, on hosts as they are.
    #[test]
    fn each_level_of_real_paths() {
        const SYSTEMD: &str =
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podP_D.slice";
        let user = "/user.slice/user-7.slice/user@7.service";
        let node = "/docker/ID/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podP_D.slice";
        let nested =
            "/lxc.payload.c1/machine.slice/libpod-ID.scope/container/system.slice/x.service";
        for (path, wanted, not) in [
            // cri-dockerd, by both cgroup drivers; containerd by cgroupfs looks the same as the second.
            (
                format!("{SYSTEMD}/docker-ID.scope"),
                "docker update --pids-limit 4096 ID",
                "kubelet",
            ),
            (
                "/kubepods/burstable/podPOD/ID".to_owned(),
                "the container's own pids limit, set by its runtime and not by kubelet",
                "podPidsLimit",
            ),
            (
                format!("{SYSTEMD}/cri-containerd-ID.scope"),
                "own pids limit",
                "podPidsLimit",
            ),
            (
                format!("{SYSTEMD}/crio-ID.scope"),
                "pids_limit = 4096",
                "podPidsLimit",
            ),
            (
                format!("{SYSTEMD}/crio-conmon-ID.scope"),
                "CRI-O, for its monitor",
                "pids_limit",
            ),
            (SYSTEMD.to_owned(), "podPidsLimit: 4096", "set-property"),
            (
                "/kubepods/podPOD/kata_ID".to_owned(),
                "Kata Containers",
                "podPidsLimit",
            ),
            // A cluster in a container of Docker's (kind), each level of it.
            (
                format!("{node}/cri-containerd-ID.scope"),
                "in container ID: ",
                "docker update",
            ),
            (
                node.to_owned(),
                "in container ID: kubelet configuration: podPidsLimit",
                "docker",
            ),
            (
                "/docker/ID/kubelet/kubepods".to_owned(),
                "in container ID: kubelet configuration: less of `pid`",
                "docker",
            ),
            (
                "/docker/ID".to_owned(),
                "docker update --pids-limit 4096 ID",
                "in container",
            ),
            // systemd in Podman in LXC, each level of it.
            (
                nested.to_owned(),
                "in container c1, in its container ID: systemctl set-property x.service TasksMax=4096",
                "podman",
            ),
            (
                nested.replace("/system.slice/x.service", ""),
                "in container c1: podman update --pids-limit 4096 ID",
                "incus",
            ),
            (
                "/lxc.payload.c1".to_owned(),
                "incus config set c1 limits.processes 4096",
                "in container",
            ),
            // What stands in a virtual machine has a systemd that is the host to forktrace; from
            // outside there is the machine alone.
            (
                "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope".to_owned(),
                "set-property 'machine-qemu",
                "in container",
            ),
            (
                "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator".to_owned(),
                "what runs in machine-qemu",
                "set-property",
            ),
            (
                "/machine.slice/systemd-nspawn@web.service/payload/system.slice/x.service"
                    .to_owned(),
                "in container web: systemctl set-property x.service",
                "systemd-nspawn@",
            ),
            (
                "/machine.slice".to_owned(),
                "set-property machine.slice TasksMax=4096",
                "in container",
            ),
            // Podman: its monitor, a container of a unit's own (quadlets), a user's.
            (
                "/machine.slice/libpod-conmon-ID.scope".to_owned(),
                "Podman, for its monitor",
                "podman update",
            ),
            (
                "/system.slice/w.service/libpod-payload-ID".to_owned(),
                "podman update",
                "w.service",
            ),
            (
                format!("{user}/user.slice/libpod-ID.scope/container"),
                "podman update --pids-limit 4096 ID",
                "set-property",
            ),
            // A user's own.
            (
                format!("{user}/app.slice/app-flatpak-org.x.Y-77.scope"),
                "~/.config/systemd/user/app-flatpak-org.x.Y-.scope.d/: [Scope] TasksMax=4096, of what Flatpak",
                "as uid 7)(",
            ),
            (
                format!("{user}/app.slice/app-gnome-x-9.scope"),
                "systemctl --user set-property app-gnome-x-9.scope",
                "/etc/systemd/system",
            ),
            (
                format!("{user}/app.slice/vte-spawn-0a-1b.scope"),
                "user/vte-spawn-.scope.d/",
                "0a-.scope",
            ),
            (
                format!("{user}/app.slice/snap.x.y-0a.scope"),
                "snap set-quota GROUP --threads=4096 x",
                "scope.d",
            ),
            (
                "/system.slice/snap.x.y.service".to_owned(),
                "snap set-quota",
                "edit",
            ),
            (
                user.to_owned(),
                "systemctl set-property user@7.service TasksMax=4096",
                "--user",
            ),
            (
                format!("{user}/app.slice"),
                "systemctl --user set-property app.slice",
                "until",
            ),
            (
                "/lxc.payload.c1/user.slice/user-7.slice/user@7.service/app.slice/x.service"
                    .to_owned(),
                "in container c1: systemctl --user set-property x.service",
                "incus",
            ),
            // Jobs, transient units, what a program has made.
            (
                "/slurm/uid_7/job_12/step_0".to_owned(),
                "Slurm",
                "set-property",
            ),
            (
                "/system.slice/slurmstepd.scope/job_12/step_0/user/task_0".to_owned(),
                "Slurm",
                "set-property",
            ),
            (
                "/system.slice/run-u5.service".to_owned(),
                "systemd-run -p TasksMax=4096",
                "edit",
            ),
            (
                "/nomad.slice/0a.web.scope".to_owned(),
                "where what makes the scope asks",
                "scope.d",
            ),
            (
                "/system.slice/go.service/box-3".to_owned(),
                "what runs in go.service has set up box-3",
                "set-property",
            ),
        ] {
            let path = path.replace("P_D", &POD.replace('-', "_"));
            let told = command(&path, &TASKS).replace("0123456789ab:", "ID:");
            let told = told.replace("container 0123456789ab", "container ID");
            assert!(told.contains(wanted), "{path}: {told}");
            assert!(!told.contains(not), "{path}: {told}");
        }
    }

    #[test]
    fn what_a_level_binds_as_well() {
        let of = |path: &str| {
            let path = path
                .replace("P_D", &POD.replace('-', "_"))
                .replace("ID", ID);
            binds(&Owner::cgroup(path), &TASKS).unwrap_or_default()
        };
        for (path, who) in [
            (
                "/kubepods.slice/kubepods-podP_D.slice",
                "every pod of the node",
            ),
            ("/kubepods.slice", "all pods of the node"),
            ("/kubepods/besteffort", "all BestEffort pods of the node"),
            ("/system.slice", "all units in system.slice"),
            ("/user.slice", "all logins of all users"),
            (
                "/user.slice/user-7.slice",
                "rootless containers of this user",
            ),
            (
                "/user.slice/user-7.slice/user@7.service",
                "this user's manager",
            ),
            (
                "/user.slice/user-7.slice/user@7.service/app.slice",
                "all units in app.slice of",
            ),
            ("/user.slice/user-7.slice/session-3.scope", "this login"),
            ("/machine.slice", "all containers and virtual machines"),
            ("/lxc.payload.c1", "all that runs in the container"),
            ("/lxc.payload.c1/system.slice", "all units in system.slice"),
            ("/slurm/uid_7/job_1", "the job"),
        ] {
            let told = of(path);
            assert!(told.contains(who), "{path}: {told}");
        }
        for alone in [
            "/system.slice/x.service",
            "/system.slice/docker-ID.scope",
            "/shop",
        ] {
            assert_eq!(of(alone), "");
        }
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
