//! What a run needs of Debian, installed at once: one after the other the packages take thrice the
//! time.

use crate::apt::{self, Package};
use crate::arch::Arch;
use std::path::Path;

/// Packages, each with a file that only it brings.
const PACKAGES: [(&str, &str); 7] = [
    ("busybox-static", "/usr/share/doc/busybox-static"),
    ("rustc-web", "/usr/share/doc/rustc-web"),
    (
        "libstd-rust-web-dev-bpf",
        "/usr/lib/rustlib/bpfel-unknown-none/lib",
    ),
    ("jq", "/usr/bin/jq"),
    ("python3-venv", "/usr/share/doc/python3-venv"),
    ("postgresql", "/usr/share/doc/postgresql"),
    ("systemd", "/usr/bin/systemd-analyze"),
];

/// Installs them. Whoever needs one asks for it again, and says what is missing where this failed.
pub(super) fn packages() {
    let facts = Arch::HERE.facts();
    let emulator = (facts.qemu_package, facts.qemu_file);
    let all = PACKAGES.iter().chain([&emulator]);
    let packages: Vec<Package<'_>> = all
        .map(|(name, file)| Package::new(name, Path::new(file)))
        .collect();
    if apt::can_install()
        && let Err(error) = apt::require(&packages, "the whole test run")
    {
        eprintln!("xtask: not all packages could be installed at once: {error:#}");
    }
}
