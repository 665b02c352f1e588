//! From a version prefix to the exact package: versions come and go on a mirror, so the newest of
//! what there is today is taken.

use super::archive::Archive;
use crate::arch::Arch;
use anyhow::{Context, Result, bail};
use std::process::Command;

/// A package that holds a kernel image.
#[derive(Clone, Debug)]
pub(super) struct Package {
    /// For example `linux-image-6.1.0-56-cloud-amd64`.
    pub name: String,
    /// For example `6.1.192-2`.
    pub version: String,
    suite: String,
}

/// Kernels that several releases carry: the release whose own kernel it is comes first.
const HOME: [(&str, &str); 3] = [
    ("5.10", "bullseye"),
    ("6.1", "bookworm"),
    ("6.12", "trixie"),
];

/// The version, or `newest`, and the end of the package's name: the end of the kernel's name says how
/// it was built. Cloud kernels are the smallest that boot here; of the other kinds Debian builds none.
fn parts(arch: Arch, name: &str) -> (&str, &'static str) {
    let facts = arch.facts();
    let large_pages = facts.large_pages_kernel;
    let kinds = [("-rt", Some(facts.rt_kernel)), ("-16k", large_pages)];
    kinds
        .into_iter()
        .find_map(|(suffix, package)| Some((name.strip_suffix(suffix)?, package?)))
        .unwrap_or((name, facts.cloud_kernel))
}

/// Refuses names that are neither `newest` nor a version, either with a kind behind it or not.
pub(super) fn check_name(arch: Arch, name: &str) -> Result<()> {
    let (base, _) = parts(arch, name);
    let version = base.starts_with(|c: char| c.is_ascii_digit())
        && base.chars().all(|c| c.is_ascii_digit() || c == '.');
    if !version && base != "newest" {
        bail!(
            "kernel {name:?}: give a version prefix such as 6.12 (6.12-rt: built with PREEMPT_RT; \
             on arm64 6.12-16k: with pages of 16 KiB), `newest`, `all`, or the path of an image (with a slash)"
        );
    }
    Ok(())
}

/// The packages for a name that [`check_name`] accepts, the newest first.
pub(super) fn packages(archive: &Archive, name: &str) -> Result<Vec<Package>> {
    let pattern = pattern(archive.arch(), name);
    let any = archive.query(&["search", "--names-only", &pattern])?;
    let names: Vec<&str> = any
        .lines()
        .filter_map(|line| line.split(" - ").next())
        .collect();
    let mut found = if names.is_empty() {
        Vec::new()
    } else {
        versions(&archive.query(&[&["madison"], names.as_slice()].concat())?)
    };
    let (version, kind) = parts(archive.arch(), name);
    if let Some((_, home)) = HOME.iter().find(|(kernel, _)| *kernel == version)
        && found.iter().any(|package| package.suite.starts_with(home))
    {
        found.retain(|package| package.suite.starts_with(home));
    }
    if found.is_empty() {
        bail!(
            "no Debian suite on this machine's mirror has a kernel {version} of the kind {kind} \
             (searched for {pattern})"
        );
    }
    newest_first(&mut found);
    Ok(found)
}

/// The package of this name, of this version or the newest.
pub(super) fn named(archive: &Archive, name: &str, version: Option<&str>) -> Result<Package> {
    let mut found = versions(&archive.query(&["madison", name])?);
    found.retain(|package| version.is_none_or(|version| package.version == version));
    newest_first(&mut found);
    let version = version.unwrap_or("any version");
    let first = found.into_iter().next();
    first.with_context(|| format!("this machine's mirror has no package {name} of {version}"))
}

/// A handful of packages, each compared with the one before it until it is in its place.
fn newest_first(packages: &mut [Package]) {
    for end in 1..packages.len() {
        let mut at = end;
        while at > 0 && newer(&packages[at], &packages[at - 1]) {
            packages.swap(at, at - 1);
            at -= 1;
        }
    }
}

