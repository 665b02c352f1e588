use std::path::PathBuf;

use super::*;
use crate::host::process::Bounds;
use crate::model::{Caller, Cgroup, Errno, Limit, LimitKind, Unit, caller::tests::caller};

fn member(pid: u32, comm: &str, soft: u64, cgroup: &str) -> Member {
    Member {
        pid,
        comm: comm.to_owned(),
        uid: if pid == 1 { 0 } else { 112 },
        bounds: Bounds {
            soft: Some(soft),
            hard: Some(2000),
        },
        seconds: Some(60),
        levels: 1,
        cgroup: Some(cgroup.to_owned()),
    }
}

fn assignment(value: &str, file: &str) -> Assignment {
    Assignment {
        value: value.to_owned(),
        file: PathBuf::from(file),
    }
}

fn says(limit: Option<&str>) -> Option<UnitSays> {
    let limit = limit.map(|value| assignment(value, "/etc/systemd/system/x.service"));
    Some(UnitSays {
        limit,
        ..UnitSays::default()
    })
}

fn pam(value: u64, which: Which) -> Vec<pam_limits::Nproc> {
    let line = |which, value| pam_limits::Line {
        file: PathBuf::from("/etc/security/limits.d/90-x.conf"),
        domain: "postgres".to_owned(),
        which,
        value: Some(value),
    };
    vec![pam_limits::Nproc {
        soft: Some(line(which, value)),
        hard: Some(line(Which::Hard, 2000)),
    }]
}

/// Of a limit of 40, to be 100.
fn knob_of(path: &str, operation: Operation, sources: &Sources) -> Knob {
    knob_for(&caller(), path, operation, sources)
}

fn knob_for(caller: &Caller, path: &str, operation: Operation, sources: &Sources) -> Knob {
    knob_at(40, caller, path, operation, sources)
}

/// Of a limit of this value.
fn knob_at(
    value: u64,
    caller: &Caller,
    path: &str,
    operation: Operation,
    sources: &Sources,
) -> Knob {
    let cgroup = Cgroup {
        path: Some(path.to_owned()),
        ..Cgroup::default()
    };
    let subject = Subject {
        caller,
        cgroup: &cgroup,
        operation,
        errno: Errno::EAGAIN,
        target: None,
    };
    knob(Some(value), 100.into(), &subject, sources)
}

const SERVICE: &str = "/system.slice/x.service";
const SESSION: &str = "/user.slice/user-112.slice/session-1.scope";

/// That unit's own drop-in.
fn edited(value: &str) -> String {
    format!(
        "systemctl edit x.service: [Service] LimitNPROC={value}, for its next start (systemctl restart x.service)"
    )
}

#[test]
fn a_line_of_limits_d() {
    let sources = Sources {
        pam: pam(40, Which::Soft),
        unit: says(None),
        ..Sources::default()
    };
    // A cron job: the process that PAM has limited is gone with its execve.
    let knob = knob_of(SERVICE, Operation::Exec, &sources);
    assert_eq!(
        knob.lasting,
        "/etc/security/limits.d/90-x.conf: postgres soft nproc 100"
    );
    assert_eq!(knob.now, None);
    assert!(knob.notes[0].contains("`postgres soft nproc 40`"));
}

/// What runs in a desktop's session has its limits from the user's manager, which doesn't ask PAM again.
#[test]
fn a_line_of_limits_d_that_a_users_manager_has_read() {
    let of = |uid: u32, path: &str| {
        let caller = Caller { uid, ..caller() };
        let sources = Sources {
            pam: pam(40, Which::Soft),
            unit: says(None),
            ..Sources::default()
        };
        let knob = knob_for(&caller, path, Operation::Process, &sources);
        knob.notes[0].clone()
    };
    let manager = "/user.slice/user-7.slice/user@7.service";
    let note = of(7, &format!("{manager}/app.slice/app-gnome-x-9.scope"));
    let again = "`postgres soft nproc 40`: it counts when user@7.service is started again, which ends all that it \
                 runs";
    assert!(note.ends_with(again), "{note}");
    let note = of(7, &format!("{manager}/app.slice/x.service"));
    assert!(
        note.ends_with(
            "; LimitNPROC= of x.service, up to the hard limit, counts from its next start on"
        ),
        "{note}"
    );
    // By su and sudo, and in a session.
    for path in [format!("{manager}/app.slice/x.service"), SESSION.to_owned()] {
        let note = of(112, &path);
        assert!(
            note.ends_with("the next login or PAM session (su, cron) on"),
            "{note}"
        );
    }
}

/// Nobody else gets more by it.
#[test]
fn a_line_for_many_is_left_to_the_others() {
    for (domain, whose) in [
        ("*", "for every user but root"),
        ("@staff", "for every member of staff"),
        ("100:200", "for the uids 100:200"),
    ] {
        let mut pam = pam(40, Which::Both);
        let all = &mut pam[0];
        for line in all.soft.iter_mut().chain(&mut all.hard) {
            line.domain = domain.to_owned();
            line.value = Some(40);
        }
        let sources = Sources {
            pam,
            ..Sources::default()
        };
        let knob = knob_of(SESSION, Operation::Process, &sources);
        assert_eq!(
            knob.lasting,
            "/etc/security/limits.d/90-x.conf: postgres - nproc 100"
        );
        assert!(knob.notes[0].contains(whose), "{knob:?}");
    }
}

