//! arm64.

/// AUDIT_ARCH_ARM (include/uapi/linux/audit.h): how a seccomp filter knows 32-bit calls.
pub const AUDIT_COMPAT: u32 = 0x4000_0028;

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
            "svc #0",
            "cbnz x0, 2f",
            "mov x8, #93",
            "svc #0",
            "brk #1",
            "2:",
            inlateout("x8") number as isize => _,
            inlateout("x0") args[0] => answer,
            in("x1") args[1],
            in("x2") args[2],
            in("x3") args[3],
            in("x4") args[4],
        );
    }
    answer
}
