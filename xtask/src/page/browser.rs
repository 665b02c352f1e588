//! A browser without a window, driven over two pipes: the DevTools protocol, a JSON object and a NUL each.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What it reads from, and writes to (`--remote-debugging-pipe`).
const READS: RawFd = 3;
const WRITES: RawFd = 4;
/// Longer than any answer takes on a machine under load.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) struct Browser {
    child: Child,
    to: File,
    from: BufReader<File>,
    session: String,
    last: u64,
    /// Events of the page, as they came.
    pub events: Vec<Value>,
}

impl Browser {
    /// Starts it, with a profile of its own in that folder.
    pub(super) fn start(program: &Path, folder: &Path) -> Result<Self> {
        let (theirs_in, ours_out) = pipe()?;
        let (ours_in, theirs_out) = pipe()?;
        let mut command = Command::new(program);
        command
            .args(["--headless=new", "--remote-debugging-pipe", "--no-sandbox"])
            .args(["--disable-gpu", "--hide-scrollbars", "--no-first-run"])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
            ])
            .arg(format!("--user-data-dir={}", folder.display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let (reads, writes) = (theirs_in.as_raw_fd(), theirs_out.as_raw_fd());
        // SAFETY: fcntl and dup2 are async-signal-safe; both descriptors are open until the child has begun.
        unsafe {
            command.pre_exec(move || {
                // Out of the way first: one may have the other's number, or its own already, which dup2
                // would leave closed on exec.
                let from = libc::fcntl(reads, libc::F_DUPFD_CLOEXEC, 10);
                let to = libc::fcntl(writes, libc::F_DUPFD_CLOEXEC, 10);
                if from < 0 || to < 0 || libc::dup2(from, READS) < 0 || libc::dup2(to, WRITES) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let mut browser = Self {
            child,
            to: File::from(ours_out),
            from: BufReader::new(File::from(ours_in)),
            session: String::new(),
            last: 0,
            events: Vec::new(),
        };
        let targets = browser.ask("Target.getTargets", json!({}))?;
        let targets = targets["targetInfos"].as_array().cloned();
        let page = targets.into_iter().flatten().find(|t| t["type"] == "page");
        let id = page.context("the browser has no page")?["targetId"].clone();
        let attached = browser.ask(
            "Target.attachToTarget",
            json!({"targetId": id, "flatten": true}),
        )?;
        browser.session = attached["sessionId"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), json!({}))?;
        }
        Ok(browser)
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask(&mut self, method: &str, params: Value) -> Result<Value> {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = serde_json::to_vec(&message)?;
        bytes.push(0);
        self.to.write_all(&bytes).context("asking the browser")?;
        loop {
            let message = self.next()?;
            if message["id"] == self.last {
                if let Some(error) = message.get("error") {
                    bail!("{method}: {error}");
                }
                return Ok(message["result"].clone());
            }
            self.events.push(message);
        }
    }

    /// Waits for an event.
    pub(super) fn wait_for(&mut self, method: &str) -> Result<()> {
        while !self.events.iter().any(|event| event["method"] == method) {
            let message = self.next()?;
            self.events.push(message);
        }
        Ok(())
    }

    /// The value of an expression; a promise's, when it is there.
    pub(super) fn value(&mut self, expression: &str) -> Result<Value> {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true,
            "userGesture": true});
        let answer = self.ask("Runtime.evaluate", params)?;
        if let Some(thrown) = answer.get("exceptionDetails") {
            bail!("{expression}: {thrown}");
        }
        Ok(answer["result"]["value"].clone())
    }

    /// Presses a key, by its name and the text that it types.
    pub(super) fn press(&mut self, key: &str, text: &str) -> Result<()> {
        let code = match key {
            "Enter" => 13,
            "Tab" => 9,
            "Escape" => 27,
            _ => 0,
        };
        let mut params = json!({"type": "keyDown", "key": key, "windowsVirtualKeyCode": code});
        if !text.is_empty() {
            params["text"] = json!(text);
        }
        self.ask("Input.dispatchKeyEvent", params)?;
        let up = json!({"type": "keyUp", "key": key, "windowsVirtualKeyCode": code});
        self.ask("Input.dispatchKeyEvent", up)?;
        Ok(())
    }

    fn next(&mut self) -> Result<Value> {
        let mut bytes = Vec::new();
        readable(self.from.get_ref(), self.from.buffer().is_empty())?;
        let read = self.from.read_until(0, &mut bytes);
        if read.context("reading from the browser")? == 0 {
            bail!("the browser has ended");
        }
        bytes.pop();
        Ok(serde_json::from_slice(&bytes)?)
    }
}

/// Waits until something can be read, so that a browser that hangs doesn't hang its test.
fn readable(file: &File, empty: bool) -> Result<()> {
    if !empty {
        return Ok(());
    }
    let mut poll = libc::pollfd {
        fd: file.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one live pollfd.
    match unsafe { libc::poll(&raw mut poll, 1, PATIENCE.as_millis() as i32) } {
        1.. => Ok(()),
        0 => bail!("the browser says nothing for {} s", PATIENCE.as_secs()),
        _ => Err(std::io::Error::last_os_error()).context("waiting for the browser"),
    }
}

/// What one end writes, the other reads; closed by exec.
fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors, which are nobody else's.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return Err(std::io::Error::last_os_error()).context("opening a pipe");
        }
        Ok((OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
