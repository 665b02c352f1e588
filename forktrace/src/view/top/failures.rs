//! Failures: how many a second, and by which limit.

use std::collections::{HashMap, VecDeque};

use super::plain;
use crate::{
    model::limit_title,
    order::Order as _,
    record::{Failure, LossReason, Recent, Record},
};

/// Seconds of the rate that are kept.
const SECONDS: usize = 300;
/// Kinds of failures that are kept, the latest.
const GROUPS: usize = 256;
/// Failures that a repeat can refer to.
const RECENT: usize = 4096;
/// Callers that are counted.
const CALLERS: usize = 256;

/// Failures of one cause by one limit.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Cause and limit.
    pub key: String,
    /// The limit, or the cause: harmless.
    pub title: String,
    pub count: u64,
    /// When the latest came, by the clock of the view.
    pub second: i64,
    /// The latest that was recorded.
    pub last: Box<Failure>,
    /// "java (app)": who asked last.
    pub caller: String,
    /// What the filter looks at.
    pub all_words: String,
}

/// By what groups are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    #[default]
    Latest,
    Count,
    Name,
}

impl Sort {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Latest => Self::Count,
            Self::Count => Self::Name,
            Self::Name => Self::Latest,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Latest => "latest first",
            Self::Count => "most first",
            Self::Name => "by name",
        }
    }
}

pub(super) fn sort(groups: &mut [&Group], by: Sort) {
    groups.order_by(|a, b| {
        let first = match by {
            Sort::Latest => b.second.cmp(&a.second),
            Sort::Count => b.count.cmp(&a.count),
            Sort::Name => a.title.cmp(&b.title),
        };
        first.then_with(|| a.key.cmp(&b.key))
    });
}

/// All that was refused.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures {
    groups: HashMap<String, Group>,
    /// Failures of each second, the latest last, which is `now`.
    rate: VecDeque<u64>,
    now: i64,
    pub total: u64,
    pub lost: u64,
    pub oom_kills: u64,
    callers: HashMap<String, u64>,
    /// Which group each is of.
    recent: Recent<u64, String, RECENT>,
}

impl Failures {
    pub(super) fn take(&mut self, second: i64, record: &Record) {
        match record {
            Record::Failure(failure) => {
                self.count(second, 1);
                self.add(second, failure);
            }
            Record::Repeat(repeat) => {
                self.count(second, repeat.count);
                let known = self.recent.recall(repeat.of);
                let group = known.and_then(|key| self.groups.get_mut(key));
                if let Some(group) = group {
                    group.count = group.count.saturating_add(repeat.count);
                    group.second = group.second.max(second);
                    if repeat.alike.is_process() {
                        let caller = group.caller.clone();
                        self.of_caller(caller, repeat.count);
                    }
                }
            }
            Record::Loss(loss) if loss.is_of_failures() => {
                self.count(second, loss.count);
                self.lost = self.lost.saturating_add(loss.count);
            }
            Record::OomKill(_) => self.oom_kills += 1,
            Record::Loss(loss) if loss.reason == LossReason::OomKill => {
                self.oom_kills = self.oom_kills.saturating_add(loss.count);
            }
            Record::Session(_) => self.recent.clear(),
            Record::Loss(_) | Record::Summary(_) => {}
        }
    }

    fn add(&mut self, second: i64, failure: &Failure) {
        let title = match &failure.limit {
            Some(limit) => plain(&limit_title(limit.kind.name(), &limit.owner.to_string())),
            None => failure.cause.id().to_owned(),
        };
        let user = match &failure.caller.user {
            Some(user) => plain(user),
            None => format!("uid {}", failure.caller.uid),
        };
        let caller = format!("{} ({user})", plain(failure.caller.program()));
        let key = format!("{} {title}", failure.cause.id());
        self.of_caller(caller.clone(), 1);
        self.recent.remember(failure.seq, key.clone());
        if self.groups.len() >= GROUPS && !self.groups.contains_key(&key) {
            let oldest = self.groups.values().min_by_key(|group| group.second);
            if let Some(oldest) = oldest.map(|group| group.key.clone()) {
                self.groups.remove(&oldest);
            }
        }
        let cgroup = failure
            .cgroup
            .path
            .as_deref()
            .map(plain)
            .unwrap_or_default();
        let all_words = format!("{key} {caller} {cgroup} {}", failure.errno.name());
        let count = self.groups.get(&key).map_or(0, |group| group.count);
        // Holders are recorded now and then: those that are known stay.
        let mut last = Box::new(failure.clone());
        if last.holders.is_empty()
            && let Some(before) = self.groups.get(&key)
        {
            last.holders.clone_from(&before.last.holders);
        }
        self.groups.insert(
            key.clone(),
            Group {
                key,
                title,
                count: count.saturating_add(1),
                second,
                last,
                caller,
                all_words,
            },
        );
    }

    fn of_caller(&mut self, caller: String, count: u64) {
        if self.callers.len() >= CALLERS && !self.callers.contains_key(&caller) {
            // The smallest half goes.
            let mut counts: Vec<u64> = self.callers.values().copied().collect();
            counts.sort_unstable();
            let middle = counts[counts.len() / 2];
            self.callers.retain(|_, n| *n > middle);
        }
        let sum = self.callers.entry(caller).or_default();
        *sum = sum.saturating_add(count);
    }

    fn count(&mut self, second: i64, count: u64) {
        self.pass(second);
        self.total = self.total.saturating_add(count);
        let back = usize::try_from(self.now - second).unwrap_or(0);
        let at = self.rate.len().checked_sub(1 + back);
        if let Some(rate) = at.and_then(|at| self.rate.get_mut(at)) {
            *rate = rate.saturating_add(count);
        }
    }

    /// It is this second.
    pub(super) fn pass(&mut self, second: i64) {
        if self.rate.is_empty() {
            self.now = second;
            self.rate.push_back(0);
        }
        let more = usize::try_from(second.saturating_sub(self.now)).unwrap_or(0);
        for _ in 0..more.min(SECONDS) {
            if self.rate.len() >= SECONDS {
                self.rate.pop_front();
            }
            self.rate.push_back(0);
        }
        self.now = self.now.max(second);
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    /// Failures of each of the last seconds, the latest last.
    pub(super) fn rate(&self, seconds: usize) -> Vec<u64> {
        let from = self.rate.len().saturating_sub(seconds);
        self.rate.iter().skip(from).copied().collect()
    }

    /// The second that has just ended, for the one that goes on is not whole.
    pub(super) fn per_second(&self) -> u64 {
        let at = self.rate.len().checked_sub(2);
        at.and_then(|at| self.rate.get(at)).copied().unwrap_or(0)
    }

    /// Who was refused most.
    pub(super) fn callers(&self) -> Vec<(&str, u64)> {
        let mut all: Vec<_> = self.callers.iter().map(|(name, n)| (&**name, *n)).collect();
        all.order_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all
    }

    pub(super) fn now(&self) -> i64 {
        self.now
    }
}
