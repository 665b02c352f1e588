//! One forktrace, the scenarios that are provoked under it, and what it recorded of them.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use forktrace::record::{Record, Summary, TASK_ITER};

use super::compare::{self, Done};
use super::settle::settle;
use super::totals::totals;
use super::{Tests, Where};
use crate::expect::{Coarse, Recorded};
use crate::memory;
use crate::oom;
use crate::scenario::{Reach, Scenario, Skip};
use crate::session::Session;
use crate::tracer::{NotStarted, Tracer, no_raw_controls, only_one_task};
use crate::verified;

/// Starts forktrace, provokes the session's scenarios, ends it and compares.
pub(super) fn run(tests: &mut Tests, style: &str, session: Session) {
    let prefix = session.prefix.as_str();
    let scenarios: Vec<(Scenario, bool)> = session
        .scenarios
        .into_iter()
        .filter(|(s, _)| tests.at == Where::TestMachine || s.reach == Reach::Own)
        .filter(|(s, _)| tests.wanted(&format!("{prefix}/{}", s.name)))
        .collect();
    if scenarios.is_empty() {
        return;
    }
    let Some(mut tracer) = start(tests, style, prefix, session.options) else {
        return;
    };
    about_itself(tests, style, prefix, &tracer);
    if let Some(verified) = verified::check(tracer.running.pid(), session.options) {
        let name = format!("{prefix}/{}", verified::CASE);
        tests.report.case(&name, verified);
    }
    let mut done = provoke(tests, prefix, &scenarios, &mut tracer);
    let one_task = only_one_task(tracer.running.pid());
    tests
        .report
        .case(&format!("{prefix}/one_task_after_all"), one_task);
    let from = tracer.lines.len();
    let summary = tracer.end();
    done.push(rest(prefix, &tracer, from));
    tests.report.case(
        &format!("{prefix}/no_raw_controls"),
        no_raw_controls(&tracer.lines),
    );
    repeats_of_all(&mut done, &tracer);
    evaluate(tests, style, prefix, &tracer, &done, summary);
}

