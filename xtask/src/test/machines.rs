//! The scenarios on the test kernels, each with both cgroup layouts.

use super::{Args, Matrix, Tally};
use crate::guest::{self, Boot, Cgroup, Image, Programs};
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

/// What one machine runs. Each attach style has a boot of its own, because the emulator can break
/// one at any moment (see `guest::Boot::run`), and what was run is run again.
#[derive(Clone, Copy)]
struct Part {
    /// What has to be seen with two has them in one style on one kernel of each kind of preemption.
    /// With one the emulator can't break the machine, because no other runs the code that is being
    /// patched.
    processors: u32,
    layout: Cgroup,
    name: &'static str,
    options: &'static [&'static str],
    on: On,
    /// More for the kernel's command line.
    append: &'static str,
    /// With a PostgreSQL server in it.
    postgres: bool,
}

/// The kernels that a part is for, by their names.
#[derive(Clone, Copy)]
enum On {
    All,
    Only(&'static [&'static str]),
    AllBut(&'static [&'static str]),
}

impl On {
    fn contains(self, kernel: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(&kernel),
            Self::AllBut(names) => !names.contains(&kernel),
        }
    }
}

/// One that doesn't preempt itself, and one that does (`/sys/kernel/debug/sched/preempt`: lazy).
const WITH_TWO_PROCESSORS: &[&str] = &["5.10", "6.18"];

/// Built with PREEMPT_RT: nearly everything can be preempted, and spinlocks sleep.
const REAL_TIME: &[&str] = &["6.1-rt", "6.12-rt"];

/// The kernel that is booted with [`FULL`] as well.
const WITH_FULL_PREEMPTION: &[&str] = &["6.18"];

