//! Children: how they begin and end.

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    io::{Errno, retry_on_intr},
    process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus},
};

use super::answer::check;
use crate::provoke::trouble::Trouble;

/// Leaves without destructors: what the parent owns is not its children's.
pub fn exit(status: i32) -> ! {
    // SAFETY: does not return.
    unsafe { libc::_exit(status) }
}

/// fork(2) by libc, which keeps libc itself in order: `None` in the child, which may use all of it and
/// has to end with [`exit`]. For processes with one thread.
///
/// # Errors
/// It was refused.
pub fn fork(doing: &str) -> Result<Option<i32>, Trouble> {
    // SAFETY: one thread, so the child is a whole process.
    let pid = unsafe { libc::fork() };
    check(pid, doing)?;
    Ok((pid > 0).then_some(pid))
}

/// A child that does `body` and exits with its answer; its pid.
///
/// # Errors
/// It was refused.
pub fn child(doing: &str, body: impl FnOnce() -> i32) -> Result<i32, Trouble> {
    match fork(doing)? {
        None => exit(body()),
        Some(pid) => Ok(pid),
    }
}

/// This process's pid, asked of the kernel.
pub fn pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// The calling thread's id.
pub fn tid() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// The parent's pid; 0 where that is outside this process's pid namespace.
pub fn parent() -> i32 {
    Pid::as_raw(rustix::process::getppid())
}

/// Sends a signal to one process, of which nothing is known but its number.
pub fn kill(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // It may have ended.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Whether there is a process of this number, if only a zombie.
pub fn exists(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
}

/// Waits for a child, whatever signals come; its wait status.
pub fn reap(pid: i32) -> Option<i32> {
    let pid = Pid::from_raw(pid);
    let answer = retry_on_intr(|| rustix::process::waitpid(pid, WaitOptions::empty()));
    answer.ok().flatten().map(|(_, status)| status.as_raw())
}

/// SIGKILL, and the wait for the end.
pub fn end(pid: i32) {
    kill(pid, Signal::KILL);
    reap(pid);
}

/// Waits for a child's end for so long: its status, or `None` when it lives on.
pub fn reap_within(pid: i32, patience: Duration) -> Option<i32> {
    let end = Instant::now() + patience;
    let pid = Pid::from_raw(pid);
    loop {
        match rustix::process::waitpid(pid, WaitOptions::NOHANG) {
            Ok(Some((_, status))) => return Some(status.as_raw()),
            Ok(None) if Instant::now() >= end => return None,
            Ok(None) => thread::sleep(Duration::from_micros(100)),
            Err(Errno::INTR) => {}
            // Nobody to wait for.
            Err(_) => return Some(0),
        }
    }
}

/// The end of any child, or `None` when there is none.
pub fn reap_any() -> Option<(i32, WaitStatus)> {
    let answer = retry_on_intr(|| rustix::process::wait(WaitOptions::empty()));
    let (pid, status) = answer.ok().flatten()?;
    Some((pid.as_raw_nonzero().get(), status))
}

/// Waits until a child has ended, and leaves it a zombie.
pub fn await_zombie(pid: i32) {
    look(pid, WaitIdOptions::empty());
}

/// Whether a child has ended, without reaping it.
pub fn has_ended(pid: i32) -> bool {
    look(pid, WaitIdOptions::NOHANG)
}

fn look(pid: i32, more: WaitIdOptions) -> bool {
    let Some(pid) = Pid::from_raw(pid) else {
        return false;
    };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | more;
    let answer = retry_on_intr(|| rustix::process::waitid(WaitId::Pid(pid), options));
    answer.is_ok_and(|ended| ended.is_some())
}

/// Whether there is any child. A program that was executed in place of a shell
/// may have the shell's.
pub fn has_children() -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    rustix::process::waitid(WaitId::All, options).is_ok()
}

/// Waits for so long until no child is left; whether that came about.
pub fn reap_all(patience: Duration) -> bool {
    let end = Instant::now() + patience;
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Err(Errno::INTR) | Ok(Some(_)) => {}
            Err(_) => return true,
            Ok(None) if Instant::now() >= end => return false,
            Ok(None) => thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// From now on orphans among its descendants become this process's children.
pub fn adopt_orphans() {
    // Refused by no kernel since 3.4.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// Dies with its parent. The kernel forgets it when the user changes.
pub fn die_with_parent() {
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
}

/// Dies with its parent, and at once when that is dead already. For children
/// without a link, which would not notice.
pub fn die_with(parent: i32) {
    die_with_parent();
    let now = self::parent();
    // 0: the parent is outside this process's pid namespace.
    if now != parent && now != 0 {
        exit(0);
    }
}

/// Sets the name that records show: any bytes but NUL, up to 15.
pub fn set_comm(name: impl AsRef<[u8]>) {
    let mut comm = [0u8; 16];
    let name = name.as_ref();
    let length = name.len().min(15);
    comm[..length].copy_from_slice(&name[..length]);
    if let Ok(comm) = std::ffi::CStr::from_bytes_until_nul(&comm) {
        let _ = rustix::thread::set_name(comm);
    }
}

/// Exists.
pub fn sleep_for_ever() -> ! {
    loop {
        // SAFETY: takes nothing.
        unsafe { libc::pause() };
    }
}

/// Has the child of `command` do something first, between fork and exec: what a process with one
/// thread may.
pub fn before_exec(
    command: &mut Command,
    mut act: impl FnMut() -> Result<(), Trouble> + Send + Sync + 'static,
) {
    // SAFETY: this process has one thread, so the child is a whole process.
    unsafe { command.pre_exec(move || act().map_err(io::Error::other)) };
}

/// The child of `command` dies with this process.
pub fn dies_with_parent(command: &mut Command) {
    before_exec(command, || {
        die_with_parent();
        Ok(())
    });
}
