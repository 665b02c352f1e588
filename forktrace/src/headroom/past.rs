//! What is known of refusals from before forktrace looked (`check --past`): each with what it proves,
//! and what it can't.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Earlier, Log};
use crate::host::{
    cgroup::Version,
    failed_units::{EXIT_EXEC, EXIT_LIMITS, FailedUnit, Why},
    past::{Counts, Past},
};
use crate::order::Order as _;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Before {
    /// Number of this format: 1. Fields are only added to it.
    pub past: u32,
    /// forktrace's version.
    pub version: String,
    /// When the counters were read: UTC, RFC 3339.
    pub time: String,
    /// Name of the host.
    pub host: String,
    /// Kernel release (uname -r).
    pub kernel: String,
    /// Counters begin anew with another.
    #[serde(default)]
    pub boot_id: String,
    /// The highest counts first.
    pub facts: Vec<Fact>,
    /// Units that systemd could not start for want of something.
    #[serde(default)]
    pub units: Vec<UnitFact>,
    /// The kernel's log, as far as it goes back.
    pub log: Log,
    /// What the journal's files have of the kernel's log, of earlier boots too.
    #[serde(default)]
    pub journal: Option<Log>,
    /// When the reading was taken that `new` counts from.
    #[serde(default)]
    pub against: Option<String>,
    /// What could tell more, and why it doesn't.
    pub unreadable: Vec<String>,
}

/// One counter that isn't 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Fact {
    /// The cgroup that counts; `null` for the host.
    pub cgroup: Option<String>,
    /// The file, and the key in it.
    pub counter: String,
    /// What the counter says, since the cgroup was made or the host booted.
    pub count: u64,
    /// How many of these came since an earlier reading.
    #[serde(default)]
    pub new: Option<u64>,
    /// What follows from it.
    pub proves: String,
    /// What doesn't.
    pub leaves_open: String,
}

/// A unit of systemd's that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UnitFact {
    /// The unit's name.
    pub unit: String,
    /// `resources`, `203/EXEC` or `205/LIMITS`.
    pub result: String,
    /// Since when, as systemd prints it.
    pub since: Option<String>,
    /// What follows from it.
    pub proves: String,
    /// What doesn't.
    pub leaves_open: String,
}

impl Before {
    /// Compares with an earlier reading of this host: what is new of each count, and nothing of those
    /// that stayed as they were.
    pub fn since(&mut self, earlier: &Self) {
        let same_boot = self.boot_id == earlier.boot_id && !self.boot_id.is_empty();
        for fact in &mut self.facts {
            let same = |of: &&Fact| (&of.cgroup, &of.counter) == (&fact.cgroup, &fact.counter);
            let before = earlier.facts.iter().find(same).filter(|_| same_boot);
            // A lower count is another's: the cgroup was removed, and made again.
            let before = before
                .map(|of| of.count)
                .filter(|count| *count <= fact.count);
            fact.new = Some(fact.count - before.unwrap_or(0));
        }
        self.facts.retain(|fact| fact.new != Some(0));
        let known = |unit: &UnitFact| earlier.units.contains(unit);
        self.units.retain(|unit| !known(unit));
        for log in [Some(&mut self.log), self.journal.as_mut()]
            .into_iter()
            .flatten()
        {
            log.lines.retain(|line| *line.time > *earlier.time);
            log.more = 0;
        }
        self.against = Some(earlier.time.clone());
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        let journal = self.journal.as_ref().is_none_or(|log| log.lines.is_empty());
        self.facts.is_empty() && self.units.is_empty() && self.log.lines.is_empty() && journal
    }
}

/// What failed units tell.
pub fn unit_facts(units: &[FailedUnit]) -> Vec<UnitFact> {
    units.iter().map(unit_fact).collect()
}

fn unit_fact(failed: &FailedUnit) -> UnitFact {
    let (result, proves, leaves_open) = match failed.why {
        Why::Resources => (
            "resources".to_owned(),
            "systemd lacked something when it was to start this unit.",
            "What: a process that was refused is one, a missing directory or file is another. The line \
             before `Failed with result 'resources'` in the unit's journal has the errno.",
        ),
        Why::Exec => (
            format!("{EXIT_EXEC}/EXEC"),
            "The unit had its process, and its program could not be executed.",
            "Why: EAGAIN in the unit's journal is a user who was over RLIMIT_NPROC (LimitNPROC=); a \
             program that is missing is told so too.",
        ),
        Why::Limits => (
            format!("{EXIT_LIMITS}/LIMITS"),
            "The unit had its process, and its resource limits could not be set.",
            "Which of its Limit… settings: the unit's journal has it.",
        ),
    };
    UnitFact {
        unit: failed.unit.clone(),
        result,
        since: failed.since.clone(),
        proves: proves.to_owned(),
        leaves_open: leaves_open.to_owned(),
    }
}

