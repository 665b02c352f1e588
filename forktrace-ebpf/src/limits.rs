//! The limits that are no cgroups: processes of a user, pid namespaces,
//! threads-max, overcommit.

use forktrace_common::event::{
    FailureEvent, Overcommit, PID_NS_LEVELS, PidNsLimit, USER_NS_LEVELS, UserNsLimit, flag,
};

use crate::{
    maps::{offset, symbol},
    mem,
    walk::{Step, Walk, up},
};

/// Follows `is_rlimit_overlimit()` (kernel/ucount.c) up the user namespaces
/// and tells the first level whose count is over: level, tasks that existed
/// (the new one is counted already), limit.
///
/// When the count has fallen meanwhile, level 0 stands for "not told".
#[inline(always)]
pub fn nproc_refusing_level(ucounts: u64, rlimit: u64) -> (u8, i64, i64) {
    let limit = rlimit as i64;
    let walked = up(ToRefusing {
        uc: ucounts,
        limit,
        level: 0,
        found: (0, limit),
    });
    (walked.level, walked.found.0, walked.found.1)
}

struct ToRefusing {
    uc: u64,
    limit: i64,
    level: u8,
    /// Tasks and limit: the first level's until the refusing one is found.
    found: (i64, i64),
}

impl Walk for ToRefusing {
    const LEVELS: u32 = USER_NS_LEVELS as u32;

    #[inline(always)]
    fn step(&mut self, level: usize) -> Step {
        if self.uc == 0 {
            return Step::End;
        }
        let count = mem::field::<i64>(self.uc, offset!(ucounts_nproc));
        if level == 0 {
            self.found.0 = count - 1;
        }
        if count > self.limit {
            self.level = level as u8;
            self.found = (count - 1, self.limit);
            return Step::End;
        }
        let ns = mem::pointer(self.uc, offset!(ucounts_ns));
        self.limit = mem::field::<i64>(ns, offset!(userns_nproc_max));
        self.uc = mem::pointer(ns, offset!(userns_ucounts));
        Step::On
    }
}

/// RLIMIT_NPROC of the caller as the kernel counts it: along the user
/// namespaces (5.14+), or one count for the user (before).
#[inline(never)]
pub fn nproc(ev: *mut FailureEvent, task: u64) {
    let signal = mem::pointer(task, offset!(task_signal));
    let cred = mem::pointer(task, offset!(task_real_cred));
    let rlimit = mem::field::<u64>(signal, offset!(signal_rlim_nproc));
    // As stored: user space takes what is negative here for "no limit".
    let limit = rlimit as i64;
    if mem::has(offset!(ucounts_nproc)) {
        up(UserNamespaces {
            ev,
            uc: mem::pointer(cred, offset!(cred_ucounts)),
            limit,
            limit_ns: 0,
        });
    } else if mem::has(offset!(user_processes)) {
        let user = mem::pointer(cred, offset!(cred_user));
        let usage = mem::field::<i32>(user, offset!(user_processes));
        // SAFETY: `ev` is a reserved ring-buffer record.
        unsafe {
            *(&raw mut (*ev).user_ns).cast::<UserNsLimit>() = UserNsLimit {
                usage: usage as i64,
                limit,
                inum: 0,
                uid: (*ev).uid,
                limit_ns: 0,
                reserved: 0,
            };
            (*ev).user_ns_len = 1;
        }
    }
}

struct UserNamespaces {
    ev: *mut FailureEvent,
    uc: u64,
    limit: i64,
    limit_ns: u32,
}

impl Walk for UserNamespaces {
    const LEVELS: u32 = USER_NS_LEVELS as u32;

    #[inline(always)]
    fn step(&mut self, level: usize) -> Step {
        let Self { ev, uc, .. } = *self;
        if uc == 0 {
            return Step::End;
        }
        let ns = mem::pointer(uc, offset!(ucounts_ns));
        let inum = mem::field::<u32>(ns, offset!(userns_inum));
        let limit = UserNsLimit {
            usage: mem::field::<i64>(uc, offset!(ucounts_nproc)),
            limit: self.limit,
            inum,
            uid: mem::field::<u32>(uc, offset!(ucounts_uid)),
            limit_ns: self.limit_ns,
            reserved: 0,
        };
        // SAFETY: `ev` is a reserved ring-buffer record; the index is bounded.
        unsafe {
            *(&raw mut (*ev).user_ns).cast::<UserNsLimit>().add(level) = limit;
            (*ev).user_ns_len = level as u8 + 1;
        }
        self.limit_ns = inum;
        self.limit = mem::field::<i64>(ns, offset!(userns_nproc_max));
        self.uc = mem::pointer(ns, offset!(userns_ucounts));
        Step::On
    }
}

