//! Memory overcommit: fork promises the private writable memory of the caller
//! a second time, and the policy refuses the promise. Free memory plays no role.
//!
//! mm/util.c `__vm_enough_memory`, asked for each accountable mapping by
//! kernel/fork.c (7.x: mm/mmap.c) `dup_mmap`. vfork, posix_spawn and threads
//! share the address space and are never refused here.

use crate::{
    cause::{
        Cause, Entry, Finding, Verdict, candidates,
        words::{Words, bytes, fix},
    },
    evidence::{Evidence, Overcommit, OvercommitMode, Stage},
    record::{Errno, Fix, Limit, Unit},
};

pub const ENTRY: Entry = Entry {
    cause: Cause::Overcommit,
    seen,
    exhausted,
    fix: fixes,
    summary,
};

fn seen(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::ENOMEM || e.stage != Stage::SighandToNamespaces || e.shares_vm {
        return None;
    }
    let overcommit = e.overcommit.as_ref()?;
    // The stage is seen to refuse; of its steps the copy of the address space
    // is the one, when its comparison comes out as a refusal and no memory
    // cgroup was (that cause comes first in the catalogue).
    if overcommit.refuses_copy() {
        Finding::observed(limit(overcommit))
    } else if overcommit.nearly_refuses_copy() {
        Finding::inferred(limit(overcommit))
    } else {
        None
    }
}

fn exhausted(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::ENOMEM || e.shares_vm {
        return None;
    }
    let overcommit = e.overcommit.as_ref().filter(|o| o.refuses_copy())?;
    // A memory cgroup on its last pages could be the one just as well.
    if e.memory.iter().any(nearly_full) {
        return None;
    }
    Finding::inferred(limit(overcommit))
}

/// Less room than a fork's first allocations can need (a kernel stack, page
/// tables): what refused can't be told by the numbers.
fn nearly_full(cgroup: &crate::evidence::CgroupLimit) -> bool {
    const FORK_NEEDS: u64 = 1 << 20;
    cgroup
        .limit
        .is_some_and(|limit| cgroup.usage + FORK_NEEDS >= limit)
}

fn limit(o: &Overcommit) -> Limit {
    match o.mode {
        OvercommitMode::Never | OvercommitMode::Always => candidates::commit_limit(o),
        OvercommitMode::Heuristic => Limit {
            name: "vm.overcommit_memory".to_owned(),
            scope: "host".to_owned(),
            value: Some(o.ram_and_swap),
            usage: None,
            requested: Some(o.largest_mapping.unwrap_or(o.total_vm)),
            unit: Unit::Bytes,
            usable: None,
            file: Some("/proc/sys/vm/overcommit_memory".to_owned()),
        },
    }
}

fn summary(v: &Verdict, w: &Words<'_>) -> String {
    let Some(limit) = &v.limit else {
        return format!("{}the overcommit policy refused it", w.opening());
    };
    let asked = limit.requested.map(bytes).unwrap_or_default();
    match (limit.usage, limit.bound()) {
        (Some(usage), Some(bound)) => format!(
            "{}strict overcommit (vm.overcommit_memory=2): copying its {asked} of private memory would take the host from {} promised over the {} allowed",
            w.opening(),
            bytes(usage),
            bytes(bound)
        ),
        (_, Some(bound)) => format!(
            "{}heuristic overcommit (vm.overcommit_memory=0): it has one mapping of up to {asked}, more than RAM and swap together ({})",
            w.opening(),
            bytes(bound)
        ),
        _ => format!("{}the overcommit policy refused it", w.opening()),
    }
}

fn fixes(v: &Verdict, _: &Words<'_>) -> Vec<Fix> {
    if v.limit.as_ref().is_some_and(|l| l.usage.is_some()) {
        vec![
            fix(
                "sysctl -w vm.overcommit_ratio=80".to_owned(),
                "/etc/sysctl.d/: vm.overcommit_ratio = 80 (or vm.overcommit_kbytes), or add swap".to_owned(),
                "strict overcommit counts promises, not pages in use: free memory doesn't help, swap and a higher ratio do"
                    .to_owned(),
            ),
            fix(
                None,
                "start programs with vfork or posix_spawn: they copy no address space".to_owned(),
                None,
            ),
        ]
    } else {
        vec![fix(
            "sysctl -w vm.overcommit_memory=1".to_owned(),
            "/etc/sysctl.d/: vm.overcommit_memory = 1, or add swap, or make the mapping smaller"
                .to_owned(),
            "the heuristic mode looks at one mapping at a time".to_owned(),
        )]
    }
}