/// What the counters tell, the highest first.
pub fn facts(past: &Past) -> Vec<Fact> {
    let mut facts: Vec<Fact> = past
        .cgroups
        .iter()
        .flat_map(|cgroup| [of_tasks(past, cgroup), of_memory(cgroup)])
        .flatten()
        .collect();
    facts.order_by(|a, b| b.count.cmp(&a.count).then_with(|| a.cgroup.cmp(&b.cgroup)));
    let killed = past.killed.filter(|count| *count > 0).map(|count| Fact {
        cgroup: None,
        counter: "oom_kill of /proc/vmstat".to_owned(),
        count,
        new: None,
        proves: "The OOM killer has killed so many processes since the host's start.".to_owned(),
        leaves_open: "When, whom, and whether a fork was refused: see the log.".to_owned(),
    });
    facts.extend(killed);
    facts
}

/// How many refusals cgroups count; `None`: none.
pub fn earlier(past: &Past) -> Option<Earlier> {
    let mut all = Earlier {
        cgroups: 0,
        refused: 0,
    };
    for cgroup in &past.cgroups {
        let facts = of_tasks(past, cgroup);
        all.cgroups += u64::from(!facts.is_empty());
        all.refused += facts.iter().map(|fact| fact.count).sum::<u64>();
    }
    (all.refused > 0).then_some(all)
}

fn fact(counts: &Counts, counter: &str, count: u64, proves: String, leaves_open: &str) -> Fact {
    Fact {
        cgroup: Some(counts.cgroup.to_string_lossy().into_owned()),
        counter: counter.to_owned(),
        count,
        new: None,
        proves,
        leaves_open: leaves_open.to_owned(),
    }
}

/// What a cgroup counts of tasks that were refused.
fn of_tasks(past: &Past, counts: &Counts) -> Vec<Fact> {
    let mut facts = Vec::new();
    // Until 6.11, and in v1 always, the cgroup that forked counts; since then, the one whose limit
    // it was, and those above it (kernel/cgroup/pids.c `pids_event`).
    let here = counts
        .refused_here
        .filter(|_| past.version == Version::V2 && !past.local_events);
    match (counts.refused.unwrap_or(0), here) {
        (0, _) => {}
        (refused, None) => facts.push(fact(
            counts,
            "max of pids.events",
            refused,
            "Tasks of this cgroup itself were refused so often by a pids.max.".to_owned(),
            "Whose: it is this cgroup's or one above it. And when: the counter has no times.",
        )),
        (refused, Some(here)) => {
            if here > 0 {
                facts.push(fact(
                    counts,
                    "max of pids.events.local",
                    here,
                    format!(
                        "The pids.max of this cgroup{} has refused so often.",
                        limit(counts)
                    ),
                    "Whom: tasks of it, or of a cgroup below. And when: the counter has no times.",
                ));
            }
            let gone = refused.saturating_sub(here + below(past, &counts.cgroup));
            if gone > 0 {
                facts.push(fact(
                    counts,
                    "max of pids.events",
                    gone,
                    "The pids.max of cgroups below that are gone has refused so often.".to_owned(),
                    "Which they were: a service that was started anew has a new cgroup. And when.",
                ));
            }
        }
    }
    facts
}

/// What it counts of memory.
fn of_memory(counts: &Counts) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(killed) = counts.killed.filter(|count| *count > 0) {
        facts.push(fact(
            counts,
            "oom_kill of memory.events.local",
            killed,
            "The OOM killer has killed so many processes of this cgroup.".to_owned(),
            "Whether for its own limit, one above it, or the host's memory. And when.",
        ));
    }
    if let Some(out) = counts.out_of_memory.filter(|count| *count > 0) {
        facts.push(fact(
            counts,
            "oom of memory.events.local",
            out,
            "An allocation was about to fail at this cgroup's memory limit so often.".to_owned(),
            "Whether a fork was refused: mostly the OOM killer makes room instead. And when.",
        ));
    }
    facts
}

fn limit(counts: &Counts) -> String {
    let peak = counts
        .peak
        .map(|peak| format!("at most {peak} tasks so far"));
    let limit = counts.limit.map(|limit| format!("{limit} now"));
    let known: Vec<String> = limit.into_iter().chain(peak).collect();
    match known.is_empty() {
        true => String::new(),
        false => format!(" ({})", known.join(", ")),
    }
}

/// What the cgroups right below it count.
fn below(past: &Past, cgroup: &Path) -> u64 {
    let children = past
        .cgroups
        .iter()
        .filter(|other| other.cgroup.parent() == Some(cgroup));
    children.filter_map(|child| child.refused).sum()
}

