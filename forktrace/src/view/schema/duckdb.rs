//! Macros for DuckDB. Without the columns it takes the types from the first 20,480 lines, and a field
//! that is null or missing in these is lost, in some versions without a word.

use serde_json::Value;

use crate::flat::columns::{Column, Kind, columns};
use crate::view::output::{Format, How};

pub(crate) const FORMAT: Format<Value> = Format {
    name: "duckdb",
    about: "Macros for DuckDB: forktrace(files), forktrace_failures(files), forktrace_refusals(files)",
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

-- Failures and repeats, each with the host, the boot, the kernel and the start of its session. What stands in
-- copies of a file is here once; where nothing tells the session, files are no copies of each other.
CREATE OR REPLACE MACRO forktrace_once(files) AS TABLE
WITH lines AS (SELECT *, row_number() OVER () AS line FROM forktrace(files)),
placed AS (
  SELECT * EXCLUDE (line, host, boot_id, started, kernel), last_value(
    CASE WHEN \"type\" = 'session' THEN {{'host': host, 'boot_id': boot_id, 'started': started, 'kernel': kernel}} END
    IGNORE NULLS) OVER (PARTITION BY filename ORDER BY line ROWS UNBOUNDED PRECEDING) AS _of
  FROM lines
)
SELECT DISTINCT ON (host, boot_id, in_session, \"type\", seq, \"of\", \"count\", \"first\", \"last\", alike) *
FROM (
  SELECT * EXCLUDE (_of, filename), _of.host AS host, _of.boot_id AS boot_id, _of.started AS started,
    _of.kernel AS kernel, coalesce(_of.started, filename) AS in_session
  FROM placed
)
WHERE \"type\" IN ('failure', 'repeat');

-- Every failure. `times` counts it and its repeats, whoever else's they are: the sum of it is all failures that a
-- `failure` record tells of.
CREATE OR REPLACE MACRO forktrace_failures(files) AS TABLE
WITH once AS (SELECT * FROM forktrace_once(files)),
more AS (
  SELECT host, boot_id, in_session, \"of\" AS seq, sum(\"count\")::UBIGINT AS more
  FROM once WHERE \"type\" = 'repeat' GROUP BY ALL
)
SELECT f.* EXCLUDE (in_session), 1 + coalesce(m.more, 0) AS times
FROM once AS f LEFT JOIN more AS m ON f.seq = m.seq AND f.in_session = m.in_session
  AND f.host IS NOT DISTINCT FROM m.host AND f.boot_id IS NOT DISTINCT FROM m.boot_id
WHERE f.\"type\" = 'failure';

-- Failures, and their repeats as rows of their own, with no more than they have in common: `failures` counts. A
-- repeat whose failure isn't here is left out.
CREATE OR REPLACE MACRO forktrace_refusals(files) AS TABLE
WITH once AS (SELECT * FROM forktrace_once(files))
SELECT * EXCLUDE (in_session) REPLACE (1::UBIGINT AS failures) FROM once WHERE \"type\" = 'failure'
UNION ALL BY NAME
SELECT r.\"type\", r.host, r.boot_id, r.started, r.kernel, r.\"first\" AS \"time\", r.\"last\", r.\"of\", r.alike,
  f.operation, f.errno, f.cause, f.certainty,
  CASE WHEN coalesce(r.alike, 'process') = 'process' THEN f.caller END AS caller,
  CASE WHEN r.alike IS DISTINCT FROM 'check' THEN f.cgroup END AS cgroup,
  CASE WHEN r.alike IS DISTINCT FROM 'check' THEN f.\"limit\" END AS \"limit\", r.\"count\" AS failures
FROM once AS r JOIN once AS f ON f.seq = r.\"of\" AND f.in_session = r.in_session
  AND f.host IS NOT DISTINCT FROM r.host AND f.boot_id IS NOT DISTINCT FROM r.boot_id
WHERE r.\"type\" = 'repeat' AND f.\"type\" = 'failure';
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
