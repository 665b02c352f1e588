use super::*;
use crate::host::{
    docker::Creator,
    unit_limits::{UnitLimit, UnitPlace},
};
use crate::model::Unit;

/// Of a host whose files say this.
fn context(says: UnitLimit) -> Context {
    Context {
        unit_limit: Some(says),
        ..Context::default()
    }
}

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const POD: &str = "01234567-89ab-cdef-0123-456789abcdef";

fn command(path: &str, setting: &Setting) -> String {
    let path = path.replace("POD", POD).replace("ID", ID);
    let limit = Limit::new(LimitKind::PidsMax, Owner::cgroup(path), Unit::Tasks);
    lasting(&limit, setting, 4096.into(), &Context::default()).replace(ID, "ID")
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
            "sudo -u '#7' XDG_RUNTIME_DIR=/run/user/7 systemctl --user set-property x.service TasksMax=4096",
        ),
        (
            "/user.slice/user-7.slice/session-3.scope",
            "systemctl set-property session-3.scope TasksMax=4096 (until it ends; for the next \
             ones: /etc/systemd/system/session-.scope.d/: [Scope] TasksMax=4096, then systemctl \
             daemon-reload, for what logind starts then)",
        ),
        (
            "/system.slice/run-r12.scope",
            "systemctl set-property run-r12.scope TasksMax=4096 (until it ends; for the next \
             ones: systemd-run --scope -p TasksMax=4096)",
        ),
        (
            "/system.slice/run-backup.service",
            "systemctl set-property run-backup.service TasksMax=4096",
        ),
        (
            "/system.slice/docker-ID.scope",
            "docker update --pids-limit 4096 ID (for one created anew: --pids-limit when it is, \
             pids_limit in a Compose file, or pids where its service has deploy.resources.limits)",
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
             set c1 limits.processes 4096; LXD: lxc in its place)",
        ),
        (
            "/machine.slice/systemd-nspawn@web.service/payload",
            "systemctl set-property systemd-nspawn@web.service TasksMax=4096",
        ),
    ] {
        assert_eq!(command(path, &TASKS), tasks.replace("POD", POD), "{path}");
    }
    assert!(command("/machine.slice/libpod-ID.scope", &TASKS).starts_with("podman update "));
    // Nothing needs be reserved: then it is the node's own limit that is too low.
    let node = command("/kubepods.slice", &TASKS);
    assert!(
        node.contains("kubeReserved, or a higher kernel.pid_max"),
        "{node}"
    );
    assert!(command("/kubepods.slice", &MEMORY).ends_with("kubeReserved"));
    assert!(command("/kubepods/burstable", &TASKS).starts_with("kubelet gives the Burstable pods"));
    assert!(command("/kubepods/besteffort", &MEMORY).contains("qosReserved"));
    // Memory and swap together: as much as the memory alone would take the swap away.
    assert_eq!(
        command("/docker/ID", &MEMORY),
        "docker update --memory 4096 --memory-swap 8192 ID (for one created anew: --memory when it \
         is, mem_limit in a Compose file, or memory where its service has deploy.resources.limits)"
    );
    assert_eq!(
        command("/snap.team-a\\x2db.slice", &MEMORY),
        "snap set-quota a-b --memory=4096B"
    );
    assert!(command("/slurm/uid_7/job_1", &MEMORY).contains("sbatch --mem"));
    assert!(command("/slurm/uid_7/job_1/step_0", &MEMORY).contains("srun --mem"));
    assert!(command("/slurm/uid_7", &MEMORY).contains("RealMemory"));
    let nomad = format!("/nomad.slice/share.slice/{POD}.web.scope");
    assert!(command(&nomad, &MEMORY).starts_with(
        "Nomad, specification of the job, task web: resources { memory = 1 } (in MB;"
    ));
    assert!(!command(&nomad, &TASKS).contains("systemctl"));
    let ecs = "/ecstasks.slice/ecstasks-0123456789abcdef0123456789abcdef.slice";
    assert!(command(ecs, &TASKS).contains("ECS_TASK_PIDS_LIMIT=4096"));
    assert_eq!(
        command("/kubepods/podPOD/ID", &MEMORY),
        format!("pod specification, of this container: resources.limits.memory: 4096 (pod {POD})")
    );
}

