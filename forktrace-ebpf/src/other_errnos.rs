//! What refuses with other errnos than EAGAIN and ENOMEM: limits on namespaces
//! and their nesting, ids that were asked for, open files, flags. Only read
//! where these errnos are reported, and only at the failing return.
//!
//! `--errno` freezes into the programs which returns are failures; without it nothing beyond
//! EAGAIN and ENOMEM is looked at. The verifier lets a tracing program compare and store its
//! pointer-typed return value and nothing else, so the value goes into the note, and is a
//! number when it is read back.

use forktrace_common::{
    clone,
    event::{FailureEvent, NsLimit, OtherErrnos, SET_TID, flag, ns_kind},
    note::Note,
};

use crate::{
    cgroup,
    maps::{offset, symbol},
    mem, request, task,
};

const SIGNAL_UNKILLABLE: u32 = 0x40; // include/linux/sched/signal.h

/// `struct clone_args` (include/uapi/linux/sched.h): `set_tid`, `set_tid_size`,
/// and the size that includes them.
const CLONE_ARGS_SET_TID: u64 = 64;
const CLONE_ARGS_SET_TID_SIZE: u64 = 72;
const CLONE_ARGS_SIZE_VER1: u64 = 80;

/// User namespaces on the way up: level 33 is the deepest.
const LEVELS: usize = forktrace_common::event::USER_NS_LEVELS;
/// Entries of one bucket of the kernel's table that are looked at.
const BUCKET: usize = 16;

/// Fills `other_errnos`.
#[inline(never)]
pub(crate) fn fill(ev: *mut FailureEvent, task: u64, note: *const Note) {
    // SAFETY: `ev` is a reserved ring-buffer record, `note` a live map value.
    let (clone_flags, args) = unsafe {
        (*ev).other_errnos = NONE;
        (*ev).flags |= flag::HAVE_OTHER_ERRNOS;
        ((*ev).clone_flags, (*note).failed.args)
    };
    state(ev, task);
    if args != 0 {
        set_tid(ev, args);
    } else {
        set_tid_of_user(ev, task);
    }
    into_cgroup(ev, task, args);
    let width =
        offset!(ucounts_last_ns).wrapping_sub(offset!(ucounts_first_ns)) / ns_kind::TIME as u64;
    let max_width =
        offset!(userns_last_max).wrapping_sub(offset!(userns_first_max)) / ns_kind::TIME as u64;
    if width != max_width || (width != 4 && width != 8) {
        return;
    }
    let cred = mem::pointer(task, offset!(task_cred));
    let uid = mem::field::<u32>(cred, offset!(cred_euid));
    let ns = mem::pointer(cred, offset!(cred_user_ns));
    let of = Charged {
        ns,
        uc: own_ucounts(cred, ns, uid),
        uid,
        width,
    };
    if of.uc == 0 && symbol!(ucounts_hashtable) == 0 {
        // Not known, so neither is which of the levels is the first full one.
        return;
    }
    // The kinds in the order in which they are made: copy_creds(), then
    // create_new_namespaces().
    namespaces(ev, &of, clone_flags & clone::NEWUSER, ns_kind::USER);
    namespaces(ev, &of, clone_flags & clone::NEWNS, ns_kind::MNT);
    namespaces(ev, &of, clone_flags & clone::NEWUTS, ns_kind::UTS);
    namespaces(ev, &of, clone_flags & clone::NEWIPC, ns_kind::IPC);
    namespaces(ev, &of, clone_flags & clone::NEWPID, ns_kind::PID);
    namespaces(ev, &of, clone_flags & clone::NEWCGROUP, ns_kind::CGROUP);
    namespaces(ev, &of, clone_flags & clone::NEWNET, ns_kind::NET);
    namespaces(ev, &of, clone_flags & clone::NEWTIME, ns_kind::TIME);
}

/// To whom a new namespace is charged first, and how wide the counts are.
struct Charged {
    ns: u64,
    uc: u64,
    uid: u32,
    width: u64,
}

/// In read-only memory and not on the stack, which is short.
static NONE: OtherErrnos = OtherErrnos {
    user_full: NO_LIMIT,
    other_full: NO_LIMIT,
    nofile: 0,
    into_cgroup: 0,
    others_full: 0,
    user_ns_level: 0,
    fd_slots: 0,
    set_tid_size: 0,
    set_tid: [0; SET_TID],
    kind: 0,
    reserved: 0,
};
const NO_LIMIT: NsLimit = NsLimit {
    usage: 0,
    limit: 0,
    inum: 0,
    uid: 0,
    kind: 0,
    level: 0,
};

