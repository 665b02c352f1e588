//! What ARCHITECTURE.md says of the rooms of `src/`, held against the sources themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const ARCHITECTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md");
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
    const TESTS: [&str; 2] = [
        "#[cfg(test)]\nmod tests {",
        "#[cfg(test)]\npub(crate) mod tests {",
    ];
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

/// A row of the table "Who may know what" that is about a room of `src/`.
struct Room {
    name: String,
    uses: BTreeSet<String>,
}

/// In the table's order.
fn rooms() -> Vec<Room> {
    let text = fs::read_to_string(ARCHITECTURE).expect("ARCHITECTURE.md");
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `forktrace/src/"));
    rows.map(|row| {
        let mut cells = row.split('|');
        let name = cells.next().expect("a name").trim().trim_end_matches('`');
        let uses = cells.nth(1).expect("a cell `uses`");
        let uses = uses.split(',').map(|room| room.trim().trim_matches('`'));
        Room {
            name: name.to_owned(),
            uses: uses.filter(|u| !u.is_empty()).map(str::to_owned).collect(),
        }
    })
    .collect()
}

/// Which rooms each room of `src/` imports from, and a file that does.
fn imports() -> BTreeMap<String, BTreeMap<String, String>> {
    let mut all: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for source in sources() {
        // The roots of the library and of the command list rooms, and are none.
        if ["lib.rs", "main.rs"].contains(&&*source.path) {
            continue;
        }
        let room = source.path.split(['/', '.']).next().expect("a room");
        let of = all.entry(room.to_owned()).or_default();
        for used in used_by(&source.text) {
            if used != room {
                of.entry(used.to_owned())
                    .or_insert_with(|| source.path.clone());
            }
        }
    }
    all
}

/// The rooms after `crate::` and `forktrace::`, alone or in a list, comments apart.
fn used_by(text: &str) -> BTreeSet<&str> {
    let mut used = BTreeSet::new();
    let lines = || {
        let mut at = 0;
        text.split_inclusive('\n').map(move |line| {
            at += line.len();
            (at - line.len(), line)
        })
    };
    for (start, line) in lines().filter(|(_, line)| !line.trim_start().starts_with("//")) {
        for root in ["crate::", "forktrace::"] {
            for (at, _) in line.match_indices(root) {
                let path = &text[start + at + root.len()..];
                match path.strip_prefix('{') {
                    Some(list) => used.extend(first_names(list)),
                    None => used.extend(first_name(path)),
                }
            }
        }
    }
    used
}

/// Of each path of a list, up to its end.
fn first_names(list: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let (mut depth, mut from) = (0, 0);
    for (at, c) in list.char_indices() {
        match (c, depth) {
            ('{', _) => depth += 1,
            ('}', 0) => {
                names.extend(first_name(list[from..at].trim_start()));
                break;
            }
            ('}', _) => depth -= 1,
            (',', 0) => {
                names.extend(first_name(list[from..at].trim_start()));
                from = at + 1;
            }
            _ => {}
        }
    }
    names
}

fn first_name(path: &str) -> Option<&str> {
    let end = path.find(|c: char| !c.is_ascii_lowercase() && c != '_');
    Some(&path[..end.unwrap_or(path.len())]).filter(|name| !name.is_empty())
}

#[test]
fn imports_are_read_as_they_are_written() {
    let text = "use crate::{\n    model::{Cause, bytes},\n    host::{\n        cgroup,\n    },\n};\n\
                // use crate::view::clean;\nfn f() -> crate::record::Record {}\nuse forktrace::report;\n";
    let used: Vec<&str> = used_by(text).into_iter().collect();
    assert_eq!(used, ["host", "model", "record", "report"]);
}

#[test]
fn each_room_uses_what_the_table_says_and_nothing_above_it() {
    let rooms = rooms();
    let imports = imports();
    let names: Vec<&str> = rooms.iter().map(|room| &*room.name).collect();
    let there: Vec<&str> = imports.keys().map(|room| &**room).collect();
    let mut listed = names.clone();
    listed.sort_unstable();
    assert_eq!(listed, there, "a row for each room of src/, once");
    for (at, room) in rooms.iter().enumerate() {
        let used = &imports[&room.name];
        for (other, file) in used {
            assert!(
                room.uses.contains(other),
                "src/{file} uses {other}, which {} has not in ARCHITECTURE.md's table",
                room.name
            );
        }
        for other in &room.uses {
            assert!(
                used.contains_key(other),
                "{} doesn't use {other}, as ARCHITECTURE.md says",
                room.name
            );
            assert!(
                names[..at].contains(&&**other),
                "{} uses {other}, which stands below it in ARCHITECTURE.md's table",
                room.name
            );
        }
    }
}

#[test]
fn the_library_knows_no_command_line() {
    const COMMAND: [&str; 3] = ["cli", "command/", "main.rs"];
    let mut library = sources();
    library.retain(|source| !COMMAND.iter().any(|at| source.path.starts_with(at)));
    for source in library {
        for line in source.text.lines() {
            assert!(!line.contains("clap::"), "src/{}: {line}", source.path);
        }
    }
}
