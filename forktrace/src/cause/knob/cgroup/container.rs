//! Containers, in the words of what runs them.

use super::{
    MEMORY, Setting, TASKS, by_whom,
    scheduled::{anew, mib},
};
use crate::{
    cause::{
        knob::{manager::Manager, target::Target},
        words::shell_word,
    },
    host::{
        docker::Creator,
        setter::{self, Runtime, Scheduler},
        unit_limits::UnitLimit,
    },
};

/// LXC's own file, and how its managers write that.
pub(super) fn lxc(name: &str, is_v1: bool, setting: &Setting, target: Target) -> String {
    let key = match is_v1 {
        true => setting.lxc_v1,
        false => setting.lxc,
    };
    let manager = match proxmox(name) {
        Some(_) if setting.property == MEMORY.property => Some(format!(
            "Proxmox VE: pct set {name} --memory {}",
            mib(target)
        )),
        Some(file) => Some(in_file(&file)),
        None => incus(name, setting.incus, &target.to_string()),
    };
    let manager = manager.map_or_else(String::new, |manager| format!(" ({manager})"));
    format!("configuration of container {name}: {key} = {target}{manager}")
}

/// Where Proxmox VE has a container's configuration: its containers are called by numbers, from which
/// names of Incus's and LXD's can't begin. LXC's own file of it is written anew at each start
/// (src/PVE/LXC.pm `update_lxc_config`).
pub(in crate::cause::knob) fn proxmox(name: &str) -> Option<String> {
    let is_number = name.len() >= 3 && name.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| format!("/etc/pve/lxc/{name}.conf"))
}

pub(in crate::cause::knob) fn in_file(file: &str) -> String {
    format!("Proxmox VE: that line in {file}")
}

/// `incus config set`, which is LXD's by another name; `None` for a name that it gives no instance: cgroups
/// are anybody's to name, and a command is for a shell. Instances have no underscores in their names; before
/// one stands the project.
pub(in crate::cause::knob) fn incus(name: &str, key: &str, target: &str) -> Option<String> {
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with('-')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let (project, name) = match name.rsplit_once('_') {
        Some((project, name)) => (Some(project), name),
        None => (None, name),
    };
    let project = match project {
        // Of these, names are freer.
        Some(project) => format!(
            " --project {}",
            shell_word(project).filter(|_| !project.starts_with('-'))?
        ),
        None => String::new(),
    };
    is_name(name).then(|| {
        format!("Incus: incus config set {name} {key} {target}{project}; LXD: lxc in its place")
    })
}

/// BuildKit itself gives a step no limit of tasks (executor/oci/spec_linux.go).
pub(super) fn build_step(
    unit: Option<&str>,
    manager: Manager<'_>,
    setting: &Setting,
    target: Target,
    says: Option<&UnitLimit>,
) -> String {
    let drop_in = manager.drop_in("docker-.scope", TASKS.property, &target.to_string());
    let is_tasks = setting.property == TASKS.property;
    let default = says.filter(|says| is_tasks && says.setting == "DefaultTasksMax");
    match (unit.and(drop_in), default) {
        (Some(drop_in), Some(says)) => format!(
            "{drop_in}, for each build step and container of Docker's that is started then and has no limit of \
             its own: it is systemd's {}={}, BuildKit sets none",
            says.setting, says.text
        ),
        _ => by_whom(
            "it is the cgroup of a build step, which BuildKit's cgroup-parent or systemd limits",
        ),
    }
}

/// The service that starts a container of Podman's anew each time, as quadlets do.
pub(super) fn quadlet(path: &str) -> Option<String> {
    let (above, own) = path.rsplit_once('/')?;
    let service = setter::service(above).filter(|_| own.starts_with("libpod-payload-"))?;
    Some(service.name)
}

pub(super) fn started_by(service: &str, setting: &Setting, target: Target) -> String {
    let Setting { option, .. } = setting;
    let key = match setting.property == TASKS.property {
        true => format!("PidsLimit={target}"),
        false => format!("PodmanArgs={option}={target}"),
    };
    format!(
        "{service} starts this container: [Container] {key} in its quadlet, or {option}={target} where it \
         calls podman run"
    )
}

