//! Reads a guest's console: passes it on, and finds init's marks in it.

use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Init prints this when it runs.
const BOOTED: &[u8] = b"FT-BOOT";
/// Init prints this, and the command's status, when the command has ended.
const EXIT: &[u8] = b"FT-EXIT ";
const PANIC: &[u8] = b"Kernel panic";
/// A breakpoint that nobody set: the kernel patches its own code by way of one, and the emulator
/// sometimes runs it after it has gone. Seen on 7.3 without any tracing.
const STRAY_BREAKPOINT: &[u8] = b"Oops: int3";
/// As `softlockup_panic` says it.
const LOCKUP: &[u8] = b"softlockup: hung tasks";

/// What has been seen so far.
#[derive(Default)]
pub(super) struct Console {
    /// Init runs.
    pub booted: bool,
    /// How long it took until init ran.
    pub boot_time: Option<Duration>,
    /// The command ended with this status.
    pub exit: Option<i32>,
    /// The kernel's own words when it panicked.
    pub panic: Option<String>,
    /// The panic was the emulator's doing.
    pub emulator_fault: bool,
    /// A CPU was stuck in the kernel.
    pub locked_up: bool,
    /// Nothing came any more before the time was over.
    pub timed_out: bool,
    line: Vec<u8>,
}

/// Starts a thread that reads `from`; whoever holds the receiver sees its end.
pub(crate) fn reader(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

impl Console {
    /// Follows the console until it ends, or a time limit passes: `boot` until init runs, `whole`
    /// until the end.
    pub(super) fn follow(
        &mut self,
        from: &Receiver<Vec<u8>>,
        to: &mut dyn Write,
        boot: Duration,
        whole: Duration,
    ) {
        let start = Instant::now();
        loop {
            let limit = if self.booted { whole } else { boot.min(whole) };
            let left = limit.saturating_sub(start.elapsed());
            match from.recv_timeout(left) {
                Ok(bytes) => {
                    self.take(&bytes, to);
                    if self.booted && self.boot_time.is_none() {
                        self.boot_time = Some(start.elapsed());
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    self.timed_out = true;
                    break;
                }
            }
        }
        self.end_line(to);
    }

    /// Follows until init runs, for `time` at most; whether it does.
    pub(super) fn boots(&mut self, from: &Receiver<Vec<u8>>, time: Duration) -> bool {
        let start = Instant::now();
        while !self.booted
            && let Ok(bytes) = from.recv_timeout(time.saturating_sub(start.elapsed()))
        {
            self.take(&bytes, &mut std::io::sink());
        }
        self.booted
    }

    /// Passes on what comes within `time`; a pause of a second ends it too.
    pub(super) fn drain(&mut self, from: &Receiver<Vec<u8>>, to: &mut dyn Write, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time
            && let Ok(bytes) = from.recv_timeout(Duration::from_secs(1))
        {
            self.take(&bytes, to);
        }
        self.end_line(to);
    }

    fn take(&mut self, bytes: &[u8], to: &mut dyn Write) {
        for &byte in bytes {
            self.line.push(byte);
            if byte == b'\n' {
                self.end_line(to);
            }
        }
    }

    fn end_line(&mut self, to: &mut dyn Write) {
        let line = std::mem::take(&mut self.line);
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        // The command's last line may lack its end, so a mark can stand behind other text.
        if let Some(at) = find(text, BOOTED).filter(|_| !self.booted) {
            self.booted = true;
            return self.print(&text[..at], to);
        }
        if let Some(at) = find(text, EXIT)
            && let Ok(code) = String::from_utf8_lossy(&text[at + EXIT.len()..])
                .trim()
                .parse()
        {
            self.exit = Some(code);
            return self.print(&text[..at], to);
        }
        self.emulator_fault |= find(text, STRAY_BREAKPOINT).is_some();
        self.locked_up |= find(text, LOCKUP).is_some();
        if self.panic.is_none() && find(text, PANIC).is_some() {
            self.panic = Some(String::from_utf8_lossy(text).trim().to_owned());
        }
        // After the exit only the kernel speaks, of powering down.
        if !line.is_empty() && self.exit.is_none() {
            emit(to, text);
        }
    }

    fn print(&self, text: &[u8], to: &mut dyn Write) {
        // Firmware clears the screen before the first mark; that is no output.
        if self.exit.is_some() && !text.is_empty() {
            emit(to, text);
        }
    }
}

fn emit(to: &mut dyn Write, text: &[u8]) {
    // A closed pipe ends xtask's interest, not the guest's run.
    let _ = to
        .write_all(text)
        .and_then(|()| to.write_all(b"\n"))
        .and_then(|()| to.flush());
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|part| part == what)
}

#[cfg(test)]
mod tests {
    use super::Console;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    fn follow(parts: &[&str]) -> (Console, String) {
        let (sender, receiver) = channel();
        for part in parts {
            sender
                .send(part.as_bytes().to_vec())
                .expect("receiver lives");
        }
        drop(sender);
        let mut console = Console::default();
        let mut out = Vec::new();
        console.follow(
            &receiver,
            &mut out,
            Duration::from_secs(1),
            Duration::from_secs(1),
        );
        (console, String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn marks_are_taken_out_and_text_is_kept() {
        let (console, out) = follow(&["\x1bc\x1b[2JFT-BO", "OT\r\nhello\nno end", "FT-EXIT 3\n"]);
        assert!(console.booted && !console.timed_out);
        assert_eq!(console.exit, Some(3));
        assert_eq!(out, "hello\nno end\n");
    }

    #[test]
    fn a_panic_is_noticed() {
        let (console, _) = follow(&["FT-BOOT\n[ 1.0] Kernel panic - not syncing: x\n"]);
        assert_eq!(console.exit, None);
        assert!(
            console
                .panic
                .is_some_and(|text| text.contains("not syncing"))
        );
    }
}
