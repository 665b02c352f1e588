//! Limits: what they bound, by how much, and how full they are.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};

use super::{LimitKind, Owner};

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Processes and threads alike.
    Tasks,
    /// Process ids (a thread has one of its own).
    Ids,
    /// Bytes.
    Bytes,
    /// Mappings of an address space.
    Mappings,
    /// Namespaces of one kind.
    Namespaces,
    /// Levels of nested namespaces.
    Levels,
    /// File descriptors of one process.
    Descriptors,
    /// Open files of the whole host.
    Files,
    /// Huge pages of one size.
    HugePages,
}

/// The limit that refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Limit {
    /// As people know it: `pids.max`, `RLIMIT_NPROC`, `kernel.pid_max`, …
    #[serde(rename = "name")]
    pub kind: LimitKind,
    /// Who owns it: a cgroup's path from its hierarchy's root, `uid N`,
    /// `user namespace N`, `pid namespace N`, `scheduler NAME`, `host`, or
    /// `process`.
    #[serde(rename = "scope")]
    pub owner: Owner,
    /// The bound; `null` where the cause has no number.
    pub value: Option<u64>,
    /// How much was in use at the refusal, without what was asked for.
    pub usage: Option<u64>,
    /// How much was asked for.
    pub requested: Option<u64>,
    /// What is counted.
    pub unit: Unit,
    /// Where the usable part is smaller than `value`: pid_max less the 300 ids
    /// that the kernel reserves, CommitLimit less the reserves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usable: Option<u64>,
    /// Where that is counted, if not on the whole host: RLIMIT_NPROC counts a user's tasks in each user
    /// namespace by itself (Linux 5.14+).
    #[serde(
        default,
        skip_serializing_if = "in_the_initial_namespace",
        deserialize_with = "unless_in_the_initial_namespace"
    )]
    pub within: Option<Owner>,
    /// The file that holds the limit, as this host's mounts show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Records leave out where tasks are counted when that is the initial user namespace.
fn in_the_initial_namespace(within: &Option<Owner>) -> bool {
    within.as_ref().is_none_or(Owner::is_initial_user_namespace)
}

fn unless_in_the_initial_namespace<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Owner>, D::Error> {
    let within = Option::<Owner>::deserialize(deserializer)?;
    Ok(within.filter(|within| !within.is_initial_user_namespace()))
}

impl Limit {
    /// A limit without more than its identity and its unit.
    pub fn new(kind: LimitKind, owner: Owner, unit: Unit) -> Self {
        Self {
            kind,
            owner,
            value: None,
            usage: None,
            requested: None,
            unit,
            usable: None,
            within: None,
            file: None,
        }
    }

    /// "pids.max of /a".
    pub fn title(&self) -> String {
        title(&self.kind.to_string(), &self.owner.to_string())
    }

    /// Whether both are the same limit of the same owner, whatever the numbers.
    pub fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind && self.owner == other.owner
    }

    /// The user namespace in which it is counted, unless that is the initial one.
    pub fn nested_within(&self) -> Option<&Owner> {
        let within = self.within.as_ref();
        within.filter(|within| !within.is_initial_user_namespace())
    }

    /// What `usage` has to be compared with.
    pub fn bound(&self) -> Option<u64> {
        self.usable.or(self.value)
    }

    /// How full, as a fraction; `None` without numbers.
    pub fn fullness(&self) -> Option<f64> {
        match (self.usage, self.bound()) {
            (Some(_), Some(0)) => Some(f64::INFINITY),
            (Some(usage), Some(bound)) => Some(usage as f64 / bound as f64),
            _ => None,
        }
    }
}

/// A limit by its name and whose it is. That a pid namespace takes no task, because its init has ended, is
/// recorded as a limit that the namespace has of itself.
pub fn title(name: &str, scope: &str) -> String {
    let itself = scope.strip_prefix(name);
    match itself.is_some_and(|rest| rest.starts_with(' ')) {
        true => format!("{scope} without init"),
        false => format!("{name} of {scope}"),
    }
}

/// Whose limit, in one text: the owner, and where its use is counted if that is elsewhere.
pub fn owner_within<'a>(owner: &'a str, within: Option<&str>) -> Cow<'a, str> {
    match elsewhere(owner, within) {
        Some(within) => Cow::Owned(format!("{owner} in {within}")),
        None => Cow::Borrowed(owner),
    }
}

/// The same of all limits of a kind, see [`Owner::kin`].
pub fn kin_within(owner: &str, within: Option<&str>) -> String {
    let kin = Owner::from(owner).kin();
    match elsewhere(owner, within) {
        Some(within) => format!("{kin} in {}", Owner::from(within).kin()),
        None => kin,
    }
}

/// Where its use is counted, unless the owner says that already.
fn elsewhere<'a>(owner: &str, within: Option<&'a str>) -> Option<&'a str> {
    within.filter(|within| !owner.contains(within))
}

/// Another limit at the same instant: a runner-up, or one to rule out.
pub type Candidate = Limit;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_without_init_is_not_called_twice() {
        let of = |kind, owner| Limit::new(kind, owner, Unit::Ids).title();
        let dead = Owner::PidNamespace {
            inum: 4_026_532_189,
        };
        assert_eq!(
            of(LimitKind::PidNamespace, dead.clone()),
            "pid namespace 4026532189 without init"
        );
        let full = "kernel.pid_max of pid namespace 4026532189";
        assert_eq!(of(LimitKind::PidMax, dead), full);
        assert_eq!(of(LimitKind::PidMax, Owner::Host), "kernel.pid_max of host");
    }

    #[test]
    fn the_initial_user_namespace_is_known_and_not_recorded() {
        let counted = |inum| Limit {
            within: Some(Owner::user_namespace(inum)),
            ..Limit::new(LimitKind::RlimitNproc, Owner::user(5), Unit::Tasks)
        };
        let initial = counted(crate::model::initial::USER);
        let json = serde_json::to_value(&initial).unwrap();
        assert_eq!(json.get("within"), None);
        assert_eq!(initial.nested_within(), None);
        let nested = counted(4_026_532_001);
        let json = serde_json::to_value(&nested).unwrap();
        assert_eq!(json["within"], "user namespace 4026532001");
        assert_eq!(serde_json::from_value::<Limit>(json).unwrap(), nested);
    }
}
