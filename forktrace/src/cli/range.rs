//! `--since` and `--until`.

use clap::Args;
use forktrace::{
    recording::when,
    view::{with_offset, zone},
};
use jiff::Timestamp;

use super::values::parse_time;

/// A time as it was typed. Which one that is depends on the zone, which isn't chosen while
/// arguments are parsed.
#[derive(Clone, Debug)]
pub(crate) struct Typed(pub String);

#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
pub(crate) struct RangeArgs {
    /// Nothing before this time: "1h" (ago), "14:05", "yesterday 14:05",
    /// "2026-11-22 14:05".
    #[arg(long, value_name = "TIME", value_parser = parse_time, allow_hyphen_values = true)]
    pub since: Option<Typed>,
    /// Nothing after this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time, allow_hyphen_values = true)]
    pub until: Option<Typed>,
}

/// From when until when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Range {
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

impl RangeArgs {
    /// What was meant, in the zone that was chosen.
    pub(crate) fn range(&self) -> Result<Range, String> {
        let now = zone::now();
        let time = |typed: &Option<Typed>| {
            let meant = typed.as_ref().map(|typed| when::parse(&typed.0, &now));
            meant.transpose().map_err(|e| e.to_string())
        };
        let (since, until) = (time(&self.since)?, time(&self.until)?);
        if let (Some(from), Some(to)) = (since, until)
            && from > to
        {
            let shown = |time: Timestamp| with_offset(&time.to_string());
            return Err(format!(
                "--since is {}, which is after --until, {}: nothing is between them",
                shown(from),
                shown(to)
            ));
        }
        Ok(Range { since, until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(since: &str, until: &str) -> Result<Range, String> {
        let typed = |text: &str| (!text.is_empty()).then(|| Typed(text.to_owned()));
        RangeArgs {
            since: typed(since),
            until: typed(until),
        }
        .range()
    }

    #[test]
    fn ranges_have_their_beginning_first() {
        assert_eq!(range("", "").unwrap(), Range::default());
        assert!(range("2h", "1h").is_ok());
        assert!(range("2026-01-01", "2026-01-01").is_ok());
        let error = range("2026-01-02 14:05", "2026-01-01").unwrap_err();
        assert_eq!(
            error,
            "--since is 2026-01-02 14:05:00 UTC, which is after --until, 2026-01-01 00:00:00 UTC: \
             nothing is between them"
        );
        assert!(range("1h", "2h").is_err());
    }
}