#[test]
fn a_unit_by_its_file_its_manager_or_perhaps() {
    let at = |path, sources: Sources| knob_of(path, Operation::Process, &sources);
    let mut sources = Sources {
        lineage: vec![
            member(812, "x", 40, SERVICE),
            member(1, "systemd", 2800, "/init.scope"),
        ],
        unit: says(Some("40")),
        ..Sources::default()
    };
    let knob = at(SERVICE, sources.clone());
    assert_eq!(knob.lasting, edited("100:2000"));
    assert!(knob.notes[0].contains("/etc/systemd/system/x.service"));
    sources.unit = says(None);
    sources.manager = Some(assignment("40:2000", "/etc/systemd/system.conf"));
    let knob = at(SERVICE, sources.clone());
    assert!(
        knob.notes[0].contains("DefaultLimitNPROC=40:2000"),
        "{knob:?}"
    );
    sources.manager = None;
    let knob = at(SERVICE, sources.clone());
    assert!(
        knob.lasting.contains("itself") && !knob.lasting.contains("systemctl"),
        "{knob:?}"
    );
    sources.unit = None;
    let user = "/user.slice/user-7.slice/user@7.service/app.slice/x.service";
    let knob = at(user, sources.clone());
    assert!(
        knob.lasting.starts_with(
            "sudo -u '#7' XDG_RUNTIME_DIR=/run/user/7 systemctl --user edit x.service: "
        ),
        "{knob:?}"
    );
    assert!(!knob.lasting.contains("as uid 7"), "{knob:?}");
    let inner = format!("/lxc.payload.c1{user}");
    let inner = knob_of(&inner, Operation::Process, &sources);
    assert!(
        inner
            .lasting
            .starts_with("in container c1: systemctl --user edit x.service: "),
        "{inner:?}"
    );
    assert!(inner.lasting.contains("(as uid 7; more than"), "{inner:?}");
    let knob = at("/lxc.payload.c1/system.slice/x.service", sources);
    assert!(
        knob.lasting
            .starts_with("in container c1: systemctl edit x.service"),
        "{knob:?}"
    );
}

#[test]
fn a_program_that_lowers_its_own() {
    let sources = Sources {
        lineage: vec![
            member(812, "ai-jail", 40, SESSION),
            member(500, "bash", 1000, SESSION),
        ],
        ..Sources::default()
    };
    let knob = knob_of(SESSION, Operation::Process, &sources);
    assert!(
        knob.lasting
            .starts_with("the limit was set in this process (its parent bash has 1000): by ai-jail itself, or by what ran in it before"),
        "{knob:?}"
    );
    assert!(!knob.lasting.contains("limits.d"));
    assert_eq!(knob.now.as_deref(), Some("prlimit --pid 812 --nproc=100:"));
}

/// Apache's RLimitNPROC, libvirt's max_processes: set in the child, by the parent's own code.
#[test]
fn a_program_that_sets_it_for_its_children() {
    let of = |parent: &str| {
        let sources = Sources {
            lineage: vec![
                member(812, "report.cgi", 40, SERVICE),
                member(500, parent, 1000, SERVICE),
            ],
            unit: says(None),
            ..Sources::default()
        };
        knob_of(SERVICE, Operation::Process, &sources).lasting
    };
    let told = of("apache2");
    assert!(
        told.contains(
            "by report.cgi itself, by apache2 for it (RLimitNPROC), or by what ran in it \
             before (ulimit, prlimit, su); raise it there"
        ),
        "{told}"
    );
    assert!(of("any").contains("by any for it (a setting of its own)"));
    assert!(!of("bash").contains("for it"));
    // `forktrace live -- prlimit … report.cgi`.
    assert!(!of("forktrace").contains("for it"));
    assert!(!of("report.cgi").contains("for it"));
}

/// What a package has delivered is not to be changed there.
#[test]
fn a_line_of_a_vendors_file() {
    let mut sources = Sources {
        lineage: vec![
            member(812, "x", 40, SESSION),
            member(1, "systemd", 2800, "/init.scope"),
        ],
        pam: pam(40, Which::Soft),
        ..Sources::default()
    };
    let soft = sources.pam[0].soft.as_mut().unwrap();
    soft.file = PathBuf::from("/usr/etc/security/limits.d/50-x.conf");
    let knob = knob_of(SESSION, Operation::Process, &sources);
    assert_eq!(
        knob.lasting,
        "/etc/security/limits.d/, a file of another name: postgres soft nproc 100"
    );
    let note = "/usr/etc/security/limits.d/50-x.conf has `postgres soft nproc 40`";
    assert!(knob.notes[0].starts_with(note), "{knob:?}");
}

#[test]
fn a_container_has_it_from_its_runtime() {
    let mut inner = member(812, "sh", 40, "/lxc.payload.c1");
    inner.levels = 2;
    let sources = Sources {
        lineage: vec![inner, member(500, "lxc-start", 2800, "/lxc.monitor.c1")],
        ..Sources::default()
    };
    let knob = knob_of("/lxc.payload.c1", Operation::Process, &sources);
    assert!(knob.lasting.contains("lxc.prlimit.nproc = 100"), "{knob:?}");
}

