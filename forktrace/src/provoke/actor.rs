//! Child processes that do what is needed, in step with who started them.
//!
//! An actor runs a closure. [`Link::ready`] reports what came of it so far and
//! waits for the word to go on ([`Actor::go`]). Every wait has a limit and ends
//! early on a signal, an actor that fails says why, and dropping one kills it.

use std::{
    marker::PhantomData,
    os::fd::OwnedFd,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use rustix::io::Errno;

use super::{interrupt, sys, trouble::Trouble};

/// How long an actor may take for a step. Generous: emulated machines.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often a wait looks whether a signal has come.
const SLICE: Duration = Duration::from_millis(50);

/// A report follows.
const REPORT: u8 = b'R';
/// A sentence follows: why it doesn't apply.
const SKIPPED: u8 = b'S';
/// A sentence follows: what went wrong.
const FAILED: u8 = b'F';

/// What an actor reports at a step, as bytes between two processes.
pub trait Report: Sized + Default {
    /// The report as bytes, which [`from_bytes`](Self::from_bytes) takes.
    fn to_bytes(&self) -> Vec<u8>;
    /// `None`: these are no report.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// Numbers.
impl Report for Vec<u64> {
    fn to_bytes(&self) -> Vec<u8> {
        self.iter().flat_map(|n| n.to_le_bytes()).collect()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks();
        rest.is_empty()
            .then(|| numbers.iter().map(|n| u64::from_le_bytes(*n)).collect())
    }
}

/// The actor's end.
pub struct Link<R> {
    from: OwnedFd,
    to: OwnedFd,
    reports: PhantomData<fn(R)>,
}

impl<R: Report> Link<R> {
    /// Reports what came of it and waits for the word to go on; without the other
    /// end there is nothing left to do.
    pub fn ready(&self, report: impl Into<R>) {
        self.send(REPORT, &report.into().to_bytes());
        loop {
            match rustix::io::read(&self.from, &mut [0u8]) {
                Ok(1) => return,
                Err(Errno::INTR) => {}
                _ => sys::exit(0),
            }
        }
    }

    /// A step with nothing to report.
    pub fn step(&self) {
        self.ready(R::default());
    }

    fn send(&self, tag: u8, payload: &[u8]) {
        let mut bytes = vec![tag];
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend(payload);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            match rustix::io::write(&self.to, rest) {
                Ok(n) => rest = &rest[n..],
                Err(Errno::INTR) => {}
                Err(_) => sys::exit(3),
            }
        }
    }
}

/// A child process under direction. `R`: what it reports; `E`: how its body fails, and what becomes of
/// that here.
pub struct Actor<R = Vec<u64>, E = Trouble> {
    pid: i32,
    comm: Vec<u8>,
    to: OwnedFd,
    from: OwnedFd,
    /// It has ended and been waited for.
    gone: bool,
    kinds: PhantomData<fn() -> (R, E)>,
}

impl<R: Report, E: From<Trouble> + Into<Trouble>> Actor<R, E> {
    /// Starts one under the name `comm`, waits for its first step, and answers
    /// its report. `body` runs in the child; what it captures should be
    /// borrowed, for the child drops what it owns.
    ///
    /// # Errors
    /// There could be none, or it failed before its first step.
    pub fn start(
        comm: impl AsRef<[u8]>,
        body: impl FnOnce(&Link<R>) -> Result<(), E>,
    ) -> Result<(Self, R), E> {
        let comm = comm.as_ref().to_vec();
        let (their_in, to) = sys::pipe()?;
        let (from, their_out) = sys::pipe()?;
        let Some(pid) = sys::fork("starting a process that is to be refused")? else {
            perform(&comm, [their_in, their_out], body)
        };
        drop((their_in, their_out));
        let mut actor = Self {
            pid,
            comm,
            to,
            from,
            gone: false,
            kinds: PhantomData,
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
    ///
    /// # Errors
    /// It failed, or is gone.
    pub fn go(&mut self) -> Result<R, E> {
        self.go_within(PATIENCE)
    }

    /// The same within a time: for while the whole host goes short.
    ///
    /// # Errors
    /// It failed, or is gone.
    pub fn go_within(&mut self, patience: Duration) -> Result<R, E> {
        self.send()?;
        Ok(self.heard(patience)?)
    }

    /// The word to go on; [`Actor::hear`] brings what comes of it.
    ///
    /// # Errors
    /// It is gone.
    pub fn send(&mut self) -> Result<(), E> {
        rustix::io::write(&self.to, b"g")
            .map_err(|error| Trouble::at(format!("{} is gone", self.comm()))(error))?;
        Ok(())
    }

    /// Whether [`Actor::hear`] would not have to wait.
    pub fn has_answered(&self) -> bool {
        sys::readable(&self.from, Duration::ZERO)
    }

    /// Waits for its next step.
    ///
    /// # Errors
    /// It failed, or is gone.
    pub fn hear(&mut self) -> Result<R, E> {
        Ok(self.heard(PATIENCE)?)
    }

    fn heard(&mut self, patience: Duration) -> Result<R, Trouble> {
        let end = Instant::now() + patience;
        let mut head = [0u8; 5];
        self.read(&mut head, end)?;
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        let mut payload = vec![0; length as usize];
        self.read(&mut payload, end)?;
        let sentence = || String::from_utf8_lossy(&payload).into_owned();
        match head[0] {
            REPORT => R::from_bytes(&payload)
                .ok_or_else(|| Trouble::Odd(format!("{} reports {payload:x?}", self.comm()))),
            SKIPPED => Err(Trouble::Skip(sentence())),
            _ => Err(Trouble::Odd(sentence())),
        }
    }

    fn read(&mut self, mut into: &mut [u8], end: Instant) -> Result<(), Trouble> {
        while !into.is_empty() {
            interrupt::check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Trouble::Odd(format!(
                    "{} did not answer in time",
                    self.comm()
                )));
            }
            if !sys::readable(&self.from, left.min(SLICE)) {
                continue;
            }
            match rustix::io::read(&self.from, &mut *into) {
                Ok(0) => {
                    self.gone = true;
                    let status = sys::reap(self.pid).unwrap_or(-1);
                    return Err(Trouble::Odd(format!(
                        "{} ended early (wait status {status:#x})",
                        self.comm()
                    )));
                }
                Ok(n) => into = &mut into[n..],
                Err(Errno::INTR) => {}
                Err(error) => return Err(Trouble::at("reading a process's report")(error)),
            }
        }
        Ok(())
    }
}

impl<R, E> Drop for Actor<R, E> {
    fn drop(&mut self) {
        if !self.gone {
            sys::end(self.pid);
        }
    }
}

fn perform<R: Report, E: Into<Trouble>>(
    comm: &[u8],
    link: [OwnedFd; 2],
    body: impl FnOnce(&Link<R>) -> Result<(), E>,
) -> ! {
    sys::die_with_parent();
    interrupt::reset_in_child();
    sys::set_comm(comm);
    // Nothing that other actors' links hang on.
    let [from, to] = sys::keep_only(link);
    let link = Link {
        from,
        to,
        reports: PhantomData,
    };
    match catch_unwind(AssertUnwindSafe(|| body(&link))) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => match error.into() {
            Trouble::Skip(why) => link.send(SKIPPED, why.as_bytes()),
            trouble => link.send(FAILED, trouble.to_string().as_bytes()),
        },
        Err(_) => link.send(FAILED, b"panicked"),
    }
    sys::exit(0)
}
