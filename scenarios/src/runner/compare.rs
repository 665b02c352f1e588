//! What was recorded of scenarios against what they did.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use forktrace::cause::Cause;
use forktrace::record::{Failure, Operation};

use super::{Tests, Where};
use crate::expect::{Coarse, Expect, Recorded, compare};
use crate::holders::WantedHolders;
use crate::machine::{counts_skipped_kprobes, without_preemption};
use crate::oom::WantedKill;

/// What a scenario did, without what it held, and what was recorded of it.
#[derive(Default)]
pub(super) struct Done {
    pub name: String,
    pub expects: Vec<Expect>,
    pub holders: Option<WantedHolders>,
    pub quiet: Vec<u32>,
    pub dying: Vec<u32>,
    pub kills: Vec<WantedKill>,
    pub unkilled: Vec<u32>,
    pub recorded: Recorded,
}

/// The cases of a scenario: its records against what it did. `later` are this and the scenarios
/// after it.
///
/// `skipped`: so many may be missing, or lack the word of a stage, where many
/// tasks ask at once; what is used up is taken off, and so is what is used of `coarse`.
pub(super) fn scenario(
    tests: &mut Tests,
    done: &Done,
    later: &[Done],
    used: &str,
    style: &str,
    skipped: &mut u64,
    coarse: &mut Coarse,
) {
    callers(tests, done, used, style, skipped, coarse);
    if let Some(wanted) = &done.holders {
        let name = format!("{}/holders", done.name);
        tests.report.case(&name, wanted.check(&done.recorded));
    }
    if !done.dying.is_empty() {
        tests
            .report
            .case(&format!("{}/fatal_signal", done.name), only_dying(done));
    }
    if !done.quiet.is_empty() {
        no_record(tests, done, later);
    }
}

/// One case a caller that was refused.
fn callers(
    tests: &mut Tests,
    done: &Done,
    used: &str,
    style: &str,
    skipped: &mut u64,
    coarse: &mut Coarse,
) {
    let recorded = &done.recorded;
    let mut by_pid: BTreeMap<u32, Vec<&Expect>> = BTreeMap::new();
    for expect in &done.expects {
        by_pid.entry(expect.pid).or_default().push(expect);
    }
    for (pid, expects) in &by_pid {
        let name = format!("{}/{}", done.name, expects[0].kind.label());
        let storm = done.name.contains("once_8_threads");
        let mut none = 0;
        let skipped = if storm { &mut *skipped } else { &mut none };
        let doubted = !without_preemption() && (storm || !counts_skipped_kprobes());
        let (seen, wrong) = compare(recorded, *pid, expects, used, doubted, skipped, coarse);
        for seen in &seen {
            tests.report.seen(style, seen);
        }
        if wrong.is_empty() {
            tests.report.pass(&name);
            continue;
        }
        tests.report.fail(&name, &wrong.join("; "));
        for raw in recorded.raw_of(*pid).iter().take(3) {
            tests.report.detail(raw);
        }
    }
}

/// One case for all callers of which nothing may be recorded.
fn no_record(tests: &mut Tests, done: &Done, later: &[Done]) {
    let name = format!("{}/no_record", done.name);
    // A record may come late, but not once the pid is another's.
    let loud: Vec<(&Recorded, u32)> = done
        .quiet
        .iter()
        .flat_map(|pid| {
            later
                .iter()
                .filter(|d| d.expects.iter().all(|e| e.pid != *pid))
                .filter(|d| d.recorded.count(*pid) > 0)
                .map(|d| (&d.recorded, *pid))
        })
        .collect();
    if loud.is_empty() {
        tests.report.pass(&name);
        return;
    }
    tests.report.fail(&name, "records of what is no failure");
    for (recorded, pid) in loud.iter().take(3) {
        for raw in recorded.raw_of(*pid).iter().take(1) {
            tests.report.detail(raw);
        }
    }
}

/// Of callers that were killed in the middle of a fork, some were caught there,
/// and nothing else is said of any.
fn only_dying(done: &Done) -> Result<()> {
    let mut recorded = 0;
    for pid in &done.dying {
        for failure in done.recorded.of(*pid) {
            ensure!(
                failure.cause == Cause::FatalSignal,
                "{:?} ({}) of a caller that was killed",
                failure.cause,
                failure.errno
            );
            recorded += 1;
        }
    }
    ensure!(
        recorded > 0,
        "{} were killed, none is recorded",
        done.dying.len()
    );
    Ok(())
}

/// In a test machine nobody else fails, but for the kernel's own threads while
/// the host is full.
pub(super) fn strangers(tests: &mut Tests, done: &[Done], prefix: &str) {
    if tests.at == Where::Host {
        return;
    }
    let name = format!("{prefix}/nobody_else");
    let mut strange = Vec::new();
    // A child of those that are killed can be killed in a fork as well, and its
    // record come when the next scenario runs already.
    let some_die = done.iter().any(|d| !d.dying.is_empty());
    let killed = |f: &Failure| f.cause == Cause::FatalSignal && some_die;
    for done in done {
        for pid in done.recorded.pids() {
            let known = done.expects.iter().any(|e| e.pid == pid)
                || done.quiet.contains(&pid)
                || done.dying.contains(&pid)
                || done.recorded.of(pid).all(killed);
            let asked = done.recorded.of(pid).any(|f| {
                matches!(
                    f.operation,
                    Operation::Process
                        | Operation::Thread
                        | Operation::Vfork
                        | Operation::Exec
                        | Operation::ThreadStack
                )
            });
            if !known && asked {
                strange.extend(done.recorded.raw_of(pid).into_iter().take(1));
            }
        }
    }
    if strange.is_empty() {
        tests.report.pass(&name);
        return;
    }
    tests
        .report
        .fail(&name, "records of callers that nobody provoked");
    for raw in strange.iter().take(5) {
        tests.report.detail(raw);
    }
}
