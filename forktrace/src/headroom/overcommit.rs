//! Memory that is promised: mm/util.c `__vm_enough_memory`.

use super::{
    Refuses, Row,
    row::{limit, row},
};
use crate::{
    evidence::OvercommitMode,
    host::{
        holders::{Fill, Scope},
        memory,
        process::Status,
        readings::Readings,
    },
    model::{LimitKind, Owner, Unit, bytes},
};

/// The policy as a limit: in mode 2 CommitLimit, in mode 0 RAM and swap for a
/// single mapping of the process, in mode 1 none.
pub(super) fn policy(readings: &Readings) -> Option<Row> {
    match OvercommitMode::from_number(readings.host.overcommit_memory?) {
        OvercommitMode::Never => strict(readings),
        OvercommitMode::Heuristic => heuristic(readings),
        OvercommitMode::Always => None,
    }
}

fn strict(readings: &Readings) -> Option<Row> {
    let memory = memory::of(&readings.host);
    let commit_limit = memory.commit_limit?;
    let process = readings.process();
    // The reserve is for CAP_SYS_ADMIN in the initial user namespace.
    let admin = match process {
        Some(p) if readings.is_admin(p) => 0,
        _ => memory.admin_reserve.unwrap_or(0),
    };
    // Everybody leaves a 32nd of the own address space, or this.
    let user = process
        .and_then(|p| p.vm_size)
        .map_or(0, |size| (size / 32).min(memory.user_reserve.unwrap_or(0)));
    let mut limit = limit(
        LimitKind::CommitLimit,
        Owner::Host,
        Some(commit_limit),
        memory.committed,
        Unit::Bytes,
    );
    limit.usable = Some(commit_limit.saturating_sub(admin).saturating_sub(user));
    let promises = readings.details.as_ref().and_then(|d| d.promises);
    limit.requested = promises.or_else(|| process.and_then(private));
    limit.file = Some("/proc/sys/vm/overcommit_memory".to_owned());
    let requested = limit.requested;
    let mut row = row(Refuses::Processes, limit);
    row.counts = Some(Scope::Host {
        fill: Fill::Private,
    });
    if let Some(requested) = requested {
        row.notes.push(format!(
            "a fork of this process promises {} once more, which is counted in the percentage",
            bytes(requested)
        ));
    }
    Some(row)
}

fn heuristic(readings: &Readings) -> Option<Row> {
    let memory = memory::of(&readings.host);
    let largest = readings.details.as_ref()?.largest_mapping?;
    let mut limit = limit(
        LimitKind::RamAndSwap,
        Owner::Host,
        Some(memory.total? + memory.swap_total.unwrap_or(0)),
        None,
        Unit::Bytes,
    );
    limit.requested = Some(largest);
    limit.file = Some("/proc/sys/vm/overcommit_memory".to_owned());
    let mut row = row(Refuses::Processes, limit);
    row.notes.push(format!(
        "vm.overcommit_memory=0 compares the largest private mapping ({}) with RAM and swap \
         together; free memory plays no role",
        bytes(largest)
    ));
    Some(row)
}

/// What a fork copies, where no more is known than the sizes: private writable memory, the stack apart.
fn private(process: &Status) -> Option<u64> {
    Some(process.vm_data? + process.vm_stack.unwrap_or(0))
}
