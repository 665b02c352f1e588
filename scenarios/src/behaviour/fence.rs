//! What the kernel refuses a tracer, tried by a process that has the same filter.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result, ensure};
use forktrace::confine::{Files, Left, install_filter};
use forktrace::provoke::seccomp::no_new_privileges;

use super::Behaviour;
use crate::actor::Actor;
use crate::arch::{OLD_CALLS, X32, compat, page};
use crate::attempt::{Kind, attempt};
use crate::runner::Tests;

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "fence_without_rotation",
        run: |tests| fence(tests, LEAST),
    },
    Behaviour {
        name: "fence_with_rotation",
        run: |tests| {
            let files = Files::New;
            fence(tests, Left { files, ..LEAST })
        },
    },
    Behaviour {
        name: "fence_with_a_listener",
        run: |tests| {
            let accepts = true;
            fence(tests, Left { accepts, ..LEAST })
        },
    },
];

/// What a tracer is left with that prints.
const LEAST: Left = Left {
    files: Files::None,
    signals: false,
    accepts: false,
};

/// A call, its name, and whether it is refused with EPERM.
type Call<'a> = (&'a str, Box<dyn Fn() -> i64 + 'a>, bool);

/// The errno of a call, 0 without one.
fn errno(answer: i64) -> u64 {
    match answer {
        -1 => io::Error::last_os_error().raw_os_error().unwrap_or(0) as u64,
        _ => 0,
    }
}

macro_rules! call {
    ($number:ident $(, $argument:expr)*) => {
        // SAFETY: numbers and strings that outlive the call, or null where it is refused.
        Box::new(move || unsafe { libc::syscall(libc::$number $(, $argument)*) })
    };
}

fn fence(tests: &Tests, left: Left) -> Result<()> {
    let path = |name: &str| -> Result<CString> {
        Ok(CString::new(
            tests.scratch.path(name).as_os_str().as_bytes(),
        )?)
    };
    let there = tests.scratch.path("fenced-there");
    std::fs::write(&there, "there\n")?;
    let there = CString::new(there.as_os_str().as_bytes())?;
    let (new, other, moved) = (path("fenced-new")?, path("fenced-2")?, path("fenced-3")?);
    let (there, new, other, moved) = (there.as_ptr(), new.as_ptr(), other.as_ptr(), moved.as_ptr());
    let parent = std::process::id();
    let at = libc::AT_FDCWD;
    let create = libc::O_WRONLY | libc::O_CREAT;
    let exclusive = create | libc::O_EXCL;
    let without = left.files == Files::None;
    let mut calls: Vec<Call<'_>> = vec![
        ("clone", call!(SYS_clone, libc::SIGCHLD, 0, 0, 0, 0), true),
        ("clone3", call!(SYS_clone3, 0, 0), true),
        (
            "execve",
            call!(SYS_execve, c"/bin/true".as_ptr(), 0, 0),
            true,
        ),
        (
            "ptrace",
            call!(SYS_ptrace, libc::PTRACE_TRACEME, 0, 0, 0),
            true,
        ),
        (
            "process_vm_readv",
            call!(SYS_process_vm_readv, parent, 0, 0, 0, 0, 0),
            true,
        ),
        (
            "socket",
            call!(SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM, 0),
            true,
        ),
        ("connect", call!(SYS_connect, -1, 0, 0), true),
        ("bind", call!(SYS_bind, -1, 0, 0), true),
        ("listen", call!(SYS_listen, -1, 0), true),
        ("accept", call!(SYS_accept, -1, 0, 0), !left.accepts),
        ("accept4", call!(SYS_accept4, -1, 0, 0, 0), !left.accepts),
        ("unshare", call!(SYS_unshare, 0), true),
        ("io_uring_setup", call!(SYS_io_uring_setup, 0, 0), true),
        (
            "memfd_create",
            call!(SYS_memfd_create, c"x".as_ptr(), 0),
            true,
        ),
        ("kill", call!(SYS_kill, parent, 0), true),
        (
            "tgkill of another",
            call!(SYS_tgkill, parent, parent, 0),
            true,
        ),
        (
            "tgkill of itself",
            Box::new(|| {
                let own = std::process::id();
                // SAFETY: numbers.
                unsafe { libc::syscall(libc::SYS_tgkill, own, own, 0) }
            }),
            false,
        ),
        ("bpf to load", call!(SYS_bpf, 5, 0, 0), true),
        ("bpf to read a map", call!(SYS_bpf, 1, 0, 0), false),
        (
            "mmap to execute",
            call!(
                SYS_mmap,
                0,
                page(),
                libc::PROT_READ | libc::PROT_EXEC,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0
            ),
            true,
        ),
        (
            "TIOCSTI",
            call!(SYS_ioctl, 0, libc::TIOCSTI, c"x".as_ptr()),
            true,
        ),
        (
            "x32 getpid",
            Box::new(|| {
                // SAFETY: takes nothing.
                unsafe { libc::syscall(X32 | libc::SYS_getpid) }
            }),
            true,
        ),
        ("openat2", call!(SYS_openat2, at, there, 0, 0), true),
        ("chmod", call!(SYS_fchmodat, at, there, 0o777), true),
        (
            "open to read",
            call!(SYS_openat, at, there, libc::O_RDONLY),
            false,
        ),
        (
            "open to truncate",
            call!(SYS_openat, at, there, libc::O_TRUNC),
            true,
        ),
        (
            "open to write",
            call!(SYS_openat, at, there, libc::O_WRONLY),
            true,
        ),
        (
            "open to create or write",
            call!(SYS_openat, at, there, create, 0o600),
            true,
        ),
        (
            "open to create",
            call!(SYS_openat, at, new, exclusive, 0o600),
            without,
        ),
        (
            "rename",
            call!(SYS_renameat2, at, there, at, moved, 0),
            without,
        ),
    ];
    if let Some(old) = OLD_CALLS {
        calls.push((
            "open as of old",
            // SAFETY: a string that outlives the call, and numbers.
            Box::new(move || unsafe { libc::syscall(old.open, other, exclusive, 0o600) }),
            without,
        ));
        calls.push((
            "unlink as of old",
            // SAFETY: a string that outlives the call.
            Box::new(move || unsafe { libc::syscall(old.unlink, moved) }),
            without,
        ));
    }
    calls.push(("unlink", call!(SYS_unlinkat, at, moved, 0), without));
    // Where 64-bit code can make the calls of 32-bit code.
    let compat_fork = (!compat::CREATIONS.is_empty()).then_some(Kind::Fork32);
    let (_actor, report) = Actor::start("fenced", |link| {
        no_new_privileges()?;
        install_filter(left).context("installing the filter")?;
        let mut errnos: Vec<u64> = calls.iter().map(|(_, call, _)| errno(call())).collect();
        errnos.extend(compat_fork.map(|kind| attempt(kind).errno as u64));
        link.ready(errnos);
        Ok(())
    })?;
    let names = calls.iter().map(|(name, _, refused)| (*name, *refused));
    let names: Vec<_> = names
        .chain(compat_fork.map(|_| ("32-bit fork", true)))
        .collect();
    ensure!(report.numbers.len() == names.len(), "{report:?}");
    for ((name, refused), errno) in names.into_iter().zip(report.numbers) {
        let eperm = errno == libc::EPERM as u64;
        ensure!(
            eperm == refused,
            "{name}: errno {errno}, {} to be refused with EPERM",
            if refused { "was" } else { "was not" }
        );
    }
    Ok(())
}
