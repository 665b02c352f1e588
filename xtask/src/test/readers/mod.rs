//! Whether other tools read recordings right by what `forktrace schema` prints for them: recordings
//! that are hard on engines which guess types, and numbers that are known.

mod cases;
mod converted;
mod debian;
mod engines;
mod fleet;
mod newest_jq;

use super::{Tally, Tier};
use crate::{cargo_tool, json_tools, paths, python, run};
use anyhow::{Context, Result, ensure};
use cases::{Case, Numbers, cases, parse};
pub(crate) use engines::main as engines;
use newest_jq::NewestJq;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tools of the full run, which are a download each.
const CHDB: &str = "chdb==4.4.0";
const POLARS: &str = "polars==2.1.0";
/// Numbers of any size are exact in it.
const JAQ: cargo_tool::Tool = cargo_tool::Tool {
    package: "jaq",
    version: "3.1.2",
    features: &[],
};

/// Runs every tool on every recording.
pub(super) fn run(tier: Tier, forktrace: &Path, tally: &mut Tally) -> Result<()> {
    let folder = paths::work_dir("readers")?;
    let programs = json_tools::get()?;
    let schema = |format| {
        let mut forktrace = Command::new(forktrace);
        run::capture(forktrace.args(["schema", "--format", format]))
    };
    let (duckdb, jq) = (schema("duckdb")?, schema("jq")?);
    let python = (tier == Tier::Full).then(|| modules(&folder, &schema));
    let python = python.transpose()?;
    let clickhouse = schema("clickhouse")?;
    let jaq = (tier == Tier::Full).then(|| cargo_tool::get(&JAQ));
    let jaq = jaq.transpose()?;
    let newest = (tier == Tier::Full).then(NewestJq::get).transpose()?;
    let lnav = (tier == Tier::Full).then(debian::get).transpose()?;
    let converted = converted::Converted::get(tier, forktrace, &programs.join("duckdb"))?;
    for case in cases()? {
        let file = folder.join(format!("{}.ndjson", case.name));
        fs::write(&file, &case.text).with_context(|| format!("writing {}", file.display()))?;
        let mut check = |tool: &str, read: Result<Numbers>| {
            let name = format!("{tool} reads a recording: {}", case.name);
            let right = read.and_then(|read| {
                ensure!(read == case.wanted, "{read:?}, wanted {:?}", case.wanted);
                Ok(())
            });
            tally.step(&name, &right);
        };
        check(
            "DuckDB",
            by_duckdb(&programs.join("duckdb"), &duckdb, &file),
        );
        // Up to 1.6, jq rounds what is larger than 2^53, and lnav does.
        let exact = case.wanted.highest < 1 << 53;
        if exact {
            check("jq", by_jq(&|| Command::new("jq"), &jq, &file));
        }
        if let Some(newest) = &newest {
            let name = format!("jq {}", newest.version);
            check(&name, by_jq(&|| newest.command(), &jq, &file));
        }
        if let Some(jaq) = &jaq {
            check("jaq", by_jq(&|| Command::new(jaq), &jq, &file));
        }
        converted.check(&folder, case.name, &file, &mut check);
        if let Some(home) = &lnav
            && exact
        {
            check("lnav", debian::by_lnav(home, &case, &file));
            let csv = folder.join(format!("{}.csv", case.name));
            check("CSV: Miller", debian::by_miller(&csv));
        }
        if let Some(python) = &python {
            check("polars", by_polars(python, &folder, &file));
            check("ClickHouse", by_clickhouse(python, &clickhouse, &file));
        }
    }
    if tier == Tier::Full {
        let duckdb = (&*programs.join("duckdb"), &*duckdb);
        let mut say = |name: &str, right| tally.step(name, &right);
        fleet::check(duckdb, &converted, &mut say)?;
    }
    Ok(())
}

/// Of the recording and a copy of it, which count once.
fn by_duckdb(program: &Path, schema: &str, file: &Path) -> Result<Numbers> {
    let copy = file.with_extension("copy.ndjson");
    fs::copy(file, &copy).with_context(|| format!("writing {}", copy.display()))?;
    let ask = |count: &str, from: &str| {
        let query = format!(
            "SELECT concat_ws(' ', sum({count})::BIGINT, count(\"limit\") FILTER (type = 'failure'), max(\"limit\".value)) \
             FROM {from}(['{}', '{}'])",
            file.display(),
            copy.display()
        );
        let mut duckdb = Command::new(program);
        duckdb.args(["-noheader", "-list", "-c", schema, "-c", &query]);
        parse(&run::capture(&mut duckdb)?)
    };
    let numbers = ask("times", "forktrace_failures")?;
    let refusals = ask("failures", "forktrace_refusals")?;
    ensure!(refusals == numbers, "of refusals {refusals:?}, {numbers:?}");
    Ok(numbers)
}

fn by_jq(program: &dyn Fn() -> Command, schema: &str, file: &Path) -> Result<Numbers> {
    let query = |query: &str| {
        let mut jq = program();
        jq.args(["-nrR", &format!("{schema}\n{query}")]).arg(file);
        run::capture(&mut jq)
    };
    let failures = query("reduce totals as $t (0; . + $t[1])")?;
    let limits = query(
        "reduce (records | select(.type == \"failure\") | .limit | values) as $l ([0, 0];
           [.[0] + 1, ([.[1], $l.value // 0] | max)]) | \"\\(.[0]) \\(.[1])\"",
    )?;
    parse(&format!("{failures} {limits}"))
}

/// Writes polars' loader; the Python that has polars and ClickHouse.
fn modules(folder: &Path, schema: &dyn Fn(&'static str) -> Result<String>) -> Result<PathBuf> {
    let python = python::with(POLARS)?;
    python::with(CHDB)?;
    let module = folder.join("forktrace_polars.py");
    fs::write(&module, schema("polars")?)
        .with_context(|| format!("writing {}", module.display()))?;
    Ok(python)
}

fn by_polars(python: &Path, folder: &Path, file: &Path) -> Result<Numbers> {
    const QUERY: &str = "
import sys, polars as pl
from forktrace_polars import read
r = read(sys.argv[1])
limit = r.filter(pl.col('type') == 'failure')['limit'].struct.unnest()
print((r['type'] == 'failure').sum() + (r.filter(pl.col('type') == 'repeat')['count'].sum() or 0), limit['name'].count(), limit['value'].max())
";
    let mut python = Command::new(python);
    python.current_dir(folder).args(["-c", QUERY]).arg(file);
    parse(&run::capture(&mut python)?)
}

fn by_clickhouse(python: &Path, structure: &str, file: &Path) -> Result<Numbers> {
    const QUERY: &str = "
import sys, chdb
print(chdb.query(f\"\"\"
SELECT sum(multiIf(type = 'failure', 1, type = 'repeat', count, 0)), countIf(limit.name IS NOT NULL), max(limit.value)
FROM file('{sys.argv[1]}', JSONEachRow, '{sys.argv[2].strip()}') SETTINGS input_format_allow_errors_num = 1
\"\"\", 'TSV'))
";
    let mut python = Command::new(python);
    python.args(["-c", QUERY]).arg(file).arg(structure);
    parse(&run::capture(&mut python)?)
}
