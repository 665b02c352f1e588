//! The catalogue of causes as a page of the documentation, `docs/causes.md`.

use std::fmt::Write as _;

use super::Explained;
use crate::{
    cause::{Cause, Page, Step, pages},
    view::output::{Format, How},
};

pub(crate) const FORMAT: Format<Explained> = Format {
    name: "markdown",
    about: "The documentation's page",
    for_people: false,
    how: How::Document(|explained, _| match explained {
        Explained::All => document(),
        Explained::One(page) => section(page),
        Explained::Several(pages) | Explained::Each(pages) => {
            pages.iter().map(|page| section(page)).collect()
        }
    }),
};

const OPENING: &str = "\
<!-- Generated: forktrace explain --format markdown > docs/causes.md -->

# Why process and thread creation fails

Every cause that forktrace knows, as `forktrace explain` prints it. The facts hold for Linux 5.10 to 7.3; where versions
differ, they are named. File names are those of 6.1. Commands are for a POSIX shell, as root; what is written `$PID` or
`$UNIT` has to be set first.

| cause | errno | whose limit | |
|---|---|---|---|
";

/// The whole page.
fn document() -> String {
    let mut out = OPENING.to_owned();
    for page in pages() {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            link(page.cause),
            page.errno.join(", "),
            page.scope,
            page.summary
        );
    }
    for page in pages() {
        out.push('\n');
        out.push_str(&section(page));
    }
    out
}

/// One cause.
fn section(page: &Page) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "## {}\n\n{}\n",
        page.cause.id(),
        sentence(page.summary)
    );
    let _ = write!(out, "- **errno**: {}", page.errno.join(", "));
    match page.errno_note {
        Some(note) => {
            let _ = writeln!(out, ". {note}");
        }
        None => out.push('\n'),
    }
    if !page.known_as.is_empty() {
        let names: Vec<String> = page.known_as.iter().map(|n| format!("`{n}`")).collect();
        let _ = writeln!(out, "- **names**: {}", names.join(", "));
    }
    let _ = writeln!(out, "- **whose**: {}", page.scope);
    let _ = writeln!(out, "- **exempt**: {}", page.exempt);
    for about in page.about {
        let _ = writeln!(out, "\n{about}");
    }
    out.push_str("\n### Who checks\n\n");
    for check in page.checks {
        let _ = writeln!(
            out,
            "- `{}()` in {} ({}): {}",
            check.function, check.file, check.versions, check.text
        );
    }
    out.push_str("\n### Confirm by hand\n");
    let variables = page.variables();
    if !variables.is_empty() {
        let set: Vec<String> = variables
            .iter()
            .map(|(name, what)| format!("`{name}` ({what})"))
            .collect();
        let _ = writeln!(out, "\nSet first: {}.", set.join(", "));
    }
    steps(&mut out, page.confirm);
    out.push_str("\n### Fix it now\n");
    steps(&mut out, page.fix_now);
    out.push_str("\n### Fix it for good\n");
    for remedy in page.fix_for_good {
        let _ = writeln!(out, "\n**{}**: {}", remedy.place, remedy.text);
        fence(&mut out, "sh", remedy.commands);
        fence(&mut out, "", remedy.lines);
    }
    if !page.folklore.is_empty() {
        out.push_str("\n### Often said, and wrong\n\n");
        for myth in page.folklore {
            let _ = writeln!(out, "- \"{}\" {}", myth.claim, myth.fact);
        }
    }
    let related: Vec<String> = page.related.iter().map(|c| link(*c)).collect();
    let _ = writeln!(out, "\nSee also: {}.", related.join(", "));
    out
}

fn steps(out: &mut String, steps: &[Step]) {
    for step in steps {
        let _ = writeln!(out, "\n{}", step.text);
        fence(out, "sh", step.commands);
    }
}

fn fence(out: &mut String, language: &str, lines: &[&str]) {
    if !lines.is_empty() {
        let _ = writeln!(out, "\n```{language}\n{}\n```", lines.join("\n"));
    }
}

fn link(cause: Cause) -> String {
    format!("[{0}](#{0})", cause.id())
}

/// A summary as a sentence of its own.
fn sentence(summary: &str) -> String {
    let mut letters = summary.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_page_is_what_the_program_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/causes.md");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == document(),
            "docs/causes.md is stale; make it again with\n  \
             cargo run -p forktrace -- explain --format markdown > docs/causes.md"
        );
    }
}
