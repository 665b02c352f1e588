//! Columns for ClickHouse. Without them it takes the types from the first 25,000 lines, and larger
//! numbers behind these wrap around without a word.

use serde_json::Value;

use crate::flat::columns::{Column, Kind, columns};
use crate::view::output::{Format, How};

pub(crate) const FORMAT: Format<Value> = Format {
    name: "clickhouse",
    about: "The structure for ClickHouse's table functions: file(…, JSONEachRow, structure)",
    for_people: true,
    how: How::Document(|schema, _| text(schema)),
};

fn text(schema: &Value) -> String {
    let columns: Vec<String> = columns(schema).iter().map(column).collect();
    format!("{}\n", columns.join(", "))
}

fn column(Column { name, kind }: &Column) -> String {
    format!("`{name}` {}", sql(kind))
}

fn sql(kind: &Kind) -> String {
    let nullable = |name: &str| format!("Nullable({name})");
    match kind {
        Kind::Text => nullable("String"),
        Kind::Bool => nullable("Bool"),
        Kind::Small => nullable("UInt32"),
        Kind::Large => nullable("UInt64"),
        Kind::Signed => nullable("Int64"),
        Kind::Float => nullable("Float64"),
        Kind::List(of) => format!("Array({})", sql(of)),
        Kind::Map(of) => format!("Map(String, {})", sql(of)),
        // A tuple can't be null: its fields are.
        Kind::Struct(fields) => {
            let fields: Vec<String> = fields.iter().map(column).collect();
            format!("Tuple({})", fields.join(", "))
        }
    }
}