/// systemd.unit(5): drop-ins of all folders count in the order of their names.
#[test]
fn a_drop_in_that_counts_after_what_set_property_writes() {
    let limit = Limit::new(
        LimitKind::PidsMax,
        Owner::cgroup("/system.slice/x.service"),
        Unit::Tasks,
    );
    for (setting, file, later) in [
        ("TasksMax", "x.service.d/99-tasks.conf", true),
        // As `systemctl edit` calls it.
        ("TasksMax", "x.service.d/override.conf", true),
        ("TasksMax", "x.service.d/10-tasks.conf", false),
        ("TasksMax", "x.service.d/50-TasksMax.conf", false),
        ("TasksMax", "x.service", false),
        ("DefaultTasksMax", "system.conf.d/99-tasks.conf", false),
    ] {
        let file = std::path::Path::new("/etc/systemd/system").join(file);
        let says = UnitLimit {
            setting,
            text: "512".to_owned(),
            file: Some(file.clone()),
            today: None,
        };
        let told = lasting(&limit, &TASKS, 4096.into(), &context(says));
        let wanted = match later {
            true => format!(
                "{}: [Service] TasksMax=4096, then systemctl daemon-reload",
                file.display()
            ),
            false => "systemctl set-property x.service TasksMax=4096".to_owned(),
        };
        assert!(told.starts_with(&wanted), "{told}");
    }
}

/// A limit that the unit has from what has started it.
#[test]
fn a_transient_unit_is_started_with_another() {
    let of = |path: &str, file: &str| {
        let limit = Limit::new(LimitKind::PidsMax, Owner::cgroup(path), Unit::Tasks);
        let says = UnitLimit {
            setting: "TasksMax",
            text: "512".to_owned(),
            file: Some(file.into()),
            today: Some(512),
        };
        lasting(&limit, &TASKS, 4096.into(), &context(says))
    };
    assert_eq!(
        of(
            "/system.slice/build.service",
            "/run/systemd/transient/build.service"
        ),
        "systemctl set-property build.service TasksMax=4096 (until it ends; for the next ones: \
         systemd-run --unit=build -p TasksMax=4096)"
    );
    assert_eq!(
        of(
            "/user.slice/user-7.slice/user@7.service/app.slice/build.service",
            "/run/user/7/systemd/transient/build.service"
        ),
        "sudo -u '#7' XDG_RUNTIME_DIR=/run/user/7 systemctl --user set-property build.service \
         TasksMax=4096 (until it ends; for the next ones: systemd-run --user --unit=build -p TasksMax=4096)"
    );
    assert_eq!(
        of(
            "/system.slice/build.service",
            "/etc/systemd/system/build.service"
        ),
        "systemctl set-property build.service TasksMax=4096"
    );
}

/// What is set of such a unit goes with it, whoever says its limit.
#[test]
fn a_transient_unit_with_the_managers_default() {
    let of = |path: &str| {
        let limit = Limit::new(LimitKind::PidsMax, Owner::cgroup(path), Unit::Tasks);
        let says = UnitLimit {
            setting: "DefaultTasksMax",
            text: "15%".to_owned(),
            file: None,
            today: Some(512),
        };
        let context = Context {
            unit: UnitPlace {
                is_transient: true,
                ..UnitPlace::default()
            },
            ..context(says)
        };
        lasting(&limit, &TASKS, 4096.into(), &context)
    };
    assert_eq!(
        of("/system.slice/backup.service"),
        "systemctl set-property backup.service TasksMax=4096 (until it ends; for the next ones: systemd-run \
         --unit=backup -p TasksMax=4096)"
    );
    let manager = "/user.slice/user-7.slice/user@7.service/app.slice";
    let told = of(&format!("{manager}/app-org.x.y@0a1b.service"));
    assert!(
        told.contains(
            "(until it ends; for the next ones: ~/.config/systemd/user/app-org.x.y@.service.d/: [Service] \
             TasksMax=4096, then sudo"
        ),
        "{told}"
    );
    assert!(told.ends_with("daemon-reload, for what is started then)"));
    assert!(of("/system.slice/dbus-:1.2-x@0.service").contains("system/dbus-:1.2-x@.service.d/: "));
    assert!(!of("/system.slice/a.slice").contains("until"));
}

