//! `cargo xtask bench peers`: what other tools cost on the same kernel and the same work, counted in
//! instructions, and what they say of a refused fork.

use crate::apt;
use crate::arch::Arch;
use crate::arch::BCC_LIBRARIES;
use crate::bench::Table;
use crate::guest::{self, Measure, Programs};
use crate::kernel::{self, Kernel};
use anyhow::Result;
use std::fs;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(1800);

/// Debian's package, and the program in it.
const TOOLS: [(&str, &str); 3] = [
    ("bpftrace", "/usr/bin/bpftrace"),
    ("strace", "/usr/bin/strace"),
    ("linux-perf", "/usr/bin/perf"),
];

/// What bcc needs beside the kernel's headers: Python, and the compiler as a library; its program,
/// Python's own modules and bcc's.
const BCC: [&str; 3] = ["/usr/bin/python3", BCC_LIBRARIES[0], BCC_LIBRARIES[1]];
const BCC_AS_IT_IS: [&str; 3] = [
    "/usr/sbin/trace-bpfcc",
    "/usr/lib/python3.11",
    "/usr/lib/python3/dist-packages/bcc",
];

/// Nothing, in a machine as the others have it: it is larger than forktrace's.
const ALONE: &str = "none, in their machine";
/// bcc's compiler changes what the kernel's allocator has at hand, by more than a probe costs: the
/// baseline is bcc with a probe on what isn't called.
const BCC_ALONE: &str = "none, beside bcc";

/// Tools in Python, which need the kernel's headers.
const BCC_PEERS: [(&str, &[&str]); 2] = [
    (
        BCC_ALONE,
        &[
            "/usr/bin/python3",
            "-u",
            "/usr/sbin/trace-bpfcc",
            "r::orderly_poweroff",
        ],
    ),
    (
        "bcc trace",
        &[
            "/usr/bin/python3",
            "-u",
            "/usr/sbin/trace-bpfcc",
            "r::copy_process ((int64_t)retval < 0 && (int64_t)retval > -4096) \"%d\", retval",
        ],
    ),
];

/// What is run. Each names process, call and errno of creations that fail, the host's where it can.
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
pub(crate) struct Args {
    /// The kernel to measure on
    #[arg(long, default_value = "6.1")]
    kernel: String,
    /// Only those whose name contains this
    #[arg(long)]
    only: Option<String>,
}

/// A kind of machine: what is run in it, what it needs to have, and how much memory.
struct Machines {
    runs: Vec<(&'static str, Vec<String>)>,
    files: Vec<String>,
    /// MiB.
    mem: u32,
}

/// Runs it.
pub(crate) fn main(args: &Args) -> Result<()> {
    let kernel = guest::kernel_called(&args.kernel)?;
    let packages = TOOLS.map(|(name, file)| apt::Package::new(name, Path::new(file)));
    apt::require(&packages, "measuring other tools")?;
    let programs = Programs::get(Arch::HERE, None, None)?;
    let mut kinds = [
        Machines {
            runs: ["none", "fexit", "kprobe", "tracepoint"].map(own).to_vec(),
            files: Vec::new(),
            mem: 512,
        },
        Machines {
            runs: PEERS.map(theirs).to_vec(),
            files: guest::host_files::with_libraries(TOOLS.map(|(_, file)| file.into()))?,
            // The archive, and what is unpacked from it.
            mem: 2048,
        },
        Machines {
            runs: BCC_PEERS.map(theirs).to_vec(),
            files: bcc(&kernel)?,
            mem: 4096,
        },
    ];
    println!(
        "### Linux {} ({}), instructions\n",
        kernel.name, kernel.version
    );
    let mut more = Vec::new();
    for kind in &mut kinds {
        if let Some(only) = args.only.as_deref() {
            let wanted = |name: &str| name.starts_with("none") || name.contains(only);
            kind.runs.retain(|(name, _)| wanted(name));
        }
        // A baseline alone says nothing.
        if kind.runs.len() > 1 {
            let table = measured(kind, &kernel.image, &programs, &mut more);
            println!("{table}");
        }
    }
    for line in more {
        println!("{}", line.replace('\t', " "));
    }
    Ok(())
}

/// The table of one kind of machine; `more` gets what each tool printed.
fn measured(kind: &Machines, image: &Path, programs: &Programs, more: &mut Vec<String>) -> String {
    let mut table = Table::default();
    let mut names = Vec::new();
    for (name, words) in &kind.runs {
        let machine = Measure {
            kernel: image,
            programs,
            files: &kind.files,
            mem: kind.mem,
            icount: true,
            limit: LIMIT,
        };
        match machine.run(words.clone()) {
            Ok(output) => {
                table.read(&output);
                names.push(*name);
                let printed =
                    |line: &&str| line.starts_with("PEER\t") || line.starts_with("SAID\t");
                more.extend(output.lines().filter(printed).map(str::to_owned));
            }
            Err(error) => eprintln!("xtask: {name}: {error:#}"),
        }
    }
    table.markdown(&names)
}

fn own(style: &'static str) -> (&'static str, Vec<String>) {
    let words = ["bench", "--forktrace", "/bin/forktrace", "--style", style];
    (style, words.map(str::to_owned).to_vec())
}

fn theirs((name, command): (&'static str, &[&str])) -> (&'static str, Vec<String>) {
    let words = ["bench-peers", "--peer", name, "--"].into_iter();
    let words = words.chain(command.iter().copied());
    (name, words.map(str::to_owned).collect())
}

/// bcc compiles against the headers of the kernel that runs.
fn bcc(kernel: &Kernel) -> Result<Vec<String>> {
    let release = kernel::types(&kernel.image)?.release;
    let name = format!("linux-headers-{release}");
    let modules = Path::new("/lib/modules").join(&release);
    let build = modules.join("build");
    let needed = [
        apt::Package::new("bpfcc-tools", Path::new(BCC_AS_IT_IS[0])),
        apt::Package::new(&name, &build),
    ];
    apt::require(&needed, "measuring bcc")?;
    let mut files = guest::host_files::with_libraries(BCC.map(Into::into))?;
    let rest = BCC_AS_IT_IS.iter().map(Path::new);
    files.extend(rest.map(guest::host_files::in_place));
    // Where the links lead: the parts of the headers name each other by these paths.
    let source = modules.join("source");
    for link in [&build, &source] {
        files.push(guest::host_files::in_place(&fs::canonicalize(link)?));
        files.push(guest::host_files::in_place(link));
    }
    Ok(files)
}
