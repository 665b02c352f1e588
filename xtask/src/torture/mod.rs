//! `cargo xtask torture`: random worlds on test kernels, with forktrace and an oracle side by side;
//! every verdict is compared, and the sums have to keep to a bar.

mod corner;
mod table;

use crate::arch::Arch;
use crate::guest::{self, Boot, Cgroup, Ended, Image, Programs};
use crate::kernel::{self, Kernel};
use crate::paths;
use anyhow::{Context, Result};
use corner::Corner;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const STYLES: [&str; 4] = ["auto", "fexit", "kprobe", "tracepoint"];
/// Beside what the worlds take: booting, attaching, ending.
const MORE: Duration = Duration::from_secs(300);

/// Arguments of `cargo xtask torture`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The worlds follow from it; made up and printed where it is missing
    #[arg(long)]
    seed: Option<u64>,
    /// How long at most on each kernel in each style
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// Go on to the next after about so many refusals
    #[arg(long, default_value_t = u64::MAX)]
    refusals: u64,
    /// Only these kernels; `all` for the matrix
    #[arg(long, default_values_t = ["all".to_owned()])]
    kernel: Vec<String>,
    /// Only these attach styles
    #[arg(long, value_parser = STYLES, default_values_t = ["fexit", "kprobe", "tracepoint"].map(str::to_owned))]
    style: Vec<String>,
    /// Only worlds with this in their name
    #[arg(long)]
    only: Vec<String>,
    /// Only this phase of the seed
    #[arg(long)]
    phase: Option<u64>,
    /// More for the kernel's command line
    #[arg(
        long,
        value_name = "CMDLINE",
        default_value = "",
        allow_hyphen_values = true
    )]
    append: String,
    /// Use this static forktrace instead of building one
    #[arg(long, value_name = "FILE")]
    forktrace: Option<PathBuf>,
    /// Use this static init instead of building scenarios
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
}

/// What to play on each kernel in each style.
pub(crate) struct Plan {
    pub seed: u64,
    pub minutes: u64,
    pub refusals: u64,
    pub only: Vec<String>,
    pub phase: Option<u64>,
    pub append: String,
}

/// Runs it; the status says whether the bar was kept.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    guest::qemu(Arch::HERE)?;
    guest::busybox(Arch::HERE)?;
    let kernels = kernel::get(Arch::HERE, &args.kernel)?;
    let programs = Programs::get(Arch::HERE, args.forktrace.clone(), args.init.clone())?;
    let plan = Plan {
        seed: args.seed.unwrap_or_else(made_up),
        minutes: args.minutes,
        refusals: args.refusals,
        only: args.only.clone(),
        phase: args.phase,
        append: args.append.clone(),
    };
    let corners: Vec<_> = kernels
        .iter()
        .flat_map(|kernel| {
            args.style
                .iter()
                .map(|style| (kernel.clone(), style.clone()))
        })
        .collect();
    let kept = run(&programs, &corners, &plan, &|_| ())?;
    Ok(if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn made_up() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(1, |time| time.as_secs())
}

/// A machine that has ended.
pub(crate) struct Played<'a> {
    pub kernel: &'a str,
    pub style: &'a str,
    pub ended: &'a Ended,
    pub whole: Duration,
}

/// Plays `plan` on each kernel in the style beside it, one machine after the other, and writes the
/// table. Whether all of them keep to the bar.
pub(crate) fn run(
    programs: &Programs,
    wanted: &[(Kernel, String)],
    plan: &Plan,
    played: &dyn Fn(Played<'_>),
) -> Result<bool> {
    println!("xtask: torture with seed {}", plan.seed);
    let mut corners = Vec::new();
    for (kernel, style) in wanted {
        eprintln!(
            "xtask: kernel {} ({}), {style}",
            kernel.name, kernel.version
        );
        let output = play(programs, kernel, style, plan, played);
        let corner = match output.and_then(|output| Corner::read(&kernel.name, style, &output)) {
            Ok(corner) => corner,
            Err(error) => {
                eprintln!("xtask: {} {style}: {error:#}", kernel.name);
                Corner::without_result(&kernel.name, style)
            }
        };
        corners.push(corner);
    }
    let table = table::markdown(plan.seed, &corners);
    println!("\n{table}");
    let path = paths::work_dir("")?.join("torture.md");
    fs::write(&path, &table).with_context(|| format!("writing {}", path.display()))?;
    Ok(corners.iter().all(|corner| corner.broken().is_empty()))
}

/// One machine: what it printed.
fn play(
    programs: &Programs,
    kernel: &Kernel,
    style: &str,
    plan: &Plan,
    played: &dyn Fn(Played<'_>),
) -> Result<String> {
    let mut words = vec![
        "scenarios".to_owned(),
        "torture".to_owned(),
        "--forktrace=/bin/forktrace".to_owned(),
        format!("--style={style}"),
        format!("--seed={}", plan.seed),
        format!("--minutes={}", plan.minutes),
        format!("--refusals={}", plan.refusals),
    ];
    words.extend(plan.only.iter().map(|only| format!("--only={only}")));
    words.extend(plan.phase.map(|phase| format!("--phase={phase}")));
    let image = Image {
        command: words,
        add: Vec::new(),
    };
    let folder = paths::work_dir("initramfs")?;
    let initramfs = folder.join(format!("torture-{}.cpio", std::process::id()));
    image.write(programs, &initramfs)?;
    let boot = Boot {
        arch: Arch::HERE,
        kernel: &kernel.image,
        initramfs: initramfs.clone(),
        cgroup: Cgroup::V2,
        append: plan.append.clone(),
        mem: 1024,
        smp: 2,
        icount: false,
        limit: Duration::from_secs(60 * plan.minutes) + MORE,
    };
    let mut output = Both(Vec::new());
    let start = Instant::now();
    let ended = boot.measured(&mut output);
    let _ = fs::remove_file(&initramfs);
    let output = String::from_utf8_lossy(&output.0).into_owned();
    let ended = ended?;
    played(Played {
        kernel: &kernel.name,
        style,
        ended: &ended,
        whole: start.elapsed(),
    });
    match ended.code {
        0 => Ok(output),
        code => anyhow::bail!("the guest's torture ended with status {code}"),
    }
}

/// Shows what comes, and keeps it.
struct Both(Vec<u8>);

impl Write for Both {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write_all(bytes)?;
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}
