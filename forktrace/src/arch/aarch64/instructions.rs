//! What is looked for in arm64 machine code: a few forms of instructions that compilers have for one
//! thing. An instruction is a word. One that somebody else probes is another as a whole (`brk`), and
//! isn't found.

use crate::arch::GivenBack;

/// Bytes of `bl`.
pub const CALL: u64 = WORD as u64;

const WORD: usize = 4;

/// The instructions, in order.
fn words(code: &[u8]) -> impl DoubleEndedIterator<Item = u32> + ExactSizeIterator {
    let (words, _) = code.as_chunks::<WORD>();
    words.iter().map(|word| u32::from_le_bytes(*word))
}

/// The instructions before this offset, the nearest first.
fn before(code: &[u8], offset: u64) -> impl Iterator<Item = u32> {
    let start = code.get(..offset as usize).unwrap_or_default();
    words(start).rev()
}

/// Offsets of the calls of a function. `code` lies at the address `at`.
pub fn calls(code: &[u8], at: u64, target: u64) -> Vec<u64> {
    let leads = |n: usize, word: u32| {
        let relative = self::target(n, word) * WORD as i64;
        is_call(word) && at.wrapping_add_signed(relative) == target
    };
    words(code)
        .enumerate()
        .filter(|&(n, word)| leads(n, word))
        .map(|(n, _)| (n * WORD) as u64)
        .collect()
}

/// Whether the first argument of the call at this offset is this number: `mov w0, #n`, with two
/// instructions in between at most.
pub fn passes_number(code: &[u8], offset: u64, number: u32) -> bool {
    const NEAR: usize = 3;
    const MOV_W0: u32 = 0x5280_0000;
    let wanted = u16::try_from(number).map(|number| MOV_W0 | u32::from(number) << 5);
    wanted.is_ok_and(|wanted| before(code, offset).take(NEAR).any(|word| word == wanted))
}

/// Whether a register is negated shortly before this offset (`neg`, which is `sub` from zero): the
/// second argument of the call there is what is taken back.
pub fn negates_before(code: &[u8], offset: u64) -> bool {
    const NEAR: usize = 6;
    before(code, offset)
        .take(NEAR)
        .any(|word| word & 0xffe0_ffe0 == 0xcb00_03e0)
}

/// Where a counter that lies so many bytes within its cgroup is given back: by a function of its own
/// (`pids_cancel`), which is called for each cgroup below the refusing one in a loop, and right behind it
/// for that one. A probe on the second call hides which function it is, but not its argument.
pub fn given_back(code: &[u8], counter: u64) -> GivenBack {
    /// Instructions of the loop: the parent, the comparison, the jump back, the argument.
    const NEAR: usize = 8;
    /// A kprobe's breakpoint (arch/arm64/include/asm/brk-imm.h KPROBES_BRK_IMM).
    const PROBED: u32 = 0xd420_0080;
    // `mov x0, xN`.
    let passes_register = |word: u32| word & 0xffe0_ffff == 0xaa00_03e0;
    let words: Vec<u32> = words(code).collect();
    let with_argument: Vec<usize> = (1..words.len())
        .filter(|&n| passes_register(words[n - 1]) && (is_call(words[n]) || words[n] == PROBED))
        .collect();
    let called = |n: usize| target(n, words[n]);
    let pairs = with_argument.windows(2).filter_map(|pair| match *pair {
        [one, other] if other - one <= NEAR && is_call(words[one]) => {
            let same = words[other] == PROBED || called(one) == called(other);
            let loops = (one..other).any(|n| is_jump_to(n, words[n], one - 1));
            (same && loops).then_some(other)
        }
        _ => None,
    });
    let Ok(displacement) = i32::try_from(counter) else {
        return GivenBack::Nothing;
    };
    match pairs.collect::<Vec<_>>()[..] {
        [last] => GivenBack::Found {
            offset: (last * WORD) as u64,
            register: 0,
            displacement,
        },
        _ if words.contains(&PROBED) => GivenBack::Half,
        _ => GivenBack::Nothing,
    }
}

