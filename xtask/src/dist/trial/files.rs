//! What can be said of the files without installing them.

use super::super::{Release, program, sbom};
use super::says_its_version;
use crate::test::Tally;
use crate::{arch::Arch, paths, python, run};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What a program may have: downloads in an incident are small.
const MOST_BYTES: usize = 8_000_000;

const CYCLONEDX: &str = "cyclonedx-python-lib[json-validation]==11.12.0";

/// Looks at each.
pub(super) fn run(release: &Release, machines: &[Arch], out: &Path, tally: &mut Tally) {
    for machine in machines {
        let name = machine.facts().rust;
        tally.step(
            &format!("dist: the archive for {name}"),
            &archive(release, *machine, out),
        );
    }
    tally.step(
        "dist: the SBOM, against the schema of CycloneDX",
        &described(release, out),
    );
}

/// Unpacked, with a program that is small, says no folder of this machine and runs.
fn archive(release: &Release, machine: Arch, out: &Path) -> Result<()> {
    let name = format!("{}-{}-linux", release.name(), machine.facts().rust);
    let folder = paths::work_dir("dist")?.join("unpacked");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    run::quiet(
        Command::new("tar")
            .args(["--zstd", "-xf"])
            .arg(out.join(format!("{name}.tar.zst")))
            .arg("-C")
            .arg(&folder),
    )?;
    let unpacked = folder.join(&name);
    let program = unpacked.join("forktrace");
    let bytes = fs::read(&program).context("the program")?;
    ensure!(
        bytes.len() <= MOST_BYTES,
        "the program has {} bytes",
        bytes.len()
    );
    println!("{name}/forktrace: {} bytes", bytes.len());
    for (from, _) in program::folders(release) {
        let from = from.to_string_lossy().into_owned();
        let found = bytes
            .windows(from.len())
            .any(|part| part == from.as_bytes());
        ensure!(!found, "the program holds the name of {from}");
    }
    for file in [
        "man/forktrace.1",
        "completions/_forktrace",
        "forktrace.service",
        "LICENSE-MIT",
        "LICENSES-OTHERS",
        "README.md",
    ] {
        ensure!(unpacked.join(file).is_file(), "no {file}");
    }
    binstall(release, &name)?;
    if machine.is_here() {
        says_its_version(release, &mut Command::new(program))?;
    }
    fs::remove_dir_all(&folder).context("removing what was unpacked")
}

/// What `cargo binstall` looks for is what is there.
fn binstall(release: &Release, name: &str) -> Result<()> {
    let text = String::from_utf8(release.read("forktrace/Cargo.toml")?)?;
    let manifest: toml::Table = toml::from_str(&text)?;
    let value = |key: &str| {
        let table = manifest.get("package")?.get("metadata")?.get("binstall")?;
        let template = table.get(key)?.as_str()?;
        let (machine, _) = name
            .strip_prefix(&release.name())?
            .strip_prefix('-')?
            .rsplit_once('-')?;
        let filled = template
            .replace("{ version }", &release.version)
            .replace("{ target-arch }", machine)
            .replace("{ bin }", "forktrace");
        Some(filled)
    };
    let url = value("pkg-url").context("no pkg-url for binstall")?;
    ensure!(
        url.ends_with(&format!("/{name}.tar.zst")),
        "binstall looks for {url}"
    );
    let inside = value("bin-dir").context("no bin-dir for binstall")?;
    ensure!(
        inside == format!("{name}/forktrace"),
        "binstall looks for {inside}"
    );
    Ok(())
}

fn described(release: &Release, out: &Path) -> Result<()> {
    const SCRIPT: &str = "\
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
sys.exit(str(error) if error else 0)
";
    // The extra is what validates.
    let python = python::library(CYCLONEDX, "cyclonedx, jsonschema")?;
    run::quiet(
        Command::new(python)
            .args(["-c", SCRIPT])
            .arg(out.join(sbom::file(release))),
    )
}
