//! Prometheus's text format, version 0.0.4, and OpenMetrics 1.0, which differ in what a counter is called
//! and in the last line. By hand: it is a dozen lines, and libraries for it keep every number behind a lock
//! and know one of the two.

use std::fmt::Write as _;

use crate::model::time::timestamp;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// text/plain; version=0.0.4
    Text,
    /// application/openmetrics-text; version=1.0.0
    OpenMetrics,
}

/// What a number does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows; its name ends in `_total`.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// A time of the records, since the epoch; `None`: it is no RFC 3339.
pub(super) fn seconds(time: &str) -> Option<f64> {
    Some(timestamp(time)?.as_millisecond() as f64 / 1000.0)
}

/// A text that is being made.
pub(super) struct Exposition {
    out: String,
    dialect: Dialect,
    family: &'static str,
}

impl Exposition {
    /// An empty one.
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            out: String::with_capacity(16 * 1024),
            dialect,
            family: "",
        }
    }

    /// Begins a metric; its samples follow.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let named = match (self.dialect, kind) {
            (Dialect::OpenMetrics, Kind::Counter) => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let _ = writeln!(self.out, "# HELP {named} {help}\n# TYPE {named} {kind}");
        self.family = name;
    }

    /// `labels`: as [`super::labels::labels`] makes them.
    pub(super) fn sample(&mut self, labels: &str, value: u64) {
        self.name(labels);
        let _ = writeln!(self.out, "{value}");
    }

    /// The same, of a number that isn't whole.
    pub(super) fn sample_float(&mut self, labels: &str, value: f64) {
        self.name(labels);
        let _ = writeln!(self.out, "{value}");
    }

    fn name(&mut self, labels: &str) {
        self.out.push_str(self.family);
        if !labels.is_empty() {
            self.out.push('{');
            self.out.push_str(labels);
            self.out.push('}');
        }
        self.out.push(' ');
    }

    /// All of it.
    pub(super) fn end(mut self) -> String {
        if self.dialect == Dialect::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }
}
