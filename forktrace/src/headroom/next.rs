//! What the next start of a unit, or login of a user, would get: where it isn't what runs.

use super::{
    Next, Refuses, Row, nproc,
    row::{limit, row},
};
use crate::{
    host::{
        at_start::{self, Given, What},
        cgroup::Resource,
        readings::Readings,
    },
    model::{LimitKind, Owner, Unit},
};

pub(super) fn rows(readings: &Readings) -> Vec<Row> {
    let Some(next) = &readings.next else {
        return Vec::new();
    };
    let rows = [tasks(readings, next), processes(readings, next)];
    rows.into_iter().flatten().collect()
}

fn tasks(readings: &Readings, next: &at_start::Next) -> Option<Row> {
    let (path, given) = (next.cgroup.as_ref()?, next.tasks.as_ref()?);
    let of_tasks = readings.cgroups.iter();
    let now = of_tasks
        .filter(|cgroup| cgroup.resource == Resource::Pids)
        .find(|cgroup| cgroup.path == *path);
    if now.is_some_and(|now| now.limit == given.value) {
        return None;
    }
    let limit = limit(
        LimitKind::PidsMax,
        Owner::cgroup(path.to_string_lossy()),
        given.value,
        Some(now.map_or(0, |now| now.usage)),
        Unit::Tasks,
    );
    Some(to_come(row(Refuses::Tasks, limit), next.what, given))
}

fn processes(readings: &Readings, next: &at_start::Next) -> Option<Row> {
    let (uid, given) = next.processes.as_ref()?;
    let now = readings
        .process()
        .and_then(|process| readings.limits.get(&process.pid));
    if next.what == What::Start && now.is_some_and(|now| now.processes.soft == given.value) {
        return None;
    }
    let limit = limit(
        LimitKind::RlimitNproc,
        Owner::user(*uid),
        given.value,
        Some(nproc::charged(readings, (readings.namespaces.own, *uid))),
        Unit::Tasks,
    );
    let mut row = row(Refuses::Tasks, limit);
    row.owner = readings.user(*uid).map(str::to_owned);
    row.counts = Some(nproc::counted(readings, *uid, readings.namespaces.own));
    Some(to_come(row, next.what, given))
}

fn to_come(mut row: Row, what: What, given: &Given) -> Row {
    let (next, who) = match what {
        What::Start => (Next::Start, "the next start of the unit"),
        What::Login => (
            Next::Login,
            "the next login of this user, or PAM session (su, cron),",
        ),
    };
    row.next = Some(next);
    let text = match &given.file {
        Some(file) => format!("`{}` in {}", given.text, file.display()),
        None if given.text.contains('=') => format!("systemd's own default, {}", given.text),
        None => given.text.clone(),
    };
    row.notes.push(format!(
        "what {who} gets by {text}; what runs keeps what it has"
    ));
    row
}
