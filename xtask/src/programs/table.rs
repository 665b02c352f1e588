//! What came of each run: a line for the terminal, and the table.

use super::{
    catalogue::{Wish, names_version, upstream},
    place::Place,
    run_data::Run,
};
use std::fmt::{self, Display, Write as _};

/// What was seen of a program.
pub(super) struct Facts {
    pub attempts: u64,
    pub calls: String,
    /// The first message of the catalogue's in what it printed.
    pub message: String,
    pub end: String,
    pub seconds: u64,
}

pub(super) enum Verdict {
    Alike(Facts),
    /// What the catalogue says, and what came.
    Differs(Option<Facts>, Vec<String>),
    Skipped(String),
}

/// A run, and what came of it.
pub(super) struct Row {
    program: String,
    wish: String,
    version: Option<String>,
    /// The versions that the catalogue names are others.
    moved: Option<String>,
    verdict: Verdict,
}

impl Row {
    pub(super) fn new(run: &Run, wish: &Wish, place: &Place, verdict: Verdict) -> Self {
        let version = place.version(run);
        let moved = version.as_deref().and_then(|version| {
            let known = [upstream(version), version]
                .iter()
                .any(|version| names_version(&wish.versions, version));
            (!known).then(|| wish.versions.clone())
        });
        Self {
            program: run.program.clone(),
            wish: wish.what.clone(),
            version,
            moved,
            verdict,
        }
    }

    pub(super) fn differs(&self) -> bool {
        matches!(self.verdict, Verdict::Differs(..))
    }

    pub(super) fn is_skipped(&self) -> bool {
        matches!(self.verdict, Verdict::Skipped(_))
    }

    fn version(&self) -> String {
        let version = self.version.as_deref().map(upstream).unwrap_or_default();
        match &self.moved {
            Some(known) => format!("{version} (moved; the catalogue: {known})"),
            None => version.to_owned(),
        }
    }

    fn facts(&self) -> Option<&Facts> {
        match &self.verdict {
            Verdict::Alike(facts) => Some(facts),
            Verdict::Differs(facts, _) => facts.as_ref(),
            Verdict::Skipped(_) => None,
        }
    }
}

/// As the scenarios print theirs, so that the tests count them.
impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match &self.verdict {
            Verdict::Alike(_) => "PASS",
            Verdict::Differs(..) => "FAIL",
            Verdict::Skipped(_) => "SKIP",
        };
        let version = self.version.as_deref().map(upstream).unwrap_or_default();
        let name = format!("{} {version}", self.program);
        write!(f, "{word} {} ({}", name.trim_end(), self.wish)?;
        if let Some(facts) = self.facts() {
            let Facts {
                attempts,
                calls,
                end,
                seconds,
                ..
            } = facts;
            write!(f, "; {attempts} by {calls}, {end}, {seconds} s")?;
        }
        if let Some(known) = &self.moved {
            write!(f, "; moved, the catalogue has {known}")?;
        }
        match &self.verdict {
            Verdict::Differs(_, differ) => write!(f, "): {}", differ.join("; ")),
            Verdict::Skipped(why) => write!(f, "): {why}"),
            Verdict::Alike(_) => write!(f, ")"),
        }
    }
}

/// All of them.
pub(super) fn markdown(rows: &[Row]) -> String {
    let mut out = String::from(
        "| program | version | wanted | attempts, call | message | end | as the catalogue says |\n|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
        let facts = row.facts();
        let asked = facts.map(|facts| format!("{}, {}", facts.attempts, facts.calls));
        let message = facts.map(|facts| facts.message.as_str());
        let end = facts.map(|facts| facts.end.as_str());
        let verdict = match &row.verdict {
            Verdict::Alike(_) => "yes".to_owned(),
            Verdict::Differs(_, differ) => format!("**no**: {}", differ.join("; ")),
            Verdict::Skipped(why) => format!("skipped: {why}"),
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            row.program,
            cell(&row.version()),
            cell(&row.wish),
            asked.unwrap_or_default(),
            cell(message.unwrap_or_default()),
            end.unwrap_or_default(),
            cell(&verdict)
        );
    }
    out
}
