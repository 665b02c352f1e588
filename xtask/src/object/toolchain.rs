//! The compilers for BPF: Debian's rustc with its prebuilt `core`, and bpf-linker against the same
//! LLVM. A linker with an older LLVM than the compiler's cannot read its bitcode, so everything
//! follows from the LLVM version that rustc names.

use crate::arch::LIBRARIES;
use crate::{apt, paths, run};
use anyhow::{Context, Result, anyhow};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const RUSTC: &str = "/usr/bin/rustc";
const CORE: &str = "/usr/lib/rustlib/bpfel-unknown-none/lib";
const LINKER: &str = "0.13.0";

/// The compilers, ready to run.
pub(super) struct Toolchain {
    /// The compiler with a `core` for BPF.
    pub rustc: PathBuf,
    /// bpf-linker.
    pub linker: PathBuf,
    /// Where llvm-objcopy and its siblings are.
    pub llvm_bin: PathBuf,
    /// What the compiler calls itself.
    pub rustc_version: String,
    /// What its LLVM calls itself.
    pub llvm_version: String,
    /// What the linker calls itself.
    pub linker_version: String,
}

impl Toolchain {
    /// Whether everything is there already.
    pub(super) fn present() -> bool {
        compiler_packages().iter().all(|p| p.file.exists()) && Self::ensure().is_ok()
    }

    /// Finds the compilers, installing what is missing.
    pub(super) fn ensure() -> Result<Self> {
        let _lock = paths::lock("toolchain")?;
        apt::require(&compiler_packages(), "building the BPF object")?;
        let about = run::capture(Command::new(RUSTC).args(["--version", "--verbose"]))?;
        let rustc_version = about.lines().next().unwrap_or_default().to_owned();
        let llvm_version = about
            .lines()
            .find_map(|line| line.strip_prefix("LLVM version: "))
            .ok_or_else(|| anyhow!("{RUSTC} names no LLVM version:\n{about}"))?
            .to_owned();
        let major = llvm_version
            .split('.')
            .next()
            .unwrap_or_default()
            .to_owned();
        let llvm_bin = PathBuf::from(format!("/usr/lib/llvm-{major}/bin"));
        apt::require(
            &[apt::Package::new(
                &format!("llvm-{major}"),
                &llvm_bin.join("llvm-objcopy"),
            )],
            "building the BPF object",
        )?;
        let linker = linker(&llvm_version, &major)?;
        let linker_version = version(&linker)?;
        Ok(Self {
            rustc: RUSTC.into(),
            linker,
            llvm_bin,
            rustc_version,
            llvm_version,
            linker_version,
        })
    }
}

fn compiler_packages() -> [apt::Package<'static>; 2] {
    [
        // Its documentation folder, because Debian's older `rustc` has the same program's path.
        apt::Package::new("rustc-web", Path::new("/usr/share/doc/rustc-web")),
        apt::Package::new("libstd-rust-web-dev-bpf", Path::new(CORE)),
    ]
}

fn version(linker: &Path) -> Result<String> {
    Ok(run::capture(Command::new(linker).arg("--version"))?
        .trim()
        .to_owned())
}

/// Builds bpf-linker once for each LLVM version.
fn linker(llvm_version: &str, major: &str) -> Result<PathBuf> {
    let root = paths::work_dir(&format!("tools/bpf-linker-{LINKER}-llvm-{llvm_version}"))?;
    let linker = root.join("bin/bpf-linker");
    // Running it also finds out whether its shared LLVM is still there.
    if linker.exists() && version(&linker).is_ok() {
        return Ok(linker);
    }
    eprintln!(
        "xtask: building bpf-linker {LINKER} against LLVM {llvm_version} (once, about 2 minutes)"
    );
    // The build looks for `libLLVM.so` under a prefix; Debian's runtime library has only its
    // versioned name, and the package with the plain name would bring all of LLVM's headers.
    let prefix = root.join("llvm");
    fs::create_dir_all(prefix.join("lib"))?;
    let link = prefix.join("lib/libLLVM.so");
    let _ = fs::remove_file(&link);
    symlink(shared_llvm(major)?, &link).with_context(|| format!("linking {}", link.display()))?;
    let build = root.join("build");
    run::quiet(
        run::cargo()
            .env("LLVM_PREFIX", &prefix)
            .env("CARGO_TARGET_DIR", &build)
            .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
            .env("CARGO_PROFILE_RELEASE_LTO", "false")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .args([
                "install",
                "bpf-linker",
                "--version",
                LINKER,
                "--locked",
                "--force",
            ])
            .args([
                "--no-default-features",
                "--features",
                &format!("llvm-{major}"),
            ])
            .arg("--root")
            .arg(&root),
    )
    .context("building bpf-linker")?;
    let _ = fs::remove_dir_all(build);
    Ok(linker)
}

/// The shared library of LLVM that the compiler itself runs with.
fn shared_llvm(major: &str) -> Result<PathBuf> {
    let start = format!("libLLVM.so.{major}");
    for folder in LIBRARIES {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&start) {
                return Ok(entry.path());
            }
        }
    }
    Err(anyhow!(
        "no {start}* under /usr/lib: is package libllvm{major} installed?"
    ))
}
