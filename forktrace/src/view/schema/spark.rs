//! A loader for Spark. Without the columns it reads every recording twice, the first time for their types, and
//! half a line at the end is a row of nulls.

use serde_json::Value;

use crate::flat::columns::{Column, Kind, columns};
use crate::view::output::{Format, How};

pub(crate) const FORMAT: Format<Value> = Format {
    name: "spark",
    about: "A Python module for Spark: read(spark, …) and failures(spark, …)",
    for_people: true,
    how: How::Document(|schema, _| text(schema)),
};

fn text(schema: &Value) -> String {
    let columns: Vec<String> = columns(schema)
        .iter()
        .map(|Column { name, kind }| format!("    `{name}` {}", sql(kind)))
        .collect();
    format!(
        "\
from pyspark.sql import Window
from pyspark.sql import functions as F

# The fields of every kind of record.
SCHEMA = \"\"\"
{}
\"\"\"


def read(spark, *files):
    \"\"\"Every record of recordings (names and patterns), a row each; what is no whole line is passed over.\"\"\"
    lines = spark.read.schema(SCHEMA + \", `_corrupt` STRING\").option(\"columnNameOfCorruptRecord\", \"_corrupt\")
    records = lines.json(list(files)).where(\"`type` IS NOT NULL AND `_corrupt` IS NULL\").drop(\"_corrupt\")
    return records


def failures(spark, *files):
    \"\"\"Every failure, with the host, the kernel and the start of its session. `times` counts it and its repeats: the
    sum of it is all failures that a `failure` record tells of.\"\"\"
    lines = read(spark, *files).select(
        \"*\",
        F.col(\"_metadata.file_path\").alias(\"_file\"),
        F.col(\"_metadata.file_block_start\").alias(\"_block\"),
        F.monotonically_increasing_id().alias(\"_line\"),
    )
    before = Window.partitionBy(\"_file\").orderBy(\"_block\", \"_line\").rowsBetween(Window.unboundedPreceding, 0)
    for name in (\"host\", \"started\", \"kernel\"):
        lines = lines.withColumn(name, F.last(name, ignorenulls=True).over(before))
    repeats = lines.where(\"`type` = 'repeat'\").groupBy(
        F.col(\"host\").alias(\"_host\"), F.col(\"started\").alias(\"_started\"), F.col(\"of\").alias(\"_of\")
    )
    repeats = repeats.agg(F.sum(\"count\").alias(\"_more\"))
    refused = lines.where(\"`type` = 'failure'\")
    same = (
        (refused[\"seq\"] == repeats[\"_of\"])
        & refused[\"host\"].eqNullSafe(repeats[\"_host\"])
        & refused[\"started\"].eqNullSafe(repeats[\"_started\"])
    )
    counted = refused.join(repeats, same, \"left\").withColumn(\"times\", F.lit(1) + F.coalesce(\"_more\", F.lit(0)))
    return counted.drop(\"_file\", \"_block\", \"_line\", \"_host\", \"_started\", \"_of\", \"_more\")
",
        columns.join(",\n")
    )
}

/// Spark has no numbers without a sign.
fn sql(kind: &Kind) -> String {
    match kind {
        Kind::Text => "STRING".to_owned(),
        Kind::Bool => "BOOLEAN".to_owned(),
        Kind::Small | Kind::Signed => "BIGINT".to_owned(),
        Kind::Large => "DECIMAL(20, 0)".to_owned(),
        Kind::Float => "DOUBLE".to_owned(),
        Kind::List(of) => format!("ARRAY<{}>", sql(of)),
        Kind::Map(of) => format!("MAP<STRING, {}>", sql(of)),
        Kind::Struct(fields) => {
            let field = |Column { name, kind }: &Column| format!("`{name}`: {}", sql(kind));
            let fields: Vec<String> = fields.iter().map(field).collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
    }
}