#[test]
fn each_runtime_has_a_place_of_its_own() {
    let id = "0123456789abcdef".repeat(4);
    let pod = "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f";
    for (path, wanted) in [
        (
            "/lxc.payload.shop_c1",
            "set c1 limits.kernel.nproc 100:2000 --project shop",
        ),
        (
            "/lxc/101/ns",
            "lxc.prlimit.nproc = 100:2000 (Proxmox VE: that line in /etc/pve/lxc/101.conf)",
        ),
        ("/docker/ID", "daemon.json"),
        (
            "/docker/ID/box",
            "--ulimit nproc=100:2000 when container ID",
        ),
        (
            "/machine.slice/libpod-ID.scope/container",
            "containers.conf",
        ),
        (
            "/kubepods/podPOD/crio-ID",
            "default_ulimits = [\"nproc=100:2000\"]",
        ),
        (
            "/kubepods/podPOD/ID",
            "LimitNPROC=100:2000 of the service that runs the node's containers",
        ),
    ] {
        let path = path.replace("ID", &id).replace("POD", pod);
        let mut inner = member(812, "sh", 40, &path);
        inner.levels = 2;
        let sources = Sources {
            lineage: vec![inner, member(500, "runc", 2800, "/system.slice/r.service")],
            ..Sources::default()
        };
        let told = knob_of(&path, Operation::Process, &sources).lasting;
        let told = told.replace(&id, "ID");
        assert!(told.contains(wanted), "{path}: {told}");
    }
}

fn chain(members: &[(&str, u64, usize, &str)]) -> Sources {
    let lineage = members.iter().zip(800..);
    let lineage = lineage.map(|((comm, soft, levels, cgroup), pid)| Member {
        levels: *levels,
        ..member(if *comm == "init" { 1 } else { pid }, comm, *soft, cgroup)
    });
    Sources {
        lineage: lineage.collect(),
        ..Sources::default()
    }
}

fn above(name: &str, limit: Option<&str>) -> Option<Above> {
    Some(Above {
        service: Service {
            name: name.to_owned(),
            user: None,
            container: None,
        },
        limit: limit.map(|value| assignment(value, "/etc/systemd/system/a.service.d/b.conf")),
        hidden: None,
        place: UnitPlace::default(),
    })
}

const DOCKER: &str = "/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Of the host's names and logins it knows nothing, nor they of it.
#[test]
fn a_container_without_a_limit_of_its_own() {
    let members = [("sh", 40, 2, DOCKER), ("init", 40, 1, "/init.scope")];
    let init = Some(Bounds {
        soft: Some(40),
        hard: Some(2000),
    });
    let sources = Sources {
        init,
        ..chain(&members)
    };
    let told = knob_of(DOCKER, Operation::Process, &sources).lasting;
    assert!(
        told.starts_with("--ulimit nproc=100:2000 when container"),
        "{told}"
    );
    assert!(!told.contains("limits.d"), "{told}");
}

/// systemd.unit(5): drop-ins of all folders count in the order of their names.
#[test]
fn a_drop_in_that_counts_after_systemctl_edits() {
    let of = |file: &str| {
        let sources = Sources {
            unit: Some(UnitSays {
                limit: Some(assignment("40", file)),
                ..UnitSays::default()
            }),
            ..Sources::default()
        };
        knob_of(SERVICE, Operation::Process, &sources).lasting
    };
    let edit = edited("100");
    assert_eq!(of("/etc/systemd/system/x.service.d/90-x.conf"), edit);
    assert_eq!(of("/etc/systemd/system/x.service.d/override.conf"), edit);
    let later = "/etc/systemd/system/x.service.d/security.conf";
    assert!(of(later).starts_with(&format!("{later}: [Service] LimitNPROC=100, then")));
}

/// What starts containers gives them its own, as a user's manager does with units.
#[test]
fn what_another_service_has() {
    const RUNC: &str = "/system.slice/containerd.service";
    let mut sources = Sources {
        above: above("containerd.service", Some("40:2000")),
        ..chain(&[
            ("sh", 40, 2, DOCKER),
            ("shim", 40, 1, RUNC),
            ("containerd", 40, 1, RUNC),
            ("init", 2800, 1, "/init.scope"),
        ])
    };
    let knob = knob_of(DOCKER, Operation::Process, &sources);
    assert!(
        knob.lasting
            .starts_with("--ulimit nproc=100:2000 when container"),
        "{knob:?}"
    );
    assert!(
        knob.notes[0].starts_with(
            "the container has it from containerd.service, which has LimitNPROC=40:2000 in /etc"
        ),
        "{knob:?}"
    );
    // Another number is of somebody else, whose limit the container needn't have.
    sources.above = above("containerd.service", Some("50"));
    let knob = knob_of(DOCKER, Operation::Process, &sources);
    assert!(
        knob.lasting.starts_with("--ulimit nproc=100:2000"),
        "{knob:?}"
    );
    assert_eq!(
        knob.notes,
        ["the container has it from containerd (pid 802), which is outside of it"]
    );
    let inner = format!("/lxc.payload.c1{DOCKER}");
    for (cgroup, wanted) in [
        ("/lxc.monitor.c1", "container c1: lxc.prlimit.nproc = 100"),
        (
            "/lxc.payload.c1/system.slice/x.service",
            "--ulimit nproc=100:2000",
        ),
    ] {
        let members = [
            ("sh", 40, 2, &*inner),
            ("x", 40, 2, cgroup),
            ("init", 2800, 2, "/lxc.payload.c1/init.scope"),
        ];
        let told = knob_of(&inner, Operation::Process, &chain(&members)).lasting;
        assert!(told.contains(wanted), "{told}");
    }
    let manager = "/user.slice/user-112.slice/user@112.service";
    let unit = format!("{manager}/app.slice/x.service");
    let sources = Sources {
        unit: says(None),
        above: above("user@112.service", Some("40")),
        ..chain(&[
            ("x", 40, 1, &unit),
            ("systemd", 40, 1, &format!("{manager}/init.scope")),
            ("init", 2800, 1, "/init.scope"),
        ])
    };
    let knob = knob_of(&unit, Operation::Process, &sources);
    assert_eq!(
        knob.lasting,
        "systemctl edit user@112.service: [Service] LimitNPROC=100:2000, for its next start, which ends all \
         that it runs"
    );
    assert_eq!(
        knob.notes,
        [
            "it is inherited from user@112.service, which has LimitNPROC=40 in \
             /etc/systemd/system/a.service.d/b.conf: all that it starts has the same"
        ]
    );
}

