//! What holds for the advice of every cause, whatever the owner and the numbers: a cause that is added
//! to the catalogue is held to it without a line here.

use crate::{
    cause::{Context, Sources, Subject, UnitSays, Verdict, answer, catalogue},
    host::{
        lineage::Member,
        pam_limits::{self, Which},
        process::Bounds,
        unit_files::Assignment,
    },
    model::{
        Certainty, Cgroup, Errno, Fix, Limit, LimitKind, Memory, Operation, Owner, Unit,
        caller::tests::caller,
    },
};

const POD: &str = "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f";
const CGROUPS: [&str; 16] = [
    "/system.slice/x.service",
    "/system.slice/x.service/y",
    "/system.slice/run-u5.service",
    "/system.slice",
    "/lxc.payload.c1/system.slice/x.service",
    "/lxc.payload.c1",
    "/user.slice/user-7.slice",
    "/user.slice/user-7.slice/session-3.scope",
    "/user.slice/user-7.slice/user@7.service/app.slice/x.service",
    "/machine.slice/systemd-nspawn@web.service/payload",
    "/kubepods/podPOD",
    "/kubepods/burstable",
    "/kubepods",
    "/kubepods/podPOD/crio-ID",
    "/docker/ID",
    "/shop",
];

/// Numbers without a pattern, the same in each run: xorshift.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, low: u64, high: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        low + self.0 % (high - low)
    }
}

/// A refusal to be answered.
struct Case {
    kind: LimitKind,
    limit: Limit,
    hard: Option<u64>,
    operation: Operation,
    /// How long the processes have lived.
    seconds: u64,
    what: String,
    fixes: Vec<Fix>,
}

impl Case {
    fn most(&self) -> u64 {
        self.limit.value.max(self.limit.usage).unwrap_or(0)
    }

    fn commands(&self) -> impl Iterator<Item = &str> {
        self.fixes.iter().filter_map(|fix| fix.now.as_deref())
    }

    fn all_commands(&self) -> impl Iterator<Item = &str> {
        let lasting = self
            .fixes
            .iter()
            .filter_map(|fix| fix.persistent.as_deref());
        self.commands().chain(lasting)
    }
}

fn owners(kind: &LimitKind) -> Vec<Owner> {
    let id = "0123456789abcdef".repeat(4);
    match kind {
        LimitKind::PidsMax
        | LimitKind::MemoryMax
        | LimitKind::MemoryLimit
        | LimitKind::MemorySwapLimit
        | LimitKind::KernelMemoryLimit => CGROUPS
            .map(|path| Owner::cgroup(path.replace("ID", &id).replace("POD", POD)))
            .to_vec(),
        LimitKind::RlimitNproc => vec![Owner::user(112), Owner::user_namespace(77)],
        _ => vec![
            Owner::Host,
            Owner::Process,
            Owner::PidNamespace { inum: 7 },
            Owner::user(112),
        ],
    }
}

fn member(pid: u32, comm: &str, seconds: u64, soft: u64, hard: Option<u64>) -> Member {
    Member {
        pid,
        comm: comm.to_owned(),
        uid: 112,
        bounds: Bounds {
            soft: Some(soft),
            hard,
        },
        seconds: Some(seconds),
        levels: 1,
        cgroup: None,
    }
}

