//! x86-64.

/// AUDIT_ARCH_I386 (include/uapi/linux/audit.h): how a seccomp filter knows 32-bit calls.
pub const AUDIT_COMPAT: u32 = 0x4000_0003;

/// Makes the system call `number`. A child that comes of it exits at once with
/// status 0, without a look at memory: so it may share the caller's stack.
///
/// # Safety
/// `number` is a call that creates a task or fails, `args` are valid for it.
pub unsafe fn create(number: i64, args: [usize; 5]) -> isize {
    let answer: isize;
    // SAFETY: the child leaves by exit(2) within these instructions.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor edi, edi",
            "mov eax, 60",
            "syscall",
            "ud2",
            "2:",
            inlateout("rax") number as isize => answer,
            inlateout("rdi") args[0] => _,
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    answer
}
