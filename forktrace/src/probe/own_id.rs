//! This process's thread group id as the kernel side numbers it.
//!
//! Inside a pid namespace no file tells what the initial one calls a process. A BPF program's
//! helper does, so one is run once, in this task (BPF_PROG_TEST_RUN of a raw tracepoint's program,
//! net/bpf/test_run.c `bpf_prog_test_run_raw_tp`, since Linux 5.10), attached to nothing.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_PROG_TEST_RUN: libc::c_long = 10;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;

/// `struct bpf_insn`: code, registers (source above destination), offset, immediate.
#[repr(C)]
struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

const fn instruction(code: u8, immediate: i32) -> Instruction {
    Instruction {
        code,
        registers: 0,
        offset: 0,
        immediate,
    }
}

/// `return bpf_get_current_pid_tgid() >> 32`, of which test runs give the low 32 bits.
static PROGRAM: [Instruction; 3] = [
    // BPF_JMP | BPF_CALL, helper 14; BPF_ALU64 | BPF_RSH | BPF_K of r0; BPF_JMP | BPF_EXIT.
    instruction(0x85, 14),
    instruction(0x77, 32),
    instruction(0x95, 0),
];

/// The first fields of `union bpf_attr` for BPF_PROG_LOAD (include/uapi/linux/bpf.h).
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    length: u32,
    instructions: u64,
    license: u64,
}

/// Those for BPF_PROG_TEST_RUN.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_size_in: u32,
    context_size_out: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
}

/// The id, as the initial pid namespace has it. Takes CAP_BPF and CAP_PERFMON, as tracing does;
/// EINVAL or ENOTSUPP (524) before Linux 5.10.
pub fn thread_group() -> io::Result<u32> {
    let mut load = Load {
        kind: BPF_PROG_TYPE_RAW_TRACEPOINT,
        length: PROGRAM.len() as u32,
        instructions: PROGRAM.as_ptr() as u64,
        license: c"Dual MIT/GPL".as_ptr() as u64,
    };
    let program = bpf(BPF_PROG_LOAD, &mut load)?;
    // SAFETY: a new descriptor, nobody else's.
    let program = unsafe { OwnedFd::from_raw_fd(program as i32) };
    let mut run = TestRun {
        program: program.as_raw_fd() as u32,
        ..TestRun::default()
    };
    bpf(BPF_PROG_TEST_RUN, &mut run)?;
    Ok(run.retval)
}

fn bpf<T>(command: libc::c_long, attributes: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: the union's first bytes, of which the kernel takes the rest as zeroes; what they
    // point to is static.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attributes),
            size_of::<T>(),
        )
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(answer)
}