/// The one that its first process has entered, which needn't be the innermost.
#[test]
fn a_container_is_known_by_who_enters_it() {
    let inner = format!("/lxc.payload.c1{DOCKER}");
    let sources = chain(&[
        ("sh", 40, 3, &inner),
        (
            "dockerd",
            40,
            2,
            "/lxc.payload.c1/system.slice/docker.service",
        ),
        ("systemd", 40, 2, "/lxc.payload.c1/init.scope"),
        ("lxc-start", 2800, 1, "/lxc.monitor.c1"),
    ]);
    let told = knob_of(&inner, Operation::Process, &sources).lasting;
    assert!(
        told.contains("container c1: lxc.prlimit.nproc = 100"),
        "{told}"
    );
    // One that shares the host's ids (docker run --pid=host).
    let sources = chain(&[
        ("sh", 40, 1, DOCKER),
        ("shim", 2800, 1, "/system.slice/containerd.service"),
    ]);
    let told = knob_of(DOCKER, Operation::Process, &sources).lasting;
    assert!(told.starts_with("--ulimit nproc="), "{told}");
    // And what lowers its own in it.
    let sources = chain(&[("sh", 40, 2, DOCKER), ("init", 2800, 2, DOCKER)]);
    let told = knob_of(DOCKER, Operation::Process, &sources).lasting;
    assert!(told.contains("by sh itself"), "{told}");
}

/// pam_limits lowers the soft limit to the hard one.
#[test]
fn a_hard_limit_alone_is_the_soft_one() {
    let mut all = pam(900, Which::Soft);
    all[0].hard.as_mut().unwrap().value = Some(40);
    for soft in [all[0].soft.clone(), None] {
        all[0].soft = soft;
        let sources = Sources {
            pam: all.clone(),
            ..Sources::default()
        };
        let knob = knob_of(SESSION, Operation::Process, &sources);
        assert_eq!(
            knob.lasting,
            "/etc/security/limits.d/90-x.conf: postgres - nproc 100"
        );
        assert!(
            knob.notes[0].contains("`postgres hard nproc 40`"),
            "{knob:?}"
        );
    }
}

/// A service that systemd starts as a user opens no session: a line with the same number is chance.
#[test]
fn a_line_of_limits_d_is_not_for_what_systemd_starts() {
    let of = |becomes_user, parent| {
        let mut sources = chain(&[("x", 40, 1, SERVICE), (parent, 2800, 1, "/init.scope")]);
        sources.pam = pam(40, Which::Soft);
        sources.unit = Some(UnitSays {
            becomes_user,
            ..UnitSays::default()
        });
        knob_of(SERVICE, Operation::Process, &sources).lasting
    };
    assert!(of(true, "init").contains("by x itself"));
    assert!(of(false, "init").contains("limits.d"));
    assert!(of(true, "su").contains("limits.d"));
}

#[test]
fn a_job_has_it_from_slurm_or_lowers_its_own() {
    const JOB: &str = "/system.slice/slurmstepd.scope/job_7/step_batch/user/task_0";
    let of = |sources: &Sources| knob_of(JOB, Operation::Process, sources).lasting;
    assert!(of(&Sources::default()).contains("PropagateResourceLimitsExcept=NPROC"));
    let stepd = chain(&[
        ("python3", 40, 1, JOB),
        (
            "slurmstepd",
            2800,
            1,
            "/system.slice/slurmstepd.scope/job_7/step_batch/slurm",
        ),
    ]);
    assert!(of(&stepd).contains("PropagateResourceLimitsExcept=NPROC"));
    // With that alone, jobs would have the same from the daemon.
    let daemons = chain(&[
        ("python3", 40, 1, JOB),
        (
            "slurmstepd",
            40,
            1,
            "/system.slice/slurmstepd.scope/job_7/step_batch/slurm",
        ),
        ("init", 2800, 1, "/init.scope"),
    ]);
    assert!(
        of(&daemons).starts_with(
            "systemctl edit slurmd.service: [Service] LimitNPROC=100:2000, for its next start, and slurm.conf: \
             PropagateResourceLimitsExcept=NPROC"
        ),
        "{}",
        of(&daemons)
    );
    let with_pam = Sources {
        pam: pam(40, Which::Soft),
        ..Sources::default()
    };
    let knob = knob_of(JOB, Operation::Process, &with_pam);
    assert_eq!(
        knob.notes,
        [
            "/etc/security/limits.d/90-x.conf of this host has `postgres soft nproc 40`, which jobs get where \
             slurm.conf has UsePAM=1"
        ]
    );
    let own = chain(&[("python3", 40, 1, JOB), ("bash", 2800, 1, JOB)]);
    assert!(of(&own).contains("by python3 itself"));
}

/// A drop-in of its own would go with it.
#[test]
fn a_transient_unit_is_asked_for_anew() {
    let file = "/run/systemd/transient/job.service";
    let sources = |unit: &str| Sources {
        lineage: vec![
            member(812, "x", 40, &format!("/system.slice/{unit}")),
            member(1, "systemd", 2800, "/init.scope"),
        ],
        unit: Some(UnitSays {
            limit: Some(assignment("40", file)),
            ..UnitSays::default()
        }),
        ..Sources::default()
    };
    for unit in ["job.service", "run-u5.service"] {
        let path = format!("/system.slice/{unit}");
        let told = knob_of(&path, Operation::Process, &sources(unit)).lasting;
        let wanted =
            format!("what starts {unit} anew asks for it: systemd-run -p LimitNPROC=100:2000");
        assert_eq!(told, wanted);
    }
    let user = "/user.slice/user-112.slice/user@112.service/app.slice/run-u5.service";
    let told = knob_of(user, Operation::Process, &Sources::default()).lasting;
    assert!(
        told.ends_with("systemd-run --user -p LimitNPROC=100"),
        "{told}"
    );
    // A unit like any, whatever its name begins with.
    let told = knob_of(
        "/system.slice/run-backup.service",
        Operation::Process,
        &Sources::default(),
    )
    .lasting;
    assert!(
        told.starts_with("systemctl edit run-backup.service"),
        "{told}"
    );
}

