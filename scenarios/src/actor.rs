//! Child processes that do what a scenario needs, in step with it.
//!
//! An actor runs a closure. [`Link::ready`] tells the scenario what came of it
//! so far and waits for the word to go on ([`Actor::go`]). Every wait has a
//! limit, an actor that fails says why, and dropping one kills it.

use std::io;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::attempt::{Attempt, Kind, attempts, reap};
use crate::sys;

/// How long a scenario waits for an actor. Generous: emulated machines.
pub const PATIENCE: Duration = Duration::from_secs(60);

const LINK_IN: RawFd = 3;
const LINK_OUT: RawFd = 4;

/// What an actor tells at a step.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub attempts: Vec<Attempt>,
    pub numbers: Vec<u64>,
}

impl From<Vec<Attempt>> for Report {
    fn from(attempts: Vec<Attempt>) -> Self {
        Self {
            attempts,
            numbers: Vec::new(),
        }
    }
}

impl From<Vec<u64>> for Report {
    fn from(numbers: Vec<u64>) -> Self {
        Self {
            attempts: Vec::new(),
            numbers,
        }
    }
}

const KINDS: &[Kind] = &[
    #[cfg(target_arch = "x86_64")]
    Kind::Fork,
    #[cfg(target_arch = "x86_64")]
    Kind::Vfork,
    Kind::CloneProcess,
    Kind::CloneThread,
    Kind::Clone3,
    Kind::Clone3Thread,
    Kind::Execve,
    Kind::Execveat,
    #[cfg(target_arch = "x86_64")]
    Kind::Fork32,
    #[cfg(target_arch = "x86_64")]
    Kind::Vfork32,
    #[cfg(target_arch = "x86_64")]
    Kind::Execve32,
    Kind::StackMmap,
    Kind::StackMprotect,
];

/// The actor's end.
pub struct Link(());

impl Link {
    fn send(&self, tag: u8, payload: &[u8]) {
        let mut bytes = vec![tag];
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend(payload);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            // SAFETY: the slice is valid for its length.
            let n = unsafe { libc::write(LINK_OUT, rest.as_ptr().cast(), rest.len()) };
            if n > 0 {
                rest = &rest[n as usize..];
            } else if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                exit(3);
            }
        }
    }

    /// Tells what came of it and waits for the word to go on; without the
    /// scenario there is nothing left to do.
    pub fn ready(&self, report: impl Into<Report>) {
        let report = report.into();
        let mut payload = Vec::new();
        payload.extend((report.attempts.len() as u32).to_le_bytes());
        for a in &report.attempts {
            let kind = KINDS.iter().position(|k| *k == a.kind).unwrap_or(0);
            payload.push(kind as u8);
            payload.extend(a.tid.to_le_bytes());
            payload.extend(a.errno.to_le_bytes());
        }
        for n in &report.numbers {
            payload.extend(n.to_le_bytes());
        }
        self.send(b'R', &payload);
        let mut word = [0u8];
        loop {
            // SAFETY: one byte.
            let n = unsafe { libc::read(LINK_IN, word.as_mut_ptr().cast(), 1) };
            if n == 1 {
                return;
            }
            if n == 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                exit(0);
            }
        }
    }

    /// A step with nothing to tell.
    pub fn step(&self) {
        self.ready(Report::default());
    }
}

/// Leaves without a destructor: what the scenario owns is not the actor's.
pub fn exit(status: i32) -> ! {
    // SAFETY: does not return.
    unsafe { libc::_exit(status) }
}

/// A child process under a scenario's direction.
pub struct Actor {
    pid: i32,
    comm: Vec<u8>,
    to: RawFd,
    from: RawFd,
    gone: bool,
}

