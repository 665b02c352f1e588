//! The examples of docs/recordings.md, with the real tools.

use super::Tally;
use crate::{json_tools, paths, run};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;

const DOCUMENT: &str = "docs/recordings.md";
const RECORDING: &str = "forktrace/tests/data/schema-1.ndjson";

/// Runs every example that is followed by what it prints.
pub fn run(tally: &mut Tally) -> Result<()> {
    let text = fs::read_to_string(paths::root().join(DOCUMENT))
        .with_context(|| format!("reading {DOCUMENT}"))?;
    let examples = examples(&text);
    ensure!(!examples.is_empty(), "{DOCUMENT} has no examples");
    let tools = json_tools::get()?;
    let folder = paths::work_dir("docs")?;
    fs::copy(
        paths::root().join(RECORDING),
        folder.join("failures.ndjson"),
    )
    .with_context(|| format!("copying {RECORDING}"))?;
    for (n, example) in examples.iter().enumerate() {
        let name = format!("{DOCUMENT}: example {}", n + 1);
        tally.step(&name, &check(example, &folder, &tools));
    }
    Ok(())
}

/// Commands, and what they print.
struct Example {
    commands: String,
    printed: String,
}

/// Each block of commands that is followed by one of text.
fn examples(document: &str) -> Vec<Example> {
    let blocks: Vec<(&str, String)> = blocks(document);
    blocks
        .windows(2)
        .filter(|two| two[0].0 == "sh" && two[1].0 == "text")
        .map(|two| Example {
            commands: two[0].1.clone(),
            printed: two[1].1.clone(),
        })
        .collect()
}

/// Fenced blocks: language and content.
fn blocks(document: &str) -> Vec<(&str, String)> {
    let mut all = Vec::new();
    let mut open: Option<(&str, String)> = None;
    for line in document.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some("")) => all.extend(open.take()),
            (Some((_, content)), _) => {
                content.push_str(line);
                content.push('\n');
            }
            (None, Some(language)) => open = Some((language, String::new())),
            (None, None) => {}
        }
    }
    all
}

fn check(example: &Example, folder: &Path, tools: &Path) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all = vec![tools.to_owned()];
    all.extend(std::env::split_paths(&path));
    let printed = run::capture(
        Command::new("bash")
            .args(["-c", &example.commands])
            .current_dir(folder)
            .env("PATH", std::env::join_paths(all)?),
    )?;
    ensure!(
        printed == example.printed,
        "it prints\n{printed}and the page says\n{}",
        example.printed
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::examples;

    #[test]
    fn a_block_of_commands_and_what_it_prints() {
        let document =
            "a\n```sh\none\ntwo\n```\nb\n```text\n1\n```\n```sh\nalone\n```\n```json\n{}\n```\n";
        let found = examples(document);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].commands, "one\ntwo\n");
        assert_eq!(found[0].printed, "1\n");
    }
}
