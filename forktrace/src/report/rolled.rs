//! What a report says over all hosts: the types that `--format json` prints.

use serde::{Deserialize, Serialize};

use super::document::Top;
use crate::model::{Cause, Fix, Holder, Unit, limit_title};

/// By what failures are summed up (`--by`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The limit that refused, by its kind and its owner's name.
    Limit,
    /// The check that refused.
    Cause,
    /// The host.
    Host,
    /// The caller's systemd unit.
    Unit,
    /// The caller's pod.
    Pod,
    /// The caller's user.
    User,
    /// The caller's program.
    Program,
}

impl By {
    /// All of them, in the order in which `--help` names them.
    pub const ALL: [Self; 7] = [
        Self::Limit,
        Self::Cause,
        Self::Host,
        Self::Unit,
        Self::Pod,
        Self::User,
        Self::Program,
    ];

    /// As `--by` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Cause => "cause",
            Self::Host => "host",
            Self::Unit => "unit",
            Self::Pod => "pod",
            Self::User => "user",
            Self::Program => "program",
        }
    }
}

/// What the report was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Asked {
    /// `--by`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// `--top`: rows of each table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<usize>,
}

/// Failures over all hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Rolled {
    /// The same limit of the same kind, whatever the host: what an owner's name has from one start to the next
    /// (ids of containers, numbers of sessions) is a `*`.
    pub limits: Top<KinRow>,
    /// By the check that refused.
    pub causes: Top<RollRow>,
    /// By host.
    pub hosts: Top<RollRow>,
    /// By the caller's systemd unit.
    pub units: Top<RollRow>,
    /// By the caller's pod.
    pub pods: Top<RollRow>,
    /// By the caller's user.
    pub users: Top<RollRow>,
    /// By the caller's program.
    pub programs: Top<RollRow>,
    /// Failures of the hosts with the most over time; the buckets are `start` and `bucket_seconds`.
    pub heat: Heat,
}

/// A limit on all hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KinRow {
    /// Failed creations, repeats included.
    pub failures: u64,
    /// The cause of most of them.
    pub cause: Option<Cause>,
    /// `null` where the cause is no limit.
    pub name: Option<String>,
    /// Its owner, or what the owners' names have in common.
    pub scope: Option<String>,
    /// Hosts that it refused on.
    pub hosts: u64,
    /// Limits of it, each with its owner and host; `null`: there were more than are told apart.
    pub limits: Option<u64>,
    /// Of `lowest_value`, `highest_value` and `highest_usage`.
    pub unit: Option<Unit>,
    /// The lowest value of the limit among its hosts.
    pub lowest_value: Option<u64>,
    /// The highest value of the limit among its hosts.
    pub highest_value: Option<u64>,
    /// The most that was in use.
    pub highest_usage: Option<u64>,
    /// The one with the most failures.
    pub worst: Option<Worst>,
    /// When the first failure was: UTC, RFC 3339.
    pub first: Option<String>,
    /// When the last failure was: UTC, RFC 3339.
    pub last: Option<String>,
}

impl KinRow {
    /// "pids.max of /kubepods/pod*/*"; the cause where there is no limit.
    pub fn title(&self) -> String {
        match (&self.name, &self.scope) {
            (Some(name), Some(scope)) => limit_title(name, scope),
            _ => self.cause.map_or("not known", Cause::id).to_owned(),
        }
    }
}

/// The limit of a kind with the most failures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Worst {
    /// Failed creations, repeats included.
    pub failures: u64,
    /// Name of the host.
    pub host: String,
    /// The limit's owner.
    pub scope: Option<String>,
    /// What helps there.
    pub fix: Option<Fix>,
    /// What helps beside that.
    pub more_fixes: Vec<Fix>,
    /// Who fills it.
    pub holders: Vec<Holder>,
}

/// Failures of one thing on all hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RollRow {
    /// `null`: there is none, or it isn't known.
    pub name: Option<String>,
    /// How a pod is called, whose uid `name` is: NAMESPACE/NAME; left out where no record has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<String>,
    /// Of a program: whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Failed creations, repeats included.
    pub failures: u64,
    /// Hosts that it was refused on.
    pub hosts: u64,
    /// The cause of most of them; `null`: not known.
    pub cause: Option<Cause>,
    /// How many of the failures are of `cause`.
    pub of_cause: u64,
    /// When the first failure was: UTC, RFC 3339.
    pub first: Option<String>,
    /// When the last failure was: UTC, RFC 3339.
    pub last: Option<String>,
}

impl RollRow {
    /// As people know it.
    pub fn shown(&self) -> Option<&str> {
        self.called.as_deref().or(self.name.as_deref())
    }
}

/// Hosts over time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Heat {
    /// When the first bucket begins.
    pub start: Option<String>,
    /// How long a bucket is.
    pub bucket_seconds: u64,
    /// Most failures first.
    pub hosts: Vec<HeatRow>,
    /// A number for each bucket: those of the hosts beside these.
    pub others: Vec<u64>,
    /// How many hosts `others` counts.
    pub other_hosts: u64,
}

/// One host over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HeatRow {
    /// Name of the host.
    pub host: String,
    /// A number for each bucket.
    pub counts: Vec<u64>,
}