/// The JSON Schema of what `check --past --format json` prints.
pub fn past_schema() -> serde_json::Value {
    crate::model::published::PAST.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_schema_is_that_of_the_types() {
        crate::model::published::PAST.is_of(schemars::schema_for!(Before));
    }

    fn counts(cgroup: &str, refused: u64, here: Option<u64>) -> Counts {
        Counts {
            cgroup: cgroup.into(),
            refused: Some(refused),
            refused_here: here,
            ..Counts::default()
        }
    }

    fn told(
        version: Version,
        local_events: bool,
        cgroups: Vec<Counts>,
    ) -> Vec<(String, u64, String)> {
        let past = Past {
            version,
            local_events,
            cgroups,
            killed: Some(0),
            more: false,
        };
        let facts = facts(&past).into_iter();
        facts
            .map(|fact| (fact.cgroup.unwrap_or_default(), fact.count, fact.counter))
            .collect()
    }

    #[test]
    fn since_6_11_the_limits_own_cgroup_counts_and_those_that_are_gone_are_told() {
        // 9 in all: 4 at /a/b's own limit, 2 at /a's, 3 at one that was below /a.
        let cgroups = vec![counts("/a", 9, Some(2)), counts("/a/b", 4, Some(4))];
        let local = "max of pids.events.local".to_owned();
        let gone = "max of pids.events".to_owned();
        assert_eq!(
            told(Version::V2, false, cgroups),
            [
                ("/a/b".to_owned(), 4, local.clone()),
                ("/a".to_owned(), 3, gone),
                ("/a".to_owned(), 2, local),
            ]
        );
    }

    #[test]
    fn a_refusal_is_counted_once_in_what_check_says_of_before() {
        let of = |version, cgroups: Vec<Counts>| {
            let past = Past {
                version,
                local_events: false,
                cgroups,
                killed: Some(9),
                more: false,
            };
            earlier(&past).map(|all| (all.cgroups, all.refused))
        };
        let v2 = vec![counts("/a", 9, Some(2)), counts("/a/b", 4, Some(4))];
        assert_eq!(of(Version::V2, v2), Some((2, 9)));
        let v1 = vec![counts("/a", 2, None), counts("/a/b", 4, None)];
        assert_eq!(of(Version::V1, v1), Some((2, 6)));
        let killed = Counts {
            killed: Some(3),
            out_of_memory: Some(3),
            ..counts("/a", 0, None)
        };
        assert_eq!(of(Version::V1, vec![killed]), None);
    }

    /// Counts rise, cgroups go and come, and hosts are started anew.
    #[test]
    fn two_readings_have_a_difference() {
        let fact = |cgroup: &str, count| Fact {
            cgroup: Some(cgroup.to_owned()),
            counter: "max of pids.events".to_owned(),
            count,
            ..Fact::default()
        };
        let reading = |boot: &str, facts: Vec<Fact>| Before {
            boot_id: boot.to_owned(),
            time: "2026-11-29T10:00:00Z".to_owned(),
            facts,
            ..Before::default()
        };
        let earlier = reading(
            "a",
            vec![fact("/same", 3), fact("/more", 3), fact("/again", 9)],
        );
        let now = [
            fact("/same", 3),
            fact("/more", 5),
            fact("/again", 2),
            fact("/new", 1),
        ];
        let new = |boot: &str| {
            let mut later = reading(boot, now.to_vec());
            later.since(&earlier);
            let all = later.facts.iter();
            let all = all.map(|fact| (fact.cgroup.clone().unwrap(), fact.new.unwrap()));
            all.collect::<Vec<_>>()
        };
        let of = |all: &[(&str, u64)]| {
            let all = all.iter().map(|(cgroup, new)| ((*cgroup).to_owned(), *new));
            all.collect::<Vec<_>>()
        };
        assert_eq!(new("a"), of(&[("/more", 2), ("/again", 2), ("/new", 1)]));
        let all = [("/same", 3), ("/more", 5), ("/again", 2), ("/new", 1)];
        assert_eq!(new("b"), of(&all));
        // What was there already isn't told again.
        let mut later = reading("a", vec![fact("/same", 3)]);
        later.log.lines = ["2026-11-29T09:59:59Z", "2026-11-29T10:00:01Z"]
            .map(|time| super::super::LogLine {
                time: time.to_owned(),
                kind: super::super::LogKind::ForkRefused,
                text: String::new(),
            })
            .to_vec();
        later.log.more = 7;
        later.since(&earlier);
        assert_eq!((later.log.lines.len(), later.log.more), (1, 0));
        assert!(!later.is_empty());
    }

    #[test]
    fn before_and_in_v1_it_is_the_cgroup_that_forked() {
        for (version, local_events, here) in [
            (Version::V2, false, None),
            (Version::V1, false, Some(0)),
            (Version::V2, true, Some(0)),
        ] {
            let told = told(version, local_events, vec![counts("/a/b", 4, here)]);
            assert_eq!(
                told,
                [("/a/b".to_owned(), 4, "max of pids.events".to_owned())]
            );
        }
    }
}