/// `bl`.
fn is_call(word: u32) -> bool {
    word >> 26 == 0b10_0101
}

/// Which word a call at this one leads to.
fn target(at: usize, word: u32) -> i64 {
    at as i64 + i64::from((word << 6) as i32 >> 6)
}

/// `b.cond` from one word to another.
fn is_jump_to(at: usize, word: u32, to: usize) -> bool {
    let relative = i64::from((word << 8) as i32 >> 13);
    word & 0xff00_0010 == 0x5400_0000 && at as i64 + relative == to as i64
}

#[cfg(test)]
mod tests {
    use super::{calls, given_back, negates_before, passes_number};
    use crate::arch::GivenBack;

    fn code(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn calls_by_their_target() {
        // As 6.12 has it at 0xffff8000800a3eec: mov w0, #24; bl capable; and the same further on,
        // after a nop; a jump there is no call.
        let at = 0xffff_8000_800a_3eec;
        let capable = 0xffff_8000_800b_7a10;
        let found = code(&[
            0x5280_0300,
            0x9400_4ec8,
            0xd503_201f,
            0x9400_4ec6,
            0x1400_4ec5,
        ]);
        assert_eq!(calls(&found, at, capable), [4, 12]);
        // Backwards, as pids_can_fork calls pids_cancel.
        let found = code(&[0x97ff_ffa4]);
        assert_eq!(
            calls(&found, 0xffff_8000_801c_f148, 0xffff_8000_801c_efd8),
            [0]
        );
        // Somebody else probes it; and half an instruction.
        assert!(calls(&code(&[0xd420_0080]), at, at).is_empty());
        assert!(calls(&found[..3], at, at).is_empty() && calls(&[], at, at).is_empty());
    }

    #[test]
    fn numbers_that_are_passed() {
        let found = code(&[0x5280_0300, 0xaa13_03e1, 0x9400_4ec8]);
        assert!(passes_number(&found, 8, 24));
        assert!(!passes_number(&found, 8, 21) && !passes_number(&found, 0, 24));
        assert!(!passes_number(&found, 8, 1 << 20) && !passes_number(&found, 99, 24));
    }

    /// As 6.12 has it: ldr w2, [x23, #172]; mov x0, x19; neg x1, x21; bl.
    #[test]
    fn what_is_taken_back() {
        let found = code(&[0xb940_aee2, 0xaa13_03e0, 0xcb15_03e1, 0x9412_7aa2]);
        assert!(negates_before(&found, 12));
        assert!(!negates_before(&found, 8) && !negates_before(&found, 99));
    }

    /// As 6.12 has it: mov x0, x20; bl; ldr x20, [x20, #192]; cmp x19, x20; b.ne; mov x0, x19; bl; and
    /// the events further on, of fields.
    #[test]
    fn what_is_given_back() {
        let mut words = [
            0xaa14_03e0,
            0x97ff_ffa4,
            0xf940_6294,
            0xeb14_027f,
            0x54ff_ff81,
            0xaa13_03e0,
            0x97ff_ff9f,
            0x1400_002e,
            0x9103_a2a0,
            0x97ff_d07c,
            0x9104_82a0,
            0x97ff_d07a,
        ];
        let found = GivenBack::Found {
            offset: 24,
            register: 0,
            displacement: 0xd0,
        };
        assert_eq!(given_back(&code(&words), 0xd0), found);
        // Another tracer's probe is there.
        words[6] = 0xd420_0080;
        assert_eq!(given_back(&code(&words), 0xd0), found);
        words[1] = 0xd420_0080;
        assert_eq!(given_back(&code(&words), 0xd0), GivenBack::Half);
        // Another function, no loop, and nothing.
        words[1] = 0x97ff_ffa4;
        words[6] = 0x97ff_ff9e;
        assert_eq!(given_back(&code(&words), 0xd0), GivenBack::Nothing);
        words[6] = 0x97ff_ff9f;
        words[4] = 0xd503_201f;
        assert_eq!(given_back(&code(&words), 0xd0), GivenBack::Nothing);
        assert_eq!(given_back(&[], 0xd0), GivenBack::Nothing);
    }
}
