//! kill -9 leaves nothing in the kernel, and the host's mounts stay.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use forktrace::provoke::sys::Signal;

use super::{Behaviour, record};
use crate::machine::{BpfKind, await_some, bpf_ids};
use crate::runner::Tests;

pub(super) const BEHAVIOURS: &[Behaviour] = &[Behaviour {
    name: "kill_leaves_nothing",
    run: kill,
}];

const KINDS: [BpfKind; 3] = [BpfKind::Programs, BpfKind::Maps, BpfKind::Links];

/// Ids of all programs, maps and links that there are.
pub(super) fn all_ids() -> Result<Vec<HashSet<u32>>> {
    KINDS
        .iter()
        .map(|kind| Ok(bpf_ids(*kind)?.into_iter().collect()))
        .collect()
}

fn mounts() -> Result<String> {
    Ok(fs::read_to_string("/proc/self/mountinfo")?)
}

/// What came between `before` and `during` goes; something did come.
pub(super) fn none_left(before: &[HashSet<u32>], during: &[HashSet<u32>]) -> Result<()> {
    for (n, kind) in KINDS.iter().enumerate() {
        let new: HashSet<u32> = during[n].difference(&before[n]).copied().collect();
        // Links are what perf-event probes do without on old kernels.
        ensure!(
            !new.is_empty() || *kind == BpfKind::Links,
            "no {kind:?} appeared while it ran"
        );
        // The kernel frees them after a grace period.
        let gone = await_some(Duration::from_secs(15), || {
            let now = bpf_ids(*kind).ok()?;
            now.iter().all(|id| !new.contains(id)).then_some(())
        });
        ensure!(gone.is_some(), "{kind:?} stay behind: {new:?}");
    }
    Ok(())
}

fn kill(tests: &Tests) -> Result<()> {
    let mounted = mounts()?;
    let before = all_ids()?;
    let mut tracer = record(tests, &[])?;
    let during = all_ids()?;
    let mounted_during = mounts()?;
    tracer.running.signal(Signal::KILL);
    tracer.running.wait(Duration::from_secs(10))?;
    none_left(&before, &during)?;
    ensure!(mounted_during == mounted, "the mounts changed while it ran");
    ensure!(mounts()? == mounted, "the mounts have changed");
    let tracing = |text: &str| {
        text.lines()
            .any(|l| l.split(' ').nth(4) == Some("/sys/kernel/tracing"))
    };
    ensure!(
        tracing(&mounted) || !tracing(&mounts()?),
        "/sys/kernel/tracing is mounted"
    );
    Ok(())
}
