//! The scenarios on the test kernels: machines, some at a time.

use super::corners::Corner;
use super::parts::{BRIEF, On, PARTS, Part};
use super::{Args, Matrix, Shared, Tally, Tier, times};
use crate::guest::{self, Boot, Ended, Image, Programs};
use crate::kernel::Kernel;
use crate::paths;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(900);

/// A machine to boot.
pub(super) struct Machine {
    pub kernel: Kernel,
    pub part: Part,
    /// Begun only while there is time for it.
    pub within: Option<Budget>,
}

/// What a machine may take of the run's time.
#[derive(Clone)]
pub(super) struct Budget {
    /// Since the start of the run.
    pub run: Duration,
    /// Why the machine is wanted.
    pub because: String,
}

/// What one of all scenarios takes, emulated, with two others beside it, where none has been seen yet.
const CORNER: Duration = Duration::from_secs(240);

/// What building xtask itself has taken, before the run began to count.
const BEFORE: Duration = Duration::from_secs(60);

/// What is done beside the machines, each in the place of one.
pub(super) type Beside<'a> = Vec<&'a (dyn Fn() + Sync)>;

/// The machines of a full run.
pub(super) fn full(kernels: &[Kernel]) -> Vec<Machine> {
    let mut all = of(kernels, &PARTS);
    // The longest one first: at the end it would run alone.
    all.sort_by_key(|machine| !matches!(machine.part.on, On::Only(_)));
    all
}

/// What corners of a short run leave to a full run: emulated, a storm that overflows what counts it takes a
/// minute, and on kernels that preempt themselves two. Natively a short run has them.
const NOT_IN_SHORT: [&str; 3] = [
    "storm_of_processes",
    "storm_of_users",
    "storm_before_and_after",
];

/// Machines of a short run: the corners by all scenarios, the others by a few.
pub(super) fn short(kernels: &[Kernel], corners: Vec<Corner>) -> Vec<Machine> {
    let mut few = of(kernels, &BRIEF);
    few.retain(|machine| {
        let whole = machine.part.name.strip_suffix("-brief");
        !corners.iter().any(|corner| {
            corner.kernel.name == machine.kernel.name && Some(corner.part.name) == whole
        })
    });
    // The longest ones first: at the end they would run alone.
    let mut all = of_corners(corners, None);
    all.extend(few);
    all.sort_by_key(|machine| match machine.part.name {
        "host" => 0,
        name if name.ends_with("-brief") => 2,
        _ => 1,
    });
    all
}

/// Machines of corners.
pub(super) fn of_corners(corners: Vec<Corner>, within: Option<Budget>) -> Vec<Machine> {
    let machine = |corner: Corner| Machine {
        kernel: corner.kernel,
        part: corner.part,
        within: within.clone(),
    };
    corners.into_iter().map(machine).collect()
}

fn of(kernels: &[Kernel], parts: &[Part]) -> Vec<Machine> {
    let all = kernels
        .iter()
        .flat_map(|kernel| parts.iter().map(move |part| (kernel, *part)));
    all.filter(|(kernel, part)| part.on.contains(&kernel.name))
        .map(|(kernel, part)| Machine {
            kernel: kernel.clone(),
            part,
            within: None,
        })
        .collect()
}

/// What takes the place of a machine.
enum Job<'a> {
    Machine(&'a Machine, &'a Programs),
    Other(&'a (dyn Fn() + Sync)),
}

