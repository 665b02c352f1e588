//! seccomp filters (include/uapi/linux/seccomp.h, filter.h).

use std::os::fd::{FromRawFd as _, OwnedFd};

use super::{arch::AUDIT_COMPAT, sys, trouble::Trouble};

/// What a filter does with a call.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// Answers this errno in its place.
    Errno(i32),
    /// SIGSYS.
    Trap,
    /// Kills the thread.
    Kill,
    /// Asks a tracer, of which there is none.
    Trace,
    /// Asks a supervisor, and sleeps until it answers ([`supervise`]).
    Supervisor,
}

impl Action {
    fn number(self) -> u32 {
        match self {
            Self::Kill => 0,
            Self::Trap => 0x0003_0000,
            Self::Errno(errno) => 0x0005_0000 | errno as u32,
            Self::Supervisor => 0x7fc0_0000,
            Self::Trace => 0x7ff0_0000,
        }
    }
}

const ALLOW: u32 = 0x7fff_0000;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

/// `struct seccomp_data`: where the call's number and architecture are.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

/// Gives the calling process a filter that does `action` with these calls and
/// allows all others. Numbers are those of 64-bit calls.
///
/// # Errors
/// It was refused.
pub fn install(calls: &[i64], action: Action) -> Result<(), Trouble> {
    install_for(false, calls, action)
}

/// The same for 32-bit calls, by their numbers.
///
/// # Errors
/// It was refused.
pub fn install_32(calls: &[i64], action: Action) -> Result<(), Trouble> {
    install_for(true, calls, action)
}

/// Gives the calling process a filter that asks a supervisor about these calls: the supervisor's
/// descriptor. While that is open and nobody answers, such a call sleeps.
///
/// # Errors
/// It was refused.
pub fn supervise(calls: &[i64]) -> Result<OwnedFd, Trouble> {
    let mut program = program(false, calls, Action::Supervisor);
    let program = head(&mut program);
    no_new_privileges()?;
    // SAFETY: the program outlives the call, which copies it; a new descriptor is nobody else's.
    unsafe {
        let answer = libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        );
        let descriptor = sys::check(answer, "seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER)")?;
        Ok(OwnedFd::from_raw_fd(descriptor as i32))
    }
}

fn head(program: &mut [libc::sock_filter]) -> libc::sock_fprog {
    libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    }
}

fn program(compat: bool, calls: &[i64], action: Action) -> Vec<libc::sock_filter> {
    let mut program = vec![
        instruction(LOAD, 0, 0, ARCHITECTURE),
        // Over the "allow" that is next, to the numbers.
        if compat {
            instruction(IF_EQUAL, 1, 0, AUDIT_COMPAT)
        } else {
            instruction(IF_EQUAL, 0, 1, AUDIT_COMPAT)
        },
        instruction(RETURN, 0, 0, ALLOW),
        instruction(LOAD, 0, 0, NUMBER),
    ];
    for call in calls {
        program.push(instruction(IF_EQUAL, 0, 1, *call as u32));
        program.push(instruction(RETURN, 0, 0, action.number()));
    }
    program.push(instruction(RETURN, 0, 0, ALLOW));
    program
}

fn install_for(compat: bool, calls: &[i64], action: Action) -> Result<(), Trouble> {
    let mut program = program(compat, calls, action);
    let program = head(&mut program);
    no_new_privileges()?;
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the program outlives the call, which copies it.
    let answer = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) };
    sys::check(answer, "prctl(PR_SET_SECCOMP)")?;
    Ok(())
}

/// What a filter takes of who has no privilege.
///
/// # Errors
/// It was refused.
pub fn no_new_privileges() -> Result<(), Trouble> {
    rustix::thread::set_no_new_privs(true).map_err(Trouble::at("prctl(PR_SET_NO_NEW_PRIVS)"))
}
