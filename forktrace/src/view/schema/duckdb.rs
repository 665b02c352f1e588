//! Macros for DuckDB. Without the columns it takes the types from the first 20,480 lines, and a field
//! that is null or missing in these is lost, in some versions without a word.

use serde_json::Value;

use crate::flat::columns::{Column, Kind, columns};
use crate::view::output::{Format, How};

pub(crate) const FORMAT: Format<Value> = Format {
    name: "duckdb",
    about: "Macros for DuckDB: forktrace(files) and forktrace_failures(files)",
    for_people: true,
    how: How::Document(|schema, _| text(schema)),
};

fn text(schema: &Value) -> String {
    let columns: Vec<String> = columns(schema)
        .iter()
        .map(|Column { name, kind }| format!("    \"{name}\": '{}'", sql(kind)))
        .collect();
    format!(
        "\
-- Every record of recordings, a row each. `files` is a name, a pattern or a list of them. What is no
-- whole line, as a crash leaves one, is passed over.
CREATE OR REPLACE MACRO forktrace(files) AS TABLE
SELECT * FROM read_ndjson(files, ignore_errors = true, filename = true, columns = {{
{}
}}) WHERE \"type\" IS NOT NULL;

-- Every failure, with the host, the kernel and the start of its session. `times` counts it and its repeats: the
-- sum of it is all failures that a `failure` record tells of.
CREATE OR REPLACE MACRO forktrace_failures(files) AS TABLE
WITH lines AS (SELECT *, row_number() OVER () AS line FROM forktrace(files)),
placed AS (
  SELECT * EXCLUDE (line, host, started, kernel, filename),
    last_value(host IGNORE NULLS) OVER upto AS host,
    last_value(started IGNORE NULLS) OVER upto AS started,
    last_value(kernel IGNORE NULLS) OVER upto AS kernel
  FROM lines WINDOW upto AS (PARTITION BY filename ORDER BY line ROWS UNBOUNDED PRECEDING)
),
more AS (
  SELECT host, started, \"of\" AS seq, sum(\"count\")::UBIGINT AS more
  FROM placed WHERE \"type\" = 'repeat' GROUP BY ALL
)
SELECT f.*, 1 + coalesce(m.more, 0) AS times
FROM placed AS f LEFT JOIN more AS m
  ON f.seq = m.seq AND f.host IS NOT DISTINCT FROM m.host AND f.started IS NOT DISTINCT FROM m.started
WHERE f.\"type\" = 'failure';
",
        columns.join(",\n")
    )
}

fn sql(kind: &Kind) -> String {
    match kind {
        Kind::Text => "VARCHAR".to_owned(),
        Kind::Bool => "BOOLEAN".to_owned(),
        Kind::Small => "UINTEGER".to_owned(),
        Kind::Large => "UBIGINT".to_owned(),
        Kind::Signed => "BIGINT".to_owned(),
        Kind::Float => "DOUBLE".to_owned(),
        Kind::List(of) => format!("{}[]", sql(of)),
        Kind::Map(of) => format!("MAP(VARCHAR, {})", sql(of)),
        Kind::Struct(fields) => {
            let field = |Column { name, kind }: &Column| format!("\"{name}\" {}", sql(kind));
            let fields: Vec<String> = fields.iter().map(field).collect();
            format!("STRUCT({})", fields.join(", "))
        }
    }
}
