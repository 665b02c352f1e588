//! The corners side by side, as Markdown.

use super::corner::{Corner, FAULTS};
use std::fmt::Write as _;

/// One row for each corner, and below it what breaks the bar.
pub(super) fn markdown(seed: u64, corners: &[Corner]) -> String {
    let mut text = format!(
        "Torture, seed {seed}. Wrong: cause/owner/numbers/counts of repeats.\n\n\
         | kernel | style | refusals still, race | wrong observed, still | in races | wrong inferred, still | in races | missed | extra | said to be lost | unknown | observed | inferred | oracle undecided: cause, owner | |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|\n"
    );
    for corner in corners {
        let wrong = |certainty, at| {
            FAULTS
                .map(|fault| corner.wrong(fault, certainty, at).to_string())
                .join("/")
        };
        let broken = corner.broken();
        // Writing to a String can't fail.
        let _ = writeln!(
            text,
            "| {} | {} | {}, {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {}, {} | {} |",
            corner.kernel,
            corner.style,
            corner.get("refusals_still"),
            corner.get("refusals_race"),
            wrong("observed", "still"),
            wrong("observed", "race"),
            wrong("inferred", "still"),
            wrong("inferred", "race"),
            corner.get("missed"),
            corner.get("extra"),
            corner.get("lost"),
            corner.get("unknown"),
            corner.get("observed"),
            corner.get("inferred"),
            corner.get("undecided"),
            corner.get("undecided_owner"),
            if broken.is_empty() {
                "kept".to_owned()
            } else {
                format!("BROKEN: {}", broken.join(", "))
            }
        );
    }
    text
}
