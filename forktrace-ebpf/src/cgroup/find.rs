//! Finding cgroups: whether one is within another, what a descriptor stands for,
//! and where pids are charged.

use crate::{
    maps::offset,
    mem,
    walk::{Step, Walk, up},
};

/// Ancestors that are followed, recorded or not. A loop that the verifier walks
/// itself has to be shorter.
#[cfg(feature = "bpf_loop")]
pub(crate) const DEEPEST: u32 = 512;
#[cfg(not(feature = "bpf_loop"))]
pub(crate) const DEEPEST: u32 = 64;

/// Ancestors of which limits are looked for, to be recorded.
#[cfg(feature = "bpf_loop")]
pub(crate) const RECORDED: u32 = DEEPEST;
#[cfg(not(feature = "bpf_loop"))]
pub(crate) const RECORDED: u32 = 40;

/// Whether the cgroup or one of its ancestors has this kernfs id.
#[inline(always)]
pub(crate) fn within(cgroup: u64, wanted: u64) -> bool {
    let node = mem::pointer(cgroup, offset!(cgroup_kn));
    let found = false;
    up(ToId {
        node,
        wanted,
        found,
    })
    .found
}

struct ToId {
    node: u64,
    wanted: u64,
    found: bool,
}

impl Walk for ToId {
    const LEVELS: u32 = DEEPEST;

    #[inline(always)]
    fn step(&mut self, _: usize) -> Step {
        if self.node == 0 {
            return Step::End;
        }
        if mem::field::<u64>(self.node, offset!(kn_id)) == self.wanted {
            self.found = true;
            return Step::End;
        }
        self.node = mem::pointer(self.node, offset!(kn_parent));
        Step::On
    }
}

/// The cgroup behind an open folder of cgroupfs, for CLONE_INTO_CGROUP
/// (kernel/cgroup/cgroup.c `cgroup_get_from_file`).
#[inline(always)]
pub(crate) fn of_fd(task: u64, fd: u64) -> u64 {
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

/// Whether a css is another or one above it.
#[inline(always)]
pub(crate) fn is_on_way(css: u64, wanted: u64) -> bool {
    up(ToCss {
        css,
        wanted,
        found: false,
    })
    .found
}

struct ToCss {
    css: u64,
    wanted: u64,
    found: bool,
}

impl Walk for ToCss {
    const LEVELS: u32 = DEEPEST;

    #[inline(always)]
    fn step(&mut self, _: usize) -> Step {
        if self.css == 0 {
            return Step::End;
        }
        if self.css == self.wanted {
            self.found = true;
            return Step::End;
        }
        self.css = mem::pointer(self.css, offset!(css_parent));
        Step::On
    }
}

/// As [`effective_pids_css`], where the pids controller is in the hierarchy of the
/// cgroup: on a hybrid host it is in v1, where the child stays with its parent
/// (`own` is the caller's css).
#[inline(always)]
pub(crate) fn pids_css_within(cgroup: u64, own: u64) -> u64 {
    let of_own = mem::pointer(mem::pointer(own, offset!(css_cgroup)), offset!(cgroup_root));
    if mem::pointer(cgroup, offset!(cgroup_root)) != of_own {
        return own;
    }
    effective_pids_css(cgroup)
}

/// The css that pids are charged to for a child in this v2 cgroup: its own,
/// or the nearest ancestor's that has the controller on.
#[inline(always)]
pub(crate) fn effective_pids_css(cgroup: u64) -> u64 {
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
