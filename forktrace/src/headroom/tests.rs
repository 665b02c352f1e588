use super::*;
use crate::{
    host::{
        at_start::{self, Given, What},
        cgroup::{CgroupUse, Hierarchy, Resource, Version},
        clock::Clock,
        kernel_log::Message,
        limits::HostNow,
        process::{Bounds, Limits, Status},
        readings::Details,
        settings::Value,
        unit_limits::UnitLimit,
        user_namespace::{INITIAL, Namespace},
    },
    model::{Cause, Owner},
};

fn process(pid: u32, uid: u32, threads: u64) -> Status {
    Status {
        pid,
        parent: u32::from(pid != 1),
        comm: format!("p{pid}"),
        state: 'S',
        threads,
        uid,
        group: Some(pid),
        session: Some(pid),
        pids: vec![pid],
        ..Status::default()
    }
}

fn nproc(soft: u64) -> Limits {
    let bounds = Bounds {
        soft: Some(soft),
        hard: Some(soft),
    };
    Limits {
        processes: bounds,
        ..Limits::default()
    }
}

fn cgroup(path: &str, limit: Option<u64>, usage: u64) -> CgroupUse {
    CgroupUse {
        resource: Resource::Pids,
        version: Version::V2,
        path: path.into(),
        file: format!("/sys/fs/cgroup{path}/pids.max").into(),
        limit,
        usage,
        reclaimable: 0,
    }
}

/// A host with root's pid 1 and processes of uid 1000 in the initial namespace.
fn readings(subject: Subject) -> Readings {
    let processes = vec![
        process(1, 0, 1),
        process(10, 1000, 3),
        process(11, 1000, 2),
        process(12, 5, 1),
    ];
    let mut r = Readings {
        subject,
        initial_pid_namespace: true,
        counts_by_namespace: true,
        host: HostNow {
            pid_max: Some(1300),
            threads_max: Some(1000),
            threads: Some(950),
            overcommit_memory: Some(0),
            mem_total: Some(1024),
            swap_total: Some(0),
            commit_limit: Some(1000),
            committed: Some(500),
            admin_reserve_kbytes: Some(100),
            user_reserve_kbytes: Some(50),
            ..HostNow::default()
        },
        ..Readings::default()
    };
    r.namespaces.own = INITIAL;
    let outermost = Namespace {
        parent: None,
        owner: Some(0),
    };
    r.namespaces.all.insert(INITIAL, outermost);
    for p in &processes {
        r.namespaces.of.insert(p.pid, INITIAL);
        r.limits.insert(p.pid, nproc(100));
    }
    r.limits.insert(11, nproc(6));
    r.processes = processes;
    r
}

fn row<'a>(h: &'a Headroom, name: &str, scope: &str) -> &'a Row {
    let mut all = h.limits.iter().chain(&h.unlimited);
    all.find(|r| r.limit.kind.name() == name && r.limit.owner.to_string() == scope)
        .unwrap_or_else(|| panic!("no {name} of {scope} in {h:#?}"))
}

#[test]
fn host_wide_limits_nearest_first() {
    let h = headroom(&readings(Subject::Host), 90.0);
    let threads = row(&h, "kernel.threads-max", "host");
    assert_eq!(threads.percent, Some(95.0));
    let ids = row(&h, "kernel.pid_max", "host");
    assert_eq!(ids.limit.usable, Some(1000));
    assert_eq!((ids.limit.usage, ids.percent), (Some(950), Some(95.0)));
    let percents: Vec<_> = h.limits.iter().map(|r| r.percent.unwrap()).collect();
    assert!(percents.is_sorted_by(|a, b| a >= b), "{percents:?}");
    assert_eq!(h.near, 2);
    assert_eq!(headroom(&readings(Subject::Host), 96.0).near, 0);
    // Root has no limit that counts, daemon has 1 of 100.
    let user = row(&h, "RLIMIT_NPROC", "uid 1000");
    assert_eq!((user.limit.value, user.limit.usage), (Some(6), Some(5)));
    assert!(
        !h.limits
            .iter()
            .any(|r| r.limit.owner == Owner::from("uid 0"))
    );
}

