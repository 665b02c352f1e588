//! Refuses an object that can panic.
//!
//! A reachable panic builds without complaint and fails only at load, as "last insn is not an exit
//! or jmp", far from its cause.

use super::toolchain::Toolchain;
use crate::run;
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

/// Fails when the object defines or uses anything of `core::panicking`.
pub(super) fn reject_panics(toolchain: &Toolchain, object: &Path) -> Result<()> {
    let symbols = list(toolchain, "llvm-nm", &["--demangle", "--no-sort"], object)?;
    let relocations = list(
        toolchain,
        "llvm-readobj",
        &["--demangle", "--relocations"],
        object,
    )?;
    let found = panics(&symbols, &relocations);
    if !found.is_empty() {
        bail!(
            "the BPF object can panic, so the kernel would refuse it. It holds:\n  {}\nLook for \
             indexing, division, slicing, unwrap or arithmetic that the compiler cannot prove safe",
            found.join("\n  ")
        );
    }
    Ok(())
}

fn list(toolchain: &Toolchain, tool: &str, args: &[&str], object: &Path) -> Result<String> {
    run::capture(
        Command::new(toolchain.llvm_bin.join(tool))
            .args(args)
            .arg(object),
    )
}

fn panics(symbols: &str, relocations: &str) -> Vec<String> {
    let is_panic = |line: &&str| {
        [
            "core::panicking",
            "core..panicking",
            "9panicking",
            "rust_begin_unwind",
            "panic_fmt",
        ]
        .iter()
        .any(|name| line.contains(name))
    };
    let mut found: Vec<String> = symbols
        .lines()
        .chain(relocations.lines())
        .filter(is_panic)
        .map(|line| line.trim().to_owned())
        .collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::panics;

    #[test]
    fn finds_panics_in_symbols_and_relocations() {
        let symbols = "0000 t core::panicking::panic_bounds_check\n0000 T fork_exit\n";
        let relocations =
            "0x10 R_BPF_64_32 _ZN4core9panicking5panic17h1E\n0x20 R_BPF_64_64 EVENTS\n";
        assert_eq!(panics(symbols, relocations).len(), 2);
        assert!(panics("0000 T fork_exit\n", "0x20 R_BPF_64_64 EVENTS\n").is_empty());
    }
}
