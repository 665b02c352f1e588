//! From rules to a seccomp filter, seccomp(2).
//!
//! By hand, because the numbers of x32, which name the same calls of x86-64 once more, are a range:
//! the libraries that make filters compare numbers one by one, and let those pass.

use std::io;

use libc::sock_filter;

use crate::arch::AUDIT;

/// A system call that is refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    call: u32,
    when: When,
}

/// With which arguments it is refused. Of an argument, the lower 32 bits are compared, which are all
/// that the calls in question look at.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    Always,
    /// `open(2)` for writing, and what truncates or creates.
    ForWriting {
        flags: u8,
    },
    /// A file for writing, unless the call creates one that must not be there yet.
    ForWritingWhatThereIs {
        flags: u8,
    },
    /// The argument is another.
    Not {
        argument: u8,
        value: u32,
    },
    /// The argument has one of these bits.
    Any {
        argument: u8,
        bits: u32,
    },
    /// The argument is one of these.
    OneOf {
        argument: u8,
        values: &'static [u32],
    },
}

impl Rule {
    /// `call`: a `SYS_` number of this machine.
    pub(super) fn new(call: libc::c_long, when: When) -> Self {
        let call = call as u32;
        Self { call, when }
    }
}

const WRITING: u32 = (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC) as u32;
const NEW: u32 = (libc::O_CREAT | libc::O_EXCL) as u32;

/// `__X32_SYSCALL_BIT`; a number that no other machine has.
const X32: u32 = 0x4000_0000;

/// `struct seccomp_data`, include/uapi/linux/seccomp.h; little endian.
const CALL: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

/// Installs the filter in the calling thread, for good.
///
/// Calls of other kinds (32-bit, x32) are refused altogether.
pub(super) fn install(rules: &[Rule]) -> io::Result<()> {
    let program = program(rules);
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the program outlives the call, which copies and only reads it.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const filter,
        )
    };
    match answer {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn program(rules: &[Rule]) -> Vec<sock_filter> {
    let mut all = vec![
        statement(LOAD, ARCH),
        jump(EQUAL, AUDIT, 1, 0),
        statement(RETURN, REFUSE),
        statement(LOAD, CALL),
        jump(AT_LEAST, X32, 0, 1),
        statement(RETURN, REFUSE),
    ];
    for rule in rules {
        let check = check(rule.when);
        // Each check is a few instructions, and ends with an answer.
        all.push(jump(EQUAL, rule.call, 0, check.len() as u8));
        all.extend(check);
    }
    all.push(statement(RETURN, libc::SECCOMP_RET_ALLOW));
    all
}

/// Refuses or allows.
fn check(when: When) -> Vec<sock_filter> {
    let allow = statement(RETURN, libc::SECCOMP_RET_ALLOW);
    let refuse = statement(RETURN, REFUSE);
    let load = |argument: u8| statement(LOAD, ARGUMENTS + 8 * u32::from(argument));
    match when {
        When::Always => vec![refuse],
        When::ForWriting { flags } => {
            vec![load(flags), jump(ANY_BIT, WRITING, 1, 0), allow, refuse]
        }
        When::ForWritingWhatThereIs { flags } => vec![
            load(flags),
            jump(ANY_BIT, WRITING, 1, 0),
            allow,
            statement(AND, NEW),
            jump(EQUAL, NEW, 0, 1),
            allow,
            refuse,
        ],
        When::Not { argument, value } => {
            vec![load(argument), jump(EQUAL, value, 0, 1), allow, refuse]
        }
        When::Any { argument, bits } => {
            vec![load(argument), jump(ANY_BIT, bits, 1, 0), allow, refuse]
        }
        When::OneOf { argument, values } => {
            let mut all = vec![load(argument)];
            for value in values {
                all.push(jump(EQUAL, *value, 0, 1));
                all.push(refuse);
            }
            all.push(allow);
            all
        }
    }
}

fn statement(code: u32, k: u32) -> sock_filter {
    jump(code, k, 0, 0)
}

/// Skips `yes` or `no` instructions.
fn jump(code: u32, k: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt: yes,
        jf: no,
        k,
    }
}
