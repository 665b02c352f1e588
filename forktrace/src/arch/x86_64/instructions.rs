//! What is looked for in x86-64 machine code: no disassembler, but a few forms of
//! instructions that compilers have for one thing. Bytes in the midst of another
//! instruction can look alike; the kernel takes a probe at the beginning of an
//! instruction only (arch/x86/kernel/kprobes/core.c `can_probe`).

use crate::arch::GivenBack;

/// Bytes of `call rel32`.
pub const CALL: u64 = 5;

/// `int3`: what the first byte of an instruction is while somebody else probes it. A call isn't
/// replaced by more than that.
const PROBED: u8 = 0xcc;

/// Offsets of the calls of a function. `code` lies at the address `at`.
pub fn calls(code: &[u8], at: u64, target: u64) -> Vec<u64> {
    let mut found = Vec::new();
    for (offset, window) in code.windows(CALL as usize).enumerate() {
        let [0xe8 | PROBED, a, b, c, d] = *window else {
            continue;
        };
        let relative = i64::from(i32::from_le_bytes([a, b, c, d]));
        let next = at.wrapping_add(offset as u64 + CALL);
        if next.wrapping_add_signed(relative) == target {
            found.push(offset as u64);
        }
    }
    found
}

/// Whether the first argument of the call at this offset is this number: `mov $n, %edi`, with one
/// instruction in between at most (7.3 has one that saves a register).
pub fn passes_number(code: &[u8], offset: u64, number: u32) -> bool {
    const NEAR: usize = 12;
    let end = offset as usize;
    let Some(before) = code.get(end.saturating_sub(NEAR)..end) else {
        return false;
    };
    let number = number.to_le_bytes();
    before
        .windows(5)
        .any(|w| matches!(w, [0xbf | PROBED, rest @ ..] if *rest == number))
}

/// Whether a register is negated shortly before this offset (`neg r64`): the second
/// argument of the call there is what is taken back.
pub fn negates_before(code: &[u8], offset: u64) -> bool {
    /// Four instructions that load arguments.
    const NEAR: usize = 24;
    let end = offset as usize;
    let Some(before) = code.get(end.saturating_sub(NEAR)..end) else {
        return false;
    };
    // REX.W F7 /3, of a register.
    before
        .windows(3)
        .any(|w| matches!(*w, [0x48 | 0x49, 0xf7, modrm] if modrm & 0xf8 == 0xd8))
}

/// An instruction that takes one from a word in memory, for all CPUs.
#[derive(Clone, Copy, Debug)]
struct Decrement {
    /// Where it begins.
    offset: u64,
    /// The register that leads to the word: its offset in `struct pt_regs`.
    register: u32,
    /// Bytes from where the register points to the word.
    displacement: i32,
}

/// Where a counter that lies so many bytes within its cgroup is given back. The decrement in the loop
/// names the field, and behind it the address is at hand. Only this form is taken: of one instruction
/// alone it isn't known whether the other is hidden behind somebody's probe (kernel/kprobes.c puts a
/// jump there), and the wrong one names the wrong cgroup.
pub fn given_back(code: &[u8], counter: u64) -> GivenBack {
    let mut found = decrements(code);
    found.retain(|d| d.displacement == 0 || i64::from(d.displacement) == counter as i64);
    match found[..] {
        [] => GivenBack::Nothing,
        [in_loop, last] if in_loop.displacement != 0 && last.displacement == 0 => {
            GivenBack::Found {
                offset: last.offset,
                register: last.register,
                displacement: last.displacement,
            }
        }
        _ => GivenBack::Half,
    }
}

/// The locked decrements of words: `lock add $-1`, `lock sub $1`, `lock dec`.
fn decrements(code: &[u8]) -> Vec<Decrement> {
    let mut found = Vec::new();
    for offset in 0..code.len() {
        if let Some(rest) = code.get(offset..)
            && let Some((register, displacement)) = decrement(rest)
        {
            found.push(Decrement {
                offset: offset as u64,
                register,
                displacement,
            });
        }
    }
    found
}

fn decrement(code: &[u8]) -> Option<(u32, i32)> {
    // LOCK, or what a machine of one processor has in its place
    // (arch/x86/kernel/alternative.c `alternatives_smp_unlock`: DS); REX.W, with or
    // without B.
    let [0xf0 | 0x3e | PROBED, rex @ (0x48 | 0x49), opcode, modrm, ..] = *code else {
        return None;
    };
    let (mode, extension, base) = (modrm >> 6, (modrm >> 3) & 7, modrm & 7);
    // With an index, relative to the instruction, or no memory at all.
    if base == 4 || (mode == 0 && base == 5) || mode == 3 {
        return None;
    }
    let rest = code.get(4..)?;
    let (displacement, rest) = match mode {
        0 => (0, rest),
        1 => {
            let (&byte, rest) = rest.split_first()?;
            (i32::from(byte as i8), rest)
        }
        _ => {
            let (bytes, rest) = rest.split_first_chunk::<4>()?;
            (i32::from_le_bytes(*bytes), rest)
        }
    };
    let takes_one = match (opcode, extension) {
        (0x83, 0) => rest.first() == Some(&0xff),
        (0x83, 5) => rest.first() == Some(&1),
        (0xff, 1) => true,
        _ => false,
    };
    let number = usize::from(base) | usize::from(rex & 1) << 3;
    takes_one.then_some((*PT_REGS.get(number)? * 8, displacement))
}

