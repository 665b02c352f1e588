//! The kernel's interfaces that provocations need, as plain functions.

use std::{
    ffi::CString,
    fs, io,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
    ptr,
};

use forktrace_common::clone;

use super::trouble::Trouble;

/// Turns -1 into the errno.
pub fn check(answer: impl Into<i64>, doing: &str) -> Result<i64, Trouble> {
    let answer = answer.into();
    if answer < 0 {
        return Err(Trouble::at(doing)(io::Error::last_os_error()));
    }
    Ok(answer)
}

/// Leaves without destructors: what the selftest owns is not its children's.
pub fn exit(status: i32) -> ! {
    // SAFETY: does not return.
    unsafe { libc::_exit(status) }
}

/// fork(2) by the plainest system call. `None` in the child, which has to end
/// with [`exit`]. `flags` are those of clone(2) that share no memory.
pub fn fork(flags: i32) -> Result<Option<i32>, i32> {
    // SAFETY: without CLONE_VM the child is a copy; this process has one
    // thread, or the child makes system calls only.
    let answer = unsafe { libc::syscall(libc::SYS_clone, flags | libc::SIGCHLD, 0, 0, 0, 0) };
    match i32::try_from(answer) {
        Ok(0) => Ok(None),
        Ok(pid) if pid > 0 => Ok(Some(pid)),
        _ => Err(errno()),
    }
}

fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// One attempt at a process: the errno, 0 when it was granted. The child that
/// comes of it has ended and been waited for.
pub fn attempt(flags: i32) -> i32 {
    match fork(flags) {
        Ok(None) => exit(0),
        Ok(Some(pid)) => {
            reap(pid);
            0
        }
        Err(errno) => errno,
    }
}

/// A process that only exists, and ends with its parent.
pub fn sleeper() -> Result<i32, i32> {
    let parent = pid();
    match fork(0)? {
        None => {
            die_with(parent);
            close_from(3);
            sleep_for_ever()
        }
        Some(pid) => Ok(pid),
    }
}

/// Makes sleepers until it is refused, at most so many: how many, and the
/// errno (0 when none was refused).
pub fn fill(at_most: u64) -> (u64, i32) {
    for made in 0..at_most {
        if let Err(errno) = sleeper() {
            return (made, errno);
        }
    }
    (at_most, 0)
}

/// `struct clone_args`, include/uapi/linux/sched.h. Older kernels take it as
/// long as what they don't know is 0.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// clone3(2) of a process. `None` in the child, which has to end with [`exit`].
/// What the arguments point to has to be alive, and they share no memory.
fn clone3(mut args: CloneArgs) -> Result<Option<i32>, i32> {
    args.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: a struct that is as long as is said; the child is a copy that
    // makes system calls only.
    let answer =
        unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    match i32::try_from(answer) {
        Ok(0) => Ok(None),
        Ok(pid) if pid > 0 => Ok(Some(pid)),
        _ => Err(errno()),
    }
}

/// What a creation by clone3(2) came to: the errno, 0 when it was granted. The
/// child that comes of it has ended and been waited for.
fn attempted(args: CloneArgs) -> i32 {
    match clone3(args) {
        Ok(None) => exit(0),
        Ok(Some(pid)) => {
            reap(pid);
            0
        }
        Err(errno) => errno,
    }
}

/// One attempt at a process with these ids, innermost pid namespace first
/// (clone3(2) `set_tid`); like [`attempt`].
pub fn attempt_numbered(ids: &[i32]) -> i32 {
    attempted(CloneArgs {
        set_tid: ids.as_ptr() as u64,
        set_tid_size: ids.len() as u64,
        ..CloneArgs::default()
    })
}

/// One attempt at a process with a pidfd; like [`attempt`].
pub fn attempt_with_pidfd() -> i32 {
    let mut pidfd: RawFd = -1;
    let errno = attempted(CloneArgs {
        flags: clone::PIDFD,
        pidfd: &raw mut pidfd as u64,
        ..CloneArgs::default()
    });
    if errno == 0 {
        // SAFETY: the kernel has just made it, nobody else has it.
        unsafe { libc::close(pidfd) };
    }
    errno
}

/// One attempt at a process in the cgroup whose folder is open there; like
/// [`attempt`].
pub fn attempt_into_cgroup(folder: RawFd) -> i32 {
    attempted(CloneArgs {
        flags: clone::INTO_CGROUP,
        cgroup: folder as u64,
        ..CloneArgs::default()
    })
}

/// A process with a number of one's own choice (clone3(2) `set_tid`) that only
/// exists; the errno when it is refused.
pub fn sleeper_numbered(pid: i32) -> Result<i32, i32> {
    let parent = self::pid();
    let ids = [pid];
    let created = clone3(CloneArgs {
        set_tid: ids.as_ptr() as u64,
        set_tid_size: 1,
        ..CloneArgs::default()
    })?;
    match created {
        None => {
            die_with(parent);
            close_from(3);
            sleep_for_ever()
        }
        Some(pid) => Ok(pid),
    }
}

