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

// include/uapi/linux/magic.h, include/uapi/linux/stat.h
const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;
const S_IFMT: u16 = 0xf000;
const S_IFDIR: u16 = 0x4000;

/// The cgroup behind an open folder of the v2 hierarchy, for CLONE_INTO_CGROUP; 0: it is none, and
/// the kernel answers EBADF (kernel/cgroup/cgroup.c `cgroup_get_from_file`). A folder whose cgroup
/// was removed has none either, see [`node_of_fd`].
#[inline(always)]
pub(crate) fn of_fd(task: u64, fd: u64) -> u64 {
    mem::pointer(node_of_fd(task, fd), offset!(kn_priv))
}

/// The kernfs node of that folder; 0: the descriptor is something else.
///
/// The number is the caller's, and so is what it opened. Each step is asked for before it is taken,
/// as the kernel does: behind the end of the table, and in what other file systems keep in
/// `i_private`, lies anything. An address that no processor has is a warning in the kernel's log
/// where the processor has addresses of 57 bits and the kernel uses 48 (arch/x86/mm/maccess.c
/// `copy_from_kernel_nofault_allowed`, seen in 5.10), which with kernel.panic_on_warn is its end.
#[inline(always)]
pub(crate) fn node_of_fd(task: u64, fd: u64) -> u64 {
    let files = mem::pointer(task, offset!(task_files));
    let table = mem::pointer(files, offset!(files_fdt));
    let slots = mem::field::<u32>(table, offset!(fdtable_max_fds)) as u64;
    if fd >= slots {
        return 0;
    }
    let array = mem::pointer(table, offset!(fdtable_fd));
    let file = mem::pointer(array + fd * 8, 0);
    let inode = mem::pointer(file, offset!(file_inode));
    let sb = mem::pointer(inode, offset!(inode_sb));
    if mem::field::<u64>(sb, offset!(sb_magic)) != CGROUP2_SUPER_MAGIC
        || mem::field::<u16>(inode, offset!(inode_mode)) & S_IFMT != S_IFDIR
    {
        return 0;
    }
    mem::pointer(inode, offset!(inode_private))
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
