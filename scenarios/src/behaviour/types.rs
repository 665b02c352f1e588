//! The kernel's types: a kernel that doesn't show any, and a file in their place.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use forktrace::cause::Cause;
use forktrace::provoke::sys;
use forktrace::record::{Certainty, Failure, Record};

use super::{Behaviour, await_failures, forktrace, in_own_mounts, provoke, record, refused_user};
use crate::runner::Tests;

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "no_kernel_types",
        run: |tests| in_own_mounts(|| hidden(tests)),
    },
    Behaviour {
        name: "btf_that_is_none",
        run: none,
    },
];

const FOLDER: &str = "/sys/kernel/btf";

/// Without types each failure is recorded all the same, and nothing of it is claimed to have been seen;
/// with a file of them it is as ever.
fn hidden(tests: &Tests) -> Result<()> {
    let copy = tests.scratch.path("vmlinux.btf");
    fs::copy(Path::new(FOLDER).join("vmlinux"), &copy).context("copying the types")?;
    sys::mount("none", Path::new(FOLDER), "tmpfs", "")?;
    let copy = copy.to_string_lossy().into_owned();

    let without = refused(tests, &["--comm", "typeless"])?;
    ensure!(
        without.errno.name() == "EAGAIN"
            && without.caller.comm == "typeless"
            && without.certainty != Certainty::Observed
            && matches!(without.cause, Cause::RlimitNproc | Cause::Unknown),
        "{without:?}"
    );
    let with = refused(tests, &["--comm", "typeless", "--btf", &copy])?;
    let limit = with.limit.as_ref().context("no limit")?;
    ensure!(
        with.cause == Cause::RlimitNproc && limit.value == Some(1) && limit.usage == Some(1),
        "{with:?}"
    );
    Ok(())
}

/// The failure of a user with RLIMIT_NPROC of 1.
fn refused(tests: &Tests, arguments: &[&str]) -> Result<Failure> {
    let mut tracer = record(tests, arguments)?;
    let said = |what: &str| tracer.session.absent.iter().any(|a| a.contains(what));
    let with = arguments.contains(&"--btf");
    ensure!(
        said("no kernel types") != with,
        "the session says {:?}",
        tracer.session.absent
    );
    let mut user = refused_user("typeless", tests.place.uid(139), 1)?;
    provoke(&mut user)?;
    await_failures(&mut tracer, user.actor.pid(), 1)?;
    let summary = tracer.end()?;
    ensure!(summary.failures == 1, "{} failures", summary.failures);
    let failures = tracer.lines.into_iter().find_map(|l| match l.record {
        Record::Failure(failure) => Some(*failure),
        _ => None,
    });
    failures.context("no failure")
}

/// A file that isn't what `--btf` wants: nothing is begun.
fn none(tests: &Tests) -> Result<()> {
    let out = tests.scratch.path("no-types.ndjson");
    let out = out.to_string_lossy();
    for (file, why) in [
        ("/no/such/types", "No such file"),
        ("/proc/self/exe", "not BTF"),
    ] {
        let running = forktrace(tests, &["record", "-o", &out, "--btf", file], 2)?;
        let said = running.said();
        ensure!(said.contains("--btf") && said.contains(why), "{said}");
    }
    ensure!(!Path::new(&*out).exists(), "a file was begun");
    Ok(())
}
