//! What can be said of the files without installing them.

use super::super::{
    Release,
    product::{self, FORKTRACE, Product},
    program, sbom,
};
use super::says_its_version;
use crate::test::Tally;
use crate::{arch::Arch, paths, python, run};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What forktrace may have: downloads in an incident are small.
const MOST_BYTES: usize = 6_000_000;

const CYCLONEDX: &str = "cyclonedx-python-lib[json-validation]==11.12.0";

/// Looks at each.
pub(super) fn run(release: &Release, machines: &[Arch], out: &Path, tally: &mut Tally) {
    for product in product::ALL {
        for machine in machines {
            let name = release.archive(product, *machine);
            tally.step(
                &format!("dist: the archive {name}"),
                &archive(release, product, *machine, out),
            );
        }
        tally.step(
            &format!(
                "dist: the SBOM of {}, against the schema of CycloneDX",
                product.name
            ),
            &described(release, product, out),
        );
    }
}

/// Unpacked, with a program that, where it is forktrace, is small; that says no folder of this machine and runs.
fn archive(release: &Release, product: &Product, machine: Arch, out: &Path) -> Result<()> {
    let name = release.archive(product, machine);
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
    let program = unpacked.join(product.name);
    let bytes = fs::read(&program).context("the program")?;
    ensure!(
        !product.serves || bytes.len() <= MOST_BYTES,
        "the program has {} bytes",
        bytes.len()
    );
    println!("{name}/{}: {} bytes", product.name, bytes.len());
    for (from, _) in program::folders(release) {
        let from = from.to_string_lossy().into_owned();
        let found = bytes
            .windows(from.len())
            .any(|part| part == from.as_bytes());
        ensure!(!found, "the program holds the name of {from}");
    }
    let everywhere = ["LICENSE-MIT", "LICENSES-OTHERS"];
    let of_forktrace = [
        "man/forktrace.1",
        "completions/_forktrace",
        "forktrace.service",
        "README.md",
    ];
    let of_forktrace = of_forktrace.iter().filter(|_| product.serves);
    for file in everywhere.iter().chain(of_forktrace) {
        ensure!(unpacked.join(file).is_file(), "no {file}");
    }
    if product.serves {
        binstall(release, &name)?;
    }
    if machine.is_here() {
        says_its_version(release, product, &mut Command::new(&program))?;
        lives_without_unwinding(product, &program)?;
    }
    fs::remove_dir_all(&folder).context("removing what was unpacked")
}

/// What is asked for its stack, of which the program has no tables, ends as it does without: an error asks.
fn lives_without_unwinding(product: &Product, program: &Path) -> Result<()> {
    let arguments: &[&str] = match product.serves {
        true => &["report", "/nowhere"],
        false => &["--output", "/nowhere/rows.parquet", "/nowhere"],
    };
    for asked in ["0", "1", "full"] {
        let said = Command::new(program)
            .env("RUST_BACKTRACE", asked)
            .args(arguments)
            .output()
            .with_context(|| format!("running {}", program.display()))?;
        let text = String::from_utf8_lossy(&said.stderr);
        ensure!(
            said.status.code().is_some() && text.contains("/nowhere"),
            "with RUST_BACKTRACE={asked}: {}, {text}",
            said.status
        );
    }
    Ok(())
}

/// What `cargo binstall` looks for is what is there.
fn binstall(release: &Release, name: &str) -> Result<()> {
    let text = String::from_utf8(release.read("forktrace/Cargo.toml")?)?;
    let manifest: toml::Table = toml::from_str(&text)?;
    let value = |key: &str| {
        let table = manifest.get("package")?.get("metadata")?.get("binstall")?;
        let template = table.get(key)?.as_str()?;
        let (machine, _) = name
            .strip_prefix(&release.name(&FORKTRACE))?
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

fn described(release: &Release, product: &Product, out: &Path) -> Result<()> {
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
            .arg(out.join(sbom::file(release, product))),
    )
}
