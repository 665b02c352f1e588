//! The ids of the causes.

use serde::{Deserialize, Serialize};

/// Makes [`Cause`]: of each cause its variant, its id and one line of what it is.
macro_rules! causes {
    ($($(#[doc = $doc:literal])* $variant:ident = $id:literal,)*) => {
        /// Which check refused: the ids of the catalogue of causes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        pub enum Cause {
            $($(#[doc = $doc])* #[serde(rename = $id)] $variant,)*
        }

        impl Cause {
            /// Every cause, in the order in which they are explained: the tasks' limits, what else
            /// answers EAGAIN, what answers ENOMEM, what a thread's stack meets before any creation
            /// is tried, what answers other errnos.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The id, as in records and on the command line.
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$variant => $id,)*
                }
            }
        }
    };
}

causes! {
    /// RLIMIT_NPROC of the caller's user, or of a user namespace's creator.
    RlimitNproc = "rlimit_nproc",
    /// kernel.threads-max.
    ThreadsMax = "threads_max",
    /// A SCHED_DEADLINE task may not fork.
    SchedDeadline = "sched_deadline",
    /// Another thread of the process is in execve.
    ExecInProgress = "exec_in_progress",
    /// No process id is free: kernel.pid_max.
    PidMax = "pid_max",
    /// pids.max of a cgroup or of one of its ancestors.
    CgroupPidsMax = "cgroup_pids_max",
    /// A security module said no.
    Lsm = "lsm",
    /// A seccomp filter said no.
    Seccomp = "seccomp",
    /// A scheduler written in BPF said no.
    SchedExt = "sched_ext",
    /// The pid namespace for children has lost its init.
    PidNamespaceDead = "pid_namespace_dead",
    /// Memory overcommit.
    Overcommit = "overcommit",
    /// No huge page is free for the copy of a pinned one.
    Hugetlb = "hugetlb",
    /// A memory cgroup is full and its OOM killer found no victim.
    CgroupMemoryMax = "cgroup_memory_max",
    /// The limit on kernel memory of a cgroup v1 (before 5.16).
    CgroupKernelMemoryMax = "cgroup_kernel_memory_max",
    /// The kernel could not allocate what a task needs, whatever the reason.
    KernelMemory = "kernel_memory",
    /// RLIMIT_AS: a thread's stack could not be mapped.
    RlimitAs = "rlimit_as",
    /// RLIMIT_DATA: a thread's stack could not be made writable.
    RlimitData = "rlimit_data",
    /// vm.max_map_count: a thread's stack could not be mapped.
    MaxMapCount = "max_map_count",
    /// RLIMIT_MEMLOCK, after mlockall: a thread's stack could not be locked.
    RlimitMemlock = "rlimit_memlock",
    /// RLIMIT_STACK makes each thread's stack too large to be mapped.
    RlimitStack = "rlimit_stack",
    /// A user has as many namespaces of a kind as `user.max_*_namespaces` allows.
    MaxNamespaces = "max_namespaces",
    /// User namespaces are nested as deep as the kernel allows.
    UserNamespaceLevel = "user_namespace_level",
    /// Pid namespaces are nested as deep as the kernel allows.
    PidNamespaceLevel = "pid_namespace_level",
    /// New namespaces without CAP_SYS_ADMIN.
    CapSysAdmin = "cap_sys_admin",
    /// kernel.unprivileged_userns_clone is 0.
    UnprivilegedUserns = "unprivileged_userns",
    /// CLONE_NEWUSER in a chroot.
    Chroot = "chroot",
    /// clone3's `set_tid` without CAP_CHECKPOINT_RESTORE.
    CapCheckpointRestore = "cap_checkpoint_restore",
    /// An id that clone3's `set_tid` asks for is in use.
    SetTidInUse = "set_tid_in_use",
    /// Ids that clone3's `set_tid` can't ask for.
    SetTidInvalid = "set_tid_invalid",
    /// Flags that exclude each other, or that the caller's state excludes.
    CloneFlags = "clone_flags",
    /// RLIMIT_NOFILE: no descriptor is free for the pidfd.
    RlimitNofile = "rlimit_nofile",
    /// fs.file-max: the pidfd is one open file too many for the host.
    FileMax = "file_max",
    /// fs.nr_open: the open files can't be copied.
    NrOpen = "nr_open",
    /// The cgroup that CLONE_INTO_CGROUP names doesn't take the child.
    CloneIntoCgroup = "clone_into_cgroup",
    /// The caller was being killed: no failure that anybody sees.
    FatalSignal = "fatal_signal",
    /// Not known.
    Unknown = "unknown",
}

impl Cause {
    /// Whether it is that the cause isn't known.
    pub fn is_unknown(self) -> bool {
        self == Self::Unknown
    }

    /// The cause with this id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.id() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_words_of_their_own_and_come_back_from_a_record() {
        for cause in Cause::ALL {
            let id = cause.id();
            assert!(
                id.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{id}"
            );
            assert_eq!(Cause::from_id(id), Some(*cause));
            let text = serde_json::to_string(cause).unwrap();
            assert_eq!(text, format!("\"{id}\""));
            assert_eq!(serde_json::from_str::<Cause>(&text).unwrap(), *cause);
        }
    }
}
