//! A change of a cgroup's limit that lasts, in the words of who set the cgroup up.

use super::words::shell_word;
use crate::{host::identity, model::Owner};

/// What a limit is called by those who set it.
pub struct Setting {
    /// Property of a systemd unit.
    pub property: &'static str,
    /// Option of `docker update` and of other runtimes.
    pub option: &'static str,
    /// Where Kubernetes has it.
    pub kubernetes: &'static str,
}

/// pids.max.
pub const TASKS: Setting = Setting {
    property: "TasksMax",
    option: "--pids-limit",
    kubernetes: "kubelet configuration: podPidsLimit",
};

/// memory.max, memory.limit_in_bytes.
pub const MEMORY: Setting = Setting {
    property: "MemoryMax",
    option: "--memory",
    kubernetes: "pod specification, of its containers: resources.limits.memory",
};

/// How to set the limit of this cgroup to `target`.
pub fn lasting(owner: &Owner, setting: &Setting, target: u64) -> String {
    let Setting {
        property,
        option,
        kubernetes,
    } = setting;
    let owner = identity::identify(owner.cgroup_path().unwrap_or_default());
    if let Some(pod) = owner.pod {
        format!("{kubernetes}: {target} (pod {pod})")
    } else if let Some(container) = owner.container {
        format!(
            "docker update {option} {target} {container} (other runtimes: {option} when it is started)"
        )
    } else if let Some(unit) = owner.unit.as_deref().and_then(shell_word) {
        match owner.user_manager {
            Some(uid) => {
                format!("systemctl --user set-property {unit} {property}={target} (as uid {uid})")
            }
            None => format!("systemctl set-property {unit} {property}={target}"),
        }
    } else {
        "raise the limit where this cgroup is set up".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_words_of_the_owner() {
        let id = "0123456789abcdef".repeat(4);
        let told = |path: &str| lasting(&Owner::cgroup(path), &MEMORY, 4096);
        assert_eq!(
            told("/system.slice/postgresql.service"),
            "systemctl set-property postgresql.service MemoryMax=4096"
        );
        assert_eq!(
            told("/user.slice/user-7.slice/user@7.service/app.slice/x.service"),
            "systemctl --user set-property x.service MemoryMax=4096 (as uid 7)"
        );
        assert!(
            told(&format!("/system.slice/docker-{id}.scope"))
                .starts_with(&format!("docker update --memory 4096 {id} ("))
        );
        let pod = "01234567-89ab-cdef-0123-456789abcdef";
        assert_eq!(
            told(&format!("/kubepods/burstable/pod{pod}/{id}")),
            format!(
                "pod specification, of its containers: resources.limits.memory: 4096 (pod {pod})"
            )
        );
        assert_eq!(told("/shop"), "raise the limit where this cgroup is set up");
    }
}
