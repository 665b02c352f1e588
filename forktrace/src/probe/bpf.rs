//! bpf(2), for what aya has no function for: commands, and programs that are run once and attached
//! to nothing.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
};

// include/uapi/linux/bpf.h
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_PROG_TEST_RUN: libc::c_long = 10;

/// `struct bpf_insn`: code, registers (source above destination), offset, immediate.
#[repr(C)]
pub(super) struct Instruction {
    pub code: u8,
    pub registers: u8,
    pub offset: i16,
    pub immediate: i32,
}

/// One instruction.
pub(super) const fn instruction(
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
) -> Instruction {
    Instruction {
        code,
        registers,
        offset,
        immediate,
    }
}

/// The first fields of `union bpf_attr` for BPF_PROG_LOAD.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    length: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
}

/// Attributes of BPF_PROG_TEST_RUN.
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

/// Loads a program of this type (`enum bpf_prog_type`, and `prog_flags`), runs it once, in this task,
/// and drops it: what it answers.
///
/// # Errors
/// The kernel's: no such type or helper, not enough privilege.
pub(super) fn run_once(kind: u32, flags: u32, program: &[Instruction]) -> io::Result<u32> {
    let mut load = Load {
        kind,
        length: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: c"Dual MIT/GPL".as_ptr() as u64,
        flags,
        ..Load::default()
    };
    // SAFETY: the command's fields, whose pointers live as long as the call.
    let program = unsafe { bpf_fd(BPF_PROG_LOAD, &mut load) }?;
    run(program.as_raw_fd())
}

/// Runs a program that is loaded once, in this task: what it answers.
///
/// # Errors
/// The kernel's: this type of program can't be run so (raw tracepoints: before 5.10).
pub(super) fn run(program: RawFd) -> io::Result<u32> {
    let mut run = TestRun {
        program: program as u32,
        ..TestRun::default()
    };
    // SAFETY: the command's fields, without pointers.
    unsafe { bpf(BPF_PROG_TEST_RUN, &mut run) }?;
    Ok(run.retval)
}

/// Carries out a command.
///
/// # Errors
/// The kernel's.
///
/// # Safety
/// `attributes` are the first fields of `union bpf_attr` for this command (the kernel takes the rest
/// as zeroes), and what they point to lives.
pub(super) unsafe fn bpf<T>(command: libc::c_long, attributes: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: the caller's.
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

/// Makes a bpf(2) call whose command answers a descriptor.
///
/// # Errors
/// As of [`bpf`].
///
/// # Safety
/// As of [`bpf`], and the command makes a descriptor.
pub(super) unsafe fn bpf_fd<T>(command: libc::c_long, attributes: &mut T) -> io::Result<OwnedFd> {
    // SAFETY: the caller's, and a new descriptor is nobody else's.
    unsafe { bpf(command, attributes).map(|fd| OwnedFd::from_raw_fd(fd as i32)) }
}