/// A pod's container for which nobody has asked systemd for a limit of tasks has the one that each
/// scope has (runc: libcontainer/cgroups/systemd), however many the pod may have. CRI-O has a setting
/// for it.
pub(super) fn default_of_pods(
    (unit, manager): (Option<&str>, Manager<'_>),
    pod: Option<&str>,
    runtime: Runtime,
    target: Target,
    says: Option<&UnitLimit>,
) -> Option<String> {
    let (pod, prefix) = (pod?, unit?.rsplit_once('-')?.0);
    if matches!(runtime, Runtime::CriO | Runtime::Kata) {
        return None;
    }
    match says {
        Some(says) if says.setting == "DefaultTasksMax" => {
            let name = format!("{prefix}-.scope");
            let drop_in = manager.drop_in(&name, TASKS.property, &target.to_string())?;
            Some(format!(
                "{drop_in}, for each container of the node that is started then: it is systemd's {}={}, neither \
                 kubelet nor the runtime has set a limit",
                says.setting, says.text
            ))
        }
        None if runtime == Runtime::Containerd => Some(format!(
            "the container's own pids limit, set by its runtime, or by systemd where that sets none \
             (DefaultTasksMax= of the node), and not by kubelet (pod {pod}): {target}"
        )),
        _ => None,
    }
}

/// A container, as [`setter::Kind::Container`] has it, and what has had Docker create it.
pub(super) struct Which<'a> {
    pub runtime: Runtime,
    pub scheduler: Option<Scheduler>,
    pub creator: Option<&'a Creator>,
    pub name: &'a str,
    pub user: Option<u32>,
    pub pod: Option<&'a str>,
}

pub(super) fn container(which: &Which<'_>, setting: &Setting, target: Target) -> String {
    let Which {
        runtime,
        scheduler,
        creator,
        name,
        user,
        pod,
    } = *which;
    let Setting { option, .. } = setting;
    let is_memory = setting.property == MEMORY.property;
    let runtime = match runtime {
        // Docker's own file of it is there.
        Runtime::Unknown if creator.is_some() => Runtime::Docker,
        runtime => runtime,
    };
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
        (Runtime::Docker, Some(_)) => format!(
            "{} (until kubelet has it created anew)",
            docker(option, target, name)
        ),
        (Runtime::Docker, None) => {
            let whose = user
                .map(|uid| format!("as uid {uid}, whose own Docker it is; "))
                .unwrap_or_default();
            format!(
                "{} ({whose}for one created anew: {})",
                docker(option, target, name),
                anew(scheduler, creator, setting, target)
            )
        }
        (_, Some(pod)) => format!("{} (pod {pod}): {target}", setting.container),
        // `podman update` came with 4.3.
        (Runtime::Podman, _) => {
            let whose = user
                .map(|uid| format!("as uid {uid}; "))
                .unwrap_or_default();
            let all = match is_memory {
                true => "",
                false => ", or pids_limit in containers.conf",
            };
            format!(
                "podman update {option} {target} {name} ({whose}Podman 4.3+, kept over restarts since 5.1; before, \
                 and for one created anew: {option} when it is{all})"
            )
        }
        (Runtime::Containerd, _) => format!(
            "nerdctl update {option} {target} {name} (other clients of containerd: when it is created)"
        ),
        _ => format!("{option} {target} when container {name} is created (Docker: docker update)"),
    }
}

fn docker(option: &str, target: Target, name: &str) -> String {
    // Memory and swap together: left out, they stay where they are and may refuse; no more than the
    // memory would be no swap at all. Docker itself gives twice.
    let swap = match target.number() {
        _ if option != MEMORY.option => String::new(),
        Some(number) => format!(" --memory-swap {}", number.saturating_mul(2)),
        None => " --memory-swap N+SWAP".to_owned(),
    };
    format!("docker update {option} {target}{swap} {name}")
}

/// A container's id is known by its first digits.
pub(in crate::cause::knob) fn short(name: &str) -> String {
    match name.len() {
        64 => name.chars().take(12).collect(),
        _ => name.to_owned(),
    }
}
