//! `cargo xtask dist`: what a release publishes, made from the commit that is checked out. Two runs by
//! the same compilers give the same bytes, in whichever folder.

use crate::{arch::Arch, paths, run};
use anyhow::{Context, Result, ensure};
use clap::ValueEnum as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(crate) mod image;
mod licences;
mod metadata;
mod packages;
mod payload;
mod product;
mod program;
mod provenance;
mod release;
mod sbom;
mod site;
mod sums;
mod tarball;
pub(crate) mod trial;
mod unit;

use payload::{Payload, Texts};
use product::{FORKTRACE, Product};
use release::Release;

/// Arguments of `cargo xtask dist`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// For these machines [default: all]
    #[arg(long, value_enum)]
    machine: Vec<Arch>,
    /// Where it goes [default: target/dist]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Build it although files differ from the commit
    #[arg(long)]
    dirty: bool,
    /// Use this static forktrace instead of building one, for a try (forktrace-convert is still built)
    #[arg(long, value_name = "FILE", requires = "dirty")]
    forktrace: Option<PathBuf>,
    /// Then build it once more in another folder and compare, and install, run and remove it (as root on
    /// Debian)
    #[arg(long)]
    test: bool,
}

/// Runs `cargo xtask dist`.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let machines = match args.machine.is_empty() {
        true => Arch::value_variants().to_vec(),
        false => args.machine.clone(),
    };
    let out = args.out.clone().unwrap_or_else(folder);
    let mut release = Release::of(&paths::root(), args.dirty)?;
    release.program.clone_from(&args.forktrace);
    make(&release, &machines, &out)?;
    println!("{}", sums::read(&out)?.trim_end());
    println!("in {}", out.display());
    match args.test {
        true => trial::main(&release, &machines, &out),
        false => Ok(ExitCode::SUCCESS),
    }
}

/// Beside what cargo builds.
fn folder() -> PathBuf {
    let work = paths::work("");
    work.parent().unwrap_or(&work).join("dist")
}

/// Makes all of it.
fn make(release: &Release, machines: &[Arch], out: &Path) -> Result<()> {
    empty(out)?;
    let mut payloads = Vec::new();
    for product in product::ALL {
        payloads.extend(of_product(release, product, machines)?);
        sbom::write(release, product, out)?;
    }
    for payload in &payloads {
        tarball::write(release, payload, out)?;
        packages::write(release, payload, out)?;
    }
    let serve = payloads.iter().filter(|p| p.product.name == FORKTRACE.name);
    image::write(release, &serve.collect::<Vec<_>>(), out)?;
    site::write(release, out)?;
    provenance::write(release, machines, out)?;
    sums::write(out)
}

/// What the archives and packages of a product hold, for each machine.
fn of_product(
    release: &Release,
    product: &'static Product,
    machines: &[Arch],
) -> Result<Vec<Payload>> {
    let mut programs = Vec::new();
    for machine in machines {
        eprintln!(
            "xtask: building {} for {}",
            product.name,
            machine.facts().rust
        );
        programs.push(program::build(release, product, *machine)?);
    }
    let texts = Texts::of(release, product, &programs)?;
    Ok(programs
        .into_iter()
        .map(|program| Payload::new(program, &texts))
        .collect())
}

/// Makes the folder, or empties one that an earlier run has filled.
fn empty(out: &Path) -> Result<()> {
    if out.exists() {
        let nothing = fs::read_dir(out)?.next().is_none();
        ensure!(
            nothing || out.join(sums::FILE).is_file(),
            "{} is neither empty nor an earlier run's: name another folder by --out",
            out.display()
        );
        fs::remove_dir_all(out).with_context(|| format!("emptying {}", out.display()))?;
    }
    fs::create_dir_all(out).with_context(|| format!("creating {}", out.display()))
}

/// Writes one of the files.
fn put(out: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = out.join(name);
    fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// As `gzip` packs it, without a name and a time.
fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    run::through(std::process::Command::new("gzip").args(["-9", "-n"]), bytes)
}
