//! What a storm of refused forks costs with and without forktrace, and whether all of it is counted.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use forktrace::record::Record;

use crate::bench::await_idle;
use crate::scenario::Place;
use crate::storm::{Keys, Storm};
use crate::tracer::{NotStarted, Scratch, Tracer};

/// Refusals between two looks at forktrace's memory.
const PART: u32 = 500;

/// What was measured of forktrace.
#[derive(Default)]
struct Cost {
    /// Processor time, nanoseconds.
    cpu: u64,
    /// Resident memory, KiB: before, at most, at the end.
    rss: [u64; 3],
    counted: u64,
    lost: u64,
    skipped: u64,
    recorded: usize,
}

/// Measures under `style` (`none`: without forktrace) and prints one line of numbers.
pub(crate) fn run(forktrace: &Path, style: &str, keys: &str, refusals: u32) -> Result<()> {
    let scratch = Scratch::new()?;
    let mut tracer = None;
    if style != "none" {
        let binary = scratch.binary(forktrace)?;
        let started = match Tracer::record(&scratch, &binary, &["--attach", style]) {
            Ok(started) => started,
            Err(NotStarted::Refused(said)) => bail!("exit status 3: {}", said.trim()),
            Err(NotStarted::Failed(error)) => return Err(error),
        };
        await_idle(started.running.pid())?;
        tracer = Some(started);
    }
    // See `bench::run`.
    sleep(Duration::from_secs(20));
    let place = Place::find(1)?;
    let from = place.uid(2000);
    let keys_of = match keys {
        "one" => Keys::One,
        "processes" => Keys::Processes,
        "users" => Keys::Users { from },
        other => bail!("no storm of {other:?}"),
    };
    let tree = place.cgroups.tree("bench-storm")?;
    let mut storm = Storm::new("bench-storm", keys_of, PART, tree)?;
    let mut cost = Cost::default();
    let pid = tracer.as_ref().map(|tracer| tracer.running.pid());
    if let Some(pid) = pid {
        cost.rss = [rss(pid)?; 3];
        cost.cpu = cpu(pid)?;
    }
    let (mut refused, mut took) = (0, Duration::ZERO);
    while refused < u64::from(refusals) {
        let start = Instant::now();
        storm.begin()?;
        refused += storm.end()?;
        took += start.elapsed();
        if let Some(pid) = pid {
            cost.rss[2] = rss(pid)?;
            cost.rss[1] = cost.rss[1].max(cost.rss[2]);
        }
    }
    drop(storm);
    if let (Some(tracer), Some(pid)) = (&mut tracer, pid) {
        cost.cpu = cpu(pid)? - cost.cpu;
        let summary = tracer.end()?;
        cost.counted = summary.failures;
        cost.lost = summary.lost;
        cost.skipped = summary.skipped;
        let is_failure = |line: &&crate::expect::Line| matches!(line.record, Record::Failure(_));
        cost.recorded = tracer.lines.iter().filter(is_failure).count();
        ensure!(
            cost.counted <= refused && cost.counted + cost.skipped >= refused,
            "{refused} were refused, the summary says {summary:?}"
        );
    }
    let each = took.as_nanos() / u128::from(refused.max(1));
    let [first, most, last] = cost.rss;
    println!(
        "STORM\t{style}\t{keys}\t{refused}\t{each}\t{}\t{}\t{first}\t{most}\t{last}\t{}\t{}\t{}\t{}",
        took.as_nanos(),
        cost.cpu,
        cost.counted,
        cost.lost,
        cost.skipped,
        cost.recorded,
    );
    Ok(())
}

/// Resident memory, KiB.
pub(crate) fn rss(pid: i32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("no VmRSS")?.parse()?)
}

/// Processor time, nanoseconds; ticks of 10 ms where the kernel counts no finer.
fn cpu(pid: i32) -> Result<u64> {
    if let Ok(text) = fs::read_to_string(format!("/proc/{pid}/schedstat")) {
        let first = text
            .split_whitespace()
            .next()
            .context("an empty schedstat")?;
        return Ok(first.parse()?);
    }
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = text.rsplit_once(')').context("a strange stat")?;
    let ticks = rest.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(ticks * 10_000_000)
}