#[test]
fn ids_of_leaders_that_have_ended_count() {
    let mut r = readings(Subject::Host);
    r.processes[1].group = Some(500);
    r.processes[2].group = Some(500);
    r.processes[2].session = Some(400);
    let usage = |r: &Readings| {
        row(&headroom(r, 90.0), "kernel.pid_max", "host")
            .limit
            .usage
    };
    assert_eq!(usage(&r), Some(952));
    r.ids_outside = 40;
    assert_eq!(usage(&r), Some(912));
    r.hidden = true;
    assert_eq!(usage(&r), Some(910));
}

/// Its own root is no cgroup of a process that is beside it.
#[test]
fn what_a_cgroup_namespace_hides_is_said_of_whomever_it_hides() {
    let said = |subject, outside: &[u32]| {
        let mut r = readings(subject);
        r.hides_cgroups = true;
        r.outside = outside.iter().copied().collect();
        let unreadable = headroom(&r, 90.0).unreadable.into_iter();
        let cgroups = unreadable.filter(|one| one.of == Unseen::Cgroups);
        cgroups.map(|one| one.what).collect::<Vec<_>>()
    };
    let above = "limits of the cgroups above /";
    for subject in [Subject::Host, Subject::Process(10), Subject::User(1000)] {
        assert_eq!(said(subject, &[]), [above]);
    }
    let beside =
        "limits of the cgroup of process 10, which is outside this cgroup namespace".to_owned();
    assert_eq!(said(Subject::Process(10), &[10]), [beside]);
    let two = "limits of the cgroups of 2 processes, which are outside this cgroup namespace";
    assert_eq!(said(Subject::User(1000), &[10, 11]), [above, two]);
}

#[test]
fn a_cgroup_above_refuses() {
    let mut r = readings(Subject::Cgroup {
        hierarchy: Hierarchy::V2,
        path: "/system.slice/x.service/sub".into(),
        unit: None,
    });
    r.host.threads = Some(9);
    r.cgroups = vec![
        cgroup("/system.slice/x.service/sub", None, 95),
        cgroup("/system.slice/x.service", Some(1000), 95),
        cgroup("/system.slice", Some(100), 95),
    ];
    let percentage = UnitLimit {
        setting: "TasksMax",
        text: "15%".to_owned(),
        file: Some("/etc/x.conf".into()),
        today: Some(200),
    };
    r.unit_limits
        .insert("/sys/fs/cgroup/system.slice/pids.max".into(), percentage);
    let h = headroom(&r, 90.0);
    let notes = &h.limits[0].notes;
    assert!(
        notes[0].contains("TasksMax=15% in /etc/x.conf"),
        "{notes:?}"
    );
    assert_eq!(h.limits[0].limit.owner, Owner::from("/system.slice"));
    assert_eq!(h.limits[0].percent, Some(95.0));
    assert_eq!(h.limits[0].cause, Cause::CgroupPidsMax);
    assert_eq!(h.near, 1);
    let unlimited = row(&h, "pids.max", "/system.slice/x.service/sub");
    assert_eq!(
        (unlimited.percent, &*unlimited.owner.clone().unwrap()),
        (None, "x.service")
    );
}

#[test]
fn page_cache_does_not_fill_a_memory_cgroup() {
    let mut r = readings(Subject::Host);
    r.cgroups = vec![CgroupUse {
        resource: Resource::Memory,
        version: Version::V2,
        path: "/m".into(),
        file: "/sys/fs/cgroup/m/memory.max".into(),
        limit: Some(1000),
        usage: 990,
        reclaimable: 890,
    }];
    let h = headroom(&r, 90.0);
    let memory = row(&h, "memory.max", "/m");
    assert_eq!(
        (memory.percent, memory.reclaimable),
        (Some(10.0), Some(890))
    );
    assert_eq!(memory.limit.usage, Some(990));
}