impl Actor {
    /// Starts one under the name `comm` and waits for its first step. `body`
    /// runs in the child; what it captures should be borrowed, for the child
    /// drops what it owns.
    pub fn start(
        comm: impl AsRef<[u8]>,
        body: impl FnOnce(&Link) -> Result<()>,
    ) -> Result<(Self, Report)> {
        let comm = comm.as_ref().to_vec();
        let (their_in, to) = pipe()?;
        let (from, their_out) = pipe()?;
        // SAFETY: the child goes on in `perform` only and never returns; this
        // process has one thread.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            perform(&comm, their_in, their_out, body);
        }
        let error = io::Error::last_os_error();
        close(their_in);
        close(their_out);
        if pid < 0 {
            close(to);
            close(from);
            return Err(error).context("fork of a scenario's own helper");
        }
        let mut actor = Self {
            pid,
            comm,
            to,
            from,
            gone: false,
        };
        let report = actor.hear()?;
        Ok((actor, report))
    }

    /// Its pid, as this process's pid namespace numbers it.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Its name, as a record shows it.
    pub fn comm(&self) -> String {
        String::from_utf8_lossy(&self.comm[..self.comm.len().min(15)]).into_owned()
    }

    /// The word to go on, and what comes of it.
    pub fn go(&mut self) -> Result<Report> {
        self.send()?;
        self.hear()
    }

    /// The word to go on; [`Actor::hear`] brings what comes of it.
    pub fn send(&mut self) -> Result<()> {
        // SAFETY: one byte.
        let n = unsafe { libc::write(self.to, c"g".as_ptr().cast(), 1) };
        sys::check(n as i64, &format!("{} is gone", self.comm()))?;
        Ok(())
    }

    /// Whether [`Actor::hear`] would not have to wait.
    pub fn has_answered(&self) -> bool {
        let mut poll = libc::pollfd {
            fd: self.from,
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one pollfd.
        unsafe { libc::poll(&raw mut poll, 1, 0) != 0 }
    }

    /// Waits for its next step.
    pub fn hear(&mut self) -> Result<Report> {
        let end = Instant::now() + PATIENCE;
        let mut head = [0u8; 5];
        self.read(&mut head, end)?;
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        let mut payload = vec![0; length as usize];
        self.read(&mut payload, end)?;
        if head[0] != b'R' {
            return Err(anyhow!("{}", String::from_utf8_lossy(&payload)));
        }
        let mut at = Cursor(&payload);
        let mut report = Report::default();
        let count = u32::from_le_bytes(at.take()?);
        for _ in 0..count {
            let [kind] = at.take::<1>()?;
            report.attempts.push(Attempt {
                kind: KINDS[kind as usize],
                tid: i32::from_le_bytes(at.take()?),
                errno: i32::from_le_bytes(at.take()?),
            });
        }
        while !at.0.is_empty() {
            report.numbers.push(u64::from_le_bytes(at.take()?));
        }
        Ok(report)
    }

    fn read(&mut self, mut into: &mut [u8], end: Instant) -> Result<()> {
        while !into.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            let mut poll = libc::pollfd {
                fd: self.from,
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: one pollfd.
            let n = unsafe { libc::poll(&raw mut poll, 1, left.as_millis() as i32) };
            if n == 0 {
                bail!("{} did not answer in time", self.comm());
            }
            // SAFETY: the slice is valid for its length.
            let n = unsafe { libc::read(self.from, into.as_mut_ptr().cast(), into.len()) };
            if n == 0 {
                self.gone = true;
                let status = reap(self.pid).unwrap_or(-1);
                bail!("{} ended early (wait status {status:#x})", self.comm());
            }
            if n > 0 {
                into = &mut into[n as usize..];
            }
        }
        Ok(())
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        close(self.to);
        close(self.from);
        if !self.gone {
            // SAFETY: the child has not been waited for, so the pid is its.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
            reap(self.pid);
        }
    }
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk().context("short report")?;
        self.0 = rest;
        Ok(*head)
    }
}

fn perform(
    comm: &[u8],
    link_in: RawFd,
    link_out: RawFd,
    body: impl FnOnce(&Link) -> Result<()>,
) -> ! {
    sys::die_with_parent();
    sys::set_comm(comm);
    own_files(link_in, link_out);
    // SAFETY: a signal's default action.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let link = Link(());
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(&link))) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => link.send(b'E', format!("{error:#}").as_bytes()),
        Err(_) => link.send(b'E', b"panicked"),
    }
    exit(0)
}