/// A style's sessions, and those behaviours that are its own.
const fn of_style(name: &'static str, options: &'static [&'static str]) -> Part {
    Part {
        processors: 1,
        layout: Cgroup::V2,
        name,
        options,
        on: On::All,
        append: "",
        postgres: false,
    }
}

const FEXIT: Part = of_style(
    "fexit",
    &["--style", "fexit", "--kind", "sessions", "--kind", "kernel"],
);

const KPROBE: Part = of_style(
    "kprobe",
    &[
        "--style", "kprobe", "--kind", "sessions", "--kind", "kernel",
    ],
);

/// Preempts itself wherever it may, which no kernel does as Debian configures it.
const FULL: &str = "preempt=full";

/// Everything on v2, on each kernel; with v1 hierarchies only what concerns the pids controller;
/// the commands' behaviour, which doesn't depend on the kernel, on one kernel (and natively).
/// What preemption changes is in the styles that hook the kernel's functions, so that kernels built
/// or booted for it have these two alone.
const PARTS: [Part; 10] = [
    Part {
        processors: 2,
        on: On::Only(WITH_TWO_PROCESSORS),
        ..FEXIT
    },
    Part {
        on: On::AllBut(WITH_TWO_PROCESSORS),
        ..FEXIT
    },
    // It skips kprobes without counting it (before 6.7), so that refusals go untold.
    Part {
        on: On::AllBut(&["6.1-rt"]),
        ..KPROBE
    },
    Part {
        on: On::AllBut(REAL_TIME),
        ..of_style(
            "tracepoint",
            &[
                "--style",
                "tracepoint",
                "--kind",
                "sessions",
                "--kind",
                "kernel",
            ],
        )
    },
    Part {
        name: "full-fexit",
        on: On::Only(WITH_FULL_PREEMPTION),
        append: FULL,
        ..FEXIT
    },
    Part {
        name: "full-kprobe",
        on: On::Only(WITH_FULL_PREEMPTION),
        append: FULL,
        ..KPROBE
    },
    Part {
        processors: 2,
        layout: Cgroup::V2,
        name: "processors",
        options: &["--style", "auto", "--only", "fault_cpu"],
        on: On::Only(&["6.12"]),
        append: "",
        postgres: false,
    },
    Part {
        processors: 1,
        layout: Cgroup::V2,
        name: "auto",
        options: &[
            "--style", "auto", "--kind", "sessions", "--kind", "commands",
        ],
        on: On::Only(&["6.12"]),
        append: "",
        postgres: false,
    },
    Part {
        processors: 1,
        layout: Cgroup::V2,
        name: "postgres",
        options: &["--style", "auto", "--only", "postgres_strict"],
        on: On::Only(&["6.12"]),
        append: "",
        postgres: true,
    },
    Part {
        processors: 1,
        layout: Cgroup::V1,
        name: "pids",
        options: &[
            "--style",
            "fexit",
            "--style",
            "tracepoint",
            "--only",
            "pids",
            "--only",
            "v1",
            "--kind",
            "sessions",
            "--kind",
            "kernel",
        ],
        on: On::AllBut(REAL_TIME),
        append: "",
        postgres: false,
    },
];

/// Boots each kernel with each layout, some at a time, and counts what the guests report.
pub fn run(
    programs: &Programs,
    kernels: &[Kernel],
    args: &Args,
    tally: &mut Tally,
    matrix: &mut Matrix,
) -> Result<()> {
    let folder = paths::work_dir("initramfs")?;
    let mut boots: Vec<_> = kernels
        .iter()
        .flat_map(|kernel| PARTS.map(|part| (kernel, part)))
        .filter(|(kernel, part)| part.on.contains(&kernel.name))
        // Arguments given by hand say what to run, once a layout.
        .filter(|(_, part)| args.scenarios.is_empty() || matches!(part.name, "fexit" | "pids"))
        .collect();
    // The longest one first: at the end it would run alone.
    boots.sort_by_key(|(_, part)| !matches!(part.on, On::Only(_)));
    let logs = paths::work_dir("logs")?;
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let results = Mutex::new((tally, matrix));
    for processors in [2, 1] {
        let boots: Vec<_> = boots
            .iter()
            .filter(|(_, part)| part.processors == processors)
            .collect();
        let next = AtomicUsize::new(0);
        // Each with processors of its own: one that has to share them is slowed down until its
        // timers outrun what they interrupt.
        let jobs = args.jobs.unwrap_or(cores / processors as usize);
        thread::scope(|scope| {
            for _ in 0..jobs.clamp(1, boots.len().max(1)) {
                scope.spawn(|| {
                    while let Some(&&(kernel, part)) =
                        boots.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        let command = command(part, &args.scenarios);
                        let run = one(kernel, part, command, programs, &folder, &logs);
                        // A panicked thread ends the test run anyway, through the scope.
                        if let Ok(mut results) = results.lock() {
                            let (tally, matrix) = &mut *results;
                            count(kernel, part, &run, tally, matrix);
                        }
                    }
                });
            }
        });
    }
    Ok(())
}

/// What the guest runs. Arguments given by hand replace the part's own.
fn command(part: Part, given: &[String]) -> Vec<String> {
    let mut command: Vec<String> = ["scenarios", "vm", "--forktrace", "/bin/forktrace"]
        .map(str::to_owned)
        .into();
    if given.is_empty() {
        command.extend(part.options.iter().map(|o| (*o).to_owned()));
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
    seconds: f64,
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
    let log = logs.join(format!("vm-{name}-{layout}.log"));
    let boot = Boot {
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
    let problem = server
        .transpose()
        .and_then(|server| {
            image.add = server
                .iter()
                .flat_map(|server| server.files.clone())
                .collect();
            image.write(programs, &initramfs)
        })
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

fn count(kernel: &Kernel, part: Part, run: &Run, tally: &mut Tally, matrix: &mut Matrix) {
    let layout = part.layout;
    let place = format!("{} {layout} {}", kernel.name, part.name);
    println!(
        "\n== {place}: Linux {}, {:.0} s, {}",
        kernel.version,
        run.seconds,
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