/// A pod's container that nobody has given a limit has the one of each scope: podPidsLimit isn't it.
#[test]
fn what_systemd_gives_a_pods_container_by_itself() {
    let of = |path: &str, setting| {
        let path = path
            .replace("P_D", &POD.replace('-', "_"))
            .replace("ID", ID);
        let limit = Limit::new(LimitKind::PidsMax, Owner::cgroup(path), Unit::Tasks);
        let says = UnitLimit {
            setting,
            text: "15%".to_owned(),
            file: None,
            today: Some(9830),
        };
        lasting(&limit, &TASKS, 20_000.into(), &context(says)).replace(ID, "ID")
    };
    let pod = "/kubepods.slice/kubepods-podP_D.slice";
    for runtime in ["docker", "cri-containerd"] {
        let path = format!("{pod}/{runtime}-ID.scope");
        assert_eq!(
            of(&path, "DefaultTasksMax"),
            format!(
                "/etc/systemd/system/{runtime}-.scope.d/: [Scope] TasksMax=20000, then systemctl \
                 daemon-reload, for each container of the node that is started then: it is systemd's \
                 DefaultTasksMax=15%, neither kubelet nor the runtime has set a limit"
            )
        );
        assert!(!of(&path, "TasksMax").contains("scope.d"));
    }
    let crio = of(&format!("{pod}/crio-ID.scope"), "DefaultTasksMax");
    assert!(crio.contains("pids_limit = 20000"), "{crio}");
    let alone = of("/system.slice/docker-ID.scope", "DefaultTasksMax");
    assert!(alone.starts_with("docker update"), "{alone}");
}

/// A step of a build by Docker Engine has what systemd gives each scope.
#[test]
fn a_build_step_has_what_each_scope_has() {
    let of = |path: &str, setting| {
        let limit = Limit::new(LimitKind::PidsMax, Owner::cgroup(path), Unit::Tasks);
        let says = UnitLimit {
            setting,
            text: "15%".to_owned(),
            file: None,
            today: Some(9830),
        };
        lasting(&limit, &TASKS, 20_000.into(), &context(says))
    };
    let scope = "/system.slice/docker-hswkyb4a5k5khcsbpcuqqgz3z.scope";
    let told = of(scope, "DefaultTasksMax");
    assert!(
        told.starts_with(
            "/etc/systemd/system/docker-.scope.d/: [Scope] TasksMax=20000, then systemctl daemon-reload, for each \
             build step"
        ),
        "{told}"
    );
    assert!(told.ends_with("systemd's DefaultTasksMax=15%, BuildKit sets none"));
    for (path, setting) in [
        (scope, "TasksMax"),
        (
            "/docker/buildkit/hswkyb4a5k5khcsbpcuqqgz3z",
            "DefaultTasksMax",
        ),
    ] {
        let told = of(path, setting);
        assert!(
            told.contains("a build step") && !told.contains("set-property"),
            "{told}"
        );
        assert!(!told.contains("docker update"), "{told}");
    }
}

#[test]
fn a_service_of_openrc() {
    let of = |file: &str, setting| {
        let limit = Limit {
            file: Some(file.to_owned()),
            ..Limit::new(
                LimitKind::PidsMax,
                Owner::cgroup("/openrc.nginx"),
                Unit::Tasks,
            )
        };
        lasting(&limit, setting, 24.into(), &Context::default())
    };
    assert_eq!(
        of("/sys/fs/cgroup/openrc.nginx/pids.max", &TASKS),
        "OpenRC, /etc/conf.d/nginx: `pids.max 24` on a line of its own in rc_cgroup_settings, for its \
         next start"
    );
    assert!(
        of("/sys/fs/cgroup/pids/openrc.nginx/pids.max", &TASKS)
            .contains("`pids.max 24` on a line of its own in rc_cgroup_pids")
    );
    assert!(
        of("/sys/fs/cgroup/openrc.nginx/memory.max", &MEMORY)
            .contains("`memory.max 24` on a line of its own in rc_cgroup_settings")
    );
    let inner = command("/lxc.payload.c1/openrc.nginx", &TASKS);
    assert!(
        inner.starts_with("in container c1: OpenRC, /etc/conf.d/nginx"),
        "{inner}"
    );
}

#[test]
fn memory_of_a_container_of_proxmox() {
    let told = command("/lxc/101", &MEMORY);
    assert!(
        told.ends_with("(Proxmox VE: pct set 101 --memory 1)"),
        "{told}"
    );
}

