//! The `oom_kill` record.

use serde::{Deserialize, Serialize};

use crate::model::{Cgroup, Limit};

/// Why the kernel was out of memory: `enum oom_constraint` (include/linux/oom.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Constraint {
    /// The host's memory was exhausted, or the kill was asked for by sysrq.
    None,
    /// The memory nodes of a cpuset.
    Cpuset,
    /// The memory nodes of a memory policy (set_mempolicy, mbind).
    MemoryPolicy,
    /// A memory cgroup's limit.
    Memcg,
}

/// Who was killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Victim {
    /// Thread group id, as the initial pid namespace numbers it.
    pub pid: u32,
    /// The thread that the kernel marked.
    pub tid: u32,
    /// Parent's thread group id.
    pub ppid: u32,
    /// Name of the thread that the kernel marked; bytes that are no UTF-8 become U+FFFD.
    pub comm: String,
    /// The raw bytes in hexadecimal, where `comm` had to be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comm_hex: Option<String>,
    /// Real uid, initial user namespace's number.
    pub uid: u32,
    /// Its name in /etc/passwd.
    pub user: Option<String>,
    /// /proc/PID/oom_score_adj, from -1000 to 1000: what made it more or less likely to be chosen.
    pub oom_score_adj: i32,
}

/// Who needed memory when there was none; often the victim itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct InvokedBy {
    /// Thread group id, as the initial pid namespace numbers it.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Thread's name.
    pub comm: String,
    /// The raw bytes in hexadecimal, where `comm` had to be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comm_hex: Option<String>,
}

/// A process that the OOM killer has made its victim: no failure, but what verdicts about memory have
/// to be read with. Recorded once a process, as the kernel's tracepoint `oom:mark_victim` fires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OomKill {
    /// UTC, RFC 3339.
    pub time: String,
    /// The process that was chosen.
    pub victim: Victim,
    /// Where the victim lived.
    pub cgroup: Cgroup,
    /// `null`: not seen (always so in the style `tracepoint`).
    pub constraint: Option<Constraint>,
    /// The limit of the memory cgroup that was full: the victim's own, or an ancestor's. `null` where
    /// `constraint` is not `memcg`, and where the limit is not known (a v1 limit of memory and swap
    /// together).
    pub limit: Option<Limit>,
    /// Whose request for memory the killer was called for.
    pub invoked_by: InvokedBy,
    /// The process was dying before, and is only let have what memory it needs for that: nobody was
    /// killed. `null`: not known.
    pub already_dying: Option<bool>,
    /// One sentence.
    pub summary: String,
}

impl OomKill {
    /// With its sentence, and without a time.
    pub fn new(
        victim: Victim,
        cgroup: Cgroup,
        constraint: Option<Constraint>,
        limit: Option<Limit>,
        invoked_by: InvokedBy,
        already_dying: Option<bool>,
    ) -> Self {
        let mut kill = Self {
            time: String::new(),
            victim,
            cgroup,
            constraint,
            limit,
            invoked_by,
            already_dying,
            summary: String::new(),
        };
        kill.summary = kill.sentence();
        kill
    }

    fn sentence(&self) -> String {
        let verb = match self.already_dying {
            Some(true) => "was dying already and is let finish, its memory being short",
            _ => "was killed for memory",
        };
        format!(
            "{} (pid {}) {verb}: {}",
            self.victim.comm,
            self.victim.pid,
            self.reason()
        )
    }

