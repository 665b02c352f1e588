//! Which limit it is.

use super::words;

words! {
    /// A limit, by the name that people know it by.
    pub enum LimitKind {
        /// Tasks of a user.
        RlimitNproc = "RLIMIT_NPROC",
        /// Tasks of the host.
        ThreadsMax = "kernel.threads-max",
        /// Process ids of a pid namespace.
        PidMax = "kernel.pid_max",
        /// Tasks of a cgroup.
        PidsMax = "pids.max",
        /// Memory of a cgroup.
        MemoryMax = "memory.max",
        /// Memory of a cgroup v1.
        MemoryLimit = "memory.limit_in_bytes",
        /// Memory and swap together, of a cgroup v1.
        MemorySwapLimit = "memory.memsw.limit_in_bytes",
        /// The kernel's own memory, of a cgroup v1.
        KernelMemoryLimit = "memory.kmem.limit_in_bytes",
        /// What may be promised under vm.overcommit_memory=2.
        CommitLimit = "CommitLimit",
        /// RAM and swap together, for one promise under vm.overcommit_memory=0.
        RamAndSwap = "vm.overcommit_memory",
        /// Huge pages of one size.
        HugePages = "nr_hugepages",
        /// Mappings of a process.
        MaxMapCount = "vm.max_map_count",
        /// Address space of a process.
        RlimitAs = "RLIMIT_AS",
        /// Private writable memory of a process.
        RlimitData = "RLIMIT_DATA",
        /// Locked memory of a process.
        RlimitMemlock = "RLIMIT_MEMLOCK",
        /// Descriptors of a process.
        RlimitNofile = "RLIMIT_NOFILE",
        /// Open files of the host.
        FileMax = "fs.file-max",
        /// The highest descriptor that there may be.
        NrOpen = "fs.nr_open",
        /// User namespaces of a user.
        MaxUserNamespaces = "user.max_user_namespaces",
        /// Pid namespaces of a user.
        MaxPidNamespaces = "user.max_pid_namespaces",
        /// UTS namespaces of a user.
        MaxUtsNamespaces = "user.max_uts_namespaces",
        /// IPC namespaces of a user.
        MaxIpcNamespaces = "user.max_ipc_namespaces",
        /// Network namespaces of a user.
        MaxNetNamespaces = "user.max_net_namespaces",
        /// Mount namespaces of a user.
        MaxMntNamespaces = "user.max_mnt_namespaces",
        /// Cgroup namespaces of a user.
        MaxCgroupNamespaces = "user.max_cgroup_namespaces",
        /// Time namespaces of a user.
        MaxTimeNamespaces = "user.max_time_namespaces",
        /// How deep user namespaces may be nested.
        UserNamespaceLevels = "nesting of user namespaces",
        /// How deep pid namespaces may be nested.
        PidNamespaceLevels = "nesting of pid namespaces",
        /// No number: a pid namespace that takes no process any more.
        PidNamespace = "pid namespace",
        /// No number: a scheduler written in BPF.
        SchedExt = "sched_ext",
    }
}
