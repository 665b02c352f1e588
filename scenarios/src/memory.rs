//! What records of a session say of the host's memory.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use forktrace::host::limits::HostNow;
use forktrace::record::{Memory, Record};

use crate::arch::page;
use crate::expect::{Expect, Line};

/// Whether its record may be the first of its limit.
pub(crate) fn about(expect: &Expect) -> bool {
    expect.cause.memory_matters(expect.errno)
}

/// Each limit's first record has it, those that aren't about memory don't, and its numbers are
/// this host's and agree with each other.
pub(crate) fn check(lines: &[Line]) -> Result<()> {
    let failures = lines.iter().filter_map(|line| match &line.record {
        Record::Failure(failure) => Some(failure),
        _ => None,
    });
    let mut seen = BTreeSet::new();
    for failure in failures {
        let seq = failure.seq;
        if !failure.cause.memory_matters(failure.errno) {
            ensure!(failure.memory.is_none(), "memory in failure {seq}");
            continue;
        }
        let of = failure
            .limit
            .as_ref()
            .map(|l| (l.kind.name(), l.owner.to_string()));
        let first = seen.insert((failure.cause.id(), of));
        ensure!(!first || failure.memory.is_some(), "none in failure {seq}");
        if let Some(memory) = &failure.memory {
            agrees(memory).with_context(|| format!("failure {seq}: {memory:?}"))?;
        }
    }
    ensure!(!seen.is_empty(), "no failure is about memory");
    Ok(())
}

fn agrees(m: &Memory) -> Result<()> {
    let total = m.total.context("no total")?;
    let now = HostNow::read().mem_total.context("no MemTotal")? * 1024;
    ensure!(total == now, "total, while MemTotal is {now}");
    let available = m.available.context("no available")?;
    ensure!(available > 0 && available < total, "available");
    ensure!(m.committed.context("no committed")? > 0, "committed");
    let reserves = m.admin_reserve.zip(m.user_reserve);
    ensure!(reserves.is_some(), "no reserves");
    let swap = m.swap_total.context("no swap_total")?;
    ensure!(m.swap_free.context("no swap_free")? <= swap, "swap_free");
    ensure!(m.overcommit_memory.is_some(), "no overcommit_memory");
    // mm/util.c vm_commit_limit(), which counts in pages.
    let made_of = match m.overcommit_kbytes.context("no overcommit_kbytes")? {
        0 => {
            let ratio = m.overcommit_ratio.context("no overcommit_ratio")?;
            (total - m.huge_pages.unwrap_or(0)) / 100 * ratio
        }
        kbytes => kbytes * 1024,
    };
    let limit = m.commit_limit.context("no commit_limit")?;
    ensure!(
        (made_of + swap).abs_diff(limit) <= page() as u64,
        "commit_limit, made of {made_of} and {swap} of swap"
    );
    Ok(())
}
