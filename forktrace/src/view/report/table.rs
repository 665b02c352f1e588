//! Columns of text, in a width.

use std::fmt::Write as _;

use textwrap::core::display_width;

use crate::view::{clean, colours::Colours};

/// A table of which one column gives way.
pub(in crate::view) struct Table {
    heads: Vec<&'static str>,
    /// Which columns hold numbers.
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A head beginning with `>` is a number's.
    pub(in crate::view) fn new(heads: &[&'static str]) -> Self {
        Self {
            heads: heads
                .iter()
                .map(|head| head.trim_start_matches('>'))
                .collect(),
            right: heads.iter().map(|head| head.starts_with('>')).collect(),
            rows: Vec::new(),
        }
    }

    /// Foreign text is made harmless here.
    pub(in crate::view) fn row(&mut self, cells: Vec<String>) {
        let clean = cells.iter().map(|cell| clean(cell).into_owned());
        self.rows.push(clean.collect());
    }

    /// The column of this number gives way until all fit into `width`.
    pub(in crate::view) fn print(
        &self,
        out: &mut String,
        colours: Colours,
        width: usize,
        gives: usize,
    ) {
        if self.rows.is_empty() {
            return;
        }
        let mut widths: Vec<usize> = self.heads.iter().map(|head| display_width(head)).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = display_width(cell).max(*width);
            }
        }
        let whole: usize = widths.iter().map(|width| width + 2).sum();
        let least = display_width(self.heads[gives]).max(8);
        widths[gives] = widths[gives]
            .saturating_sub(whole.saturating_sub(width))
            .max(least);
        let dim = colours.dim;
        let heads: Vec<String> = self.heads.iter().map(|head| (*head).to_owned()).collect();
        let _ = writeln!(out, "{dim}{}{dim:#}", self.line(&heads, &widths));
        for row in &self.rows {
            let _ = writeln!(out, "{}", self.line(row, &widths));
        }
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, width), right) in cells.iter().zip(widths).zip(&self.right) {
            let cell = fit(cell, *width);
            let space = " ".repeat(width.saturating_sub(display_width(&cell)));
            let _ = match right {
                true => write!(line, "  {space}{cell}"),
                false => write!(line, "  {cell}{space}"),
            };
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// Text in so many columns; what is too long loses its middle, because names
/// and paths differ at the ends.
pub(super) fn fit(text: &str, room: usize) -> String {
    if display_width(text) <= room {
        return text.to_owned();
    }
    let keep = room.saturating_sub(1);
    let head = take(text.chars(), keep / 2);
    let tail = take(text.chars().rev(), keep - keep / 2);
    let tail: String = tail.chars().rev().collect();
    format!("{head}…{tail}")
}

fn take(chars: impl Iterator<Item = char>, room: usize) -> String {
    let mut used = 0;
    let mut buffer = [0; 4];
    chars
        .take_while(|c| {
            used += display_width(c.encode_utf8(&mut buffer));
            used <= room
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_keeps_its_ends() {
        assert_eq!(fit("/a/b", 4), "/a/b");
        assert_eq!(fit("/kubepods/pod1/container", 9), "/kub…iner");
        assert_eq!(fit("日本語日本語", 6), "日…語");
        assert_eq!(fit("ab", 1), "…");
    }

    #[test]
    fn fits_by_shrinking_one_column() {
        let mut table = Table::new(&[">n", "name"]);
        table.row(vec!["5".to_owned(), "x".repeat(100)]);
        table.row(vec!["12345".to_owned(), "y\u{1b}[2J".to_owned()]);
        let mut out = String::new();
        table.print(&mut out, Colours::new(false), 40, 1);
        assert!(out.lines().all(|line| display_width(line) <= 40), "{out}");
        assert!(out.contains("      5  xxxx"), "{out}");
        assert!(out.contains("y\\u{1b}[2J"), "{out}");
    }
}
