//! Examples of the documents, with forktrace and the tools that they name: a block of commands (`sh`)
//! followed by one of what they print (`text`).

use crate::{json_tools, paths, run};
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const RECORDINGS: &str = "docs/examples";
/// As old as the schema.
const OLD_RECORDING: &str = "forktrace/tests/data/schema-1.ndjson";

/// What examples run in.
pub(super) struct Tools {
    folder: PathBuf,
    path: OsString,
}

impl Tools {
    /// A folder with the recordings, and forktrace and the others on the path.
    pub(super) fn new(forktrace: &Path) -> Result<Self> {
        let tools = json_tools::get()?;
        let folder = paths::work_dir("docs")?;
        let own = paths::work_dir("docs-bin")?;
        fs::copy(forktrace, own.join("forktrace"))
            .with_context(|| format!("copying {}", forktrace.display()))?;
        fs::copy(
            paths::root().join(OLD_RECORDING),
            folder.join("failures.ndjson"),
        )
        .with_context(|| format!("copying {OLD_RECORDING}"))?;
        for entry in fs::read_dir(paths::root().join(RECORDINGS))? {
            let entry = entry?;
            fs::copy(entry.path(), folder.join(entry.file_name()))?;
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut all = vec![own, tools];
        all.extend(std::env::split_paths(&path));
        Ok(Self {
            folder,
            path: std::env::join_paths(all)?,
        })
    }

    /// What commands print, on standard output.
    pub(super) fn print(&self, commands: &str) -> Result<String> {
        run::capture(
            Command::new("bash")
                .args(["-c", commands])
                .current_dir(&self.folder)
                .env("PATH", &self.path)
                .env("TZ", "UTC"),
        )
    }
}

/// Commands, and what the document says that they print.
pub(super) struct Example<'a> {
    commands: String,
    printed: &'a str,
}

impl Example<'_> {
    /// Runs it.
    pub(super) fn check(&self, tools: &Tools) -> Result<()> {
        let printed = tools.print(&self.commands)?;
        ensure!(
            shows(self.printed, &printed),
            "it prints\n{printed}and the page says\n{}(`cargo xtask docs` writes it anew)",
            self.printed
        );
        Ok(())
    }
}

/// Whether a page shows this: all of it, or the beginning, where its last line is `…`.
fn shows(page: &str, printed: &str) -> bool {
    match page.strip_suffix("…\n") {
        Some(beginning) => printed.starts_with(beginning),
        None => printed == page,
    }
}

/// Each block of commands that is followed by one of text.
pub(super) fn of(document: &str) -> Vec<Example<'_>> {
    let blocks = blocks(document);
    blocks
        .windows(2)
        .filter(|two| two[0].language == "sh" && two[1].language == "text")
        .map(|two| Example {
            commands: two[0].content.to_owned(),
            printed: two[1].content,
        })
        .collect()
}

/// The document with what its examples print now; one that is cut short stays as long as it is.
pub(super) fn rewritten(document: &str, tools: &Tools) -> Result<String> {
    let mut new = String::new();
    let mut rest = document;
    for example in of(document) {
        let at = example.printed.as_ptr() as usize - rest.as_ptr() as usize;
        let printed = tools.print(&example.commands)?;
        new.push_str(&rest[..at]);
        match example.printed.ends_with("…\n") {
            true => {
                let lines = example.printed.lines().count() - 1;
                new.extend(printed.split_inclusive('\n').take(lines));
                new.push_str("…\n");
            }
            false => new.push_str(&printed),
        }
        rest = &rest[at + example.printed.len()..];
    }
    new.push_str(rest);
    Ok(new)
}

/// A fenced block.
struct Block<'a> {
    language: &'a str,
    content: &'a str,
}

fn blocks(document: &str) -> Vec<Block<'_>> {
    let mut all = Vec::new();
    let mut open: Option<(&str, usize)> = None;
    let mut at = 0;
    for line in document.split_inclusive('\n') {
        match (open, line.trim_end().strip_prefix("```")) {
            (Some((language, start)), Some("")) => {
                let content = &document[start..at];
                all.push(Block { language, content });
                open = None;
            }
            (None, Some(language)) => open = Some((language, at + line.len())),
            _ => {}
        }
        at += line.len();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{of, shows};

    #[test]
    fn a_block_of_commands_and_what_it_prints() {
        let document =
            "a\n```sh\none\ntwo\n```\nb\n```text\n1\n```\n```sh\nalone\n```\n```json\n{}\n```\n";
        let found = of(document);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].commands, "one\ntwo\n");
        assert_eq!(found[0].printed, "1\n");
    }

    #[test]
    fn what_is_cut_short_shows_the_beginning() {
        assert!(shows("1\n…\n", "1\n2\n3\n") && shows("1\n", "1\n"));
        assert!(!shows("2\n…\n", "1\n2\n") && !shows("1\n", "1\n2\n"));
    }
}
