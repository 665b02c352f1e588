//! `cargo xtask bench report`: how long `forktrace report` takes for a million
//! failures, and how much memory, beside other tools that compute the same
//! totals by cause from the same file in the same run; and, as what reading it costs at least, beside
//! `wc -l` and `zstd -t`.

mod generate;

use crate::{
    json_tools, local,
    measured::{HEAD, Run, measure},
    paths, run,
};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Arguments of `cargo xtask bench report`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Failures in the recording that is generated
    #[arg(long, default_value_t = 1_000_000)]
    failures: u64,
    /// Runs of each; the one with the least CPU time is printed
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

/// Failures by cause, repeats included.
type Totals = BTreeMap<String, u64>;

struct Contender {
    name: &'static str,
    command: Command,
    /// A tool that many times as slow is run once.
    runs: u32,
    /// `None`: it computes nothing of the kind.
    read: Option<fn(&str) -> Result<Totals>>,
}

/// Totals by cause. A repeat follows its failure in what is generated, and jq
/// takes the last one's cause: a table of all of them takes it quadratic time.
const JQ: &str = r#"reduce inputs as $r ({n: {}};
  if $r.type == "failure" then .last = $r.cause | .n[$r.cause] += 1
  elif $r.type == "repeat" then .n[.last] += $r.count
  else . end) | .n"#;
/// As one would write it for any recording of one session.
const SQL: &str = r#"WITH r AS MATERIALIZED (
  SELECT * FROM read_json('FILE', format = 'newline_delimited', columns = {
    type: 'VARCHAR', seq: 'UBIGINT', cause: 'VARCHAR', "of": 'UBIGINT', count: 'UBIGINT'}))
SELECT json_group_object(cause, n) FROM (
  SELECT cause, sum(n)::UBIGINT AS n FROM (
    SELECT cause, 1 AS n FROM r WHERE type = 'failure'
    UNION ALL
    SELECT f.cause, p.count FROM r p JOIN r f ON f.seq = p."of"
    WHERE p.type = 'repeat' AND f.type = 'failure')
  GROUP BY cause)"#;

/// Runs it.
pub(crate) fn main(args: &Args) -> Result<()> {
    let file = paths::work_dir("bench")?.join(format!("report-{}.ndjson", args.failures));
    generate::write(&file, args.failures)?;
    let packed = file.with_extension("ndjson.zst");
    let done = pack(&file, &packed).and_then(|()| compare(&file, &packed, args));
    // A gigabyte and a half.
    let _ = std::fs::remove_file(&file);
    let _ = std::fs::remove_file(&packed);
    done
}

/// In frames as forktrace makes them.
fn pack(file: &Path, packed: &Path) -> Result<()> {
    let mut split = Command::new("split");
    split.args(["--line-bytes=256k", "--filter=zstd -q -3 -c"]);
    let to =
        std::fs::File::create(packed).with_context(|| format!("creating {}", packed.display()))?;
    run::loud(split.arg(file).stdout(to))
}

fn compare(file: &Path, packed: &Path, args: &Args) -> Result<()> {
    let bytes = file.metadata()?.len();
    println!("{} failures, {:.2} GB\n", args.failures, bytes as f64 / 1e9);
    println!("{HEAD}");
    // Into the page cache, so that nobody pays for the disk.
    std::io::copy(&mut std::fs::File::open(file)?, &mut std::io::sink())?;
    let mut wanted: Option<Totals> = None;
    for mut contender in contenders(file, packed, args)? {
        let mut best: Option<Run> = None;
        for _ in 0..contender.runs {
            let run = measure(&mut contender.command)?;
            let totals = contender.read.map(|read| read(&run.said)).transpose();
            let totals =
                totals.with_context(|| format!("{} printed {}", contender.name, run.said))?;
            match (&wanted, totals) {
                (_, None) => {}
                (None, totals) => wanted = totals,
                (Some(wanted), Some(totals)) if *wanted == totals => {}
                (Some(wanted), Some(totals)) => {
                    bail!("{} counts {totals:?}, forktrace {wanted:?}", contender.name)
                }
            }
            // A busy machine lengthens the one more than the other.
            if best.as_ref().is_none_or(|best| run.cpu < best.cpu) {
                best = Some(run);
            }
        }
        if let Some(run) = best {
            println!("{}", run.row(contender.name, bytes));
        }
    }
    println!(
        "\nAll count the same by cause: {:?}",
        wanted.unwrap_or_default()
    );
    Ok(())
}

fn contenders(file: &Path, packed: &Path, args: &Args) -> Result<Vec<Contender>> {
    let program = local::forktrace()?;
    let mut all = Vec::new();
    for (name, file, alone) in [
        ("forktrace report", file, false),
        ("forktrace report, one thread", file, true),
        ("forktrace report, .zst", packed, false),
        ("forktrace report, .zst, one thread", packed, true),
    ] {
        let mut command = match alone {
            true => Command::new("taskset"),
            false => Command::new(&program),
        };
        if alone {
            command.args(["-c", "0"]).arg(&program);
        }
        command.arg("report").arg(file).args(["--format", "json"]);
        all.push(Contender {
            name,
            command,
            runs: args.runs,
            read: Some(of_report),
        });
    }
    for (name, program, arg, file) in [
        ("wc -l", "wc", "-l", file),
        ("zstd -t", "zstd", "-qt", packed),
    ] {
        let mut command = Command::new(program);
        command.arg(arg).arg(file);
        all.push(Contender {
            name,
            command,
            runs: args.runs,
            read: None,
        });
    }
    let duckdb = json_tools::get()?.join("duckdb");
    for (name, set) in [("duckdb, one thread", "SET threads = 1;"), ("duckdb", "")] {
        let sql = SQL.replace("FILE", &file.to_string_lossy().replace('\'', "''"));
        let mut command = Command::new(&duckdb);
        command.args(["-noheader", "-list", "-c", &format!("{set}{sql}")]);
        all.push(Contender {
            name,
            command,
            runs: args.runs,
            read: Some(of_object),
        });
    }
    let mut jq = Command::new("jq");
    jq.args(["-nc", JQ]).arg(file);
    all.push(Contender {
        name: "jq",
        command: jq,
        runs: 1,
        read: Some(of_object),
    });
    Ok(all)
}

fn of_report(said: &str) -> Result<Totals> {
    let report: serde_json::Value = serde_json::from_str(said)?;
    let causes = report["causes"].as_array().context("no causes")?;
    let each = causes.iter().map(|row| {
        let cause = row["cause"].as_str().context("no cause")?;
        let failures = row["failures"].as_u64().context("no count")?;
        Ok((cause.to_owned(), failures))
    });
    each.collect()
}

fn of_object(said: &str) -> Result<Totals> {
    Ok(serde_json::from_str(said.trim())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_read_from_both_forms() {
        let report = r#"{"report":1,"causes":[{"cause":"pid_max","failures":3,"share":1.0}]}"#;
        let wanted = Totals::from([("pid_max".to_owned(), 3)]);
        assert_eq!(of_report(report).unwrap(), wanted);
        assert_eq!(of_object("{\"pid_max\":3}\n").unwrap(), wanted);
        assert!(of_report("{}").is_err());
    }
}
