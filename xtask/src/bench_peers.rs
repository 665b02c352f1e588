//! `cargo xtask bench peers`: what other tools cost on the same kernel and the same work, counted in
//! instructions, and what they say of a refused fork.

use crate::apt;
use crate::bench::Table;
use crate::guest::{self, Measure, Programs};
use anyhow::Result;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(1800);

/// Debian's package, and the program in it.
const TOOLS: [(&str, &str); 3] = [
    ("bpftrace", "/usr/bin/bpftrace"),
    ("strace", "/usr/bin/strace"),
    ("linux-perf", "/usr/bin/perf"),
];

/// Nothing, in a machine as the others have it: it is larger than forktrace's.
const ALONE: &str = "none, in their machine";

/// What is run. Each tells process, call and errno of creations that fail, the host's where it can.
const PEERS: [(&str, &[&str]); 6] = [
    (ALONE, &[]),
    (
        "bpftrace kretprobe",
        &[
            "/usr/bin/bpftrace",
            "-e",
            "kretprobe:copy_process /(int64)retval < 0 && (int64)retval > -4096/ \
             { printf(\"%d %s %d\\n\", pid, comm, (int64)retval); }",
        ],
    ),
    (
        "bpftrace kretfunc",
        &[
            "/usr/bin/bpftrace",
            "-e",
            "kretfunc:copy_process /(int64)retval < 0 && (int64)retval > -4096/ \
             { printf(\"%d %s %d\\n\", pid, comm, (int64)retval); }",
        ],
    ),
    (
        "bpftrace tracepoint",
        &[
            "/usr/bin/bpftrace",
            "-e",
            "tracepoint:syscalls:sys_exit_clone, tracepoint:syscalls:sys_exit_clone3, \
             tracepoint:syscalls:sys_exit_fork, tracepoint:syscalls:sys_exit_vfork \
             /args->ret < 0/ { printf(\"%d %s %d\\n\", pid, comm, args->ret); }",
        ],
    ),
    (
        "strace -f -Z",
        &[
            "/usr/bin/strace",
            "-f",
            "-Z",
            "-e",
            "trace=clone,clone3,fork,vfork",
            "-p",
            "@PID@",
        ],
    ),
    (
        "perf trace",
        &[
            "/usr/bin/perf",
            "trace",
            "-a",
            "--failure",
            "-e",
            "clone,clone3,fork,vfork",
        ],
    ),
];

/// Arguments of `cargo xtask bench peers`.
#[derive(clap::Args)]
pub struct Args {
    /// The kernel to measure on
    #[arg(long, default_value = "6.1")]
    kernel: String,
    /// Only those whose name contains this
    #[arg(long)]
    only: Option<String>,
}

/// Runs it.
pub fn main(args: &Args) -> Result<()> {
    let kernel = guest::kernel_called(&args.kernel)?;
    let packages = TOOLS.map(|(name, file)| apt::Package::new(name, Path::new(file)));
    apt::require(&packages, "measuring other tools")?;
    let programs = Programs::get(None, None)?;
    let tools = TOOLS.map(|(_, file)| file.into());
    let files = guest::host_files::with_libraries(tools)?;
    let forktrace = ["none", "fexit", "kprobe", "tracepoint"].map(|style| {
        let words = ["bench", "--forktrace", "/bin/forktrace", "--style", style];
        (style, words.map(str::to_owned).to_vec(), Vec::new())
    });
    let peers = PEERS.map(|(name, command)| {
        let words = ["bench-peers", "--peer", name, "--"].into_iter();
        let words = words.chain(command.iter().copied()).map(str::to_owned);
        (name, words.collect::<Vec<_>>(), files.clone())
    });
    let wanted = |name: &str| {
        let only = args.only.as_deref();
        name == "none" || name == ALONE || only.is_none_or(|only| name.contains(only))
    };
    let mut table = Table::default();
    let mut more = Vec::new();
    let mut names = Vec::new();
    for (name, words, files) in forktrace.into_iter().chain(peers) {
        if !wanted(name) {
            continue;
        }
        let machine = Measure {
            kernel: &kernel.image,
            programs: &programs,
            files: &files,
            // The archive, and what is unpacked from it.
            mem: if files.is_empty() { 512 } else { 2048 },
            icount: true,
            limit: LIMIT,
        };
        match machine.run(words) {
            Ok(output) => {
                table.read(&output);
                names.push(name);
                let told = |line: &&str| line.starts_with("PEER\t") || line.starts_with("SAID\t");
                more.extend(output.lines().filter(told).map(str::to_owned));
            }
            Err(error) => eprintln!("xtask: {name}: {error:#}"),
        }
    }
    println!(
        "### Linux {} ({}), instructions\n",
        kernel.name, kernel.version
    );
    let theirs = names.iter().position(|name| *name == ALONE);
    let (own, theirs) = names.split_at(theirs.unwrap_or(names.len()));
    println!("{}", table.markdown(own));
    println!("{}", table.markdown(theirs));
    for line in more {
        println!("{}", line.replace('\t', " "));
    }
    Ok(())
}
