//! The whole way: a task is refused in a cgroup of its own, forktrace counts it, Prometheus scrapes it from
//! forktrace and from node_exporter's textfile collector, the rule fires, Alertmanager has the alert.

use super::{RULES, Tools, dashboard, folder, http, server};
use crate::{paths, run};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use server::{Server, until};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What forktrace has served in the end.
pub(super) fn run(tools: &Tools, forktrace: &Path) -> Result<String> {
    let here = folder("alert")?;
    let textfiles = here.join("textfile");
    fs::create_dir(&textfiles)?;
    let file = textfiles.join("forktrace.prom");
    let recording = here.join("failures.ndjson");
    let recorder = Server::start(
        &here,
        Command::new(forktrace)
            .arg("record")
            .arg("-o")
            .arg(&recording)
            .args(["--metrics", "0", "--metrics-file"])
            .arg(&file),
    )?;
    let own = until("forktrace listens", || {
        let said = recorder.said();
        let port = said.split_once("http://127.0.0.1:").and_then(|(_, rest)| {
            let digits = rest.split('/').next()?;
            digits.parse::<u16>().ok()
        });
        Ok(port.filter(|_| file.exists()))
    })?;
    let (node, alertmanager, prometheus) =
        (http::free_port()?, http::free_port()?, http::free_port()?);
    let loopback = |port: u16| format!("127.0.0.1:{port}");
    let _node = Server::start(
        &here,
        Command::new(tools.node_exporter())
            .args(["--collector.disable-defaults", "--collector.textfile"])
            .arg(format!(
                "--collector.textfile.directory={}",
                textfiles.display()
            ))
            .arg(format!("--web.listen-address={}", loopback(node))),
    )?;
    fs::write(
        here.join("am.yml"),
        "route: {receiver: nobody, group_wait: 1s}\nreceivers: [{name: nobody}]\n",
    )?;
    let _alertmanager = Server::start(
        &here,
        tools
            .alertmanager()
            .args(["--config.file=am.yml", "--storage.path=am"])
            .arg("--cluster.listen-address=")
            .arg(format!("--web.listen-address={}", loopback(alertmanager))),
    )?;
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
         rule_files: ['{}']\n\
         alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{}']}}]}}]}}\n\
         scrape_configs:\n\
         - {{job_name: forktrace, static_configs: [{{targets: ['{}']}}]}}\n\
         - {{job_name: node, static_configs: [{{targets: ['{}']}}]}}\n",
        paths::root().join(RULES).display(),
        loopback(alertmanager),
        loopback(own),
        loopback(node),
    );
    fs::write(here.join("prom.yml"), config)?;
    let mut promtool = Command::new(tools.promtool());
    run::quiet(
        promtool
            .args(["check", "config", "prom.yml"])
            .current_dir(&here),
    )?;
    let _prometheus = Server::start(
        &here,
        Command::new(tools.prometheus())
            .args(["--config.file=prom.yml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address={}", loopback(prometheus))),
    )?;
    // Both have to be there before, so that what comes is an increase.
    until("Prometheus scrapes both", || {
        let asked = "count(forktrace_failures_by_cause_total{cause=\"cgroup_pids_max\"})";
        Ok((number(prometheus, asked)? == Some(2.0)).then_some(()))
    })?;
    let mut selftest = Command::new(forktrace);
    run::quiet(selftest.args(["selftest", "--only", "cgroup_pids_max"]))?;
    let of_both = until("Alertmanager has the alert of both", || {
        let text = http::get(alertmanager, "/api/v2/alerts")?;
        let alerts: Vec<Value> = serde_json::from_str(&text)?;
        let ours = alerts.iter().filter(|alert| {
            let labels = &alert["labels"];
            labels["alertname"] == "ForksRefused" && labels["cause"] == "cgroup_pids_max"
        });
        let instances: Vec<&Value> = ours.map(|alert| &alert["labels"]["instance"]).collect();
        Ok((instances.len() == 2).then(|| format!("{instances:?}")))
    })?;
    println!("xtask: alerts of {of_both}");
    for query in dashboard::queries()? {
        until(&query, || Ok(number(prometheus, &query)?.map(drop)))?;
    }
    let metrics = http::get(own, "/metrics")?;
    recorder.end()?;
    agree(&recording, &fs::read_to_string(&file)?)?;
    Ok(metrics)
}

/// The first value of an instant query.
pub(super) fn number(port: u16, query: &str) -> Result<Option<f64>> {
    let text = http::get(
        port,
        &format!("/api/v1/query?query={}", http::encoded(query)),
    )?;
    let answer: Value = serde_json::from_str(&text)?;
    ensure!(answer["status"] == "success", "{text}");
    let value = answer["data"]["result"][0]["value"][1].as_str();
    Ok(value.and_then(|value| value.parse().ok()))
}

/// The numbers of the file in the end are those of the recording's summary.
fn agree(recording: &Path, metrics: &str) -> Result<()> {
    let text = fs::read_to_string(recording)?;
    let last = text.lines().last().context("an empty recording")?;
    let summary: Value = serde_json::from_str(last)?;
    let failures = summary["failures"].as_u64().context("no summary")?;
    let lost = summary["lost"].as_u64().unwrap_or(0);
    let sum: u64 = metrics
        .lines()
        .filter(|line| line.starts_with("forktrace_failures_total{"))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
        .sum();
    ensure!(
        sum == failures - lost && sum > 0,
        "the series have {sum} failures, the recording {failures}, {lost} of them lost"
    );
    Ok(())
}
