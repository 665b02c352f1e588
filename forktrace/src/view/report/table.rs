//! Columns of text, in a width.

use std::fmt::Write as _;

use textwrap::core::display_width;

use crate::{
    order,
    view::{clean, colours::Colours},
};

/// Columns of text that are left of a column that gives way.
const LEAST: usize = 8;

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
        // Its head gives way with it.
        let head = display_width(self.heads[gives]);
        let room = widths[gives]
            .saturating_sub(whole.saturating_sub(width))
            .max(LEAST);
        let cells: Vec<&str> = self.rows.iter().map(|row| &*row[gives]).collect();
        let shortened = shortened(&cells, room);
        let longest = shortened.iter().map(|cell| display_width(cell)).max();
        widths[gives] = longest.unwrap_or(0).max(head.min(room));
        let dim = colours.dim;
        let heads: Vec<String> = self.heads.iter().map(|head| (*head).to_owned()).collect();
        let _ = writeln!(out, "{dim}{}{dim:#}", self.line(&heads, &widths));
        for (row, cell) in self.rows.iter().zip(shortened) {
            let mut row = row.clone();
            row[gives] = cell;
            let _ = writeln!(out, "{}", self.line(&row, &widths));
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

/// Cells in so many columns. What tells two of them apart is never cut: where a cut would make them
/// the same it is made elsewhere, and where nothing helps they get more room.
fn shortened(cells: &[&str], room: usize) -> Vec<String> {
    let whole = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
    let fits = |cells: &[String], room| cells.iter().all(|cell| display_width(cell) <= room);
    let all: Vec<String> = whole(cells);
    if fits(&all, room) {
        return all;
    }
    let count = |cells: &[String]| order::set(cells).len();
    let differ = count(&all);
    // People know containers by the first twelve digits.
    let short: Vec<String> = cells.iter().map(|cell| short_ids(cell)).collect();
    let cells = match count(&short) == differ {
        true => short,
        false => all,
    };
    let mut room = room;
    while !fits(&cells, room) {
        for head in [2, 4, 1] {
            let cut = cells.iter().map(|cell| fit_at(cell, room, head, 4));
            let cut: Vec<String> = cut.collect();
            if count(&cut) == differ {
                return cut;
            }
        }
        room += room / 4 + 1;
    }
    cells
}

/// Long runs of hexadecimal digits by their first twelve, as container runtimes print them.
fn short_ids(text: &str) -> String {
    const LONG: usize = 32;
    const SHORT: usize = 12;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        if digits >= LONG {
            out.push_str(&rest[..SHORT]);
            out.push('…');
        } else {
            out.push_str(&rest[..digits]);
        }
        rest = &rest[digits..];
        let others = rest
            .char_indices()
            .find(|(_, c)| c.is_ascii_hexdigit())
            .map_or(rest.len(), |(at, _)| at);
        out.push_str(&rest[..others]);
        rest = &rest[others..];
    }
    out
}

/// The part at the end, from a dot on, that all names of hosts have: it tells none from another.
pub(super) fn common_domain<'a>(mut hosts: impl Iterator<Item = &'a str>) -> &'a str {
    let Some(first) = hosts.next() else {
        return "";
    };
    let Some(dot) = first.find('.').filter(|dot| *dot > 0) else {
        return "";
    };
    let mut common = &first[dot..];
    let mut several = false;
    for host in hosts {
        several = true;
        // A name that is nothing but the domain would have none left.
        while !common.is_empty() && (!host.ends_with(common) || host.len() == common.len()) {
            let next = common[1..].find('.');
            common = next.map_or("", |at| &common[1 + at..]);
        }
    }
    if several { common } else { "" }
}

/// Text in so many columns; what is too long loses its middle, because names
/// and paths differ at the ends.
pub(in crate::view) fn fit(text: &str, room: usize) -> String {
    fit_at(text, room, 1, 2)
}

/// The same, with so many parts of what is kept before the cut.
fn fit_at(text: &str, room: usize, part: usize, of: usize) -> String {
    if display_width(text) <= room {
        return text.to_owned();
    }
    let keep = room.saturating_sub(1);
    let before = keep * part / of;
    let head = take(text.chars(), before);
    let tail = take(text.chars().rev(), keep - before);
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

    fn rows_of(cells: &[&str], width: usize) -> Vec<String> {
        let mut table = Table::new(&[">n", "name"]);
        for cell in cells {
            table.row(vec!["5".to_owned(), (*cell).to_owned()]);
        }
        let mut out = String::new();
        table.print(&mut out, Colours::new(false), width, 1);
        out.lines()
            .skip(1)
            .map(|line| line.trim().to_owned())
            .collect()
    }

    #[test]
    fn what_tells_rows_apart_is_never_cut() {
        let cgroups: Vec<String> = (0..10)
            .flat_map(|n| {
                let long = "x".repeat(60);
                [
                    format!("/a/{long}{n}{long}/b"),
                    format!("/{n}{long}{long}"),
                    format!("{long}{long}{n}"),
                ]
            })
            .collect();
        for width in [40, 80, 120] {
            for one in 0..3 {
                let alike: Vec<&str> = cgroups.iter().skip(one).step_by(3).map(|c| &**c).collect();
                let rows = rows_of(&alike, width);
                let differ = order::set(&rows);
                assert_eq!(differ.len(), alike.len(), "{rows:?}");
                // Where the ends tell them apart, a cut helps.
                assert!(one == 0 || rows.iter().all(|row| display_width(row) <= width));
            }
        }
    }

    #[test]
    fn containers_are_known_by_twelve_digits() {
        let id = "0123456789ab".repeat(5) + "cdef";
        let path = format!("/system.slice/docker-{id}.scope");
        assert_eq!(short_ids(&path), "/system.slice/docker-0123456789ab….scope");
        assert_eq!(short_ids("/a/beef-é"), "/a/beef-é");
        let rows = rows_of(&[&path, "/x"], 50);
        assert_eq!(rows[0], "5  /system.slice/docker-0123456789ab….scope");
        // As long as there is room they are whole.
        assert!(rows_of(&[&path, "/x"], 200)[0].ends_with(&path));
    }

    #[test]
    fn hosts_lose_what_all_have() {
        let of = |hosts: &[&'static str]| common_domain(hosts.iter().copied());
        assert_eq!(
            of(&["web-1.eu.internal", "web-2.eu.internal"]),
            ".eu.internal"
        );
        assert_eq!(of(&["web-1.eu.internal", "db.us.internal"]), ".internal");
        for none in [
            &["web-1.internal", "web-2"][..],
            &["web-1.internal"],
            &[],
            &["a", "b"],
            &["a.x", "b.y"],
            &[".x", "a.x"],
            &["x.y", "a.x.y.z"],
        ] {
            assert_eq!(of(none), "", "{none:?}");
        }
        assert_eq!(of(&["a.x.y", "x.y"]), ".y");
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
