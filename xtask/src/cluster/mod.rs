//! `cargo xtask cluster`: the DaemonSet on a node of a real cluster. API server, controllers, scheduler and kubelet
//! are built from Debian's source package (the newest that has them), etcd and containerd are Debian's; all of it
//! runs on this machine, in a folder of its own. A pod is refused a process there, and forktrace has to name it.

mod binaries;
mod config;
mod images;
mod node;
mod pods;
mod root;
mod settings;

use crate::{apt, local, test::Tally};
use anyhow::{Result, ensure};
use std::process::ExitCode;

/// Runs `cargo xtask cluster`.
///
/// # Errors
///
/// The cluster can't be had or started.
pub(crate) fn main(args: &local::Args) -> Result<ExitCode> {
    ensure!(
        apt::can_install(),
        "a node takes root on Debian: containers, mounts, a network"
    );
    let forktrace = args.forktrace()?;
    let root = root::get()?;
    binaries::get(&root)?;
    images::write(&root, &forktrace)?;
    let mut tally = Tally::default();
    let node = node::Node::start(&root)?;
    pods::run(&node, &forktrace, &mut tally);
    drop(node);
    Ok(tally.end())
}