/// KDE's, of which each has another name, and whatever else has no file of its own.
#[test]
fn a_transient_unit_that_has_the_limit_from_its_manager() {
    let of = |path: &str| {
        let sources = Sources {
            lineage: vec![
                member(812, "x", 40, path),
                member(1, "systemd", 2800, "/init.scope"),
            ],
            unit: Some(UnitSays {
                place: UnitPlace {
                    home: Some(PathBuf::from("/home/ann")),
                    is_transient: true,
                },
                ..UnitSays::default()
            }),
            manager: Some(assignment("40", "/etc/systemd/user.conf")),
            ..Sources::default()
        };
        knob_of(path, Operation::Process, &sources).lasting
    };
    let manager = "/user.slice/user-7.slice/user@7.service/app.slice";
    assert_eq!(
        of(&format!("{manager}/app-org.x.y@0a1b.service")),
        "/home/ann/.config/systemd/user/app-org.x.y@.service.d/: [Service] LimitNPROC=100:2000, then sudo -u \
         '#7' XDG_RUNTIME_DIR=/run/user/7 systemctl --user daemon-reload, for what is started then"
    );
    assert_eq!(
        of("/system.slice/backup.service"),
        "what starts backup.service anew asks for it: systemd-run -p LimitNPROC=100:2000"
    );
}

/// Who has started it, and with which limit, can't be seen any more.
#[test]
fn a_process_that_was_adopted() {
    for (pid, comm) in [(1, "init"), (700, "systemd")] {
        let sources = Sources {
            lineage: vec![
                member(812, "worker", 40, SESSION),
                member(pid, comm, 2800, "/init.scope"),
            ],
            ..Sources::default()
        };
        let told = knob_of(SESSION, Operation::Process, &sources).lasting;
        assert!(
            told.contains(&format!("its parent is {comm} now, which has 2800")),
            "{told}"
        );
        assert!(
            told.contains("or by what started it and has ended"),
            "{told}"
        );
    }
}

/// Its hard limit isn't known, and it can't be changed.
#[test]
fn a_process_that_has_ended() {
    let mut own = member(812, "x", 40, SERVICE);
    own.seconds = None;
    own.bounds.hard = None;
    let mut sources = Sources {
        lineage: vec![
            own,
            member(500, "sh", 40, SERVICE),
            member(1, "systemd", 2800, "/"),
        ],
        ended: true,
        unit: says(Some("40:900")),
        ..Sources::default()
    };
    let knob = knob_of(SERVICE, Operation::Process, &sources);
    assert_eq!(knob.lasting, edited("100:900"));
    assert_eq!(knob.now.as_deref(), Some("prlimit --pid 500 --nproc=100:"));
    sources.unit = says(Some("40"));
    let knob = knob_of(SERVICE, Operation::Process, &sources);
    assert_eq!(knob.lasting, edited("100"));
    sources.unit = None;
    sources.lineage.truncate(2);
    sources.lineage[1].bounds.soft = Some(2800);
    let knob = knob_of(SESSION, Operation::Process, &sources);
    assert!(knob.lasting.contains("its parent sh has 2800"), "{knob:?}");
    assert_eq!(knob.now, None);
}

#[test]
fn what_is_gone_is_not_named_and_no_manager_is_changed() {
    let mut sources = Sources {
        lineage: vec![
            member(812, "worker", 40, SESSION),
            member(500, "sh", 40, SESSION),
            member(1, "init", 40, "/"),
        ],
        init: Some(member(1, "init", 40, "/").bounds),
        ..Sources::default()
    };
    sources.lineage[0].seconds = Some(0);
    let of = |sources: &Sources, operation| knob_of(SESSION, operation, sources).now;
    let parent = Some("prlimit --pid 500 --nproc=100:".to_owned());
    assert_eq!(of(&sources, Operation::Process), parent);
    assert_eq!(of(&sources, Operation::Exec), None);
    sources.lineage[1].uid = 0;
    assert_eq!(of(&sources, Operation::Process), None);
    sources.lineage.clear();
    assert_eq!(of(&sources, Operation::Process), None);
}

#[test]
fn what_names_nobody_is_known_as_that() {
    let vague = |path: &str, sources: &Sources| {
        let knob = knob_of(path, Operation::Process, sources);
        crate::cause::words::fix(None, knob.lasting, None).is_vague()
    };
    let gone = Sources {
        unit: says(None),
        ..Sources::default()
    };
    assert!(vague("/user.slice", &Sources::default()));
    assert!(vague("/system.slice/x.service", &gone));
    let seen = Sources {
        lineage: vec![member(7, "x", 40, "/a"), member(6, "sshd", 900, "/a")],
        ..Sources::default()
    };
    assert!(!vague("/user.slice", &seen));
    let owner = crate::model::Owner::cgroup("/a");
    let limit = Limit::new(LimitKind::PidsMax, owner, Unit::Tasks);
    let lasting = crate::cause::knob::cgroup::lasting(
        &limit,
        &crate::cause::knob::cgroup::TASKS,
        9.into(),
        &crate::cause::Context::default(),
    );
    assert!(crate::cause::words::fix(None, lasting, None).is_vague());
}

