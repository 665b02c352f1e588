//! The loop that `live` and `record` share.

use std::{
    io::{self, Write as _},
    path::Path,
};

use anyhow::Context as _;
use forktrace::{
    confine::{Needs, confine},
    record::Record,
    tracer::{TICK, Tracer},
    view::without_numbers,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

use super::{
    child::{Child, Started},
    event_loop::{EndSignals, event_loop, until},
    monitor::Monitor,
    wait,
};
use crate::{cli::TraceArgs, exit::Exit};

/// What becomes of the records.
pub(super) trait Sink {
    /// Takes the next one.
    fn take(&mut self, record: &Record) -> anyhow::Result<()>;

    /// Says what has come so far: SIGUSR1 asks for it.
    fn sum_up(&mut self) -> anyhow::Result<()>;

    /// When it has something to say though nothing comes, see [`Self::pass`].
    fn due(&self) -> Option<std::time::Instant> {
        None
    }

    /// Says what is due.
    fn pass(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    /// Where it goes on to make and remove files; `None`: nowhere.
    fn folder(&self) -> Option<&Path> {
        None
    }
}

/// Traces until a signal, the time, the number of failures, or the command
/// says so, and hands every record to the sink that `open` makes.
pub(super) fn run<S: Sink>(
    args: &TraceArgs,
    open: impl FnOnce() -> anyhow::Result<S>,
) -> anyhow::Result<Exit> {
    event_loop()?.block_on(async {
        // Handlers first: a Ctrl-C during set-up must end cleanly as well.
        let mut signals = Signals::new().context("installing signal handlers")?;
        // Beyond the clock's end means for ever.
        let deadline = args.duration.and_then(|d| Instant::now().checked_add(d));
        let Some(options) = wait::options(args, &mut signals, deadline).await? else {
            return Ok(Exit::Done);
        };
        let mut monitor = Monitor::open(&args.monitor)?;
        let (tracer, session) = Tracer::start(options)?;
        let deadline = args.duration.and_then(|d| Instant::now().checked_add(d));
        if args.verbose {
            let _ = writeln!(io::stderr(), "forktrace: {}", tracer.start_times());
        }
        let mut sink = open()?;
        // A command gets the caller's own rights, and is started first.
        if args.command.is_empty() {
            give_up(args, &tracer, &sink, &monitor);
        }
        let mut outputs = Outputs {
            sink: &mut sink,
            monitor: &mut monitor,
            refused: false,
        };
        outputs.take(&session)?;
        let child = match Child::spawn(&args.command) {
            Ok(Some(Started::Impossible(exit))) => return Ok(exit),
            Ok(Some(Started::Running(child))) => {
                give_up(args, &tracer, outputs.sink, outputs.monitor);
                Some(child)
            }
            Ok(None) => None,
            // The refused fork may be what the user wants explained.
            Err(error) => {
                tracer.finish(|record| outputs.take(record))?;
                return Err(error);
            }
        };
        Loop {
            tracer,
            outputs,
            child,
            deadline,
            count: args.count,
            fail: args.fail,
        }
        .run(&mut signals)
        .await
    })
}

/// Gives up what tracing no longer needs.
fn give_up(args: &TraceArgs, tracer: &Tracer, sink: &impl Sink, monitor: &Monitor) {
    let folders: Vec<&Path> = sink.folder().into_iter().chain(monitor.folder()).collect();
    let confined = confine(&Needs {
        folders: &folders,
        signals: !args.command.is_empty(),
        accepts: monitor.accepts(),
        real_time: tracer.reads_in_real_time(),
        maps_readable: &|| tracer.can_read_maps(),
    });
    if args.verbose {
        let kept = match &confined.kept[..] {
            [] => "none".to_owned(),
            kept => kept.join(", "),
        };
        let _ = writeln!(io::stderr(), "forktrace: capabilities from now on: {kept}");
        for line in &confined.not_done {
            let _ = writeln!(io::stderr(), "forktrace: {}", without_numbers(line));
        }
    }
}

pub(super) struct Signals {
    ends: EndSignals,
    child: Signal,
    user1: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            ends: EndSignals::new()?,
            child: signal(SignalKind::child())?,
            user1: signal(SignalKind::user_defined1())?,
        })
    }

    /// Ready when a signal has come that ends forktrace.
    pub(super) async fn asked_to_end(&mut self) {
        self.ends.asked_to_end().await;
    }
}

