//! Going up: cgroups, namespaces and ancestors, a bounded number of levels each.
//!
//! Two objects are built from these sources. With the feature `bpf_loop` the
//! kernel's helper of that name (5.17+, kernel/bpf/bpf_iter.c) calls the step, and
//! the verifier walks it once or twice. Without, for older kernels, the loop is
//! one, and the verifier walks every level of it, which is most of the time that
//! a start takes there. An older kernel refuses a program that names a callback
//! at all, be it in dead code.

/// A way up, and what has been found on it.
pub(crate) trait Walk {
    /// Levels at most.
    const LEVELS: u32;

    /// Looks at one level and goes to the next, or answers that it ends here.
    fn step(&mut self, level: usize) -> Step;
}

/// What comes after a level.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Step {
    /// The next one. The numbers are those of `bpf_loop`.
    On = 0,
    /// Nothing: the way ends here.
    End = 1,
}

/// Goes all the way.
#[cfg(not(feature = "bpf_loop"))]
#[inline(always)]
pub(crate) fn up<W: Walk>(mut walk: W) -> W {
    for level in 0..W::LEVELS {
        if walk.step(level as usize) == Step::End {
            break;
        }
    }
    walk
}

/// Goes all the way.
#[cfg(feature = "bpf_loop")]
#[inline(always)]
pub(crate) fn up<W: Walk>(mut walk: W) -> W {
    // SAFETY: `called` takes what is given to it, and is called before this returns.
    unsafe {
        aya_ebpf::helpers::generated::bpf_loop(
            W::LEVELS,
            called::<W> as *mut core::ffi::c_void,
            (&raw mut walk).cast(),
            0,
        );
    }
    walk
}

#[cfg(feature = "bpf_loop")]
#[inline(never)]
unsafe extern "C" fn called<W: Walk>(level: u64, walk: *mut W) -> u64 {
    // Known to the helper, and not to the verifier.
    if level >= W::LEVELS as u64 {
        return Step::End as u64;
    }
    // SAFETY: `up` gives its own variable, which it doesn't touch meanwhile.
    unsafe { (*walk).step(level as usize) as u64 }
}