#[test]
fn kernel_memory_has_a_row_of_its_own_cause() {
    let mut r = readings(Subject::Host);
    r.cgroups = vec![CgroupUse {
        resource: Resource::KernelMemory,
        version: Version::V1,
        path: "/m".into(),
        file: "/sys/fs/cgroup/memory/m/memory.kmem.limit_in_bytes".into(),
        limit: Some(1000),
        usage: 950,
        reclaimable: 0,
    }];
    let h = headroom(&r, 90.0);
    let memory = row(&h, "memory.kmem.limit_in_bytes", "/m");
    assert_eq!(memory.cause, Cause::CgroupKernelMemoryMax);
    assert_eq!((memory.percent, memory.counts.clone()), (Some(95.0), None));
}

/// v1's second limit, which a charge asks for first.
#[test]
fn memory_and_swap_together_have_a_row() {
    let mut r = readings(Subject::Host);
    r.cgroups = vec![CgroupUse {
        resource: Resource::MemoryAndSwap,
        version: Version::V1,
        path: "/m".into(),
        file: "/sys/fs/cgroup/memory/m/memory.memsw.limit_in_bytes".into(),
        limit: Some(1000),
        usage: 990,
        reclaimable: 40,
    }];
    let h = headroom(&r, 90.0);
    let both = row(&h, "memory.memsw.limit_in_bytes", "/m");
    assert_eq!(both.cause, Cause::CgroupMemoryMax);
    assert_eq!((both.percent, both.counts.clone()), (Some(95.0), None));
}

#[test]
fn of_a_unit_the_lowest_limit_of_each_user() {
    let mut r = readings(Subject::Cgroup {
        hierarchy: Hierarchy::V2,
        path: "/x.service".into(),
        unit: Some("x.service".to_owned()),
    });
    // Root has started two processes of uid 1000; the limits of others aren't read.
    r.main = Some(1);
    r.limits.remove(&12);
    let h = headroom(&r, 90.0);
    let root = row(&h, "RLIMIT_NPROC", "uid 0");
    assert!(root.exempt.is_some());
    let user = row(&h, "RLIMIT_NPROC", "uid 1000");
    assert_eq!((user.limit.value, user.limit.usage), (Some(6), Some(5)));
    assert_eq!(
        user.notes,
        ["1 of its processes here have this limit, p11 (pid 11) for one; none has a lower one"]
    );
    assert!(
        !h.limits
            .iter()
            .any(|r| r.limit.owner == Owner::from("uid 5"))
    );
    // One that is limited is reported once.
    r.main = Some(10);
    let h = headroom(&r, 90.0);
    assert_eq!(row(&h, "RLIMIT_NPROC", "uid 1000").limit.value, Some(6));
    let rows = h
        .limits
        .iter()
        .filter(|r| r.limit.owner == Owner::from("uid 1000"));
    assert_eq!(rows.count(), 1);
}

#[test]
fn of_one_process() {
    let mut r = readings(Subject::Process(10));
    r.main = Some(10);
    let limits = |r: &Readings| row(&headroom(r, 90.0), "RLIMIT_NPROC", "uid 1000").clone();
    assert_eq!(limits(&r).limit.value, Some(100));
    assert_eq!(limits(&r).exempt, None);
    r.processes[1].capabilities = 1 << 24;
    assert!(limits(&r).exempt.unwrap().contains("CAP_SYS_RESOURCE"));
    r.main = Some(1);
    let h = headroom(&r, 0.1);
    let root = row(&h, "RLIMIT_NPROC", "uid 0");
    assert!(root.exempt.as_deref().unwrap().contains("root"), "{root:?}");
    assert!(!h.nearest().any(|r| r.cause == Cause::RlimitNproc));
    assert!(h.limits.last().unwrap().exempt.is_some());
    let about = h.process.unwrap();
    assert_eq!((about.pid, about.children, about.zombies), (1, 3, 0));
}

#[test]
fn of_a_user() {
    let of = |uid: u32| headroom(&readings(Subject::User(uid)), 90.0);
    let user = of(1000);
    let limit = row(&user, "RLIMIT_NPROC", "uid 1000");
    assert_eq!((limit.limit.value, limit.limit.usage), (Some(6), Some(5)));
    assert!(limit.notes[0].contains("(pid 11)"), "{limit:?}");
    assert!(
        !user
            .limits
            .iter()
            .any(|r| r.limit.owner == Owner::from("uid 5"))
    );
    let root = of(0);
    assert!(row(&root, "RLIMIT_NPROC", "uid 0").exempt.is_some());
    // Nobody's: nothing to report but the host's.
    let nobody = of(4000);
    assert!(!nobody.limits.iter().any(|r| r.cause == Cause::RlimitNproc));
}