/// SSSD's and LDAP's users: Red Hat's `* soft nproc 4096` is for them, too.
#[test]
fn a_user_whom_no_file_names() {
    let nobodys = Caller {
        uid: 61_234,
        user: None,
        ..caller()
    };
    let mut pam = pam(40, Which::Soft);
    pam[0].soft.as_mut().unwrap().domain = "*".to_owned();
    let mut sources = Sources {
        pam,
        ..Sources::default()
    };
    let told = knob_for(&nobodys, SESSION, Operation::Process, &sources);
    assert_eq!(
        told.lasting,
        "/etc/security/limits.d/90-x.conf: :61234 soft nproc 100 (of that uid alone)"
    );
    assert!(
        told.notes[0].contains("for every user but root"),
        "{told:?}"
    );
    sources.pam.clear();
    sources.lineage = vec![member(812, "x", 40, SESSION), member(1, "init", 40, "/")];
    sources.init = Some(member(1, "init", 40, "/").bounds);
    let told = |path| knob_for(&nobodys, path, Operation::Process, &sources).lasting;
    assert_eq!(
        told(SESSION),
        "/etc/security/limits.d/: :61234 soft nproc 100 (of that uid alone)"
    );
    assert!(told("/a").starts_with("raise `ulimit -u` where uid 61234's"));
}

/// `conf=` of one of PAM's services.
#[test]
fn a_line_of_a_services_own_limits_conf() {
    let mut all = pam(900, Which::Soft);
    let mut own = pam(40, Which::Soft).remove(0);
    own.soft.as_mut().unwrap().file = PathBuf::from("/etc/security/ftp.conf");
    all.push(own);
    let sources = Sources {
        pam: all,
        ..Sources::default()
    };
    let told = knob_of(SESSION, Operation::Process, &sources).lasting;
    assert_eq!(told, "/etc/security/ftp.conf: postgres soft nproc 100");
}

/// cPanel's protection against fork bombs, Oracle's profile.
#[test]
fn a_line_of_the_shells_files_for_all() {
    let mut sources = Sources {
        lineage: vec![
            member(812, "perl", 40, SESSION),
            member(700, "bash", 40, SESSION),
            member(500, "sshd", 2800, SESSION),
        ],
        shell: Some(crate::host::shell_files::Line {
            text: "ulimit -n 100 -u 40".to_owned(),
            file: PathBuf::from("/etc/profile.d/limits.sh"),
        }),
        ..Sources::default()
    };
    let knob = knob_of(SESSION, Operation::Process, &sources);
    assert_eq!(
        knob.lasting,
        "/etc/profile.d/limits.sh: `ulimit -u 100` in its line, for shells that are started then"
    );
    assert!(
        knob.notes[0].starts_with("/etc/profile.d/limits.sh has `ulimit -n 100 -u 40`"),
        "{knob:?}"
    );
    assert_eq!(knob.now.as_deref(), Some("prlimit --pid 812 --nproc=100:"));
    sources.shell = None;
    let told = knob_of(SESSION, Operation::Process, &sources).lasting;
    assert!(
        told.contains("by bash itself (ulimit -u in its files: profile, rc)"),
        "{told}"
    );
}

#[test]
fn a_service_of_openrc() {
    const PATH: &str = "/openrc.nginx";
    let of = |value: &str, file: &str, hard| {
        let mut nginx = member(812, "nginx", 40, PATH);
        nginx.bounds.hard = hard;
        let sources = Sources {
            lineage: vec![nginx, member(1, "init", 2800, "/")],
            openrc: Some(crate::host::openrc::Service {
                name: "nginx".to_owned(),
                nproc: Some(assignment(value, file)),
            }),
            ..Sources::default()
        };
        knob_of(PATH, Operation::Process, &sources)
    };
    let all = of("40", "/etc/rc.conf", Some(40));
    assert!(
        all.lasting
            .starts_with("OpenRC, /etc/conf.d/nginx: `-u 100` in rc_ulimit"),
        "{all:?}"
    );
    assert_eq!(
        all.notes,
        ["rc_ulimit in /etc/rc.conf has `-u 40`, for each service without an rc_ulimit of its own"]
    );
    // The hard limit stays.
    for hard in [Some(2000), None] {
        let own = of("40", "/etc/conf.d/nginx", hard);
        assert!(own.lasting.contains("`-Su 100`"), "{own:?}");
    }
    let other = of("50", "/etc/conf.d/nginx", Some(40)).lasting;
    assert!(other.contains("by nginx itself"), "{other}");
}

/// Its parent has what it had: a unit's new limit leaves the hard one.
#[test]
fn the_hard_limit_of_a_process_that_has_ended() {
    let mut own = member(812, "x", 40, SERVICE);
    own.bounds.hard = None;
    let mut sources = Sources {
        lineage: vec![
            own,
            member(500, "sh", 40, SERVICE),
            member(1, "systemd", 2800, "/"),
        ],
        ended: true,
        ..Sources::default()
    };
    let of = |sources: &Sources| knob_of(SERVICE, Operation::Process, sources).lasting;
    assert_eq!(of(&sources), edited("100:2000"));
    let told = |sources: &Sources| {
        let notes = knob_of(SERVICE, Operation::Process, sources).notes;
        notes
            .iter()
            .any(|note| note.contains("SOFT:HARD leaves it"))
    };
    assert!(!told(&sources));
    sources.lineage.remove(1);
    assert_eq!(of(&sources), edited("100"));
    assert!(told(&sources));
}

