//! The catalogue of causes as text for people.

use std::fmt::Write as _;

use super::Explained;
use crate::{
    cause::{Cause, Page, Step, pages},
    view::{
        colours::Colours,
        output::{Format, How},
        wrap::wrap,
    },
};

pub(crate) const FORMAT: Format<Explained> = Format {
    name: "text",
    about: "For people",
    for_people: true,
    how: How::Document(|explained, look| match explained {
        Explained::All => list(pages(), look.colours),
        Explained::Several(several) => list(several.iter().copied(), look.colours),
        Explained::One(one) => page(one, look.colours, look.width),
        Explained::Each(each) => {
            let each = each.iter().map(|one| page(one, look.colours, look.width));
            each.collect::<Vec<_>>().join("\n")
        }
    }),
};

/// Beyond this, lines are long rather than readable.
const WIDEST: usize = 100;

/// Causes: id, errno, whose limit, and one line about each. 80 columns.
fn list(pages: impl Iterator<Item = &'static Page>, colours: bool) -> String {
    let Colours { bold, dim, .. } = Colours::new(colours);
    let mut out = String::new();
    let _ = writeln!(out, "{dim}{:<26}{:<16}WHOSE LIMIT{dim:#}", "CAUSE", "ERRNO");
    for page in pages {
        let _ = writeln!(
            out,
            "{bold}{:<26}{bold:#}{:<16}{}\n  {}",
            page.cause.id(),
            page.errno.join(", "),
            page.scope,
            page.summary,
        );
    }
    out.push_str("\n`forktrace explain CAUSE` says how to confirm it, and what to do about it.\n");
    out
}

/// One cause, in full. `width` in columns; at most 100 are used.
fn page(page: &Page, colours: bool, width: usize) -> String {
    let mut out = Text {
        out: String::new(),
        colours: Colours::new(colours),
        width: width.clamp(40, WIDEST),
    };
    out.head(page);
    out.checks(page);
    out.confirm(page);
    out.fixes(page);
    out.folklore(page);
    out.related(page);
    out.out
}

struct Text {
    out: String,
    colours: Colours,
    width: usize,
}

impl Text {
    fn head(&mut self, page: &Page) {
        let bold = self.colours.bold;
        let _ = writeln!(self.out, "{bold}{}{bold:#}", page.cause.id());
        self.paragraph(2, page.summary);
        self.out.push('\n');
        self.row("errno", &page.errno.join(", "));
        if let Some(note) = page.errno_note {
            self.row("", note);
        }
        if !page.known_as.is_empty() {
            self.row("names", &page.known_as.join(", "));
        }
        self.row("whose", page.scope);
        self.row("exempt", page.exempt);
        for about in page.about {
            self.out.push('\n');
            self.paragraph(2, about);
        }
    }

    fn checks(&mut self, page: &Page) {
        self.heading("Who checks");
        let bold = self.colours.bold;
        for check in page.checks {
            let _ = writeln!(
                self.out,
                "  {bold}{}(){bold:#} in {} ({})",
                check.function, check.file, check.versions
            );
            self.paragraph(4, check.text);
        }
    }

    fn confirm(&mut self, page: &Page) {
        self.heading("Confirm by hand");
        let variables = page.variables();
        if !variables.is_empty() {
            self.paragraph(
                2,
                "Commands are for root. Set first, as far as they are needed:",
            );
            let lines: Vec<String> = variables
                .iter()
                .map(|(name, what)| format!("{:<12}# {what}", format!("{name}=")))
                .collect();
            self.copyable(lines.iter().map(String::as_str));
            self.out.push('\n');
        }
        self.steps(page.confirm);
    }

    fn fixes(&mut self, page: &Page) {
        self.heading("Fix it now");
        self.steps(page.fix_now);
        self.heading("Fix it for good");
        let bold = self.colours.bold;
        for remedy in page.fix_for_good {
            let _ = writeln!(self.out, "  {bold}{}{bold:#}", remedy.place);
            self.paragraph(4, remedy.text);
            self.copyable(remedy.commands.iter().copied());
            self.copyable(remedy.lines.iter().copied());
        }
    }

    fn steps(&mut self, steps: &[Step]) {
        for (at, step) in steps.iter().enumerate() {
            if at > 0 {
                self.out.push('\n');
            }
            self.paragraph(2, step.text);
            self.copyable(step.commands.iter().copied());
        }
    }

    fn folklore(&mut self, page: &Page) {
        if page.folklore.is_empty() {
            return;
        }
        self.heading("Often said, and wrong");
        for myth in page.folklore {
            self.paragraph(2, &format!("\"{}\"", plain(myth.claim)));
            self.paragraph(4, myth.fact);
        }
    }

    fn related(&mut self, page: &Page) {
        self.heading("See also");
        let ids: Vec<&str> = page.related.iter().map(|c| Cause::id(*c)).collect();
        self.paragraph(2, &ids.join(", "));
    }

    fn heading(&mut self, text: &str) {
        let bold = self.colours.bold;
        let _ = writeln!(self.out, "\n{bold}{text}{bold:#}");
    }

    fn row(&mut self, label: &str, text: &str) {
        const INDENT: usize = 10;
        let dim = self.colours.dim;
        let mut label = label;
        for line in wrap(&plain(text), self.width - INDENT) {
            let _ = writeln!(self.out, "  {dim}{label:<8}{dim:#}{line}");
            label = "";
        }
    }

    fn paragraph(&mut self, indent: usize, text: &str) {
        for line in wrap(&plain(text), self.width - indent) {
            let _ = writeln!(self.out, "{:indent$}{line}", "");
        }
    }

    /// Lines to be copied: never wrapped.
    fn copyable<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        let good = self.colours.good;
        for line in lines {
            let _ = writeln!(self.out, "      {good}{line}{good:#}");
        }
    }
}

/// Without the marks of code, except where its words would run into the
/// sentence's.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, part) in text.split('`').enumerate() {
        let marked = at % 2 == 1 && part.contains(' ');
        let mark = if marked { "`" } else { "" };
        out.extend([mark, part, mark]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_fits_eighty_columns() {
        let all = pages().map(|p| page(p, false, 80));
        for text in all.chain([list(pages(), false)]) {
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{line}");
                assert_eq!(line.trim_end(), line);
            }
        }
    }

    #[test]
    fn code_is_marked_where_it_would_be_misread() {
        assert_eq!(
            plain("run `unshare --pid` in `sh`"),
            "run `unshare --pid` in sh"
        );
    }

    #[test]
    fn colours_only_where_asked_for_and_any_width_will_do() {
        for p in pages() {
            assert!(!page(p, false, 80).contains('\x1b'));
            assert!(page(p, true, 80).contains('\x1b'));
            assert_eq!(page(p, false, 0), page(p, false, 40));
            assert_eq!(page(p, false, 1000), page(p, false, 100));
        }
        assert!(!list(pages(), false).contains('\x1b'));
        for cause in Cause::ALL.iter().copied() {
            assert!(list(pages(), false).contains(cause.id()));
        }
    }
}