/// The name pattern of real images. Since 6.19 `linux-image-*` holds no image but depends on
/// `linux-binary-*`; a meta package has no third number.
fn pattern(arch: Arch, name: &str) -> String {
    let (base, kind) = parts(arch, name);
    let version = if base == "newest" {
        "[0-9]+\\.[0-9]+".to_owned()
    } else {
        base.replace('.', "\\.")
    };
    let third = if base.matches('.').count() > 1 {
        ""
    } else {
        "\\.[0-9]"
    };
    format!("^linux-(image|binary)-{version}{third}[^ ]*-{kind}$")
}

/// Reads `apt-cache madison`: `name | version | site suite/component arch Packages`.
fn versions(madison: &str) -> Vec<Package> {
    let mut found: Vec<Package> = madison
        .lines()
        .filter_map(|line| {
            let mut columns = line.split('|').map(str::trim);
            let (name, version, source) = (columns.next()?, columns.next()?, columns.next()?);
            let suite = source.split_whitespace().nth(1)?;
            Some(Package {
                name: name.to_owned(),
                version: version.to_owned(),
                suite: suite.to_owned(),
            })
        })
        .collect();
    let binaries: Vec<String> = found
        .iter()
        .filter(|package| package.name.starts_with("linux-binary-"))
        .map(|package| package.name.replace("linux-binary-", "linux-image-"))
        .collect();
    found.retain(|package| !binaries.contains(&package.name));
    found
}

fn newer(a: &Package, b: &Package) -> bool {
    Command::new("dpkg")
        .args(["--compare-versions", &a.version, "gt", &b.version])
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::{Arch, Package, check_name, newest_first, pattern, versions};

    #[test]
    fn a_prefix_is_a_whole_number() {
        assert_eq!(
            pattern(Arch::X86_64, "6.1"),
            "^linux-(image|binary)-6\\.1\\.[0-9][^ ]*-cloud-amd64$"
        );
        assert_eq!(
            pattern(Arch::X86_64, "6.1-rt"),
            "^linux-(image|binary)-6\\.1\\.[0-9][^ ]*-rt-amd64$"
        );
    }

    #[test]
    fn kinds_of_arm64() {
        assert_eq!(
            pattern(Arch::Arm64, "6.12-16k"),
            "^linux-(image|binary)-6\\.12\\.[0-9][^ ]*-arm64-16k$"
        );
        assert_eq!(
            pattern(Arch::Arm64, "newest"),
            "^linux-(image|binary)-[0-9]+\\.[0-9]+\\.[0-9][^ ]*-cloud-arm64$"
        );
        assert!(check_name(Arch::Arm64, "6.12-16k").is_ok());
        assert!(check_name(Arch::X86_64, "6.12-16k").is_err());
    }

    #[test]
    fn the_newest_comes_first() {
        let package = |version: &str| Package {
            name: String::new(),
            version: version.to_owned(),
            suite: String::new(),
        };
        let mut all = ["5.10.223-1", "5.10.262-1", "5.10.9-2", "5.10.259-1"].map(package);
        newest_first(&mut all);
        let versions = all.map(|package| package.version);
        assert_eq!(
            versions,
            ["5.10.262-1", "5.10.259-1", "5.10.223-1", "5.10.9-2"]
        );
    }

    #[test]
    fn binary_packages_replace_their_images() {
        let madison = "linux-image-7.3.4+deb13-cloud-amd64 | 7.3.4-1 | http://m.test/debian sid/main amd64 Packages\n\
                       linux-binary-7.3.4+deb13-cloud-amd64 | 7.3.4-1 | http://m.test/debian sid/main amd64 Packages\n";
        let found = versions(madison);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, "linux-binary-7.3.4+deb13-cloud-amd64");
        assert_eq!(found[0].suite, "sid/main");
    }

    #[test]
    fn names_are_checked() {
        assert!(
            check_name(Arch::X86_64, "6.12").is_ok() && check_name(Arch::X86_64, "newest").is_ok()
        );
        assert!(
            check_name(Arch::X86_64, "6.12-rt").is_ok()
                && check_name(Arch::X86_64, "newest-rt").is_ok()
        );
        assert!(
            check_name(Arch::X86_64, "-rt").is_err()
                && check_name(Arch::X86_64, "6.12-rtx").is_err()
        );
        assert!(
            check_name(Arch::X86_64, "6.1[").is_err()
                && check_name(Arch::X86_64, "").is_err()
                && check_name(Arch::X86_64, "old").is_err()
        );
    }
}
