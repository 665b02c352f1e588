//! `cargo xtask ebpf`: the BPF objects that the forktrace crate embeds.
//!
//! They are committed, so that building forktrace takes stable Rust alone. This module is
//! what makes and checks the committed bytes.

use crate::{apt, paths};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;

mod build;
mod line_info;
mod manifest;
mod sources;
mod symbols;
mod toolchain;

pub(crate) use manifest::sha256;

use build::{VARIANTS, Variant};
use manifest::Manifest;
use toolchain::Toolchain;

/// Arguments of `cargo xtask ebpf`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Change nothing: fail when the sources have changed since the committed objects were built,
    /// or when the recorded compilers build something else from them
    #[arg(long)]
    check: bool,
}

/// Runs `cargo xtask ebpf`.
pub(crate) fn main(args: &Args) -> Result<()> {
    if args.check { check() } else { install() }
}

fn folder() -> PathBuf {
    paths::root().join("forktrace/bpf")
}

fn object_path(variant: &Variant) -> PathBuf {
    folder().join(format!("{}.bpf.o", variant.name))
}

fn manifest_path() -> PathBuf {
    folder().join("manifest.toml")
}

fn install() -> Result<()> {
    let sources = sources::hash(&paths::root())?;
    let toolchain = Toolchain::ensure()?;
    let mut objects = Vec::new();
    for variant in &VARIANTS {
        objects.push((variant, build::object(&toolchain, variant)?));
    }
    let manifest = Manifest::new(&objects, sources, &toolchain);
    fs::create_dir_all(folder())?;
    for (variant, object) in &objects {
        let path = object_path(variant);
        replace(&path, object)?;
        println!("{}: {} bytes", path.display(), object.len());
    }
    replace(&manifest_path(), manifest.text()?.as_bytes())
}

/// Writes only what differs: cargo rebuilds forktrace whenever an object's time changes.
fn replace(path: &std::path::Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// The check of `--check`, for the test command too.
pub(crate) fn check() -> Result<()> {
    let Recorded { manifest, objects } = recorded()?;
    if !apt::can_install() && !Toolchain::present() {
        println!("ebpf: sources match; not rebuilt, because the BPF toolchain is not installed");
        return Ok(());
    }
    let toolchain = Toolchain::ensure()?;
    let same = manifest.same_compilers(&toolchain);
    if !same {
        println!(
            "ebpf: sources match; not compared byte by byte, because the objects were built by {} \
             and {}, and this machine has {} and {}",
            manifest.rustc, manifest.bpf_linker, toolchain.rustc_version, toolchain.linker_version
        );
    }
    for (variant, committed) in &objects {
        // They must build all the same.
        let rebuilt = build::object(&toolchain, variant)?;
        if same {
            compare(variant, committed, &rebuilt)?;
        }
    }
    Ok(())
}

/// Whether this file, as git calls it, is an object, or one that decides its bytes. (Versions and settings that stand
/// elsewhere are part of the recorded hash.)
pub(crate) fn is_of_it(file: &str) -> bool {
    const OTHERS: [&str; 2] = ["forktrace/bpf/", "xtask/src/object/"];
    sources::contains(file) || OTHERS.iter().any(|folder| file.starts_with(folder))
}

/// What is committed.
pub(crate) struct Recorded {
    manifest: Manifest,
    objects: Vec<(&'static Variant, Vec<u8>)>,
}

/// The committed objects, as the manifest describes them: built from the sources that stand here.
pub(crate) fn recorded() -> Result<Recorded> {
    let manifest = Manifest::read(&manifest_path())?;
    let mut objects = Vec::new();
    for variant in &VARIANTS {
        let path = object_path(variant);
        let bytes = fs::read(&path)
            .with_context(|| format!("reading {}; run `cargo xtask ebpf`", path.display()))?;
        if manifest.object_sha256.get(variant.name) != Some(&manifest::sha256(&bytes)) {
            bail!(
                "{} is not the object that manifest.toml beside it describes; run `cargo xtask ebpf`",
                path.display()
            );
        }
        objects.push((variant, bytes));
    }
    if sources::hash(&paths::root())? != manifest.sources_sha256 {
        bail!(
            "the sources of the BPF objects have changed since they were built; run `cargo xtask \
             ebpf` and commit forktrace/bpf"
        );
    }
    Ok(Recorded { manifest, objects })
}

fn compare(variant: &Variant, committed: &[u8], rebuilt: &[u8]) -> Result<()> {
    let name = variant.name;
    if rebuilt != committed {
        let kept = paths::work_dir("ebpf")?.join(format!("rebuilt.{name}.bpf.o"));
        fs::write(&kept, rebuilt)?;
        bail!(
            "a rebuild of {name} with the recorded compilers differs from the committed object ({} \
             bytes, committed {}); it is kept as {}",
            rebuilt.len(),
            committed.len(),
            kept.display()
        );
    }
    println!(
        "ebpf: {name}: sources match, and a rebuild is identical ({} bytes)",
        committed.len()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_of_it;

    #[test]
    fn what_makes_the_objects() {
        for file in [
            "forktrace-ebpf/src/note.rs",
            "forktrace-common/Cargo.toml",
            "forktrace/bpf/manifest.toml",
            "xtask/src/object/build.rs",
        ] {
            assert!(is_of_it(file), "{file}");
        }
        assert!(!is_of_it("forktrace/src/probe/object.rs"));
    }
}
