//! What is published, tried for real: built twice, installed, run and removed. As root on Debian.

use super::{
    Release, make, packages,
    product::{self, Product},
    sums,
};
use crate::test::Tally;
use crate::{apt, arch::Arch, paths, run};
use anyhow::{Context, Result, ensure};
use clap::ValueEnum as _;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

mod container;
mod deb;
mod files;
mod root;
mod rpm;

/// Of `cargo xtask dist --test`.
pub(crate) fn main(release: &Release, machines: &[Arch], out: &Path) -> Result<ExitCode> {
    let mut tally = Tally::default();
    try_all(release, machines, out, &mut tally);
    tally.print_failures();
    Ok(tally.end())
}

/// Of `cargo xtask test --full`: makes it first.
pub(crate) fn run(tally: &mut Tally) -> Result<()> {
    let out = super::folder();
    let machines = Arch::value_variants();
    // Tests are run before a commit too.
    let release = Release::of(&paths::root(), true)?;
    make(&release, machines, &out)?;
    try_all(&release, machines, &out, tally);
    Ok(())
}

fn try_all(release: &Release, machines: &[Arch], out: &Path, tally: &mut Tally) {
    match release.is_dirty() {
        true => tally.skip("dist: built twice", "files differ from the commit"),
        false => tally.step("dist: built twice", &twice(release, machines, out)),
    }
    files::run(release, machines, out, tally);
    let Some(here) = machines.iter().copied().find(|machine| machine.is_here()) else {
        tally.skip("dist: installed", "nothing was made for this machine");
        return;
    };
    if !apt::can_install() {
        tally.skip("dist: installed", "takes root on Debian");
        return;
    }
    let files = product::ALL.map(|product| packages::names(release, product, here));
    let debs = files.each_ref().map(|[(_, deb), _]| out.join(deb));
    let rpms = files.each_ref().map(|[_, (_, rpm)]| out.join(rpm));
    for suite in root::SUITES {
        tally.step(
            &format!("dist: the .deb of each program on Debian's {suite}"),
            &deb::run(suite, release, &debs),
        );
    }
    tally.step("dist: the .rpm of each program", &rpm::run(release, &rpms));
    container::run(release, out, tally);
    tally.step("dist: cargo install", &from_source(release));
}

/// A clone in another folder gives the same bytes.
fn twice(release: &Release, machines: &[Arch], out: &Path) -> Result<()> {
    let folder = paths::work_dir("dist")?.join("second");
    let _ = fs::remove_dir_all(&folder);
    run::quiet(
        Command::new("git")
            .args(["clone", "--quiet", "--no-hardlinks"])
            .args([&release.root, &folder]),
    )?;
    let mut checkout = Command::new("git");
    checkout.current_dir(&folder).args(["checkout", "--quiet"]);
    run::quiet(checkout.arg(&release.commit))?;
    let again = folder.join("target/dist");
    make(&Release::of(&folder, false)?, machines, &again)?;
    let (first, second) = (sums::read(out)?, sums::read(&again)?);
    ensure!(
        first == second,
        "the first was\n{first}and the second\n{second}"
    );
    fs::remove_dir_all(&folder).context("removing the second build")
}

/// As the README has it, but not optimised, which takes minutes.
fn from_source(release: &Release) -> Result<()> {
    let folder = paths::work("dist/installed");
    let _ = fs::remove_dir_all(&folder);
    let mut cargo = run::cargo();
    cargo
        .current_dir(&release.root)
        .args([
            "install",
            "--quiet",
            "--locked",
            "--debug",
            "--path",
            "forktrace",
        ])
        .arg("--root")
        .arg(&folder)
        .env("CARGO_TARGET_DIR", paths::work("dist/install-build"));
    run::quiet(&mut cargo)?;
    let program = &mut Command::new(folder.join("bin/forktrace"));
    says_its_version(release, &product::FORKTRACE, program)
}

fn says_its_version(release: &Release, product: &Product, program: &mut Command) -> Result<()> {
    let said = run::capture(program.arg("--version"))?;
    let wanted = format!("{} {}", product.name, release.version);
    ensure!(said.trim() == wanted, "it says {said:?}");
    Ok(())
}
