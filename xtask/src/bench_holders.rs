//! `cargo xtask bench holders`: how long forktrace takes to count who fills a
//! limit, among many tasks on this host, beside ps; or on a test kernel, where
//! the task iterator is allowed.

use crate::arch::Arch;
use crate::guest::{self, Boot, Cgroup, Image, Programs};
use crate::{kernel, paths, run};
use anyhow::{Result, ensure};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Has room for 14,000 tasks, as `scenarios bench-holders` reckons. Emulation is slow.
const GUEST_MB: u32 = 6144;
const LIMIT: Duration = Duration::from_secs(900);

/// Arguments of `cargo xtask bench holders`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Tasks to make; fewer where this host has no room for them
    #[arg(long, default_value_t = 30_000)]
    tasks: u64,
    /// On this test kernel, by software emulation, and not on this host
    #[arg(long)]
    kernel: Option<String>,
    /// Use this scenarios program instead of building one (static, for a test kernel)
    #[arg(long, value_name = "FILE")]
    scenarios: Option<PathBuf>,
    /// Use this static forktrace in the guest instead of building one
    #[arg(long, value_name = "FILE", requires = "kernel")]
    forktrace: Option<PathBuf>,
}

/// Runs it, as root.
pub(crate) fn main(args: &Args) -> Result<()> {
    let tasks = args.tasks.to_string();
    let arguments = ["bench-holders", "--tasks", &tasks];
    if let Some(kernel) = &args.kernel {
        return in_guest(args, kernel, &arguments);
    }
    let program = match &args.scenarios {
        Some(program) => program.clone(),
        None => Programs::get(Arch::HERE, None, None)?.scenarios,
    };
    run::loud(Command::new(program).args(arguments))
}

fn in_guest(args: &Args, name: &str, arguments: &[&str]) -> Result<()> {
    guest::qemu(Arch::HERE)?;
    let programs = Programs::get(Arch::HERE, args.forktrace.clone(), args.scenarios.clone())?;
    let command = ["scenarios"].iter().chain(arguments);
    let image = Image {
        command: command.map(|word| (*word).to_owned()).collect(),
        add: Vec::new(),
    };
    let file = format!("bench-holders-{}.cpio", std::process::id());
    let initramfs = paths::work_dir("initramfs")?.join(file);
    image.write(&programs, &initramfs)?;
    for kernel in kernel::get(Arch::HERE, &[name.to_owned()])? {
        let boot = Boot {
            arch: Arch::HERE,
            kernel: &kernel.image,
            initramfs: initramfs.clone(),
            cgroup: Cgroup::V2,
            append: String::new(),
            mem: GUEST_MB,
            smp: 2,
            icount: false,
            limit: LIMIT,
        };
        let mut output = Vec::new();
        let code = boot.run(&mut output);
        println!("### Linux {} ({})\n", kernel.name, kernel.version);
        std::io::stdout().write_all(&output)?;
        ensure!(code? == 0, "the guest's counting failed");
    }
    std::fs::remove_file(&initramfs)?;
    Ok(())
}
