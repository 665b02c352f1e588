//! Numbers for monitoring: what was refused, by what and whose, and how full the nearest limits are.
//!
//! [`Metrics`] is fed the records of a session and, now and then, a reading of `check`; it renders itself
//! in Prometheus's text format ([`exposition`]). How that gets out, as a file ([`TextFile`]) or to who asks
//! ([`Server`]), knows nothing of what it is about.
//!
//! Series are bounded ([`failures`]): what has no room is counted in series whose labels say `other`, so
//! that sums stay exact. Labels come from other processes: they are made harmless, cut and escaped.

mod address;
mod exposition;
mod failures;
mod file;
mod labels;
mod limits;
mod request;
mod server;

use std::{collections::HashMap, rc::Rc};

pub use address::{BadAddress, address};
pub use file::TextFile;
pub use limits::limits_only;
pub use server::Server;

use crate::{
    headroom::Headroom,
    model::{Cause, LossReason},
    record::{Record, Session},
};
use exposition::{Dialect, Exposition, Kind, seconds};
use failures::Failures;
use labels::{OTHER, labels};
use limits::Limits;

/// How many series of failures there are at most, unless it is said otherwise.
pub const SERIES: usize = 1000;

/// The most that can be asked for.
pub const MOST_SERIES: usize = 10_000;

/// Everything that is counted since the session began.
pub struct Metrics {
    failures: Failures,
    /// By the order of [`Cause::ALL`].
    by_cause: Vec<u64>,
    /// Repeats of failures that nobody remembers: of no cause.
    forgotten: u64,
    lost: HashMap<LossReason, u64>,
    skipped: u64,
    oom_kills: u64,
    other_errnos: Option<u64>,
    /// Labels of what doesn't change.
    attached: String,
    ended: bool,
    build: String,
    started: f64,
    limits: Limits,
    rendered: Option<Rc<str>>,
}

impl Metrics {
    /// Of a session that has begun, with so many series of failures at most.
    pub fn new(session: &Session, series: usize) -> Self {
        Self {
            failures: Failures::new(series.min(MOST_SERIES)),
            by_cause: vec![0; Cause::ALL.len()],
            forgotten: 0,
            lost: HashMap::new(),
            skipped: 0,
            oom_kills: 0,
            other_errnos: None,
            attached: labels(&[("style", &session.attach)]),
            ended: false,
            build: labels(&[
                ("version", &session.version),
                ("kernel", &session.kernel),
                ("schema", &session.schema.to_string()),
            ]),
            started: seconds(&session.started).unwrap_or(0.0),
            limits: Limits::default(),
            rendered: None,
        }
    }

    /// Counts what a record says.
    pub fn take(&mut self, record: &Record) {
        match record {
            Record::Failure(failure) => {
                self.count_cause(failure.cause, 1);
                self.failures.failure(failure);
            }
            Record::Repeat(repeat) => match self.failures.repeat(repeat) {
                Some(cause) => self.count_cause(cause, repeat.count),
                None => self.forgotten += repeat.count,
            },
            Record::Loss(loss) if loss.is_of_failures() => {
                *self.lost.entry(loss.reason.clone()).or_default() += loss.count;
            }
            Record::Loss(loss) if loss.reason == LossReason::OomKill => {
                self.oom_kills += loss.count;
            }
            Record::Loss(loss) => self.skipped += loss.count,
            Record::OomKill(_) => self.oom_kills += 1,
            Record::Session(_) | Record::Summary(_) => return,
        }
        self.rendered = None;
    }

    fn count_cause(&mut self, cause: Cause, count: u64) {
        let at = Cause::ALL.iter().position(|known| *known == cause);
        if let Some(sum) = at.and_then(|at| self.by_cause.get_mut(at)) {
            *sum += count;
        }
    }

    /// Failures with errnos that were not asked for; `None`: not known, because of filters.
    pub fn set_other_errnos(&mut self, count: Option<u64>) {
        if self.other_errnos != count {
            self.other_errnos = count;
            self.rendered = None;
        }
    }

    /// How full the nearest limits are now.
    pub fn set_limits(&mut self, headroom: &Headroom) {
        self.limits = Limits::nearest(headroom);
        self.rendered = None;
    }

    /// Nothing is traced any more.
    pub fn set_ended(&mut self) {
        self.ended = true;
        self.rendered = None;
    }

    /// All of it, as text; the same one until something changes.
    pub fn text(&mut self) -> Rc<str> {
        if let Some(text) = &self.rendered {
            return Rc::clone(text);
        }
        let text: Rc<str> = self.render().into();
        self.rendered = Some(Rc::clone(&text));
        text
    }

    fn render(&self) -> String {
        let mut out = Exposition::new(Dialect::Text);
        out.family(
            "forktrace_failures_total",
            Kind::Counter,
            "Refused creations of processes and threads, by what refused and whose limit it was.",
        );
        for (labels, count) in self.failures.series() {
            out.sample(labels, count);
        }
        out.family(
            "forktrace_failures_by_cause_total",
            Kind::Counter,
            "Refused creations by cause alone; every cause is there from the start.",
        );
        for (cause, count) in Cause::ALL.iter().zip(&self.by_cause) {
            out.sample(&labels(&[("cause", cause.id())]), *count);
        }
        if self.forgotten > 0 {
            out.sample(&labels(&[("cause", OTHER)]), self.forgotten);
        }
        out.family(
            "forktrace_failures_lost_total",
            Kind::Counter,
            "Refused creations that were counted without their cause, by why.",
        );
        // Each from the start, as causes are.
        for reason in LossReason::ALL.iter().filter(|r| r.is_of_failures()) {
            let lost = self.lost.get(reason).copied().unwrap_or(0);
            out.sample(&labels(&[("reason", reason.name())]), lost);
        }
        out.family(
            "forktrace_returns_skipped_total",
            Kind::Counter,
            "Returns that the kernel may have kept from forktrace: at most so many failures are missing.",
        );
        out.sample("", self.skipped);
        if let Some(count) = self.other_errnos {
            out.family(
                "forktrace_other_errnos_total",
                Kind::Counter,
                "Creations that failed with errnos that were not asked for (--errno).",
            );
            out.sample("", count);
        }
        out.family(
            "forktrace_oom_kills_total",
            Kind::Counter,
            "Processes that the OOM killer has made its victims.",
        );
        out.sample("", self.oom_kills);
        self.limits.render(&mut out);
        out.family(
            "forktrace_attached",
            Kind::Gauge,
            "1 while refused creations are traced, 0 afterwards; by the style of the probe that sees them.",
        );
        out.sample(&self.attached, u64::from(!self.ended));
        out.family(
            "forktrace_start_time_seconds",
            Kind::Gauge,
            "When tracing began, since the epoch.",
        );
        out.sample_float("", self.started);
        out.family(
            "forktrace_build_info",
            Kind::Gauge,
            "1; the version of forktrace, of its records, and of the kernel.",
        );
        out.sample(&self.build, 1);
        out.end()
    }
}

#[cfg(test)]
mod tests;
