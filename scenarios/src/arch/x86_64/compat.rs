//! System calls as 32-bit code makes them: `int 0x80` works from 64-bit code as
//! well, with the numbers of arch/x86/entry/syscalls/syscall_32.tbl.

use std::ffi::CStr;

use forktrace::provoke::arch::page;
use forktrace::provoke::sys;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Those that create: fork, clone, vfork, clone3.
pub(crate) const CREATIONS: &[i64] = &[2, 120, 190, 435];
/// mpx, setpgid and ulimit, whose numbers are those of clone, fork and vfork in 64-bit code.
pub(crate) const OTHERS: &[i64] = &[56, 57, 58];

const FORK: usize = 2;
const EXECVE: usize = 11;
const GETPPID: usize = 64;
const VFORK: usize = 190;
const EXIT: usize = 1;

/// Makes the system call; a child that comes of it exits at once.
///
/// # Safety
/// `ebx` to `edx` are what the call wants.
unsafe fn call(number: usize, ebx: usize, ecx: usize, edx: usize) -> isize {
    let answer: isize;
    // SAFETY: rbx is the compiler's and is put back; the child of a creating
    // call leaves within these instructions, without a look at memory.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {ebx}",
            "int 0x80",
            "test eax, eax",
            "jnz 2f",
            "cmp {creates}, 0",
            "je 2f",
            "mov eax, {exit}",
            "xor ebx, ebx",
            "int 0x80",
            "ud2",
            "2:",
            "xchg rbx, {ebx}",
            ebx = inout(reg) ebx => _,
            creates = in(reg) usize::from(number == FORK || number == VFORK),
            exit = const EXIT,
            inlateout("rax") number => answer,
            in("rcx") ecx,
            in("rdx") edx,
            in("rsi") 0usize,
            in("rdi") 0usize,
            // Old kernels clear these.
            out("r8") _,
            out("r9") _,
            out("r10") _,
            out("r11") _,
        );
    }
    // 32 bits, as the caller sees it.
    answer as i32 as isize
}

/// Whether the kernel has 32-bit calls at all.
pub(crate) fn works() -> bool {
    // In a child: without them it is a fault.
    let child = sys::child("fork to try 32-bit calls", || {
        // SAFETY: takes nothing.
        let parent = unsafe { call(GETPPID, 0, 0, 0) };
        i32::from(parent <= 0)
    });
    child.is_ok_and(|pid| sys::reap(pid) == Some(0))
}

/// fork(2).
pub(crate) fn fork() -> isize {
    // SAFETY: takes nothing.
    unsafe { call(FORK, 0, 0, 0) }
}

/// vfork(2).
pub(crate) fn vfork() -> isize {
    // SAFETY: takes nothing.
    unsafe { call(VFORK, 0, 0, 0) }
}

/// A call that a filter refuses, by number and without arguments.
pub(crate) fn refused_call(number: i64) -> isize {
    // SAFETY: takes nothing, and isn't made.
    unsafe { call(number as usize, 0, 0, 0) }
}

/// execve(2) of this program. Returns when it is refused.
pub(crate) fn execve() -> isize {
    const PROGRAM: &CStr = c"/proc/self/exe";
    const ARGUMENTS: usize = 256;
    // Its arguments have to be where 32 bits reach.
    let prot = ProtFlags::READ | ProtFlags::WRITE;
    let flags = MapFlags::PRIVATE | MapFlags::from_bits_retain(libc::MAP_32BIT as u32);
    let bytes = PROGRAM.to_bytes_with_nul();
    // SAFETY: a new mapping, which is nobody else's, and what is written and read is within it.
    unsafe {
        let Ok(at) = mmap_anonymous(std::ptr::null_mut(), page(), prot, flags) else {
            return -(libc::ENOMEM as isize);
        };
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), at.cast(), bytes.len());
        let (base, argv) = (at as usize, at as usize + ARGUMENTS);
        (argv as *mut u32).write(base as u32);
        let answer = call(EXECVE, base, argv, argv + 4);
        let _ = munmap(at, page());
        answer
    }
}
