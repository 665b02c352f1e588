//! A report as Markdown, for tickets and mails: what to do first and the tables, or that of `--by` alone.

use std::fmt::Write as _;

use super::{
    grid::{Grid, Times, grid},
    words::{count, notes, with_offset},
};
use crate::{
    report::{By, Report},
    view::{
        clean,
        output::{Format, How},
    },
};

pub(crate) const FORMAT: Format<Report> = Format {
    name: "markdown",
    about: "For tickets and mails",
    for_people: false,
    how: How::Document(|report, _| markdown(report)),
};

fn markdown(r: &Report) -> String {
    let mut out = String::new();
    let t = &r.totals;
    let _ = writeln!(
        out,
        "# {} on {}\n",
        count(t.failures, "failed creation"),
        count(r.hosts.len() as u64, "host")
    );
    if let (Some(first), Some(last)) = (&t.first, &t.last) {
        let (first, last) = (with_offset(first), with_offset(last));
        let _ = writeln!(out, "{} to {}\n", text(&first), text(&last));
    }
    if let Some(by) = r.asked.by {
        table(&mut out, r, by);
    } else if t.failures > 0 {
        advice(&mut out, r);
        for by in By::ALL {
            let named = |rows: &[crate::report::RollRow]| rows.iter().any(|row| row.name.is_some());
            let shown = match by {
                By::Unit => named(&r.rolled.units.rows),
                By::Pod => named(&r.rolled.pods.rows),
                _ => true,
            };
            if shown {
                table(&mut out, r, by);
            }
        }
    }
    let notes = notes(r);
    if !notes.is_empty() {
        let _ = writeln!(out, "## To know\n");
        for note in notes {
            let _ = writeln!(out, "- {}", text(&note));
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn advice(out: &mut String, r: &Report) {
    let _ = writeln!(out, "## What to do first\n");
    for (n, advice) in r.advice.iter().enumerate() {
        let failures = count(advice.failures, "failure");
        let _ = writeln!(out, "{}. **{failures}**: {}", n + 1, text(&advice.summary));
        for fix in advice.fix.iter().chain(&advice.more_fixes) {
            if let Some(now) = &fix.now {
                let _ = writeln!(out, "   - now: {}", code(now));
            }
            if let Some(lasting) = &fix.persistent {
                let _ = writeln!(out, "   - lasting: {}", text(lasting));
            }
            if let Some(note) = &fix.note {
                let _ = writeln!(out, "   - {}", text(note));
            }
        }
    }
    out.push('\n');
}

fn table(out: &mut String, r: &Report, by: By) {
    let Grid { heads, rows, rest } = grid(r, by, Times::Short);
    let _ = writeln!(out, "## By {}\n", by.name());
    for head in &heads {
        let _ = write!(out, "| {} ", head.trim_start_matches('>'));
    }
    out.push_str("|\n");
    for head in &heads {
        out.push_str(if head.starts_with('>') {
            "|---:"
        } else {
            "|---"
        });
    }
    out.push_str("|\n");
    for row in &rows {
        for cell in row {
            let _ = write!(out, "| {} ", text(cell));
        }
        out.push_str("|\n");
    }
    for sentence in rest.sentences() {
        let _ = write!(out, "\n{sentence}\n");
    }
    out.push('\n');
}

/// Foreign text that is text alone.
fn text(foreign: &str) -> String {
    let mut out = String::new();
    for c in clean(foreign).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' => {
                out.push('\\');
                out.push(c);
            }
            // What a forge would make a link or a mention of.
            '@' => out.push_str("&#64;"),
            ':' => out.push_str("&#58;"),
            _ => out.push(c),
        }
    }
    out
}

/// A command, in as many backticks as it takes.
fn code(command: &str) -> String {
    let command = clean(command);
    let runs = command.split(|c| c != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or(0) + 1);
    let pad = if command.starts_with('`') || command.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{command}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_no_markup() {
        assert_eq!(
            text("<b>|*a*_b_[x](http://y)@z"),
            "&lt;b&gt;\\|\\*a\\*\\_b\\_\\[x\\](http&#58;//y)&#64;z"
        );
        assert_eq!(code("echo `x`"), "`` echo `x` ``");
        assert_eq!(code("echo 1 > f"), "`echo 1 > f`");
    }
}
