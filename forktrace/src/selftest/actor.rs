//! Child processes that get refused, in step with the selftest.
//!
//! An actor runs a closure. [`Link::tell`] says what came of it so far and
//! waits for the word to go on ([`Actor::go`]). Every wait has a limit and ends
//! early on a signal; dropping an actor kills it.

use std::{
    os::fd::{AsRawFd as _, OwnedFd, RawFd},
    time::{Duration, Instant},
};

use super::{interrupt, sys, trouble::Trouble};

/// How long an actor may take for a step. Generous: emulated machines.
const PATIENCE: Duration = Duration::from_secs(60);

const LINK_IN: RawFd = 3;
const LINK_OUT: RawFd = 4;

/// Numbers follow.
const TOLD: u8 = b'T';
/// A sentence follows: why it doesn't apply.
const SKIPPED: u8 = b'S';
/// A sentence follows: what went wrong.
const FAILED: u8 = b'F';

/// The actor's end.
pub struct Link(());

impl Link {
    /// Tells what came of it and waits for the word to go on; without the
    /// selftest there is nothing left to do.
    pub fn tell(&self, numbers: &[u64]) {
        let payload: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        send(TOLD, &payload);
        let mut word = 0u8;
        loop {
            // SAFETY: one live byte.
            match unsafe { libc::read(LINK_IN, (&raw mut word).cast(), 1) } {
                1 => return,
                n if n < 0 && interrupted() => {}
                _ => sys::exit(0),
            }
        }
    }
}

fn interrupted() -> bool {
    std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted
}

fn send(tag: u8, payload: &[u8]) {
    let mut bytes = vec![tag];
    bytes.extend((payload.len() as u32).to_le_bytes());
    bytes.extend(payload);
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        // SAFETY: the slice is valid for its length.
        let n = unsafe { libc::write(LINK_OUT, rest.as_ptr().cast(), rest.len()) };
        match usize::try_from(n) {
            Ok(n) => rest = &rest[n..],
            Err(_) if interrupted() => {}
            Err(_) => sys::exit(1),
        }
    }
}

/// A child process under the selftest's direction.
pub struct Actor {
    pid: i32,
    to: OwnedFd,
    from: OwnedFd,
}

impl Actor {
    /// Starts one under the name `comm`, waits for its first step, and answers
    /// what it told. `body` runs in the child; what it captures has to be
    /// borrowed, for the child drops what it owns.
    pub fn start(
        comm: &str,
        body: impl FnOnce(&Link) -> Result<(), Trouble>,
    ) -> Result<(Self, Vec<u64>), Trouble> {
        let (their_in, to) = sys::pipe()?;
        let (from, their_out) = sys::pipe()?;
        // libc's, which keeps libc itself in order: actors may use all of it.
        // SAFETY: this process has one thread; the child goes on in `perform`
        // only, which never returns.
        let pid = unsafe { libc::fork() };
        sys::check(pid, "starting a process of the selftest's own")?;
        if pid == 0 {
            perform(comm, &their_in, &their_out, body);
        }
        drop((their_in, their_out));
        let actor = Self { pid, to, from };
        let told = actor.hear(PATIENCE)?;
        Ok((actor, told))
    }

    /// The word to go on, and what it tells next.
    pub fn go(&self) -> Result<Vec<u64>, Trouble> {
        self.go_within(PATIENCE)
    }

    /// The same within a time: for while the whole host goes short.
    pub fn go_within(&self, patience: Duration) -> Result<Vec<u64>, Trouble> {
        // SAFETY: one byte.
        let n = unsafe { libc::write(self.to.as_raw_fd(), c"g".as_ptr().cast(), 1) };
        sys::check(n as i64, "telling a process of the selftest's own to go on")?;
        self.hear(patience)
    }

    fn hear(&self, patience: Duration) -> Result<Vec<u64>, Trouble> {
        let end = Instant::now() + patience;
        let mut head = [0u8; 5];
        self.read(&mut head, end)?;
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        let mut payload = vec![0; length as usize];
        self.read(&mut payload, end)?;
        let sentence = || String::from_utf8_lossy(&payload).into_owned();
        match head[0] {
            TOLD => Ok(payload
                .chunks_exact(8)
                .filter_map(|c| Some(u64::from_le_bytes(c.try_into().ok()?)))
                .collect()),
            SKIPPED => Err(Trouble::Skip(sentence())),
            _ => Err(Trouble::Odd(sentence())),
        }
    }

    fn read(&self, mut into: &mut [u8], end: Instant) -> Result<(), Trouble> {
        while !into.is_empty() {
            interrupt::check()?;
            if Instant::now() >= end {
                return Err(Trouble::Odd(
                    "a process of the selftest's own did not answer in time".to_owned(),
                ));
            }
            if !sys::readable(&self.from, 50) {
                continue;
            }
            // SAFETY: the slice is valid for its length.
            let n =
                unsafe { libc::read(self.from.as_raw_fd(), into.as_mut_ptr().cast(), into.len()) };
            match usize::try_from(n) {
                Ok(0) => {
                    return Err(Trouble::Odd(
                        "a process of the selftest's own ended early".to_owned(),
                    ));
                }
                Ok(n) => into = &mut into[n..],
                Err(_) if interrupted() => {}
                Err(_) => {
                    return Err(Trouble::at("reading what a process told")(
                        std::io::Error::last_os_error(),
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // SAFETY: the child has not been waited for, so the pid is its.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        sys::reap(self.pid);
    }
}

fn perform(
    comm: &str,
    link_in: &OwnedFd,
    link_out: &OwnedFd,
    body: impl FnOnce(&Link) -> Result<(), Trouble>,
) -> ! {
    sys::die_with_parent();
    interrupt::reset_in_child();
    sys::set_comm(comm);
    // SAFETY: moves descriptors about that only this child has from now on;
    // the copies above 100 are out of the way of both targets.
    unsafe {
        let a = libc::fcntl(link_in.as_raw_fd(), libc::F_DUPFD, 100);
        let b = libc::fcntl(link_out.as_raw_fd(), libc::F_DUPFD, 100);
        libc::dup2(a, LINK_IN);
        libc::dup2(b, LINK_OUT);
    }
    sys::close_from(LINK_OUT + 1);
    let link = Link(());
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(&link))) {
        Ok(Ok(())) => {}
        Ok(Err(Trouble::Skip(why))) => send(SKIPPED, why.as_bytes()),
        Ok(Err(trouble)) => send(FAILED, trouble.to_string().as_bytes()),
        Err(_) => send(FAILED, b"panicked"),
    }
    sys::exit(0)
}
