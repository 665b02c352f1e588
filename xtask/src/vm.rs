//! `cargo xtask vm`: one command, or a shell, on a test kernel.

use crate::arch::Arch;
use crate::guest::{self, Boot, Cgroup, Image, Programs};
use crate::{kernel, paths};
use anyhow::Result;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `cargo xtask vm`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The machine that is booted
    #[arg(long, value_enum, default_value_t = Arch::HERE)]
    arch: Arch,
    /// 5.10, 6.1, any version that Debian has, `newest`, one of them with `-rt`
    /// (on arm64 with `-16k`), `all`, or a path to an
    /// image
    #[arg(long, default_values_t = ["6.1".to_owned()])]
    kernel: Vec<String>,
    /// How cgroups are mounted in the guest
    #[arg(long, value_enum, default_value_t = Cgroup::V2)]
    cgroup: Cgroup,
    /// More for the kernel's command line
    #[arg(
        long,
        value_name = "CMDLINE",
        default_value = "",
        allow_hyphen_values = true
    )]
    append: String,
    /// A file or folder to put into the guest
    #[arg(long, value_name = "HOST[:GUEST]")]
    add: Vec<String>,
    /// Put this machine's PostgreSQL server into the guest (with --mem 1024)
    #[arg(long)]
    postgres: bool,
    /// Memory in MB
    #[arg(long, default_value_t = 512)]
    mem: u32,
    /// Processors
    #[arg(long, default_value_t = 2)]
    smp: u32,
    /// Let the guest's clock count instructions (one processor)
    #[arg(long)]
    icount: bool,
    /// Stop the guest after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    limit: u64,
    /// Use this static forktrace instead of building one
    #[arg(long, value_name = "FILE")]
    forktrace: Option<PathBuf>,
    /// Use this static init instead of building scenarios
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
    /// What to run; none for a shell
    #[arg(last = true)]
    command: Vec<String>,
}

/// Runs `cargo xtask vm`; the status is the guest's.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    guest::qemu(args.arch)?;
    let kernels = kernel::get(args.arch, &args.kernel)?;
    let programs = Programs::get(args.arch, args.forktrace.clone(), args.init.clone())?;
    let mut add = args.add.clone();
    let server = args
        .postgres
        .then(guest::postgres::Server::find)
        .transpose()?;
    add.extend(server.iter().flat_map(|server| server.files.clone()));
    let image = Image {
        command: args.command.clone(),
        add,
    };
    // Its own file for each xtask, so that two can run side by side.
    let initramfs = paths::work_dir("initramfs")?.join(format!("vm-{}.cpio", std::process::id()));
    image.write(&programs, &initramfs)?;
    let status = boot_all(args, &kernels, &initramfs);
    let _ = std::fs::remove_file(&initramfs);
    status
}

fn boot_all(
    args: &Args,
    kernels: &[kernel::Kernel],
    initramfs: &std::path::Path,
) -> Result<ExitCode> {
    let mut worst = 0;
    for kernel in kernels {
        if kernels.len() > 1 {
            eprintln!("xtask: kernel {} ({})", kernel.name, kernel.version);
        }
        let boot = Boot {
            arch: args.arch,
            kernel: &kernel.image,
            initramfs: initramfs.to_owned(),
            cgroup: args.cgroup,
            append: args.append.clone(),
            mem: args.mem,
            smp: args.smp,
            icount: args.icount,
            limit: Duration::from_secs(args.limit),
        };
        if args.command.is_empty() {
            boot.interactive()?;
        } else {
            worst = worst.max(boot.run(&mut std::io::stdout())?);
        }
    }
    Ok(ExitCode::from(u8::try_from(worst).unwrap_or(1)))
}
