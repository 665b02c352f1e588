//! The formats of each command. A new output is a file, and a line here.

use super::{
    check,
    explain::{self, Explained},
    json,
    output::Format,
    probes::{self, Probes},
    programs, records, report, said, schema, selftest,
};
use crate::{
    headroom::{Before, Headroom},
    program::{Answer, Program},
    record::Record,
    report::Report,
    selftest::Line,
};

/// `live` and `replay`.
pub static RECORDS: &[Format<Record>] = &[records::text::FORMAT, records::json::FORMAT];

/// `report`.
pub static REPORT: &[Format<Report>] = &[
    report::text::FORMAT,
    json::format("One JSON object"),
    report::csv::FORMAT,
    report::markdown::FORMAT,
];

/// `report --html`.
pub static REPORT_PAGE: Format<Report> = report::html::FORMAT;

/// `check`.
pub static CHECK: &[Format<Headroom>] = &[
    check::FORMAT,
    json::format("One JSON object, or with --watch one a line"),
    check::openmetrics::FORMAT,
];

/// `check --short`.
pub static CHECK_SHORT: Format<Headroom> = check::short::FORMAT;

/// `check --all`.
pub static CHECK_ALL: Format<Headroom> = check::ALL;

/// `check --past`.
pub static PAST: &[Format<Before>] = &[check::past::FORMAT, json::format("One JSON object")];

/// `explain`.
pub static EXPLAIN: &[Format<Explained>] = &[
    explain::text::FORMAT,
    explain::json::FORMAT,
    explain::markdown::FORMAT,
];

/// `explain` of lines of logs.
pub static SAID: &[Format<Answer>] = &[
    said::FORMAT,
    json::format("One object a message; in the end one of what was read"),
];

/// `explain --programs`.
pub static PROGRAMS: &[Format<[Program]>] = &[
    programs::text::FORMAT,
    programs::json::FORMAT,
    programs::markdown::FORMAT,
];

/// `probes`.
pub static PROBES: &[Format<Probes>] = &[probes::text::FORMAT, probes::json::FORMAT];

/// `schema`; all but the first of records only.
pub static SCHEMA: &[Format<serde_json::Value>] = &[
    schema::json::FORMAT,
    schema::duckdb::FORMAT,
    schema::clickhouse::FORMAT,
    schema::polars::FORMAT,
    schema::spark::FORMAT,
    schema::jq::FORMAT,
];

/// `selftest`.
pub static SELFTEST: &[Format<Line>] = &[selftest::FORMAT, json::format("One JSON object a line")];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{Look, Verbosity};

    /// `--format` is the same words everywhere, and none of them twice.
    fn sound<T: ?Sized>(formats: &[Format<T>]) {
        let names: Vec<&str> = formats.iter().map(|format| format.name).collect();
        assert_eq!(names[..2], ["text", "json"]);
        assert!(formats[0].for_people && !formats[1].for_people);
        let mut once = names.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), names.len(), "{names:?}");
    }

    #[test]
    fn each_command_has_text_and_json() {
        sound(RECORDS);
        sound(REPORT);
        sound(CHECK);
        sound(PAST);
        sound(EXPLAIN);
        sound(SAID);
        sound(PROGRAMS);
        sound(PROBES);
        sound(SELFTEST);
    }

    #[test]
    fn a_document_and_a_line_are_printed_through_the_same_trait() {
        let report = Report::default();
        let rendered = |format: &Format<Report>| format.render(&report, Look::PLAIN).unwrap();
        let text = super::super::report_text(&report, false, 80);
        assert_eq!(rendered(&REPORT[0]), text.as_bytes());
        let line = rendered(&REPORT[1]);
        assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
        assert_eq!(serde_json::from_slice::<Report>(&line).unwrap(), report);
        assert!(rendered(&REPORT_PAGE).starts_with(b"<!DOCTYPE html>"));
    }

    #[test]
    fn quiet_lines_are_the_failures_alone() {
        let quiet = Look {
            verbosity: Verbosity::Quiet,
            ..Look::PLAIN
        };
        let end = Record::Summary(crate::record::Summary::default());
        let printed = |look| RECORDS[1].render(&end, look).unwrap();
        assert!(printed(quiet).is_empty());
        assert!(printed(Look::PLAIN).starts_with(b"{\"type\":\"summary\""));
    }
}
