//! Keys, from the bytes that a terminal sends.

use std::{
    io,
    os::fd::{AsRawFd, RawFd},
};

use forktrace::view::top::Key;
use tokio::io::{Interest, unix::AsyncFd};

/// Standard input, to be waited for. It stays blocking: others have the same terminal open.
pub(super) struct Input(AsyncFd<Stdin>);

struct Stdin;

impl AsRawFd for Stdin {
    fn as_raw_fd(&self) -> RawFd {
        libc::STDIN_FILENO
    }
}

impl Input {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: standard input stays open, and is the same, until the program ends.
        let stdin = unsafe { AsyncFd::register_with_interest(Stdin, Interest::READABLE) };
        stdin.map(Self).map_err(io::Error::from)
    }

    /// The next keys; none at the end of the input.
    pub(super) async fn keys(&mut self) -> io::Result<Option<Vec<Key>>> {
        let mut ready = self.0.readable_mut().await?;
        // Of what is ready something can be read without waiting.
        let mut bytes = [0; 256];
        let read = rustix::io::read(rustix::stdio::stdin(), &mut bytes);
        // Where the room was too small, more is there.
        if read.is_ok_and(|n| n < bytes.len()) || read.is_err() {
            ready.clear_ready();
        }
        match read {
            Ok(0) => Ok(None),
            Ok(n) => Ok(Some(keys(&bytes[..n]))),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => Ok(Some(Vec::new())),
            Err(error) => Err(error.into()),
        }
    }
}

/// What was pressed. A sequence comes whole, or is none; what isn't known is passed over.
fn keys(bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut rest = bytes;
    while let Some((&first, more)) = rest.split_first() {
        rest = more;
        let key = match first {
            0x1b => match rest.first() {
                Some(b'[' | b'O') => {
                    let length = rest[1..].iter().position(|b| (0x40..=0x7e).contains(b));
                    let Some(length) = length else {
                        return keys;
                    };
                    let sequence = &rest[1..=length + 1];
                    rest = &rest[length + 2..];
                    match sequence {
                        b"A" => Key::Up,
                        b"B" => Key::Down,
                        b"H" | b"1~" | b"7~" => Key::Home,
                        b"F" | b"4~" | b"8~" => Key::End,
                        b"5~" => Key::PageUp,
                        b"6~" => Key::PageDown,
                        b"Z" => Key::Tab,
                        _ => continue,
                    }
                }
                _ => Key::Escape,
            },
            b'\r' | b'\n' => Key::Enter,
            b'\t' => Key::Tab,
            0x7f | 0x08 => Key::Backspace,
            0x03 | 0x04 => Key::Interrupt,
            0x20..0x7f => Key::Char(first.into()),
            0xc0.. => {
                let length = (first.leading_ones() as usize).saturating_sub(1);
                let Some(text) = bytes
                    .get(bytes.len() - rest.len() - 1..)
                    .and_then(|all| all.get(..=length))
                else {
                    return keys;
                };
                rest = &rest[length..];
                match std::str::from_utf8(text)
                    .ok()
                    .and_then(|text| text.chars().next())
                {
                    Some(c) => Key::Char(c),
                    None => continue,
                }
            }
            _ => continue,
        };
        keys.push(key);
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_keys_and_the_rest_is_nothing() {
        for (bytes, wanted) in [
            (&b"q"[..], vec![Key::Char('q')]),
            (b"\x1b", vec![Key::Escape]),
            (
                b"\x1b[A\x1bOB\x1b[5~\x1b[H",
                vec![Key::Up, Key::Down, Key::PageUp, Key::Home],
            ),
            (b"\x1b[200~x", vec![Key::Char('x')]),
            (b"\x1b[", vec![]),
            (
                b"\r\t\x7f\x03",
                vec![Key::Enter, Key::Tab, Key::Backspace, Key::Interrupt],
            ),
            ("é語".as_bytes(), vec![Key::Char('é'), Key::Char('語')]),
            (b"\xff\xc3", vec![]),
            (b"\x80\x00a", vec![Key::Char('a')]),
        ] {
            assert_eq!(keys(bytes), wanted, "{bytes:?}");
        }
        // Whatever comes, it ends.
        for first in 0..=255u8 {
            for second in 0..=255 {
                let _ = keys(&[first, second, b'[', first]);
            }
        }
    }
}
