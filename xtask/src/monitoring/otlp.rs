//! A real collector gets what a recording has, though it was away at first, and nothing twice after a restart.

use super::{folder, http, server};
use crate::{paths, python, run};
use anyhow::{Result, ensure};
use server::{Server, until};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROTEL: &str = "rotel==0.0.1a15";
const RECORDING: &str = "forktrace/tests/data/schema-1.ndjson";

pub(super) fn check(forktrace: &Path) -> Result<()> {
    let agent = agent()?;
    let here = folder("otlp")?;
    let recording = here.join("failures.ndjson");
    let text = fs::read_to_string(paths::root().join(RECORDING))?;
    let failures = text
        .lines()
        .filter(|line| line.contains("\"type\":\"failure\""))
        .count();
    fs::write(&recording, &text)?;
    let (grpc, http) = (http::free_port()?, http::free_port()?);
    let replay = |name: &str| {
        let folder = here.join(name);
        fs::create_dir(&folder)?;
        let url = format!("http://127.0.0.1:{http}");
        let mut replay = Command::new(forktrace);
        replay
            .args(["replay", "--follow"])
            .arg(&recording)
            .arg("--otlp")
            .arg(url);
        Server::start(&folder, &mut replay)
    };
    let first = replay("first")?;
    until("it says that the collector is away", || {
        Ok(first.said().contains("tried again").then_some(()))
    })?;
    let collector = Server::start(
        &here,
        Command::new(agent)
            .arg("start")
            .args([
                "--exporter",
                "blackhole",
                "--debug-log",
                "logs",
                "--debug-log",
                "metrics",
            ])
            .args(["--debug-log-verbosity", "detailed"])
            .arg(format!("--otlp-http-endpoint=127.0.0.1:{http}"))
            .arg(format!("--otlp-grpc-endpoint=127.0.0.1:{grpc}")),
    )?;
    let arrived = |what: &str| collector.said().matches(what).count();
    until("the collector has every failure", || {
        Ok((arrived("forktrace.operation") == failures).then_some(()))
    })?;
    until("the collector has the sums", || {
        Ok((arrived("forktrace.failures") > 0).then_some(()))
    })?;
    first.end()?;
    // What is there is not sent again; what comes is.
    let second = replay("second")?;
    let more = text
        .lines()
        .find(|line| line.contains("\"type\":\"failure\""));
    fs::write(&recording, format!("{text}{}\n", more.unwrap_or_default()))?;
    until("the collector has the new one", || {
        Ok((arrived("forktrace.operation") > failures).then_some(()))
    })?;
    second.end()?;
    let all = arrived("forktrace.operation");
    ensure!(
        all == failures + 1,
        "{all} of {} failures arrived",
        failures + 1
    );
    Ok(())
}

/// The program in the package.
fn agent() -> Result<PathBuf> {
    let mut python = Command::new(python::library(ROTEL, "rotel")?);
    python.args([
        "-c",
        "import rotel, os; print(os.path.dirname(rotel.__file__))",
    ]);
    let at = run::capture(&mut python)?;
    Ok(Path::new(at.trim()).join("rotel-agent"))
}