#[inline(never)]
fn state(ev: *mut FailureEvent, task: u64) {
    let signal = mem::pointer(task, offset!(task_signal));
    let user_ns = mem::pointer(
        mem::pointer(task, offset!(task_cred)),
        offset!(cred_user_ns),
    );
    let table = mem::pointer(mem::pointer(task, offset!(task_files)), offset!(files_fdt));
    // SAFETY: `ev` is a reserved ring-buffer record.
    unsafe {
        (*ev).other_errnos.user_ns_level = mem::field::<i32>(user_ns, offset!(userns_level));
        (*ev).other_errnos.nofile = mem::field::<u64>(signal, offset!(signal_rlim_nofile));
        (*ev).other_errnos.fd_slots = mem::field::<u32>(table, offset!(fdtable_max_fds));
    }
    set(ev, task::own_sys_admin(task), flag::OWN_SYS_ADMIN);
    // kernel/user_namespace.c `create_user_ns` asks `current_chrooted`. A chroot into
    // a mount point looks like none here; user space looks at that one.
    let fs = mem::pointer(task, offset!(task_fs));
    let root = mem::pointer(fs, offset!(fs_root_dentry));
    let shown = mem::pointer(
        mem::pointer(fs, offset!(fs_root_mnt)),
        offset!(vfsmount_root),
    );
    set(ev, shown != 0 && root != shown, flag::CHROOTED);
    let unkillable = mem::field::<u32>(signal, offset!(signal_flags)) & SIGNAL_UNKILLABLE;
    set(ev, unkillable != 0, flag::UNKILLABLE);
    let nsproxy = mem::pointer(task, offset!(task_nsproxy));
    // task_active_pid_ns(): that of the caller's own id.
    let pid = mem::pointer(task, offset!(task_thread_pid));
    let level = mem::field::<u32>(pid, offset!(pid_level)) as u64;
    let stride = offset!(upid_ns) + 8;
    let own = if mem::has(offset!(pid_numbers)) && mem::has(offset!(upid_ns)) {
        let numbers = pid + offset!(pid_numbers);
        mem::pointer(numbers + level * stride, offset!(upid_ns))
    } else {
        0
    };
    let for_children = mem::pointer(nsproxy, offset!(nsproxy_pid_ns_for_children));
    set(
        ev,
        own != 0 && for_children != 0 && own != for_children,
        flag::OTHER_PID_NS,
    );
    let own = mem::pointer(nsproxy, offset!(nsproxy_time_ns));
    let for_children = mem::pointer(nsproxy, offset!(nsproxy_time_ns_for_children));
    set(ev, own != for_children, flag::OTHER_TIME_NS);
}

#[inline(always)]
fn set(ev: *mut FailureEvent, on: bool, flag: u32) {
    if on {
        // SAFETY: `ev` is a reserved ring-buffer record.
        unsafe { (*ev).flags |= flag };
    }
}

/// The ids that clone3 asked for, from the kernel's copy of its arguments.
#[inline(never)]
fn set_tid(ev: *mut FailureEvent, args: u64) {
    let size = mem::field::<u64>(args, offset!(args_set_tid_size)) as u32;
    let ids = mem::pointer(args, offset!(args_set_tid));
    // SAFETY: `ev` is a reserved ring-buffer record; the index is bounded.
    unsafe {
        (*ev).other_errnos.set_tid_size = size;
        let list = (&raw mut (*ev).other_errnos.set_tid).cast::<i32>();
        for at in 0..SET_TID {
            if at as u32 >= size {
                break;
            }
            *list.add(at) = mem::field::<i32>(ids, at as u64 * 4);
        }
    }
}

/// Reads `set_tid` from the caller's memory, where the kernel's copy isn't seen
/// (tracepoint style). The caller could have changed it since; that would only
/// misdescribe its own call.
#[inline(never)]
fn set_tid_of_user(ev: *mut FailureEvent, task: u64) {
    // SAFETY: `ev` is a reserved ring-buffer record, here and below.
    let (number, compat) = unsafe { ((*ev).syscall, (*ev).flags & flag::COMPAT != 0) };
    let (args, bytes) = task::arguments(task, compat);
    if number as u32 != request::NR_CLONE3 || bytes < CLONE_ARGS_SIZE_VER1 {
        return;
    }
    let size = mem::user::<u64>(args + CLONE_ARGS_SET_TID_SIZE) as u32;
    let ids = mem::user::<u64>(args + CLONE_ARGS_SET_TID);
    // SAFETY: as above; the index is bounded.
    unsafe {
        (*ev).other_errnos.set_tid_size = size;
        let list = (&raw mut (*ev).other_errnos.set_tid).cast::<i32>();
        for at in 0..SET_TID as u32 {
            if at >= size {
                break;
            }
            *list.add(at as usize) = mem::user::<i32>(ids + at as u64 * 4);
        }
    }
}

