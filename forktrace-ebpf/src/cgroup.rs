//! Cgroups: limits on the way up, and paths by the kernel's own names.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use forktrace_common::{
    event::{
        CGROUP_LEVELS, CgroupLimit, CgroupPath, FailureEvent, KMEM_NEAR, NAME_BYTES, NAMES_BYTES,
    },
    note::NO_CGROUP,
};

use crate::{
    maps::offset,
    mem,
    walk::{Step, Walk, up},
};

/// Ancestors that are followed when one is looked for, recorded or not.
const DEEPEST: u32 = 64;

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
    let found = NO_CGROUP;
    up(ToFirstFull { css, found }).found
}

struct ToFirstFull {
    css: u64,
    found: CgroupLimit,
}

impl Walk for ToFirstFull {
    const LEVELS: u32 = DEEPEST;

    #[inline(always)]
    fn step(&mut self, _: usize) -> Step {
        // The root has no limit: pids_try_charge() stops below it.
        let parent = mem::pointer(self.css, offset!(css_parent));
        if parent == 0 {
            return Step::End;
        }
        let (usage, limit) = pids_numbers(self.css);
        if usage >= limit {
            self.found = limit_of(self.css, depth(self.css), usage, limit);
            return Step::End;
        }
        self.css = parent;
        Step::On
    }
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
    let top = up(ToTop { css, top: 0 }).top;
    mem::field::<i64>(top - offset!(memcg_css), offset!(memcg_events_oom))
}

/// To the topmost below the root.
struct ToTop {
    css: u64,
    top: u64,
}

impl Walk for ToTop {
    const LEVELS: u32 = DEEPEST;

    #[inline(always)]
    fn step(&mut self, _: usize) -> Step {
        let parent = mem::pointer(self.css, offset!(css_parent));
        if parent == 0 {
            return Step::End;
        }
        self.top = self.css;
        self.css = parent;
        Step::On
    }
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
    up(Pids { ev, css, leaf });
}

struct Pids {
    ev: *mut FailureEvent,
    css: u64,
    leaf: u32,
}

impl Walk for Pids {
    const LEVELS: u32 = CGROUP_LEVELS as u32;

    #[inline(always)]
    fn step(&mut self, level: usize) -> Step {
        let Self { ev, css, leaf } = *self;
        let parent = mem::pointer(css, offset!(css_parent));
        if parent == 0 {
            return Step::End;
        }
        let (usage, limit) = pids_numbers(css);
        // A controller that is on in a cgroup is on in all above it.
        let limit = limit_of(css, leaf.wrapping_sub(level as u32), usage, limit);
        // SAFETY: `ev` is a reserved ring-buffer record; the index is bounded.
        unsafe {
            *(&raw mut (*ev).pids).cast::<CgroupLimit>().add(level) = limit;
            (*ev).pids_len = level as u8 + 1;
        }
        self.css = parent;
        Step::On
    }
}

/// Records the memory limits from this css up to below the root.
#[inline(never)]
pub fn memory(ev: *mut FailureEvent, css: u64) {
    let leaf = depth(css);
    up(Memory { ev, css, leaf });
}

struct Memory {
    ev: *mut FailureEvent,
    css: u64,
    leaf: u32,
}

impl Walk for Memory {
    const LEVELS: u32 = CGROUP_LEVELS as u32;

    #[inline(always)]
    fn step(&mut self, level: usize) -> Step {
        let Self { ev, css, leaf } = *self;
        let parent = mem::pointer(css, offset!(css_parent));
        if parent == 0 {
            return Step::End;
        }
        let limit = memory_limit_at(css - offset!(memcg_css), leaf.wrapping_sub(level as u32));
        // SAFETY: as in `Pids`.
        unsafe {
            *(&raw mut (*ev).memory).cast::<CgroupLimit>().add(level) = limit;
            (*ev).memory_len = level as u8 + 1;
        }
        self.css = parent;
        Step::On
    }
}

/// Where the next name goes in `FailureEvent::names`.
pub const NAMES_END: u32 = (NAMES_BYTES - NAME_BYTES) as u32;

