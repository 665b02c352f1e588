//! Cgroups: limits on the way up.

pub(crate) mod find;
pub(crate) mod path;

use find::{DEEPEST, RECORDED};
use forktrace_common::{
    event::{CGROUP_LEVELS, CgroupLimit, FailureEvent, KMEM_NEAR},
    facts::fact,
    note::Note,
};

use crate::{
    maps::{machine, offset},
    mem,
    walk::{Step, Walk, up},
};

/// kernfs id of a cgroup.
#[inline(always)]
pub(crate) fn id(cgroup: u64) -> u64 {
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
pub(crate) fn pids_forkfail(css: u64) -> i64 {
    mem::field::<i64>(css - offset!(pids_css), offset!(pids_forkfail))
}

/// How many levels [`pids_limits`] looks at: each costs a creation that succeeds. So few need no
/// [`Walk`]: the verifier soon has walked them, and a call of `bpf_loop` for each level would be
/// paid by every creation.
const LIMITS: u32 = 6;

/// The limits of the nearest cgroups on the way up, in one number that is another when one of them is,
/// or when it is another way.
#[inline(always)]
pub(crate) fn pids_limits(mut css: u64) -> u64 {
    let mut all = css;
    for _ in 0..LIMITS {
        let parent = mem::pointer(css, offset!(css_parent));
        if parent == 0 {
            break;
        }
        let limit = mem::field::<u64>(css - offset!(pids_css), offset!(pids_limit));
        all = all.rotate_left(7) ^ limit;
        css = parent;
    }
    all
}

/// Tasks and limit of one cgroup.
#[inline(always)]
pub(crate) fn pids_limit(css: u64) -> CgroupLimit {
    let (usage, limit) = pids_numbers(css);
    limit_of(css, depth(css), usage, limit)
}

/// Notes the first cgroup on the way up that has no room for one more, as
/// `pids_try_charge()` goes (the refused charge is reverted by now), whether
/// several have none, and whether the way is longer than is looked at.
#[inline(never)]
pub(crate) fn first_full(note: *mut Note, css: u64) {
    // SAFETY: a live map value that this task alone uses.
    unsafe { (*note).facts.bits |= fact::PIDS_CUT };
    up(ToFull { note, css });
}

struct ToFull {
    note: *mut Note,
    css: u64,
}

impl Walk for ToFull {
    const LEVELS: u32 = DEEPEST;

    #[inline(always)]
    fn step(&mut self, _: usize) -> Step {
        // The root has no limit: pids_try_charge() stops below it.
        let parent = mem::pointer(self.css, offset!(css_parent));
        if parent == 0 {
            // SAFETY: as above, here and below.
            unsafe { (*self.note).facts.bits &= !fact::PIDS_CUT };
            return Step::End;
        }
        let (usage, limit) = pids_numbers(self.css);
        if usage >= limit {
            // SAFETY: as above.
            unsafe {
                if (*self.note).facts.bits & fact::PIDS_FULL == 0 {
                    (*self.note).facts.bits |= fact::PIDS_FULL;
                    (*self.note).facts.pids = limit_of(self.css, depth(self.css), usage, limit);
                } else {
                    (*self.note).facts.bits |= fact::PIDS_SEVERAL;
                }
            }
        }
        self.css = parent;
        Step::On
    }
}

/// Limit and usage (pages) of one memory cgroup.
#[inline(always)]
pub(crate) fn memory_limit(memcg: u64) -> CgroupLimit {
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
pub(crate) fn memcg_oom_events(css: u64) -> i64 {
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
pub(crate) fn kmem_near(ev: *mut FailureEvent, css: u64) {
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

/// PIDS_MAX (kernel/cgroup/pids.c): no limit.
const PIDS_MAX: i64 = 4_194_305;

/// Records the pids limits from this css up to below the root: the first one in
/// any case, and of the others those that are limits.
#[inline(never)]
pub(crate) fn pids(ev: *mut FailureEvent, css: u64) {
    let leaf = depth(css);
    up(Pids { ev, css, leaf });
}

struct Pids {
    ev: *mut FailureEvent,
    css: u64,
    leaf: u32,
}

impl Walk for Pids {
    const LEVELS: u32 = RECORDED;

    #[inline(always)]
    fn step(&mut self, level: usize) -> Step {
        let Self { ev, css, leaf } = *self;
        let parent = mem::pointer(css, offset!(css_parent));
        if parent == 0 {
            return Step::End;
        }
        let (usage, limit) = pids_numbers(css);
        // SAFETY: `ev` is a reserved ring-buffer record. Volatile, and unknown to the compiler, so
        // that the bound is the verifier's as well.
        let at = mem::opaque(unsafe { (&raw const (*ev).pids_len).read_volatile() } as u64);
        if limit < PIDS_MAX || at == 0 {
            if at >= CGROUP_LEVELS as u64 {
                return Step::End;
            }
            // A controller that is on in a cgroup is on in all above it.
            let limit = limit_of(css, leaf.wrapping_sub(level as u32), usage, limit);
            // SAFETY: as above; the index is bounded.
            unsafe {
                *(&raw mut (*ev).pids).cast::<CgroupLimit>().add(at as usize) = limit;
                (&raw mut (*ev).pids_len).write_volatile(at as u8 + 1);
            }
        }
        self.css = parent;
        Step::On
    }
}

/// PAGE_COUNTER_MAX (include/linux/page_counter.h): no limit.
#[inline(always)]
fn page_counter_max() -> i64 {
    i64::MAX >> machine!(page_shift)
}

/// Records the memory limits from this css up to below the root, as [`pids`] does.
#[inline(never)]
pub(crate) fn memory(ev: *mut FailureEvent, css: u64) {
    let leaf = depth(css);
    up(Memory { ev, css, leaf });
}

struct Memory {
    ev: *mut FailureEvent,
    css: u64,
    leaf: u32,
}

impl Walk for Memory {
    const LEVELS: u32 = RECORDED;

    #[inline(always)]
    fn step(&mut self, level: usize) -> Step {
        let Self { ev, css, leaf } = *self;
        let parent = mem::pointer(css, offset!(css_parent));
        if parent == 0 {
            return Step::End;
        }
        // SAFETY: as in `Pids`.
        let at = mem::opaque(unsafe { (&raw const (*ev).memory_len).read_volatile() } as u64);
        let limit = memory_limit_at(css - offset!(memcg_css), leaf.wrapping_sub(level as u32));
        if limit.limit < page_counter_max() || at == 0 {
            if at >= CGROUP_LEVELS as u64 {
                return Step::End;
            }
            // SAFETY: as in `Pids`.
            unsafe {
                *(&raw mut (*ev).memory)
                    .cast::<CgroupLimit>()
                    .add(at as usize) = limit;
                (&raw mut (*ev).memory_len).write_volatile(at as u8 + 1);
            }
        }
        self.css = parent;
        Step::On
    }
}

/// kernfs id of the first memory cgroup on the way up from this css whose limit leaves no room for
/// what a half-made child had charged, in bytes; 0: none.
#[inline(never)]
pub(crate) fn full_memory(css: u64, half_made: u64) -> u64 {
    up(ToFullMemory {
        css,
        pages: (half_made >> machine!(page_shift)) as i64,
        found: 0,
    })
    .found
}

struct ToFullMemory {
    css: u64,
    pages: i64,
    found: u64,
}

impl Walk for ToFullMemory {
    const LEVELS: u32 = RECORDED;

    #[inline(always)]
    fn step(&mut self, _: usize) -> Step {
        let parent = mem::pointer(self.css, offset!(css_parent));
        if parent == 0 {
            return Step::End;
        }
        let memcg = self.css - offset!(memcg_css);
        let usage = mem::field::<i64>(memcg, offset!(memcg_usage));
        if usage + self.pages >= mem::field::<i64>(memcg, offset!(memcg_max)) {
            self.found = id(mem::pointer(self.css, offset!(css_cgroup)));
            return Step::End;
        }
        self.css = parent;
        Step::On
    }
}
