//! Rows as CSV: for spreadsheets, and for what reads nothing else.
//!
//! A field of a field has a column with both names (`caller.pid`); a list is JSON in one cell. Names
//! come from other processes: control characters and marks that reorder text are escaped, and
//! what a spreadsheet would take for a formula has an apostrophe before it.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use serde_json::Value;

use super::clean;
use crate::flat::{
    Row,
    columns::{Column, Kind, columns},
    json_schema,
};

/// What stands in a column: a list of names that lead to it.
type Path = Vec<String>;

/// Writes rows.
pub struct Csv<W: Write> {
    writer: ::csv::Writer<W>,
    columns: Vec<Path>,
}

impl<W: Write> Csv<W> {
    /// With the line of names.
    pub fn new(to: W) -> io::Result<Self> {
        let mut writer = ::csv::Writer::from_writer(to);
        let mut all = Vec::new();
        add(&mut all, &[], &columns(&json_schema()));
        let names = all.iter().map(|path| path.join("."));
        writer.write_record(names).map_err(as_io)?;
        Ok(Self {
            writer,
            columns: all,
        })
    }

    /// Appends a row.
    pub fn write(&mut self, row: &Row<'_>) -> io::Result<()> {
        let row = serde_json::to_value(row).map_err(io::Error::other)?;
        for path in &self.columns {
            let value = path.iter().try_fold(&row, |value, name| value.get(name));
            self.writer.write_field(&*cell(value)).map_err(as_io)?;
        }
        self.writer.write_record(None::<&[u8]>).map_err(as_io)
    }

    /// What it was written to, with all of it.
    pub fn into_inner(self) -> io::Result<W> {
        self.writer
            .into_inner()
            .map_err(|error| io::Error::from(error.error().kind()))
    }
}

/// Rows are of one length by how they are made: what fails is writing.
fn as_io(error: ::csv::Error) -> io::Error {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// Adds the columns of these fields.
fn add(all: &mut Vec<Path>, above: &[String], fields: &[Column]) {
    for Column { name, kind } in fields {
        let path = [above, std::slice::from_ref(name)].concat();
        match kind {
            Kind::Struct(fields) => add(all, &path, fields),
            _ => all.push(path),
        }
    }
}

fn cell(value: Option<&Value>) -> Cow<'_, str> {
    match value {
        None | Some(Value::Null) => Cow::Borrowed(""),
        Some(Value::String(text)) => harmless(text),
        Some(Value::Array(items)) if items.is_empty() => Cow::Borrowed(""),
        Some(value) => harmless(&value.to_string()).into_owned().into(),
    }
}

/// Whether a spreadsheet would run a cell with this text; an apostrophe before it keeps it from that.
pub(in crate::view) fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@'])
}

fn harmless(text: &str) -> Cow<'_, str> {
    let text = clean(text);
    match is_formula(&text) {
        true => Cow::Owned(format!("'{text}")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Limit, LimitKind, Owner, Unit};

    #[test]
    fn cells_are_harmless_and_exact() {
        let mut caller = crate::model::caller::tests::caller();
        caller.comm = "=cmd|'/c calc'!A1".to_owned();
        caller.user = Some("a\u{1b}[31m,\"b\"".to_owned());
        let mut limit = Limit::new(LimitKind::PidsMax, Owner::cgroup("/a"), Unit::Tasks);
        limit.value = Some(u64::MAX);
        let row = Row {
            kind: "failure",
            failures: 1,
            caller: Some(&caller),
            limit: Some(&limit),
            candidates: std::slice::from_ref(&limit),
            ..Row::default()
        };
        let mut csv = Csv::new(Vec::new()).unwrap();
        csv.write(&row).unwrap();
        csv.write(&Row::default()).unwrap();
        let text = csv.into_inner().unwrap();
        let mut reader = ::csv::Reader::from_reader(&*text);
        let names = reader.headers().unwrap().clone();
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 2);
        let cell = |name: &str| &rows[0][names.iter().position(|n| n == name).unwrap()];
        assert_eq!(cell("limit.value"), u64::MAX.to_string());
        assert_eq!(cell("caller.comm"), "'=cmd|'/c calc'!A1");
        assert!(
            !cell("caller.user").contains('\u{1b}'),
            "{:?}",
            cell("caller.user")
        );
        assert!(cell("candidates").starts_with("[{\"name\":\"pids.max\""));
        assert_eq!(
            (cell("cgroup.path"), cell("host"), cell("holders")),
            ("", "", "")
        );
    }
}
