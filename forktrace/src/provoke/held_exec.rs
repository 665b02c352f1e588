//! An execve(2) that stays in the kernel for as long as is wanted.
//!
//! The program is a script whose interpreter lies under a write lease
//! (fcntl(2) `F_SETLEASE`): the kernel opens the interpreter after it has marked
//! the process's file-system state as within an execve (`fs->in_exec`,
//! fs/exec.c `check_unsafe_exec`), and whoever opens such a file waits for the
//! lease (fs/locks.c `__break_lease`). The interpreter is no program, so the
//! execve fails in the end and nothing runs. Both files are memory only.

use std::{
    ffi::{CStr, CString},
    fs::File,
    io::{self, Write as _},
    os::fd::{AsRawFd, OwnedFd},
    ptr, thread,
    time::{Duration, Instant},
};

use rustix::{fs::MemfdFlags, io::FdFlags};

/// How long the kernel may take to get there. Generous: emulated machines.
const PATIENCE: Duration = Duration::from_secs(10);

/// A script that can be executed, and whose execve(2) then waits.
#[derive(Debug)]
pub struct HeldExec {
    interpreter: OwnedFd,
    /// Where [`HeldExec::path`] leads.
    _script: OwnedFd,
    path: CString,
}

impl HeldExec {
    /// # Errors
    /// The host takes no memfd, forbids to execute it (`vm.memfd_noexec`), or
    /// gives no leases (`fs.leases-enable`).
    pub fn new() -> io::Result<Self> {
        let interpreter = memory_file("forktrace-interpreter", b"no program\n")?;
        let script = format!("#!{}\n", path_of(&interpreter));
        let script = memory_file("forktrace-script", script.as_bytes())?;
        let path = CString::new(path_of(&script)).map_err(io::Error::other)?;
        Ok(Self {
            interpreter,
            _script: script,
            path,
        })
    }

    /// Does something while a thread of this process is within execve(2).
    ///
    /// # Errors
    /// As of [`HeldExec::new`], or the execve came to an end too early.
    pub fn during<T>(&self, act: impl FnOnce() -> T) -> io::Result<T> {
        self.fcntl(libc::F_SETLEASE, libc::F_WRLCK)?;
        // Nobody is to hear that the lease is in the way: SIGIO kills, and one
        // that is ignored interrupts the execve all the same where it comes
        // while pthread_create(3) has all signals blocked.
        self.fcntl(libc::F_SETOWN, 0)?;
        thread::scope(|scope| {
            let executing = scope.spawn(|| execve(&self.path));
            let end = Instant::now() + PATIENCE;
            // What the lease is to become, once somebody waits for it.
            while self.fcntl(libc::F_GETLEASE, 0)? == libc::F_WRLCK {
                if executing.is_finished() {
                    let error = executing
                        .join()
                        .unwrap_or_else(|_| io::Error::other("panic"));
                    return Err(error);
                }
                if Instant::now() > end {
                    let _ = self.fcntl(libc::F_SETLEASE, libc::F_UNLCK);
                    return Err(io::ErrorKind::TimedOut.into());
                }
                thread::sleep(Duration::from_millis(1));
            }
            let done = act();
            self.fcntl(libc::F_SETLEASE, libc::F_UNLCK)?;
            Ok(done)
        })
    }

    fn fcntl(&self, command: i32, argument: i32) -> io::Result<i32> {
        // SAFETY: the commands used here take a number only.
        match unsafe { libc::fcntl(self.interpreter.as_raw_fd(), command, argument) } {
            -1 => Err(io::Error::last_os_error()),
            answer => Ok(answer),
        }
    }
}

/// Never succeeds: the interpreter is no program.
fn execve(path: &CStr) -> io::Error {
    let arguments = [path.as_ptr(), ptr::null()];
    // SAFETY: a string and ended lists.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), arguments[1..].as_ptr()) };
    io::Error::last_os_error()
}

fn path_of(file: &impl AsRawFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// A file in memory, open for reading only: what is open for writing is neither
/// leased nor executed. Without O_CLOEXEC, which would hide it from the kernel
/// while it executes it.
fn memory_file(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(rustix::fs::memfd_create(name, MemfdFlags::empty())?);
    file.write_all(bytes)?;
    let reading = File::open(path_of(&file))?;
    rustix::io::fcntl_setfd(&reading, FdFlags::empty())?;
    Ok(reading.into())
}
