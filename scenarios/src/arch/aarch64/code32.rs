//! What a 32-bit program of this machine is made of: AArch32's.

/// EM_ARM (include/uapi/linux/elf-em.h).
pub(crate) const ELF_MACHINE: u16 = 40;
/// The fifth EABI: the kernel runs no other (arch/arm64/include/asm/elf.h `compat_elf_check_arch`).
pub(crate) const ELF_FLAGS: u32 = 0x0500_0000;

/// Reads eight words: a number, five arguments and whether the call creates; makes the call, and writes the
/// answer. What was created ends, and so does this at the end of its input.
pub(crate) const CODE: &[u8] = &words([
    0xe24d_d020, // sub sp, sp, #32
    // again:
    0xe3a0_0000, // mov r0, #0
    0xe1a0_100d, // mov r1, sp
    0xe3a0_2020, // mov r2, #32
    0xe3a0_7003, // mov r7, #3: read
    0xef00_0000, // svc #0
    0xe350_0020, // cmp r0, #32
    0x1a00_0012, // bne end
    0xe59d_7000, // ldr r7, [sp]
    0xe59d_0004, // ldr r0, [sp, #4]
    0xe59d_1008, // ldr r1, [sp, #8]
    0xe59d_200c, // ldr r2, [sp, #12]
    0xe59d_3010, // ldr r3, [sp, #16]
    0xe59d_4014, // ldr r4, [sp, #20]
    0xef00_0000, // svc #0
    0xe350_0000, // cmp r0, #0
    0x1a00_0002, // bne answer
    0xe59d_1018, // ldr r1, [sp, #24]
    0xe351_0000, // cmp r1, #0
    0x1a00_0006, // bne end
    // answer:
    0xe58d_0000, // str r0, [sp]
    0xe3a0_0001, // mov r0, #1
    0xe1a0_100d, // mov r1, sp
    0xe3a0_2004, // mov r2, #4
    0xe3a0_7004, // mov r7, #4: write
    0xef00_0000, // svc #0
    0xeaff_ffe5, // b again
    // end:
    0xe3a0_0000, // mov r0, #0
    0xe3a0_7001, // mov r7, #1: exit
    0xef00_0000, // svc #0
]);

const fn words(code: [u32; 30]) -> [u8; 120] {
    let mut bytes = [0; 120];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = code[at / 4].to_le_bytes()[at % 4];
        at += 1;
    }
    bytes
}
