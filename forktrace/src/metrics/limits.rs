//! How full the nearest limits are, as `check` reads them.

use std::collections::HashSet;

use super::{
    exposition::{Dialect, Exposition, Kind, seconds},
    labels::{labels, owner},
};
use crate::headroom::{Headroom, Next, Row};

/// Limits that have series: a host has thousands of cgroups, and what is far from full is not asked about.
const NEAREST: usize = 50;

/// Labels, use and bound of each.
#[derive(Default)]
pub(super) struct Limits {
    rows: Vec<(String, u64, u64)>,
    /// When they were read, since the epoch; `None`: never.
    read: Option<f64>,
}

impl Limits {
    /// The nearest of a reading.
    pub(super) fn nearest(headroom: &Headroom) -> Self {
        Self::of(headroom, NEAREST)
    }

    /// So many of a reading at most; limits that don't apply have none.
    fn of(headroom: &Headroom, most: usize) -> Self {
        let applying = headroom.limits.iter().filter(|row| row.exempt.is_none());
        Self {
            rows: rows(applying, most),
            read: seconds(&headroom.time),
        }
    }

    /// Both numbers of each.
    pub(super) fn render(&self, out: &mut Exposition) {
        let Some(read) = self.read else {
            return;
        };
        out.family(
            "forktrace_limit_used",
            Kind::Gauge,
            "How much of a limit is in use, without what the kernel takes back before it refuses.",
        );
        for (labels, used, _) in &self.rows {
            out.sample(labels, *used);
        }
        out.family(
            "forktrace_limit_max",
            Kind::Gauge,
            "How much of a limit may be used; at that, creations are refused.",
        );
        for (labels, _, max) in &self.rows {
            out.sample(labels, *max);
        }
        out.family(
            "forktrace_limits_read_time_seconds",
            Kind::Gauge,
            "When the limits were read, since the epoch.",
        );
        out.sample_float("", read);
    }
}

/// A reading of `check` in OpenMetrics, with every limit that applies.
pub fn limits_only(headroom: &Headroom) -> String {
    let mut out = Exposition::new(Dialect::OpenMetrics);
    Limits::of(headroom, usize::MAX).render(&mut out);
    out.family(
        "forktrace_limits_near",
        Kind::Gauge,
        "Limits at --warn or above.",
    );
    out.sample("", headroom.near);
    out.family(
        "forktrace_build_info",
        Kind::Gauge,
        "1; the version of forktrace, and of the kernel.",
    );
    let build = [
        ("version", &*headroom.version),
        ("kernel", &headroom.kernel),
    ];
    out.sample(&labels(&build), 1);
    out.end()
}

/// A series may not come twice: of several rows with the same labels the first, which is the nearest.
fn rows<'a>(all: impl Iterator<Item = &'a Row>, most: usize) -> Vec<(String, u64, u64)> {
    let mut seen = HashSet::new();
    let numbers = all.filter_map(|row| {
        let max = row.limit.bound()?;
        let used = row.limit.usage?;
        let used = used.saturating_sub(row.reclaimable.unwrap_or(0));
        Some((of_row(row), used, max))
    });
    let once = numbers.filter(|(labels, ..)| seen.insert(labels.clone()));
    once.take(most).collect()
}

fn of_row(row: &Row) -> String {
    // In the words of the records.
    let counted = serde_json::to_value(row.limit.unit).unwrap_or_default();
    labels(&[
        ("limit", row.limit.kind.name()),
        ("owner", &owner(&row.limit)),
        ("cause", row.cause.id()),
        ("counted", counted.as_str().unwrap_or_default()),
        ("of", row.owner.as_deref().unwrap_or_default()),
        (
            "next",
            match row.next {
                None => "",
                Some(Next::Start) => "start",
                Some(Next::Login) => "login",
            },
        ),
    ])
}
