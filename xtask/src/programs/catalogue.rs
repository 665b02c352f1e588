//! The catalogue, as forktrace prints it.

use crate::run;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::Path;
use std::process::Command;

pub(super) struct Catalogue(Vec<Program>);

#[derive(Clone, Deserialize)]
struct Program {
    id: String,
    library: bool,
    source: Vec<Source>,
    wish: Vec<Wish>,
}

#[derive(Clone, Deserialize)]
struct Source {
    how: String,
    what: String,
}

/// A wish, with where its program is known from.
#[derive(Clone, Default, Deserialize)]
pub(super) struct Wish {
    pub what: String,
    pub operation: String,
    pub call: Option<String>,
    pub attempts: Option<u64>,
    pub then: Option<String>,
    pub afterwards: Option<String>,
    pub silent: bool,
    #[serde(rename = "message")]
    pub messages: Vec<serde::de::IgnoredAny>,
    /// It is a library's: any program may be the one that asks.
    #[serde(default, skip)]
    pub library: bool,
    /// Versions that were run.
    #[serde(default, skip)]
    pub versions: String,
}

impl Catalogue {
    pub(super) fn of(forktrace: &Path) -> Result<Self> {
        let mut command = Command::new(forktrace);
        let lines = run::capture(command.args(["explain", "--programs", "--format", "json"]))?;
        let programs = lines.lines().map(serde_json::from_str);
        let programs: Result<_, _> = programs.collect();
        Ok(Self(programs.context("reading the catalogue")?))
    }

    /// The wish that begins so.
    pub(super) fn wish(&self, program: &str, begins: &str) -> Result<Wish> {
        let found = self.0.iter().find(|one| one.id == program);
        let found = found.with_context(|| format!("the catalogue has no {program}"))?;
        let wish = found.wish.iter().find(|wish| wish.what.starts_with(begins));
        let wish = wish.with_context(|| format!("{program} has no wish {begins:?}"))?;
        let run = found.source.iter().filter(|source| source.how == "run");
        Ok(Wish {
            library: found.library,
            versions: run
                .map(|source| &*source.what)
                .collect::<Vec<_>>()
                .join(", "),
            ..wish.clone()
        })
    }
}

/// Whether a version is one of those that a text names: `17.0.15` where it says 17.0.
pub(super) fn names_version(text: &str, version: &str) -> bool {
    let named = text.split(|c: char| !(c.is_ascii_alphanumeric() || ".+-".contains(c)));
    let mut named = named.filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    named.any(|word| {
        version
            .strip_prefix(word)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// What upstream calls a package's version; Debian's `1.7+really1.2` is 1.2.
pub(super) fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let version = version
        .rsplit_once("really")
        .map_or(version, |(_, rest)| rest);
    version
        .rsplit_once('-')
        .map_or(version, |(before, _)| before)
}

#[cfg(test)]
mod tests {
    use super::{names_version, upstream};

    #[test]
    fn versions_are_compared_as_far_as_they_are_named() {
        assert_eq!(upstream("1:9.2p1-2+deb12u7"), "9.2p1");
        assert_eq!(upstream("5.2.15-2+b8"), "5.2.15");
        assert_eq!(upstream("3.1.7+really3.1.2-1"), "3.1.2");
        assert!(names_version("PHP 8.2 (Debian 12)", "8.2.29"));
        assert!(names_version("gunicorn 20.1.0 and 27.0.1", "20.1.0"));
        assert!(!names_version("bash 5.2.15 (Debian 12)", "5.2.37"));
        assert!(!names_version("bash 5.2.1 (Debian 12)", "5.2.15"));
        assert!(!names_version("gawk of Debian 12", "5.2.1"));
    }
}