/// A user namespace that uid 1000 has made, with a process in it.
fn nested() -> Readings {
    let mut r = readings(Subject::Process(20));
    let made = Namespace {
        parent: Some(INITIAL),
        owner: Some(1000),
    };
    r.processes.push(process(20, 100_000, 7));
    r.processes.push(process(21, 1000, 1));
    r.namespaces.all.insert(77, made);
    r.namespaces.of.insert(20, 77);
    r.namespaces.of.insert(21, 77);
    r.limits.insert(20, nproc(50));
    r.main = Some(20);
    r
}

#[test]
fn tasks_count_with_the_creators_of_their_namespaces() {
    let r = nested();
    let h = headroom(&r, 90.0);
    let own = row(&h, "RLIMIT_NPROC", "uid 100000 in user namespace 77");
    assert_eq!(own.limit.usage, Some(7));
    // 5 of uid 1000 itself, 7 and 1 of what it has made.
    assert_eq!(nproc::charged(&r, (INITIAL, 1000)), 13);
    assert_eq!(nproc::charged(&r, (77, 1000)), 1);
    let hidden: Vec<&str> = h.unreadable.iter().map(|u| &*u.what).collect();
    assert!(
        hidden
            .iter()
            .any(|w| w.contains("uid 1000") && w.contains("13 tasks")),
        "{hidden:?}"
    );
    // The uid of a container's root isn't the host's.
    let mut r = nested();
    r.processes[4].capabilities = u64::MAX;
    let h = headroom(&r, 90.0);
    assert_eq!(
        row(&h, "RLIMIT_NPROC", "uid 100000 in user namespace 77").exempt,
        None
    );
}

/// A namespace that real root has made has no limit to be afraid of.
#[test]
fn the_limit_of_a_namespace_of_root_s_is_no_alarm() {
    let of = |owner| {
        let mut r = nested();
        if let Some(made) = r.namespaces.all.get_mut(&77) {
            made.owner = Some(owner);
        }
        let unreadable = headroom(&r, 90.0).unreadable.into_iter();
        let of = unreadable.filter(|one| one.what.contains("user namespace 77"));
        of.map(|one| (one.of, one.what.contains("if it has one")))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(0), [(Unseen::Others, true)]);
    assert_eq!(of(1000), [(Unseen::UserNamespace, false)]);
}

/// Without privilege the namespace of another user's process isn't seen, but its uid map is.
#[test]
fn capabilities_in_a_namespace_that_is_elsewhere_exempt_from_nothing() {
    let mut r = readings(Subject::Process(10));
    r.main = Some(10);
    r.host.overcommit_memory = Some(2);
    r.processes[1].capabilities = u64::MAX;
    let seen = |r: &Readings| {
        let h = headroom(r, 90.0);
        let exempt = row(&h, "RLIMIT_NPROC", "uid 1000").exempt.is_some();
        (exempt, row(&h, "CommitLimit", "host").limit.usable)
    };
    r.namespaces.of.remove(&10);
    assert_eq!(seen(&r), (true, Some(1000 << 10)));
    r.namespaces.elsewhere.insert(10);
    assert_eq!(seen(&r), (false, Some(900 << 10)));
}

#[test]
fn before_5_14_the_uid_alone_counts() {
    let mut r = nested();
    r.counts_by_namespace = false;
    assert_eq!(nproc::charged(&r, (INITIAL, 1000)), 6);
    let h = headroom(&r, 90.0);
    assert_eq!(row(&h, "RLIMIT_NPROC", "uid 100000").limit.usage, Some(7));
}

