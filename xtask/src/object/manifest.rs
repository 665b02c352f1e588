//! The manifest beside the committed object: what it was built from, and by what.

use super::toolchain::Toolchain;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const HEAD: &str = "# Written by `cargo xtask ebpf`; `cargo xtask ebpf --check` compares.\n";

/// What `manifest.toml` holds.
#[derive(Serialize, Deserialize)]
pub struct Manifest {
    /// Of the object itself.
    pub object_sha256: String,
    /// Of everything that it was built from; see [`super::sources`].
    pub sources_sha256: String,
    /// The compiler, as it names itself.
    pub rustc: String,
    /// The LLVM of the compiler and the linker.
    pub llvm: String,
    /// The linker, as it names itself.
    pub bpf_linker: String,
}

impl Manifest {
    /// Describes an object that was just built.
    pub fn new(object: &[u8], sources_sha256: String, toolchain: &Toolchain) -> Self {
        Self {
            object_sha256: sha256(object),
            sources_sha256,
            rustc: toolchain.rustc_version.clone(),
            llvm: toolchain.llvm_version.clone(),
            bpf_linker: toolchain.linker_version.clone(),
        }
    }

    /// Reads a committed manifest.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("reading {}; run `cargo xtask ebpf`", path.display()))?;
        toml::from_str(&text).with_context(|| format!("parsing {}", path.display()))
    }

    /// As it is committed.
    pub fn text(&self) -> Result<String> {
        Ok(format!("{HEAD}{}", toml::to_string(self)?))
    }

    /// Whether a rebuild by these compilers has to give the same bytes.
    pub fn same_compilers(&self, toolchain: &Toolchain) -> bool {
        self.rustc == toolchain.rustc_version
            && self.llvm == toolchain.llvm_version
            && self.bpf_linker == toolchain.linker_version
    }
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