/// The pid namespaces that a child needs an id in, own first.
#[inline(never)]
pub fn pid_namespaces(ev: *mut FailureEvent, task: u64) {
    let nsproxy = mem::pointer(task, offset!(task_nsproxy));
    let ns = mem::pointer(nsproxy, offset!(nsproxy_pid_ns_for_children));
    up(PidNamespaces { ev, ns });
    if symbol!(pid_max) != 0 {
        // SAFETY: `ev` is a reserved ring-buffer record.
        unsafe {
            (*ev).pid_max = mem::field::<i32>(symbol!(pid_max), 0);
            (*ev).flags |= flag::HAVE_PID_MAX;
        }
    }
}

struct PidNamespaces {
    ev: *mut FailureEvent,
    ns: u64,
}

impl Walk for PidNamespaces {
    const LEVELS: u32 = PID_NS_LEVELS as u32;

    #[inline(always)]
    fn step(&mut self, level: usize) -> Step {
        let Self { ev, ns } = *self;
        if ns == 0 {
            return Step::End;
        }
        let limit = PidNsLimit {
            allocated: mem::field::<u32>(ns, offset!(pidns_pid_allocated)),
            inum: mem::field::<u32>(ns, offset!(pidns_inum)),
            pid_max: mem::field::<u32>(ns, offset!(pidns_pid_max)),
            level: mem::field::<u32>(ns, offset!(pidns_level)),
        };
        // SAFETY: as in `UserNamespaces`.
        unsafe {
            *(&raw mut (*ev).pid_ns).cast::<PidNsLimit>().add(level) = limit;
            (*ev).pid_ns_len = level as u8 + 1;
        }
        self.ns = mem::pointer(ns, offset!(pidns_parent));
        Step::On
    }
}

/// `nr_threads` and `max_threads` (kernel/fork.c).
#[inline(always)]
pub fn threads(ev: *mut FailureEvent) {
    if symbol!(nr_threads) == 0 || symbol!(max_threads) == 0 {
        return;
    }
    // SAFETY: `ev` is a reserved ring-buffer record.
    unsafe {
        (*ev).nr_threads = mem::field::<i32>(symbol!(nr_threads), 0);
        (*ev).max_threads = mem::field::<i32>(symbol!(max_threads), 0);
        (*ev).flags |= flag::HAVE_THREADS;
    }
}

/// What `__vm_enough_memory()` (mm/util.c) compares.
#[inline(never)]
pub fn overcommit(ev: *mut FailureEvent, task: u64) {
    let mm = mem::pointer(task, offset!(task_mm));
    // SAFETY: `ev` is a reserved ring-buffer record.
    unsafe {
        (*ev).overcommit = Overcommit {
            committed: mem::field::<i64>(symbol!(vm_committed_as), offset!(percpu_counter_count)),
            totalram: mem::field::<u64>(symbol!(totalram_pages), 0),
            swap: mem::field::<i64>(symbol!(total_swap_pages), 0),
            kbytes: mem::field::<u64>(symbol!(sysctl_overcommit_kbytes), 0),
            admin_reserve_kbytes: mem::field::<u64>(symbol!(sysctl_admin_reserve_kbytes), 0),
            user_reserve_kbytes: mem::field::<u64>(symbol!(sysctl_user_reserve_kbytes), 0),
            mode: mem::field::<i32>(symbol!(sysctl_overcommit_memory), 0),
            ratio: mem::field::<i32>(symbol!(sysctl_overcommit_ratio), 0),
            total_vm: mem::field::<u64>(mm, offset!(mm_total_vm)),
            data_vm: mem::field::<u64>(mm, offset!(mm_data_vm)),
            stack_vm: mem::field::<u64>(mm, offset!(mm_stack_vm)),
        };
        if symbol!(vm_committed_as) != 0
            && symbol!(totalram_pages) != 0
            && symbol!(total_swap_pages) != 0
            && symbol!(sysctl_overcommit_kbytes) != 0
            && symbol!(sysctl_admin_reserve_kbytes) != 0
            && symbol!(sysctl_user_reserve_kbytes) != 0
            && symbol!(sysctl_overcommit_memory) != 0
            && symbol!(sysctl_overcommit_ratio) != 0
        {
            (*ev).flags |= flag::HAVE_OVERCOMMIT;
        }
    }
}
