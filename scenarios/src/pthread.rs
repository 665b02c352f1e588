//! pthread_create(3), and what it does to map a thread's stack.

use std::ffi::c_void;
use std::fs::File;
use std::io::Read;
use std::mem::MaybeUninit;

use crate::arch::{LEAST_GUARD, page};
use anyhow::{Context, Result};

/// The guard below a stack, by default.
pub(crate) fn guard() -> u64 {
    page().max(LEAST_GUARD) as u64
}

/// A thread's stack as it is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack {
    /// Whole pages, the guard not included.
    pub bytes: u64,
    /// Without a guard glibc maps it readable and writable at once; with one it
    /// maps nothing but addresses, and mprotect does the rest.
    pub guard: bool,
}

extern "C" fn nothing(_: *mut c_void) -> *mut c_void {
    std::ptr::null_mut()
}

/// Creates a thread that does nothing, and joins it. Answers what
/// pthread_create(3) answers: 0 or an errno.
pub(crate) fn create(stack: Stack) -> i32 {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
    let at = attributes.as_mut_ptr();
    // SAFETY: the attributes are made before they are used, and the thread is
    // joined only where it was created.
    unsafe {
        libc::pthread_attr_init(at);
        let sized = libc::pthread_attr_setstacksize(at, stack.bytes as usize);
        if sized != 0 {
            return sized;
        }
        if !stack.guard {
            libc::pthread_attr_setguardsize(at, 0);
        }
        let answer = libc::pthread_create(thread.as_mut_ptr(), at, nothing, std::ptr::null_mut());
        libc::pthread_attr_destroy(at);
        if answer == 0 {
            libc::pthread_join(thread.assume_init(), std::ptr::null_mut());
        }
        answer
    }
}

/// A line of /proc/self/status in kB, as bytes; read without asking for memory,
/// which would change it.
pub(crate) fn status(name: &str) -> Result<u64> {
    let mut buffer = [0u8; 4096];
    let length = File::open("/proc/self/status")?.read(&mut buffer)?;
    let text = std::str::from_utf8(&buffer[..length])?;
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .map(|kb| kb * 1024)
        .with_context(|| format!("no {name} in /proc/self/status"))
}

/// The caller's mappings, as `mm->map_count` counts them: the vsyscall page is
/// nobody's.
pub(crate) fn mappings() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/maps")?;
    let own = text.lines().filter(|line| !line.ends_with("[vsyscall]"));
    Ok(own.count() as u64)
}
