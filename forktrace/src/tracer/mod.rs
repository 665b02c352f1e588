//! Tracing: probes in place, failing returns judged and handed on as records.
//!
//! Everything runs on one thread. Once set up, no thread and no process is
//! created: forktrace has to work on the host that can't fork.

mod attached;
mod context;
mod count_map;
mod counts;
mod demand;
mod knob;
mod log;
pub mod options;
mod own_thread_group;
mod privilege;
mod session;
mod start_times;

use std::{
    io,
    os::fd::{AsRawFd, RawFd},
    path::PathBuf,
    time::{Duration, Instant},
};

use aya::{
    Ebpf,
    maps::{MapData, RingBuf},
};
use tokio::io::{Interest, unix::AsyncFd};

pub use attached::{Attached, attach_probes};
pub use options::{Options, Selection};
pub use own_thread_group::own_thread_group;
pub use privilege::missing_capabilities;
pub use session::holders_by;
pub use start_times::StartTimes;

use crate::{
    btf::BtfError,
    cause::{Answer, Subject, answer, judge},
    host::{
        cgroup::Hierarchies,
        clock::Clock,
        holders::{Holders, Tasks},
        passwd::Passwd,
        pods::Pods,
    },
    model::without_numbers,
    model::{Cause, LossReason},
    probe::{
        decode::{Decoded, Decoder, Event},
        outcome::Outcome,
        skips::Spot,
    },
    program,
    record::{Failure, Loss, OomKill, Record, Summary},
};
use context::Contexts;
use count_map::SameVerdict;
use counts::Counts;
use log::KernelLog;

/// Why tracing can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The kernel refused for want of privilege.
    #[error("{0}")]
    Privilege(String),
    /// No probe could be attached.
    #[error("{0}")]
    Unsupported(String),
    /// The file of `--btf` can't be used.
    #[error("--btf {}: {why}", .path.display())]
    Types {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: BtfError,
    },
    /// The BPF object could not be loaded.
    #[error("loading the BPF object: {0}")]
    Load(String),
    /// The ring buffer or a map could not be used.
    #[error("{doing}")]
    Set {
        /// What was tried.
        doing: &'static str,
        /// What the kernel answered.
        source: io::Error,
    },
}

/// Attached probes and the state of a session.
pub struct Tracer {
    // Dropped first: detaches.
    probes: Outcome,
    _ebpf: Ebpf,
    log: KernelLog,
    ring: AsyncFd<Ring>,
    decoder: Decoder,
    contexts: Contexts,
    clock: Clock,
    counts: Counts,
    selection: Selection,
    pods: Pods,
    seq: u64,
    /// `summary.skipped` counts from here.
    skipped_before: u64,
    summary: Summary,
    start_times: StartTimes,
}

/// The ring buffer as something to wait for.
struct Ring(RingBuf<MapData>);

impl AsRawFd for Ring {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Tracer {
    /// Starts tracing. Failures from before the `session` record are not reported.
    pub fn start(options: Options) -> Result<(Self, Record), StartError> {
        let Attached {
            mut kernel,
            probes,
            mut ebpf,
            log,
            mut times,
            tasks,
        } = attach_probes(&options)?;
        let Some(style) = probes.style() else {
            return Err(privilege::explain_refusals(&probes, options.attach));
        };
        if options.settings.thread_stacks != 0 && !probes.sees_thread_stacks() {
            return Err(privilege::explain_stacks(&kernel, &probes));
        }
        let Some(map) = ebpf.take_map("EVENTS") else {
            return Err(StartError::Load("it has no map EVENTS".to_owned()));
        };
        let ring = RingBuf::try_from(map)
            .map_err(|e| set("mapping the ring buffer", io::Error::other(e)))?;
        // SAFETY: the ring owns its descriptor, and both live as long.
        let ring = unsafe { AsyncFd::register_with_interest(Ring(ring), Interest::READABLE) };
        let mut ring = ring.map_err(|e| set("waiting for the ring buffer", e.into()))?;
        while ring.get_mut().0.next().is_some() {}
        let counts = Counts::new(&mut ebpf, probes.kprobes.is_any())
            .map_err(|e| set("reading the counts", e))?;
        kernel.absent.extend(
            session::absent_evidence(&probes, style, options.seccomp)
                .iter()
                .map(|why| without_numbers(why)),
        );
        let mut selection = options.selection.clone();
        if !kernel.has_types() {
            if options.settings.cgroup != 0 {
                return Err(StartError::Unsupported(
                    "--cgroup and --unit need the kernel's types (/sys/kernel/btf/vmlinux, or --btf FILE)"
                        .to_owned(),
                ));
            }
            selection.descends_from = Some(options.settings.tgid).filter(|&tgid| tgid != 0);
        }
        let hierarchies = Hierarchies::discover().unwrap_or_default();
        let passwd = Passwd::load().unwrap_or_default();
        let by_iterator = tasks.is_ok();
        let tasks = tasks.ok().map(|tasks| Box::new(tasks) as Box<dyn Tasks>);
        let holders = Holders::new(passwd.clone()).with_tasks(tasks);
        let decoder = Decoder::new(hierarchies.clone(), passwd);
        let session = session::record(&options, &kernel, &probes, style, by_iterator);
        drop(kernel);
        give_memory_back();
        times.end("cgroups, users, session");
        let tracer = Self {
            skipped_before: probes.skipped(Spot::Return),
            probes,
            _ebpf: ebpf,
            log,
            ring,
            decoder,
            contexts: Contexts::new(hierarchies, holders),
            clock: Clock::now(),
            counts,
            selection,
            pods: Pods::default(),
            seq: 0,
            summary: Summary::default(),
            start_times: times,
        };
        Ok((tracer, Record::Session(Box::new(session))))
    }

