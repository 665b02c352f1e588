//! A filter that answers EAGAIN to clone(2).

use super::{Provocation, Provoked, number, refused};
use crate::{
    model::{Cause, Errno},
    selftest::{actor::Actor, expect::Expected, sys, trouble::Trouble, world::World},
};

pub const ALL: &[Provocation] = &[Provocation::own(Cause::Seccomp, run)];

fn run(world: &World) -> Result<Provoked, Trouble> {
    let (actor, _) = Actor::start(&world.comm, |link| {
        link.tell(&[]);
        install_filter().map_err(Trouble::into_skip)?;
        link.tell(&[sys::attempt(0) as u64]);
        Ok(())
    })?;
    refused(number(&actor.go()?, 0)?, Errno::EAGAIN)?;
    Ok(Provoked::new(Expected::new(Cause::Seccomp, Errno::EAGAIN, 1)).keep(actor))
}

fn install_filter() -> Result<(), Trouble> {
    // include/uapi/linux/{filter,seccomp}.h; the system call's number is the
    // first word of `struct seccomp_data`.
    let op = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let mut program = [
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        op(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            libc::SYS_clone as u32,
        ),
        op(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::EAGAIN as u32,
        ),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: numbers, and a filter that outlives the call.
    unsafe {
        sys::check(
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
            "prctl(PR_SET_NO_NEW_PRIVS)",
        )?;
        sys::check(
            libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const filter,
            ),
            "prctl(PR_SET_SECCOMP)",
        )?;
    }
    Ok(())
}