/// Keeps the standard files and the link, nothing that other actors' links
/// hang on.
fn own_files(link_in: RawFd, link_out: RawFd) {
    // SAFETY: moves descriptors about that only this child has from now on;
    // the copies above 100 are out of the way of both targets.
    unsafe {
        let a = libc::fcntl(link_in, libc::F_DUPFD, 100);
        let b = libc::fcntl(link_out, libc::F_DUPFD, 100);
        libc::dup2(a, LINK_IN);
        libc::dup2(b, LINK_OUT);
        libc::syscall(libc::SYS_close_range, LINK_OUT + 1, u32::MAX, 0);
    }
}

fn pipe() -> Result<(RawFd, RawFd)> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    let answer = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    sys::check(i64::from(answer), "pipe2")?;
    Ok((ends[0], ends[1]))
}

fn close(fd: RawFd) {
    // SAFETY: the descriptor is the caller's own.
    unsafe { libc::close(fd) };
}

/// An actor whose next step is a number of attempts.
pub struct Prober {
    pub actor: Actor,
    /// What `setup` answered.
    pub numbers: Vec<u64>,
}

impl Prober {
    /// Starts one; `setup` runs in it first.
    pub fn start(
        comm: &str,
        kind: Kind,
        count: u32,
        setup: impl FnOnce() -> Result<Vec<u64>>,
    ) -> Result<Self> {
        let (actor, report) = Actor::start(comm, |link| {
            let numbers = setup()?;
            link.ready(numbers);
            loop {
                link.ready(attempts(kind, count));
            }
        })?;
        Ok(Self {
            actor,
            numbers: report.numbers,
        })
    }

    /// Makes the attempts.
    pub fn fire(&mut self) -> Result<Vec<Attempt>> {
        Ok(self.actor.go()?.attempts)
    }
}

/// Processes that only exist.
pub struct Sleepers {
    /// Its threads, where they are threads.
    actor: Option<Actor>,
    pids: Vec<i32>,
}

impl Sleepers {
    /// `count` processes that have done `setup`, children of this one.
    pub fn start(count: u64, setup: impl Fn() -> Result<()>) -> Result<Self> {
        let mut all = Self {
            actor: None,
            pids: Vec::new(),
        };
        let (from, to) = pipe()?;
        for _ in 0..count {
            // SAFETY: as in `Actor::start`.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                sys::die_with_parent();
                sys::set_comm(b"sleeper");
                let word = if setup().is_ok() { c"y" } else { c"n" };
                // SAFETY: one byte.
                unsafe { libc::write(to, word.as_ptr().cast(), 1) };
                close_all();
                sleep_for_ever();
            }
            if pid < 0 {
                let error = io::Error::last_os_error();
                close(from);
                close(to);
                return Err(error).context("fork of a sleeper");
            }
            all.pids.push(pid);
        }
        close(to);
        let mut words = Vec::new();
        while (words.len() as u64) < count {
            let mut byte = 0u8;
            // SAFETY: one byte.
            let n = unsafe { libc::read(from, (&raw mut byte).cast(), 1) };
            if n != 1 {
                break;
            }
            words.push(byte);
        }
        close(from);
        if words.len() as u64 != count || words.contains(&b'n') {
            bail!("a sleeper could not be set up");
        }
        Ok(all)
    }

    /// One process with `threads` threads besides its first.
    pub fn threads(threads: u64, setup: impl FnOnce() -> Result<()>) -> Result<Self> {
        let (actor, _) = Actor::start("sleeper-t", |link| {
            setup()?;
            let mut all = Vec::new();
            for _ in 0..threads {
                all.push(
                    std::thread::Builder::new()
                        .stack_size(64 << 10)
                        .spawn(|| sleep_for_ever())
                        .context("a sleeping thread")?,
                );
            }
            loop {
                link.step();
            }
        })?;
        Ok(Self {
            actor: Some(actor),
            pids: Vec::new(),
        })
    }

    /// The process that has the threads.
    pub fn pid(&self) -> Option<i32> {
        self.actor.as_ref().map(Actor::pid)
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        for pid in &self.pids {
            // SAFETY: not waited for yet.
            unsafe { libc::kill(*pid, libc::SIGKILL) };
        }
        for pid in &self.pids {
            reap(*pid);
        }
    }
}

