//! Cgroups: limits on the way up, and paths by the kernel's own names.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use forktrace_common::{
    event::{
        CGROUP_LEVELS, CgroupLimit, CgroupPath, FailureEvent, KMEM_NEAR, NAME_BYTES, NAMES_BYTES,
    },
    note::NO_CGROUP,
};

use crate::{maps::offset, mem};

/// Ancestors that are followed when one is looked for, recorded or not.
const DEEPEST: usize = 64;

/// kernfs id of a cgroup.
#[inline(always)]
pub fn id(cgroup: u64) -> u64 {
    mem::field::<u64>(mem::pointer(cgroup, offset!(cgroup_kn)), offset!(kn_id))
}

/// Depth of a css's cgroup below the hierarchy's root.
#[inline(always)]
fn depth(css: u64) -> u32 {
    mem::field::<u32>(
        mem::pointer(css, offset!(css_cgroup)),
        offset!(cgroup_level),
    )
}

#[inline(always)]
fn limit_of(css: u64, level: u32, usage: i64, limit: i64) -> CgroupLimit {
    CgroupLimit {
        id: id(mem::pointer(css, offset!(css_cgroup))),
        level,
        oom_kill_disable: 0,
        usage,
        limit,
    }
}

/// `struct pids_cgroup` that holds this css: counter and limit.
#[inline(always)]
fn pids_numbers(css: u64) -> (i64, i64) {
    let pids = css - offset!(pids_css);
    (
        mem::field::<i64>(pids, offset!(pids_counter)),
        mem::field::<i64>(pids, offset!(pids_limit)),
    )
}

/// Forks refused so far to tasks of the cgroup of this css
/// (kernel/cgroup/pids.c `pids_event`; 6.11 renamed the counter).
#[inline(always)]
pub fn pids_forkfail(css: u64) -> i64 {
    mem::field::<i64>(css - offset!(pids_css), offset!(pids_forkfail))
}

/// The first cgroup on the way up that has no room for one more, as
/// `pids_try_charge()` goes (the refused charge is reverted by now); `id` 0
/// when the room has come back meanwhile.
#[inline(always)]
pub fn first_full(css: u64) -> CgroupLimit {
    let mut css = css;
    for _ in 0..DEEPEST {
        // The root has no limit: pids_try_charge() stops below it.
        let parent = mem::pointer(css, offset!(css_parent));
        if parent == 0 {
            break;
        }
        let (usage, limit) = pids_numbers(css);
        if usage >= limit {
            return limit_of(css, depth(css), usage, limit);
        }
        css = parent;
    }
    NO_CGROUP
}

/// Limit and usage (pages) of one memory cgroup.
#[inline(always)]
pub fn memory_limit(memcg: u64) -> CgroupLimit {
    let css = memcg + offset!(memcg_css);
    memory_limit_at(memcg, depth(css))
}

#[inline(always)]
fn memory_limit_at(memcg: u64, level: u32) -> CgroupLimit {
    let usage = mem::field::<i64>(memcg, offset!(memcg_usage));
    let limit = mem::field::<i64>(memcg, offset!(memcg_max));
    let mut of = limit_of(memcg + offset!(memcg_css), level, usage, limit);
    of.oom_kill_disable = mem::field::<u32>(memcg, offset!(memcg_oom_kill_disable));
    of
}

/// OOM events so far of the memory cgroups that this css is charged in: an
/// event counts in all above it (include/linux/memcontrol.h
/// `memcg_memory_event`), so the topmost knows.
#[inline(always)]
pub fn memcg_oom_events(css: u64) -> i64 {
    let mut css = css;
    let mut top = 0;
    for _ in 0..DEEPEST {
        let parent = mem::pointer(css, offset!(css_parent));
        if parent == 0 {
            break;
        }
        top = css;
        css = parent;
    }
    mem::field::<i64>(top - offset!(memcg_css), offset!(memcg_events_oom))
}

/// Levels at which v1's limit of kernel memory is looked for.
const KMEM_LEVELS: usize = 8;

/// The first memory cgroup on the way up whose kernel memory is near its limit
/// (v1; mm/memcontrol.c `__memcg_kmem_charge`, up to 5.15).
#[inline(never)]
pub fn kmem_near(ev: *mut FailureEvent, css: u64) {
    if !mem::has(offset!(memcg_kmem_max)) {
        return;
    }
    let mut css = css;
    // A few levels only: each is a branch, and this limit was rarely set.
    for _ in 0..KMEM_LEVELS {
        let parent = mem::pointer(css, offset!(css_parent));
        if parent == 0 {
            break;
        }
        let memcg = css - offset!(memcg_css);
        let usage = mem::field::<i64>(memcg, offset!(memcg_kmem_usage));
        let limit = mem::field::<i64>(memcg, offset!(memcg_kmem_max));
        if usage + KMEM_NEAR > limit {
            // SAFETY: `ev` is a reserved ring-buffer record.
            unsafe { (*ev).kmem_near = limit_of(css, depth(css), usage, limit) };
            break;
        }
        css = parent;
    }
}