/// Who may have set it, in each way that there is.
fn sources(value: u64, hard: Option<u64>, seconds: u64) -> Vec<Sources> {
    let lineage = |parent: u64| Sources {
        lineage: vec![
            member(812, "postgres", seconds, value, hard),
            member(500, "crond", seconds, parent, hard),
        ],
        ..Sources::default()
    };
    let mut above = lineage(value);
    above
        .lineage
        .push(member(1, "init", seconds, value * 2, None));
    let assigned = |value: u64| Assignment {
        value: value.to_string(),
        file: "/etc/x".into(),
    };
    let line = |which| pam_limits::Line {
        file: "/etc/security/limits.d/x.conf".into(),
        domain: "*".to_owned(),
        which,
        value: Some(value),
    };
    let none = Some(UnitSays::default());
    vec![
        Sources::default(),
        lineage(value),
        lineage(value * 2),
        above,
        Sources {
            init: Some(Bounds {
                soft: Some(value),
                hard,
            }),
            ..lineage(value)
        },
        Sources {
            unit: Some(UnitSays {
                limit: Some(assigned(value)),
                ..UnitSays::default()
            }),
            ..lineage(value)
        },
        Sources {
            unit: none.clone(),
            manager: Some(assigned(value)),
            ..lineage(value)
        },
        Sources {
            unit: none,
            ..lineage(value)
        },
        Sources {
            pam: vec![pam_limits::Nproc {
                soft: Some(line(Which::Both)),
                hard: Some(line(Which::Both)),
            }],
            ..lineage(value)
        },
    ]
}

fn memory() -> Memory {
    Memory {
        total: Some(1 << 40),
        swap_total: Some(0),
        huge_pages: Some(0),
        overcommit_memory: Some(2),
        overcommit_ratio: Some(50),
        overcommit_kbytes: Some(0),
        ..Memory::default()
    }
}

/// Each cause by each of its limits and owners, and without one, by many numbers.
fn cases() -> Vec<Case> {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut all = Vec::new();
    for entry in catalogue::pages().map(|page| page.cause.entry()) {
        let limits = entry.limits.iter().flat_map(|kind| {
            let owners = owners(kind).into_iter();
            owners.map(move |owner| (kind.clone(), owner))
        });
        for (kind, owner) in limits {
            for operation in [Operation::Process, Operation::Thread, Operation::Exec] {
                for seconds in [0, 60] {
                    let value = numbers.next(1000, 900_000);
                    // More than allowed where limits were lowered, or tasks moved in.
                    let usage = numbers.next(value / 2, value * 3);
                    let hard = match numbers.next(0, 3) {
                        0 => None,
                        1 => Some(value),
                        _ => Some(value * numbers.next(2, 40)),
                    };
                    for sources in sources(value, hard, seconds) {
                        let limit = Limit {
                            value: Some(value),
                            usage: Some(usage),
                            requested: Some(1),
                            file: Some("/sys/x".to_owned()),
                            ..Limit::new(kind.clone(), owner.clone(), Unit::Tasks)
                        };
                        let context = Context {
                            sources,
                            last_memory: Some(memory()),
                            ..Context::default()
                        };
                        let fixes =
                            answered(entry.cause(), Some(limit.clone()), operation, &context);
                        let what = format!(
                            "{} by {kind} of {owner}: {value}, {usage} in use, {hard:?}, {operation:?}",
                            entry.cause().id()
                        );
                        all.push(Case {
                            kind: kind.clone(),
                            limit,
                            hard,
                            operation,
                            seconds,
                            what,
                            fixes,
                        });
                    }
                }
            }
        }
    }
    all
}

fn answered(
    cause: crate::model::Cause,
    limit: Option<Limit>,
    operation: Operation,
    context: &Context,
) -> Vec<Fix> {
    let verdict = Verdict {
        cause,
        certainty: Certainty::Observed,
        limit,
        candidates: Vec::new(),
    };
    let cgroup = Cgroup {
        path: Some("/system.slice/x.service".to_owned()),
        unit: Some("x.service".to_owned()),
        ..Cgroup::default()
    };
    let subject = Subject {
        caller: &caller(),
        cgroup: &cgroup,
        operation,
        errno: Errno::EAGAIN,
        target: None,
    };
    answer(&verdict, &subject, context).fix
}

