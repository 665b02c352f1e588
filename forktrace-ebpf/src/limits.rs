//! The limits that are no cgroups: processes of a user, pid namespaces,
//! threads-max, overcommit.

use forktrace_common::{
    event::{
        FailureEvent, Overcommit, PID_NS_LEVELS, PidNsLimit, USER_NS_LEVELS, UserNsLimit, flag,
    },
    facts::fact,
    note::Note,
};

use crate::{
    maps::{offset, symbol},
    mem, task,
    walk::{Step, Walk, up},
};

/// Follows `is_rlimit_overlimit()` (kernel/ucount.c; up to 5.13 the comparison is
/// inline, with one count for the user) up the user namespaces of a task, and
/// notes the first level that has no room, if any.
///
/// `counted`: 1 while the refused child is counted already, which it is since 5.14
/// where the comparison is made.
#[inline(never)]
pub(crate) fn nproc_of(note: *mut Note, task: u64, counted: i64) {
    let signal = mem::pointer(task, offset!(task_signal));
    let cred = mem::pointer(task, offset!(task_real_cred));
    let limit = mem::field::<i64>(signal, offset!(signal_rlim_nproc));
    if mem::has(offset!(ucounts_nproc)) {
        first_full(
            note,
            mem::pointer(cred, offset!(cred_ucounts)),
            limit,
            counted,
            0,
        );
    } else if mem::has(offset!(user_processes)) {
        let user = mem::pointer(cred, offset!(cred_user));
        let usage = mem::field::<i32>(user, offset!(user_processes)) as i64;
        // As a number without sign: RLIM_INFINITY is the largest.
        if usage as u64 >= limit as u64 {
            // SAFETY: a live map value that this task alone uses.
            unsafe {
                (*note).facts.bits |= fact::NPROC_FULL;
                (*note).facts.nproc_level = 0;
                (*note).facts.nproc_usage = usage;
                (*note).facts.nproc_limit = limit;
                (*note).facts.nproc_uid = task::uid();
                (*note).facts.nproc_limit_ns = 0;
            }
        }
    }
}

/// RLIMIT_NPROC of a child in a user namespace of its own (CLONE_NEWUSER), as its
/// credentials are given back: the kernel's way begins in the new namespace, and
/// goes on with the *effective* user who made it. The child isn't counted any more.
/// The new namespace's own bound is the caller's soft limit.
#[inline(never)]
pub(crate) fn nproc_of_new_user_ns(note: *mut Note, child: u64) {
    let own = mem::pointer(task::current(), offset!(task_real_cred));
    let cred = mem::pointer(child, offset!(task_real_cred));
    let ns = mem::pointer(cred, offset!(cred_user_ns));
    if ns == mem::pointer(own, offset!(cred_user_ns)) || !mem::has(offset!(ucounts_nproc)) {
        return;
    }
    let signal = mem::pointer(task::current(), offset!(task_signal));
    let limit = mem::field::<i64>(signal, offset!(signal_rlim_nproc));
    // SAFETY: a live map value that this task alone uses.
    unsafe {
        (*note).facts.bits &= !fact::NPROC_FULL;
        (*note).facts.bits |= fact::NEW_USER_NS;
    }
    let made = mem::field::<u32>(ns, offset!(userns_inum));
    first_full(
        note,
        mem::pointer(cred, offset!(cred_ucounts)),
        limit,
        0,
        made,
    );
}

/// `own_ns`: inode number of the namespace whose bound is the caller's own limit;
/// 0: none is.
#[inline(always)]
fn first_full(note: *mut Note, ucounts: u64, limit: i64, counted: i64, own_ns: u32) {
    up(ToFull {
        note,
        uc: ucounts,
        limit,
        limit_ns: 0,
        counted,
        own_ns,
    });
}

struct ToFull {
    note: *mut Note,
    uc: u64,
    limit: i64,
    limit_ns: u32,
    counted: i64,
    own_ns: u32,
}

impl Walk for ToFull {
    const LEVELS: u32 = USER_NS_LEVELS as u32;

    #[inline(always)]
    fn step(&mut self, level: usize) -> Step {
        if self.uc == 0 {
            return Step::End;
        }
        let usage = mem::field::<i64>(self.uc, offset!(ucounts_nproc)) - self.counted;
        // As numbers without sign: "no limit" is the largest.
        if usage as u64 >= self.limit as u64 {
            let uid = mem::field::<u32>(self.uc, offset!(ucounts_uid));
            // SAFETY: a live map value that this task alone uses.
            unsafe {
                (*self.note).facts.bits |= fact::NPROC_FULL;
                (*self.note).facts.nproc_level = level as u8;
                (*self.note).facts.nproc_usage = usage;
                (*self.note).facts.nproc_limit = self.limit;
                (*self.note).facts.nproc_uid = uid;
                (*self.note).facts.nproc_limit_ns = self.limit_ns;
            }
            return Step::End;
        }
        let ns = mem::pointer(self.uc, offset!(ucounts_ns));
        let inum = mem::field::<u32>(ns, offset!(userns_inum));
        self.limit_ns = if inum == self.own_ns { 0 } else { inum };
        self.limit = mem::field::<i64>(ns, offset!(userns_nproc_max));
        self.uc = mem::pointer(ns, offset!(userns_ucounts));
        Step::On
    }
}

/// RLIMIT_NPROC of the caller as the kernel counts it: along the user
/// namespaces (5.14+), or one count for the user (before).
#[inline(never)]
pub(crate) fn nproc(ev: *mut FailureEvent, task: u64) {
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
pub(crate) fn pid_namespaces(ev: *mut FailureEvent, task: u64) {
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
pub(crate) fn threads(note: *mut Note) {
    if symbol!(nr_threads) == 0 || symbol!(max_threads) == 0 {
        return;
    }
    let now = mem::field::<i32>(symbol!(nr_threads), 0);
    let max = mem::field::<i32>(symbol!(max_threads), 0);
    // SAFETY: a live map value that this task alone uses.
    unsafe {
        (*note).facts.nr_threads = now;
        (*note).facts.max_threads = max;
        (*note).facts.bits |= fact::HAVE_THREADS;
        if now >= max {
            (*note).facts.bits |= fact::THREADS_FULL;
        }
    }
}

/// What `__vm_enough_memory()` (mm/util.c) compares.
#[inline(never)]
pub(crate) fn overcommit(ev: *mut FailureEvent, task: u64) {
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
