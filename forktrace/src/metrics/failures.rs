//! Series of failures, bounded.
//!
//! The first so many combinations of labels get a series each, for a counter that has begun may not
//! vanish. What comes after them is counted by cause, errno and operation alone, in series whose other
//! labels say `other`; so are repeats of which only the check is known. These are bounded too, and the rest
//! goes into one series, of which no label says more: the sum over all series is that of the failures.

use std::{collections::HashMap, rc::Rc};

use super::labels::{OTHER, labels, owner};
use crate::{
    model::Cause,
    record::{Alike, Failure, Recent, Repeat},
};

/// Of those by cause, errno and operation: more than the kernel can have by far.
const COARSE: usize = 512;

/// Failures that a repeat can refer to: it refers to one of the last second, in which at most so many are
/// recorded in full.
const RECENT: usize = 8192;

/// Where in `series` a failure was counted, and would be, of which less is known.
#[derive(Clone, Copy)]
struct Counted {
    cause: Cause,
    fine: usize,
    coarse: usize,
}

struct Series {
    labels: Rc<str>,
    count: u64,
}

/// All series, and what repeats refer to.
pub(super) struct Failures {
    series: Vec<Series>,
    index: HashMap<Rc<str>, usize>,
    /// How many of `series` are of one combination each, and how many may be.
    fine: usize,
    most: usize,
    coarse: usize,
    recent: Recent<u64, Counted, RECENT>,
}

impl Failures {
    /// With so many series at most, those that say `other` apart.
    pub(super) fn new(most: usize) -> Self {
        Self {
            series: Vec::new(),
            index: HashMap::new(),
            fine: 0,
            most,
            coarse: 0,
            recent: Recent::default(),
        }
    }

    /// Counts one.
    pub(super) fn failure(&mut self, failure: &Failure) {
        let cgroup = &failure.cgroup;
        let limit = failure.limit.as_ref();
        let name = |text: &Option<String>| text.clone().unwrap_or_default();
        // The name, and where nobody knows it what the cgroup says.
        let or = |name: &Option<String>, id: &Option<String>| {
            name.clone().or_else(|| id.clone()).unwrap_or_default()
        };
        let errno = failure.errno.name();
        let (cause, operation) = (failure.cause.id(), failure.operation.name());
        let fine = labels(&[
            ("cause", cause),
            ("errno", &errno),
            ("operation", operation),
            ("limit", limit.map_or("", |limit| limit.kind.name())),
            ("owner", &limit.map(owner).unwrap_or_default()),
            ("unit", &name(&cgroup.unit)),
            ("namespace", &name(&cgroup.namespace)),
            ("pod", &or(&cgroup.pod_name, &cgroup.pod)),
            ("container", &or(&cgroup.container_name, &cgroup.container)),
        ]);
        let coarse = self.coarse([cause, &errno, operation]);
        let fine = match self.index.get(&*fine) {
            Some(at) => *at,
            None if self.fine < self.most => {
                self.fine += 1;
                self.add(fine)
            }
            None => coarse,
        };
        self.series[fine].count += 1;
        let counted = Counted {
            cause: failure.cause,
            fine,
            coarse,
        };
        self.recent.remember(failure.seq, counted);
    }

    /// Counts what repeats an earlier one; its cause, where that one is known still.
    pub(super) fn repeat(&mut self, repeat: &Repeat) -> Option<Cause> {
        let known = self.recent.recall(repeat.of).copied();
        let at = match (known, repeat.alike) {
            (None, _) => self.coarse([OTHER; 3]),
            (Some(known), Alike::Check) => known.coarse,
            // One user, one cgroup, one limit: all that labels say.
            (Some(known), Alike::Process | Alike::UserAndCgroup) => known.fine,
        };
        self.series[at].count += repeat.count;
        known.map(|known| known.cause)
    }

    fn coarse(&mut self, [cause, errno, operation]: [&str; 3]) -> usize {
        let labels = |cause, errno, operation| {
            labels(&[
                ("cause", cause),
                ("errno", errno),
                ("operation", operation),
                ("limit", OTHER),
                ("owner", OTHER),
                ("unit", OTHER),
                ("namespace", OTHER),
                ("pod", OTHER),
                ("container", OTHER),
            ])
        };
        let mut wanted = labels(cause, errno, operation);
        if !self.index.contains_key(&*wanted) && self.coarse >= COARSE {
            wanted = labels(OTHER, OTHER, OTHER);
        }
        match self.index.get(&*wanted) {
            Some(at) => *at,
            None => {
                self.coarse += 1;
                self.add(wanted)
            }
        }
    }

    fn add(&mut self, labels: String) -> usize {
        let labels: Rc<str> = labels.into();
        self.index.insert(Rc::clone(&labels), self.series.len());
        self.series.push(Series { labels, count: 0 });
        self.series.len() - 1
    }

    /// Labels and counts, of what has been counted.
    pub(super) fn series(&self) -> impl Iterator<Item = (&str, u64)> {
        let counted = self.series.iter().filter(|series| series.count > 0);
        counted.map(|series| (&*series.labels, series.count))
    }
}
