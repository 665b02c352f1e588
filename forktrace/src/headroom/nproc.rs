//! RLIMIT_NPROC: a limit of each process, compared with the tasks of its real
//! uid.
//!
//! kernel/ucount.c `is_rlimit_overlimit`, up to 5.13 kernel/fork.c. A task is
//! counted with its uid in its user namespace, and in each namespace above with
//! the uid that created the one below; up to 5.13 with its uid alone.

use std::collections::BTreeMap;

use super::{
    Refuses, Row, Unreadable, Unseen,
    row::{limit, row},
};
use crate::{
    host::{
        holders::Scope,
        process::Status,
        readings::{Readings, Subject},
        user_namespace::INITIAL,
    },
    model::{LimitKind, Owner, Unit},
};

const CAP_SYS_ADMIN: u32 = 21;
const CAP_SYS_RESOURCE: u32 = 24;

/// Whom a task is counted with.
type Account = (u64, u32);

pub(super) fn rows(readings: &Readings) -> Vec<Row> {
    let of_process = matches!(readings.subject, Subject::Process(_));
    let mut lowest: BTreeMap<Account, (&Status, u64, u64)> = BTreeMap::new();
    // The first that no limit stops, to be reported when that is so of all.
    let mut spared = None;
    let mut rows = Vec::new();
    for process in subjects(readings) {
        let Some(limits) = readings.limits.get(&process.pid) else {
            continue;
        };
        let exempt = exempt(readings, process);
        if of_process {
            rows.push(one(readings, process, limits.processes.soft, exempt));
            continue;
        }
        let (None, Some(value)) = (&exempt, limits.processes.soft) else {
            spared = spared.or(Some((process, limits.processes.soft, exempt)));
            continue;
        };
        let entry = lowest
            .entry(account(readings, process))
            .or_insert((process, value, 0));
        if value < entry.1 {
            *entry = (process, value, 0);
        }
        entry.2 += u64::from(value == entry.1);
    }
    match readings.subject {
        Subject::User(_) if lowest.is_empty() => {
            rows.extend(spared.map(|(p, value, exempt)| one(readings, p, value, exempt)));
        }
        // Whom the unit is about, whether it is limited or not.
        Subject::Cgroup { .. } => {
            let main = readings
                .process()
                .filter(|p| !lowest.contains_key(&account(readings, p)));
            let limits = main.and_then(|p| Some((p, readings.limits.get(&p.pid)?)));
            rows.extend(
                limits.map(|(p, limits)| {
                    one(readings, p, limits.processes.soft, exempt(readings, p))
                }),
            );
        }
        _ => {}
    }
    for (process, value, count) in lowest.into_values() {
        let mut row = one(readings, process, Some(value), None);
        let whose = match readings.subject {
            Subject::Cgroup { .. } => "of its processes here",
            _ => "of this user's processes",
        };
        row.notes.push(format!(
            "{count} {whose} have this limit, {} (pid {}) for one; none has a lower one",
            process.comm, process.pid
        ));
        rows.push(row);
    }
    rows
}

/// The processes whose limits are reported.
fn subjects(readings: &Readings) -> impl Iterator<Item = &Status> {
    let one = readings.process().map(|p| p.pid);
    readings
        .processes
        .iter()
        .filter(move |p| match readings.subject {
            Subject::Process(_) => one == Some(p.pid),
            Subject::User(uid) => p.uid == uid,
            // Of all others no limit is read.
            Subject::Host | Subject::Cgroup { .. } => true,
        })
}

fn one(readings: &Readings, process: &Status, value: Option<u64>, exempt: Option<String>) -> Row {
    let account = account(readings, process);
    let (namespace, uid) = account;
    let elsewhere = namespace != readings.namespaces.own;
    let owner = Owner::User {
        uid,
        userns: elsewhere.then(|| u32::try_from(namespace).ok()).flatten(),
    };
    let usage = charged(readings, account);
    let mut limit = limit(
        LimitKind::RlimitNproc,
        owner,
        value,
        Some(usage),
        Unit::Tasks,
    );
    limit.file = Some(format!("/proc/{}/limits", process.pid));
    let mut row = row(Refuses::Tasks, limit);
    row.owner = readings.user(process.uid).map(str::to_owned);
    row.counts = Some(counted(readings, process.uid, namespace));
    row.exempt = exempt;
    row
}

