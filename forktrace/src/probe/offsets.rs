//! Fills the table of field offsets from the kernel's BTF.
//!
//! Every field is named as the kernel names it, with what it was called in
//! other versions (better first), and with the size that the programs read. A
//! field that has another size than expected counts as absent: evidence is
//! then missing rather than wrong. Structs were read in 5.10, 6.1, 6.12, 6.18
//! and 7.3.
//!
//! The versions say where a field is expected, for [`super::drift`]; what is
//! looked for doesn't depend on them.

use forktrace_common::offsets::{MISSING, Offsets};

use super::{
    place::{Place, address, bytes, flag_byte, flag_mask, int, word},
    versions::Release,
};
use crate::arch::HAS_COMPAT_STATUS;
use crate::btf::Btf;

#[cfg(test)]
mod tests;

/// One entry of [`Offsets`].
#[derive(Debug, PartialEq, Eq)]
pub struct Slot {
    /// The field of [`Offsets`].
    pub name: &'static str,
    /// Where it can be, better first.
    pub places: &'static [Place],
    /// The evidence that is lost without it.
    pub lost: &'static str,
}

impl Slot {
    /// Whether a kernel of this version should have it somewhere.
    pub fn expected(&self, release: Release) -> bool {
        self.places
            .iter()
            .any(|place| place.versions.contain(release))
    }
}

/// What a kernel's BTF came to.
pub struct Resolved {
    /// The offsets, and [`MISSING`] where there is none.
    pub offsets: Offsets,
    /// What is missing.
    pub missing: Vec<&'static Slot>,
    /// The kernel has what is new in this version, and nothing that is newer.
    age: Release,
}

impl Resolved {
    /// What this kernel should have and hasn't. Its age follows from its structs,
    /// not from its version: what was ported back counts.
    pub fn lacking(&self) -> impl Iterator<Item = &'static Slot> {
        let age = self.age;
        self.missing
            .iter()
            .copied()
            .filter(move |slot| slot.expected(age))
    }
}

