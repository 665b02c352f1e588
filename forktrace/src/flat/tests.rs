//! Rows against the report of the same files.

use std::{
    collections::BTreeMap,
    io::{Cursor, Write as _},
};

use super::*;
use crate::report::tests::{AT, LATER, failed, loss, repeat, session, summary};
use crate::{model::LossReason, record::write_line};

fn lines(records: &[Record]) -> Vec<u8> {
    let mut lines = Vec::new();
    for record in records {
        write_line(&mut lines, record).unwrap();
    }
    lines
}

/// The rows as JSON, and the report.
fn flatten(files: &[&[u8]]) -> (Vec<serde_json::Value>, Report) {
    let mut rows = Vec::new();
    let mut give = |row: &Row<'_>| {
        rows.push(serde_json::to_value(row).unwrap());
        Ok::<_, ReadError>(())
    };
    let mut flat = Flattener::default();
    for file in files {
        let source = Box::new(Cursor::new(file.to_vec()));
        let mut reader = Reader::new("test".as_ref(), source).unwrap();
        flat.read(&mut reader, &mut give).unwrap();
    }
    let report = flat.finish(&mut give).unwrap();
    (rows, report)
}

fn by_cause(rows: &[serde_json::Value]) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for row in rows {
        if let Some(cause) = row["cause"].as_str() {
            *sums.entry(cause.to_owned()).or_default() += row["failures"].as_u64().unwrap();
        }
    }
    sums
}

fn agrees(rows: &[serde_json::Value], report: &Report) {
    let sum: u64 = rows
        .iter()
        .map(|row| row["failures"].as_u64().unwrap())
        .sum();
    assert_eq!(sum, report.totals.failures);
    let causes: BTreeMap<_, _> = report
        .causes
        .iter()
        .map(|cause| (cause.cause.id().to_owned(), cause.failures))
        .collect();
    assert_eq!(by_cause(rows), causes);
}

#[test]
fn a_recording_as_rows_adds_up_to_its_report() {
    let recorded = include_bytes!("../../tests/data/schema-1.ndjson");
    for files in [&[&recorded[..]][..], &[&recorded[..], &recorded[..]]] {
        let (rows, report) = flatten(files);
        agrees(&rows, &report);
        assert!(report.totals.failures > 200);
        let repeats: Vec<_> = rows.iter().filter(|row| row["type"] == "repeat").collect();
        assert!(!repeats.is_empty());
        for row in repeats {
            assert!(
                row["cause"].is_string() && row["caller"]["comm"].is_string(),
                "{row}"
            );
        }
        assert!(rows.iter().all(|row| row["host"].is_string()));
    }
}

#[test]
fn repeats_find_their_failure_whatever_the_order_of_files() {
    let first = lines(&[
        session("a", AT),
        failed(1, AT),
        loss(4, LossReason::RingFull),
    ]);
    let other = lines(&[session("b", AT), failed(1, AT), failed(2, AT)]);
    let last = lines(&[
        session("a", AT),
        repeat(1, 7, AT, LATER),
        repeat(9, 3, AT, LATER),
        loss(5, LossReason::Skipped),
        summary(15, 4),
    ]);
    for files in [[&first, &other, &last], [&last, &other, &first]] {
        let (rows, report) = flatten(&files.map(|file| &file[..]));
        agrees(&rows, &report);
        assert_eq!(report.totals.failures, 1 + 2 + 7 + 3 + 4);
        let of = |of: u64| rows.iter().find(|row| row["of"] == of).unwrap();
        assert_eq!(
            (&of(1)["host"], &of(1)["failures"]),
            (&"a".into(), &7.into())
        );
        assert!(of(1)["cause"].is_string() && of(9)["cause"].is_null());
    }
}

/// The columns of a table are those of a row.
#[test]
fn every_field_has_a_column() {
    let columns = columns::columns(&json_schema());
    let row = serde_json::to_value(Row::default()).unwrap();
    let fields: Vec<_> = row.as_object().unwrap().keys().cloned().collect();
    for field in fields {
        assert!(columns.iter().any(|column| column.name == field), "{field}");
    }
}

/// What a frame said that fails its checksum is nobody's host.
#[test]
fn a_session_of_damaged_data_is_told_where_it_stands_undamaged() {
    let frame = |records: &[Record]| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(&lines(records)).unwrap();
        encoder.finish().unwrap()
    };
    let whole = lines(&[session("web1", AT), failed(3, AT)]);
    let mut damaged = frame(&[session("web1", AT), failed(1, AT)]);
    *damaged.last_mut().unwrap() ^= 1;
    damaged.extend(frame(&[failed(2, AT)]));
    let (rows, report) = flatten(&[&damaged]);
    agrees(&rows, &report);
    assert_eq!(rows.len(), 1);
    assert!(rows[0]["host"].is_null(), "{}", rows[0]);
    let (rows, report) = flatten(&[&whole, &damaged]);
    agrees(&rows, &report);
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row["host"] == "web1"), "{rows:?}");
}
