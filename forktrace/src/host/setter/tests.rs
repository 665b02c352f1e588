use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const POD: &str = "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f";

fn unit(name: &str) -> Kind {
    Kind::Unit {
        name: name.to_owned(),
        user: None,
    }
}

fn program(unit: &str) -> Kind {
    Kind::Program {
        unit: (!unit.is_empty()).then(|| unit.to_owned()),
    }
}

fn set_up(path: &str) -> Setter {
    let fill = path.replace("ID", ID).replace("POD", POD);
    of(&fill.replace("P_D", &POD.replace('-', "_")))
}

#[test]
fn units_and_what_is_below_them() {
    for (path, kind) in [
        ("/system.slice", unit("system.slice")),
        ("/user.slice/user-7.slice", unit("user-7.slice")),
        (
            "/user.slice/user-7.slice/session-3.scope",
            unit("session-3.scope"),
        ),
        ("/system.slice/x.service", unit("x.service")),
        ("/system.slice/_memory.service", unit("memory.service")),
        ("/system.slice/x.service/box-3", program("x.service")),
        ("/system.slice/x.service/a.slice/b", program("x.service")),
        (
            "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope",
            unit("machine-qemu\\x2d1\\x2dvm.scope"),
        ),
        ("/a/b", Kind::Unknown),
        ("/", Kind::Unknown),
    ] {
        let kind = Setter { kind, within: None };
        assert_eq!(set_up(path), kind, "{path}");
    }
}

#[test]
fn services_of_openrc() {
    let service = |name: &str| Kind::Service {
        name: name.to_owned(),
    };
    for (path, kind) in [
        ("/openrc.nginx", service("nginx")),
        ("/openrc.net.eth0", service("net.eth0")),
        ("/openrc_nginx", service("nginx")),
        ("/openrc.nginx/worker", Kind::Unknown),
        ("/a/openrc.nginx", Kind::Unknown),
        ("/openrc.", Kind::Unknown),
        ("/lxc.payload.c1/openrc.nginx", service("nginx")),
        ("/lxc/c1/ns/openrc.nginx", service("nginx")),
    ] {
        assert_eq!(set_up(path).kind, kind, "{path}");
    }
}

#[test]
fn units_of_a_users_manager() {
    let base = "/user.slice/user-7.slice/user@7.service";
    let user = |name: &str| Kind::Unit {
        name: name.to_owned(),
        user: Some(7),
    };
    assert_eq!(set_up(base).kind, unit("user@7.service"));
    let below = |path: &str| set_up(&format!("{base}{path}")).kind;
    assert_eq!(below("/app.slice"), user("app.slice"));
    assert_eq!(below("/app.slice/x.service"), user("x.service"));
    assert_eq!(below("/app.slice/x.service/y"), program("x.service"));
    assert_eq!(
        set_up(&format!("{base}/app.slice/x.service")).system_unit(),
        None
    );
    assert!(matches!(
        below("/user.slice/libpod-ID.scope/container"),
        Kind::Container {
            runtime: Runtime::Podman,
            user: Some(7),
            ..
        }
    ));
}

#[test]
fn containers_by_their_runtime() {
    for (path, wanted) in [
        ("/system.slice/docker-ID.scope", Runtime::Docker),
        ("/docker/ID", Runtime::Docker),
        ("/machine.slice/libpod-ID.scope/container", Runtime::Podman),
        ("/libpod_parent/libpod-ID", Runtime::Podman),
        (
            "/kubepods.slice/kubepods-podP_D.slice/crio-ID.scope",
            Runtime::CriO,
        ),
        // Run by crun.
        (
            "/kubepods.slice/kubepods-podP_D.slice/crio-ID.scope/container",
            Runtime::CriO,
        ),
        (
            "/kubepods.slice/kubepods-podP_D.slice/cri-containerd-ID.scope/container",
            Runtime::Containerd,
        ),
        ("/system.slice/docker-ID.scope/container", Runtime::Docker),
        ("/kubepods/burstable/podPOD/crio-ID", Runtime::CriO),
        (
            "/kubepods.slice/kubepods-podP_D.slice/cri-containerd-ID.scope",
            Runtime::Containerd,
        ),
        (
            "/system.slice/containerd.service/kubepods-burstable-podP_D.slice:cri-containerd:ID",
            Runtime::Containerd,
        ),
        (
            "/kubepods.slice/kubepods-podP_D.slice/docker-ID.scope",
            Runtime::Docker,
        ),
        ("/kubepods/podPOD/ID", Runtime::Unknown),
        ("/k8s.io/ID", Runtime::Containerd),
        ("/kubepods/podPOD/kata_ID", Runtime::Kata),
        ("/kata_overhead/ID", Runtime::Kata),
        (
            "/system.slice/web.service/libpod-payload-ID",
            Runtime::Podman,
        ),
        (
            "/docker/buildkit/hswkyb4a5k5khcsbpcuqqgz3z",
            Runtime::BuildKit,
        ),
        (
            "/system.slice/docker-hswkyb4a5k5khcsbpcuqqgz3z.scope",
            Runtime::BuildKit,
        ),
        (
            "/docker/ID/buildkit/hswkyb4a5k5khcsbpcuqqgz3z",
            Runtime::BuildKit,
        ),
        ("/lxc.payload.web", Runtime::Lxc),
        ("/lxc/101/ns", Runtime::Lxc),
        (
            "/machine.slice/systemd-nspawn@web.service/payload",
            Runtime::Nspawn,
        ),
        ("/machine.slice/machine-web.scope", Runtime::Nspawn),
    ] {
        let Kind::Container { runtime, pod, .. } = set_up(path).kind else {
            panic!("{path}");
        };
        assert_eq!(runtime, wanted, "{path}");
        assert_eq!(pod.is_some(), path.contains("kubepods"), "{path}");
    }
}

