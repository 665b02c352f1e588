//! What is run, as data: `runs.toml`.

use anyhow::{Context, Result};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Runs {
    run: Vec<Run>,
}

/// A program, and how it is brought to ask for what is refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    /// Its file in the catalogue.
    pub program: String,
    /// How the wish begins there.
    pub wish: String,
    /// Whom the kernel refuses, by its file in the catalogue, where that is another: an interpreter whose
    /// process has no name of its own.
    #[serde(default)]
    pub asks: Option<String>,
    /// Of Debian; the first one's version is the program's.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Of PyPI, `name==version`, with all that they need; the first one's version is the program's.
    #[serde(default)]
    pub pypi: Vec<String>,
    /// Of npm, `name@version`, which brings what it needs; the first one's version is the program's.
    #[serde(default)]
    pub npm: Vec<String>,
    /// Programs that its scripts need where nothing is installed for it.
    #[serde(default)]
    pub needs: Vec<String>,
    /// A script that makes what it needs, before there is a limit.
    #[serde(default)]
    pub before: String,
    pub command: Vec<String>,
    /// Tasks that it may have beside its first one; of a server, beside those that it has. Who replaces
    /// one that has ended needs one less.
    #[serde(default)]
    pub room: i64,
    /// How long it is looked at.
    #[serde(default = "some")]
    pub seconds: u64,
    /// How often it wants this.
    #[serde(default = "once")]
    pub wishes: u64,
    /// The status that it ends with.
    #[serde(default)]
    pub status: Option<i32>,
    /// What is in its output although it was refused.
    #[serde(default)]
    pub prints: Option<String>,
    /// It is started without a limit, which comes when it is ready.
    #[serde(default)]
    pub server: Option<Server>,
    /// What the log would have before each line, where that is another's: syslog's.
    #[serde(default)]
    pub logged_as: Option<String>,
    /// It says nothing but to syslog, which isn't there.
    #[serde(default)]
    pub unheard: bool,
    /// The tests run it.
    #[serde(default)]
    pub short: bool,
}

/// What is done with a server. Scripts have its process as `$PID`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    /// Succeeds once it is ready.
    pub ready: String,
    /// Lets it ask for what is refused; with room again, this succeeds.
    pub act: String,
    /// What brings it back where room isn't enough.
    #[serde(default)]
    pub heal: Option<String>,
    /// Its log.
    #[serde(default)]
    pub log: Option<String>,
}

const fn some() -> u64 {
    4
}

const fn once() -> u64 {
    1
}

pub(super) fn all() -> Result<Vec<Run>> {
    let runs: Runs = toml::from_str(include_str!("runs.toml")).context("reading runs.toml")?;
    Ok(runs.run)
}

#[cfg(test)]
mod tests {
    #[test]
    fn all_are_bounded() {
        let runs = super::all().unwrap();
        assert!(runs.len() > 25, "{}", runs.len());
        for run in runs {
            assert!(run.seconds <= 70, "{run:?}");
            assert!(!run.command.is_empty() && run.wishes > 0, "{run:?}");
            assert!(!run.short || run.seconds <= 20, "{run:?}");
        }
    }
}