/// Makes [`SLOTS`], and [`Offsets`] from it: in a struct literal, so that the
/// compiler knows of a field that nobody fills.
macro_rules! table {
    ($($lost:literal { $($name:ident: $($place:expr),+;)* })*) => {
        /// Every field that the programs read.
        pub const SLOTS: &[Slot] = &[$($(Slot {
            name: stringify!($name),
            places: &[$($place),+],
            lost: $lost,
        },)*)*];

        /// Asks for each entry of [`SLOTS`], in their order.
        fn fill(mut offset: impl FnMut(&'static Slot) -> u64) -> Offsets {
            let mut offsets = SLOTS.iter().map(|slot| offset(slot));
            Offsets { $($($name: offsets.next().unwrap_or(MISSING),)*)* }
        }
    };
}

table! {
    "who asked, and on whose behalf" {
        // include/linux/sched.h
        task_tgid: int("task_struct", "tgid");
        task_real_parent: word("task_struct", "real_parent");
        task_flags: int("task_struct", "flags");
        task_cred: word("task_struct", "cred");
        // include/linux/cred.h; kuid_t wraps an int.
        cred_euid: int("cred", "euid");
    }
    "which system call asked" {
        task_stack: word("task_struct", "stack");
        task_status: int("task_struct", "thread_info.status").only(HAS_COMPAT_STATUS);
    }
    "whether the caller was being killed: a fork cut short would be reported as a failure" {
        task_signal: word("task_struct", "signal");
        task_pending_signal: word("task_struct", "pending.signal.sig[0]");
        // include/linux/sched/signal.h
        signal_flags: int("signal_struct", "flags");
        signal_shared_pending: word("signal_struct", "shared_pending.signal.sig[0]");
    }
    "how far a failed creation came" {
        task_pid: int("task_struct", "pid");
        task_exit_state: int("task_struct", "exit_state");
        // 2f064a59a11f, since 5.14; `long` and volatile before.
        task_state: int("task_struct", "__state").since(5, 14),
            bytes("task_struct", "state", 8).until(5, 13);
    }
    "sched_deadline" {
        task_policy: int("task_struct", "policy");
        task_reset_on_fork_byte: flag_byte("task_struct", "sched_reset_on_fork");
        task_reset_on_fork_mask: flag_mask("task_struct", "sched_reset_on_fork");
    }
    "seccomp" {
        task_seccomp_mode: int("task_struct", "seccomp.mode");
    }
    "exec_in_progress, and how far a failed creation came" {
        task_fs: word("task_struct", "fs");
        // include/linux/fs_struct.h
        fs_in_exec: int("fs_struct", "in_exec");
    }
    "rlimit_nproc" {
        task_real_cred: word("task_struct", "real_cred");
        // RLIMIT_NPROC is 6 on every architecture that forktrace runs on
        // (include/uapi/asm-generic/resource.h).
        signal_rlim_nproc: word("signal_struct", "rlim[6].rlim_cur");
        cred_user: word("cred", "user");
        // 905ae01c4ae2, 21d1c5e386bc: since 5.14 counted along the user
        // namespaces (include/linux/user_namespace.h), before for the user
        // (include/linux/sched/user.h, an atomic_t).
        cred_ucounts: word("cred", "ucounts").since(5, 14);
        user_processes: int("user_struct", "processes").until(5, 13);
        // Among the other ucounts at first, in an array of its own since
        // de399236e240, which was written for 5.19 and merged for 6.1.
        ucounts_nproc: word("ucounts", "rlimit[rlimit_type::UCOUNT_RLIMIT_NPROC]").since(6, 1),
            word("ucounts", "ucount[ucount_type::UCOUNT_RLIMIT_NPROC]").since(5, 14).until(6, 0);
        userns_nproc_max:
            word("user_namespace", "rlimit_max[rlimit_type::UCOUNT_RLIMIT_NPROC]").since(6, 1),
            word("user_namespace", "ucount_max[ucount_type::UCOUNT_RLIMIT_NPROC]")
                .since(5, 14).until(6, 0);
        ucounts_ns: word("ucounts", "ns");
        ucounts_uid: int("ucounts", "uid");
        userns_ucounts: word("user_namespace", "ucounts");
        userns_inum: int("user_namespace", "ns.inum");
    }
    "who is exempt from RLIMIT_NPROC and threads-max" {
        cred_user_ns: word("cred", "user_ns");
        // kernel_cap_t: two ints up to 6.2, a u64 since (f122a08b197d).
        cred_cap_effective: bytes("cred", "cap_effective", 8);
        userns_level: int("user_namespace", "level");
    }
    "pid_max and pid_namespace_dead" {
        task_nsproxy: word("task_struct", "nsproxy");
        // include/linux/nsproxy.h, pid_namespace.h
        nsproxy_pid_ns_for_children: word("nsproxy", "pid_ns_for_children");
        pidns_pid_allocated: int("pid_namespace", "pid_allocated");
        pidns_parent: word("pid_namespace", "parent");
        pidns_inum: int("pid_namespace", "ns.inum");
        pidns_level: int("pid_namespace", "level");
    }
    "pid_max of a pid namespace" {
        // 7863dcc72d0f; before, one variable for the host.
        pidns_pid_max: int("pid_namespace", "pid_max").since(6, 14);
    }
    "the caller's cgroup" {
        // include/linux/cgroup-defs.h
        task_cgroups: word("task_struct", "cgroups");
        cset_dfl_cgrp: word("css_set", "dfl_cgrp");
        css_cgroup: word("cgroup_subsys_state", "cgroup");
        css_parent: word("cgroup_subsys_state", "parent");
        cgroup_kn: word("cgroup", "kn");
        cgroup_level: int("cgroup", "level");
        cgroup_root: word("cgroup", "root");
        cgroup_self_parent: word("cgroup", "self.parent");
        root_hierarchy_id: int("cgroup_root", "hierarchy_id");
        // include/linux/kernfs.h. __parent since 633488947ef6, with a bare
        // `parent` no more; id was a union of the same size up to 5.4.
        kn_name: word("kernfs_node", "name");
        kn_parent: word("kernfs_node", "__parent").since(6, 15),
            word("kernfs_node", "parent").until(6, 14);
        kn_id: bytes("kernfs_node", "id", 8);
    }
    "cgroup_pids_max" {
        cset_pids: word("css_set", "subsys[cgroup_subsys_id::pids_cgrp_id]");
        cgroup_pids: word("cgroup", "subsys[cgroup_subsys_id::pids_cgrp_id]");
        // kernel/cgroup/pids.c: counter and limit are atomic64_t.
        pids_css: address("pids_cgroup", "css");
        pids_counter: bytes("pids_cgroup", "counter", 8);
        pids_limit: bytes("pids_cgroup", "limit", 8);
    }
    "cgroup_pids_max in the tracepoint style" {
        // Two counters for each cgroup, by kind of event, since 73e75e6fc352;
        // before, `events_limit` counted in the forking task's cgroup too.
        pids_forkfail: bytes("pids_cgroup", "events_local[pidcg_event::PIDCG_FORKFAIL]", 8)
                .since(6, 11),
            bytes("pids_cgroup", "events_limit", 8).until(6, 10);
    }
    "cgroup_pids_max of the target of CLONE_INTO_CGROUP, clone_into_cgroup's name, and nr_open" {
        // include/linux/sched/task.h
        args_cgroup: int("kernel_clone_args", "cgroup");
        task_files: word("task_struct", "files");
        // include/linux/fdtable.h, fs.h
        files_fdt: word("files_struct", "fdt");
        fdtable_fd: word("fdtable", "fd");
        file_inode: word("file", "f_inode");
        fdtable_max_fds: int("fdtable", "max_fds");
        inode_private: word("inode", "i_private");
        // umode_t is a short.
        inode_mode: bytes("inode", "i_mode", 2);
        inode_sb: word("inode", "i_sb");
        sb_magic: word("super_block", "s_magic");
        kn_priv: word("kernfs_node", "priv");
    }
    "cgroup_memory_max" {
        cset_memory: word("css_set", "subsys[cgroup_subsys_id::memory_cgrp_id]");
        // include/linux/memcontrol.h, page_counter.h: usage is an
        // atomic_long_t, max a long, both in pages.
        memcg_css: address("mem_cgroup", "css");
        memcg_usage: word("mem_cgroup", "memory.usage");
        memcg_max: word("mem_cgroup", "memory.max");
    }
    "cgroup_memory_max in the tracepoint style" {
        memcg_events_oom: word("mem_cgroup", "memory_events[memcg_memory_event::MEMCG_OOM]");
    }
    "cgroup_memory_max where memory.oom_control is 1 (v1)" {
        // Only with CONFIG_MEMCG_V1 since e93d4166b40a, which Debian has off.
        memcg_oom_kill_disable: int("mem_cgroup", "oom_kill_disable").until(6, 10);
        mm_pgtables_bytes: word("mm_struct", "pgtables_bytes");
    }
    "cgroup_kernel_memory_max (v1)" {
        // Without effect since 58056f77502f (5.16), and as above.
        memcg_kmem_usage: word("mem_cgroup", "kmem.usage").until(6, 10);
        memcg_kmem_max: word("mem_cgroup", "kmem.max").until(6, 10);
    }
    "overcommit" {
        task_mm: word("task_struct", "mm");
        // include/linux/mm_types.h: within an anonymous struct
        mm_total_vm: word("mm_struct", "total_vm");
        mm_data_vm: word("mm_struct", "data_vm");
        mm_stack_vm: word("mm_struct", "stack_vm");
        // include/linux/percpu_counter.h
        percpu_counter_count: bytes("percpu_counter", "count", 8);
    }
    "threads' stacks that can't be mapped" {
        // In the same anonymous struct. def_flags is one with def_vma_flags,
        // whose first word it is, by 7.3.
        mm_map_count: int("mm_struct", "map_count");
        mm_locked_vm: word("mm_struct", "locked_vm");
        mm_def_flags: word("mm_struct", "def_flags");
        // RLIMIT_AS is 9, RLIMIT_DATA 2 and RLIMIT_MEMLOCK 8
        // (include/uapi/asm-generic/resource.h).
        signal_rlim_as: word("signal_struct", "rlim[9].rlim_cur");
        signal_rlim_data: word("signal_struct", "rlim[2].rlim_cur");
        signal_rlim_data_max: word("signal_struct", "rlim[2].rlim_max");
        signal_rlim_memlock: word("signal_struct", "rlim[8].rlim_cur");
    }
    "what was to be created" {
        // include/linux/sched/task.h
        args_flags: bytes("kernel_clone_args", "flags", 8);
    }
    "creations by io_uring" {
        // cc440e8738e5 is of 5.12, but 5.10 got it with 5.15's io_uring
        // (788d0824269b, 5.10.162). An int up to 6.3, a bit since.
        args_io_thread_byte: flag_byte("kernel_clone_args", "io_thread");
        args_io_thread_mask: flag_mask("kernel_clone_args", "io_thread");
    }
    "creations by the kernel itself" {
        // 5bd2e97c868a; before, kernel threads had theirs in `stack`.
        args_fn: word("kernel_clone_args", "fn").since(5, 19);
    }
    "max_namespaces" {
        // Counts and bounds became longs with the rlimits (f9c82a4ea89c). The
        // kinds between first and last stand in the order of the enum.
        ucounts_first_ns: word("ucounts", "ucount[ucount_type::UCOUNT_USER_NAMESPACES]")
                .since(5, 14),
            int("ucounts", "ucount[ucount_type::UCOUNT_USER_NAMESPACES]").until(5, 13);
        ucounts_last_ns: word("ucounts", "ucount[ucount_type::UCOUNT_TIME_NAMESPACES]")
                .since(5, 14),
            int("ucounts", "ucount[ucount_type::UCOUNT_TIME_NAMESPACES]").until(5, 13);
        userns_first_max: word("user_namespace", "ucount_max[ucount_type::UCOUNT_USER_NAMESPACES]")
                .since(5, 14),
            int("user_namespace", "ucount_max[ucount_type::UCOUNT_USER_NAMESPACES]").until(5, 13);
        userns_last_max: word("user_namespace", "ucount_max[ucount_type::UCOUNT_TIME_NAMESPACES]")
                .since(5, 14),
            int("user_namespace", "ucount_max[ucount_type::UCOUNT_TIME_NAMESPACES]").until(5, 13);
        ucounts_node: address("ucounts", "node");
    }
    "a chroot" {
        fs_root_mnt: word("fs_struct", "root.mnt");
        fs_root_dentry: word("fs_struct", "root.dentry");
        vfsmount_root: word("vfsmount", "mnt_root");
    }
    "which pid namespace has no id left" {
        pidns_idr_next: int("pid_namespace", "idr.idr_next");
        // The first of the marks is IDR_FREE (include/linux/idr.h).
        xa_node_marks: address("xa_node", "marks");
    }
    "OOM kills" {
        task_comm: bytes("task_struct", "comm", 16);
        task_start_time: bytes("task_struct", "start_time", 8);
        task_group_leader: word("task_struct", "group_leader");
        cred_uid: int("cred", "uid");
        signal_oom_score_adj: bytes("signal_struct", "oom_score_adj", 2);
        // The way from an id to its task: include/linux/pid_namespace.h, idr.h, xarray.h, pid.h.
        pidns_idr: word("pid_namespace", "idr.idr_rt.xa_head");
        xa_node_shift: bytes("xa_node", "shift", 1);
        // 64 slots of a word each, as the programs take for granted.
        xa_node_slots: bytes("xa_node", "slots", 512);
        pid_tasks: word("pid", "tasks[pid_type::PIDTYPE_PID].first");
        task_pid_links: address("task_struct", "pid_links[pid_type::PIDTYPE_PID]");
    }
    "why the OOM killer chose somebody" {
        // include/linux/oom.h
        oom_memcg: word("oom_control", "memcg");
        oom_chosen: word("oom_control", "chosen");
        oom_constraint: int("oom_control", "constraint");
    }
    "holders by the task iterator; they are counted from /proc" {
        signal_nr_threads: int("signal_struct", "nr_threads");
    }
    "rlimit_nofile and nr_open" {
        // RLIMIT_NOFILE is 7 where forktrace runs.
        signal_rlim_nofile: word("signal_struct", "rlim[7].rlim_cur");
    }
    "set_tid" {
        args_set_tid: word("kernel_clone_args", "set_tid");
        args_set_tid_size: word("kernel_clone_args", "set_tid_size");
    }
    "clone_flags: whether the namespaces for children are others" {
        task_thread_pid: word("task_struct", "thread_pid");
        // include/linux/pid.h: `numbers` ends the struct, one entry a level.
        pid_level: int("pid", "level");
        pid_numbers: address("pid", "numbers");
        upid_ns: word("upid", "ns");
        nsproxy_time_ns: word("nsproxy", "time_ns");
        nsproxy_time_ns_for_children: word("nsproxy", "time_ns_for_children");
    }
}

/// The offsets in this kernel.
pub fn resolve(btf: &Btf) -> Resolved {
    let mut missing = Vec::new();
    let mut age = Release::FIRST;
    let offsets = fill(|slot| {
        let mut places = slot.places.iter();
        let found = places.find_map(|place| Some((place, place.find(btf).ok()?)));
        match found {
            Some((place, offset)) => {
                age = age.max(place.versions.first());
                u64::from(offset)
            }
            None => {
                missing.push(slot);
                MISSING
            }
        }
    });
    Resolved {
        offsets,
        missing,
        age,
    }
}