#[test]
fn a_pod_of_podmans_is_no_container() {
    let of = |path: &str| set_up(&path.replace("OTHER", &ID.replace('0', "f")));
    let inner = of("/libpod_parent/OTHER/libpod-ID");
    assert!(matches!(
        inner.kind,
        Kind::Container {
            runtime: Runtime::Podman,
            ..
        }
    ));
    assert_eq!(inner.within, None);
    assert_eq!(of("/libpod_parent/OTHER").kind, Kind::Unknown);
}

#[test]
fn names_that_systemd_run_makes_up() {
    for unit in [
        "run-u5.service",
        "run-r61c17f6d334540b599c366514bc1d492.service",
        "run-p4711-i2342.scope",
        "run-4711.scope",
    ] {
        assert!(is_of_systemd_run(unit), "{unit}");
    }
    for unit in [
        "run-backup.service",
        "run-user-7.mount",
        "run-u.service",
        "run-p7-i.scope",
        "run-.scope",
        "run-5",
        "run-5.mount",
        "rerun-5.scope",
    ] {
        assert!(!is_of_systemd_run(unit), "{unit}");
    }
}

#[test]
fn levels_of_kubelet() {
    let pod = Kind::Pod {
        uid: POD.to_owned(),
    };
    for (path, kind) in [
        ("/kubepods", Kind::Pods),
        ("/kubepods.slice", Kind::Pods),
        ("/kubepods/burstable", Kind::Class(Qos::Burstable)),
        (
            "/kubepods.slice/kubepods-besteffort.slice",
            Kind::Class(Qos::BestEffort),
        ),
        ("/kubepods/burstable/podPOD", pod.clone()),
        ("/kubepods.slice/kubepods-podP_D.slice", pod.clone()),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podP_D.slice",
            pod,
        ),
    ] {
        assert_eq!(set_up(path).kind, kind, "{path}");
    }
}

#[test]
fn a_container_has_its_own_units_programs_and_containers() {
    for (path, kind, container) in [
        (
            "/lxc.payload.c1/system.slice/x.service",
            unit("x.service"),
            "c1",
        ),
        ("/lxc.payload.c1/system.slice", unit("system.slice"), "c1"),
        (
            "/lxc.payload.c1/system.slice/x.service/y",
            program("x.service"),
            "c1",
        ),
        ("/lxc.payload.c1/y", program(""), "c1"),
        // No systemd has made this one: it is no runtime's.
        ("/docker/ID/container", program(""), ID),
        (
            "/machine.slice/systemd-nspawn@web.service/payload/system.slice/x.service",
            unit("x.service"),
            "web",
        ),
        ("/docker/ID/system.slice/x.service", unit("x.service"), ID),
    ] {
        let setter = set_up(path);
        assert_eq!(setter.kind, kind, "{path}");
        assert_eq!(setter.within.as_ref().unwrap().name, container, "{path}");
        assert_eq!(setter.system_unit(), None);
    }
    let inner = set_up("/lxc.payload.c1/system.slice/docker-ID.scope");
    assert!(matches!(
        inner.kind,
        Kind::Container {
            runtime: Runtime::Docker,
            ..
        }
    ));
    assert_eq!(inner.within.unwrap().path, "/lxc.payload.c1");
}

