//! The scenarios on the test kernels, each with both cgroup layouts.

use super::{Args, Matrix, Tally};
use crate::guest::{Boot, Cgroup, Image, Programs};
use crate::kernel::Kernel;
use crate::paths;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(900);

/// Of each machine. As many machines run at once as have processors of their own: one that has to
/// share them is slowed down until its timers outrun what they interrupt.
const PROCESSORS: usize = 2;

/// What is run where. Everything on v2, on each kernel; with v1 hierarchies
/// only what concerns the pids controller; the commands' behaviour, which
/// doesn't depend on the kernel, on one kernel (and natively).
const LAYOUTS: [(Cgroup, &[&str]); 2] = [
    (
        Cgroup::V2,
        &[
            "--style",
            "fexit",
            "--style",
            "kprobe",
            "--style",
            "tracepoint",
        ],
    ),
    (
        Cgroup::V1,
        &[
            "--style",
            "fexit",
            "--style",
            "tracepoint",
            "--only",
            "pids",
            "--no-behaviour",
        ],
    ),
];
const BEHAVIOUR_ON: &str = "6.12";

/// Boots each kernel with each layout, some at a time, and counts what the guests report.
pub fn run(
    programs: &Programs,
    kernels: &[Kernel],
    args: &Args,
    tally: &mut Tally,
    matrix: &mut Matrix,
) -> Result<()> {
    let folder = paths::work_dir("initramfs")?;
    let boots: Vec<_> = kernels
        .iter()
        .flat_map(|kernel| LAYOUTS.map(|(layout, options)| (kernel, layout, options)))
        .collect();
    let logs = paths::work_dir("logs")?;
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicUsize::new(0);
    let results = Mutex::new((tally, matrix));
    thread::scope(|scope| {
        for _ in 0..args
            .jobs
            .unwrap_or(cores / PROCESSORS)
            .clamp(1, boots.len().max(1))
        {
            scope.spawn(|| {
                while let Some(&(kernel, layout, options)) =
                    boots.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let command = command(kernel, layout, options, &args.scenarios);
                    let run = one(kernel, layout, command, programs, &folder, &logs);
                    // A panicked thread ends the test run anyway, through the scope.
                    if let Ok(mut results) = results.lock() {
                        let (tally, matrix) = &mut *results;
                        count(kernel, layout, &run, tally, matrix);
                    }
                }
            });
        }
    });
    Ok(())
}

/// What the guest runs. Arguments given by hand replace the layout's own.
fn command(kernel: &Kernel, layout: Cgroup, options: &[&str], given: &[String]) -> Vec<String> {
    let mut command: Vec<String> = ["scenarios", "vm", "--forktrace", "/bin/forktrace"]
        .map(str::to_owned)
        .into();
    if !given.is_empty() {
        command.extend_from_slice(given);
    } else if kernel.name != BEHAVIOUR_ON || layout != Cgroup::V2 {
        command.extend(options.iter().map(|o| (*o).to_owned()));
        if layout == Cgroup::V2 {
            command.push("--no-behaviour".to_owned());
        }
    }
    command
}

/// What came of one boot.
struct Run {
    output: String,
    problem: Option<String>,
    log: PathBuf,
    seconds: f64,
}

fn one(
    kernel: &Kernel,
    layout: Cgroup,
    command: Vec<String>,
    programs: &Programs,
    folder: &Path,
    logs: &Path,
) -> Run {
    let name = kernel.name.replace('/', "_");
    let initramfs = folder.join(format!("test-{name}-{layout}-{}.cpio", std::process::id()));
    let image = Image {
        command,
        add: Vec::new(),
    };
    let log = logs.join(format!("vm-{name}-{layout}.log"));
    let boot = Boot {
        kernel: &kernel.image,
        initramfs: initramfs.clone(),
        cgroup: layout,
        append: String::new(),
        mem: 512,
        smp: PROCESSORS as u32,
        icount: false,
        limit: LIMIT,
    };
    let start = Instant::now();
    let problem = image
        .write(programs, &initramfs)
        .and_then(|()| fs::File::create(&log).context("creating the log"))
        .and_then(|mut file| boot.run(&mut file))
        .map_or_else(
            |error| Some(format!("{error:#}")),
            |code| (code != 0).then(|| format!("exit status {code}")),
        );
    let seconds = start.elapsed().as_secs_f64();
    // Only a few megabytes, and in the build folder: no harm if it stays.
    let _ = fs::remove_file(&initramfs);
    let bytes = fs::read(&log).unwrap_or_default();
    Run {
        output: String::from_utf8_lossy(&bytes).into_owned(),
        problem,
        log,
        seconds,
    }
}

fn count(kernel: &Kernel, layout: Cgroup, run: &Run, tally: &mut Tally, matrix: &mut Matrix) {
    let place = format!("{} {layout}", kernel.name);
    println!(
        "\n== {place}: Linux {}, {:.0} s, {}",
        kernel.version,
        run.seconds,
        run.log.display()
    );
    let read = tally.read(&place, last_attempt(&run.output));
    matrix.read(&kernel.name, &layout.to_string(), last_attempt(&run.output));
    match &run.problem {
        // A status of 1 with failed cases is no news.
        Some(_) if read.failed > 0 && read.closed => {}
        Some(problem) => tally.fail(&place, problem),
        None if !read.closed => tally.fail(&place, "ended before its closing line"),
        None => {}
    }
}

/// A boot that was retried leaves both attempts in its log; only the second one counts.
fn last_attempt(output: &str) -> &str {
    output
        .rsplit_once(crate::guest::RETRY)
        .map_or(output, |(_, last)| last)
}