/// What a limit would be set to: numbers behind `=`, `:`, `echo` and the name of a limit, without
/// those of processes, users and versions.
fn proposed(text: &str) -> Vec<u64> {
    let text = text
        .replace("--pid ", "--pid_")
        .replace("uid ", "uid_")
        .replace("echo ", "echo=")
        .replace("nproc ", "nproc=")
        .replace("TasksMax ", "TasksMax=");
    let words = text.split(|c: char| c.is_whitespace() || "=:(),".contains(c));
    let numbers = words.filter_map(|word| word.parse::<u64>().ok());
    // Ratios, switches and versions are small; none of them is a number of tasks or bytes.
    numbers.filter(|number| *number > 112).collect()
}

/// CommitLimit is set by a part of RAM, and by that alone.
fn is_set_by_its_number(case: &Case) -> bool {
    !matches!(case.kind, LimitKind::CommitLimit | LimitKind::RamAndSwap)
}

#[test]
fn every_cause_is_asked_and_most_have_something_to_propose() {
    let cases = cases();
    for entry in catalogue::pages().map(|page| page.cause.entry()) {
        let id = entry.cause().id();
        let of = |case: &&Case| case.what.starts_with(&format!("{id} by "));
        let asked = cases.iter().filter(of).count();
        assert_eq!(asked > 0, !entry.limits.is_empty(), "{id}");
    }
    let with_number = |case: &&Case| case.all_commands().any(|text| !proposed(text).is_empty());
    let told = cases.iter().filter(with_number).count();
    assert!(told * 2 > cases.len(), "{told} of {}", cases.len());
}

/// Its own numbers may contradict a refusal that was seen: they were changed at that moment, and one
/// that is made of nothing would lower the limit.
#[test]
fn what_a_limit_allowed_has_to_be_known_for_a_number() {
    for entry in catalogue::pages().map(|page| page.cause.entry()) {
        // Of promises of memory the policy can be changed as well as the number.
        let is_number =
            |kind: &&LimitKind| !matches!(kind, LimitKind::CommitLimit | LimitKind::RamAndSwap);
        let limits = entry.limits.iter().filter(is_number).flat_map(|kind| {
            let owners = owners(kind).into_iter();
            owners.map(move |owner| Some((kind.clone(), owner)))
        });
        let none = entry.limits.iter().any(|kind| is_number(&kind));
        let none = none.then_some(None);
        for ((limit, usage), current) in limits
            .chain(none)
            .flat_map(|limit| [None, Some(500)].map(|usage| (limit.clone(), usage)))
            .flat_map(|of| [None, Some(None), Some(Some(600))].map(|now| (of.clone(), now)))
        {
            let limit = limit.map(|(kind, owner)| Limit {
                usage,
                file: Some("/sys/x".to_owned()),
                ..Limit::new(kind, owner, Unit::Tasks)
            });
            for sources in sources(4000, None, 60) {
                let context = Context {
                    sources,
                    current,
                    last_memory: Some(memory()),
                    ..Context::default()
                };
                let fixes = answered(entry.cause(), limit.clone(), Operation::Process, &context);
                for Fix {
                    now, persistent, ..
                } in fixes
                {
                    let id = entry.cause().id();
                    assert_eq!(now, None, "{id}: {limit:?}");
                    let proposed = persistent.map(|text| proposed(&text)).unwrap_or_default();
                    assert_eq!(proposed, [0; 0], "{id}: {limit:?}");
                }
            }
        }
    }
}

/// Somebody was quicker: a number that was fit for the limit as it refused would take that back.
#[test]
fn what_has_been_raised_since_is_not_lowered() {
    let cases = cases();
    let turned = |case: &&Case| case.limit.owner.cgroup_path().is_some();
    for case in cases.iter().filter(turned) {
        for current in [Some(10_000_000), None] {
            let context = Context {
                current: Some(current),
                ..Context::default()
            };
            let cause = crate::model::Cause::of_limit(&case.kind);
            let fixes = answered(cause, Some(case.limit.clone()), case.operation, &context);
            assert!(fixes.iter().all(|fix| fix.now.is_none()), "{}", case.what);
            let lasting = fixes.iter().filter_map(|fix| fix.persistent.as_deref());
            for number in lasting.flat_map(proposed) {
                assert!(
                    Some(number) >= current && current.is_some(),
                    "{}: {number}",
                    case.what
                );
            }
            let told = |fix: &Fix| {
                fix.note
                    .as_ref()
                    .is_some_and(|n| n.contains("raised since"))
            };
            assert!(fixes.iter().any(told), "{}", case.what);
        }
    }
}

