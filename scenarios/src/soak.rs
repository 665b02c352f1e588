//! Storms and quiet in turn, for as long as is wanted: forktrace's memory and descriptors stay flat,
//! and every refusal is counted.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use forktrace::record::Record;

use crate::bench_storm::rss;
use crate::scenario::Place;
use crate::storm::{Keys, Storm};
use crate::tracer::{NotStarted, Scratch, Tracer, only_one_task};

const COMM: &str = "soak-storm";
/// Between two storms; every fifth time five times as long, so that what is quiet is forgotten.
const QUIET: Duration = Duration::from_secs(4);
/// What resident memory may grow by after the first third, KiB.
const GROWTH: u64 = 1024;

/// A look at forktrace.
#[derive(Clone, Copy)]
struct Look {
    /// KiB.
    rss: u64,
    descriptors: usize,
}

/// Runs for so many minutes, and fails where something grew or was miscounted.
pub(crate) fn run(forktrace: &Path, style: Option<&str>, minutes: u64) -> Result<()> {
    let scratch = Scratch::new()?;
    let binary = scratch.binary(forktrace)?;
    let place = Place::find(1)?;
    let tree = |name: &str| place.cgroups.tree(name);
    let from = place.uid(3000);
    let mut storms = [
        Storm::new(COMM, Keys::One, 3000, tree("soak-1")?)?,
        Storm::new(COMM, Keys::Processes, 400, tree("soak-p")?)?,
        Storm::new(COMM, Keys::Users { from }, 150, tree("soak-u")?)?,
    ];
    let mut arguments = vec!["--comm", COMM];
    arguments.extend(style.into_iter().flat_map(|style| ["--attach", style]));
    let mut tracer = match Tracer::record(&scratch, &binary, &arguments) {
        Ok(tracer) => tracer,
        Err(NotStarted::Refused(said)) => bail!("exit status 3: {}", said.trim()),
        Err(NotStarted::Failed(error)) => return Err(error),
    };
    let pid = tracer.running.pid();
    let begin = Instant::now();
    let end = begin + Duration::from_secs(60 * minutes);
    let mut looks = Vec::new();
    let (mut refused, mut said, mut rounds) = (0, 0, 0u32);
    let (mut recorded, mut repeated, mut lost) = (0, 0, 0);
    println!("| minute | refused | RSS, KiB | descriptors |\n|---:|---:|---:|---:|");
    while Instant::now() < end {
        for storm in &mut storms {
            storm.begin()?;
        }
        for storm in &mut storms {
            refused += storm.end()?;
        }
        rounds += 1;
        sleep(if rounds.is_multiple_of(5) {
            5 * QUIET
        } else {
            QUIET
        });
        only_one_task(pid)?;
        let look = Look {
            rss: rss(pid)?,
            descriptors: fs::read_dir(format!("/proc/{pid}/fd"))?.count(),
        };
        looks.push(look);
        let minute = begin.elapsed().as_secs() / 60;
        if minute > said {
            said = minute;
            println!(
                "| {minute} | {refused} | {} | {} |",
                look.rss, look.descriptors
            );
        }
        tracer.read()?;
        count(&mut tracer, &mut recorded, &mut repeated, &mut lost);
    }
    drop(storms);
    let summary = tracer.end()?;
    count(&mut tracer, &mut recorded, &mut repeated, &mut lost);
    println!(
        "\n{refused} refused in {rounds} rounds; the summary: {} failures, {} lost, {} skipped at most; \
         {recorded} recorded, {repeated} repeated",
        summary.failures, summary.lost, summary.skipped
    );
    ensure!(
        summary.failures <= refused && summary.failures + summary.skipped >= refused,
        "not all of them are counted"
    );
    ensure!(
        recorded + repeated + lost == summary.failures,
        "{lost} are lost, and they don't add up"
    );
    flat(&looks)
}

/// Takes the lines that have come, which would fill this process's memory.
fn count(tracer: &mut Tracer, recorded: &mut u64, repeated: &mut u64, lost: &mut u64) {
    for line in tracer.lines.drain(..) {
        match line.record {
            Record::Failure(_) => *recorded += 1,
            Record::Repeat(repeat) => *repeated += repeat.count,
            Record::Loss(loss) if loss.is_of_failures() => *lost += loss.count,
            _ => {}
        }
    }
}

fn flat(looks: &[Look]) -> Result<()> {
    let (first, rest) = looks.split_at(looks.len().div_ceil(3));
    let most = |looks: &[Look]| looks.iter().map(|look| look.rss).max().unwrap_or_default();
    let (before, after) = (most(first), most(rest));
    println!("resident at most: {before} KiB in the first third, {after} KiB afterwards");
    ensure!(after <= before + GROWTH, "resident memory grows");
    let descriptors = |look: &Look| look.descriptors;
    let (least, most) = (
        looks.iter().map(descriptors).min(),
        looks.iter().map(descriptors).max(),
    );
    ensure!(least == most, "from {least:?} to {most:?} descriptors");
    Ok(())
}
