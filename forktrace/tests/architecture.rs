//! What ARCHITECTURE.md says of the rooms of `src/`, held against the sources themselves.

use std::{
    fs,
    path::{Path, PathBuf},
};

const SRC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

/// A source file without its tests.
struct Source {
    /// From `src/`: `cause/judge.rs`.
    path: String,
    text: String,
}

/// All of `src/` but what is compiled for tests alone.
fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders = vec![PathBuf::from(SRC)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !is_test(&path) {
                let text = fs::read_to_string(&path).expect("a source file");
                let path = path.strip_prefix(SRC).expect("below src/");
                sources.push(Source {
                    path: path.to_string_lossy().into_owned(),
                    text: without_tests(&text).to_owned(),
                });
            }
        }
    }
    assert!(sources.len() > 200, "{} sources", sources.len());
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn is_test(path: &Path) -> bool {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    name.ends_with("tests")
}

/// Tests are the last part of a file.
fn without_tests(text: &str) -> &str {
    const TESTS: [&str; 2] = ["#[cfg(test)]\nmod tests {", "#[cfg(test)]\npub mod tests {"];
    let ends = TESTS.iter().filter_map(|tests| text.find(tests));
    &text[..ends.min().unwrap_or(text.len())]
}

/// Where a cause may be named beside the catalogue: its id, and what provokes it on a live host. All
/// else asks the catalogue, so that a new cause is one file, one line there, and its tests.
const NAME_CAUSES: [&str; 3] = ["cause/", "model/cause.rs", "selftest/provocation/"];

#[test]
fn causes_are_named_in_their_own_files_alone() {
    for source in sources() {
        if NAME_CAUSES.iter().any(|at| source.path.starts_with(at)) {
            continue;
        }
        for (n, line) in source.text.lines().enumerate() {
            let named = line.split("Cause::").skip(1).any(|rest| {
                let mut next = rest.chars();
                // A variant, not a function and not a constant.
                next.next().is_some_and(char::is_uppercase)
                    && next.next().is_some_and(char::is_lowercase)
            });
            assert!(!named, "src/{}:{}: {line}", source.path, n + 1);
        }
    }
}