/// Uses up the descriptors that the limit leaves.
pub fn fill_descriptors() {
    // SAFETY: a copy of standard input's descriptor; a child uses none of them.
    while unsafe { libc::dup(0) } >= 0 {}
}

/// Exists.
pub fn sleep_for_ever() -> ! {
    loop {
        // SAFETY: takes nothing.
        unsafe { libc::pause() };
    }
}

/// Waits for a child, whatever signals come; its wait status.
pub fn reap(pid: i32) -> Option<i32> {
    let mut status = 0;
    loop {
        // SAFETY: a live int.
        let got = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        if got == pid {
            return Some(status);
        }
        if errno() != libc::EINTR {
            return None;
        }
    }
}

/// This process's pid, asked of the kernel.
pub fn pid() -> i32 {
    // SAFETY: takes nothing.
    unsafe { libc::syscall(libc::SYS_getpid) as i32 }
}

/// Dies with its parent, and at once when that is dead already. For children
/// without a link, which would not notice.
pub fn die_with(parent: i32) {
    die_with_parent();
    // SAFETY: takes nothing.
    let now = unsafe { libc::getppid() };
    // 0: the parent is outside this process's pid namespace.
    if now != parent && now != 0 {
        exit(0);
    }
}

/// Dies with its parent. The kernel forgets it when the user changes.
pub fn die_with_parent() {
    // SAFETY: takes a number only.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Sets the name that records show; up to 15 bytes.
pub fn set_comm(name: &str) {
    let mut comm = [0u8; 16];
    let n = name.len().min(15);
    comm[..n].copy_from_slice(&name.as_bytes()[..n]);
    // SAFETY: 16 bytes, ended by a NUL.
    unsafe { libc::prctl(libc::PR_SET_NAME, comm.as_ptr()) };
}

/// Becomes a user for good, with its group of the same number and no other.
pub fn become_uid(uid: u32) -> Result<(), Trouble> {
    // SAFETY: no memory is passed.
    unsafe {
        check(libc::setgroups(0, ptr::null()), "setgroups")?;
        check(libc::setresgid(uid, uid, uid), "setresgid")?;
        check(libc::setresuid(uid, uid, uid), "setresuid")?;
    }
    die_with_parent();
    Ok(())
}

/// Sets RLIMIT_NPROC of this process.
pub fn limit_nproc(soft: u64, hard: u64) -> Result<(), Trouble> {
    limit(libc::RLIMIT_NPROC, "RLIMIT_NPROC", soft, hard)
}

/// Sets a resource limit of this process.
pub fn limit(
    which: libc::__rlimit_resource_t,
    name: &str,
    soft: u64,
    hard: u64,
) -> Result<(), Trouble> {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: a live struct.
    let answer = unsafe { libc::setrlimit(which, &raw const limit) };
    check(answer, &format!("setrlimit({name})"))?;
    Ok(())
}

/// unshare(2); `name` says which flag it is.
pub fn unshare(flags: i32, name: &str) -> Result<(), Trouble> {
    // SAFETY: takes a number only.
    let answer = unsafe { libc::unshare(flags) };
    check(answer, &format!("unshare({name})"))?;
    Ok(())
}

/// A mount namespace of its own: what is mounted in it stays in it.
pub fn own_mounts() -> Result<(), Trouble> {
    unshare(libc::CLONE_NEWNS, "CLONE_NEWNS")?;
    mount("none", Path::new("/"), "", libc::MS_REC | libc::MS_PRIVATE)
}

/// mount(2) without data.
pub fn mount(source: &str, target: &Path, kind: &str, flags: u64) -> Result<(), Trouble> {
    let doing = format!("mount {kind} on {}", target.display());
    let text = |bytes: &[u8]| {
        CString::new(bytes).map_err(|e| Trouble::at(doing.clone())(io::Error::other(e)))
    };
    let (source, at, kind) = (
        text(source.as_bytes())?,
        text(target.as_os_str().as_bytes())?,
        text(kind.as_bytes())?,
    );
    // SAFETY: strings that outlive the call.
    let answer = unsafe {
        libc::mount(
            source.as_ptr(),
            at.as_ptr(),
            kind.as_ptr(),
            flags,
            ptr::null(),
        )
    };
    check(answer, &doing)?;
    Ok(())
}

/// Inode number of a namespace of this process (`pid`, `pid_for_children`, …).
pub fn namespace(name: &str) -> Result<u64, Trouble> {
    let path = format!("/proc/self/ns/{name}");
    let link = fs::read_link(&path).map_err(Trouble::at(format!("reading {path}")))?;
    let link = link.to_string_lossy().into_owned();
    link.split_once('[')
        .and_then(|(_, rest)| rest.strip_suffix(']')?.parse().ok())
        .ok_or_else(|| Trouble::Odd(format!("{path} is {link:?}")))
}

/// The kernel's version, major and minor.
pub fn kernel() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    let mut next = || parts.next().and_then(|p| p.parse().ok()).unwrap_or(0);
    (next(), next())
}

