//! `forktrace top` on a terminal of the tests' own.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use forktrace::provoke::sys::Signal;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::{Behaviour, forktrace, no_panic, provoke, refused_user};
use crate::machine::await_some;
use crate::runner::Tests;

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "top_shows_limits_and_failures",
        run: shows,
    },
    Behaviour {
        name: "top_without_privilege",
        run: without_privilege,
    },
    Behaviour {
        name: "top_of_a_recording",
        run: recording,
    },
    Behaviour {
        name: "top_wants_a_terminal",
        run: no_terminal,
    },
];

/// Leaves the alternate screen.
const LEFT: &str = "\x1b[?1049l";
const PATIENCE: Duration = Duration::from_secs(60);

/// A top, and the other end of its terminal.
struct Shown {
    child: Child,
    master: File,
    /// Kept open, to be asked how the terminal is.
    slave: OwnedFd,
    seen: String,
}

impl Shown {
    fn start(tests: &Tests, arguments: &[&str], uid: Option<u32>) -> Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .context("open a pty")?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let slave = rustix::fs::open(
            &*name,
            OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .with_context(|| format!("open {}", name.to_string_lossy()))?;
        let size = Winsize {
            ws_row: 30,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size)?;
        rustix::fs::fcntl_setfl(&master, OFlags::RDWR | OFlags::NONBLOCK)?;
        let end = || -> Result<Stdio> { Ok(slave.try_clone()?.into()) };
        let mut command = Command::new(&tests.binary);
        command
            .arg("top")
            .args(arguments)
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .stdin(end()?)
            .stdout(end()?)
            .stderr(end()?);
        if let Some(uid) = uid {
            command.uid(uid).gid(uid);
        }
        Ok(Self {
            child: command.spawn().context("start forktrace top")?,
            master: master.into(),
            slave,
            seen: String::new(),
        })
    }

