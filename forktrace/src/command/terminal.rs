//! What standard output can show.

use std::io::{self, IsTerminal as _};

use forktrace::view::Look;
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::cli::Color;

/// How it looks there.
pub(super) fn look(color: Color) -> Look {
    Look {
        colours: colours(color),
        width: width(),
        moves: can_print_over(),
        ..Look::PLAIN
    }
}

/// Whether lines on standard output can be printed over.
fn can_print_over() -> bool {
    io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|v| v != "dumb")
}

/// Whether standard output is one.
pub(super) fn is_there() -> bool {
    io::stdout().is_terminal()
}

/// Whether nobody reads it any more: the other end of a pipe is closed.
pub(super) fn is_gone() -> bool {
    let out = io::stdout();
    let mut poll = [PollFd::new(&out, PollFlags::empty())];
    let at_once = Timespec::default();
    rustix::event::poll(&mut poll, Some(&at_once)).is_ok()
        && poll[0].revents().contains(PollFlags::ERR)
}

/// Whether to colour it.
fn colours(when: Color) -> bool {
    match when {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
                && std::env::var_os("TERM").is_none_or(|v| v != "dumb")
        }
    }
}

/// Columns that a line may take; 80 where it is no terminal.
fn width() -> usize {
    if io::stdout().is_terminal() {
        columns()
    } else {
        80
    }
}

/// Rows of the terminal on standard output; 24 when it doesn't say.
pub(super) fn rows() -> usize {
    size()
        .filter(|size| size.ws_row > 0)
        .map_or(24, |size| usize::from(size.ws_row))
}

/// Columns of the terminal on standard output; 80 when it doesn't say.
fn columns() -> usize {
    size()
        .filter(|size| size.ws_col > 0)
        .map_or(80, |size| usize::from(size.ws_col))
}

fn size() -> Option<libc::winsize> {
    // SAFETY: an all-zero winsize is a value of it.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: a live winsize, which the request fills.
    let rc = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (rc == 0).then_some(size)
}

/// Text from the top left corner on, each line over what was there, the rest cleared. What doesn't fit is cut.
pub(super) fn in_place(text: &[u8], rows: usize) -> Vec<u8> {
    let mut out = b"\x1b[H".to_vec();
    let lines = text.split(|&b| b == b'\n').filter(|line| {
        // Of the text's end, not of a line between.
        line.as_ptr() != text.as_ptr_range().end || !line.is_empty()
    });
    for (n, line) in lines.take(rows.saturating_sub(1).max(1)).enumerate() {
        if n > 0 {
            out.extend(b"\r\n");
        }
        out.extend(line);
        out.extend(b"\x1b[K");
    }
    out.extend(b"\r\n\x1b[J");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_to_the_terminal() {
        let shown = in_place(b"a\n\nb\nc\n", 4);
        assert_eq!(shown, b"\x1b[Ha\x1b[K\r\n\x1b[K\r\nb\x1b[K\r\n\x1b[J");
        let whole = in_place(b"a\n", 24);
        assert_eq!(whole, b"\x1b[Ha\x1b[K\r\n\x1b[J");
    }
}
