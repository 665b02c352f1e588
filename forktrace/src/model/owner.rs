//! Whose limit it is.
//!
//! [`Owner`] is the identity of a limit's owner. Its [`Display`](fmt::Display) is what records, and
//! everything that is printed, say; nothing else makes that text, and nothing but [`From`] reads it.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{by_text, initial};

/// Who has a limit. Two are the same where records name them alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A cgroup, and all that is below it.
    Cgroup(CgroupOwner),
    /// A user.
    User {
        /// Real uid; the initial user namespace's number where `userns` is `None`.
        uid: u32,
        /// Inode number of the user namespace whose number the uid is.
        userns: Option<u32>,
    },
    /// A user namespace: a limit that its creator has left in it.
    UserNamespace(UserNamespaceOwner),
    /// A pid namespace other than the initial one.
    PidNamespace {
        /// Its inode number, as `/proc/PID/ns/pid` shows it.
        inum: u32,
    },
    /// The pid namespace that forktrace itself is in, where that isn't the initial one.
    OwnPidNamespace,
    /// A scheduler written in BPF.
    Scheduler {
        /// As the scheduler calls itself.
        name: String,
    },
    /// The whole host.
    Host,
    /// The process that asked.
    Process,
    /// What a recording says of an owner, where that is none of these.
    Named(String),
}

/// A cgroup as an owner: by its path, or by its id where that is all that is known.
#[derive(Clone, Debug)]
pub struct CgroupOwner {
    /// Path from the hierarchy's root, as the host sees it.
    pub path: Option<String>,
    /// kernfs id; `None` in a recording that has the path.
    pub id: Option<u64>,
}

impl PartialEq for CgroupOwner {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && (self.path.is_some() || self.id == other.id)
    }
}

impl Eq for CgroupOwner {}

impl Hash for CgroupOwner {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.path {
            Some(path) => path.hash(state),
            None => self.id.hash(state),
        }
    }
}

/// A user namespace as an owner.
#[derive(Clone, Copy, Debug)]
pub struct UserNamespaceOwner {
    /// Its inode number, as `/proc/PID/ns/user` shows it.
    pub inum: u32,
    /// Whose tasks or namespaces are counted: the user's who created it, initial user namespace's
    /// number. `None` in a recording.
    pub counted: Option<u32>,
}

impl PartialEq for UserNamespaceOwner {
    fn eq(&self, other: &Self) -> bool {
        self.inum == other.inum
    }
}

impl Eq for UserNamespaceOwner {}

impl Hash for UserNamespaceOwner {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inum.hash(state);
    }
}

impl Owner {
    /// A cgroup by its path.
    pub fn cgroup(path: impl Into<String>) -> Self {
        Self::Cgroup(CgroupOwner {
            path: Some(path.into()),
            id: None,
        })
    }

    /// A user by the uid.
    pub fn user(uid: u32) -> Self {
        Self::User { uid, userns: None }
    }

    /// A user namespace by its inode number.
    pub fn user_namespace(inum: u32) -> Self {
        Self::UserNamespace(UserNamespaceOwner {
            inum,
            counted: None,
        })
    }

    /// The path of the cgroup, where it is one and has one.
    pub fn cgroup_path(&self) -> Option<&str> {
        match self {
            Self::Cgroup(cgroup) => cgroup.path.as_deref(),
            _ => None,
        }
    }

    /// Whether it is the initial user namespace.
    pub fn is_initial_user_namespace(&self) -> bool {
        *self == Self::user_namespace(initial::USER)
    }
}

pub(super) const CGROUP_ID: &str = "cgroup id ";
pub(super) const UID: &str = "uid ";
pub(super) const IN_USER_NAMESPACE: &str = " in user namespace ";
pub(super) const USER_NAMESPACE: &str = "user namespace ";
pub(super) const PID_NAMESPACE: &str = "pid namespace ";
const OWN_PID_NAMESPACE: &str = "this pid namespace";
const SCHEDULER: &str = "scheduler ";
const HOST: &str = "host";
const PROCESS: &str = "process";

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cgroup(CgroupOwner { path, id }) => match path {
                Some(path) => f.write_str(path),
                None => write!(f, "{CGROUP_ID}{}", id.unwrap_or(0)),
            },
            Self::User { uid, userns } => match userns {
                None => write!(f, "{UID}{uid}"),
                Some(inum) => write!(f, "{UID}{uid}{IN_USER_NAMESPACE}{inum}"),
            },
            Self::UserNamespace(namespace) => write!(f, "{USER_NAMESPACE}{}", namespace.inum),
            Self::PidNamespace { inum } => write!(f, "{PID_NAMESPACE}{inum}"),
            Self::OwnPidNamespace => f.write_str(OWN_PID_NAMESPACE),
            Self::Scheduler { name } => write!(f, "{SCHEDULER}{name}"),
            Self::Host => f.write_str(HOST),
            Self::Process => f.write_str(PROCESS),
            Self::Named(text) => f.write_str(text),
        }
    }
}