#[test]
fn strict_overcommit_counts_what_a_fork_asks_for() {
    let mut r = readings(Subject::Process(10));
    assert!(
        !headroom(&r, 90.0)
            .limits
            .iter()
            .any(|r| r.cause == Cause::Overcommit)
    );
    r.host.overcommit_memory = Some(2);
    let h = headroom(&r, 90.0);
    let host = row(&h, "CommitLimit", "host");
    assert_eq!(host.limit.usable, Some(900 << 10));
    assert_eq!(host.percent, Some(55.5));
    r.main = Some(10);
    r.processes[1].vm_size = Some(3200 << 10);
    r.processes[1].vm_data = Some(300 << 10);
    r.processes[1].vm_stack = Some(20 << 10);
    let h = headroom(&r, 90.0);
    let fork = row(&h, "CommitLimit", "host");
    // 1000 less 100 for the administrator less 50 for the user.
    assert_eq!(fork.limit.usable, Some(850 << 10));
    assert_eq!(fork.limit.requested, Some(320 << 10));
    assert_eq!(fork.percent, Some(96.4));
    assert_eq!(fork.refuses, Refuses::Processes);
    // Most of it is promised by nobody (MADV_DONTFORK), by the mappings' flags.
    r.details = Some(Details {
        promises: Some(10 << 10),
        ..Details::default()
    });
    let h = headroom(&r, 90.0);
    let fork = row(&h, "CommitLimit", "host");
    assert_eq!(fork.limit.requested, Some(10 << 10));
    assert_eq!(fork.percent, Some(60.0));
}

#[test]
fn heuristic_overcommit_compares_one_mapping() {
    let mut r = readings(Subject::Process(10));
    r.main = Some(10);
    r.details = Some(Details {
        largest_mapping: Some(2048 << 10),
        mappings: Some(65_530),
        max_map_count: Some(65_530),
        ..Details::default()
    });
    let h = headroom(&r, 90.0);
    assert_eq!(row(&h, "vm.overcommit_memory", "host").percent, Some(200.0));
    let maps = row(&h, "vm.max_map_count", "process");
    assert_eq!(
        (maps.percent, maps.refuses),
        (Some(100.0), Refuses::Threads)
    );
}

#[test]
fn locked_memory_counts_for_who_locks_what_is_to_come() {
    let mut r = readings(Subject::Process(10));
    r.main = Some(10);
    r.details = Some(Details::default());
    r.processes[1].vm_size = Some(8 << 20);
    let bounds = Bounds {
        soft: Some(8 << 20),
        hard: Some(8 << 20),
    };
    let limits = Limits {
        locked: bounds,
        ..nproc(100)
    };
    r.limits.insert(10, limits);
    let memlock = |r: &Readings| {
        let all = headroom(r, 90.0).limits;
        let row = all.into_iter().find(|r| r.cause == Cause::RlimitMemlock)?;
        Some((row.percent, row.exempt))
    };
    assert_eq!(memlock(&r), None);
    // A buffer of its own.
    r.processes[1].vm_locked = Some(5 << 20);
    assert_eq!(memlock(&r), None);
    r.processes[1].vm_locked = Some(6 << 20);
    assert_eq!(memlock(&r), Some((Some(75.0), None)));
    r.processes[1].capabilities = 1 << 14;
    let exempt = "the process has CAP_IPC_LOCK, which exempts it";
    assert_eq!(memlock(&r), Some((Some(75.0), Some(exempt.to_owned()))));
    // Of a user namespace that isn't the host's.
    r.namespaces.of.insert(10, 77);
    assert_eq!(memlock(&r), Some((Some(75.0), None)));
}

#[test]
fn a_dead_pid_namespace_refuses_whatever_the_limits() {
    let mut r = readings(Subject::Process(10));
    r.main = Some(10);
    r.host.threads = Some(1);
    r.details = Some(Details::default());
    let h = headroom(&r, 90.0);
    assert!(!h.is_near() && h.blocked.is_empty(), "{h:#?}");
    r.details = Some(Details {
        pid_namespace_dead: true,
        ..Details::default()
    });
    let h = headroom(&r, 90.0);
    assert!(h.is_near() && h.near == 0);
    assert_eq!(h.blocked[0].cause, Cause::PidNamespaceDead);
}

