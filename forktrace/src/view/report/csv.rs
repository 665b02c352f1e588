//! One table of a report as CSV (RFC 4180): that of `--by`, by limits else. A last row has what the others
//! leave out, so that the numbers add up.

use super::grid::{Grid, Times, grid};
use crate::{
    report::{By, Report},
    view::{
        clean,
        csv::is_formula,
        output::{Format, How},
    },
};

pub(crate) const FORMAT: Format<Report> = Format {
    name: "csv",
    about: "The table of --by (by limit without it), for spreadsheets",
    for_people: false,
    how: How::Document(|report, _| csv(report)),
};

fn csv(report: &Report) -> String {
    let by = report.asked.by.unwrap_or(By::Limit);
    let Grid { heads, rows, rest } = grid(report, by, Times::Whole);
    let mut out = String::new();
    let names = heads.iter().map(|head| {
        let name = head.trim_start_matches('>');
        name.replace(' ', "_")
    });
    line(&mut out, names);
    for row in rows {
        line(&mut out, row.into_iter());
    }
    let without = [
        (rest.unrecorded, "(not recorded)"),
        (rest.failures.saturating_sub(rest.unrecorded), "(others)"),
    ];
    for (failures, name) in without.into_iter().filter(|(n, _)| *n > 0) {
        let mut cells = vec![String::new(); heads.len()];
        cells[0] = failures.to_string();
        cells[1] = name.to_owned();
        line(&mut out, cells.into_iter());
    }
    out
}

fn line(out: &mut String, cells: impl Iterator<Item = String>) {
    for (n, cell) in cells.enumerate() {
        if n > 0 {
            out.push(',');
        }
        cell_of(out, &clean(&cell));
    }
    out.push_str("\r\n");
}

fn cell_of(out: &mut String, text: &str) {
    let formula = is_formula(text) && text != "-";
    if !formula && !text.contains([',', '"', '\n', '\r']) {
        return out.push_str(if text == "-" { "" } else { text });
    }
    out.push('"');
    if formula {
        out.push('\'');
    }
    out.push_str(&text.replace('"', "\"\""));
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_one_cell_and_no_formula() {
        for (text, wanted) in [
            ("a", "a"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("=1+1", "\"'=1+1\""),
            ("@x", "\"'@x\""),
            ("-2", "\"'-2\""),
            ("-", ""),
        ] {
            let mut out = String::new();
            cell_of(&mut out, text);
            assert_eq!(out, wanted);
        }
    }
}