/// Records the pids limits from this css up to below the root.
#[inline(never)]
pub fn pids(ev: *mut FailureEvent, css: u64) {
    let leaf = depth(css);
    let mut css = css;
    // SAFETY: `ev` is a reserved ring-buffer record; indexes are bounded.
    unsafe {
        let list = (&raw mut (*ev).pids).cast::<CgroupLimit>();
        for level in 0..CGROUP_LEVELS {
            let parent = mem::pointer(css, offset!(css_parent));
            if parent == 0 {
                break;
            }
            let (usage, limit) = pids_numbers(css);
            // A controller that is on in a cgroup is on in all above it.
            *list.add(level) = limit_of(css, leaf.wrapping_sub(level as u32), usage, limit);
            (*ev).pids_len = level as u8 + 1;
            css = parent;
        }
    }
}

/// Records the memory limits from this css up to below the root.
#[inline(never)]
pub fn memory(ev: *mut FailureEvent, css: u64) {
    let leaf = depth(css);
    let mut css = css;
    // SAFETY: as in `pids`.
    unsafe {
        let list = (&raw mut (*ev).memory).cast::<CgroupLimit>();
        for level in 0..CGROUP_LEVELS {
            let parent = mem::pointer(css, offset!(css_parent));
            if parent == 0 {
                break;
            }
            *list.add(level) =
                memory_limit_at(css - offset!(memcg_css), leaf.wrapping_sub(level as u32));
            (*ev).memory_len = level as u8 + 1;
            css = parent;
        }
    }
}

/// Where the next name goes in `FailureEvent::names`.
pub const NAMES_END: u32 = (NAMES_BYTES - NAME_BYTES) as u32;

/// Records the path of a cgroup: its name and its ancestors', leaf first.
///
/// The cursor lives in the record, not in a variable: the verifier then knows
/// nothing of it after the loop, and doesn't walk what follows once for each
/// length that a path can have. `SLOT` is no argument, because the verifier
/// would go back through the call to where it came from.
///
/// No cgroup (0) gives an empty path.
#[inline(never)]
pub fn path<const SLOT: usize>(ev: *mut FailureEvent, cgroup: u64) {
    let kn = mem::pointer(cgroup, offset!(cgroup_kn));
    let root = mem::pointer(cgroup, offset!(cgroup_root));
    // SAFETY: `ev` is a reserved ring-buffer record.
    let start = unsafe { (*ev).names_len };
    let mut at = start;
    let mut node = kn;
    let mut truncated = 1;
    for _ in 0..=CGROUP_LEVELS {
        let parent = mem::pointer(node, offset!(kn_parent));
        if parent == 0 {
            truncated = 0;
            break;
        }
        let name = mem::pointer(node, offset!(kn_name));
        let offset = mem::opaque(at as u64);
        if offset > NAMES_END as u64 {
            break;
        }
        // SAFETY: `at` leaves room for a longest name; the helper writes no
        // more and reports a fault as an error.
        let n = unsafe {
            let to = (&raw mut (*ev).names).cast::<u8>().add(offset as usize);
            bpf_probe_read_kernel_str(to.cast(), NAME_BYTES as u32, name as *const _)
        };
        if n <= 0 || n > NAME_BYTES as i64 {
            break;
        }
        at += n as u32;
        node = parent;
    }
    let path = CgroupPath {
        id: mem::field::<u64>(kn, offset!(kn_id)),
        hierarchy: mem::field::<u32>(root, offset!(root_hierarchy_id)),
        start,
        len: at.wrapping_sub(start),
        truncated,
    };
    // SAFETY: as above.
    unsafe {
        (*ev).names_len = at;
        (*ev).paths[SLOT] = path;
    }
}

/// Whether the cgroup or one of its ancestors has this kernfs id.
#[inline(always)]
pub fn within(cgroup: u64, wanted: u64) -> bool {
    let mut node = mem::pointer(cgroup, offset!(cgroup_kn));
    for _ in 0..DEEPEST {
        if node == 0 {
            break;
        }
        if mem::field::<u64>(node, offset!(kn_id)) == wanted {
            return true;
        }
        node = mem::pointer(node, offset!(kn_parent));
    }
    false
}

/// The cgroup behind an open folder of cgroupfs, for CLONE_INTO_CGROUP
/// (kernel/cgroup/cgroup.c `cgroup_get_from_file`).
#[inline(always)]
pub fn of_fd(task: u64, fd: u64) -> u64 {
    let files = mem::pointer(task, offset!(task_files));
    let table = mem::pointer(files, offset!(files_fdt));
    let array = mem::pointer(table, offset!(fdtable_fd));
    if array == 0 || fd > 1 << 20 {
        return 0;
    }
    let file = mem::pointer(array + fd * 8, 0);
    let inode = mem::pointer(file, offset!(file_inode));
    let kn = mem::pointer(inode, offset!(inode_private));
    mem::pointer(kn, offset!(kn_priv))
}

/// The css that pids are charged to for a child in this v2 cgroup: its own,
/// or the nearest ancestor's that has the controller on.
#[inline(always)]
pub fn effective_pids_css(cgroup: u64) -> u64 {
    let mut cgroup = cgroup;
    for _ in 0..DEEPEST {
        if cgroup == 0 {
            break;
        }
        let css = mem::pointer(cgroup, offset!(cgroup_pids));
        if css != 0 {
            return css;
        }
        let parent = mem::pointer(cgroup, offset!(cgroup_self_parent));
        cgroup = mem::pointer(parent, offset!(css_cgroup));
    }
    0
}
