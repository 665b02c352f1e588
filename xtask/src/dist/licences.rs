//! The terms of what the program is made of, as its packages state them.

use super::{product::Product, release::Release};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What stands first in Debian's file of a package.
pub(super) const OWN: &str = "\
forktrace is licensed under the terms of MIT or of Apache-2.0, at your choice. Both follow, and after
them the terms of the packages that its program is made of.

";

/// The texts of all other packages, each text once.
pub(super) fn others(release: &Release, product: &Product) -> Result<String> {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for part in release.metadata.parts(product) {
        let package = part.package;
        if package.source.is_none() {
            continue;
        }
        let name = format!("{} {}", package.name, package.version);
        let files = files(package.folder())?;
        let terms = package.license.as_deref().unwrap_or("no terms");
        ensure!(
            !files.is_empty() || terms != "no terms",
            "{name} states no licence"
        );
        if files.is_empty() {
            // Some say in their manifest alone what they are licensed under.
            let users = texts.entry(format!("{terms}\n")).or_default();
            users.push(name.clone());
        }
        for file in files {
            let text =
                fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
            let text = format!("{}\n", text.replace('\r', "").trim());
            texts.entry(text).or_default().push(name.clone());
        }
    }
    let mut sections: Vec<(Vec<String>, String)> = texts
        .into_iter()
        .map(|(text, names)| (names, text))
        .collect();
    sections.sort();
    let mut all = format!(
        "Packages that the program {} is made of, and their terms.\n",
        product.name
    );
    for (names, text) in sections {
        all.push_str(&format!(
            "\n{}\n{}\n\n{text}",
            "-".repeat(72),
            names.join(", ")
        ));
    }
    Ok(all)
}

/// A package's files of terms, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file() && is_of_terms(path))
        .collect();
    files.sort();
    Ok(files)
}

fn is_of_terms(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_uppercase();
    [
        "LICENSE",
        "LICENCE",
        "COPYING",
        "COPYRIGHT",
        "NOTICE",
        "UNLICENSE",
    ]
    .iter()
    .any(|start| name.starts_with(start))
}
