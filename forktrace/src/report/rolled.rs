//! What a report says over all hosts: the types that `--format json` prints.

use serde::{Deserialize, Serialize};

use super::document::Top;
use crate::model::{Cause, Fix, Holder, Unit, limit_title};

/// By what failures are summed up (`--by`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum By {
    Limit,
    Cause,
    Host,
    Unit,
    Pod,
    User,
    Program,
}

impl By {
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Rolled {
    /// The same limit of the same kind, whatever the host: what an owner's name has from one start to the next
    /// (ids of containers, numbers of sessions) is a `*`.
    pub limits: Top<KinRow>,
    pub causes: Top<RollRow>,
    pub hosts: Top<RollRow>,
    pub units: Top<RollRow>,
    pub pods: Top<RollRow>,
    pub users: Top<RollRow>,
    pub programs: Top<RollRow>,
    /// Failures of the hosts with the most over time; the buckets are `start` and `bucket_seconds`.
    pub heat: Heat,
}

/// A limit on all hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KinRow {
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
    pub unit: Option<Unit>,
    pub lowest_value: Option<u64>,
    pub highest_value: Option<u64>,
    pub highest_usage: Option<u64>,
    /// The one with the most failures.
    pub worst: Option<Worst>,
    pub first: Option<String>,
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
    pub failures: u64,
    pub host: String,
    pub scope: Option<String>,
    pub fix: Option<Fix>,
    pub more_fixes: Vec<Fix>,
    pub holders: Vec<Holder>,
}

/// Failures of one thing on all hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RollRow {
    /// `null`: there is none, or it isn't known.
    pub name: Option<String>,
    /// Of a program: whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    pub failures: u64,
    /// Hosts that it was refused on.
    pub hosts: u64,
    /// The cause of most of them; `null`: not known.
    pub cause: Option<Cause>,
    pub of_cause: u64,
    pub first: Option<String>,
    pub last: Option<String>,
}

/// Hosts over time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Heat {
    /// When the first bucket begins.
    pub start: Option<String>,
    pub bucket_seconds: u64,
    /// Most failures first.
    pub hosts: Vec<HeatRow>,
    /// A number for each bucket: those of the hosts beside these.
    pub others: Vec<u64>,
    pub other_hosts: u64,
}

/// One host over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HeatRow {
    pub host: String,
    /// A number for each bucket.
    pub counts: Vec<u64>,
}