    /// Waits until there is something to read; then call [`Self::drain`].
    pub async fn readable(&mut self) -> io::Result<()> {
        // Cleared before reading: what comes while `drain` reads is announced
        // again, so nothing is left lying.
        tokio::select! {
            guard = self.ring.readable_mut() => guard?.clear_ready(),
            () = self.log.readable() => self.log.flush(),
        }
        Ok(())
    }

    /// Reads what has come, and hands every record to `sink`.
    pub fn drain<E>(&mut self, mut sink: impl FnMut(&Record) -> Result<(), E>) -> Result<(), E> {
        while let Some(event) = self.next_event() {
            // For each: while one is handled the wall clock can be set, and others come.
            self.clock = Clock::now();
            let record = match event {
                Event::Failure(decoded) => self.explain(*decoded),
                Event::OomKill(time_ns, kill) => self.oom_kill(time_ns, kill),
            };
            if let Some(record) = record {
                sink(&record)?;
            }
        }
        Ok(())
    }

    fn next_event(&mut self) -> Option<Event> {
        loop {
            let item = self.ring.get_mut().0.next()?;
            if let Some(event) = self.decoder.decode(&item, &self.probes) {
                return Some(event);
            }
        }
    }

    fn oom_kill(&mut self, time_ns: u64, mut kill: Box<OomKill>) -> Option<Record> {
        self.pods.name(&mut kill.cgroup);
        let time = self.clock.rfc3339(time_ns);
        let wanted = self.selection.wants_kill(&kill.cgroup);
        wanted.then(|| Record::OomKill(Box::new(OomKill { time, ..*kill })))
    }

    fn explain(&mut self, mut decoded: Decoded) -> Option<Record> {
        self.pods.name(&mut decoded.cgroup);
        let verdict = judge(&decoded.evidence);
        if !self.selection.wants(
            verdict.cause,
            decoded.evidence.errno,
            decoded.caller.pid,
            &decoded.cgroup,
        ) {
            self.counts.ignore(decoded.key, decoded.time_ns);
            return None;
        }
        self.seq += 1;
        let alike = SameVerdict {
            cause: verdict.cause,
            owner: verdict
                .limit
                .as_ref()
                .map(|limit| (limit.kind.clone(), limit.owner.clone())),
        };
        self.counts
            .detailed(decoded.key, self.seq, &alike, decoded.time_ns);
        self.add(verdict.cause, 1);
        let program = program::of_caller(&decoded.caller);
        decoded.caller.catalogued = program.map(|program| program.id.clone());
        let errno = decoded.evidence.errno;
        let named = decoded.target.as_ref();
        let target = named.and_then(|named| self.contexts.target(named));
        let subject = Subject {
            caller: &decoded.caller,
            cgroup: &decoded.cgroup,
            operation: decoded.evidence.operation,
            errno,
            target: target.as_ref(),
        };
        let copied = decoded.evidence.overcommit.as_ref();
        let whole_copy = copied.map(|copied| copied.with_whole_copy());
        let context = self.contexts.of(&verdict, &subject, whole_copy);
        let Answer { summary, fix } = answer(&verdict, &subject, &context);
        Some(Record::Failure(Box::new(Failure {
            seq: self.seq,
            time: self.clock.rfc3339(decoded.time_ns),
            operation: decoded.evidence.operation,
            syscall: decoded.syscall.map(str::to_owned),
            errno,
            caller: decoded.caller,
            cgroup: decoded.cgroup,
            cause: verdict.cause,
            certainty: verdict.certainty,
            limit: verdict.limit,
            candidates: verdict.candidates,
            holders: context.holders,
            memory: context.memory,
            summary,
            fix,
        })))
    }

    fn add(&mut self, cause: Cause, count: u64) {
        *self
            .summary
            .causes
            .entry(cause.id().to_owned())
            .or_default() += count;
    }