#[test]
fn deadline_refuses_whatever_the_limits() {
    let mut r = readings(Subject::Process(10));
    r.main = Some(10);
    r.host.threads = Some(1);
    let of = |r: &Readings| {
        let mut h = headroom(r, 90.0);
        h.would = Some(would(&h, 1));
        let causes: Vec<Cause> = h.blocked.iter().map(|b| b.cause).collect();
        (h.is_fault(), causes)
    };
    let mut details = Details {
        deadline: true,
        ..Details::default()
    };
    r.details = Some(details.clone());
    assert_eq!(of(&r), (false, vec![]));
    details.deadline_refuses = true;
    r.details = Some(details);
    assert_eq!(of(&r), (true, vec![Cause::SchedDeadline]));
}

#[test]
fn a_data_limit_that_is_ignored_is_no_limit() {
    let mut r = readings(Subject::Process(10));
    r.main = Some(10);
    r.processes[1].vm_data = Some(1 << 20);
    let data = |ignored| {
        let mut r = r.clone();
        r.details = Some(Details {
            data_limit_ignored: ignored,
            ..Details::default()
        });
        let h = headroom(&r, 90.0);
        let mut all = h.limits.iter().chain(&h.unlimited);
        all.any(|row| row.cause == Cause::RlimitData)
    };
    assert!(data(false) && !data(true));
}

#[test]
fn lines_of_the_kernel_log() {
    for (text, kind) in [
        (
            "Out of memory: Killed process 12 (x) total-vm:1kB, anon-rss:1kB, UID:0",
            Some(LogKind::OomKill),
        ),
        (
            "Memory cgroup out of memory: Killed process 12 (x) total-vm:1kB",
            Some(LogKind::CgroupOomKill),
        ),
        (
            "Out of memory and no killable processes...",
            Some(LogKind::OomNoVictim),
        ),
        (
            "cgroup: fork rejected by pids controller in /x",
            Some(LogKind::ForkRefused),
        ),
        (
            "__vm_enough_memory: pid: 1, comm: x, bytes: 9 not enough memory for the allocation",
            Some(LogKind::Overcommit),
        ),
        ("oom_reaper: reaped process 12 (x)", None),
        ("audit: Out of memory: Killed process", None),
        ("", None),
    ] {
        assert_eq!(kind_of(text), kind, "{text}");
    }
    let clock = Clock::now();
    let message = Message {
        at_us: clock.monotonic_ns() / 1000,
        text: "Out of memory: Killed process 1 (x)".to_owned(),
    };
    let log = lines(&vec![message; 103], &clock);
    assert_eq!((log.lines.len(), log.more), (100, 3));
}

#[test]
fn the_document_fits_its_schema() {
    let validator = jsonschema::validator_for(&json_schema()).unwrap();
    let mut r = nested();
    r.cgroups = vec![cgroup("/a", Some(100), 95), cgroup("/b", None, 5)];
    let mut h = headroom(&r, 90.0);
    h.drift = Some(drift(&saved(&[("a.b", "1")]), &saved(&[])));
    let value = serde_json::to_value(&h).unwrap();
    if let Err(error) = validator.validate(&value) {
        panic!("{error}: {value:#}");
    }
    let mut bad = value.clone();
    bad["limits"][0]["percent"] = serde_json::json!("full");
    assert!(!validator.is_valid(&bad));
    // Whom a limit counts is no part of the document.
    for row in h.limits.iter_mut().chain(&mut h.unlimited) {
        row.counts = None;
    }
    assert_eq!(serde_json::from_value::<Headroom>(value).unwrap(), h);
}

fn saved(sysctls: &[(&str, &str)]) -> Baseline {
    let values = sysctls
        .iter()
        .map(|(name, value)| Value::Sysctl((*name).to_owned(), (*value).to_owned()));
    Baseline::new("2026-01-01T00:00:00Z", "h", "6.1", values.collect())
}

