//! Asking the kernel whether it knows a symbol, without reading the millions of
//! bytes of /proc/kallsyms: the helper bpf_kallsyms_lookup_name, in a program
//! that is run once and attached to nothing.
//!
//! kernel/bpf/syscall.c `bpf_kallsyms_lookup_name` (5.16+); up to 6.1 it goes
//! through all symbols, since then it looks up (kernel/kallsyms.c
//! `kallsyms_lookup_name`). aya knows no programs of this type.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use super::tracefs::syscall_fd;

// include/uapi/linux/bpf.h
const BPF_PROG_LOAD: usize = 5;
const BPF_PROG_TEST_RUN: libc::c_int = 10;
const BPF_PROG_TYPE_SYSCALL: u32 = 31;
const BPF_F_SLEEPABLE: u32 = 1 << 4;
const KALLSYMS_LOOKUP_NAME: i32 = 179;

/// `union bpf_attr` of BPF_PROG_LOAD, as far as `prog_flags`.
#[repr(C)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
}

/// The same of BPF_PROG_TEST_RUN, as far as `batch_size`.
#[repr(C)]
#[derive(Default)]
struct Run {
    prog_fd: u32,
    retval: u32,
    data_sizes: [u32; 2],
    data: [u64; 2],
    repeat: u32,
    duration: u32,
    ctx_sizes: [u32; 2],
    ctx: [u64; 2],
    flags: u32,
    cpu: u32,
    batch_size: u32,
    reserved: u32,
}

/// Whether the running kernel has a symbol of this name.
///
/// # Errors
/// It can't be asked: no such helper, no CAP_BPF and CAP_PERFMON, or
/// kernel.kptr_restrict hides addresses.
pub fn has_symbol(name: &str) -> io::Result<bool> {
    let program = load(&instructions(name))?;
    match run(&program)? {
        0 => Ok(true),
        error if error == -libc::ENOENT => Ok(false),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}

/// One instruction: include/uapi/linux/bpf.h `struct bpf_insn`.
const fn instruction(code: u8, registers: u8, offset: i16, immediate: i32) -> u64 {
    code as u64
        | (registers as u64) << 8
        | (offset as u16 as u64) << 16
        | (immediate as u32 as u64) << 32
}

/// The program: writes the name on its stack, looks it up, answers what the
/// helper answers. The address goes to the stack's first word and is dropped.
fn instructions(name: &str) -> Vec<u64> {
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
    let mut program: Vec<u64> = bytes
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

fn load(program: &[u64]) -> io::Result<OwnedFd> {
    let attr = Load {
        prog_type: BPF_PROG_TYPE_SYSCALL,
        insn_cnt: program.len() as u32,
        insns: program.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kern_version: 0,
        prog_flags: BPF_F_SLEEPABLE,
    };
    let attr = &raw const attr as usize;
    syscall_fd(
        libc::SYS_bpf,
        [BPF_PROG_LOAD, attr, size_of::<Load>(), 0, 0],
    )
}

/// What the program answers.
fn run(program: &OwnedFd) -> io::Result<i32> {
    let mut attr = Run {
        prog_fd: program.as_raw_fd() as u32,
        ..Run::default()
    };
    // SAFETY: a live struct of that size, without pointers.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_TEST_RUN,
            &raw mut attr,
            size_of::<Run>(),
        )
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(attr.retval as i32)
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
            .flat_map(|insn| ((insn >> 32) as u32).to_ne_bytes())
            .collect();
        assert_eq!(words, b"max_threads\0\0\0\0\0");
        let offsets: Vec<i16> = program.iter().take(4).map(|i| (i >> 16) as i16).collect();
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