/// Boots the machines, some at a time, and counts what the guests report. Those with one processor come
/// first, and what is done beside them; those with more have the host for themselves.
pub(super) fn run(
    programs: Option<&Programs>,
    machines: &[Machine],
    args: &Args,
    shared: &Shared<'_>,
    beside: &Beside<'_>,
) -> Result<()> {
    let folder = paths::work_dir("initramfs")?;
    let logs = paths::work_dir("logs")?;
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // What is done beside machines is done without any, too.
    let processors = machines.iter().map(|machine| machine.part.processors);
    for processors in processors.chain([1]).collect::<BTreeSet<u32>>() {
        let of_these = machines
            .iter()
            .filter(|machine| machine.part.processors == processors)
            // Arguments given by hand say what to run, once a layout.
            .filter(|machine| {
                args.scenarios.is_empty() || matches!(machine.part.name, "fexit" | "pids")
            });
        let of_these = of_these.zip(programs.into_iter().cycle());
        let beside = if processors == 1 { &beside[..] } else { &[] };
        let others = beside.iter().map(|job| Job::Other(*job));
        let jobs: Vec<Job<'_>> = others
            .chain(of_these.map(|(machine, programs)| Job::Machine(machine, programs)))
            .collect();
        let next = AtomicUsize::new(0);
        // Each with processors of its own: one that has to share them is slowed down until its
        // timers outrun what they interrupt. But a short run's machines wait for a sixth of their time (for
        // the kernel's grace periods), and so does what is done beside them: one more fills that.
        let more = usize::from(args.tier() == Tier::Short && processors == 1);
        let many = args.jobs.unwrap_or(cores / processors as usize + more);
        thread::scope(|scope| {
            for _ in 0..many.clamp(1, jobs.len().max(1)) {
                scope.spawn(|| {
                    while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        match job {
                            Job::Machine(machine, programs) => {
                                play(machine, args, programs, &folder, &logs, shared);
                            }
                            Job::Other(job) => job(),
                        }
                    }
                });
            }
        });
    }
    Ok(())
}

/// One machine from its start to its results.
fn play(
    machine: &Machine,
    args: &Args,
    programs: &Programs,
    folder: &Path,
    logs: &Path,
    shared: &Shared<'_>,
) {
    let (kernel, part) = (&machine.kernel, machine.part);
    let place = format!("{} {} {}", kernel.name, part.layout, part.name);
    if let Some(budget) = &machine.within
        && let takes = shared.times.longest_of_a_style().unwrap_or(CORNER)
        && BEFORE + shared.times.so_far() + takes > budget.run
    {
        let why = format!(
            "{}, and {:.0} of the {:.0} minutes are over; `cargo xtask test --vm --corner {}:{}`",
            budget.because,
            shared.times.so_far().as_secs_f64() / 60.0,
            budget.run.as_secs_f64() / 60.0,
            kernel.name,
            part.name
        );
        if let Ok(mut results) = shared.results.lock() {
            results.0.skip(&format!("{place}: all scenarios"), &why);
        }
        return;
    }
    let command = command(part, args);
    let run = one(kernel, part, command, programs, folder, logs);
    for why in &run.retried {
        shared.times.retried(&place, why);
    }
    let times = times::Machine {
        name: place,
        boot: run.boot,
        whole: run.whole,
        of_a_style: part.is_of_a_style(),
    };
    shared.times.machine(times, last_attempt(&run.output));
    // A panicked thread ends the test run anyway, through the scope.
    if let Ok(mut results) = shared.results.lock() {
        let (tally, matrix) = &mut *results;
        count(kernel, part, &run, tally, matrix);
    }
}

/// What the guest runs. Arguments given by hand replace the part's own.
fn command(part: Part, args: &Args) -> Vec<String> {
    let given = &args.scenarios;
    let mut command: Vec<String> = ["scenarios", "vm", "--forktrace", "/bin/forktrace"]
        .map(str::to_owned)
        .into();
    if given.is_empty() {
        command.extend(part.options.iter().map(|o| (*o).to_owned()));
        if args.tier() == Tier::Short && args.corner.is_empty() {
            command.extend(NOT_IN_SHORT.map(|name| format!("--except={name}")));
        }
    } else {
        command.extend_from_slice(given);
    }
    command
}

/// What came of one boot.
struct Run {
    output: String,
    problem: Option<String>,
    log: PathBuf,
    boot: Option<Duration>,
    retried: Vec<String>,
    whole: Duration,
}

