//! What `forktrace convert` writes: CSV by DuckDB, and in the full run Parquet, by the engines that read it. The
//! numbers are those of the recording's own lines.

use super::{Numbers, POLARS, parse};
use crate::{paths, python, run, test::Tier};
use anyhow::{Context, Result};
use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const PYARROW: &str = "pyarrow==26.0.1";
const PANDAS: &str = "pandas==3.1.1";

/// Engines in Python, and how each is asked for the three numbers of `sys.argv[1]`.
const IN_PYTHON: [(&str, &str); 3] = [
    (
        "polars",
        "
import sys, polars as pl
r = pl.read_parquet(sys.argv[1])
f = r.filter(pl.col('type') == 'failure')
l = f['limit'].struct
print(r.filter(pl.col('type').is_in(['failure', 'repeat']))['failures'].sum(), l.field('name').count(), l.field('value').max())
",
    ),
    (
        "pyarrow",
        "
import sys, pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet as pq
r = pq.read_table(sys.argv[1])
f = r.filter(pc.equal(r['type'], 'failure'))
c = r.filter(pc.is_in(r['type'], pa.array(['failure', 'repeat'])))
print(pc.sum(c['failures']), pc.count(pc.struct_field(f['limit'], 'name')), pc.max(pc.struct_field(f['limit'], 'value')))
",
    ),
    (
        "pandas",
        "
import sys, pandas as pd
r = pd.read_parquet(sys.argv[1], dtype_backend='pyarrow')
l = r[r['type'] == 'failure']['limit'].dropna()
print(r[r['type'].isin(['failure', 'repeat'])]['failures'].sum(), l.struct.field('name').count(), l.struct.field('value').max())
",
    ),
];

/// What reads it.
pub(super) struct Converted {
    forktrace: PathBuf,
    duckdb: PathBuf,
    /// Where the program for Parquet is, and Python with the engines: of the full run.
    full: Option<(PathBuf, PathBuf)>,
}

impl Converted {
    pub(super) fn get(tier: Tier, forktrace: &Path, duckdb: &Path) -> Result<Self> {
        let full = (tier == Tier::Full).then(|| -> Result<_> {
            for package in [POLARS, PYARROW] {
                python::with(package)?;
            }
            Ok((build()?, python::with(PANDAS)?))
        });
        Ok(Self {
            forktrace: forktrace.to_owned(),
            duckdb: duckdb.to_owned(),
            full: full.transpose()?,
        })
    }

    /// Every engine on a recording.
    pub(super) fn check(
        &self,
        folder: &Path,
        name: &str,
        recording: &Path,
        check: &mut impl FnMut(&str, Result<Numbers>),
    ) {
        let csv = folder.join(format!("{name}.csv"));
        let by_duckdb = |from: String, limit: [&str; 2]| {
            let [name, value] = limit;
            let query = format!(
                "SELECT concat_ws(' ', sum(failures) FILTER (type IN ('failure', 'repeat'))::BIGINT, \
                 count({name}) FILTER (type = 'failure'), max({value}) FILTER (type = 'failure')) \
                 FROM {from}"
            );
            let mut duckdb = Command::new(&self.duckdb);
            parse(&run::capture(duckdb.args([
                "-noheader",
                "-list",
                "-c",
                &query,
            ]))?)
        };
        let read = self.convert(&[recording], &csv);
        let columns = ["\"limit.name\"", "\"limit.value\""];
        // It guesses types from the first lines, and what doesn't fit is a floating point number.
        let from = format!(
            "read_csv('{}', types = {{'limit.value': 'UBIGINT'}})",
            csv.display()
        );
        check("CSV: DuckDB", read.and_then(|()| by_duckdb(from, columns)));
        let Some((_, python)) = &self.full else {
            return;
        };
        let parquet = folder.join(format!("{name}.parquet"));
        let read = self.convert(&[recording], &parquet);
        let columns = ["\"limit\".name", "\"limit\".value"];
        check(
            "Parquet: DuckDB",
            read.and_then(|()| by_duckdb(format!("'{}'", parquet.display()), columns)),
        );
        for (engine, query) in IN_PYTHON {
            let mut asked = Command::new(python);
            let read = run::capture(asked.args(["-c", query]).arg(&parquet));
            check(
                &format!("Parquet: {engine}"),
                read.and_then(|read| parse(&read)),
            );
        }
    }

    /// Whether the program for Parquet is there.
    pub(super) fn writes_parquet(&self) -> bool {
        self.full.is_some()
    }

    pub(super) fn convert(&self, recordings: &[impl AsRef<OsStr>], to: &Path) -> Result<()> {
        let mut convert = Command::new(&self.forktrace);
        // A recording that is cut off is one of the cases.
        convert.args(["convert", "--force", "--lenient", "--output"]);
        if let Some((folder, _)) = &self.full {
            convert.env("PATH", path_with(folder)?);
        }
        run::quiet(convert.arg(to).args(recordings))
    }
}

fn path_with(folder: &Path) -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
    std::env::join_paths(all).context("a folder in PATH")
}

/// Builds the program for Parquet; its folder.
fn build() -> Result<PathBuf> {
    let target = paths::work("convert");
    let mut cargo = run::cargo();
    cargo
        .current_dir(paths::root())
        .args([
            "build",
            "--quiet",
            "--locked",
            "--package",
            "forktrace-convert",
        ])
        .args(["--profile", "guest"])
        .env("CARGO_TARGET_DIR", &target);
    run::loud(&mut cargo).context("building forktrace-convert")?;
    let folder = target.join("guest");
    fs::metadata(folder.join("forktrace-convert")).context("forktrace-convert")?;
    Ok(folder)
}