/// The cgroup that the child was to go into: at the return its folder is still open, which the
/// caller may close at once. `args`: the kernel's copy of the arguments; 0: they are the caller's.
///
/// The flags are read back here: what the caller's branch would teach the verifier of them it would keep apart
/// in all that follows, which doubled a start.
#[inline(never)]
fn into_cgroup(ev: *mut FailureEvent, task: u64, args: u64) {
    // SAFETY: `ev` is a reserved ring-buffer record.
    let flags = unsafe { (&raw const (*ev).clone_flags).read_volatile() };
    if flags & clone::INTO_CGROUP == 0 {
        return;
    }
    let fd = if args != 0 {
        mem::field::<i32>(args, offset!(args_cgroup)) as u64
    } else {
        request::cgroup_fd_of_user(task)
    };
    let node = cgroup::find::node_of_fd(task, fd);
    // SAFETY: `ev` is a reserved ring-buffer record.
    unsafe { (*ev).other_errnos.into_cgroup = mem::field::<u64>(node, offset!(kn_id)) };
}

/// Follows `inc_ucount()` (kernel/ucount.c) up the user namespaces, and notes
/// the first level that has no room for one more namespace of this kind. The
/// refused count is reverted by now.
///
/// With CLONE_NEWUSER the others are charged to the new user namespace first,
/// which has no bound of its own, and then to the caller's as here.
///
/// The kind is read back from the record, so that the verifier doesn't know it:
/// what it knows it traces back to where it came from at every comparison.
#[inline(always)]
fn namespaces(ev: *mut FailureEvent, of: &Charged, wanted: u64, kind: u32) {
    if wanted != 0 {
        // SAFETY: `ev` is a reserved ring-buffer record.
        unsafe { (*ev).other_errnos.kind = kind };
        first_full(ev, of);
    }
}

#[inline(never)]
fn first_full(ev: *mut FailureEvent, of: &Charged) {
    // SAFETY: `ev` is a reserved ring-buffer record.
    let kind = unsafe { (&raw const (*ev).other_errnos.kind).read_volatile() };
    let Charged {
        mut ns,
        mut uc,
        mut uid,
        width,
    } = *of;
    for _ in 0..LEVELS {
        if ns == 0 {
            return;
        }
        // A user without any namespace has no entry at the first level.
        let usage = number(uc, offset!(ucounts_first_ns), kind.into(), width);
        let limit = number(ns, offset!(userns_first_max), kind.into(), width);
        if usage >= limit {
            let found = NsLimit {
                usage,
                limit,
                inum: mem::field::<u32>(ns, offset!(userns_inum)),
                uid,
                kind: kind + 1,
                level: mem::field::<i32>(ns, offset!(userns_level)),
            };
            // SAFETY: `ev` is a reserved ring-buffer record.
            unsafe {
                if kind == ns_kind::USER {
                    (*ev).other_errnos.user_full = found;
                } else {
                    if (*ev).other_errnos.others_full == 0 {
                        (*ev).other_errnos.other_full = found;
                    }
                    (*ev).other_errnos.others_full += 1;
                }
            }
            return;
        }
        uc = mem::pointer(ns, offset!(userns_ucounts));
        uid = mem::field::<u32>(uc, offset!(ucounts_uid));
        ns = mem::pointer(uc, offset!(ucounts_ns));
    }
}

/// An element of an array of counts or bounds: ints up to 5.13, longs since.
///
/// No branch, which the verifier would follow at each level: at 0 nothing can be
/// read, which is zero, and an int is what is in the lower half.
#[inline(always)]
fn number(base: u64, first: u64, kind: u64, width: u64) -> i64 {
    let above = 64 - 8 * width;
    mem::field::<i64>(base, first + kind * width) << above >> above
}

/// `struct ucounts` of this user in this namespace: the credentials' own where
/// these are counted for the same uid (5.14+), else the kernel's table's; 0
/// where there is none.
#[inline(never)]
fn own_ucounts(cred: u64, ns: u64, uid: u32) -> u64 {
    let own = mem::pointer(cred, offset!(cred_ucounts));
    if own != 0
        && mem::field::<u32>(own, offset!(ucounts_uid)) == uid
        && mem::pointer(own, offset!(ucounts_ns)) == ns
    {
        return own;
    }
    if symbol!(ucounts_hashtable) == 0 {
        return 0;
    }
    // ucounts_hashfn(): hash_long(uid + ns, 10).
    let hash = (uid as u64)
        .wrapping_add(ns)
        .wrapping_mul(0x61C8_8646_80B5_83EB)
        >> 54;
    let mut at = mem::pointer(symbol!(ucounts_hashtable) + hash * 8, 0);
    for _ in 0..BUCKET {
        // The list ends with null, since 6.15 with an odd number. No lock is held: an entry can be
        // freed meanwhile, and its memory be somebody else's.
        at = mem::kernel_address(at);
        if at == 0 || at & 1 != 0 {
            return 0;
        }
        let uc = at - offset!(ucounts_node);
        if mem::field::<u32>(uc, offset!(ucounts_uid)) == uid
            && mem::pointer(uc, offset!(ucounts_ns)) == ns
        {
            return uc;
        }
        at = mem::pointer(at, 0);
    }
    0
}
