//! The selftest: provokes each cause in a world of its own, traces itself, and
//! compares what is named with what was done.
//!
//! One thread. Unlike every other session it forks once it runs: that is what
//! it is for. Everything it changes is put back when it ends, however it ends
//! (see [`crate::provoke::undo`]), and it looks for itself whether the host is as before.

mod expect;
mod host_state;
mod place;
mod provocation;
mod report;
mod world;

use std::{
    collections::HashMap,
    convert::Infallible,
    io, mem, thread,
    time::{Duration, Instant},
};

use forktrace_common::settings::{Settings, errnos};

pub use report::{Case, End, Line, Outcome, Start, json_schema};

use crate::{
    cause::Cause,
    probe::style::Style,
    provoke::{Trouble, actor, interrupt, sys, undo::Undo},
    record::{Failure, Record, SCHEMA},
    tracer::{Options as TracerOptions, Selection, StartError, Tracer, own_thread_group},
};
use expect::{Expected, compare};
use host_state::HostState;
use provocation::{Provocation, Provoked, Reach};
use world::World;

/// A child that gets refused.
type Actor = actor::Actor;
/// Its end.
type Link = actor::Link<Vec<u64>>;

/// How long a record may take. Generous: emulated machines.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long processes that were killed may take to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// What to provoke, and how to trace it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `None`: the best that the kernel accepts.
    pub attach: Option<Style>,
    /// Also what changes settings of the whole host, for a moment.
    pub disruptive: bool,
    /// Empty: all.
    pub only: Vec<Cause>,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It can't run here.
    #[error("the selftest can't start")]
    Start(#[source] StartError),
    /// Setting up or restoring failed: what was tried, and the answer.
    #[error("{doing}")]
    Prepare {
        /// What was tried.
        doing: &'static str,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The result could not be written.
    #[error("writing the result")]
    Write(#[source] io::Error),
}

/// Provokes, compares, restores. Every line goes to `sink` as soon as it is
/// known. To be called on the only thread of the process.
pub fn run(options: &Options, mut sink: impl FnMut(&Line) -> io::Result<()>) -> Result<End, Error> {
    privilege()?;
    if !world::in_initial_pid_namespace() {
        return Err(Error::Start(StartError::Unsupported(
            "it has to know its own processes by their numbers, and runs in a pid namespace \
             (a container's): run it on the host, or with the host's pid namespace"
                .to_owned(),
        )));
    }
    let prepare = |doing| move |source| Error::Prepare { doing, source };
    let _handlers =
        interrupt::Handlers::install().map_err(prepare("installing signal handlers"))?;
    // Orphans of its processes become its children, so that none is left.
    let stranger = sys::has_children();
    sys::adopt_orphans();
    let before = HostState::now();
    let undo = Undo::start().map_err(|trouble| Error::Prepare {
        doing: "starting the process that restores settings",
        source: io::Error::other(trouble),
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(prepare("setting up the event loop"))?;
    // Never polled: what has come is read whenever something should have.
    let entered = runtime.enter();
    let pid = own_thread_group().map_err(Error::Start)?;
    let (tracer, session) = Tracer::start(tracer_options(options, pid)).map_err(Error::Start)?;
    let start = start(&session, options);
    let mut run = Run {
        tracer,
        world: World::new(undo.clone(), start.attach != Style::Tracepoint.name()),
        records: Records::default(),
    };
    sink(&Line::SelftestStart(start)).map_err(Error::Write)?;

    let mut end = End::default();
    for (n, provocation) in provocation::all().iter().enumerate() {
        if !options.only.is_empty() && !options.only.contains(&provocation.cause) {
            continue;
        }
        run.world.comm = format!("selftest-{n}");
        let Ok(case) = run.case(provocation, options.disruptive) else {
            break;
        };
        count(&case, &mut end);
        sink(&Line::SelftestCase(case)).map_err(Error::Write)?;
    }
    end.signal = interrupt::came();
    if end.signal.is_none() {
        for case in not_provoked(&options.only) {
            count(&case, &mut end);
            sink(&Line::SelftestCase(case)).map_err(Error::Write)?;
        }
    }
    end.differences.extend(run.strangers());
    end.differences.extend(undo.left());
    // The last of it: the child restores what could not be restored here.
    drop(undo);
    drop(entered);
    if !stranger && !sys::reap_all(FAREWELL) {
        end.differences
            .push("processes of the selftest's own are left".to_owned());
    }
    end.differences
        .extend(HostState::now().differences(&before));
    sink(&Line::SelftestEnd(end.clone())).map_err(Error::Write)?;
    Ok(end)
}

/// Being another user, in other namespaces and cgroups takes root.
fn privilege() -> Result<(), Error> {
    let uid = rustix::process::geteuid().as_raw();
    let missing = crate::tracer::missing_capabilities();
    if uid == 0 && missing.is_empty() {
        return Ok(());
    }
    let mut lacks = Vec::new();
    if uid != 0 {
        lacks.push(format!("runs as uid {uid}"));
    }
    if !missing.is_empty() {
        lacks.push(format!("lacks {}", missing.join(" and ")));
    }
    Err(Error::Start(StartError::Privilege(format!(
        "it makes users, namespaces and cgroups of its own, which takes root, and this process {}.\n\
         run it as root: sudo forktrace selftest",
        lacks.join(" and ")
    ))))
}

fn tracer_options(options: &Options, pid: u32) -> TracerOptions {
    TracerOptions {
        attach: options.attach,
        btf: None,
        settings: Settings {
            // Only what it provokes itself: a busy host's failures are not its.
            tgid: pid,
            detail_per_second: 16,
            thread_stacks: 1,
            errnos: errnos::ALL,
            ..Settings::default()
        },
        selection: Selection::default(),
        ring_bytes: 1 << 20,
        host: None,
        debug: false,
        seccomp: true,
        filters: [("pid".to_owned(), pid.to_string())].into(),
    }
}

fn start(session: &Record, options: &Options) -> Start {
    let mut start = Start {
        schema: SCHEMA,
        disruptive: options.disruptive,
        ..Start::default()
    };
    if let Record::Session(session) = session {
        start.version.clone_from(&session.version);
        start.host.clone_from(&session.host);
        start.kernel.clone_from(&session.kernel);
        start.attach.clone_from(&session.attach);
    }
    start
}

fn count(case: &Case, end: &mut End) {
    match case.outcome {
        Outcome::Named => end.named += 1,
        Outcome::Skipped => end.skipped += 1,
        _ => end.not_named += 1,
    }
}

fn not_provoked(only: &[Cause]) -> impl Iterator<Item = Case> {
    provocation::WITHOUT
        .iter()
        .filter(|(cause, _)| only.is_empty() || only.contains(cause))
        .map(|(cause, why)| case(*cause, "", Outcome::Skipped, *why))
}

fn case(cause: Cause, variant: &str, outcome: Outcome, why: impl Into<String>) -> Case {
    Case {
        cause,
        variant: variant.to_owned(),
        outcome,
        refused: 0,
        errno: None,
        said: None,
        certainty: None,
        limit: None,
        why: vec![why.into()],
    }
}

/// A tracer and what it has recorded so far.
struct Run {
    tracer: Tracer,
    world: World,
    records: Records,
}

/// Failures and repeats that no provocation has taken yet, and what was lost.
#[derive(Default)]
struct Records {
    failures: Vec<Failure>,
    repeats: HashMap<u64, u64>,
    lost: u64,
}

impl Records {
    fn add(&mut self, record: &Record) {
        match record {
            // Processes of its own that it kills: nobody was refused.
            Record::Failure(failure) if failure.cause.caller_killed() => {}
            Record::Failure(failure) => self.failures.push((**failure).clone()),
            Record::Repeat(repeat) => *self.repeats.entry(repeat.of).or_default() += repeat.count,
            // Not what was lost but what can have been, of anybody's mappings
            // too: here it is known what has to be recorded.
            Record::Loss(loss) if !loss.is_of_failures() => {}
            Record::Loss(loss) => self.lost += loss.count,
            // Of others: the selftest's own are no victims.
            Record::OomKill(_) => {}
            Record::Session(_) | Record::Summary(_) => {}
        }
    }

    fn repeats(&self, failure: &Failure) -> u64 {
        self.repeats.get(&failure.seq).copied().unwrap_or(0)
    }

    fn count(&self, comm: &str, aside: Option<Cause>) -> u64 {
        self.failures
            .iter()
            .filter(|f| f.caller.comm == comm && Some(f.cause) != aside)
            .map(|f| 1 + self.repeats(f))
            .sum()
    }

    /// Failures of callers with this name, each with its repeats; what has this
    /// cause is dropped.
    fn take(&mut self, comm: &str, aside: Option<Cause>) -> Vec<(Failure, u64)> {
        let (wanted, others) = mem::take(&mut self.failures)
            .into_iter()
            .partition(|f: &Failure| f.caller.comm == comm);
        self.failures = others;
        let wanted: Vec<Failure> = wanted;
        wanted
            .into_iter()
            .filter(|f| Some(f.cause) != aside)
            .map(|f| {
                let repeats = self.repeats(&f);
                (f, repeats)
            })
            .collect()
    }
}

impl Run {
    /// One provocation; an error when a signal asked for the end.
    fn case(&mut self, provocation: &Provocation, disruptive: bool) -> Result<Case, Trouble> {
        interrupt::check()?;
        let plain =
            |outcome, why: String| case(provocation.cause, provocation.variant, outcome, why);
        if provocation.reach == Reach::Host && !disruptive {
            return Ok(plain(
                Outcome::Skipped,
                "needs --disruptive (changes the host)".to_owned(),
            ));
        }
        let Provoked { expected, keep } = match (provocation.run)(&self.world) {
            Ok(provoked) => provoked,
            Err(Trouble::Interrupted) => return Err(Trouble::Interrupted),
            // Ctrl-C reaches the children too, and their end is no finding.
            Err(_) if interrupt::came().is_some() => return Err(Trouble::Interrupted),
            Err(Trouble::Skip(why)) => return Ok(plain(Outcome::Skipped, why)),
            Err(trouble) => return Ok(plain(Outcome::Failed, trouble.to_string())),
        };
        let heard = self.hear(
            &expected,
            match provocation.reach {
                Reach::Own => PATIENCE,
                Reach::Host => provocation::SHORT,
            },
        );
        // What was set up goes, settings of the host first.
        drop(keep);
        heard?;
        let judged = compare(
            &expected,
            &self.records.take(&self.world.comm, expected.aside),
        );
        Ok(Case {
            cause: provocation.cause,
            variant: provocation.variant.to_owned(),
            outcome: judged.outcome,
            refused: expected.refused,
            errno: Some(expected.errno),
            said: judged.said,
            certainty: judged.certainty,
            limit: judged.limit,
            why: judged.why,
        })
    }

    /// Reads until as many refusals are recorded as there were.
    fn hear(&mut self, expected: &Expected, patience: Duration) -> Result<(), Trouble> {
        let end = Instant::now() + patience;
        loop {
            self.drain();
            let recorded = self.records.count(&self.world.comm, expected.aside);
            if recorded >= expected.refused || Instant::now() >= end {
                return Ok(());
            }
            interrupt::check()?;
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn drain(&mut self) {
        let Self {
            tracer, records, ..
        } = self;
        let mut add = |record: &Record| -> Result<(), Infallible> {
            records.add(record);
            Ok(())
        };
        let Ok(()) = tracer.drain(&mut add);
        let Ok(_) = tracer.tick(&mut add);
    }

    /// Ends the tracing: failures that were not provoked, and what was lost.
    fn strangers(mut self) -> Vec<String> {
        self.drain();
        let Self {
            tracer,
            mut records,
            ..
        } = self;
        let Ok(()) = tracer.finish(|record| -> Result<(), Infallible> {
            records.add(record);
            Ok(())
        });
        let mut all: Vec<String> = records
            .failures
            .iter()
            .map(|f| format!("a refusal that was not provoked is recorded: {}", f.summary))
            .collect();
        if records.lost > 0 {
            all.push(format!("{} refusals were lost", records.lost));
        }
        all
    }
}
