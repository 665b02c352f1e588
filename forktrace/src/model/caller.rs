//! Who asked, and where the caller lives.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    /// Which program of the catalogue that is (`forktrace explain --programs`), where it is one.
    #[serde(default, rename = "program", skip_serializing_if = "Option::is_none")]
    pub catalogued: Option<String>,
}

impl Caller {
    /// The program's name: a thread's may say nothing of it.
    pub fn program(&self) -> &str {
        program(self.exe.as_deref(), &self.comm)
    }
}

/// The name of the executable; the thread's, where that isn't known.
pub fn program<'a>(exe: Option<&'a str>, comm: &'a str) -> &'a str {
    let exe = exe.map(|exe| exe.strip_suffix(" (deleted)").unwrap_or(exe));
    let name = exe.and_then(|exe| exe.rsplit('/').next());
    name.filter(|name| !name.is_empty()).unwrap_or(comm)
}

/// The program, and the thread's name beside it where that is another: "java (http-nio-8080-e)". A
/// thread's name is the program's first 15 bytes to begin with.
pub fn program_and_thread(program: &str, comm: &str) -> String {
    const LONGEST: usize = 15;
    let cut = comm.len() == LONGEST && program.starts_with(comm);
    match comm == program || cut {
        true => program.to_owned(),
        false => format!("{program} ({comm})"),
    }
}

/// Where the caller lives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    /// The pod's namespace, by kubelet's files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The pod's name, by kubelet's files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_name: Option<String>,
    /// The container's name in its pod, by kubelet's files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_name: Option<String>,
}

/// Which pods and containers are meant; `None` is all, those of no pod too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Containers {
    /// A pod by its name, `NAMESPACE/NAME`, or its uid.
    pub pod: Option<String>,
    /// The pod's namespace.
    pub namespace: Option<String>,
    /// A container by its name, or by its id or the beginning of that.
    pub container: Option<String>,
}

impl Containers {
    /// Whether any is left out.
    pub fn chooses(&self) -> bool {
        *self != Self::default()
    }

    /// Whether all that is asked of a cgroup is so.
    pub fn has(&self, cgroup: &Cgroup) -> bool {
        self.met(cgroup) == [true; 3]
    }

    /// Whether its pod, its namespace and its container are meant.
    pub fn met(&self, cgroup: &Cgroup) -> [bool; 3] {
        let is = |name: &Option<String>, wanted: &str| name.as_deref() == Some(wanted);
        [
            self.pod.as_ref().is_none_or(|pod| {
                let whole = pod.split_once('/').is_some_and(|(namespace, name)| {
                    is(&cgroup.namespace, namespace) && is(&cgroup.pod_name, name)
                });
                whole || is(&cgroup.pod_name, pod) || is(&cgroup.pod, pod)
            }),
            self.namespace
                .as_ref()
                .is_none_or(|namespace| is(&cgroup.namespace, namespace)),
            self.container.as_ref().is_none_or(|container| {
                let id = cgroup.container.as_ref();
                // As container runtimes show it.
                let short = container.len() >= 12;
                let begins = id.is_some_and(|id| short && id.starts_with(&**container));
                is(&cgroup.container_name, container) || is(&cgroup.container, container) || begins
            }),
        ]
    }
}

/// Quality of service class of a Kubernetes pod, as its status spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    use super::{Caller, Cgroup, Containers, program, program_and_thread};

    #[test]
    fn pods_and_containers_go_by_name_or_id() {
        let id = "3f1c0a5ce9b44c1f8d27ab6e05a1f3c29d8e7b60514f3a2c9e8d7b6a50413f2e";
        let text = |text: &str| Some(text.to_owned());
        let cgroup = Cgroup {
            pod: text("5b8c2f9e-3d41-4a77-9c05-1f2e3d4c5b6a"),
            container: text(id),
            namespace: text("shop"),
            pod_name: text("web-0"),
            container_name: text("php"),
            ..Cgroup::default()
        };
        let has = |pod, namespace, container| {
            let wanted = Containers {
                pod: Option::map(pod, str::to_owned),
                namespace: Option::map(namespace, str::to_owned),
                container: Option::map(container, str::to_owned),
            };
            wanted.has(&cgroup)
        };
        assert!(has(None, None, None));
        assert!(has(Some("web-0"), Some("shop"), Some("php")));
        assert!(has(Some("shop/web-0"), None, Some(id)));
        assert!(has(
            Some("5b8c2f9e-3d41-4a77-9c05-1f2e3d4c5b6a"),
            None,
            Some(&id[..12])
        ));
        assert!(!has(Some("web"), None, None) && !has(Some("other/web-0"), None, None));
        assert!(!has(None, Some("default"), None) && !has(None, None, Some(&id[..11])));
        let of_none = Containers {
            namespace: text("shop"),
            ..Containers::default()
        };
        assert!(of_none.chooses() && !of_none.has(&Cgroup::default()));
    }

    #[test]
    fn a_program_goes_by_its_executable() {
        assert_eq!(program(Some("/usr/bin/java"), "http-nio-8080-e"), "java");
        assert_eq!(program(Some("/opt/x (deleted)"), "x"), "x");
        assert_eq!(program(Some("/"), "x"), "x");
        assert_eq!(program(None, "in:imuxsock"), "in:imuxsock");
        let beside = |program, comm| program_and_thread(program, comm);
        assert_eq!(beside("java", "http-nio-8080-e"), "java (http-nio-8080-e)");
        assert_eq!(
            beside("a-quite-lengthy-name", "a-quite-lengthy"),
            "a-quite-lengthy-name"
        );
        assert_eq!(beside("sh", "sh"), "sh");
    }

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
            catalogued: None,
        }
    }
}
