//! What the kernel refuses a tracer, tried by a process that has the same filter.

use std::ffi::{CStr, CString};
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

/// A call that is tried.
struct Try<'a> {
    name: &'static str,
    /// Makes it, and answers its errno, 0 without one.
    errno: Box<dyn Fn() -> u64 + 'a>,
    /// With EPERM.
    refused: bool,
}

fn refused<'a>(name: &'static str, errno: impl Fn() -> u64 + 'a) -> Try<'a> {
    refused_if(true, name, errno)
}

/// It may be made, and fail for another reason.
fn left_to_it<'a>(name: &'static str, errno: impl Fn() -> u64 + 'a) -> Try<'a> {
    refused_if(false, name, errno)
}

fn refused_if<'a>(refused: bool, name: &'static str, errno: impl Fn() -> u64 + 'a) -> Try<'a> {
    let errno = Box::new(errno);
    Try {
        name,
        errno,
        refused,
    }
}

/// The errno of what a call has answered, 0 without one.
fn errno(answer: i64) -> u64 {
    match answer {
        -1 => io::Error::last_os_error().raw_os_error().unwrap_or(0) as u64,
        _ => 0,
    }
}

macro_rules! call {
    ($number:ident $(, $argument:expr)*) => {
        // SAFETY: numbers and strings that outlive the call, or null where it is refused.
        move || errno(unsafe { libc::syscall(libc::$number $(, $argument)*) })
    };
}

/// Other processes, and what comes from outside.
fn of_others(left: Left) -> Vec<Try<'static>> {
    let parent = std::process::id();
    let listens = left.accepts;
    let stream = (libc::AF_UNIX, libc::SOCK_STREAM);
    vec![
        refused("clone", call!(SYS_clone, libc::SIGCHLD, 0, 0, 0, 0)),
        refused("clone3", call!(SYS_clone3, 0, 0)),
        refused("execve", call!(SYS_execve, c"/bin/true".as_ptr(), 0, 0)),
        refused("ptrace", call!(SYS_ptrace, libc::PTRACE_TRACEME, 0, 0, 0)),
        refused(
            "process_vm_readv",
            call!(SYS_process_vm_readv, parent, 0, 0, 0, 0, 0),
        ),
        refused("kill", call!(SYS_kill, parent, 0)),
        refused("tgkill of another", call!(SYS_tgkill, parent, parent, 0)),
        left_to_it("tgkill of itself", || {
            let own = std::process::id();
            // SAFETY: numbers.
            errno(unsafe { libc::syscall(libc::SYS_tgkill, own, own, 0) })
        }),
        refused("unshare", call!(SYS_unshare, 0)),
        refused("socket", call!(SYS_socket, stream.0, stream.1, 0)),
        refused("connect", call!(SYS_connect, -1, 0, 0)),
        refused("bind", call!(SYS_bind, -1, 0, 0)),
        refused("listen", call!(SYS_listen, -1, 0)),
        refused_if(!listens, "accept", call!(SYS_accept, -1, 0, 0)),
        refused_if(!listens, "accept4", call!(SYS_accept4, -1, 0, 0, 0)),
    ]
}

/// Code, and the kernel's other doors.
fn of_code() -> Vec<Try<'static>> {
    let executable = libc::PROT_READ | libc::PROT_EXEC;
    let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    vec![
        refused("io_uring_setup", call!(SYS_io_uring_setup, 0, 0)),
        refused("memfd_create", call!(SYS_memfd_create, c"x".as_ptr(), 0)),
        refused("bpf to load", call!(SYS_bpf, 5, 0, 0)),
        left_to_it("bpf to read a map", call!(SYS_bpf, 1, 0, 0)),
        refused(
            "mmap to execute",
            call!(SYS_mmap, 0, page(), executable, private, -1, 0),
        ),
        refused("TIOCSTI", call!(SYS_ioctl, 0, libc::TIOCSTI, c"x".as_ptr())),
        refused("x32 getpid", || {
            // SAFETY: takes nothing.
            errno(unsafe { libc::syscall(X32 | libc::SYS_getpid) })
        }),
    ]
}

