//! One probe of two that serve together is refused: nothing of the pair stays attached.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Behaviour, provoke, refused_user, started};
use crate::refuse_attach::{Probe, refuse};
use crate::runner::{Tests, Where};
use crate::scenario::skip;
use crate::tracer::{Running, Tracer};

pub(super) const ON_EACH_KERNEL: &[Behaviour] = &[Behaviour {
    name: "half_attached_kprobe",
    run: |tests| match tests.at {
        Where::Host => skip("tried in the test machines, whose kernels have kprobes"),
        Where::TestMachine => halves(tests),
    },
}];

/// Has a probe on its entry, and one on its return.
const FUNCTION: &str = "mem_cgroup_out_of_memory";
const COMM: &str = "half-attached";

fn halves(tests: &Tests) -> Result<()> {
    let whole = probes(tests, None)?;
    for on_return in [true, false] {
        let probe = Probe {
            function: FUNCTION,
            on_return,
        };
        let left = probes(tests, Some(probe))?;
        let which = if on_return { "return" } else { "entry" };
        ensure!(
            left + 2 == whole,
            "{left} probes of {whole} are attached where that on the {which} is refused"
        );
    }
    Ok(())
}

/// How many probes are attached, beside those refused. What they are for is said, and they see what is refused.
fn probes(tests: &Tests, refused: Option<Probe>) -> Result<usize> {
    let mut user = refused_user(COMM, tests.place.uid(170), 1)?;
    let file = tests.scratch.path("half.ndjson");
    let mut command = Command::new(&tests.binary);
    command.arg("record").arg("-o").arg(&file);
    command.args(["--attach", "kprobe", "--comm", COMM]);
    if let Some(probe) = refused {
        refuse(&mut command, probe);
    }
    let running = Running::start(&tests.scratch, "half", &mut command)?;
    let mut tracer = started(Tracer::follow(running, &file))?;
    let attached = attachments(tracer.running.pid())?;
    let listed = tracer.session.probes.iter();
    let is_listed = listed.filter(|probe| probe.target == FUNCTION).count() > 0;
    let absent = &tracer.session.absent;
    let is_absent = absent
        .iter()
        .any(|what| what.contains("a memory cgroup that refuses is not seen"));
    ensure!(
        is_listed == refused.is_none() && is_absent == refused.is_some(),
        "the session lists {:?} and lacks {absent:?}",
        tracer.session.probes
    );
    provoke(&mut user)?;
    let summary = tracer.end()?;
    ensure!(
        summary.causes.get("rlimit_nproc") == Some(&1) && summary.failures == 1,
        "one fork was refused by RLIMIT_NPROC, the summary says {summary:?}"
    );
    Ok(attached)
}

/// Descriptors by which a process keeps probes attached: perf events, or links (since 5.15).
fn attachments(pid: i32) -> Result<usize> {
    let folder = format!("/proc/{pid}/fd");
    let entries = fs::read_dir(&folder).with_context(|| format!("reading {folder}"))?;
    let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    Ok(links
        .filter(|link| {
            let name = link.to_string_lossy();
            name == "anon_inode:[perf_event]" || name == "anon_inode:bpf_link"
        })
        .count())
}
