//! The static program, with nothing of the building machine's folders in it.

use super::{product::Product, release::Release};
use crate::{arch::Arch, guest, run};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// A program that was built.
pub(super) struct Program {
    pub product: &'static Product,
    pub machine: Arch,
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

/// Builds it.
pub(super) fn build(
    release: &Release,
    product: &'static Product,
    machine: Arch,
) -> Result<Program> {
    if let Some(path) = release.instead_of(product) {
        return read(product, machine, path);
    }
    let target = folder(release);
    let triple = machine.facts().triple;
    let mut cargo = run::cargo();
    if !machine.is_here() {
        guest::cross::compilers(machine, &mut cargo)?;
    }
    cargo
        .current_dir(&release.root)
        .args(["build", "--quiet", "--locked"])
        .args(["--profile", product.profile])
        .args(["--package", product.name, "--target", triple])
        .env("CARGO_TARGET_DIR", &target)
        .env("SOURCE_DATE_EPOCH", release.time.to_string())
        .env("CARGO_ENCODED_RUSTFLAGS", flags(release, product, machine).join("\x1f"))
        // zstd is C.
        .env("CFLAGS", c_flags(release));
    run::loud(&mut cargo).with_context(|| format!("building {}", product.name))?;
    let folder = target.join(triple).join(product.profile);
    read(product, machine, &folder.join(product.name))
}

fn read(product: &'static Product, machine: Arch, path: &Path) -> Result<Program> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(Program {
        product,
        machine,
        path: std::path::absolute(path)?,
        bytes,
    })
}

/// Below the sources, so that two folders share nothing.
fn folder(release: &Release) -> PathBuf {
    release.root.join("target/xtask/dist/build")
}

/// The folders that paths of sources begin with, and what stands for them in the program; of several that fit, the
/// last one counts. Cargo's own folders for registries are left out: a panic's place has them, 280 times.
pub(super) fn folders(release: &Release) -> Vec<(PathBuf, &'static str)> {
    let cargo = cargo_home();
    let registries = fs::read_dir(cargo.join("registry/src"));
    let registries = registries.into_iter().flatten().flatten();
    let registries = registries.map(|registry| (registry.path(), "/cargo"));
    let mut all = vec![(cargo, "/cargo")];
    all.extend(registries);
    all.push((release.root.clone(), "/forktrace"));
    all
}

fn flags(release: &Release, product: &Product, machine: Arch) -> Vec<String> {
    // As what is tested is built.
    let mut flags = (product.flags)(machine);
    for (folder, instead) in folders(release) {
        flags.push(format!(
            "--remap-path-prefix={}={instead}",
            folder.display()
        ));
    }
    flags
}

fn c_flags(release: &Release) -> String {
    let maps = folders(release);
    let maps = maps
        .iter()
        .map(|(from, to)| format!("-ffile-prefix-map={}={to}", from.display()));
    let maps: Vec<_> = maps.collect();
    [guest::C_FLAGS.join(" "), maps.join(" ")].join(" ")
}

/// Where cargo keeps the sources of others.
fn cargo_home() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(home);
    home.unwrap_or_else(|| PathBuf::from("/root/.cargo"))
}