#[test]
fn of_a_user_without_processes_it_is_said_why_there_is_no_limit() {
    let mut r = readings(Subject::User(77));
    r.limits.clear();
    let said = |r: &Readings| {
        let h = headroom(r, 90.0);
        h.unreadable
            .iter()
            .any(|one| one.what == "RLIMIT_NPROC of uid 77")
    };
    assert!(said(&r));
    r.next = Some(at_start::Next {
        what: What::Login,
        cgroup: None,
        tasks: None,
        processes: Some((77, given("x - nproc 5", 5))),
    });
    assert!(!said(&r));
}

fn given(text: &str, value: u64) -> Given {
    Given {
        text: text.to_owned(),
        file: Some("/etc/x.conf".into()),
        value: Some(value),
    }
}

#[test]
fn what_a_login_would_get_is_a_row_beside_what_runs() {
    let mut r = readings(Subject::User(1000));
    r.next = Some(at_start::Next {
        what: What::Login,
        cgroup: Some("/user.slice/user-1000.slice".into()),
        tasks: Some(given("TasksMax=33%", 330)),
        processes: Some((1000, given("ann - nproc 5", 5))),
    });
    let h = headroom(&r, 90.0);
    let mut login = h.limits.iter().filter(|row| row.next == Some(Next::Login));
    let nproc = login.next().unwrap();
    assert_eq!((nproc.limit.value, nproc.limit.usage), (Some(5), Some(5)));
    assert_eq!(nproc.percent, Some(100.0));
    assert!(nproc.notes[0].contains("`ann - nproc 5` in /etc/x.conf"));
    assert!(h.near > 0);
    let slice = login.next().unwrap();
    assert_eq!((slice.limit.value, slice.limit.usage), (Some(330), Some(0)));
    // What runs is told as before.
    assert_eq!(row(&h, "RLIMIT_NPROC", "uid 1000").limit.value, Some(5));
    let runs = h.limits.iter().filter(|row| row.next.is_none());
    assert!(runs.into_iter().any(|row| row.limit.value == Some(6)));
}

#[test]
fn what_a_start_would_get_is_told_where_it_differs() {
    let path = "/system.slice/x.service";
    let mut r = readings(Subject::Cgroup {
        hierarchy: Hierarchy::V2,
        path: path.into(),
        unit: Some("x.service".to_owned()),
    });
    r.main = Some(10);
    r.cgroups = vec![cgroup(path, Some(100), 60)];
    let mut next = at_start::Next {
        what: What::Start,
        cgroup: Some(path.into()),
        tasks: Some(given("TasksMax=64", 64)),
        processes: Some((1000, given("LimitNPROC=100", 100))),
    };
    let told = |r: &Readings| {
        let h = headroom(r, 90.0);
        let rows = h
            .limits
            .into_iter()
            .filter(|row| row.next == Some(Next::Start));
        rows.map(|row| (row.limit.value, row.limit.usage))
            .collect::<Vec<_>>()
    };
    r.next = Some(next.clone());
    assert_eq!(told(&r), [(Some(64), Some(60))]);
    next.tasks = Some(given("TasksMax=100", 100));
    next.processes = Some((1000, given("LimitNPROC=7", 7)));
    r.next = Some(next);
    assert_eq!(told(&r), [(Some(7), Some(5))]);
}

/// What a service has limited below its own cgroup refuses its processes there; more of the service's
/// tasks don't come into it.
#[test]
fn of_a_unit_those_below_it_too() {
    let path = "/system.slice/judge.service";
    let mut r = readings(Subject::Cgroup {
        hierarchy: Hierarchy::V2,
        path: path.into(),
        unit: Some("judge.service".to_owned()),
    });
    let below = format!("{path}/box-3");
    r.cgroups = vec![
        cgroup(path, Some(100), 60),
        cgroup("/system.slice", Some(5000), 70),
        cgroup(&below, Some(8), 8),
    ];
    let h = headroom(&r, 90.0);
    let full = row(&h, "pids.max", &below);
    assert!(full.below && h.is_near());
    let others = h.limits.iter().filter(|row| row.below);
    assert_eq!(others.count(), 1);
    let would = would(&h, 3);
    assert!(
        would
            .refused
            .iter()
            .all(|r| r.limit.owner != full.limit.owner)
    );
}
