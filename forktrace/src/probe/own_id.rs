//! This process's thread group id as the kernel side numbers it.
//!
//! Inside a pid namespace no file says what the initial one calls a process. A BPF program's
//! helper does, so one is run once, in this task (BPF_PROG_TEST_RUN of a raw tracepoint's program,
//! net/bpf/test_run.c `bpf_prog_test_run_raw_tp`, since Linux 5.10), attached to nothing.

use std::io;

use super::bpf::{self, Instruction, instruction};

const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17; // include/uapi/linux/bpf.h

/// `return bpf_get_current_pid_tgid() >> 32`, of which test runs give the low 32 bits.
static PROGRAM: [Instruction; 3] = [
    // BPF_JMP | BPF_CALL, helper 14; BPF_ALU64 | BPF_RSH | BPF_K of r0; BPF_JMP | BPF_EXIT.
    instruction(0x85, 0, 0, 14),
    instruction(0x77, 0, 0, 32),
    instruction(0x95, 0, 0, 0),
];

/// The id, as the initial pid namespace has it. Takes CAP_BPF and CAP_PERFMON, as tracing does;
/// EINVAL or ENOTSUPP (524) before Linux 5.10.
pub fn thread_group() -> io::Result<u32> {
    bpf::run_once(BPF_PROG_TYPE_RAW_TRACEPOINT, 0, &PROGRAM)
}