/// Whose tasks are held against a limit of this uid.
pub(super) fn counted(readings: &Readings, uid: u32, namespace: u64) -> Scope {
    let known = u32::try_from(namespace).ok();
    Scope::User {
        uid,
        userns: known.filter(|_| readings.counts_by_namespace),
    }
}

/// What exempts it: a real uid 0 of the host (INIT_USER), or a capability in the
/// initial user namespace. root of another user namespace isn't exempt.
fn exempt(readings: &Readings, process: &Status) -> Option<String> {
    if readings.namespaces.own == INITIAL && process.uid == 0 {
        return Some("the host's root (real uid 0) is not limited by it".to_owned());
    }
    [
        (CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE"),
        (CAP_SYS_ADMIN, "CAP_SYS_ADMIN"),
    ]
    .into_iter()
    .find(|(number, _)| readings.has_on_host(process, *number))
    .map(|(_, name)| format!("the process has {name}, which exempts it"))
}

fn namespace(readings: &Readings, process: &Status) -> u64 {
    let known = readings.namespaces.of.get(&process.pid);
    known.copied().unwrap_or(readings.namespaces.own)
}

fn account(readings: &Readings, process: &Status) -> Account {
    let namespace = if readings.counts_by_namespace {
        namespace(readings, process)
    } else {
        readings.namespaces.own
    };
    (namespace, process.uid)
}

/// Tasks that the kernel counts there: threads, and zombies that weren't reaped.
pub(super) fn charged(readings: &Readings, to: Account) -> u64 {
    let counted = readings.processes.iter().filter(|process| {
        let mut at = Some(account(readings, process));
        while let Some((namespace, uid)) = at {
            if (namespace, uid) == to {
                return true;
            }
            // The namespace was made by `owner`, in `parent`.
            at = readings
                .namespaces
                .all
                .get(&namespace)
                .and_then(|ns| ns.parent.zip(ns.owner));
        }
        false
    });
    counted.map(|process| process.threads).sum()
}

/// Since 5.14 a user namespace keeps its creator's limit, for all in it. Since 5.17 that is none where the host's root
/// has made it (kernel/user_namespace.c `enforced_nproc_rlimit`, which asks for the real uid; the owner is the effective
/// one, and stable kernels before have it too, so neither the version nor the owner proves it).
pub(super) fn unreadable(readings: &Readings) -> Vec<Unreadable> {
    let mut unreadable = Vec::new();
    let seen = &readings.namespaces.of;
    let unseen = readings
        .processes
        .iter()
        .filter(|p| !seen.contains_key(&p.pid));
    let unseen = unseen.count();
    if unseen > 0 && readings.counts_by_namespace {
        unreadable.push(Unreadable {
            of: Unseen::Others,
            what: format!("the user namespaces of {unseen} processes"),
            why: "it takes root or CAP_SYS_PTRACE; RLIMIT_NPROC's use counts them as if they \
                  were in this one"
                .to_owned(),
        });
    }
    if let Subject::User(uid) = readings.subject
        && readings.limits.is_empty()
        && readings
            .next
            .as_ref()
            .is_none_or(|next| next.processes.is_none())
    {
        unreadable.push(Unreadable {
            of: Unseen::Others,
            what: format!("RLIMIT_NPROC of uid {uid}"),
            why: "the limit is each process's own, and none of this user's runs; no line of \
                  limits.conf or limits.d says what a login would get"
                .to_owned(),
        });
    }
    let Some(process) = readings.process() else {
        return unreadable;
    };
    let mut at = namespace(readings, process);
    while let Some(ns) = readings.namespaces.all.get(&at) {
        let Some((parent, owner)) = ns.parent.zip(ns.owner) else {
            break;
        };
        let (of, if_any, why) = match (parent, owner) {
            (INITIAL, 0) => (
                Unseen::Others,
                ", if it has one",
                "no file shows it; since Linux 5.17 there is none where the host's root made the namespace",
            ),
            _ => (Unseen::UserNamespace, "", "no file shows it (Linux 5.14+)"),
        };
        if readings.counts_by_namespace {
            unreadable.push(Unreadable {
                of,
                what: format!(
                    "the limit of user namespace {at}{if_any}: the RLIMIT_NPROC that uid {owner} had \
                     when creating it, for that user's {} tasks",
                    charged(readings, (parent, owner))
                ),
                why: why.to_owned(),
            });
        }
        at = parent;
    }
    unreadable
}