/// Who gets the records.
struct Outputs<'a, S> {
    sink: &'a mut S,
    monitor: &'a mut Monitor,
    /// Something was.
    refused: bool,
}

impl<S: Sink> Outputs<'_, S> {
    fn take(&mut self, record: &Record) -> anyhow::Result<()> {
        self.refused |= match record {
            Record::Failure(_) | Record::Repeat(_) => true,
            Record::Loss(loss) => loss.is_of_failures(),
            _ => false,
        };
        self.monitor.take(record);
        self.sink.take(record)
    }
}

struct Loop<'a, S> {
    tracer: Tracer,
    outputs: Outputs<'a, S>,
    child: Option<Child>,
    deadline: Option<Instant>,
    count: Option<u64>,
    fail: bool,
}

impl<S: Sink> Loop<'_, S> {
    async fn run(mut self, signals: &mut Signals) -> anyhow::Result<Exit> {
        // Set while there may be counts to read: no wake-ups without events.
        let mut tick: Option<Instant> = None;
        let mut asked_to_end = false;
        let exit = loop {
            tokio::select! {
                // In this order, so that a storm can't starve the signals.
                biased;
                _ = signals.ends.interrupt.recv() => {
                    // A command in the foreground has got it too: its end is
                    // waited for, once.
                    if self.child.is_none() || asked_to_end {
                        break Exit::Done;
                    }
                    asked_to_end = true;
                }
                signal = terminating(&mut signals.ends.terminate, &mut signals.ends.hangup) => {
                    match &self.child {
                        Some(child) if !asked_to_end => child.signal(signal),
                        _ => break Exit::Done,
                    }
                    asked_to_end = true;
                }
                _ = signals.child.recv() => {
                    if let Some(exit) = self.child.as_ref().and_then(Child::reap) {
                        break exit;
                    }
                }
                _ = signals.user1.recv() => {
                    // With what was counted in the kernel until now.
                    self.drain()?;
                    self.tracer.tick(|record| self.outputs.take(record))?;
                    self.outputs.sink.sum_up()?;
                }
                () = until(self.deadline) => break Exit::Done,
                () = until(self.outputs.sink.due().map(Instant::from_std)) => {
                    self.outputs.sink.pass()?;
                }
                () = until(self.outputs.monitor.due().map(Instant::from_std)) => {
                    self.outputs.monitor.pass(&self.tracer);
                }
                () = until(tick) => {
                    let news = self.tracer.tick(|record| self.outputs.take(record))?;
                    tick = news.then(|| Instant::now() + TICK);
                }
                ready = self.tracer.readable() => {
                    ready.context("waiting for the ring buffer")?;
                    self.drain()?;
                    tick.get_or_insert_with(|| Instant::now() + TICK);
                    if self.count.is_some_and(|count| self.tracer.recorded() >= count) {
                        break Exit::Done;
                    }
                    // A storm keeps nobody out who asks what it does.
                    tokio::select! {
                        biased;
                        () = self.outputs.monitor.serve() => {}
                        () = std::future::ready(()) => {}
                    }
                }
                // Last: records come first.
                () = self.outputs.monitor.serve() => {}
            }
        };
        if exit == Exit::Done
            && let Some(child) = &self.child
        {
            // Ended before its command: the command doesn't outlive its tracer
            // unnoticed.
            child.signal(libc::SIGTERM);
        }
        self.tracer.finish(|record| self.outputs.take(record))?;
        self.outputs.monitor.end();
        Ok(match exit {
            Exit::Done | Exit::Command(0) if self.fail && self.outputs.refused => Exit::Fault,
            exit => exit,
        })
    }

    /// Reads what has come; with `--count`, hands on no more than was asked.
    fn drain(&mut self) -> anyhow::Result<()> {
        let Some(count) = self.count else {
            return self.tracer.drain(|record| self.outputs.take(record));
        };
        let outputs = &mut self.outputs;
        self.tracer.drain(|record| match record {
            Record::Failure(f) if f.seq > count => Ok(()),
            _ => outputs.take(record),
        })
    }
}

async fn terminating(terminate: &mut Signal, hangup: &mut Signal) -> i32 {
    tokio::select! {
        _ = terminate.recv() => libc::SIGTERM,
        _ = hangup.recv() => libc::SIGHUP,
    }
}
