//! What standard output can show.

use std::io::{self, IsTerminal as _};

use forktrace::view::Look;

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
