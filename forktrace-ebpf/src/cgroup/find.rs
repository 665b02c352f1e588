//! Finding cgroups: whether one is within another, what a descriptor stands for,
//! and where pids are charged.

use crate::{
    maps::offset,
    mem,
    walk::{Step, Walk, up},
};

/// Ancestors that are followed, recorded or not.
pub const DEEPEST: u32 = 64;

/// Whether the cgroup or one of its ancestors has this kernfs id.
#[inline(always)]
pub fn within(cgroup: u64, wanted: u64) -> bool {
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