fn one(
    kernel: &Kernel,
    part: Part,
    command: Vec<String>,
    programs: &Programs,
    folder: &Path,
    logs: &Path,
) -> Run {
    let layout = part.layout;
    let name = format!("{}-{}", kernel.name.replace('/', "_"), part.name);
    let initramfs = folder.join(format!("test-{name}-{layout}-{}.cpio", std::process::id()));
    let mut image = Image {
        command,
        add: Vec::new(),
    };
    let machine = match kernel.arch {
        arch if arch.is_here() => String::new(),
        arch => format!("{}-", arch.facts().debian),
    };
    let log = logs.join(format!("vm-{machine}{name}-{layout}.log"));
    let boot = Boot {
        arch: kernel.arch,
        kernel: &kernel.image,
        initramfs: initramfs.clone(),
        cgroup: layout,
        append: part.append.to_owned(),
        mem: if part.postgres { 1024 } else { 512 },
        smp: part.processors,
        icount: false,
        limit: LIMIT,
    };
    let start = Instant::now();
    let server = part.postgres.then(guest::postgres::Server::find);
    let ended = server
        .transpose()
        .and_then(|server| {
            image.add = server
                .iter()
                .flat_map(|server| server.files.clone())
                .collect();
            image.write(programs, &initramfs)
        })
        .and_then(|()| fs::File::create(&log).context("creating the log"))
        .and_then(|mut file| boot.measured(&mut file));
    let (boot, retried, problem) = match ended {
        Ok(Ended {
            code,
            boot,
            retried,
        }) => {
            let problem = (code != 0).then(|| format!("exit status {code}"));
            (boot, retried, problem)
        }
        Err(error) => (None, Vec::new(), Some(format!("{error:#}"))),
    };
    let whole = start.elapsed();
    // Only a few megabytes, and in the build folder: no harm if it stays.
    let _ = fs::remove_file(&initramfs);
    let bytes = fs::read(&log).unwrap_or_default();
    Run {
        output: String::from_utf8_lossy(&bytes).into_owned(),
        problem,
        log,
        boot,
        retried,
        whole,
    }
}

fn count(kernel: &Kernel, part: Part, run: &Run, tally: &mut Tally, matrix: &mut Matrix) {
    let layout = part.layout;
    let place = format!("{} {layout} {}", kernel.name, part.name);
    println!(
        "\n== {place}: Linux {}, {:.0} s, {}",
        kernel.version,
        run.whole.as_secs_f64(),
        run.log.display()
    );
    let read = tally.read(&place, last_attempt(&run.output));
    let machine = match part.append {
        "" => kernel.name.clone(),
        append => format!("{} {append}", kernel.name),
    };
    matrix.read(&machine, &layout.to_string(), last_attempt(&run.output));
    match &run.problem {
        // A status of 1 with failed cases is no news.
        Some(_) if read.failed > 0 && read.closed => {}
        Some(problem) => {
            print!("{}", after_last_case(&run.output));
            tally.fail(&place, problem);
        }
        None if !read.closed => tally.fail(&place, "ended before its closing line"),
        None => {}
    }
}

/// The last case's result, and what the machine said after it: the log may not outlive the run.
fn after_last_case(output: &str) -> String {
    /// A kernel's stacks of some hundred tasks.
    const MOST: usize = 2000;
    let is_case = |line: &&str| {
        ["PASS ", "FAIL ", "SKIP "]
            .iter()
            .any(|p| line.starts_with(p))
    };
    let lines: Vec<_> = output.lines().collect();
    let last = lines.iter().rposition(is_case).unwrap_or(0);
    lines[last..]
        .iter()
        .take(MOST)
        .map(|line| format!("  | {line}\n"))
        .collect()
}

/// A boot that was retried leaves both attempts in its log; only the second one counts.
fn last_attempt(output: &str) -> &str {
    output
        .rsplit_once(crate::guest::RETRY)
        .map_or(output, |(_, last)| last)
}