/// Where struct pt_regs (arch/x86/include/asm/ptrace.h) has the registers, by their
/// numbers in instructions; in words.
const PT_REGS: [u32; 16] = [10, 11, 12, 5, 19, 4, 13, 14, 9, 8, 7, 6, 3, 2, 1, 0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_by_their_target() {
        // nop; call +0x10; call -5 (itself); the same bytes as a constant elsewhere.
        let code = [
            0x90, 0xe8, 0x10, 0, 0, 0, 0xe8, 0xfb, 0xff, 0xff, 0xff, 0x48, 0xb8, 0xe8, 1, 2, 3,
        ];
        let at = 0xffff_ffff_8100_0000;
        assert_eq!(calls(&code, at, at + 6 + 0x10), [1]);
        assert_eq!(calls(&code, at, at + 6), [6]);
        assert!(calls(&code, at, at + 7).is_empty());
        assert!(calls(&code[..4], at, at + 6 + 0x10).is_empty());
        // Somebody else probes it.
        let mut probed = code;
        probed[1] = 0xcc;
        assert_eq!(calls(&probed, at, at + 6 + 0x10), [1]);
    }

    #[test]
    fn numbers_that_are_passed() {
        // nop; mov $24, %edi; call
        let mut code = [0x90, 0xbf, 24, 0, 0, 0, 0xe8, 0, 0, 0, 0];
        assert!(passes_number(&code, 6, 24));
        assert!(!passes_number(&code, 6, 21));
        assert!(!passes_number(&code, 4, 24));
        // mov $24, %edi; mov %r10, 0x28(%rsp); call
        let saving = [0xbf, 24, 0, 0, 0, 0x4c, 0x89, 0x54, 0x24, 0x28, 0xe8];
        assert!(passes_number(&saving, 10, 24));
        code[1] = 0xcc;
        assert!(passes_number(&code, 6, 24));
        code[1] = 0xbe;
        assert!(!passes_number(&code, 6, 24));
    }

    /// As 6.1 has it: neg rbx; mov $counter, rdi; mov rbx, rsi; call.
    #[test]
    fn what_is_taken_back() {
        let code = [
            0x48, 0xf7, 0xdb, 0x48, 0xc7, 0xc7, 0xc0, 0xba, 0xb4, 0xba, 0x48, 0x89, 0xde, 0xe8,
        ];
        assert!(negates_before(&code, 13));
        assert!(!negates_before(&code, 2));
        assert!(!negates_before(&code[3..], 10));
        assert!(!negates_before(&code, 100));
    }

    #[test]
    fn decrements_of_words() {
        // lock addq $-1, 0xc8(%rdx)
        let in_loop = [0xf0, 0x48, 0x83, 0x82, 0xc8, 0, 0, 0, 0xff];
        // lock addq $-1, (%rsi)
        let last = [0xf0, 0x48, 0x83, 0x06, 0xff];
        // lock decq 8(%r12) has an index byte; lock decq 8(%r13) has none.
        let index = [0xf0, 0x49, 0xff, 0x4c, 0x24, 8];
        let r13 = [0xf0, 0x49, 0xff, 0x4d, 8];
        // lock incq, lock xadd, lock addq $-1 of the instruction pointer's.
        let others: [&[u8]; 3] = [
            &[0xf0, 0x48, 0xff, 0x83, 0x68, 1, 0, 0],
            &[0xf0, 0x48, 0x0f, 0xc1, 0x90, 0xc8, 0, 0, 0],
            &[0xf0, 0x48, 0x83, 0x05, 0, 0, 0, 0, 0xff],
        ];
        let one = |code: &[u8]| {
            decrements(code)
                .first()
                .map(|d| (d.register, d.displacement))
        };
        assert_eq!(one(&in_loop), Some((12 * 8, 0xc8)));
        assert_eq!(one(&last), Some((13 * 8, 0)));
        // Another session's probe is on it; and one processor.
        assert_eq!(one(&[0xcc, 0x48, 0x83, 0x06, 0xff]), Some((13 * 8, 0)));
        assert_eq!(one(&[0x3e, 0x48, 0x83, 0x06, 0xff]), Some((13 * 8, 0)));
        assert_eq!(one(&index), None);
        assert_eq!(one(&r13), Some((2 * 8, 8)));
        for code in others {
            assert_eq!(one(code), None);
        }
        for cut in 0..in_loop.len() {
            assert_eq!(one(&in_loop[..cut]), None);
        }
        let both = [&in_loop[..], &last[..]].concat();
        let offsets: Vec<u64> = decrements(&both).iter().map(|d| d.offset).collect();
        assert_eq!(offsets, [0, 9]);
    }
}
