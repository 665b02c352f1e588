//! forktrace's BPF programs.
//!
//! The event is a failing return of `copy_process()` (kernel/fork.c), through
//! which every creation goes, whoever asks. Probes on the stages in between
//! leave a note on the task when they refuse ([`note`]); the failing return
//! completes it with what the checks compared ([`facts`]), counts by it, takes a
//! snapshot of every limit ([`snapshot`]) and sends it ([`report`]). On a creation that succeeds
//! the probes compare one return value and are done.
//!
//! Entry points are thin: [`fexit`], [`kprobe`] and [`tracepoint`] hold one
//! function a probe, in the attach style of their name. What is refused before
//! `copy_process()` has a file of its own with its entry points in all styles:
//! [`exec`], [`seccomp`]. [`oom`] and [`task_iter`] report no failures: OOM kills, and tasks.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![allow(unstable_features)]

mod arch;
mod cgroup;
mod count;
mod exec;
mod facts;
mod fexit;
mod filter;
mod ids;
mod kprobe;
mod limits;
mod maps;
mod mem;
mod note;
mod oom;
mod other_errnos;
mod report;
mod request;
mod seccomp;
mod snapshot;
mod stack;
mod stage;
mod task;
mod task_iter;
mod text;
mod tracepoint;
mod walk;
mod within;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Never reached: `cargo xtask ebpf` rejects an object that could panic.
    loop {}
}

/// The kernel gives GPL-only helpers (bpf_probe_read_kernel, …) to programs
/// whose licence is one of those that it knows (include/linux/license.h).
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
