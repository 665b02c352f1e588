//! A thousand hosts: what one host has served, once for each, scraped by Prometheus and written by it into
//! VictoriaMetrics; and what is asked of all of them, with the time that the answer takes.

use super::{Tools, alert::number, folder, http, server};
use anyhow::{Result, ensure};
use server::{Server, until};
use std::fs;
use std::process::Command;
use std::time::Instant;

const HOSTS: usize = 1000;

/// What people ask of a fleet.
const QUERIES: [&str; 4] = [
    "count(forktrace_attached)",
    "sum by (cause) (forktrace_failures_by_cause_total)",
    "topk(10, sum by (instance) (forktrace_failures_total))",
    "count(forktrace_limit_used / (forktrace_limit_max > 0) >= 0.9) or vector(0)",
];

pub(super) fn run(tools: &Tools, metrics: &str) -> Result<()> {
    let here = folder("fleet")?;
    let text: String = (0..HOSTS).map(|n| of_host(metrics, n)).collect();
    println!("xtask: {HOSTS} hosts, {} series", text.lines().count());
    let hosts = http::serve(text)?;
    let (victoria, listen) = (http::free_port()?, http::free_port()?);
    let _victoria = Server::start(
        &here,
        Command::new(tools.victoria_metrics())
            // What is queried at once is there at once.
            .args(["-storageDataPath=vm", "-search.latencyOffset=0s"])
            .arg(format!("-httpListenAddr=127.0.0.1:{victoria}")),
    )?;
    fs::write(
        here.join("prom.yml"),
        format!(
            "scrape_configs:\n\
             - {{job_name: fleet, scrape_interval: 20s, scrape_timeout: 20s, honor_labels: true, \
             static_configs: [{{targets: ['127.0.0.1:{hosts}']}}]}}\n\
             remote_write: [{{url: 'http://127.0.0.1:{victoria}/api/v1/write'}}]\n"
        ),
    )?;
    let prometheus = Server::start(
        &here,
        Command::new(tools.prometheus())
            .args(["--config.file=prom.yml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address=127.0.0.1:{listen}")),
    )?;
    until("all hosts are in VictoriaMetrics", || {
        let there = number(victoria, QUERIES[0])?;
        Ok((there == Some(HOSTS as f64)).then_some(()))
    })?;
    // What is timed is the answer, not what is written meanwhile.
    drop(prometheus);
    for query in QUERIES {
        let begun = Instant::now();
        let answer = number(victoria, query)?;
        println!("xtask: {:>6.0?} {query}", begun.elapsed());
        ensure!(answer.is_some(), "{query} has no answer");
    }
    Ok(())
}

/// The samples with the host's label; what they are is said once.
fn of_host(metrics: &str, host: usize) -> String {
    let label = format!("instance=\"host-{host:04}\"");
    let mut out = String::with_capacity(metrics.len() * 2);
    for line in metrics.lines() {
        if line.starts_with('#') {
            continue;
        }
        match line.split_once('{') {
            Some((name, rest)) => out.push_str(&format!("{name}{{{label},{rest}\n")),
            None => {
                let (name, value) = line.split_once(' ').unwrap_or((line, "0"));
                out.push_str(&format!("{name}{{{label}}} {value}\n"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::of_host;

    #[test]
    fn each_sample_is_a_hosts() {
        let text = "# TYPE a counter\na{x=\"{1}\"} 2\nb 3\n";
        let wanted = "a{instance=\"host-0007\",x=\"{1}\"} 2\nb{instance=\"host-0007\"} 3\n";
        assert_eq!(of_host(text, 7), wanted);
    }
}
