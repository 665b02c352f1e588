//! The kernel's log, read from /dev/kmsg as dmesg does, without dmesg.
//!
//! Each read(2) gives one record (kernel/printk/printk.c `devkmsg_read`):
//! `priority,number,microseconds,flags;text`, continued by lines that begin with
//! a space. With kernel.dmesg_restrict=1, opening it takes CAP_SYSLOG.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// One message of the kernel's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// When, in microseconds of the clock since boot that the kernel logs by
    /// (it stops in suspend, as CLOCK_MONOTONIC does).
    pub at_us: u64,
    /// The message, without level and time.
    pub text: String,
}

/// Longer than any record: CONSOLE_EXT_LOG_MAX (8192) and, since 6.x,
/// PRINTK_MESSAGE_MAX (2048). A shorter buffer is answered with EINVAL.
const RECORD: usize = 16 << 10;

/// Records that are read at most: some that come while this reads would keep
/// it reading.
const MOST: usize = 1 << 20;

/// What the kernel itself has logged since `since_us` and `keep` takes, oldest
/// first. What programs have written to /dev/kmsg is left out: anybody may have
/// given root's logger any text, but the kernel gives such lines another
/// facility. Never waits.
pub fn read(since_us: u64, keep: impl Fn(&str) -> bool) -> io::Result<Vec<Message>> {
    read_from(Path::new("/dev/kmsg"), since_us, keep)
}

fn read_from(path: &Path, since_us: u64, keep: impl Fn(&str) -> bool) -> io::Result<Vec<Message>> {
    let mut log = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)?;
    let mut buffer = vec![0; RECORD];
    let mut messages = Vec::new();
    for _ in 0..MOST {
        match log.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                let message = parse(buffer.get(..length).unwrap_or_default());
                messages.extend(message.filter(|m| m.at_us >= since_us && keep(&m.text)));
            }
            // No more.
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // The oldest ones were overwritten; the next read goes on behind.
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(messages)
}

/// One record of /dev/kmsg. `None` for what the kernel hasn't said itself.
pub fn parse(record: &[u8]) -> Option<Message> {
    let text = String::from_utf8_lossy(record);
    let (head, rest) = text.split_once(';')?;
    let mut fields = head.split(',');
    let priority: u64 = fields.next()?.parse().ok()?;
    // The lowest three bits are the level, LOG_KERN is facility 0.
    if priority >> 3 != 0 {
        return None;
    }
    let at_us = fields.nth(1)?.parse().ok()?;
    let text = rest.split('\n').next().unwrap_or_default().to_owned();
    Some(Message { at_us, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records() {
        let message = parse(b"6,339,5140900,-;NET: x;y\n SUBSYSTEM=acpi\n").unwrap();
        assert_eq!(message.at_us, 5_140_900);
        assert_eq!(message.text, "NET: x;y");
        let with_caller = parse(b"4,1,2,-,caller=T1;oops\n").unwrap();
        assert_eq!((with_caller.at_us, &*with_caller.text), (2, "oops"));
    }

    #[test]
    fn what_a_program_has_written_is_left_out() {
        assert_eq!(parse(b"12,1,2,-;Out of memory: Killed process 1\n"), None);
        for odd in [
            &b""[..],
            b";",
            b"6;x",
            b"6,1;x",
            b"6,1,x,-;t",
            b"\xff,1,2;t",
        ] {
            assert_eq!(parse(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn a_missing_log_is_an_error_and_a_file_ends() {
        assert!(read_from(Path::new("/nonexistent/kmsg"), 0, |_| true).is_err());
        assert_eq!(read_from(Path::new("/dev/null"), 0, |_| true).unwrap(), []);
    }
}