#[test]
fn a_containers_own_limits_conf() {
    let sources = chain(&[("bash", 40, 2, DOCKER), ("init", 2800, 2, DOCKER)]);
    let told = knob_of(DOCKER, Operation::Process, &sources).lasting;
    assert!(told.contains("su by the container's limits.conf"), "{told}");
    let step = "/system.slice/docker-hswkyb4a5k5khcsbpcuqqgz3z.scope";
    let sources = chain(&[
        ("sh", 40, 2, step),
        ("dockerd", 2800, 1, "/system.slice/docker.service"),
    ]);
    let told = knob_of(step, Operation::Process, &sources).lasting;
    assert!(
        told.starts_with("--ulimit nproc=100:2000 when the image is built"),
        "{told}"
    );
}

/// Debian's clusters of PostgreSQL are instances, and postgresql@.service is edited for all of them: of two
/// drop-ins with one name the instance's alone counts.
#[test]
fn what_systemctl_edit_would_hide_from_an_instance() {
    const CLUSTER: &str = "/system.slice/system-postgresql.slice/postgresql@15-main.service";
    let template = "/etc/systemd/system/postgresql@.service.d/override.conf";
    let mut sources = Sources {
        lineage: vec![
            member(812, "postgres", 40, CLUSTER),
            member(1, "systemd", 2800, "/init.scope"),
        ],
        unit: Some(UnitSays {
            limit: Some(assignment("40", template)),
            hidden: Some(PathBuf::from(template)),
            ..UnitSays::default()
        }),
        ..Sources::default()
    };
    let of = |sources: &Sources| knob_of(CLUSTER, Operation::Process, sources).lasting;
    let beside = format!(
        "/etc/systemd/system/postgresql@15-main.service.d/zz-LimitNPROC.conf: [Service] \
         LimitNPROC=100:2000, then systemctl daemon-reload, for its next start (systemctl edit would hide {template} from this \
         unit, with all that it says)"
    );
    assert_eq!(of(&sources), beside);
    // It says something else, and is lost as well.
    let unit = sources.unit.as_mut().unwrap();
    unit.limit.as_mut().unwrap().file = PathBuf::from("/lib/systemd/system/postgresql@.service");
    assert_eq!(of(&sources), beside);
    sources.unit.as_mut().unwrap().hidden = None;
    assert_eq!(
        of(&sources),
        "systemctl edit postgresql@15-main.service: [Service] LimitNPROC=100:2000, for its next start \
         (systemctl restart postgresql@15-main.service)"
    );
    // A user's manager is an instance, too.
    let manager = "/user.slice/user-112.slice/user@112.service";
    let unit = format!("{manager}/app.slice/x.service");
    let mut sources = Sources {
        above: above("user@112.service", Some("40")),
        unit: says(None),
        ..chain(&[
            ("x", 40, 1, &unit),
            ("systemd", 40, 1, &format!("{manager}/init.scope")),
            ("init", 2800, 1, "/init.scope"),
        ])
    };
    let delegate = "/etc/systemd/system/user@.service.d/override.conf";
    sources.above.as_mut().unwrap().hidden = Some(PathBuf::from(delegate));
    let told = knob_of(&unit, Operation::Process, &sources).lasting;
    assert!(
        told.starts_with("/etc/systemd/system/user@112.service.d/zz-LimitNPROC.conf: [Service]"),
        "{told}"
    );
}

/// sshd@.service, and what else a socket starts for each connection: an instance never comes again.
#[test]
fn a_service_of_one_connection() {
    const SSH: &str =
        "/system.slice/system-sshd.slice/sshd@5-192.0.2.1:22-198.51.100.7:4242.service";
    let sources = Sources {
        lineage: vec![
            member(812, "sshd", 40, SSH),
            member(1, "systemd", 2800, "/init.scope"),
        ],
        unit: says(Some("40")),
        ..Sources::default()
    };
    assert_eq!(
        knob_of(SSH, Operation::Process, &sources).lasting,
        "systemctl edit sshd@.service: [Service] LimitNPROC=100:2000, for connections that are made then"
    );
}

/// Sandboxes and hardened units: 0 and 1 are no mistakes.
#[test]
fn what_is_not_to_start_anything() {
    let of = |value: u64| {
        let sources = Sources {
            lineage: vec![
                member(812, "sshd", value, SERVICE),
                member(500, "sshd", 2800, SERVICE),
            ],
            ..Sources::default()
        };
        knob_at(value, &caller(), SERVICE, Operation::Process, &sources)
    };
    for value in [0, 1] {
        let knob = of(value);
        assert_eq!(knob.now, None);
        assert!(
            knob.notes[0].contains("kept from starting anything"),
            "{knob:?}"
        );
    }
    let knob = of(2);
    assert_eq!(knob.now.as_deref(), Some("prlimit --pid 812 --nproc=100:"));
    assert!(knob.notes.is_empty(), "{knob:?}");
}

/// Alpine without linux-pam: whatever stands in /etc/security, nobody reads it.
#[test]
fn a_host_without_pam() {
    let mut sources = Sources {
        lineage: vec![member(812, "x", 40, "/"), member(1, "init", 40, "/")],
        init: Some(member(1, "init", 40, "/").bounds),
        ..Sources::default()
    };
    let of = |sources: &Sources| knob_of("/", Operation::Process, sources).lasting;
    assert_eq!(
        of(&sources),
        "/etc/security/limits.d/: postgres soft nproc 100"
    );
    sources.no_pam = true;
    let told = of(&sources);
    assert!(
        told.contains("`-u 100` in rc_ulimit of /etc/conf.d/sshd"),
        "{told}"
    );
    assert!(
        !told.contains("limits.d") && !told.contains("soft nproc"),
        "{told}"
    );
}