#[test]
fn jobs_of_slurm() {
    let scope = "/system.slice/slurmstepd.scope";
    for (path, job, part) in [
        ("/slurm", None, JobPart::All),
        ("/slurm/uid_7", None, JobPart::User),
        ("/slurm/uid_7/job_12", Some("12"), JobPart::Job),
        ("/slurm/uid_7/job_12/step_0", Some("12"), JobPart::Step),
        (
            "/slurm_n1/uid_7/job_12/step_batch",
            Some("12"),
            JobPart::Step,
        ),
        ("SCOPE/job_12", Some("12"), JobPart::Job),
        ("SCOPE/job_12/step_0/user", Some("12"), JobPart::Step),
        ("SCOPE/job_12/step_0/user/task_0", Some("12"), JobPart::Task),
        (
            "/system.slice/n1_slurmstepd.scope/system",
            None,
            JobPart::All,
        ),
    ] {
        let name = job.map(str::to_owned);
        let path = path.replace("SCOPE", scope);
        assert_eq!(set_up(&path).kind, Kind::Job { name, part }, "{path}");
    }
}

#[test]
fn tasks_of_schedulers_that_look_like_units() {
    let task = |of, name: &str| Kind::Task {
        of,
        name: name.to_owned(),
    };
    let ecs = "0123456789abcdef0123456789abcdef";
    for (path, kind) in [
        ("/nomad.slice", unit("nomad.slice")),
        (
            "/nomad.slice/share.slice/POD.web.1.scope",
            task(Scheduler::Nomad, "web.1"),
        ),
        ("/nomad.slice/POD.web.scope", task(Scheduler::Nomad, "web")),
        ("/nomad.slice/run-u5.scope", unit("run-u5.scope")),
        ("/system.slice/POD.web.scope", {
            unit(&format!("{POD}.web.scope"))
        }),
        (
            "/ecstasks.slice/ecstasks-ECS.slice",
            task(Scheduler::Ecs, ecs),
        ),
        ("/ecs/ECS", task(Scheduler::Ecs, ecs)),
        ("/ecstasks.slice/ecstasks-x.slice", unit("ecstasks-x.slice")),
    ] {
        let path = path.replace("ECS", ecs);
        assert_eq!(set_up(&path).kind, kind, "{path}");
    }
    let inner = set_up(&format!(
        "/ecstasks.slice/ecstasks-{ecs}.slice/docker-ID.scope"
    ));
    assert!(matches!(
        inner.kind,
        Kind::Container {
            runtime: Runtime::Docker,
            ..
        }
    ));
}

#[test]
fn services_of_one_connection() {
    for (unit, template) in [
        (
            "sshd@5-192.0.2.1:22-198.51.100.7:4242.service",
            Some("sshd@.service"),
        ),
        (
            "sshd@12-2001:db8::1:22-2001:db8::2:4242.service",
            Some("sshd@.service"),
        ),
        (
            "check-mk-agent@3-812-1000.service",
            Some("check-mk-agent@.service"),
        ),
        ("x@7-unknown.service", Some("x@.service")),
        // Of systemd 258.
        (
            "sshd@5-97-192.0.2.1:22-198.51.100.7:4242.service",
            Some("sshd@.service"),
        ),
        (
            "sshd@12-97-2001:db8::1:22-2001:db8::2:4242.service",
            Some("sshd@.service"),
        ),
        ("x@3-97-812_4711-1000.service", Some("x@.service")),
        ("x@3-97-812-1000.service", Some("x@.service")),
        ("x@3-97-unknown.service", Some("x@.service")),
        ("x@0-97-2:22-4294967295:1024.service", Some("x@.service")),
        ("x@3-a-812-1000.service", None),
        ("x@3-97-812_-1000.service", None),
        ("x@3-97-5-812-1000.service", None),
        ("x@3-97-812_a-1000.service", None),
        ("postgresql@15-main.service", None),
        ("getty@tty1.service", None),
        ("user@1000.service", None),
        ("x@1-2.service", None),
        ("x@a-1-2.service", None),
        ("5-812-1000.service", None),
        ("x@5-812-1000.socket", None),
    ] {
        assert_eq!(of_connection(unit).as_deref(), template, "{unit}");
    }
}

#[test]
fn containers_of_schedulers() {
    let ecs = "0123456789abcdef0123456789abcdef";
    for (path, wanted) in [
        (
            "/nomad.slice/share.slice/docker-ID.scope",
            Some(Scheduler::Nomad),
        ),
        ("/nomad.slice/share.slice/ID", Some(Scheduler::Nomad)),
        ("/ecs/ECS/ID", Some(Scheduler::Ecs)),
        (
            "/ecstasks.slice/ecstasks-ECS.slice/docker-ID.scope",
            Some(Scheduler::Ecs),
        ),
        ("/system.slice/docker-ID.scope", None),
        ("/docker/ID", None),
        // What an agent of ECS's runs itself isn't a task.
        ("/ecs/ID", None),
    ] {
        let Kind::Container {
            runtime, scheduler, ..
        } = set_up(&path.replace("ECS", ecs)).kind
        else {
            panic!("{path}");
        };
        assert_eq!(scheduler, wanted, "{path}");
        assert!(runtime == Runtime::Docker || scheduler.is_none(), "{path}");
    }
}
