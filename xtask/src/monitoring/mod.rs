//! What watches forktrace, for real: Prometheus, Alertmanager, node_exporter and VictoriaMetrics of Debian,
//! unpacked in a folder and run on loopback; and the files of `contrib/` by the tools that they are for.

mod alert;
mod dashboard;
mod fleet;
pub(crate) mod http;
mod kubernetes;
mod otlp;
pub(crate) mod server;
mod tools;

use crate::test::Tally;
use crate::{apt, local, paths, run};
use anyhow::{Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use tools::Tools;

const RULES: &str = "contrib/prometheus/forktrace.rules.yml";
const RULES_TEST: &str = "contrib/prometheus/forktrace.test.yml";

/// Runs `cargo xtask monitoring`: this part of the tests alone.
///
/// # Errors
///
/// As of [`run`].
pub(crate) fn main(args: &local::Args) -> Result<ExitCode> {
    let forktrace = args.forktrace()?;
    let mut tally = Tally::default();
    run(&forktrace, &mut tally)?;
    Ok(tally.end())
}

/// Runs all of it.
///
/// # Errors
///
/// A tool can't be had.
pub(crate) fn run(forktrace: &Path, tally: &mut Tally) -> Result<()> {
    tally.step(
        "Kubernetes: manifests fit their schemas",
        &kubernetes::check(),
    );
    tally.step(
        "OpenTelemetry: a collector gets every record once",
        &otlp::check(forktrace),
    );
    let tools = tools::get()?;
    let root = paths::root();
    let promtool = |arguments: &[&str]| {
        let mut promtool = Command::new(tools.promtool());
        run::quiet(promtool.args(arguments).current_dir(&root))
    };
    tally.step(
        "Prometheus: rules are rules",
        &promtool(&["check", "rules", RULES]),
    );
    tally.step(
        "Prometheus: rules' own tests",
        &promtool(&["test", "rules", RULES_TEST]),
    );
    let checked = check_openmetrics(&tools, forktrace);
    tally.step("Prometheus: promtool takes what check prints", &checked);
    if !apt::can_install() {
        tally.skip(
            "Prometheus: a refusal becomes an alert",
            "recording takes root",
        );
        return Ok(());
    }
    match alert::run(&tools, forktrace) {
        Ok(metrics) => {
            let lints = lint(&tools, &metrics);
            tally.step("Prometheus: a refusal becomes an alert", &Ok(()));
            tally.step("Prometheus: promtool takes what record serves", &lints);
            tally.step(
                "Grafana: the dashboard's queries have answers",
                &dashboard::check(&metrics),
            );
            let queries = fleet::run(&tools, &metrics);
            tally.step(
                "VictoriaMetrics: a thousand hosts by remote write",
                &queries,
            );
        }
        Err(error) => tally.step("Prometheus: a refusal becomes an alert", &Err(error)),
    }
    Ok(())
}

/// What `promtool check metrics` has against it: nothing.
fn lint(tools: &Tools, text: &str) -> Result<()> {
    let mut promtool = Command::new(tools.promtool());
    let said = run::through(promtool.args(["check", "metrics"]), text.as_bytes())?;
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(said.trim().is_empty(), "{said}");
    Ok(())
}

fn check_openmetrics(tools: &Tools, forktrace: &Path) -> Result<()> {
    let out = Command::new(forktrace)
        .args(["check", "--format", "openmetrics"])
        .output()?;
    // 1: a limit is near.
    ensure!(matches!(out.status.code(), Some(0 | 1)), "{}", out.status);
    let text = String::from_utf8(out.stdout)?;
    ensure!(text.ends_with("# EOF\n"), "it has no end");
    ensure!(text.contains("forktrace_limit_used{"), "it has no limit");
    lint(tools, &text)
}

/// A folder of its own, empty.
fn folder(name: &str) -> Result<PathBuf> {
    let folder = paths::work("monitoring").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