    /// What starting took.
    pub fn start_times(&self) -> &StartTimes {
        &self.start_times
    }

    /// Failures so far with errnos that were not asked for; `None`: not known, because what is recorded was
    /// selected by more than the kernel's filters.
    pub fn other_errnos(&self) -> Option<u64> {
        let known = !self.selection.is_active();
        known.then(|| self.counts.totals().other_errnos)
    }

    /// Whether maps are read as a real-time task, which takes CAP_SYS_NICE (see
    /// [`crate::probe::uninterrupted`]).
    pub fn reads_in_real_time(&self) -> bool {
        self.probes.kprobes.is_any()
    }

    /// Whether the kernel lets this process read the maps as things are.
    pub fn can_read_maps(&self) -> bool {
        self.counts.are_readable()
    }

    /// Failures recorded in full so far.
    pub fn recorded(&self) -> u64 {
        self.seq
    }

    /// Reads the counts and hands on what was counted but not recorded. Returns
    /// whether anything had changed: while it does, call it again.
    pub fn tick<E>(&mut self, mut sink: impl FnMut(&Record) -> Result<(), E>) -> Result<bool, E> {
        self.clock = Clock::now();
        let news = self.counts.news(&self.clock);
        let any = !news.is_empty();
        for item in news {
            match &item.record {
                Record::Repeat(repeat) => {
                    if let Some(cause) = item.cause {
                        self.add(cause, repeat.count);
                    }
                }
                Record::Loss(loss) if loss.is_of_failures() => self.summary.lost += loss.count,
                Record::Loss(loss)
                    if loss.reason == LossReason::OomKill && !self.selection.wants_kills() =>
                {
                    continue;
                }
                _ => {}
            }
            sink(&item.record)?;
        }
        let skipped = self.probes.skipped(Spot::Return) - self.skipped_before;
        let more = skipped.saturating_sub(self.summary.skipped);
        if more > 0 {
            self.summary.skipped = skipped;
            sink(&Record::Loss(Loss {
                count: more,
                since: self.clock.wall(),
                reason: LossReason::Skipped,
            }))?;
        }
        Ok(any || more > 0)
    }

    /// Refusals that a stage noted and whose return is not coming any more.
    fn missed_returns(&self) -> u64 {
        /// A creation that is refused in this moment is back within microseconds, unless its
        /// processor is taken from it.
        const RETURNING: Duration = Duration::from_millis(200);
        let begun = Instant::now();
        loop {
            let unreported = self.counts.unreported();
            if unreported == 0 || begun.elapsed() > RETURNING {
                return unreported;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Failures of which nothing more is known.
    fn lose<E>(
        &mut self,
        count: u64,
        reason: LossReason,
        mut sink: impl FnMut(&Record) -> Result<(), E>,
    ) -> Result<(), E> {
        if count == 0 {
            return Ok(());
        }
        self.summary.lost += count;
        sink(&Record::Loss(Loss {
            count,
            since: self.clock.wall(),
            reason,
        }))
    }

    /// Ends: the last events, the last counts, the totals.
    pub fn finish<E>(mut self, mut sink: impl FnMut(&Record) -> Result<(), E>) -> Result<(), E> {
        // Where it can't be written, what comes meanwhile is recorded as a loss.
        let _ = self.counts.count(false);
        self.drain(&mut sink)?;
        self.tick(&mut sink)?;
        let unreported = self.missed_returns();
        self.lose(unreported, LossReason::ReturnMissed, &mut sink)?;
        let recorded: u64 = self.summary.causes.values().sum();
        let totals = self.counts.totals();
        self.summary.ended = Clock::now().wall();
        self.summary.killed = totals.killed;
        if self.selection.wants_kills() {
            self.summary.oom_kills = totals.oom_kills;
        }
        // The kernel counts what it passed on, not what was selected here.
        if !self.selection.is_active() {
            self.summary.other_errnos = Some(totals.other_errnos);
            // Missed returns are lost and not among the kernel's failures.
            let accounted = recorded + self.summary.lost.saturating_sub(totals.missed + unreported);
            let unaccounted = totals.failures.saturating_sub(accounted);
            self.lose(unaccounted, LossReason::KeysFull, &mut sink)?;
        }
        self.summary.failures = recorded + self.summary.lost;
        sink(&Record::Summary(self.summary))
    }
}

/// Reading the kernel's types took tens of megabytes, all free again by now; a
/// tracer that runs for weeks must not keep them from the others.
fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: only returns free memory to the kernel.
    unsafe {
        libc::malloc_trim(0);
    }
}

fn set(doing: &'static str, source: io::Error) -> StartError {
    StartError::Set { doing, source }
}

/// How often the counts are read while failures come.
pub const TICK: Duration = Duration::from_secs(1);
