//! A loader for polars. Without the columns it takes the types from the first lines, and lacks or
//! refuses what comes later; half a line at the end makes it refuse the file.

use serde_json::Value;

use crate::flat::columns::{Column, Kind, columns};
use crate::view::output::{Format, How};

pub(crate) const FORMAT: Format<Value> = Format {
    name: "polars",
    about: "A Python module that reads a recording into a frame of polars",
    for_people: true,
    how: How::Document(|schema, _| text(schema)),
};

fn text(schema: &Value) -> String {
    let columns: Vec<String> = columns(schema)
        .iter()
        .filter_map(|c| Some(format!("    \"{}\": {},\n", c.name, python(&c.kind)?)))
        .collect();
    format!(
        "\
import polars as pl

# The fields of every kind of record. What has no fixed names (`filters`, `causes`) is not among them.
SCHEMA = {{
{}}}


def read(file):
    \"\"\"Every record of a recording that is not compressed, a row each; half a line at the end is passed over.\"\"\"
    with open(file, \"rb\") as recording:
        lines = recording.read()
    return pl.read_ndjson(lines[: lines.rfind(b\"\\n\") + 1], schema=SCHEMA)
",
        columns.concat()
    )
}

/// `None`: it has no type for it.
fn python(kind: &Kind) -> Option<String> {
    Some(match kind {
        Kind::Text => "pl.String".to_owned(),
        Kind::Bool => "pl.Boolean".to_owned(),
        Kind::Small => "pl.UInt32".to_owned(),
        Kind::Large => "pl.UInt64".to_owned(),
        Kind::Signed => "pl.Int64".to_owned(),
        Kind::Float => "pl.Float64".to_owned(),
        Kind::List(of) => format!("pl.List({})", python(of)?),
        Kind::Map(_) => return None,
        Kind::Struct(fields) => {
            let field =
                |Column { name, kind }: &Column| Some(format!("\"{name}\": {}", python(kind)?));
            let fields: Option<Vec<String>> = fields.iter().map(field).collect();
            format!("pl.Struct({{{}}})", fields?.join(", "))
        }
    })
}