/// `None` where it doesn't come up, which is a case that failed or is skipped.
fn start(tests: &mut Tests, style: &str, prefix: &str, options: &[&'static str]) -> Option<Tracer> {
    let name = format!("{prefix}/session");
    let arguments = [&["--attach", style], options].concat();
    let begun = Instant::now();
    match Tracer::record(&tests.scratch, &tests.binary, &arguments) {
        Ok(tracer) => {
            tests.report.started(prefix, begun.elapsed());
            return Some(tracer);
        }
        Err(NotStarted::Refused(said)) if tests.at == Where::Host && style != "auto" => {
            tests.report.skip(&name, &said);
        }
        Err(NotStarted::Refused(said)) => {
            tests.report.fail(&name, &format!("exit status 3: {said}"));
        }
        Err(NotStarted::Failed(error)) => {
            tests.broken = true;
            tests.report.fail(&name, &format!("{error:#}"));
        }
    }
    None
}

/// What the session's record has to say of the attach style and of who counts holders; scenarios
/// expect by both.
fn about_itself(tests: &mut Tests, style: &str, prefix: &str, tracer: &Tracer) {
    let name = format!("{prefix}/session");
    let used = &tracer.session.attach;
    tests.place.style.clone_from(used);
    let wrong_style = match (style, tests.at) {
        ("auto", Where::Host) => false,
        ("auto", Where::TestMachine) => used != "fexit",
        _ => used != style,
    };
    if wrong_style {
        tests
            .report
            .fail(&name, &format!("the session says attach {used:?}"));
    }
    let holders_by = &tracer.session.holders_by;
    tests.place.by_iterator = holders_by.as_deref() == Some(TASK_ITER);
    if tests.at == Where::TestMachine && !tests.place.by_iterator {
        let text = format!("the session says that holders are counted by {holders_by:?}");
        tests.report.fail(&name, &text);
    }
}

/// Runs one scenario after the other, each until what it provoked is recorded.
fn provoke(
    tests: &mut Tests,
    prefix: &str,
    scenarios: &[(Scenario, bool)],
    tracer: &mut Tracer,
) -> Vec<Done> {
    let mut done = Vec::new();
    let mut patience = Duration::from_secs(10);
    for (scenario, is_reported) in scenarios {
        let begun = Instant::now();
        let name = format!("{prefix}/{}", scenario.name);
        let mut run = match (scenario.run)(&tests.place) {
            Ok(run) => run,
            Err(error) => {
                if error.is::<Skip>() {
                    tests.provoked.skipped.insert(scenario.name);
                }
                tests.report.error(&name, &error);
                continue;
            }
        };
        if !is_reported {
            run.silence();
        }
        tests.provoked.add(scenario.name, &run);
        let mut recorded = Recorded::default();
        if let Err(error) = settle(tracer, &mut recorded, &run, &mut patience) {
            tests.report.fail(&name, &format!("{error:#}"));
            break;
        }
        done.push(Done {
            name: name.clone(),
            expects: run.expects,
            holders: run.holders,
            quiet: run.quiet,
            dying: run.dying,
            kills: run.kills,
            unkilled: run.unkilled,
            recorded,
        });
        // What the scenario held goes here.
        drop(run.keep);
        tests.report.took(&name, begun.elapsed());
    }
    done
}

/// What came after the last scenario: nothing but counts, it should be.
fn rest(prefix: &str, tracer: &Tracer, from: usize) -> Done {
    let mut recorded = Recorded::default();
    for line in &tracer.lines[from..] {
        recorded.add(line);
    }
    Done {
        name: format!("{prefix}/rest"),
        recorded,
        ..Done::default()
    }
}

/// Gives each scenario the repeats of the whole recording: they come when they come.
fn repeats_of_all(done: &mut [Done], tracer: &Tracer) {
    let repeats: Vec<_> = tracer
        .lines
        .iter()
        .filter(|l| matches!(l.record, Record::Repeat(_)))
        .collect();
    for done in done {
        done.recorded.forget_repeats();
        for line in &repeats {
            done.recorded.add(line);
        }
    }
}

/// Compares the recording: by scenario, by kill, as a whole, and with the summary.
fn evaluate(
    tests: &mut Tests,
    style: &str,
    prefix: &str,
    tracer: &Tracer,
    done: &[Done],
    summary: Result<Summary>,
) {
    let used = &tracer.session.attach;
    // Recorded, and at the end added up: the kernel skips some in a storm, where it
    // preempts itself.
    let mut skipped = match &summary {
        Ok(summary) => summary.skipped,
        Err(_) => 0,
    };
    let possible = skipped;
    let mut coarse = Coarse::new();
    for done in done {
        done.recorded.add_coarse(&mut coarse);
    }
    for n in 0..done.len() {
        compare::scenario(
            tests,
            &done[n],
            &done[n..],
            used,
            style,
            &mut skipped,
            &mut coarse,
        );
    }
    coarse.retain(|_, left| *left > 0);
    for done in done {
        for kill in &done.kills {
            let name = format!("{}/oom_kill/{}", done.name, kill.comm);
            tests
                .report
                .case(&name, oom::compare(&tracer.lines, kill, used));
        }
        if !done.unkilled.is_empty() {
            let name = format!("{}/no_oom_kill", done.name);
            tests
                .report
                .case(&name, oom::none(&tracer.lines, &done.unkilled));
        }
    }
    if done.iter().any(|d| d.expects.iter().any(memory::about)) {
        let outcome = memory::check(&tracer.lines);
        tests.report.case(&format!("{prefix}/memory"), outcome);
    }
    let total = done.iter().map(|d| d.recorded.total()).sum();
    let outcome = summary.and_then(|summary| {
        ensure!(
            coarse.is_empty(),
            "repeats that nobody lacks, by cause: {coarse:?}"
        );
        totals(tracer, total, &summary, possible)
    });
    tests.report.case(&format!("{prefix}/totals"), outcome);
    compare::strangers(tests, done, prefix);
}
