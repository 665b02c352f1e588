//! The tests: for each attach style, everything is provoked under one
//! forktrace, which is then ended, and its recording compared.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use forktrace::cause::Cause;
use forktrace::record::{Failure, Loss, LossReason, Operation, Record, TASK_ITER};

use crate::behaviour;
use crate::brief::{self, Provoked};
use crate::expect::{Expect, Recorded, compare};
use crate::holders::Wanted;
use crate::machine::await_some;
use crate::memory;
use crate::oom::{self, WantedKill};
use crate::report::Report;
use crate::scenario::{Place, Reach, Run, Scenario, Skip};
use crate::session::{self, Session};
use crate::tracer::{NotStarted, Scratch, Tracer, no_raw_controls};

/// Where the tests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// A machine of their own: everything is allowed.
    TestMachine,
    /// Somebody's host: it has to stay as it was.
    Host,
}

/// The kinds of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Everything provoked under one forktrace, its recording compared
    Sessions,
    /// Behaviour that comes out differently on each kernel
    Kernel,
    /// Behaviour that doesn't depend on the kernel: arguments, exit statuses,
    /// signals, full disks
    Commands,
}

/// What to run; an empty list is all of its kind.
#[derive(Default)]
pub struct Choice {
    pub styles: Vec<String>,
    pub only: Vec<String>,
    pub kinds: Vec<Kind>,
    /// Of the sessions a few scenarios, which provoke every cause.
    pub brief: bool,
}

