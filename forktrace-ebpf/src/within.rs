//! Whether the current task is within `copy_process()`: what refuses memory runs
//! for page faults and other system calls as well, before a creation (the copy of
//! clone3's arguments) and after it (the child's id for its parent), so the
//! system call says too little. The stack says it. Only what is refused comes
//! here.

use aya_ebpf::helpers::generated::bpf_get_stack;

use crate::{
    maps::{STACK, symbol},
    walk::{Step, Walk, up},
};

/// Frames that are looked at. Reclaim on behalf of a charge is some forty deep.
pub(crate) const FRAMES: usize = 64;

/// Which of the frames' places a program uses: a tracing program of a preemptible kernel can be preempted
/// by another one on its CPU, and never by itself (kernel/bpf/trampoline.c `__bpf_prog_enter_recur`).
pub(crate) const MEMORY: u32 = 0;
/// See [`MEMORY`].
pub(crate) const OVERCOMMIT: u32 = 1;

/// `ctx`: the program's own context; `place`: [`MEMORY`] or [`OVERCOMMIT`]. False also where the kernel doesn't show
/// where `copy_process` lies: what is noted then is nothing.
#[inline(always)]
pub(crate) fn copy_process(ctx: *mut core::ffi::c_void, place: u32) -> bool {
    let Some(frames) = STACK.get_ptr_mut(place) else {
        return false;
    };
    // SAFETY: a map value of this size, this CPU's own.
    let bytes = unsafe { bpf_get_stack(ctx, frames.cast(), size_of::<[u64; FRAMES]>() as u32, 0) };
    if bytes <= 0 || symbol!(copy_process) == 0 {
        return false;
    }
    up(Frames {
        frames: frames.cast::<u64>(),
        filled: (bytes as u64 / 8) as usize,
        found: false,
    })
    .found
}

struct Frames {
    frames: *const u64,
    filled: usize,
    found: bool,
}

impl Walk for Frames {
    const LEVELS: u32 = FRAMES as u32;

    #[inline(always)]
    fn step(&mut self, at: usize) -> Step {
        if at >= self.filled || at >= FRAMES {
            return Step::End;
        }
        // SAFETY: within the map value.
        let address = unsafe { self.frames.add(at).read_volatile() };
        if address > symbol!(copy_process) && address <= symbol!(copy_process_end) {
            self.found = true;
            return Step::End;
        }
        Step::On
    }
}
