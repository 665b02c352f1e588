//! Asking the kernel whether it knows a symbol, without reading the millions of
//! bytes of /proc/kallsyms: the helper bpf_kallsyms_lookup_name, in a program
//! that is run once and attached to nothing.
//!
//! kernel/bpf/syscall.c `bpf_kallsyms_lookup_name` (5.16+); up to 6.1 it goes
//! through all symbols, since then it looks up (kernel/kallsyms.c
//! `kallsyms_lookup_name`). aya knows no programs of this type.

use std::io;

use super::bpf::{self, Instruction, instruction};

// include/uapi/linux/bpf.h
const BPF_PROG_TYPE_SYSCALL: u32 = 31;
const BPF_F_SLEEPABLE: u32 = 1 << 4;
const KALLSYMS_LOOKUP_NAME: i32 = 179;

/// Whether the running kernel has a symbol of this name.
///
/// # Errors
/// The kernel can't be asked: no such helper, no CAP_BPF and CAP_PERFMON, or
/// kernel.kptr_restrict hides addresses.
pub(super) fn has_symbol(name: &str) -> io::Result<bool> {
    let program = instructions(name);
    match bpf::run_once(BPF_PROG_TYPE_SYSCALL, BPF_F_SLEEPABLE, &program)? as i32 {
        0 => Ok(true),
        error if error == -libc::ENOENT => Ok(false),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}

/// The program: writes the name on its stack, looks it up, answers what the
/// helper answers. The address goes to the stack's first word and is dropped.
fn instructions(name: &str) -> Vec<Instruction> {
    const FP: u8 = 10;
    const STORE_WORD: u8 = 0x62; // BPF_ST | BPF_MEM | BPF_W
    const MOVE: u8 = 0xbf; // BPF_ALU64 | BPF_MOV | BPF_X
    const SET: u8 = 0xb7; // BPF_ALU64 | BPF_MOV | BPF_K
    const ADD: u8 = 0x07; // BPF_ALU64 | BPF_ADD | BPF_K
    const CALL: u8 = 0x85;
    const EXIT: u8 = 0x95;
    const ADDRESS: i16 = -8;
    let size = name.len() + 1;
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(size.next_multiple_of(8), 0);
    let start = ADDRESS - bytes.len() as i16;
    let mut program: Vec<Instruction> = bytes
        .chunks_exact(4)
        .zip((start..).step_by(4))
        .map(|(word, at)| {
            let word = i32::from_ne_bytes([word[0], word[1], word[2], word[3]]);
            instruction(STORE_WORD, FP, at, word)
        })
        .collect();
    program.extend([
        instruction(MOVE, 1 | FP << 4, 0, 0),
        instruction(ADD, 1, 0, start.into()),
        instruction(SET, 2, 0, size as i32),
        instruction(SET, 3, 0, 0),
        instruction(MOVE, 4 | FP << 4, 0, 0),
        instruction(ADD, 4, 0, ADDRESS.into()),
        instruction(CALL, 0, 0, KALLSYMS_LOOKUP_NAME),
        instruction(EXIT, 0, 0, 0),
    ]);
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_holds_the_name() {
        let program = instructions("max_threads");
        // Three words of four bytes, filled up to eight; then eight more.
        assert_eq!(program.len(), 4 + 8);
        let words: Vec<u8> = program
            .iter()
            .take(4)
            .flat_map(|insn| insn.immediate.to_ne_bytes())
            .collect();
        assert_eq!(words, b"max_threads\0\0\0\0\0");
        let offsets: Vec<i16> = program.iter().take(4).map(|i| i.offset).collect();
        assert_eq!(offsets, [-24, -20, -16, -12]);
    }

    /// Where the kernel can be asked, it knows what it has and nothing else.
    #[test]
    fn the_running_kernel() {
        match has_symbol("copy_process") {
            Ok(has) => {
                assert!(has);
                assert!(!has_symbol("forktrace_is_no_symbol").unwrap());
            }
            Err(error) => println!("can't be asked: {error}"),
        }
    }
}
