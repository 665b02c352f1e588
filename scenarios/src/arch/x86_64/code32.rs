//! What a 32-bit program of this machine is made of: i386's.

/// EM_386 (include/uapi/linux/elf-em.h).
pub(crate) const ELF_MACHINE: u16 = 3;
pub(crate) const ELF_FLAGS: u32 = 0;

/// Reads eight words: a number, five arguments and whether the call creates; makes the call, and writes the
/// answer. What was created ends, and so does this at the end of its input.
#[rustfmt::skip]
pub(crate) const CODE: &[u8] = &[
    0x83, 0xec, 0x20,             // sub $32, %esp
    // again:
    0x31, 0xdb,                   // xor %ebx, %ebx
    0x89, 0xe1,                   // mov %esp, %ecx
    0xba, 0x20, 0x00, 0x00, 0x00, // mov $32, %edx
    0xb8, 0x03, 0x00, 0x00, 0x00, // mov $3, %eax: read
    0xcd, 0x80,                   // int $0x80
    0x83, 0xf8, 0x20,             // cmp $32, %eax
    0x75, 0x3c,                   // jne end
    0x8b, 0x04, 0x24,             // mov (%esp), %eax
    0x8b, 0x5c, 0x24, 0x04,       // mov 4(%esp), %ebx
    0x8b, 0x4c, 0x24, 0x08,       // mov 8(%esp), %ecx
    0x8b, 0x54, 0x24, 0x0c,       // mov 12(%esp), %edx
    0x8b, 0x74, 0x24, 0x10,       // mov 16(%esp), %esi
    0x8b, 0x7c, 0x24, 0x14,       // mov 20(%esp), %edi
    0xcd, 0x80,                   // int $0x80
    0x85, 0xc0,                   // test %eax, %eax
    0x75, 0x07,                   // jnz answer
    0x83, 0x7c, 0x24, 0x18, 0x00, // cmpl $0, 24(%esp)
    0x75, 0x18,                   // jne end
    // answer:
    0x89, 0x04, 0x24,             // mov %eax, (%esp)
    0xbb, 0x01, 0x00, 0x00, 0x00, // mov $1, %ebx
    0x89, 0xe1,                   // mov %esp, %ecx
    0xba, 0x04, 0x00, 0x00, 0x00, // mov $4, %edx
    0xb8, 0x04, 0x00, 0x00, 0x00, // mov $4, %eax: write
    0xcd, 0x80,                   // int $0x80
    0xeb, 0xaf,                   // jmp again
    // end:
    0x31, 0xdb,                   // xor %ebx, %ebx
    0xb8, 0x01, 0x00, 0x00, 0x00, // mov $1, %eax: exit
    0xcd, 0x80,                   // int $0x80
];
