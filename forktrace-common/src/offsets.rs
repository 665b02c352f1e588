//! Where the kernel keeps the fields that the programs read.
//!
//! User space resolves every offset by name from `/sys/kernel/btf/vmlinux` and
//! passes the table to the programs as one frozen global, so one object serves
//! every kernel. A field that this kernel doesn't have is [`MISSING`]: the
//! piece of evidence that needs it is then absent, not wrong.

/// Marks a field that this kernel doesn't have. Added to a kernel address, or to
/// none, it leads to one that no read accepts: so nothing has to ask before it reads.
///
/// x86-64: it is canonical neither with 48 nor with 57 bits, so that
/// `copy_from_kernel_nofault_allowed` (arch/x86/mm/maccess.c, 5.6+) refuses it. That goes by what the
/// processor can (`x86_virt_bits`), not by the page tables in use: what is a user's address of 57 bits is
/// read by a kernel with four levels of tables on such a processor, which warns of it
/// (`ex_handler_uaccess`), and with `panic_on_warn` panics.
/// arm64: bit 55 alone says whose half an address is in, also where the bits above it are tags that count
/// for nothing, and the bits below it have to agree.
pub const MISSING: u64 = 1 << 63 | 1 << 55;

macro_rules! offsets {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Byte offsets of kernel struct fields, each named `struct_field`.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Offsets {
            $(
                #[doc = concat!("Offset of `", stringify!($name), "`.")]
                $(#[$doc])*
                pub $name: u64,
            )*
        }

        impl Offsets {
            /// Nothing is known yet: every field [`MISSING`].
            pub const UNKNOWN: Self = Self { $($name: MISSING,)* };

            /// Names of the fields, in the order of the struct.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)*];
        }
    };
}

offsets! {
    // --- task_struct
    task_flags,
    task_pid,
    task_tgid,
    task_real_parent,
    task_signal,
    /// `pending.signal`: first word of the thread's pending set.
    task_pending_signal,
    task_cred,
    task_real_cred,
    task_nsproxy,
    task_mm,
    task_fs,
    task_files,
    task_cgroups,
    task_policy,
    task_exit_state,
    /// `__state`; `state` up to 5.13.
    task_state,
    /// `seccomp.mode`.
    task_seccomp_mode,
    /// `stack`: base of the kernel stack.
    task_stack,
    /// Byte that holds the bit `sched_reset_on_fork`.
    task_reset_on_fork_byte,
    /// Mask of that bit within its byte.
    task_reset_on_fork_mask,
    /// `thread_info.status` (x86).
    task_status,
    // --- signal_struct
    /// `rlim[RLIMIT_NPROC].rlim_cur`.
    signal_rlim_nproc,
    signal_flags,
    /// `shared_pending.signal`: first word of the process's pending set.
    signal_shared_pending,
    // --- cred
    cred_euid,
    cred_user,
    cred_user_ns,
    cred_ucounts,
    cred_cap_effective,
    // --- user_struct
    /// `processes`: up to 5.13 the count that RLIMIT_NPROC is compared with.
    user_processes,
    // --- ucounts (5.14+ for RLIMIT_NPROC)
    /// `rlimit[UCOUNT_RLIMIT_NPROC]`; 5.14 to 6.0 `ucount[…]`.
    ucounts_nproc,
    ucounts_ns,
    ucounts_uid,
    // --- user_namespace
    /// `rlimit_max[UCOUNT_RLIMIT_NPROC]`; 5.14 to 6.0 `ucount_max[…]`.
    userns_nproc_max,
    userns_ucounts,
    userns_inum,
    userns_level,
    // --- nsproxy, pid_namespace
    nsproxy_pid_ns_for_children,
    pidns_pid_allocated,
    /// `pid_max`: 6.14+, per namespace.
    pidns_pid_max,
    pidns_parent,
    pidns_inum,
    pidns_level,
    // --- fs_struct
    fs_in_exec,
    /// `root`: a mount, and a folder in it.
    fs_root_mnt,
    fs_root_dentry,
    /// `mnt_root`: the folder that the mount shows.
    vfsmount_root,
    // --- css_set, cgroup_subsys_state, cgroup
    /// `subsys[pids_cgrp_id]`.
    cset_pids,
    /// `subsys[memory_cgrp_id]`.
    cset_memory,
    cset_dfl_cgrp,
    css_cgroup,
    css_parent,
    cgroup_kn,
    cgroup_level,
    cgroup_root,
    cgroup_self_parent,
    /// `subsys[pids_cgrp_id]` of one cgroup: null where the controller is off.
    cgroup_pids,
    root_hierarchy_id,
    // --- kernfs_node
    kn_name,
    /// `parent`; `__parent` since 6.15.
    kn_parent,
    kn_id,
    kn_priv,
    // --- pids_cgroup
    pids_css,
    pids_counter,
    pids_limit,
    /// Count of forks that were refused to tasks of this cgroup:
    /// `events_local[PIDCG_FORKFAIL]` since 6.11, `events_limit` before.
    pids_forkfail,
    // --- mem_cgroup
    memcg_css,
    memcg_usage,
    memcg_max,
    /// `memory_events[MEMCG_OOM]`: of this cgroup and all below it.
    memcg_events_oom,
    /// `oom_kill_disable`: v1, where the kernel has it.
    memcg_oom_kill_disable,
    /// `kmem.usage` and `kmem.max`: v1's limit of kernel memory.
    memcg_kmem_usage,
    memcg_kmem_max,
    // --- mm_struct
    mm_total_vm,
    mm_data_vm,
    mm_stack_vm,
    mm_pgtables_bytes,
    // --- for threads' stacks
    mm_map_count,
    mm_locked_vm,
    mm_def_flags,
    signal_rlim_as,
    /// `rlim[RLIMIT_DATA].rlim_cur`, and `rlim_max`.
    signal_rlim_data,
    signal_rlim_data_max,
    signal_rlim_memlock,
    // --- kernel_clone_args
    args_flags,
    args_cgroup,
    args_fn,
    /// Byte that holds `io_thread` (an int up to 6.3, a bit since).
    args_io_thread_byte,
    /// Mask of it within its byte.
    args_io_thread_mask,
    // --- percpu_counter
    percpu_counter_count,
    // --- what refuses with other errnos than EAGAIN and ENOMEM
    /// `ucount[UCOUNT_USER_NAMESPACES]` and `ucount[UCOUNT_TIME_NAMESPACES]`,
    /// the first and the last kind of namespace.
    ucounts_first_ns,
    ucounts_last_ns,
    ucounts_node,
    /// `ucount_max[…]` of the same.
    userns_first_max,
    userns_last_max,
    /// `rlim[RLIMIT_NOFILE].rlim_cur`.
    signal_rlim_nofile,
    fdtable_max_fds,
    args_set_tid,
    args_set_tid_size,
    task_thread_pid,
    pid_level,
    /// `numbers`: a `struct upid` for each level.
    pid_numbers,
    /// `ns`, the last member of `struct upid`.
    upid_ns,
    nsproxy_time_ns,
    nsproxy_time_ns_for_children,
    // --- the OOM killer's victims
    task_comm,
    task_start_time,
    task_group_leader,
    /// `pid_links[PIDTYPE_PID]`.
    task_pid_links,
    cred_uid,
    signal_oom_score_adj,
    /// `idr.idr_rt.xa_head`: the root of the tree of process ids.
    pidns_idr,
    /// `idr.idr_next`: where the next search for a free id begins.
    pidns_idr_next,
    xa_node_shift,
    xa_node_slots,
    /// `marks`; the first word's bits say which slots have something free below.
    xa_node_marks,
    /// `tasks[PIDTYPE_PID].first`.
    pid_tasks,
    // --- tasks, to count who fills a limit
    signal_nr_threads,
    oom_memcg,
    oom_chosen,
    oom_constraint,
    // --- files, for the target of CLONE_INTO_CGROUP
    files_fdt,
    fdtable_fd,
    file_inode,
    inode_private,
    inode_mode,
    inode_sb,
    sb_magic,
}

