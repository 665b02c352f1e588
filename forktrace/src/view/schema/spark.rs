//! A loader for Spark. Without the columns it reads every recording twice, the first time for their types, and
//! half a line at the end is a row of nulls.

use serde_json::Value;

use crate::flat::columns::{Column, Kind, columns};
use crate::view::output::{Format, How};

pub(crate) const FORMAT: Format<Value> = Format {
    name: "spark",
    about: "A Python module for Spark: read(spark, …), failures(spark, …), refusals(spark, …)",
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


def _once(spark, files):
    \"\"\"Failures and repeats, each with the host, the boot, the kernel and the start of its session. What stands in
    copies of a file is here once; where nothing tells the session, files are no copies of each other.\"\"\"
    lines = read(spark, *files).select(
        \"*\",
        F.col(\"_metadata.file_path\").alias(\"_file\"),
        F.col(\"_metadata.file_block_start\").alias(\"_block\"),
        F.monotonically_increasing_id().alias(\"_line\"),
    )
    before = Window.partitionBy(\"_file\").orderBy(\"_block\", \"_line\").rowsBetween(Window.unboundedPreceding, 0)
    names = (\"host\", \"boot_id\", \"started\", \"kernel\")
    session = F.when(F.col(\"type\") == \"session\", F.struct(*names))
    lines = lines.withColumn(\"_of\", F.last(session, ignorenulls=True).over(before))
    for name in names:
        lines = lines.withColumn(name, F.col(f\"_of.{{name}}\"))
    lines = lines.withColumn(\"_session\", F.coalesce(\"started\", \"_file\"))
    counted = lines.where(\"`type` IN ('failure', 'repeat')\").drop(\"_file\", \"_block\", \"_line\", \"_of\")
    key = [\"host\", \"boot_id\", \"_session\", \"type\", \"seq\", \"of\", \"count\", \"first\", \"last\", \"alike\"]
    return counted.dropDuplicates(key)


_SAME = \"f.seq = r.`of` AND f._session = r._session AND f.host <=> r.host AND f.boot_id <=> r.boot_id\"


def failures(spark, *files):
    \"\"\"Every failure, with the host, the kernel and the start of its session. `times` counts it and its repeats,
    whoever else's they are: the sum of it is all failures that a `failure` record tells of.\"\"\"
    once = _once(spark, files)
    repeats = once.where(\"`type` = 'repeat'\").groupBy(\"host\", \"boot_id\", \"_session\", \"of\")
    repeats = repeats.agg(F.sum(\"count\").alias(\"more\"))
    refused = once.where(\"`type` = 'failure'\").alias(\"f\")
    counted = refused.join(repeats.alias(\"r\"), F.expr(_SAME), \"left\")
    return counted.selectExpr(\"f.*\", \"1 + coalesce(r.more, 0) AS times\").drop(\"_session\")


def refusals(spark, *files):
    \"\"\"Failures, and their repeats as rows of their own, with no more than they have in common: `failures` counts. A
    repeat whose failure isn't here is left out.\"\"\"
    once = _once(spark, files)
    refused = once.where(\"`type` = 'failure'\")
    repeats = once.where(\"`type` = 'repeat'\").alias(\"r\").join(refused.alias(\"f\"), F.expr(_SAME))
    near = \"CASE WHEN coalesce(r.alike, '') <> 'check' THEN f.{{0}} END AS {{0}}\"
    repeats = repeats.selectExpr(
        *(f\"r.`{{name}}`\" for name in (\"type\", \"host\", \"boot_id\", \"started\", \"kernel\", \"last\", \"of\", \"alike\")),
        *(f\"f.{{name}}\" for name in (\"operation\", \"errno\", \"cause\", \"certainty\")),
        \"CASE WHEN coalesce(r.alike, 'process') = 'process' THEN f.caller END AS caller\",
        near.format(\"cgroup\"),
        near.format(\"`limit`\"),
        \"r.`first` AS time\",
        \"r.`count` AS failures\",
    )
    refused = refused.withColumn(\"failures\", F.lit(1)).drop(\"_session\")
    return refused.unionByName(repeats, allowMissingColumns=True)
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