#[test]
fn what_is_proposed_is_above_what_is_allowed_and_in_use() {
    for case in cases().iter().filter(|case| is_set_by_its_number(case)) {
        for text in case.all_commands() {
            let proposed = proposed(text);
            // A hard limit stays as it is.
            let kept = |number: &u64| case.hard == Some(*number) && proposed.len() > 1;
            for number in proposed.iter().filter(|number| !kept(number)) {
                assert!(*number > case.most(), "{}: {text}", case.what);
            }
        }
    }
}

/// Limits that count: twice what is allowed or in use. Of bytes half as much again is a lot.
#[test]
fn no_step_is_timid() {
    let bytes = |kind: &LimitKind| {
        matches!(
            kind,
            LimitKind::MemoryMax
                | LimitKind::MemoryLimit
                | LimitKind::MemorySwapLimit
                | LimitKind::KernelMemoryLimit
                | LimitKind::HugePages
                | LimitKind::RlimitAs
                | LimitKind::RlimitData
                | LimitKind::RlimitMemlock
        )
    };
    let cases = cases();
    let counts = cases.iter().filter(|case| !bytes(&case.kind));
    for case in counts.filter(|case| is_set_by_its_number(case)) {
        for command in case.commands() {
            let highest = proposed(command).into_iter().max();
            assert!(
                highest.is_none_or(|number| number >= 2 * case.most().min(2_097_152)),
                "{}: {command}",
                case.what
            );
        }
    }
}

#[test]
fn neither_soft_nor_hard_limit_is_lowered() {
    for case in cases() {
        for command in case.commands() {
            let Some((_, set)) = command
                .strip_prefix("prlimit ")
                .and_then(|rest| rest.split_once('='))
            else {
                continue;
            };
            // With a colon the hard one stays; without, both become this.
            let soft: u64 = set.trim_end_matches(':').parse().unwrap();
            assert!(
                soft > case.limit.value.unwrap_or(0),
                "{}: {command}",
                case.what
            );
            let sets_both = !set.ends_with(':');
            let lowers = sets_both && case.hard.is_none_or(|hard| hard > soft);
            assert!(!lowers, "{}: {command}", case.what);
        }
        // Of a unit: LimitX=soft:hard, or both at once where the hard one is below.
        let limits = case
            .all_commands()
            .filter_map(|text| text.split_once("Limit"));
        for (_, set) in limits.filter(|(before, _)| before.contains("systemctl")) {
            let Some((_, set)) = set.split_once('=') else {
                continue;
            };
            let set = set.split([' ', ',']).next().unwrap();
            let known = case.fixes.iter().any(|fix| fix.now.is_some());
            let keeps = match (set.split_once(':'), case.hard) {
                (Some((_, "infinity")), hard) => hard.is_none(),
                (Some((_, kept)), hard) => kept.parse().ok() == hard,
                (None, Some(hard)) => set.parse::<u64>().unwrap() >= hard,
                (None, None) => false,
            };
            assert!(keeps || !known, "{}: {set}", case.what);
        }
    }
}

