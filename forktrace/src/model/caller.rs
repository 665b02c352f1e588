//! Who asked, and where the caller lives.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Caller {
    /// Thread group id, as the initial pid namespace numbers it.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Parent's thread group id.
    pub ppid: u32,
    /// Thread's name; bytes that are no UTF-8 become U+FFFD.
    pub comm: String,
    /// The raw bytes in hexadecimal, where `comm` had to be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comm_hex: Option<String>,
    /// Real uid (RLIMIT_NPROC counts by it), initial user namespace's number.
    pub uid: u32,
    /// Effective uid.
    pub euid: u32,
    /// Its name in /etc/passwd.
    pub user: Option<String>,
    /// Executable; `null` when the process was gone before it could be read.
    pub exe: Option<String>,
    /// The raw bytes in hexadecimal, where `exe` had to be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe_hex: Option<String>,
}

/// Where the caller lives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cgroup {
    /// Path from the hierarchy's root, as the host sees it. The v2 hierarchy
    /// where it is in use, else that of the v1 pids controller.
    pub path: Option<String>,
    /// The raw bytes in hexadecimal, where `path` had to be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<String>,
    /// kernfs id: the inode number of the cgroup's folder.
    pub id: u64,
    /// systemd unit that the path names.
    pub unit: Option<String>,
    /// Container id that the path names.
    pub container: Option<String>,
    /// Kubernetes pod uid that the path names.
    pub pod: Option<String>,
    /// The pod's quality of service class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qos: Option<Qos>,
}

/// Quality of service class of a Kubernetes pod, as its status spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Qos {
    /// Requests are the limits, of each container.
    Guaranteed,
    /// Some container has a request or a limit, and the pod isn't guaranteed.
    Burstable,
    /// No container has a request or a limit.
    BestEffort,
}

/// As the pod's status spells it.
impl fmt::Display for Qos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        })
    }
}

/// A caller for tests.
#[cfg(test)]
/// A sample caller, for the tests of other rooms.
pub mod tests {
    use super::Caller;

    /// A process of postgres's.
    pub fn caller() -> Caller {
        Caller {
            pid: 812,
            tid: 812,
            ppid: 1,
            comm: "postgres".to_owned(),
            comm_hex: None,
            uid: 112,
            euid: 112,
            user: Some("postgres".to_owned()),
            exe: None,
            exe_hex: None,
        }
    }
}