/// What a level's path says of who has set it, on hosts as they are.
#[test]
fn each_level_of_real_paths() {
    const SYSTEMD: &str =
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podP_D.slice";
    let user = "/user.slice/user-7.slice/user@7.service";
    let node = "/docker/ID/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podP_D.slice";
    let nested = "/lxc.payload.c1/machine.slice/libpod-ID.scope/container/system.slice/x.service";
    for (path, wanted, not) in [
        // cri-dockerd, by both cgroup drivers; containerd by cgroupfs looks the same as the second.
        (
            format!("{SYSTEMD}/docker-ID.scope"),
            "docker update --pids-limit 4096 ID (until kubelet has it created anew)",
            "Compose",
        ),
        (
            "/kubepods/burstable/podPOD/ID".to_owned(),
            "the container's own pids limit, set by its runtime and not by kubelet",
            "podPidsLimit",
        ),
        (
            format!("{SYSTEMD}/cri-containerd-ID.scope"),
            "own pids limit, set by its runtime, or by systemd where that sets none (DefaultTasksMax= of \
             the node), and not by kubelet",
            "podPidsLimit",
        ),
        (
            format!("{SYSTEMD}/crio-ID.scope"),
            "pids_limit = 4096",
            "podPidsLimit",
        ),
        // As crun makes them.
        (
            format!("{SYSTEMD}/crio-ID.scope/container"),
            "CRI-O, crio.conf: [crio.runtime] pids_limit = 4096",
            "in container",
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
            "/machine.slice/systemd-nspawn@web.service/payload/system.slice/x.service".to_owned(),
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
            format!("{user}/user.slice/libpod-ID.scope/container"),
            "podman update --pids-limit 4096 ID",
            "set-property",
        ),
        // Of a user's own daemon root's knows nothing.
        (
            format!("{user}/user.slice/docker-ID.scope"),
            "docker update --pids-limit 4096 ID (as uid 7, whose own Docker it is; for one",
            "set-property",
        ),
        (
            format!("{user}/user.slice/libpod-ID.scope/container"),
            "ID (as uid 7; Podman 4.3+, kept over restarts since 5.1; before, and for one created anew: \
             --pids-limit when it is, or pids_limit in containers.conf)",
            "set-property",
        ),
        // A quadlet's container is a new one at each start.
        (
            "/system.slice/w.service/libpod-payload-ID".to_owned(),
            "w.service starts this container: [Container] PidsLimit=4096 in its quadlet",
            "podman update",
        ),
        (
            format!("{user}/app.slice/w.service/libpod-payload-ID"),
            "w.service starts this container: [Container] PidsLimit=4096",
            "podman update",
        ),
        // Of Proxmox VE.
        (
            "/lxc/101/ns".to_owned(),
            "container 101: lxc.cgroup2.pids.max = 4096 (Proxmox VE: that line in /etc/pve/lxc/101.conf)",
            "incus",
        ),
        (
            "/lxc/101/ns/system.slice/x.service".to_owned(),
            "in container 101: systemctl set-property x.service TasksMax=4096",
            "/etc/pve",
        ),
        // Podman that makes cgroups itself, in a pod of its own.
        (
            format!("/libpod_parent/{}/libpod-ID", ID.replace('0', "f")),
            "podman update --pids-limit 4096 ID",
            "in container f",
        ),
        // Of a project of Incus's; containers in containers, each level of it.
        (
            "/lxc.payload.shop_c1".to_owned(),
            "container shop_c1: lxc.cgroup2.pids.max = 4096 (Incus: incus config set c1 limits.processes 4096 --project shop; LXD: lxc in its place)",
            "set shop_c1",
        ),
        (
            "/lxc.payload.c1/lxc.payload.c2/user.slice/user-7.slice".to_owned(),
            "in container c1, in its container c2: systemctl set-property user-7.slice TasksMax=4096",
            "incus",
        ),
        (
            "/lxc.payload.c1/lxc.payload.c2".to_owned(),
            "in container c1: configuration of container c2: ",
            "set-property",
        ),
        (
            format!("{user}/app.slice/run-u5.service"),
            "systemd-run --user -p TasksMax=4096",
            "edit",
        ),
        // A user's own.
        (
            format!("{user}/app.slice/app-flatpak-org.x.Y-77.scope"),
            "~/.config/systemd/user/app-flatpak-org.x.Y-.scope.d/: [Scope] TasksMax=4096, then sudo",
            "as uid 7",
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
            format!("{user}/user.slice/apptainer-732229.scope"),
            "TasksMax=4096 (until it ends; for the next ones: apptainer run --pids-limit 4096, or",
            "scope.d",
        ),
        (
            format!("{user}/app.slice/snap.x.y-{POD}.scope"),
            "~/.config/systemd/user/snap.x.y-.scope.d/: [Scope] TasksMax=4096, then sudo",
            "set-quota",
        ),
        (
            format!("{user}/app.slice/snap.x.y.{POD}.scope"),
            "until it ends; for the next ones: snapd makes the scope, without",
            "scope.d",
        ),
        // A unit as any, in a quota group or not: that has a limit of its own.
        (
            "/snap.team.slice/snap.x.y.service".to_owned(),
            "systemctl set-property snap.x.y.service TasksMax=4096",
            "set-quota",
        ),
        (
            "/snap.team.slice".to_owned(),
            "snap set-quota team --threads=4096",
            "set-property",
        ),
        (
            "/snap.team.slice/snap.team-a\\x2db.slice".to_owned(),
            "snap set-quota a-b --threads=4096",
            "set-property",
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
            "/lxc.payload.c1/user.slice/user-7.slice/user@7.service/app.slice/x.service".to_owned(),
            "in container c1: systemctl --user set-property x.service TasksMax=4096 (as uid 7)",
            "sudo",
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
fn hierarchies_of_version_1_have_other_keys() {
    let of = |file: &str, kind: LimitKind| {
        let limit = Limit {
            file: Some(file.to_owned()),
            ..Limit::new(kind.clone(), Owner::cgroup("/lxc/c1"), Unit::Tasks)
        };
        let setting = if kind == LimitKind::PidsMax {
            TASKS
        } else {
            MEMORY
        };
        lasting(&limit, &setting, 9.into(), &Context::default())
    };
    let pids = |file| of(file, LimitKind::PidsMax);
    for file in [
        "/sys/fs/cgroup/pids/lxc/c1/pids.max",
        "/cg/cpu,pids/lxc/c1/pids.max",
    ] {
        assert!(pids(file).contains(" lxc.cgroup.pids.max = 9 "), "{file}");
    }
    for file in [
        "/sys/fs/cgroup/lxc/c1/pids.max",
        "/sys/fs/cgroup/unified/lxc/c1/pids.max",
    ] {
        assert!(pids(file).contains(" lxc.cgroup2.pids.max = 9 "), "{file}");
    }
    let file = "/sys/fs/cgroup/memory/lxc/c1/memory.limit_in_bytes";
    assert!(of(file, LimitKind::MemoryLimit).contains("lxc.cgroup.memory.limit_in_bytes = 9"));
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
    let user = "/lxc.payload.c1/user.slice/user-7.slice";
    assert!(of(user, 66).unwrap().contains("33 % of container c1's 200"));
    assert_eq!((of(user, 30), of(unit, 66)), (None, None));
    // Inside is seen what the host allows, where the container has no limit or a higher one.
    let host = |kind, value| Limit {
        value: Some(value),
        ..Limit::new(kind, Owner::Host, Unit::Tasks)
    };
    let around = [
        limit("/lxc.payload.c1", 9000),
        host(LimitKind::ThreadsMax, 5607),
        host(LimitKind::PidMax, 32_768),
    ];
    let of = |value, around| part_of_container(&limit(unit, value), around);
    let told = of(841, &around).unwrap();
    assert!(told.contains("15 % of kernel.threads-max, 5607,"), "{told}");
    assert!(of(841, &around[1..]).is_some());
    assert_eq!((of(1350, &around), of(4915, &around)), (None, None));
    // A container around that one is not seen in it.
    let inner = limit("/lxc.payload.c0/lxc.payload.c1/system.slice/x.service", 30);
    let around = [limit("/lxc.payload.c0", 200), host(LimitKind::PidMax, 4000)];
    assert_eq!(part_of_container(&inner, &around), None);
}

/// An instance of a socket's is of one connection, whatever a drop-in of its own says.
#[test]
fn a_service_of_one_connection() {
    let told = command(
        "/system.slice/system-sshd.slice/sshd@5-192.0.2.1:22-198.51.100.7:4242.service",
        &TASKS,
    );
    assert_eq!(
        told,
        "systemctl set-property sshd@5-192.0.2.1:22-198.51.100.7:4242.service TasksMax=4096 (until it \
         ends; for the next ones: /etc/systemd/system/sshd@.service.d/: [Service] TasksMax=4096, then \
         systemctl daemon-reload, for connections that are made then)"
    );
    let cluster = command(
        "/system.slice/system-postgresql.slice/postgresql@15-main.service",
        &TASKS,
    );
    assert_eq!(
        cluster,
        "systemctl set-property postgresql@15-main.service TasksMax=4096"
    );
}

/// Neither Docker's options nor Compose are what a scheduler's user has.
#[test]
fn a_container_that_a_scheduler_has_created() {
    let nomad = "/nomad.slice/share.slice/docker-ID.scope";
    assert_eq!(
        command(nomad, &TASKS),
        "docker update --pids-limit 4096 ID (for one created anew: Nomad, specification of the job: config \
         { pids_limit = 4096 } of its task)"
    );
    let told = command(nomad, &MEMORY);
    assert!(
        told.contains("resources { memory = 1 } of its task, in MB"),
        "{told}"
    );
    let ecs = "/ecs/0123456789abcdef0123456789abcdef/ID";
    let told = command(ecs, &TASKS);
    assert!(
        told.starts_with("docker update --pids-limit 4096 ID"),
        "{told}"
    );
    assert!(
        told.contains("a task definition has no setting for it"),
        "{told}"
    );
    let told = command(ecs, &MEMORY);
    assert!(
        told.contains("task definition: memory of this container"),
        "{told}"
    );
    for told in [command(nomad, &TASKS), command(ecs, &TASKS)] {
        assert!(!told.contains("Compose"), "{told}");
    }
}

/// What somebody else has had Docker create is created anew as that says.
#[test]
fn a_container_that_a_program_has_had_docker_create() {
    let of = |creator: &Creator, setting| {
        let context = Context {
            creator: Some(creator.clone()),
            ..Context::default()
        };
        let limit = Limit::new(
            LimitKind::PidsMax,
            Owner::cgroup(format!("/batch/{ID}")),
            Unit::Tasks,
        );
        lasting(&limit, setting, 4096.into(), &context).replace(ID, "ID")
    };
    let swarm = |service: &str, of_stack| Creator::Swarm {
        service: service.to_owned(),
        of_stack,
    };
    let compose = |service: &str, files: Option<&str>| Creator::Compose {
        service: service.to_owned(),
        files: files.map(str::to_owned),
    };
    for (creator, tasks, memory) in [
        (
            swarm("web", false),
            "docker update --pids-limit 4096 ID (for one created anew: docker service update --limit-pids 4096 \
             web on a manager of the swarm, which replaces the service's containers)",
            "docker service update --limit-memory 4096 web on a manager of the swarm, which replaces the \
             service's containers)",
        ),
        (
            swarm("app_web", true),
            "replaces the service's containers; pids of its deploy.resources.limits in the stack's file",
            "replaces the service's containers; memory of its deploy.resources.limits in the stack's file",
        ),
        (
            compose("web", Some("/srv/a.yml,/srv/b.yml")),
            "(for one created anew: pids_limit: 4096 of service web, or pids where it has \
             deploy.resources.limits, in /srv/a.yml, /srv/b.yml, then docker compose up -d web)",
            "mem_limit: 4096 of service web, or memory where",
        ),
        (
            compose("w b", None),
            "in its Compose file, then docker compose up -d 'w b')",
            "in its Compose file",
        ),
        (
            Creator::GitLabRunner { is_service: false },
            "(for one created anew: GitLab Runner creates one for each job, and has no setting for it)",
            "(for one created anew: GitLab Runner, config.toml: memory = \"4096\" in [runners.docker])",
        ),
        (
            Creator::GitLabRunner { is_service: true },
            "has no setting for it)",
            "service_memory = \"4096\"",
        ),
    ] {
        for (setting, wanted) in [(&TASKS, tasks), (&MEMORY, memory)] {
            let told = of(&creator, setting);
            assert!(told.contains(wanted), "{told}\nnot: {wanted}");
            assert!(told.starts_with("docker update --"), "{told}");
        }
    }
    // Labels are anybody's to write.
    for service in ["--help", "a\u{1b}[31m", ""] {
        for creator in [swarm(service, true), compose(service, None)] {
            let told = of(&creator, &TASKS);
            assert!(told.contains("--pids-limit when it is"), "{told}");
        }
    }
}

/// Slurm 22.05+ on cgroup v2: all jobs of the node are below a scope for which it asks systemd for nothing.
#[test]
fn a_scope_that_nobody_asks_a_limit_for() {
    let of = |path: &str, setting| {
        let limit = Limit::new(LimitKind::PidsMax, Owner::cgroup(path), Unit::Tasks);
        let says = UnitLimit {
            setting,
            text: "512".to_owned(),
            file: Some("/etc/systemd/system.conf".into()),
            today: Some(512),
        };
        lasting(&limit, &TASKS, 4096.into(), &context(says))
    };
    let scope = "/system.slice/slurmstepd.scope";
    assert_eq!(
        of(scope, "DefaultTasksMax"),
        "systemctl set-property slurmstepd.scope TasksMax=4096 (until it ends; for the next ones: \
         DefaultTasksMax= in /etc/systemd/system.conf: it has that, 512, as what makes the scope asks for \
         no limit)"
    );
    assert!(of(scope, "TasksMax").contains("where what makes the scope asks for its limit"));
}

/// systemd-system.conf(5): the file that counts needn't be the main one.
#[test]
fn the_file_that_has_the_managers_default() {
    let of = |path: &str, file: Option<&str>, nixos| {
        let limit = Limit::new(LimitKind::PidsMax, Owner::cgroup(path), Unit::Tasks);
        let says = UnitLimit {
            setting: "DefaultTasksMax",
            text: "512".to_owned(),
            file: file.map(Into::into),
            today: Some(512),
        };
        let context = Context {
            nixos,
            ..context(says)
        };
        let told = lasting(&limit, &TASKS, 4096.into(), &context);
        let (_, next) = told.split_once("for the next ones: ").unwrap();
        next.split_once(": it has that").unwrap().0.to_owned()
    };
    let scope = "/system.slice/slurmstepd.scope";
    let user = "/user.slice/user-7.slice/user@7.service/app.slice/ptyxis-spawn-1.scope";
    for (path, file, wanted) in [
        (
            scope,
            Some("/etc/systemd/system.conf.d/50-x.conf"),
            "DefaultTasksMax= in /etc/systemd/system.conf.d/50-x.conf",
        ),
        (
            scope,
            Some("/usr/lib/systemd/system.conf.d/50-x.conf"),
            "DefaultTasksMax= in /etc/systemd/system.conf.d, a file whose name comes after 50-x.conf",
        ),
        (
            scope,
            Some("/usr/lib/systemd/system.conf"),
            "DefaultTasksMax= in a file of /etc/systemd/system.conf.d",
        ),
        (
            scope,
            None,
            "DefaultTasksMax= in a file of /etc/systemd/system.conf.d",
        ),
        (
            user,
            Some("/etc/systemd/user.conf"),
            "DefaultTasksMax= in /etc/systemd/user.conf",
        ),
        (
            user,
            None,
            "DefaultTasksMax= in a file of /etc/systemd/user.conf.d",
        ),
    ] {
        assert_eq!(of(path, file, false), wanted);
    }
    let nixos = of(scope, Some("/etc/systemd/system.conf"), true);
    assert!(
        nixos.contains("systemd.settings.Manager.DefaultTasksMax = \"4096\";"),
        "{nixos}"
    );
}

/// Cgroups are anybody's to name.
#[test]
fn no_name_of_a_container_is_a_command() {
    for name in ["$(reboot)", "a;reboot", "-x", "a b", "p$x_c1", "_"] {
        let told = command(&format!("/lxc.payload.{name}"), &TASKS);
        assert!(told.contains("lxc.cgroup2.pids.max = 4096"), "{told}");
        let command = told.split_once("incus config set ").map(|(_, rest)| rest);
        assert!(command.is_none_or(|rest| rest.contains("'p$x'")), "{told}");
    }
}

/// Nor a folder that drop-ins could be put into, but for those of users.
#[test]
fn units_of_another_name_each_time_on_nixos() {
    let of = |path: &str, setting| {
        let path = path
            .replace("P_D", &POD.replace('-', "_"))
            .replace("ID", ID);
        let limit = Limit::new(LimitKind::PidsMax, Owner::cgroup(path), Unit::Tasks);
        let says = UnitLimit {
            setting,
            text: "15%".to_owned(),
            file: None,
            today: Some(512),
        };
        let nixos = Context {
            nixos: true,
            ..context(says)
        };
        lasting(&limit, &TASKS, 4096.into(), &nixos)
    };
    let session = "/user.slice/user-7.slice/session-3.scope";
    let ssh = "/system.slice/sshd@5-192.0.2.1:22-198.51.100.7:4242.service";
    let pod = "/kubepods.slice/kubepods-podP_D.slice/cri-containerd-ID.scope";
    let step = "/system.slice/docker-hswkyb4a5k5khcsbpcuqqgz3z.scope";
    let told = of(ssh, "DefaultTasksMax");
    assert!(
        told.contains(
            "systemd.services.\"sshd@\".serviceConfig.TasksMax = \"4096\"; (of each instance)"
        ),
        "{told}"
    );
    for (path, name) in [
        (session, "session-.scope"),
        (pod, "cri-containerd-.scope"),
        (step, "docker-.scope"),
    ] {
        let told = of(path, "DefaultTasksMax");
        let unit =
            format!("systemd.units.\"{name}\" = {{ overrideStrategy = \"asDropin\"; text = ");
        assert!(told.contains(&unit), "{told}");
        assert!(!told.contains("/etc/"), "{told}");
    }
    // A container's systemd is another's.
    let inner = of(&format!("/lxc.payload.c1{session}"), "DefaultTasksMax");
    assert!(
        inner.contains("/etc/systemd/system/session-.scope.d/"),
        "{inner}"
    );
    let manager = "/user.slice/user-7.slice/user@7.service/app.slice";
    let user = of(&format!("{manager}/vte-spawn-1.scope"), "DefaultTasksMax");
    assert!(
        user.contains("~/.config/systemd/user/vte-spawn-.scope.d/"),
        "{user}"
    );
}

/// Of the host's own files, NixOS has none that could be changed.
#[test]
fn a_drop_in_of_nixos() {
    let limit = Limit::new(
        LimitKind::PidsMax,
        Owner::cgroup("/user.slice/user-7.slice"),
        Unit::Tasks,
    );
    let says = UnitLimit {
        setting: "TasksMax",
        text: "512".to_owned(),
        file: Some("/etc/systemd/system/user-.slice.d/overrides.conf".into()),
        today: Some(512),
    };
    let nixos = Context {
        nixos: true,
        ..context(says)
    };
    assert_eq!(
        lasting(&limit, &TASKS, 4096.into(), &nixos),
        "NixOS, configuration.nix: systemd.slices.\"user-7\".sliceConfig.TasksMax = \"4096\";"
    );
}

/// Root, and who has become the user by su, have no way to the user's manager by themselves.
#[test]
fn a_users_unit_is_set_in_the_users_home() {
    let of = |path: &str, says: Option<UnitLimit>| {
        let limit = Limit::new(LimitKind::PidsMax, Owner::cgroup(path), Unit::Tasks);
        let home = Some("/home/ann".into());
        let context = Context {
            unit_limit: says,
            unit: UnitPlace {
                home,
                ..UnitPlace::default()
            },
            ..Context::default()
        };
        lasting(&limit, &TASKS, 4096.into(), &context)
    };
    let manager = "/user.slice/user-7.slice/user@7.service/app.slice";
    let told = of(&format!("{manager}/vte-spawn-1.scope"), None);
    assert!(
        told.contains("for the next ones: /home/ann/.config/systemd/user/vte-spawn-.scope.d/: "),
        "{told}"
    );
    let says = UnitLimit {
        setting: "TasksMax",
        text: "512".to_owned(),
        file: Some("/usr/lib/systemd/user/x.service.d/90-x.conf".into()),
        today: None,
    };
    let told = of(&format!("{manager}/x.service"), Some(says));
    assert!(
        told.starts_with(
            "/home/ann/.config/systemd/user/x.service.d/zz-TasksMax.conf: [Service] TasksMax=4096, then sudo \
             -u '#7' XDG_RUNTIME_DIR=/run/user/7 systemctl --user daemon-reload (as uid 7; "
        ),
        "{told}"
    );
}
