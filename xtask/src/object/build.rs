//! Compiles, links and strips the object so that any folder and any machine gives the same bytes.

use super::{line_info, symbols, toolchain::Toolchain};
use crate::{paths, run};
use anyhow::{Context, Result, anyhow};
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "bpfel-unknown-none";

/// Only these crates may use unstable features (`asm_experimental_arch`) on a stable compiler.
const UNSTABLE: &str = "aya_ebpf,forktrace,forktrace_ebpf";

/// For which machine aya-ebpf has its types of contexts. The programs read none by them
/// (forktrace-ebpf/src/arch), but without it that would be the building machine, and so would the
/// object's bytes.
const CONTEXTS: (&str, &str) = ("AYA_BPF_TARGET_ARCH", "x86_64");

/// The build profile `bpf`. It is kept here and not in the workspace's Cargo.toml, because the
/// object must not change with the settings of the user-space binary.
const PROFILE: [(&str, &str); 9] = [
    ("inherits", "\"release\""),
    ("opt-level", "3"),
    // For full BTF: function prototypes and map value types.
    ("debug", "2"),
    ("strip", "false"),
    // bpf-linker links and optimises the whole program itself.
    ("lto", "\"off\""),
    // One unit a crate: nothing may depend on how many cores the machine has.
    ("codegen-units", "1"),
    ("debug-assertions", "false"),
    ("overflow-checks", "false"),
    ("incremental", "false"),
];

/// One of the objects that are built from the same sources.
#[derive(Debug)]
pub(super) struct Variant {
    /// Its name, and that of its file.
    pub name: &'static str,
    /// The crate's feature that makes it.
    feature: Option<&'static str>,
}

/// All objects. What they differ in: forktrace-ebpf/src/walk.rs.
pub(super) const VARIANTS: [Variant; 2] = [
    Variant {
        name: "bpf_loop",
        feature: Some("bpf_loop"),
    },
    Variant {
        name: "bounded_loops",
        feature: None,
    },
];

/// The settings as text, for the hash of the sources.
pub(super) fn settings() -> String {
    format!(
        "{TARGET} {UNSTABLE} {CONTEXTS:?} {PROFILE:?} {VARIANTS:?} debuginfo=2 --btf without line info"
    )
}

/// Builds an object and gives its stripped bytes.
pub(super) fn object(toolchain: &Toolchain, variant: &Variant) -> Result<Vec<u8>> {
    let target = paths::work_dir("bpf-build")?.join(variant.name);
    let mut cargo = run::cargo();
    cargo
        .env("RUSTC", &toolchain.rustc)
        .env("RUSTC_BOOTSTRAP", UNSTABLE)
        .env(CONTEXTS.0, CONTEXTS.1)
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(toolchain)?)
        .args([
            "build",
            "--quiet",
            "--package",
            "forktrace-ebpf",
            "--target",
            TARGET,
        ])
        .args(["--profile", "bpf"])
        .args(
            variant
                .feature
                .map(|feature| format!("--features={feature}")),
        );
    for (key, value) in PROFILE {
        cargo
            .arg("--config")
            .arg(format!("profile.bpf.{key}={value}"));
    }
    run::loud(&mut cargo).with_context(|| format!("building the BPF object {}", variant.name))?;
    let linked = target.join(TARGET).join("bpf/forktrace");
    symbols::reject_panics(toolchain, &linked)?;
    strip(toolchain, &linked)
}

/// The flags, separated as CARGO_ENCODED_RUSTFLAGS wants it, so that paths may hold spaces.
fn flags(toolchain: &Toolchain) -> Result<String> {
    let mut flags = vec![
        "-Cdebuginfo=2".to_owned(),
        format!("-Clinker={}", utf8(&toolchain.linker)?),
        "-Clink-arg=--btf".to_owned(),
        format!("--remap-path-prefix={}=/forktrace", utf8(&paths::root())?),
    ];
    for folder in registry_folders()? {
        flags.push(format!("--remap-path-prefix={}=/registry", utf8(&folder)?));
    }
    Ok(flags.join("\u{1f}"))
}

/// Cargo unpacks crates under `registry/src/<name of the index>`; the name differs by machine.
fn registry_folders() -> Result<Vec<PathBuf>> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))
        .ok_or_else(|| anyhow!("neither CARGO_HOME nor HOME is set"))?;
    // It exists: xtask itself was built from crates in it.
    let source = home.join("registry/src");
    let mut folders: Vec<PathBuf> = fs::read_dir(&source)
        .with_context(|| format!("reading {}", source.display()))?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    Ok(folders)
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str()
        .ok_or_else(|| anyhow!("{} is not UTF-8", path.display()))
}

/// Drops DWARF and line info, and keeps BTF; DWARF is 20 times the size and holds nothing that the kernel reads.
fn strip(toolchain: &Toolchain, linked: &Path) -> Result<Vec<u8>> {
    let stripped = linked.with_extension("stripped.o");
    run::quiet(Command::new(toolchain.llvm_bin.join("llvm-objcopy")).args([
        OsStr::new("--strip-debug"),
        linked.as_os_str(),
        stripped.as_os_str(),
    ]))?;
    line_info::drop(toolchain, &stripped)?;
    fs::read(&stripped).with_context(|| format!("reading {}", stripped.display()))
}
