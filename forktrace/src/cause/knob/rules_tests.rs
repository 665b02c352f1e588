//! What holds for the advice of every cause, whatever the owner.

use crate::{
    cause::{Context, Sources, Subject, Verdict, answer, catalogue},
    host::{lineage::Member, process::Bounds},
    model::{
        Certainty, Cgroup, Errno, Fix, Limit, LimitKind, Operation, Owner, Unit,
        caller::tests::caller,
    },
};

const VALUE: u64 = 4000;
const USED: u64 = 6100;
const HARD: u64 = 20_000;

fn owner(kind: &LimitKind) -> Vec<Owner> {
    match kind {
        LimitKind::PidsMax | LimitKind::MemoryMax | LimitKind::MemoryLimit => [
            "/system.slice/x.service",
            "/system.slice/x.service/y",
            "/lxc.payload.c1/system.slice/x.service",
            "/lxc.payload.c1",
            "/user.slice/user-7.slice",
            "/shop",
        ]
        .map(Owner::cgroup)
        .to_vec(),
        LimitKind::RlimitNproc => vec![Owner::user(112)],
        _ => vec![Owner::Host, Owner::Process],
    }
}

/// Of each cause, by each of its limits and owners: what there is to do.
fn all(operation: Operation, seconds: u64) -> Vec<(String, Vec<Fix>)> {
    let member = |pid, comm: &str| Member {
        pid,
        comm: comm.to_owned(),
        uid: 112,
        bounds: Bounds {
            soft: Some(VALUE),
            hard: Some(HARD),
        },
        seconds: Some(seconds),
        levels: 1,
        cgroup: None,
    };
    let context = Context {
        sources: Sources {
            lineage: vec![member(812, "postgres"), member(500, "crond")],
            ..Sources::default()
        },
        ..Context::default()
    };
    let cgroup = Cgroup {
        path: Some("/system.slice/x.service".to_owned()),
        unit: Some("x.service".to_owned()),
        ..Cgroup::default()
    };
    let mut all = Vec::new();
    for entry in catalogue::pages().map(|page| page.cause.entry()) {
        for kind in entry.limits {
            for owner in owner(kind) {
                let limit = Limit {
                    value: Some(VALUE),
                    usage: Some(USED),
                    requested: Some(1),
                    file: Some("/sys/x".to_owned()),
                    ..Limit::new(kind.clone(), owner.clone(), Unit::Tasks)
                };
                let verdict = Verdict {
                    cause: entry.cause(),
                    certainty: Certainty::Observed,
                    limit: Some(limit),
                    candidates: Vec::new(),
                };
                let subject = Subject {
                    caller: &caller(),
                    cgroup: &cgroup,
                    operation,
                    errno: Errno::EAGAIN,
                };
                let what = format!("{} by {kind} of {owner}", entry.cause().id());
                all.push((what, answer(&verdict, &subject, &context).fix));
            }
        }
    }
    assert!(all.len() > 15, "{}", all.len());
    all
}

/// Numbers behind `=`, `echo ` and spaces, that are no process ids.
fn numbers(text: &str) -> Vec<u64> {
    let text = text.replace("--pid ", "--pid_");
    let words = text.split(|c: char| c.is_whitespace() || c == '=' || c == ':');
    words.filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn what_is_proposed_is_above_what_is_allowed_and_in_use() {
    for (what, fixes) in all(Operation::Process, 60) {
        // More in use than allowed is for a cgroup and a user, whose limits can be lowered meanwhile.
        let shared = what.contains(" of /") || what.contains(" of uid");
        let most = if shared { USED } else { VALUE };
        for fix in fixes {
            // Ratios and switches are small; none of them is a number of tasks or bytes.
            for number in numbers(&fix.now.unwrap_or_default()) {
                assert!(number <= 100 || number > most, "{what}: {number}");
            }
            for number in numbers(&fix.persistent.unwrap_or_default()) {
                assert!(number <= 112 || number > most, "{what}: {number}");
            }
        }
    }
}

#[test]
fn no_hard_limit_is_lowered() {
    for (what, fixes) in all(Operation::Process, 60) {
        for command in fixes.into_iter().filter_map(|fix| fix.now) {
            if let Some((_, value)) = command
                .strip_prefix("prlimit ")
                .and_then(|c| c.split_once('='))
            {
                let lowers = value.parse::<u64>().is_ok_and(|both| both < HARD);
                assert!(!lowers, "{what}: {command}");
            }
        }
    }
}

#[test]
fn a_process_is_named_only_if_it_lives_on_and_none_for_an_execve() {
    for (operation, seconds) in [(Operation::Process, 0), (Operation::Exec, 60)] {
        for (what, fixes) in all(operation, seconds) {
            // A process's own limits are never asked by execve.
            if operation == Operation::Exec && !what.starts_with("rlimit_nproc") {
                continue;
            }
            for command in fixes.into_iter().filter_map(|fix| fix.now) {
                assert!(!command.contains("--pid"), "{what}: {command}");
            }
        }
    }
}
