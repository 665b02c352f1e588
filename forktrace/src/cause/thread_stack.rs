//! What the causes share that refuse a thread's stack: pthread_create(3) maps
//! it before it asks for a thread, so no creation is ever tried.
//!
//! glibc: `mmap(PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_STACK)` of stack and
//! guard, then `mprotect(PROT_READ|PROT_WRITE)`; ENOMEM of either becomes
//! EAGAIN.

use super::page::Step;

/// What a thread's creator is told.
pub const ERRNO_NOTE: &str = "That is what mmap or mprotect answers; glibc's pthread_create \
    makes EAGAIN of it. fork, vfork and clone never meet this limit.";

/// What people see.
pub const ABOUT: &str = "pthread_create fails with EAGAIN, Java says `unable to create native \
    thread`, though the kernel was never asked for a thread: glibc maps the stack first, and \
    that was refused.";

/// Shows which call refuses.
pub const STRACE: Step = Step {
    text: "See which call fails while a thread is being created. ENOMEM or EAGAIN from mmap or \
        mprotect, with no clone after it, is the stack; a failing clone is another cause.",
    commands: &["strace -f -e trace=mmap,mprotect,clone,clone3 -p $PID"],
};