/// Addresses of kernel variables from /proc/kallsyms; 0 where the kernel
/// doesn't show them (no CONFIG_KALLSYMS_ALL, `kptr_restrict`, no CAP_SYSLOG).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Symbols {
    /// `nr_threads` (kernel/fork.c): tasks that exist.
    pub nr_threads: u64,
    /// `max_threads` (kernel/fork.c): kernel.threads-max.
    pub max_threads: u64,
    /// `pid_max` (kernel/pid.c) up to 6.13; later one per pid namespace.
    pub pid_max: u64,
    /// `vm_committed_as` (mm/util.c), a percpu_counter in pages.
    pub vm_committed_as: u64,
    /// mm/util.c: vm.overcommit_memory.
    pub sysctl_overcommit_memory: u64,
    /// mm/util.c: vm.overcommit_ratio.
    pub sysctl_overcommit_ratio: u64,
    /// mm/util.c: vm.overcommit_kbytes.
    pub sysctl_overcommit_kbytes: u64,
    /// mm/util.c: vm.admin_reserve_kbytes.
    pub sysctl_admin_reserve_kbytes: u64,
    /// mm/util.c: vm.user_reserve_kbytes.
    pub sysctl_user_reserve_kbytes: u64,
    /// `_totalram_pages`.
    pub totalram_pages: u64,
    /// `total_swap_pages` (mm/swapfile.c).
    pub total_swap_pages: u64,
    /// mm/util.c: vm.max_map_count.
    pub sysctl_max_map_count: u64,
    /// `ucounts_hashtable` (kernel/ucount.c).
    pub ucounts_hashtable: u64,
    /// `copy_process` (kernel/fork.c), and where the next function begins.
    pub copy_process: u64,
    /// Where the function behind `copy_process` begins.
    pub copy_process_end: u64,
}
