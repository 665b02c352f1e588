//! `cargo xtask ebpf`: the BPF object that the forktrace crate embeds.
//!
//! The object is committed, so that building forktrace takes stable Rust alone. This module is
//! what makes and checks the committed bytes.

use crate::{apt, paths};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;

mod build;
mod manifest;
mod sources;
mod symbols;
mod toolchain;

use manifest::Manifest;
use toolchain::Toolchain;

/// Arguments of `cargo xtask ebpf`.
#[derive(clap::Args)]
pub struct Args {
    /// Change nothing: fail when the sources have changed since the committed object was built,
    /// or when the recorded compilers build something else from them
    #[arg(long)]
    check: bool,
}

/// Runs `cargo xtask ebpf`.
pub fn main(args: &Args) -> Result<()> {
    if args.check { check() } else { install() }
}

fn folder() -> PathBuf {
    paths::root().join("forktrace/bpf")
}

fn object_path() -> PathBuf {
    folder().join("forktrace.bpf.o")
}

fn manifest_path() -> PathBuf {
    folder().join("manifest.toml")
}

fn install() -> Result<()> {
    let sources = sources::hash(&paths::root())?;
    let toolchain = Toolchain::ensure()?;
    let object = build::object(&toolchain)?;
    let manifest = Manifest::new(&object, sources, &toolchain);
    fs::create_dir_all(folder())?;
    replace(&object_path(), &object)?;
    replace(&manifest_path(), manifest.text()?.as_bytes())?;
    println!(
        "{}: {} bytes, sha256 {}",
        object_path().display(),
        object.len(),
        manifest.object_sha256
    );
    Ok(())
}

/// Writes only what differs: cargo rebuilds forktrace whenever the object's time changes.
fn replace(path: &std::path::Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// The check of `--check`, for the test command too.
pub fn check() -> Result<()> {
    let manifest = Manifest::read(&manifest_path())?;
    let committed = fs::read(object_path()).with_context(|| {
        format!(
            "reading {}; run `cargo xtask ebpf`",
            object_path().display()
        )
    })?;
    if manifest::sha256(&committed) != manifest.object_sha256 {
        bail!(
            "{} is not the object that manifest.toml beside it describes; run `cargo xtask ebpf`",
            object_path().display()
        );
    }
    if sources::hash(&paths::root())? != manifest.sources_sha256 {
        bail!(
            "the sources of the BPF object have changed since it was built; run `cargo xtask ebpf` \
             and commit forktrace/bpf"
        );
    }
    if !apt::can_install() && !Toolchain::present() {
        println!("ebpf: sources match; not rebuilt, because the BPF toolchain is not installed");
        return Ok(());
    }
    let toolchain = Toolchain::ensure()?;
    if !manifest.same_compilers(&toolchain) {
        println!(
            "ebpf: sources match; not compared byte by byte, because the object was built by {} \
             and {}, and this machine has {} and {}",
            manifest.rustc, manifest.bpf_linker, toolchain.rustc_version, toolchain.linker_version
        );
        // It must build all the same.
        return build::object(&toolchain).map(drop);
    }
    let rebuilt = build::object(&toolchain)?;
    if rebuilt != committed {
        let kept = paths::work_dir("ebpf")?.join("rebuilt.bpf.o");
        fs::write(&kept, &rebuilt)?;
        bail!(
            "a rebuild with the recorded compilers differs from the committed object ({} bytes, \
             committed {}); it is kept as {}",
            rebuilt.len(),
            committed.len(),
            kept.display()
        );
    }
    println!(
        "ebpf: sources match, and a rebuild is identical ({} bytes)",
        committed.len()
    );
    Ok(())
}