    /// What memory was short of: "memory.max of /x is full", "the host has none left".
    pub fn reason(&self) -> String {
        match (self.constraint, &self.limit) {
            (_, Some(limit)) => format!("{} of {} is full", limit.kind, limit.owner),
            (Some(Constraint::Memcg), None) => "a memory cgroup is full".to_owned(),
            (Some(Constraint::Cpuset), _) => "the nodes of its cpuset are full".to_owned(),
            (Some(Constraint::MemoryPolicy), _) => {
                "the nodes of its memory policy are full".to_owned()
            }
            (Some(Constraint::None), _) => {
                "the host had none left, or sysrq asked for it".to_owned()
            }
            (None, _) => "whose limit it was is not known".to_owned(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        model::{Cause, Errno, LimitKind, Owner, Unit},
        record::{Record, Summary, write_line},
        recording::{Filter, Wanted},
    };

    /// A kill in `/x/y`, whose parent was full.
    pub(crate) fn kill(time: &str) -> OomKill {
        let victim = Victim {
            pid: 812,
            tid: 813,
            ppid: 1,
            comm: "postgres".to_owned(),
            comm_hex: None,
            uid: 112,
            user: Some("postgres".to_owned()),
            oom_score_adj: -900,
        };
        let cgroup = Cgroup {
            path: Some("/x/y.service".to_owned()),
            id: 7,
            unit: Some("y.service".to_owned()),
            ..Cgroup::default()
        };
        let limit = Limit {
            value: Some(64 << 20),
            usage: Some(64 << 20),
            ..Limit::new(LimitKind::MemoryMax, Owner::cgroup("/x"), Unit::Bytes)
        };
        let by = InvokedBy {
            pid: 900,
            tid: 900,
            comm: "cat".to_owned(),
            comm_hex: None,
        };
        let constraint = Some(Constraint::Memcg);
        OomKill {
            time: time.to_owned(),
            ..OomKill::new(victim, cgroup, constraint, Some(limit), by, Some(false))
        }
    }

    const AT: &str = "2026-01-01T00:00:00Z";

    #[test]
    fn what_is_not_known_is_null_and_said_so() {
        let mut kill = kill(AT);
        assert_eq!(
            kill.summary,
            "postgres (pid 812) was killed for memory: memory.max of /x is full"
        );
        kill.limit = None;
        assert_eq!(kill.reason(), "a memory cgroup is full");
        kill.constraint = None;
        kill.already_dying = None;
        assert_eq!(kill.reason(), "whose limit it was is not known");
        let mut line = Vec::new();
        write_line(&mut line, &Record::OomKill(Box::new(kill.clone()))).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["type"], "oom_kill");
        for name in ["constraint", "limit", "already_dying"] {
            assert!(value.as_object().unwrap()[name].is_null(), "{name}");
        }
        let read: Record = serde_json::from_slice(&line).unwrap();
        assert_eq!(read, Record::OomKill(Box::new(kill)));
    }

    #[test]
    fn filters_ask_for_the_victim_and_never_by_cause() {
        let wanted = |change: fn(&mut Wanted)| {
            let mut wanted = Wanted::default();
            change(&mut wanted);
            wanted.wants_kill(&kill(AT))
        };
        assert!(wanted(|_| {}));
        assert!(wanted(|w| w.pid = Some(812)));
        assert!(wanted(|w| w.pid = Some(1)));
        assert!(!wanted(|w| w.pid = Some(900)));
        assert!(wanted(|w| w.comm = Some("postgres".to_owned())));
        assert!(!wanted(|w| w.comm = Some("cat".to_owned())));
        assert!(wanted(|w| w.user = Some("112".to_owned())));
        assert!(!wanted(|w| w.user = Some("root".to_owned())));
        assert!(wanted(|w| w.cgroup = Some("/x".to_owned())));
        assert!(!wanted(|w| w.cgroup = Some("/x/y".to_owned())));
        assert!(wanted(|w| w.unit = Some("y".to_owned())));
        assert!(!wanted(|w| w.unit = Some("x".to_owned())));
        assert!(wanted(|w| w.since = AT.parse().ok()));
        assert!(!wanted(|w| w.since = "2026-01-01T00:00:01Z".parse().ok()));
        assert!(!wanted(|w| w.causes = vec![Cause::Overcommit]));
        assert!(!wanted(|w| w.errnos = vec![Errno::ENOMEM]));
    }

    #[test]
    fn a_filtered_stream_counts_the_kills_that_it_passes() {
        let mut filter = Filter::new(Wanted {
            comm: Some("postgres".to_owned()),
            ..Wanted::default()
        });
        let mut other = kill(AT);
        other.victim.comm = "cat".to_owned();
        assert!(filter.pass(Record::OomKill(Box::new(kill(AT)))).is_some());
        assert!(filter.pass(Record::OomKill(Box::new(other))).is_none());
        let end = filter.pass(Record::Summary(Summary {
            oom_kills: 2,
            ..Summary::default()
        }));
        let Some(Record::Summary(end)) = end else {
            panic!("a summary passes");
        };
        assert_eq!((end.oom_kills, end.failures), (1, 0));
    }
}