/// Files of NixOS are links into a store that nobody can write to.
#[test]
fn a_host_that_nixos_has_made() {
    let mut sources = Sources {
        pam: pam(40, Which::Soft),
        nixos: true,
        ..Sources::default()
    };
    sources.pam[0].soft.as_mut().unwrap().file = PathBuf::from("/nix/store/abc-limits.conf");
    let login = "NixOS, configuration.nix, one more of security.pam.loginLimits: { domain = \"postgres\"; type \
                 = \"soft\"; item = \"nproc\"; value = \"100\"; }";
    let knob = knob_of(SESSION, Operation::Process, &sources);
    assert_eq!(knob.lasting, login);
    assert!(
        knob.notes[0].starts_with("/nix/store/abc-limits.conf has"),
        "{knob:?}"
    );
    sources.pam.clear();
    sources.lineage = vec![member(812, "x", 40, SESSION), member(1, "init", 40, "/")];
    sources.init = Some(member(1, "init", 40, "/").bounds);
    assert_eq!(
        knob_of(SESSION, Operation::Process, &sources).lasting,
        login
    );
    sources.unit = says(Some("40"));
    assert_eq!(
        knob_of(SERVICE, Operation::Process, &sources).lasting,
        "NixOS, configuration.nix: systemd.services.\"x\".serviceConfig.LimitNPROC = \"100:2000\";"
    );
    // A container's own systemd is another's.
    let inner = "/lxc.payload.c1/system.slice/x.service";
    let told = knob_of(inner, Operation::Process, &sources).lasting;
    assert!(
        told.starts_with("in container c1: systemctl edit"),
        "{told}"
    );
}

/// A run script becomes the service: what supervises it has no limit to give.
#[test]
fn what_a_run_script_has_set() {
    let of = |comm: &str, parent: &str| {
        let sources = Sources {
            lineage: vec![member(812, comm, 40, "/"), member(500, parent, 2800, "/")],
            ..Sources::default()
        };
        knob_of("/", Operation::Process, &sources).lasting
    };
    for supervisor in ["runsv", "s6-supervise", "supervise"] {
        let told = of("nginx", supervisor);
        assert!(
            told.contains(&format!("by the run script of {supervisor}")),
            "{told}"
        );
        assert!(
            told.contains("chpst -p") && !told.contains("for it"),
            "{told}"
        );
    }
    let told = of("avahi-daemon", "init");
    assert!(
        told.contains("by avahi-daemon itself (rlimit-nproc in /etc/avahi"),
        "{told}"
    );
    assert!(
        of("supervisord", "sh").contains("by supervisord itself (minprocs in supervisord.conf)")
    );
    // A server forks, lowers the limit, and starts the other program.
    for (comm, parent) in [("lsphp", "litespeed"), ("openlitespeed", "openlitespeed")] {
        let told = of(comm, parent);
        assert!(told.contains("Process Soft Limit"), "{told}");
    }
}

/// Its limits are where its scheduler has them.
#[test]
fn a_container_of_a_schedulers_has_ulimits_of_its_own() {
    let id = "0123456789abcdef".repeat(4);
    for (path, wanted) in [
        (
            "/nomad.slice/share.slice/docker-ID.scope",
            "config { ulimit { nproc = \"100:2000\" } }",
        ),
        (
            "/ecs/0123456789abcdef0123456789abcdef/ID",
            "ECS, task definition: ulimits of container ID, name nproc",
        ),
        (
            "/system.slice/docker-ID.scope",
            "ulimits, nproc in a Compose file",
        ),
    ] {
        let path = path.replace("ID", &id);
        let mut inner = member(812, "sh", 40, &path);
        inner.levels = 2;
        let sources = Sources {
            lineage: vec![inner, member(500, "runc", 2800, "/system.slice/r.service")],
            ..Sources::default()
        };
        let told = knob_of(&path, Operation::Process, &sources).lasting;
        assert!(told.replace(&id, "ID").contains(wanted), "{path}: {told}");
    }
}

/// Nor is it set by hand where something else has Docker create its containers.
#[test]
fn a_container_that_a_program_has_had_docker_create_has_ulimits_there() {
    for (creator, wanted) in [
        (
            Creator::Swarm {
                service: "app_web".to_owned(),
                of_stack: true,
            },
            "docker service update --ulimit-add nproc=100:2000 app_web on a manager of the swarm, which replaces \
             the service's containers; ulimits, nproc in the stack's file",
        ),
        (
            Creator::Compose {
                service: "web".to_owned(),
                files: Some("/srv/compose.yml".to_owned()),
            },
            "ulimits, nproc: { soft: 100, hard: 2000 } of service web in /srv/compose.yml, then docker compose \
             up -d web",
        ),
        (
            Creator::GitLabRunner { is_service: false },
            "GitLab Runner, config.toml: nproc = \"100:2000\" in [runners.docker.ulimit]",
        ),
        (
            Creator::Swarm {
                service: "-x".to_owned(),
                of_stack: false,
            },
            "--ulimit nproc=100:2000 when container",
        ),
    ] {
        let mut inner = member(812, "sh", 40, DOCKER);
        inner.levels = 2;
        let sources = Sources {
            lineage: vec![inner, member(500, "runc", 2800, "/system.slice/r.service")],
            creator: Some(creator),
            ..Sources::default()
        };
        let told = knob_of(DOCKER, Operation::Process, &sources).lasting;
        assert!(told.starts_with(wanted), "{told}");
    }
}