/// Names of files that are tried.
struct Paths {
    there: CString,
    new: CString,
    new_as_of_old: CString,
    moved: CString,
}

impl Paths {
    fn of(tests: &Tests) -> Result<Self> {
        let path = |name: &str| CString::new(tests.scratch.path(name).as_os_str().as_bytes());
        std::fs::write(tests.scratch.path("fenced-there"), "there\n")?;
        Ok(Self {
            there: path("fenced-there")?,
            new: path("fenced-new")?,
            new_as_of_old: path("fenced-2")?,
            moved: path("fenced-3")?,
        })
    }
}

/// Files: in this order, because one call needs what another has left.
fn of_files(paths: &Paths, left: Left) -> Vec<Try<'_>> {
    let at = libc::AT_FDCWD;
    let [there, new, moved] = [&paths.there, &paths.new, &paths.moved].map(|path| path.as_ptr());
    let create = libc::O_WRONLY | libc::O_CREAT;
    let exclusive = create | libc::O_EXCL;
    let [read, write, truncate] = [libc::O_RDONLY, libc::O_WRONLY, libc::O_TRUNC];
    let without = left.files == Files::None;
    let mut tries = vec![
        refused("openat2", call!(SYS_openat2, at, there, 0, 0)),
        refused("chmod", call!(SYS_fchmodat, at, there, 0o777)),
        left_to_it("open to read", call!(SYS_openat, at, there, read)),
        refused("open to truncate", call!(SYS_openat, at, there, truncate)),
        refused("open to write", call!(SYS_openat, at, there, write)),
        refused(
            "open to create or write",
            call!(SYS_openat, at, there, create, 0o600),
        ),
        refused_if(
            without,
            "open to create",
            call!(SYS_openat, at, new, exclusive, 0o600),
        ),
        refused_if(
            without,
            "rename",
            call!(SYS_renameat2, at, there, at, moved, 0),
        ),
    ];
    tries.extend(as_of_old(&paths.new_as_of_old, &paths.moved, without));
    let unlink = call!(SYS_unlinkat, at, moved, 0);
    tries.push(refused_if(without, "unlink", unlink));
    tries
}

/// Calls of files that only older architectures have.
fn as_of_old<'a>(new: &'a CStr, moved: &'a CStr, without: bool) -> Vec<Try<'a>> {
    let Some(old) = OLD_CALLS else {
        return Vec::new();
    };
    let exclusive = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL;
    let (new, moved) = (new.as_ptr(), moved.as_ptr());
    // SAFETY: a string that outlives the call, and numbers.
    let open = move || errno(unsafe { libc::syscall(old.open, new, exclusive, 0o600) });
    // SAFETY: a string that outlives the call.
    let unlink = move || errno(unsafe { libc::syscall(old.unlink, moved) });
    vec![
        refused_if(without, "open as of old", open),
        refused_if(without, "unlink as of old", unlink),
    ]
}

fn fence(tests: &Tests, left: Left) -> Result<()> {
    let paths = Paths::of(tests)?;
    let mut tries = of_others(left);
    tries.extend(of_code());
    tries.extend(of_files(&paths, left));
    // Where 64-bit code can make the calls of 32-bit code.
    if !compat::CREATIONS.is_empty() {
        let fork = || attempt(Kind::Fork32).errno as u64;
        tries.push(refused("32-bit fork", fork));
    }
    let (_actor, report) = Actor::start("fenced", |link| {
        no_new_privileges()?;
        install_filter(left).context("installing the filter")?;
        link.ready(
            tries
                .iter()
                .map(|tried| (tried.errno)())
                .collect::<Vec<_>>(),
        );
        Ok(())
    })?;
    ensure!(report.numbers.len() == tries.len(), "{report:?}");
    for (tried, errno) in tries.iter().zip(report.numbers) {
        ensure!(
            (errno == libc::EPERM as u64) == tried.refused,
            "{}: errno {errno}, {} to be refused with EPERM",
            tried.name,
            if tried.refused { "was" } else { "was not" }
        );
    }
    Ok(())
}
