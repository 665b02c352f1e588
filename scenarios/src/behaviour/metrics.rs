//! Numbers for monitoring: exact in a storm, whoever asks and however.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Behaviour, await_text, forktrace, provoke, record, refused_user};
use crate::machine;
use crate::runner::Tests;
use crate::storm::{Keys, Storm};
use crate::tracer::{Running, only_one_task};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "metrics_add_up_whoever_asks",
        run: add_up,
    },
    Behaviour {
        name: "metrics_of_limits",
        run: limits,
    },
    Behaviour {
        name: "metrics_wrong_usage",
        run: wrong_usage,
    },
];

/// As many as say nothing; more than a server that waits for each could bear.
const SILENT: usize = 300;
const PART: u32 = 400;

/// A storm, of which somebody asks, while hundreds connect and say nothing, and one is slow: the scrape
/// is answered, and every failure is in the recording and in the numbers.
fn add_up(tests: &Tests) -> Result<()> {
    let file = tests.scratch.path("numbers.prom");
    let path = file.to_string_lossy().into_owned();
    let mut tracer = record(
        tests,
        &[
            "--metrics",
            "0",
            "--metrics-file",
            &path,
            "--metrics-series",
            "3",
        ],
    )?;
    let port = port(&tracer.running)?;
    ensure!(sum(&scrape(port)?) == 0, "failures before there are any");
    let mut users = (0..5)
        .map(|n| refused_user("counted", tests.place.uid(190 + n), 2))
        .collect::<Result<Vec<_>>>()?;
    let tree = tests.place.cgroups.tree("metrics")?;
    let mut storm = Storm::new("counted", Keys::Processes, PART, tree)?;
    let silent: Vec<_> = (0..SILENT).map(|_| connect(port)).collect();
    let mut slow = connect(port)?;
    slow.write_all(b"GET /met")?;
    storm.begin()?;
    let begun = Instant::now();
    scrape(port)?;
    let took = begun.elapsed();
    ensure!(took < Duration::from_secs(5), "a scrape took {took:?}");
    for user in &mut users {
        provoke(user)?;
    }
    let refused = storm.end()? + 10;
    only_one_task(tracer.running.pid())?;
    ensure!(silent.iter().all(Result::is_ok), "not all could connect");
    drop(silent);
    let summary = tracer.end()?;
    let text = fs::read_to_string(&file)?;
    let counted = sum(&text);
    ensure!(
        counted == summary.failures - summary.lost && counted >= refused - summary.lost,
        "{refused} refused, {} in the recording ({} lost), {counted} in the numbers:\n{text}",
        summary.failures,
        summary.lost
    );
    let by_cause: u64 = samples(&text, "forktrace_failures_by_cause_total{");
    ensure!(by_cause == counted, "by cause {by_cause}, {counted} in all");
    // Six owners, three series: the rest is in one.
    let other = samples(
        &text,
        "forktrace_failures_total{cause=\"rlimit_nproc\",errno=\"EAGAIN\",operation=\"process\",limit=\"other\"",
    );
    ensure!(other > 0, "nothing in the series of the others:\n{text}");
    Ok(())
}

/// A limit that is full shows within the first reading, also after privileges are given up.
fn limits(tests: &Tests) -> Result<()> {
    let file = tests.scratch.path("limits.prom");
    let path = file.to_string_lossy().into_owned();
    let tree = tests.place.cgroups.tree("metrics-limit")?;
    let home = tree.top();
    home.limit(7)?;
    let mut tracer = record(tests, &["--metrics-file", &path])?;
    let text = machine::await_some(Duration::from_secs(10), || fs::read_to_string(&file).ok());
    let text = text.context("the file did not come")?;
    let max = format!(
        "forktrace_limit_max{{limit=\"pids.max\",owner=\"{}\"",
        home.shown()
    );
    ensure!(samples(&text, &max) == 7, "no {max}:\n{text}");
    let mode = fs::metadata(&file)?.permissions();
    let mode = std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777;
    ensure!(mode == 0o644, "its mode is {mode:o}");
    ensure!(
        samples(&text, "forktrace_attached{") == 1,
        "not attached:\n{text}"
    );
    tracer.end()?;
    let text = fs::read_to_string(&file)?;
    ensure!(
        samples(&text, "forktrace_attached{") == 0,
        "still attached:\n{text}"
    );
    Ok(())
}

fn wrong_usage(tests: &Tests) -> Result<()> {
    let said = |arguments: &[&str], status: i32, text: &str| -> Result<()> {
        let all = [&["live", "--duration", "1"], arguments].concat();
        let running = forktrace(tests, &all, status)?;
        let said = running.said();
        ensure!(said.contains(text), "{arguments:?}: {said}");
        Ok(())
    };
    said(&["--metrics-file", "x.txt"], 2, ".prom")?;
    said(&["--metrics-file", "/none/x.prom"], 2, "no folder")?;
    said(&["--metrics", "host:9435"], 2, "give a port")?;
    said(&["--metrics-series", "0"], 2, "series from 1")?;
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = taken.local_addr()?.port().to_string();
    said(&["--metrics", &port], 3, "in use")
}

/// Where it says that it listens.
fn port(running: &Running) -> Result<u16> {
    await_text(|| running.said(), "/metrics")?;
    let said = running.said();
    let rest = said.split_once("http://127.0.0.1:").context("no address")?;
    let digits = rest.1.split('/').next().unwrap_or_default();
    digits.parse().context(said)
}

fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
}

fn scrape(port: u16) -> Result<String> {
    let mut stream = connect(port)?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "{head}");
    Ok(body.to_owned())
}

/// Of all failures.
fn sum(text: &str) -> u64 {
    samples(text, "forktrace_failures_total{")
}

/// The sum of those whose names and labels begin so.
fn samples(text: &str, start: &str) -> u64 {
    let all = text.lines().filter(|line| line.starts_with(start));
    let values = all.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    values.sum()
}