/// From the text of a record. What this version would write otherwise stays as it is.
impl From<&str> for Owner {
    fn from(text: &str) -> Self {
        let read = parse(text).filter(|owner| is_written(owner, text));
        read.unwrap_or_else(|| Self::Named(text.to_owned()))
    }
}

/// Whether an owner's text is this one: as [`ToString::to_string`] says, without a copy.
fn is_written(owner: &Owner, text: &str) -> bool {
    struct Rest<'a>(&'a str);
    impl fmt::Write for Rest<'_> {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let mut rest = Rest(text);
    fmt::write(&mut rest, format_args!("{owner}")).is_ok() && rest.0.is_empty()
}

fn parse(text: &str) -> Option<Owner> {
    if text.starts_with('/') {
        return Some(Owner::cgroup(text));
    }
    if let Some(id) = text.strip_prefix(CGROUP_ID) {
        return Some(Owner::Cgroup(CgroupOwner {
            path: None,
            id: Some(id.parse().ok()?),
        }));
    }
    if let Some(user) = text.strip_prefix(UID) {
        return Some(match user.split_once(IN_USER_NAMESPACE) {
            None => Owner::user(user.parse().ok()?),
            Some((uid, inum)) => Owner::User {
                uid: uid.parse().ok()?,
                userns: Some(inum.parse().ok()?),
            },
        });
    }
    if let Some(inum) = text.strip_prefix(USER_NAMESPACE) {
        return Some(Owner::user_namespace(inum.parse().ok()?));
    }
    if let Some(inum) = text.strip_prefix(PID_NAMESPACE) {
        let inum = inum.parse().ok()?;
        return Some(Owner::PidNamespace { inum });
    }
    if let Some(name) = text.strip_prefix(SCHEDULER) {
        let name = name.to_owned();
        return Some(Owner::Scheduler { name });
    }
    match text {
        OWN_PID_NAMESPACE => Some(Owner::OwnPidNamespace),
        HOST => Some(Owner::Host),
        PROCESS => Some(Owner::Process),
        _ => None,
    }
}

impl Serialize for Owner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Owner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        by_text(deserializer)
    }
}

/// A string, of which the field's description says the forms.
#[cfg(test)]
impl schemars::JsonSchema for Owner {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Owner".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each, and the text that records have had of it since schema 1.
    fn all() -> Vec<(Owner, &'static str)> {
        let by_id = CgroupOwner {
            path: None,
            id: Some(4711),
        };
        let user = Owner::User {
            uid: 5,
            userns: Some(77),
        };
        let scheduler = Owner::Scheduler {
            name: "scx rusty".to_owned(),
        };
        vec![
            (Owner::cgroup("/system.slice"), "/system.slice"),
            (Owner::cgroup("/"), "/"),
            (Owner::Cgroup(by_id), "cgroup id 4711"),
            (Owner::user(112), "uid 112"),
            (user, "uid 5 in user namespace 77"),
            (
                Owner::user_namespace(4_026_531_837),
                "user namespace 4026531837",
            ),
            (Owner::PidNamespace { inum: 7 }, "pid namespace 7"),
            (Owner::OwnPidNamespace, "this pid namespace"),
            (scheduler, "scheduler scx rusty"),
            (Owner::Host, "host"),
            (Owner::Process, "process"),
            (Owner::Named("the moon".to_owned()), "the moon"),
        ]
    }

    #[test]
    fn every_owner_is_written_as_ever_and_comes_back() {
        for (owner, text) in all() {
            assert_eq!(owner.to_string(), text);
            let json = serde_json::to_string(&owner).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Owner>(&json).unwrap(), owner);
        }
    }

    #[test]
    fn what_would_be_written_otherwise_keeps_its_name() {
        for text in [
            "",
            "Host",
            "uid",
            "uid ",
            "uid x",
            "uid 007",
            "uid +7",
            "uid -1",
            "uid 4294967296",
            "uid 1 in user namespace ",
            "cgroup id 0x7",
            "pid namespace 7 ",
            "user namespace",
            "relative/path",
        ] {
            assert_eq!(Owner::from(text), Owner::Named(text.to_owned()), "{text:?}");
            assert_eq!(Owner::from(text).to_string(), text);
        }
    }

    #[test]
    fn what_records_do_not_have_is_no_part_of_the_identity() {
        let known = Owner::Cgroup(CgroupOwner {
            path: Some("/a".to_owned()),
            id: Some(7),
        });
        assert_eq!(known, Owner::cgroup("/a"));
        let by_id = |id| Owner::Cgroup(CgroupOwner { path: None, id });
        assert_ne!(by_id(Some(7)), by_id(Some(8)));
        assert_ne!(by_id(Some(7)), known);
        let known = Owner::UserNamespace(UserNamespaceOwner {
            inum: 7,
            counted: Some(1000),
        });
        assert_eq!(known, Owner::user_namespace(7));
    }
}