#[test]
fn a_process_is_named_only_if_it_lives_on_and_none_for_an_execve() {
    for case in cases() {
        // A process's own limits are never asked by execve.
        let exec = case.operation == Operation::Exec && case.kind == LimitKind::RlimitNproc;
        if !exec && case.seconds > 0 {
            continue;
        }
        for command in case.commands() {
            assert!(!command.contains("--pid"), "{}: {command}", case.what);
        }
    }
    // Nor where no limit refused.
    for entry in catalogue::pages().map(|page| page.cause.entry()) {
        let of = |seconds| {
            let context = Context {
                sources: Sources {
                    lineage: vec![member(812, "postgres", seconds, 40, None)],
                    ..Sources::default()
                },
                ..Context::default()
            };
            let fixes = answered(entry.cause(), None, Operation::Process, &context);
            let commands = fixes.into_iter().filter_map(|fix| fix.now);
            let names = |command: &String| command.split(' ').any(|word| word == "812");
            commands.filter(names).count()
        };
        assert_eq!(of(0), 0, "{}", entry.cause().id());
        assert_eq!(of(60) > 0, entry.turned_in_caller, "{}", entry.cause().id());
    }
}

/// Whatever has started the program goes on with what it has: it starts others' too.
#[test]
fn a_refused_execve_changes_no_manager() {
    let exec =
        |case: &Case| case.operation == Operation::Exec && case.kind == LimitKind::RlimitNproc;
    for case in cases().into_iter().filter(exec) {
        for command in case.all_commands() {
            assert!(!command.contains("--pid"), "{}: {command}", case.what);
            // It may be told who has set the limit; it isn't raised for all that is started there.
            let told = command.contains("crond") && command.contains("raise it there");
            assert!(!told, "{}: {command}", case.what);
        }
    }
}

#[test]
fn the_kernels_own_ceiling_is_no_proposal() {
    let limit = Limit {
        value: Some(4_194_304),
        usage: Some(4_194_000),
        ..Limit::new(LimitKind::PidMax, Owner::Host, Unit::Ids)
    };
    let cause = crate::model::Cause::of_limit(&limit.kind);
    let fixes = answered(cause, Some(limit), Operation::Process, &Context::default());
    assert!(
        fixes
            .iter()
            .all(|fix| fix.now.is_none() && fix.persistent.is_none())
    );
    assert!(fixes[0].note.as_ref().unwrap().contains("the highest"));
}

/// Where nothing can be forked, a shell has what it does itself.
#[test]
fn no_program_has_to_be_started_where_none_can_be() {
    let refuses_all = |kind: &LimitKind| {
        matches!(
            kind,
            LimitKind::PidsMax
                | LimitKind::ThreadsMax
                | LimitKind::PidMax
                | LimitKind::CommitLimit
                | LimitKind::MemoryMax
        )
    };
    for case in cases().iter().filter(|case| refuses_all(&case.kind)) {
        for command in case.commands() {
            assert!(command.starts_with("echo "), "{}: {command}", case.what);
        }
    }
}

/// A package's file (FD.io's VPP) lowers the setting with each boot: a file of an earlier name would
/// change nothing, and less than the kernel's own number would be as bad.
#[test]
fn a_file_that_lowers_a_setting_is_named() {
    let limit = Limit {
        value: Some(3096),
        usage: Some(3096),
        requested: Some(1),
        ..Limit::new(LimitKind::MaxMapCount, Owner::Process, Unit::Mappings)
    };
    let context = Context {
        sysctl: Some(Assignment {
            value: "3096".to_owned(),
            file: "/etc/sysctl.d/80-vpp.conf".into(),
        }),
        ..Context::default()
    };
    let cause = crate::model::Cause::of_limit(&limit.kind);
    let fixes = answered(cause, Some(limit), Operation::ThreadStack, &context);
    assert_eq!(
        fixes[0].persistent.as_deref(),
        Some("/etc/sysctl.d/80-vpp.conf: vm.max_map_count = 65530")
    );
    let note = fixes[1].note.as_deref().unwrap();
    assert!(note.starts_with("/etc/sysctl.d/80-vpp.conf has `vm.max_map_count = 3096`"));
}
