//! A hash of everything that decides the object's bytes, besides the compilers.

use super::{build, manifest::sha256};
use anyhow::{Context, Result, anyhow};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The package whose dependencies count.
const PACKAGE: &str = "forktrace-ebpf";
/// The crates whose every file counts.
const FOLDERS: [&str; 2] = ["forktrace-common", PACKAGE];

/// Whether this file, as git calls it, is one of a crate that goes in.
pub(super) fn contains(file: &str) -> bool {
    let first = file.split('/').next();
    FOLDERS.iter().any(|folder| first == Some(folder))
}

/// The hash over the crates' files, the workspace's settings, the build's settings and the locked
/// versions of all crates that go in.
pub(super) fn hash(root: &Path) -> Result<String> {
    let mut all = String::new();
    let mut add = |name: &str, content: &[u8]| {
        all.push_str(&format!("{name} {}\n", sha256(content)));
    };
    for folder in FOLDERS {
        for file in files(&root.join(folder))? {
            let name = file
                .strip_prefix(root)
                .unwrap_or(&file)
                .to_string_lossy()
                .into_owned();
            let content = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
            add(&name, &content);
        }
    }
    add("workspace", workspace_package(root)?.as_bytes());
    add("settings", build::settings().as_bytes());
    add("locked", locked(root)?.as_bytes());
    Ok(sha256(all.as_bytes()))
}

/// Every file below, sorted, without editors' leavings.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name.ends_with('~') || name == "target" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// What the crates inherit. The version they don't: it goes into symbol names, and a release would make
/// other objects of the same sources.
fn workspace_package(root: &Path) -> Result<String> {
    let table = parse(&root.join("Cargo.toml"))?;
    let package = table.get("workspace").and_then(|w| w.get("package"));
    let package = package.and_then(toml::Value::as_table);
    let package = package.ok_or_else(|| anyhow!("Cargo.toml has no [workspace.package]"))?;
    let inherited = package.iter().filter(|(name, _)| *name != "version");
    let inherited = inherited.map(|(name, value)| (name.clone(), value.clone()));
    Ok(inherited.collect::<toml::Table>().to_string())
}

/// Name, version and checksum of each crate that the BPF crate is built from.
fn locked(root: &Path) -> Result<String> {
    let lock = parse(&root.join("Cargo.lock"))?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let packages = packages.ok_or_else(|| anyhow!("Cargo.lock lists no packages"))?;
    // A dependency is written `name`, or `name version` where the name alone is not enough.
    let mut by_name = BTreeMap::new();
    for package in packages {
        let name = text(package, "name");
        by_name.insert(format!("{name} {}", text(package, "version")), package);
        by_name.insert(name.to_owned(), package);
    }
    let mut seen = BTreeSet::new();
    let mut open = vec![PACKAGE.to_owned()];
    while let Some(name) = open.pop() {
        let package = by_name.get(&name);
        let package =
            package.ok_or_else(|| anyhow!("Cargo.lock does not hold {name}; run `cargo check`"))?;
        let line = format!(
            "{} {} {}",
            text(package, "name"),
            text(package, "version"),
            text(package, "checksum")
        );
        if seen.insert(line) {
            let needs = package.get("dependencies").and_then(toml::Value::as_array);
            open.extend(
                needs
                    .into_iter()
                    .flatten()
                    .filter_map(|d| d.as_str())
                    .map(str::to_owned),
            );
        }
    }
    Ok(seen.into_iter().collect::<Vec<_>>().join("\n"))
}

fn text<'a>(package: &'a toml::Value, key: &str) -> &'a str {
    package.get(key).and_then(toml::Value::as_str).unwrap_or("")
}

fn parse(path: &Path) -> Result<toml::Table> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    text.parse()
        .with_context(|| format!("parsing {}", path.display()))
}
