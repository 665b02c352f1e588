//! The programs that are published, each by an archive and packages of its own.

use crate::{arch::Arch, guest};

/// One of them.
pub(crate) struct Product {
    /// Of the program, of its package and of its archive.
    pub name: &'static str,
    /// The packages of this repository that are in it, its own first.
    pub roots: &'static [&'static str],
    /// How it is built.
    pub profile: &'static str,
    /// What rustc is told beside.
    pub flags: fn(Arch) -> Vec<String>,
    /// What it is, in a line, and then in a few.
    pub description: &'static str,
    /// Whether its package brings the service with its user and its recordings.
    pub serves: bool,
    /// The product that it is of no use without: installed in the same version.
    pub needs: Option<&'static Self>,
}

/// What people come for: copied to hosts in trouble, so that it is small.
pub(crate) const FORKTRACE: Product = Product {
    name: "forktrace",
    // The BPF objects are embedded.
    roots: &["forktrace", "forktrace-ebpf"],
    profile: "dist",
    flags: guest::published_flags,
    description: "Says why the kernel refused to create a process or thread\n\
        It names the check that refused, whose limit it is, how full that was,\n\
        who fills it and what to change.",
    serves: true,
    needs: None,
};

/// What `forktrace convert` becomes for Parquet: for the machine where recordings are read.
pub(crate) const CONVERT: Product = Product {
    name: "forktrace-convert",
    roots: &["forktrace-convert", "forktrace-ebpf"],
    // Twice as large as the other, and never copied to a host in trouble: LTO would take minutes.
    profile: "release",
    flags: guest::program_flags,
    description: "Writes recordings of forktrace as Parquet\n\
        forktrace convert runs it for files that end in .parquet.",
    serves: false,
    needs: Some(&FORKTRACE),
};

/// All of them; the first is the one that says what a release's version is.
pub(crate) const ALL: [&Product; 2] = [&FORKTRACE, &CONVERT];