impl Choice {
    /// Whether a case of this name was asked for.
    fn has(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| name.contains(only.as_str()))
    }

    /// Whether a behaviour of this name is one of the styles' that were asked
    /// for. One without a style in its name is of what people get.
    pub fn is_of_style(&self, name: &str) -> bool {
        let of = |style: &&&str| name.ends_with(&format!("_{style}"));
        let wanted: &[&str] = match STYLES.iter().find(of) {
            None | Some(&"auto") => &["auto", "fexit"],
            Some(style) => &[style],
        };
        self.styles.is_empty() || self.styles.iter().any(|s| wanted.contains(&s.as_str()))
    }

    pub fn has_kind(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// `auto` is the first in a test machine as it is on a host: what users have.
const STYLES: [&str; 4] = ["auto", "fexit", "kprobe", "tracepoint"];

/// What one run knows.
pub struct Tests {
    pub place: Place,
    pub at: Where,
    pub scratch: Scratch,
    pub binary: std::path::PathBuf,
    pub choice: Choice,
    pub report: Report,
    pub provoked: Provoked,
    /// forktrace does not even come up: the rest would only wait for it.
    pub broken: bool,
}

impl Tests {
    /// Whether a case of this name was asked for.
    pub fn wanted(&self, name: &str) -> bool {
        self.choice.has(name)
    }
}

/// Runs all tests; true when none failed.
pub fn run(at: Where, forktrace: &Path, choice: Choice) -> Result<bool> {
    let scratch = Scratch::new()?;
    let binary = scratch.binary(forktrace)?;
    let mut tests = Tests {
        place: Place::find(1)?,
        at,
        scratch,
        binary,
        choice,
        report: Report::default(),
        provoked: Provoked::default(),
        broken: false,
    };
    let sessions = tests.choice.has_kind(Kind::Sessions);
    let styles: Vec<String> = match &tests.choice.styles[..] {
        _ if !sessions => Vec::new(),
        [] => STYLES.map(str::to_owned).into(),
        styles => styles.to_vec(),
    };
    for style in &styles {
        tests.provoked = Provoked::default();
        for session in session::of(style, tests.at, tests.choice.brief) {
            one_session(&mut tests, style, session);
        }
        brief::check(&mut tests, style);
    }
    if tests.broken {
        tests
            .report
            .fail("behaviour", "not tried: forktrace did not start");
    } else {
        if tests.choice.has_kind(Kind::Kernel) {
            behaviour::run_on_each_kernel(&mut tests);
        }
        if tests.choice.has_kind(Kind::Commands) {
            behaviour::run(&mut tests);
        }
    }
    Ok(tests.report.end())
}

/// What a scenario did, without what it held, and what was recorded of it.
struct Done {
    name: String,
    expects: Vec<Expect>,
    holders: Option<Wanted>,
    quiet: Vec<u32>,
    dying: Vec<u32>,
    kills: Vec<WantedKill>,
    unkilled: Vec<u32>,
    recorded: Recorded,
}

/// One forktrace, and the session's scenarios under it.
fn one_session(tests: &mut Tests, style: &str, session: Session) {
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
    let arguments = [&["--attach", style], session.options].concat();
    let session = format!("{prefix}/session");
    let begun = Instant::now();
    let mut tracer = match Tracer::record(&tests.scratch, &tests.binary, &arguments) {
        Ok(tracer) => tracer,
        Err(NotStarted::Refused(said)) if tests.at == Where::Host && style != "auto" => {
            tests.report.skip(&session, &said);
            return;
        }
        Err(NotStarted::Refused(said)) => {
            tests
                .report
                .fail(&session, &format!("exit status 3: {said}"));
            return;
        }
        Err(NotStarted::Failed(error)) => {
            tests.broken = true;
            tests.report.fail(&session, &format!("{error:#}"));
            return;
        }
    };
    tests.report.started(prefix, begun.elapsed());
    let used = tracer.session.attach.clone();
    tests.place.style.clone_from(&used);
    let wrong_style = match (style, tests.at) {
        ("auto", Where::Host) => false,
        ("auto", Where::TestMachine) => used != "fexit",
        _ => used != style,
    };
    if wrong_style {
        tests
            .report
            .fail(&session, &format!("the session says attach {used:?}"));
    }
    let holders_by = tracer.session.holders_by.clone();
    tests.place.by_iterator = holders_by.as_deref() == Some(TASK_ITER);
    if tests.at == Where::TestMachine && !tests.place.by_iterator {
        let text = format!("the session says that holders are counted by {holders_by:?}");
        tests.report.fail(&session, &text);
    }

    let mut done: Vec<Done> = Vec::new();
    let mut patience = Duration::from_secs(10);
    for (scenario, recorded) in &scenarios {
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
        if !recorded {
            run.silence();
        }
        tests.provoked.add(scenario.name, &run);
        let mut recorded = Recorded::default();
        if let Err(error) = settle(&mut tracer, &mut recorded, &run, &mut patience) {
            tests.report.fail(&name, &format!("{error:#}"));
            break;
        }
        done.push(Done {
            name,
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
        let name = format!("{prefix}/{}", scenario.name);
        tests.report.took(&name, begun.elapsed());
    }

    let one_task = only_one_task(tracer.running.pid());
    tests
        .report
        .case(&format!("{prefix}/one_task_after_all"), one_task);
    let from = tracer.lines.len();
    let summary = tracer.end();
    // What came after the last scenario: nothing but counts, it should be.
    let mut rest = Recorded::default();
    for line in &tracer.lines[from..] {
        rest.add(line);
    }
    done.push(Done {
        name: format!("{prefix}/rest"),
        expects: Vec::new(),
        holders: None,
        quiet: Vec::new(),
        dying: Vec::new(),
        kills: Vec::new(),
        unkilled: Vec::new(),
        recorded: rest,
    });
    tests.report.case(
        &format!("{prefix}/no_raw_controls"),
        no_raw_controls(&tracer.lines),
    );
    let repeats: Vec<_> = tracer
        .lines
        .iter()
        .filter(|l| matches!(l.record, Record::Repeat(_)))
        .collect();
    for done in &mut done {
        done.recorded.forget_repeats();
        for line in &repeats {
            done.recorded.add(line);
        }
    }
    // Recorded, and at the end added up: the kernel skips some in a storm, where it
    // preempts itself.
    let mut skipped = match &summary {
        Ok(summary) => summary.skipped,
        Err(_) => 0,
    };
    let possible = skipped;
    for n in 0..done.len() {
        compare_scenario(tests, &done[n], &done[n..], &used, style, &mut skipped);
    }
    for done in &done {
        for kill in &done.kills {
            let name = format!("{}/oom_kill/{}", done.name, kill.comm);
            tests
                .report
                .case(&name, oom::compare(&tracer.lines, kill, &used));
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
    let outcome = summary.and_then(|summary| totals(&tracer, total, &summary, possible));
    tests.report.case(&format!("{prefix}/totals"), outcome);
    strangers(tests, &done, prefix);
}

/// Since 6.7 the kernel counts the kprobes that it skips (kernel/trace/bpf_trace.c
/// `trace_call_bpf`). Before, where it preempts itself, that one didn't run means nothing, and
/// what rests on it is inferred.
pub fn counts_skipped_kprobes() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split('.').map_while(|n| n.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(7))
}

/// Kernels built without preemption give a kretprobe one instance a CPU
/// (kernel/kprobes.c `register_kretprobe`, up to 5.x), and what it misses is recorded
/// as a loss. They skip no program.
pub fn without_preemption() -> bool {
    std::fs::read_to_string("/proc/version").is_ok_and(|v| !v.contains("PREEMPT"))
}

/// Waits until everything that was provoked is recorded, and reads the files
/// that the records name while they are there.
fn settle(
    tracer: &mut Tracer,
    recorded: &mut Recorded,
    run: &Run,
    patience: &mut Duration,
) -> Result<()> {
    let mut wanted: HashMap<u32, u64> = HashMap::new();
    let mut files: HashMap<u32, &Path> = HashMap::new();
    for expect in &run.expects {
        *wanted.entry(expect.pid).or_default() += 1;
        if let Some(file) = expect.limit.as_ref().and_then(|l| l.file.as_deref()) {
            files.insert(expect.pid, file);
        }
    }
    // Lines that came with the session's belong to the first scenario.
    let mut error = None;
    let settled = await_some(*patience, || {
        match tracer.read() {
            Ok(from) => {
                for line in &tracer.lines[from..] {
                    recorded.add(line);
                    if let Record::Failure(failure) = &line.record
                        && files.contains_key(&failure.caller.pid)
                        && let Some(file) = failure.limit.as_ref().and_then(|l| l.file.as_ref())
                    {
                        let text =
                            std::fs::read_to_string(file).unwrap_or_else(|error| error.to_string());
                        recorded.files.insert(failure.seq, text);
                    }
                }
            }
            Err(e) => {
                error = Some(e);
                return Some(());
            }
        }
        if let Some(status) = tracer.running.status() {
            error = Some(anyhow::anyhow!(
                "forktrace ended ({status}); it said: {}",
                tracer.running.said().trim()
            ));
            return Some(());
        }
        let complete = wanted
            .iter()
            .all(|(pid, count)| recorded.count(*pid) >= *count);
        let mut kills = run.kills.iter();
        (complete && kills.all(|kill| oom::is_recorded(&tracer.lines, kill.pid))).then_some(())
    });
    if settled.is_none() {
        // Something is missing: the comparison will say what. Don't wait as long
        // for the next.
        *patience = (*patience / 2).max(Duration::from_millis(500));
    }
    match error {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// One case a caller: its records against what it did. `later` are this and
/// the scenarios after it.
///
/// `skipped`: so many may be missing, or lack the word of a stage, where many
/// tasks ask at once; what is used up is taken off.
fn compare_scenario(
    tests: &mut Tests,
    done: &Done,
    later: &[Done],
    used: &str,
    style: &str,
    skipped: &mut u64,
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
        let (seen, wrong) = compare(recorded, *pid, expects, used, doubted, skipped);
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
    if let Some(wanted) = &done.holders {
        let name = format!("{}/holders", done.name);
        tests.report.case(&name, wanted.check(recorded));
    }
    if !done.dying.is_empty() {
        tests
            .report
            .case(&format!("{}/fatal_signal", done.name), only_dying(done));
    }
    if !done.quiet.is_empty() {
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
        } else {
            tests.report.fail(&name, "records of what is no failure");
            for (recorded, pid) in loud.iter().take(3) {
                for raw in recorded.raw_of(*pid).iter().take(1) {
                    tests.report.detail(raw);
                }
            }
        }
    }
}

/// Of callers that were killed in the middle of a fork, some were caught there,
/// and nothing else is said of any.
fn only_dying(done: &Done) -> Result<()> {
    let mut recorded = 0;
    for pid in &done.dying {
        for failure in done.recorded.of(*pid) {
            anyhow::ensure!(
                failure.cause == Cause::FatalSignal,
                "{:?} ({}) of a caller that was killed",
                failure.cause,
                failure.errno
            );
            recorded += 1;
        }
    }
    anyhow::ensure!(
        recorded > 0,
        "{} were killed, none is recorded",
        done.dying.len()
    );
    Ok(())
}

/// The summary against the records: exact, nothing lost.
///
/// `skipped`: where returns can have been skipped, as many may be lost.
fn totals(
    tracer: &Tracer,
    total: u64,
    summary: &forktrace::record::Summary,
    skipped: u64,
) -> Result<()> {
    let losses = |of: fn(&Loss) -> bool| -> u64 {
        let counts = tracer.lines.iter().map(|l| match &l.record {
            Record::Loss(loss) if of(loss) => loss.count,
            _ => 0,
        });
        counts.sum()
    };
    oom::totals(&tracer.lines, summary)?;
    let lost = losses(Loss::is_of_failures);
    anyhow::ensure!(
        summary.failures == total + lost,
        "the summary counts {} failures, the records {total} and {lost} lost",
        summary.failures
    );
    anyhow::ensure!(lost <= skipped, "{lost} lost");
    anyhow::ensure!(
        summary.lost == lost,
        "the summary says {} lost, the records {lost}",
        summary.lost
    );
    let recorded = losses(|loss| loss.reason == LossReason::Skipped);
    anyhow::ensure!(
        summary.skipped == recorded,
        "the summary says {} skipped, the records {recorded}",
        summary.skipped
    );
    let by_cause: u64 = summary.causes.values().sum();
    anyhow::ensure!(
        by_cause + lost == summary.failures,
        "the summary's causes add up to {by_cause}, {lost} lost, of {}",
        summary.failures
    );
    let mut last = 0;
    for line in &tracer.lines {
        if let Record::Failure(failure) = &line.record {
            anyhow::ensure!(
                failure.seq == last + 1,
                "seq {} comes after {last}",
                failure.seq
            );
            last = failure.seq;
        }
        if let Record::Repeat(repeat) = &line.record {
            anyhow::ensure!(
                repeat.of >= 1 && repeat.of <= last && repeat.count >= 1,
                "a repeat of {} counts {}",
                repeat.of,
                repeat.count
            );
        }
    }
    Ok(())
}

/// In a test machine nobody else fails, but for the kernel's own threads while
/// the host is full.
fn strangers(tests: &mut Tests, done: &[Done], prefix: &str) {
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

/// forktrace has one thread and no child.
pub fn only_one_task(pid: i32) -> Result<()> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .context("forktrace is gone")?
        .count();
    anyhow::ensure!(tasks == 1, "forktrace has {tasks} tasks");
    let path = format!("/proc/{pid}/task/{pid}/children");
    // Only where the kernel was built with CONFIG_PROC_CHILDREN.
    if let Ok(children) = std::fs::read_to_string(path) {
        anyhow::ensure!(
            children.trim().is_empty(),
            "forktrace has children: {children}"
        );
    }
    Ok(())
}
