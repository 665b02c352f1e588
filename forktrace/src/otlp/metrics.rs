//! Counts as cumulative sums.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Resource, nanoseconds, scope, text};
use crate::record::{LossReason, Record};

/// What has been counted since `since`, whoever asked for it: it goes on over restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// UTC, RFC 3339: of the first record.
    pub since: String,
    /// Of the latest.
    pub until: String,
    /// Failures, by cause; repeats of a failure that isn't known are of none.
    pub causes: BTreeMap<String, u64>,
    /// Failures that were counted without their cause, by reason.
    pub lost: BTreeMap<String, u64>,
    /// Victims of the OOM killer.
    pub oom_kills: u64,
    /// Returns that the kernel may have kept from forktrace, failing or not.
    #[serde(default)]
    pub skipped: u64,
    /// When the session began whose failures `recent` has.
    #[serde(default)]
    session: String,
    /// Causes of the latest failures, for their repeats.
    #[serde(default)]
    recent: BTreeMap<u64, String>,
}

/// Failures that a repeat can refer to.
const RECENT: usize = 1024;

impl Sums {
    /// Counts a record.
    pub fn add(&mut self, record: &Record) {
        match record {
            // A recording that goes on in another file repeats its session there.
            Record::Session(session) if session.started == self.session => {}
            // Numbers of failures begin anew.
            Record::Session(session) => {
                self.session.clone_from(&session.started);
                self.recent.clear();
            }
            Record::Failure(failure) => {
                let cause = failure.cause.id();
                *self.causes.entry(cause.to_owned()).or_default() += 1;
                self.recent.insert(failure.seq, cause.to_owned());
                if self.recent.len() > RECENT {
                    self.recent.pop_first();
                }
            }
            Record::Repeat(repeat) => {
                let cause = self.recent.get(&repeat.of);
                let cause = cause.cloned().unwrap_or_else(|| "other".to_owned());
                *self.causes.entry(cause).or_default() += repeat.count;
            }
            Record::Loss(loss) if loss.is_of_failures() => {
                let reason = loss.reason.name().to_owned();
                *self.lost.entry(reason).or_default() += loss.count;
            }
            Record::Loss(loss) if loss.reason == LossReason::OomKill => {
                self.oom_kills += loss.count;
            }
            Record::Loss(loss) => self.skipped += loss.count,
            Record::OomKill(_) => self.oom_kills += 1,
            Record::Summary(_) => {}
        }
        let time = record.time();
        if self.since.is_empty() {
            time.clone_into(&mut self.since);
        }
        if time > &*self.until {
            time.clone_into(&mut self.until);
        }
    }
}

/// A request for `/v1/metrics`.
pub fn metrics(resource: &Resource, sums: &Sums) -> Value {
    let point = |attributes: Vec<Value>, value: u64| {
        json!({
            "attributes": attributes,
            "startTimeUnixNano": nanoseconds(&sums.since),
            "timeUnixNano": nanoseconds(&sums.until),
            "asInt": value.to_string(),
        })
    };
    let by = |key: &str, all: &BTreeMap<String, u64>| -> Vec<Value> {
        let points = all.iter().map(|(name, count)| {
            let attributes = text(key, Some(name)).into_iter().collect();
            point(attributes, *count)
        });
        points.collect()
    };
    let sum = |name: &str, unit: &str, about: &str, points: Vec<Value>| {
        // CUMULATIVE
        json!({"name": name, "unit": unit, "description": about,
            "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": points}})
    };
    let all = [
        sum(
            "forktrace.failures",
            "{failure}",
            "Refused creations of processes and threads.",
            by("forktrace.cause", &sums.causes),
        ),
        sum(
            "forktrace.lost",
            "{failure}",
            "Counted without their cause.",
            by("forktrace.reason", &sums.lost),
        ),
        sum(
            "forktrace.returns_skipped",
            "{return}",
            "Returns that the kernel may have kept from forktrace: at most so many failures are missing.",
            vec![point(Vec::new(), sums.skipped)],
        ),
        sum(
            "forktrace.oom_kills",
            "{process}",
            "Victims of the OOM killer.",
            vec![point(Vec::new(), sums.oom_kills)],
        ),
    ];
    json!({"resourceMetrics": [{
        "resource": resource.json(),
        "scopeMetrics": [{"scope": scope(), "metrics": all}],
    }]})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{AT, LATER, failed, loss, repeat, session};

    #[test]
    fn losses_are_what_they_are_of() {
        let mut sums = Sums::default();
        for (count, reason) in [
            (3, LossReason::RingFull),
            (4, LossReason::RingFull),
            (5, LossReason::Skipped),
            (6, LossReason::OomKill),
            (7, LossReason::Other("newer".to_owned())),
        ] {
            sums.add(&loss(count, reason));
        }
        let lost: Vec<(&str, u64)> = sums.lost.iter().map(|(why, n)| (&**why, *n)).collect();
        assert_eq!(lost, [("newer", 7), ("ring_full", 7)]);
        assert_eq!((sums.skipped, sums.oom_kills), (5, 6));
        let made = metrics(&Resource::default(), &sums).to_string();
        for name in [
            "forktrace.lost",
            "forktrace.returns_skipped",
            "forktrace.oom_kills",
        ] {
            assert!(made.contains(&format!("\"name\":\"{name}\"")), "{name}");
        }
    }

    #[test]
    fn a_session_goes_on_in_another_file() {
        let mut sums = Sums::default();
        for record in [
            session("web1", AT),
            failed(1, AT),
            session("web1", AT),
            repeat(1, 5, AT, LATER),
        ] {
            sums.add(&record);
        }
        assert_eq!(sums.causes["cgroup_pids_max"], 6);
        assert_eq!(sums.causes.len(), 1);
        sums.add(&session("web1", LATER));
        sums.add(&repeat(1, 2, LATER, LATER));
        assert_eq!(sums.causes["other"], 2);
    }

    #[test]
    fn repeats_are_of_their_failures_cause_and_sums_go_on() {
        let mut sums = Sums::default();
        for record in [
            session("web1", AT),
            failed(1, AT),
            repeat(1, 5, AT, LATER),
            repeat(99, 2, AT, LATER),
        ] {
            sums.add(&record);
        }
        assert_eq!(sums.causes["cgroup_pids_max"], 6);
        assert_eq!(sums.causes["other"], 2);
        assert_eq!((&*sums.since, &*sums.until), (AT, LATER));
        // As it is kept.
        let kept = serde_json::to_string(&sums).unwrap();
        let mut again: Sums = serde_json::from_str(&kept).unwrap();
        again.add(&repeat(1, 1, AT, LATER));
        assert_eq!(again.causes["cgroup_pids_max"], 7);
        let made = metrics(&Resource::default(), &again);
        let failures = &made["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0];
        assert_eq!(failures["sum"]["dataPoints"][0]["asInt"], "7");
        assert_eq!(failures["sum"]["isMonotonic"], true);
    }
}
