//! System calls as 32-bit code makes them: `int 0x80` works from 64-bit code as
//! well, with the numbers of arch/x86/entry/syscalls/syscall_32.tbl.

use std::ffi::CStr;

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
pub fn works() -> bool {
    // In a child: without them it is a fault.
    // SAFETY: the child makes one system call and leaves.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: takes nothing.
        let parent = unsafe { call(GETPPID, 0, 0, 0) };
        crate::actor::exit(i32::from(parent <= 0));
    }
    super::reap(pid) == Some(0)
}

/// fork(2).
pub fn fork() -> isize {
    // SAFETY: takes nothing.
    unsafe { call(FORK, 0, 0, 0) }
}

/// vfork(2).
pub fn vfork() -> isize {
    // SAFETY: takes nothing.
    unsafe { call(VFORK, 0, 0, 0) }
}

/// A call that a filter refuses, by number and without arguments.
pub fn refused_call(number: usize) -> isize {
    // SAFETY: takes nothing, and isn't made.
    unsafe { call(number, 0, 0, 0) }
}

/// execve(2) of this program. Returns when it is refused.
pub fn execve() -> isize {
    const PROGRAM: &CStr = c"/proc/self/exe";
    // Everything that it is told has to be where 32 bits reach.
    // SAFETY: a new mapping.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return -(libc::ENOMEM as isize);
    }
    let bytes = PROGRAM.to_bytes_with_nul();
    let (base, argv) = (page as usize, page as usize + 256);
    // SAFETY: all within the page, which is nobody else's.
    let answer = unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), page.cast(), bytes.len());
        (argv as *mut u32).write(base as u32);
        call(EXECVE, base, argv, argv + 4)
    };
    // SAFETY: the mapping just made.
    unsafe { libc::munmap(page, 4096) };
    answer
}
