//! Counts that move: the last lines of a terminal, printed over as they change.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use textwrap::core::display_width;

use crate::model::clean;

/// How often they are drawn at most.
const EVERY: Duration = Duration::from_millis(250);

/// What of them is on the terminal.
pub(super) struct Moving {
    width: usize,
    drawn: Vec<String>,
    at: Option<Instant>,
    /// There is something newer than what is drawn.
    stale: bool,
}

impl Moving {
    /// Lines are cut to this width: one that the terminal wraps can't be printed over.
    pub(super) fn new(width: usize) -> Self {
        Self {
            width,
            drawn: Vec::new(),
            at: None,
            stale: false,
        }
    }

    /// When to draw what could not be drawn for it was drawn just now.
    pub(super) fn due(&self) -> Option<Instant> {
        self.at.filter(|_| self.stale).map(|at| at + EVERY)
    }

    /// Draws the lines, unless that has just been done.
    pub(super) fn draw<W: Write>(
        &mut self,
        out: &mut W,
        lines: impl FnOnce() -> Vec<String>,
    ) -> io::Result<()> {
        if self.at.is_some_and(|at| at.elapsed() < EVERY) {
            self.stale = true;
            return Ok(());
        }
        let lines = lines();
        let cut = lines.iter().map(|line| cut(&clean(line), self.width));
        let lines: Vec<String> = cut.collect();
        self.stale = false;
        if lines == self.drawn {
            return Ok(());
        }
        self.clear(out)?;
        // In one piece, so that none is seen half.
        out.write_all(lines.join("\n").as_bytes())?;
        self.at = (!lines.is_empty()).then(Instant::now);
        self.drawn = lines;
        self.stale = false;
        out.flush()
    }

    /// Leaves the cursor where the first of them stood.
    pub(super) fn clear<W: Write>(&mut self, out: &mut W) -> io::Result<()> {
        if self.drawn.is_empty() {
            return Ok(());
        }
        let mut erase = "\r\x1b[K".to_owned();
        erase.push_str(&"\x1b[1A\x1b[K".repeat(self.drawn.len() - 1));
        self.drawn.clear();
        self.stale = true;
        out.write_all(erase.as_bytes())
    }
}

/// The last column stays free: some terminals go on to the next line there.
fn cut(line: &str, width: usize) -> String {
    let room = width.saturating_sub(1).max(1);
    if display_width(line) <= room {
        return line.to_owned();
    }
    let mut text = String::new();
    let mut used = 1;
    let mut buffer = [0; 4];
    for c in line.chars() {
        used += display_width(c.encode_utf8(&mut buffer));
        if used > room {
            break;
        }
        text.push(c);
    }
    text + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_printed_over() {
        let mut out = Vec::new();
        let mut moving = Moving::new(20);
        moving
            .draw(&mut out, || vec!["one".to_owned(), "two".to_owned()])
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&out), "one\ntwo");
        // Too early for the next.
        out.clear();
        moving.draw(&mut out, || vec!["three".to_owned()]).unwrap();
        assert!(out.is_empty() && moving.due().is_some());
        moving.clear(&mut out).unwrap();
        assert_eq!(String::from_utf8_lossy(&out), "\r\x1b[K\x1b[1A\x1b[K");
        out.clear();
        moving.clear(&mut out).unwrap();
        assert!(out.is_empty());
    }

    #[test]
    fn none_is_longer_than_the_terminal_is_wide() {
        for width in [5, 20, 80] {
            let text = cut(&"日本 x ".repeat(40), width);
            assert!(display_width(&text) < width, "{text}");
            assert!(text.ends_with('…'));
        }
    }

    #[test]
    fn what_names_hold_does_not_reach_the_terminal() {
        let mut out = Vec::new();
        let mut moving = Moving::new(80);
        moving
            .draw(&mut out, || vec!["\x1b[2J\n".to_owned()])
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&out), "\\u{1b}[2J\\u{a}");
    }
}