/// Two ends of a pipe that programs don't inherit: to read from, to write to.
pub fn pipe() -> Result<(OwnedFd, OwnedFd), Trouble> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    let answer = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    check(answer, "pipe2")?;
    // SAFETY: the kernel has just made them, nobody else has them.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Waits until there is something to read, at most so long; whether there is.
/// Signals end it early.
pub fn readable(fd: &OwnedFd, milliseconds: i32) -> bool {
    let mut poll = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one live pollfd.
    unsafe { libc::poll(&raw mut poll, 1, milliseconds) > 0 }
}

/// Closes every descriptor from `first` on. For children: what is theirs no
/// more must not be held open by them.
pub fn close_from(first: RawFd) {
    // SAFETY: the child goes on with none of them.
    unsafe {
        // close_range(2) is there since Linux 5.9.
        if libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) != 0 {
            for fd in first..1024 {
                libc::close(fd);
            }
        }
    }
}

/// A private writable mapping that is not touched.
pub fn map(bytes: u64) -> Result<*mut u8, Trouble> {
    map_with(bytes, 0)
}

/// The same of huge pages.
pub fn map_huge(bytes: u64) -> Result<*mut u8, Trouble> {
    map_with(bytes, libc::MAP_HUGETLB)
}

/// Pins memory as long as this process lives, as a buffer of io_uring(7).
pub fn pin(at: *mut u8, bytes: usize) -> Result<(), Trouble> {
    const IORING_REGISTER_BUFFERS: i32 = 0;
    // `struct io_uring_params` (include/uapi/linux/io_uring.h).
    let mut params = [0u32; 30];
    // SAFETY: the struct is as long as the kernel's and outlives the call.
    let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, params.as_mut_ptr()) };
    let ring = check(ring, "io_uring_setup")?;
    let buffer = libc::iovec {
        iov_base: at.cast(),
        iov_len: bytes,
    };
    // SAFETY: one buffer, of this process's own memory.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_io_uring_register,
            ring,
            IORING_REGISTER_BUFFERS,
            &raw const buffer,
            1,
        )
    };
    check(answer, "io_uring_register")?;
    Ok(())
}

fn map_with(bytes: u64, flags: i32) -> Result<*mut u8, Trouble> {
    let doing = format!("mmap of {bytes} bytes");
    let length = usize::try_from(bytes).map_err(|e| Trouble::Odd(format!("{doing}: {e}")))?;
    // SAFETY: a new mapping, nothing that exists is touched.
    let at = unsafe {
        libc::mmap(
            ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | flags,
            -1,
            0,
        )
    };
    if at == libc::MAP_FAILED {
        return Err(Trouble::at(doing)(io::Error::last_os_error()));
    }
    Ok(at.cast())
}

/// What pthread_create(3) does before it asks for a thread: mmap of the stack
/// with a guard below, then mprotect of the stack. The errno when either is
/// refused. What is granted stays.
pub fn thread_stack(bytes: u64) -> Result<(), i32> {
    const GUARD: u64 = 4096;
    // SAFETY: a new mapping, nothing that exists is touched; then a part of it.
    unsafe {
        let at = libc::mmap(
            ptr::null_mut(),
            (bytes + GUARD) as usize,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK,
            -1,
            0,
        );
        if at == libc::MAP_FAILED {
            return Err(errno());
        }
        let stack = at.byte_add(GUARD as usize);
        match libc::mprotect(stack, bytes as usize, libc::PROT_READ | libc::PROT_WRITE) {
            0 => Ok(()),
            _ => Err(errno()),
        }
    }
}

/// Twice as many mappings that can't be merged, a page each.
pub fn map_many(count: u64) -> Result<(), Trouble> {
    const PAGE: u64 = 4096;
    let at = map(2 * count * PAGE)?;
    for n in 0..count {
        // SAFETY: a page of the mapping above, which nobody uses.
        let answer = unsafe {
            let page = at.add((2 * n * PAGE) as usize);
            libc::mprotect(page.cast(), PAGE as usize, libc::PROT_READ)
        };
        check(answer, "mprotect of a page")?;
    }
    Ok(())
}

/// Everything that is mapped from now on is locked in memory.
pub fn lock_future() -> Result<(), Trouble> {
    // SAFETY: takes a number only.
    let answer = unsafe { libc::mlockall(libc::MCL_FUTURE) };
    check(answer, "mlockall(MCL_FUTURE)")?;
    Ok(())
}

/// A copy of standard input's descriptor with this number.
pub fn open_at(fd: RawFd) -> Result<(), Trouble> {
    // SAFETY: takes numbers only; the number is not in use.
    let answer = unsafe { libc::dup2(0, fd) };
    check(answer, &format!("dup2 to {fd}"))?;
    Ok(())
}

/// fork(2) that libc knows of, for one who goes on as the child: `None` there.
/// For processes with one thread.
pub fn fork_on(doing: &str) -> Result<Option<i32>, Trouble> {
    // SAFETY: one thread, so the child may use all of libc.
    let pid = unsafe { libc::fork() };
    check(pid, doing)?;
    Ok((pid > 0).then_some(pid))
}
