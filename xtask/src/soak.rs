//! `cargo xtask soak`: storms and quiet in turn; forktrace stays as it is and counts all.

use crate::arch::Arch;
use crate::guest::{self, Boot, Cgroup, Image, Programs};
use crate::{paths, run};
use anyhow::{Result, bail};
use std::io;
use std::process::Command;
use std::time::Duration;

/// Arguments of `cargo xtask soak`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// On a test kernel, and not on this host (as root)
    #[arg(long)]
    kernel: Option<String>,
    /// Force an attach style
    #[arg(long)]
    style: Option<String>,
}

/// Runs it.
pub(crate) fn main(args: &Args) -> Result<()> {
    let programs = Programs::get(Arch::HERE, None, None)?;
    let minutes = args.minutes.to_string();
    let mut words = vec!["soak", "--minutes", &minutes];
    words.extend(args.style.iter().flat_map(|style| ["--style", style]));
    let Some(kernel) = &args.kernel else {
        let mut command = Command::new(&programs.scenarios);
        command
            .args(words)
            .arg("--forktrace")
            .arg(&programs.forktrace);
        return run::loud(&mut command);
    };
    let kernel = guest::kernel_called(kernel)?;
    let command = ["scenarios"].into_iter().chain(words);
    let command = command.chain(["--forktrace", "/bin/forktrace"]);
    let image = Image {
        command: command.map(str::to_owned).collect(),
        add: Vec::new(),
    };
    let folder = paths::work_dir("initramfs")?;
    let initramfs = folder.join(format!("soak-{}.cpio", std::process::id()));
    image.write(&programs, &initramfs)?;
    let boot = Boot {
        arch: Arch::HERE,
        kernel: &kernel.image,
        initramfs: initramfs.clone(),
        cgroup: Cgroup::V2,
        append: String::new(),
        mem: 1024,
        smp: 2,
        icount: false,
        limit: Duration::from_secs(60 * (args.minutes + 10)),
    };
    let code = boot.run(&mut io::stdout());
    let _ = std::fs::remove_file(&initramfs);
    match code? {
        0 => Ok(()),
        code => bail!("the guest's soak ended with status {code}"),
    }
}
