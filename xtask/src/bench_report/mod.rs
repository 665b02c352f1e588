//! `cargo xtask bench report`: how long `forktrace report` takes for a million
//! failures, and how much memory, beside other tools that compute the same
//! totals by cause from the same file in the same run.

mod generate;

use crate::{paths, run};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Arguments of `cargo xtask bench report`.
#[derive(clap::Args)]
pub struct Args {
    /// Failures in the recording that is generated
    #[arg(long, default_value_t = 1_000_000)]
    failures: u64,
    /// Runs of each; the fastest is told
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
    read: fn(&str) -> Result<Totals>,
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
pub fn main(args: &Args) -> Result<()> {
    let file = paths::work_dir("bench")?.join(format!("report-{}.ndjson", args.failures));
    generate::write(&file, args.failures)?;
    let done = compare(&file, args);
    // A gigabyte and a half.
    let _ = std::fs::remove_file(&file);
    done
}

fn compare(file: &Path, args: &Args) -> Result<()> {
    let bytes = file.metadata()?.len();
    println!("{} failures, {:.2} GB\n", args.failures, bytes as f64 / 1e9);
    println!("| | seconds | MB/s | peak memory, MiB |\n|---|---:|---:|---:|");
    // Into the page cache, so that nobody pays for the disk.
    std::io::copy(&mut std::fs::File::open(file)?, &mut std::io::sink())?;
    let mut wanted: Option<Totals> = None;
    for mut contender in contenders(file, args)? {
        let mut best: Option<(Duration, u64)> = None;
        for _ in 0..contender.runs {
            let (took, peak, said) = measure(&mut contender.command)?;
            let totals = (contender.read)(&said)
                .with_context(|| format!("{} printed {said}", contender.name))?;
            match &wanted {
                None => wanted = Some(totals),
                Some(wanted) if *wanted == totals => {}
                Some(wanted) => {
                    bail!("{} counts {totals:?}, forktrace {wanted:?}", contender.name)
                }
            }
            if best.is_none_or(|(fastest, _)| took < fastest) {
                best = Some((took, peak));
            }
        }
        if let Some((took, peak)) = best {
            let speed = bytes as f64 / 1e6 / took.as_secs_f64();
            let seconds = took.as_secs_f64();
            println!(
                "| {} | {seconds:.2} | {speed:.0} | {} |",
                contender.name,
                peak / 1024
            );
        }
    }
    println!(
        "\nAll count the same by cause: {:?}",
        wanted.unwrap_or_default()
    );
    Ok(())
}

fn contenders(file: &Path, args: &Args) -> Result<Vec<Contender>> {
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    build.args(["build", "--release", "--quiet", "--package", "forktrace"]);
    run::loud(build.current_dir(paths::root()))?;
    let target = paths::work("");
    let target = target.parent().context("the target folder")?;
    let mut forktrace = Command::new(target.join("release/forktrace"));
    forktrace.arg("report").arg(file).args(["--format", "json"]);
    let mut all = vec![Contender {
        name: "forktrace report",
        command: forktrace,
        runs: args.runs,
        read: of_report,
    }];
    if installed("duckdb") {
        for (name, set) in [("duckdb, one thread", "SET threads = 1;"), ("duckdb", "")] {
            let sql = SQL.replace("FILE", &file.to_string_lossy().replace('\'', "''"));
            let mut duckdb = Command::new("duckdb");
            duckdb.args(["-noheader", "-list", "-c", &format!("{set}{sql}")]);
            all.push(Contender {
                name,
                command: duckdb,
                runs: args.runs,
                read: of_object,
            });
        }
    }
    if installed("jq") {
        let mut jq = Command::new("jq");
        jq.args(["-nc", JQ]).arg(file);
        all.push(Contender {
            name: "jq",
            command: jq,
            runs: 1,
            read: of_object,
        });
    }
    for tool in ["duckdb", "jq"].into_iter().filter(|tool| !installed(tool)) {
        eprintln!("xtask: {tool} is not installed, and not compared");
    }
    Ok(all)
}

fn installed(tool: &str) -> bool {
    let mut command = Command::new(tool);
    let command = command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.stdin(Stdio::null()).status().is_ok()
}

/// How long it took, its peak memory in KiB, and what it printed.
fn measure(command: &mut Command) -> Result<(Duration, u64, String)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let start = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("starting `{}`", run::line(command)))?;
    let mut said = String::new();
    if let Some(mut out) = child.stdout.take() {
        out.read_to_string(&mut said)?;
    }
    let pid = libc::pid_t::try_from(child.id())?;
    let mut status = 0;
    // SAFETY: an all-zero rusage is a value of it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the child of this process, which nobody has waited for; the
    // pointers are to locals.
    let reaped = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    let took = start.elapsed();
    if reaped != pid || status != 0 {
        bail!("`{}` failed: wait status {status:#x}", run::line(command));
    }
    Ok((took, u64::try_from(usage.ru_maxrss)?, said))
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

    #[test]
    fn time_and_memory_are_the_child_s() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo said"]);
        let (_, peak, said) = measure(&mut command).unwrap();
        assert_eq!(said, "said\n");
        assert!((100..1_000_000).contains(&peak), "{peak} KiB");
        assert!(measure(Command::new("sh").args(["-c", "exit 3"])).is_err());
    }
}