    fn read(&mut self) {
        let mut bytes = vec![0; 65_536];
        while let Ok(n @ 1..) = self.master.read(&mut bytes) {
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..n]));
        }
    }

    /// Waits for a text that was drawn in one piece.
    fn wait_for(&mut self, text: &str) -> Result<()> {
        let found = await_some(PATIENCE, || {
            self.read();
            self.seen.contains(text).then_some(())
        });
        match found {
            Some(()) => Ok(()),
            None => bail!("{text:?} is not shown: {}", self.seen.escape_debug()),
        }
    }

    /// Presses keys; what was shown before counts no more.
    fn press(&mut self, keys: &str) -> Result<()> {
        self.read();
        self.seen.clear();
        Ok(self.master.write_all(keys.as_bytes())?)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_child(&self.child);
        Ok(kill_process(pid, signal)?)
    }

    /// A line of its /proc/PID/status.
    fn status(&self, name: &str) -> Result<String> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        Ok(line
            .context("no such line")?
            .trim_start_matches(':')
            .trim()
            .to_owned())
    }

    /// One task, and a filter that lets it make no other.
    fn alone(&self) -> Result<()> {
        ensure!(self.status("Threads")? == "1", "it has threads");
        ensure!(self.status("Seccomp")? == "2", "no filter of system calls");
        let pid = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        ensure!(
            children.unwrap_or_default().trim().is_empty(),
            "it has children"
        );
        Ok(())
    }

    /// Has ended with this status, and left the terminal as it was.
    fn ended(mut self, wanted: i32) -> Result<String> {
        let ended = await_some(PATIENCE, || {
            self.read();
            self.child.try_wait().ok().flatten()
        });
        let ended = ended.context("it doesn't end")?;
        self.read();
        ensure!(
            ended.code() == Some(wanted),
            "it ended with {ended}, wanted {wanted}: {}",
            self.seen.escape_debug()
        );
        let modes = tcgetattr(&self.slave)?.local_modes;
        ensure!(
            modes.contains(LocalModes::ICANON | LocalModes::ECHO),
            "the terminal is raw still"
        );
        no_panic(&self.seen)?;
        Ok(std::mem::take(&mut self.seen))
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn shows(tests: &Tests) -> Result<()> {
    let mut user = refused_user("top-refused", tests.place.uid(127), 40)?;
    let mut top = Shown::start(tests, &[], None)?;
    top.wait_for("traced")?;
    top.wait_for("kernel.pid_max")?;
    top.alone()?;
    provoke(&mut user)?;
    top.wait_for("EAGAIN")?;
    top.press("\t")?;
    top.press("\r")?;
    top.wait_for("top-refused")?;
    top.press("\x1b")?;
    top.press("e")?;
    top.wait_for("rlimit_nproc")?;
    top.press("q")?;
    top.press("?")?;
    top.wait_for("Keys")?;
    // A size that changes while something is shown.
    let small = Winsize {
        ws_row: 12,
        ws_col: 44,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&top.master, small)?;
    top.signal(Signal::WINCH)?;
    top.press("x/pid_max\r")?;
    top.wait_for("Limits (1)")?;
    top.alone()?;
    top.signal(Signal::TERM)?;
    let seen = top.ended(0)?;
    ensure!(seen.ends_with(LEFT), "{}", seen.escape_debug());
    let mut top = Shown::start(tests, &["--comm", "nobody-at-all"], None)?;
    top.wait_for("traced")?;
    top.press("q")?;
    let seen = top.ended(0)?;
    ensure!(seen.ends_with(LEFT), "{}", seen.escape_debug());
    let mut top = Shown::start(tests, &["--comm", "nobody-at-all"], None)?;
    top.wait_for("traced")?;
    top.signal(Signal::QUIT)?;
    let seen = top.ended(0)?;
    ensure!(seen.ends_with(LEFT), "{}", seen.escape_debug());
    let mut top = Shown::start(tests, &["--color", "never"], None)?;
    top.wait_for("traced")?;
    ensure!(!top.seen.contains("\x1b[31m"), "it is coloured");
    top.press("\x03")?;
    top.ended(0)?;
    Ok(())
}

fn without_privilege(tests: &Tests) -> Result<()> {
    let mut top = Shown::start(tests, &[], Some(tests.place.uid(128)))?;
    top.wait_for("limits only")?;
    top.wait_for("CAP_BPF")?;
    top.wait_for("kernel.pid_max")?;
    top.alone()?;
    top.press("q")?;
    top.ended(0)?;
    Ok(())
}

fn recording(tests: &Tests) -> Result<()> {
    let data = include_str!("../../../forktrace/tests/data/schema-1.ndjson");
    let path = tests.scratch.path("top.ndjson");
    std::fs::write(&path, data)?;
    let path = path.to_str().context("a path")?;
    let mut top = Shown::start(tests, &[path, "--speed", "1000"], None)?;
    top.wait_for("end of the recording")?;
    // What it reads may be anybody's.
    top.alone()?;
    top.press("\t\r")?;
    top.wait_for("e explains")?;
    top.press("qq")?;
    top.ended(0)?;
    // More than is read at once: nothing waits for another key.
    let mut top = Shown::start(tests, &[path], None)?;
    top.wait_for("Limits")?;
    top.press(&("z".repeat(2000) + "\x03"))?;
    top.ended(0)?;
    let top = Shown::start(tests, &["/dev/null"], None)?;
    let seen = top.ended(0)?;
    ensure!(seen.contains("Nothing to show"), "{seen}");
    ensure!(!seen.contains(LEFT), "the screen was taken: {seen}");
    let none = Shown::start(tests, &["/proc/version"], None)?.ended(2)?;
    ensure!(none.contains("is no recording"), "{none}");
    Ok(())
}

fn no_terminal(tests: &Tests) -> Result<()> {
    let said = forktrace(tests, &["top"], 2)?.said();
    ensure!(said.contains("forktrace check --watch"), "{said}");
    Ok(())
}
