//! Where all of it comes from: an in-toto statement with SLSA's predicate, for whoever wants to build the
//! same bytes. It is not signed: who publishes the files signs SHA256SUMS.

use super::{product::FORKTRACE, put, release::Release, sums};
use crate::arch::Arch;
use crate::run;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Writes it, over what is in the folder by now.
pub(super) fn write(release: &Release, machines: &[Arch], out: &Path) -> Result<()> {
    let subject: Vec<Value> = sums::of(out)?
        .into_iter()
        .map(|(name, sum)| json!({"name": name, "digest": {"sha256": sum}}))
        .collect();
    let machines: Vec<&str> = machines
        .iter()
        .map(|machine| machine.facts().rust)
        .collect();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "cargo xtask dist",
                "externalParameters": {"machine": machines},
                "internalParameters": {"SOURCE_DATE_EPOCH": release.time},
                "resolvedDependencies": [
                    {"name": "forktrace", "digest": {"gitCommit": release.commit}},
                    // Names and sums of all packages.
                    {"name": "Cargo.lock", "digest": {"sha256": crate::object::sha256(&release.read("Cargo.lock")?)}},
                ],
            },
            "runDetails": {
                "builder": {"id": "cargo xtask dist", "version": tools()?},
            },
        },
    });
    let text = serde_json::to_string_pretty(&statement)?;
    let name = format!("{}.provenance.json", release.name(&FORKTRACE));
    put(out, &name, format!("{text}\n").as_bytes())
}

/// What decides about the bytes beside the sources: the compilers, the C library that is linked in, and what
/// packs.
fn tools() -> Result<Value> {
    let first = |program: &str, argument: &str| {
        let text = run::capture(Command::new(program).arg(argument))
            .with_context(|| format!("asking {program} for its version"))?;
        Ok::<_, anyhow::Error>(text.lines().next().unwrap_or_default().to_owned())
    };
    Ok(json!({
        "rustc": first("rustc", "--version")?,
        "cc": first("cc", "--version")?,
        "libc": first("getconf", "GNU_LIBC_VERSION")?,
        "zstd": first("zstd", "--version")?,
        "gzip": first("gzip", "--version")?,
    }))
}
