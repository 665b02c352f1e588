//! `cargo xtask cluster`: the DaemonSet on a node of a real cluster. API server, controllers, scheduler and kubelet
//! are built from Debian's source package (the newest that has them), etcd and containerd are Debian's; all of it
//! runs on this machine, in a folder of its own. A pod is refused a process there, and forktrace has to name it.

mod binaries;
mod images;
mod node;
mod pods;
mod root;

use crate::{apt, arch::Arch, guest::Programs, test::Tally};
use anyhow::{Result, ensure};
use std::{path::PathBuf, process::ExitCode};

/// Arguments of `cargo xtask cluster`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Use this static forktrace instead of building one
    #[arg(long, value_name = "FILE")]
    forktrace: Option<PathBuf>,
}

/// Runs `cargo xtask cluster`.
///
/// # Errors
///
/// The cluster can't be had or started.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    ensure!(
        apt::can_install(),
        "a node takes root on Debian: containers, mounts, a network"
    );
    let programs = Programs::get(Arch::HERE, args.forktrace.clone(), Some("/bin/true".into()))?;
    let root = root::get()?;
    binaries::get(&root)?;
    images::write(&root, &programs.forktrace)?;
    let mut tally = Tally::default();
    let node = node::Node::start(&root)?;
    pods::run(&node, &programs.forktrace, &mut tally);
    drop(node);
    println!("{tally}");
    Ok(match tally.failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
