//! The manifest beside the committed objects: what they were built from, and by what.

use super::{build::Variant, toolchain::Toolchain};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const HEAD: &str = "# Written by `cargo xtask ebpf`; `cargo xtask ebpf --check` compares.\n";

/// What `manifest.toml` holds.
#[derive(Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Of everything that they were built from; see [`super::sources`].
    pub sources_sha256: String,
    /// The compiler, as it names itself.
    pub rustc: String,
    /// The LLVM of the compiler and the linker.
    pub llvm: String,
    /// The linker, as it names itself.
    pub bpf_linker: String,
    /// Of the objects themselves, by name.
    pub object_sha256: BTreeMap<String, String>,
}

impl Manifest {
    /// Describes objects that were just built.
    pub(super) fn new(
        objects: &[(&Variant, Vec<u8>)],
        sources_sha256: String,
        toolchain: &Toolchain,
    ) -> Self {
        let sums = objects.iter();
        Self {
            object_sha256: sums
                .map(|(variant, bytes)| (variant.name.to_owned(), sha256(bytes)))
                .collect(),
            sources_sha256,
            rustc: toolchain.rustc_version.clone(),
            llvm: toolchain.llvm_version.clone(),
            bpf_linker: toolchain.linker_version.clone(),
        }
    }

    /// Reads a committed manifest.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("reading {}; run `cargo xtask ebpf`", path.display()))?;
        toml::from_str(&text).with_context(|| format!("parsing {}", path.display()))
    }

    /// As it is committed.
    pub(super) fn text(&self) -> Result<String> {
        Ok(format!("{HEAD}{}", toml::to_string(self)?))
    }

    /// Whether a rebuild by these compilers has to give the same bytes.
    pub(super) fn same_compilers(&self, toolchain: &Toolchain) -> bool {
        self.rustc == toolchain.rustc_version
            && self.llvm == toolchain.llvm_version
            && self.bpf_linker == toolchain.linker_version
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
