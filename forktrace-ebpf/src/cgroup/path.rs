//! Paths of cgroups, by the kernel's own names.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use forktrace_common::event::{CgroupPath, FailureEvent, NAME_BYTES, NAMES_BYTES};

use crate::{
    maps::offset,
    mem,
    walk::{Step, Walk, up},
};

/// Where the next name goes in `FailureEvent::names`.
pub(crate) const NAMES_END: u32 = (NAMES_BYTES - NAME_BYTES) as u32;

/// Records the path of a cgroup: its name and its ancestors', leaf first.
///
/// The cursor lives in the record, not in a variable: the verifier then knows
/// nothing of it, and doesn't walk a level or what follows once for each length
/// that a path can have. `SLOT` is no argument, because the verifier
/// would go back through the call to where it came from.
///
/// No cgroup (0) gives an empty path.
#[inline(never)]
pub(crate) fn record<const SLOT: usize>(ev: *mut FailureEvent, cgroup: u64) {
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
    /// The room for names ends before the way does.
    #[cfg(feature = "bpf_loop")]
    const LEVELS: u32 = super::find::DEEPEST;
    /// A path that is longer is looked up by its id.
    #[cfg(not(feature = "bpf_loop"))]
    const LEVELS: u32 = 33;

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