/// Closes everything but the standard files.
pub fn close_all() {
    // SAFETY: the caller goes on with none of them.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
}

/// Exists.
pub fn sleep_for_ever() -> ! {
    loop {
        // SAFETY: takes nothing.
        unsafe { libc::pause() };
    }
}

/// Goes on as the first process of a new pid namespace, and answers the pid
/// that the namespace of the caller gives it. The caller itself stays behind
/// as its parent and ends with it.
pub fn enter_pid_namespace(more_flags: i32) -> Result<i32> {
    let (from, to) = pipe()?;
    sys::unshare(libc::CLONE_NEWPID | more_flags, "CLONE_NEWPID")?;
    // SAFETY: the actor has one thread; both sides go on in this closure.
    let pid = unsafe { libc::fork() };
    sys::check(i64::from(pid), "fork into a pid namespace")?;
    if pid > 0 {
        // SAFETY: four bytes of an integer.
        unsafe { libc::write(to, (&raw const pid).cast(), 4) };
        close_all();
        reap(pid);
        exit(0);
    }
    sys::die_with_parent();
    let mut own = 0i32;
    // SAFETY: four bytes of an integer.
    let n = unsafe { libc::read(from, (&raw mut own).cast(), 4) };
    close(from);
    close(to);
    if n != 4 {
        bail!("no pid from the parent");
    }
    Ok(own)
}

/// Forks sleepers until it is refused; the sleepers' pids and the errno.
pub fn fill(kind: Kind, at_most: usize) -> (Vec<i32>, Option<Attempt>) {
    let mut pids = Vec::with_capacity(at_most);
    while pids.len() < at_most {
        let Some(pid) = fork_sleeper(kind) else {
            // SAFETY: reads the errno that the call left.
            let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
            return (
                pids,
                Some(Attempt {
                    kind,
                    tid: crate::attempt::gettid(),
                    errno,
                }),
            );
        };
        pids.push(pid);
    }
    (pids, None)
}

fn fork_sleeper(kind: Kind) -> Option<i32> {
    let number = match kind {
        #[cfg(target_arch = "x86_64")]
        Kind::Fork => libc::SYS_fork,
        _ => libc::SYS_clone,
    };
    let flags = if number == libc::SYS_clone {
        libc::SIGCHLD
    } else {
        0
    };
    // SAFETY: the child shares nothing with the parent and only sleeps.
    let pid = unsafe { libc::syscall(number, flags, 0, 0, 0, 0) };
    if pid == 0 {
        sys::die_with_parent();
        close_all();
        sleep_for_ever();
    }
    (pid > 0).then_some(pid as i32)
}

/// Moves the pid namespace's cursor past the ids that are given out once only
/// (RESERVED_PIDS, kernel/pid.c), so that only the others are left. `/proc` is
/// the namespace's own.
pub fn pass_reserved_ids() -> Result<()> {
    const RESERVED: u32 = 300;
    // Where the kernel was built with CONFIG_CHECKPOINT_RESTORE.
    let _ = std::fs::write("/proc/sys/kernel/ns_last_pid", RESERVED.to_string());
    for _ in 0..=RESERVED {
        // SAFETY: the child only exits.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            exit(0);
        }
        sys::check(i64::from(pid), "fork to use ids up")?;
        reap(pid);
        if pid as u32 > RESERVED {
            return Ok(());
        }
    }
    bail!("the ids stay below {RESERVED}")
}
