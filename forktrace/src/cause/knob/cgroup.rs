//! A cgroup's limit on tasks or memory, in the words of who has set the cgroup up.

mod scheduled;

use scheduled::{anew, mib, task};

use crate::{
    cause::{
        knob::{
            later::{Line, edit_later},
            target::Target,
        },
        words::shell_word,
    },
    host::{
        identity,
        setter::{self, JobPart, Kind, Runtime, Scheduler, Setter},
        unit_limits::UnitLimit,
    },
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

fn by_its_owner(
    limit: &Limit,
    setting: &Setting,
    target: Target,
    says: Option<&UnitLimit>,
) -> String {
    let setter = setter::of(limit.owner.cgroup_path().unwrap_or_default());
    let text = at_home(&setter, limit, setting, target, says);
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
    says: Option<&UnitLimit>,
    nixos: bool,
) -> String {
    let Setting { property, .. } = setting;
    let own = format!("50-{property}.conf");
    let setter = setter::of(limit.owner.cgroup_path().unwrap_or_default());
    let file = says
        .filter(|says| says.setting == *property)
        .and_then(|says| says.file.as_deref());
    let later = file.zip(unit_of(&setter)).and_then(|(file, (unit, user))| {
        let line = Line {
            unit,
            user,
            setting: property,
            value: target.to_string(),
            nixos,
        };
        edit_later(file, &own, "set-property", &line)
    });
    later.unwrap_or_else(|| by_its_owner(limit, setting, target, says))
}

/// The unit of a systemd that the cgroup is of, and whose user's manager has it.
fn unit_of(setter: &Setter) -> Option<(&str, Option<u32>)> {
    match &setter.kind {
        Kind::Unit { name, user } => Some((name, *user)),
        Kind::Container { unit, user, .. } => Some((unit.as_deref()?, *user)),
        _ => None,
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
    says: Option<&UnitLimit>,
) -> String {
    let path = limit.owner.cgroup_path().unwrap_or_default();
    match &setter.kind {
        Kind::Unit { name, user } => self::unit(name, *user, setting, target, says),
        Kind::Container {
            runtime,
            name,
            user,
            pod,
            unit,
            scheduler,
        } => match runtime {
            Runtime::Nspawn => match unit {
                Some(name) => self::unit(name, None, setting, target, None),
                None => by_whom("the container's manager"),
            },
            Runtime::Lxc => {
                let key = if is_v1(limit) {
                    setting.lxc_v1
                } else {
                    setting.lxc
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
            Runtime::BuildKit => build_step(unit.as_deref(), *user, setting, target, says),
            _ => match quadlet(path) {
                Some(service) => started_by(&service, setting, target),
                None => Some(says)
                    .filter(|_| setting.property == TASKS.property)
                    .and_then(|says| {
                        default_of_pods(unit.as_deref(), pod.as_deref(), *runtime, target, says)
                    })
                    .unwrap_or_else(|| {
                        let of = (*runtime, *scheduler);
                        container(of, name, *user, pod.as_deref(), setting, target)
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

/// Where Proxmox VE has a container's configuration: its containers are called by numbers, from which
/// names of Incus's and LXD's can't begin. LXC's own file of it is written anew at each start
/// (src/PVE/LXC.pm `update_lxc_config`).
pub(super) fn proxmox(name: &str) -> Option<String> {
    let is_number = name.len() >= 3 && name.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| format!("/etc/pve/lxc/{name}.conf"))
}

pub(super) fn in_file(file: &str) -> String {
    format!("Proxmox VE: that line in {file}")
}

/// `incus config set`, which is LXD's by another name; `None` for a name that it gives no instance: cgroups
/// are anybody's to name, and a command is for a shell. Instances have no underscores in their names; before
/// one stands the project.
pub(super) fn incus(name: &str, key: &str, target: &str) -> Option<String> {
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

/// BuildKit itself gives a step no limit of tasks (executor/oci/spec_linux.go).
fn build_step(
    unit: Option<&str>,
    user: Option<u32>,
    setting: &Setting,
    target: Target,
    says: Option<&UnitLimit>,
) -> String {
    let folder = folder(user);
    let is_tasks = setting.property == TASKS.property;
    let default = says.filter(|says| is_tasks && says.setting == "DefaultTasksMax");
    match (unit, default) {
        (Some(_), Some(says)) => format!(
            "{folder}/docker-.scope.d/10-tasks.conf: [Scope] TasksMax={target}, then systemctl \
             daemon-reload, for each build step and container of Docker's that is started then and has no \
             limit of its own: it is systemd's {}={}, BuildKit sets none",
            says.setting, says.text
        ),
        _ => by_whom(
            "it is the cgroup of a build step, which BuildKit's cgroup-parent or systemd limits",
        ),
    }
}

/// The service that starts a container of Podman's anew each time, as quadlets do.
fn quadlet(path: &str) -> Option<String> {
    let (above, own) = path.rsplit_once('/')?;
    let service = setter::service(above).filter(|_| own.starts_with("libpod-payload-"))?;
    Some(service.name)
}

fn started_by(service: &str, setting: &Setting, target: Target) -> String {
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
fn default_of_pods(
    unit: Option<&str>,
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
            let folder = shell_word(&format!("{prefix}-.scope.d"))?;
            Some(format!(
                "/etc/systemd/system/{folder}/: [Scope] TasksMax={target}, then systemctl daemon-reload, \
                 for each container of the node that is started then: it is systemd's {}={}, neither \
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

fn by_whom(who: &str) -> String {
    format!("{who}: raise it there")
}

fn container(
    (runtime, scheduler): (Runtime, Option<Scheduler>),
    name: &str,
    user: Option<u32>,
    pod: Option<&str>,
    setting: &Setting,
    target: Target,
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
                anew(scheduler, setting, target)
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

/// Whether the unit has the limit from what has started it: its files go when it ends.
fn is_transient(says: Option<&UnitLimit>) -> bool {
    let file = says.and_then(|says| says.file.as_deref());
    file.is_some_and(|file| {
        file.components()
            .any(|part| part.as_os_str() == "transient")
    })
}

/// The quota group of snapd's whose slice this is (snap/quota/quota.go
/// `SliceFileName`): of a group in another, the last name is its own.
fn quota_group(unit: &str) -> Option<String> {
    let groups = unit.strip_prefix("snap.")?.strip_suffix(".slice")?;
    let own = identity::unescape_unit(groups.rsplit('-').next()?);
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (!own.is_empty() && own.chars().all(is_name)).then_some(own)
}

fn unit(
    name: &str,
    user: Option<u32>,
    setting: &Setting,
    target: Target,
    says: Option<&UnitLimit>,
) -> String {
    let Some(word) = shell_word(name) else {
        return WHERE_SET_UP.to_owned();
    };
    let Setting { property, snap, .. } = setting;
    if let (Some(group), None) = (quota_group(name), user) {
        // strutil/size.go `ParseByteSize`: bytes are written with their unit.
        let unit = match setting.property == MEMORY.property {
            true => "B",
            false => "",
        };
        return format!("snap set-quota {group} {snap}={target}{unit}");
    }
    let set = match user {
        Some(uid) => {
            format!("systemctl --user set-property {word} {property}={target} (as uid {uid}")
        }
        None => format!("systemctl set-property {word} {property}={target}"),
    };
    match (next_ones(name, user, setting, target, says), user) {
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
fn next_ones(
    unit: &str,
    user: Option<u32>,
    setting: &Setting,
    target: Target,
    says: Option<&UnitLimit>,
) -> Option<String> {
    let Setting { property, .. } = setting;
    let (stem, kind) = unit.rsplit_once('.')?;
    let is_scope = kind == "scope";
    if let Some(template) = setter::of_connection(unit) {
        let file = shell_word(&format!("{template}.d"))?;
        let folder = folder(user);
        return Some(format!(
            "{folder}/{file}/: [Service] {property}={target}, of each connection's"
        ));
    }
    let is_run = setter::is_of_systemd_run(unit);
    if is_run || is_transient(says) && kind == "service" {
        let whose = if user.is_some() { "--user " } else { "" };
        let scope = if is_scope { "--scope " } else { "" };
        let named = match is_run {
            true => String::new(),
            false => format!("--unit={} ", shell_word(stem)?),
        };
        return Some(format!(
            "systemd-run {whose}{scope}{named}-p {property}={target}"
        ));
    }
    if !is_scope || stem == "init" {
        return None;
    }
    if let Some(app) = stem.strip_prefix("snap.") {
        return of_snap(app, user, setting, target);
    }
    // The limit is an option of its own, which it writes into the cgroup as well.
    let by_option = ["apptainer", "singularity"];
    let by_option = by_option
        .iter()
        .find(|program| stem.split('-').next() == Some(**program));
    if let Some(program) = by_option {
        return Some(format!(
            "{program} run {} {target}, or the file of --apply-cgroups",
            setting.option
        ));
    }
    let maker = MAKERS.iter().find(|(start, _)| stem.starts_with(start));
    let Some((start, maker)) = maker else {
        let default = says.filter(|says| says.setting == "DefaultTasksMax");
        return Some(match default {
            Some(says) => {
                let file = match user {
                    Some(_) => "user.conf",
                    None => "system.conf",
                };
                format!(
                    "DefaultTasksMax= in /etc/systemd/{file}: it has that, {}, as what makes the scope asks \
                     for no limit",
                    says.text
                )
            }
            None => "where what makes the scope asks for its limit".to_owned(),
        });
    };
    let prefix = match start.starts_with("app-") {
        true => stem
            .rsplit_once('-')
            .map_or(*start, |(name, _)| &stem[..=name.len()]),
        false => start,
    };
    of_prefix(prefix, maker, user, setting, target)
}

/// Where whoever administers a manager has its units.
fn folder(user: Option<u32>) -> &'static str {
    match user {
        Some(_) => "~/.config/systemd/user",
        None => "/etc/systemd/system",
    }
}

/// Drop-ins of a dashed prefix are for all of that name (systemd.unit(5)).
fn of_prefix(
    prefix: &str,
    maker: &str,
    user: Option<u32>,
    setting: &Setting,
    target: Target,
) -> Option<String> {
    let Setting { property, .. } = setting;
    let folder = folder(user);
    let file = shell_word(&format!("{prefix}.scope.d"))?;
    Some(format!(
        "{folder}/{file}/: [Scope] {property}={target}, of what {maker} starts"
    ))
}

/// `snap.NAME.APP-UUID.scope` (sandbox/cgroup/tracking.go), `snap.NAME.APP.UUID.scope` before. Quota
/// groups are of services, and have limits of their own.
fn of_snap(app: &str, user: Option<u32>, setting: &Setting, target: Target) -> Option<String> {
    let (name, _) = app.split_once('-')?;
    let is_id = |part: &str| part.len() == 8 && part.bytes().all(|b| b.is_ascii_hexdigit());
    match name.rsplit('.').next().is_some_and(is_id) {
        true => Some("snapd makes the scope, without a limit of its own".to_owned()),
        false => of_prefix(&format!("snap.{name}-"), "snapd", user, setting, target),
    }
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