/// Records the path of a cgroup: its name and its ancestors', leaf first.
///
/// The cursor lives in the record, not in a variable: the verifier then knows
/// nothing of it, and doesn't walk a level or what follows once for each length
/// that a path can have. `SLOT` is no argument, because the verifier
/// would go back through the call to where it came from.
///
/// No cgroup (0) gives an empty path.
#[inline(never)]
pub fn path<const SLOT: usize>(ev: *mut FailureEvent, cgroup: u64) {
    let kn = mem::pointer(cgroup, offset!(cgroup_kn));
    let root = mem::pointer(cgroup, offset!(cgroup_root));
    // SAFETY: `ev` is a reserved ring-buffer record.
    let start = unsafe { (*ev).names_len };
    let path = CgroupPath {
        id: mem::field::<u64>(kn, offset!(kn_id)),
        hierarchy: mem::field::<u32>(root, offset!(root_hierarchy_id)),
        start,
        len: 0,
        truncated: 1,
    };
    // SAFETY: as above.
    unsafe { (*ev).paths[SLOT] = path };
    up(Names::<SLOT> { ev, node: kn });
    // SAFETY: as above.
    unsafe { (*ev).paths[SLOT].len = (*ev).names_len.wrapping_sub(start) };
}

struct Names<const SLOT: usize> {
    ev: *mut FailureEvent,
    node: u64,
}

impl<const SLOT: usize> Walk for Names<SLOT> {
    /// One more than can be recorded: the root's, which has no name.
    const LEVELS: u32 = CGROUP_LEVELS as u32 + 1;

    #[inline(always)]
    fn step(&mut self, _: usize) -> Step {
        let Self { ev, node } = *self;
        let parent = mem::pointer(node, offset!(kn_parent));
        if parent == 0 {
            // SAFETY: `ev` is a reserved ring-buffer record, here and below.
            unsafe { (*ev).paths[SLOT].truncated = 0 };
            return Step::End;
        }
        let name = mem::pointer(node, offset!(kn_name));
        // SAFETY: as above.
        let at = unsafe { (&raw const (*ev).names_len).read_volatile() };
        let offset = mem::opaque(at as u64);
        if offset > NAMES_END as u64 {
            return Step::End;
        }
        // SAFETY: `at` leaves room for a longest name; the helper writes no
        // more and reports a fault as an error.
        let n = unsafe {
            let to = (&raw mut (*ev).names).cast::<u8>().add(offset as usize);
            bpf_probe_read_kernel_str(to.cast(), NAME_BYTES as u32, name as *const _)
        };
        if n <= 0 || n > NAME_BYTES as i64 {
            return Step::End;
        }
        // SAFETY: as above.
        unsafe { (&raw mut (*ev).names_len).write_volatile(at + n as u32) };
        self.node = parent;
        Step::On
    }
}

/// Whether the cgroup or one of its ancestors has this kernfs id.
#[inline(always)]
pub fn within(cgroup: u64, wanted: u64) -> bool {
    let node = mem::pointer(cgroup, offset!(cgroup_kn));
    let found = 0;
    up(ToId {
        node,
        wanted,
        found,
    })
    .found
        != 0
}

struct ToId {
    node: u64,
    wanted: u64,
    found: u64,
}

impl Walk for ToId {
    const LEVELS: u32 = DEEPEST;

    #[inline(always)]
    fn step(&mut self, _: usize) -> Step {
        if self.node == 0 {
            return Step::End;
        }
        if mem::field::<u64>(self.node, offset!(kn_id)) == self.wanted {
            self.found = 1;
            return Step::End;
        }
        self.node = mem::pointer(self.node, offset!(kn_parent));
        Step::On
    }
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
    up(ToPids { cgroup, css: 0 }).css
}

struct ToPids {
    cgroup: u64,
    css: u64,
}

impl Walk for ToPids {
    const LEVELS: u32 = DEEPEST;

    #[inline(always)]
    fn step(&mut self, _: usize) -> Step {
        if self.cgroup == 0 {
            return Step::End;
        }
        self.css = mem::pointer(self.cgroup, offset!(cgroup_pids));
        if self.css != 0 {
            return Step::End;
        }
        let parent = mem::pointer(self.cgroup, offset!(cgroup_self_parent));
        self.cgroup = mem::pointer(parent, offset!(css_cgroup));
        Step::On
    }
}
