//! From a version prefix to the exact package: versions come and go on a mirror, so the newest of
//! what there is today is taken.

use super::archive::Archive;
use crate::arch::{CLOUD_KERNEL, RT_KERNEL};
use anyhow::{Result, anyhow, bail};
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

/// What a name's end says of how the kernel was built, and what Debian's packages of that kind end
/// in. Cloud kernels are the smallest that boot here; of PREEMPT_RT Debian builds no cloud kernel.
const RT: (&str, &str) = ("-rt", RT_KERNEL);

/// The version, or `newest`, and the end of the package's name.
fn parts(name: &str) -> (&str, &'static str) {
    let (suffix, package) = RT;
    match name.strip_suffix(suffix) {
        Some(version) => (version, package),
        None => (name, CLOUD_KERNEL),
    }
}

/// Refuses names that are neither `newest` nor a version, either with `-rt` behind it or not.
pub(super) fn check_name(name: &str) -> Result<()> {
    let (base, _) = parts(name);
    let version = base.starts_with(|c: char| c.is_ascii_digit())
        && base.chars().all(|c| c.is_ascii_digit() || c == '.');
    if !version && base != "newest" {
        bail!(
            "kernel {name:?}: give a version prefix such as 6.12 (6.12-rt: built with PREEMPT_RT), \
             `newest`, `all`, or the path of an image (with a slash)"
        );
    }
    Ok(())
}

/// The newest package for a name that [`check_name`] accepts.
pub(super) fn package(archive: &Archive, name: &str) -> Result<Package> {
    let any = archive.query(&["search", "--names-only", &pattern(name)])?;
    let names: Vec<&str> = any
        .lines()
        .filter_map(|line| line.split(" - ").next())
        .collect();
    let mut found = if names.is_empty() {
        Vec::new()
    } else {
        versions(&archive.query(&[&["madison"], names.as_slice()].concat())?)
    };
    let (version, kind) = parts(name);
    if let Some((_, home)) = HOME.iter().find(|(kernel, _)| *kernel == version)
        && found.iter().any(|package| package.suite.starts_with(home))
    {
        found.retain(|package| package.suite.starts_with(home));
    }
    let mut best: Option<Package> = None;
    for package in found {
        if best.as_ref().is_none_or(|best| newer(&package, best)) {
            best = Some(package);
        }
    }
    best.ok_or_else(|| {
        anyhow!(
            "no Debian suite on this machine's mirror has a kernel {version} of the kind {kind} \
             (searched for {})",
            pattern(name)
        )
    })
}

/// The name pattern of real images. Since 6.19 `linux-image-*` holds no image but depends on
/// `linux-binary-*`; a meta package has no third number.
fn pattern(name: &str) -> String {
    let (base, kind) = parts(name);
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
    use super::{check_name, pattern, versions};

    #[test]
    fn a_prefix_is_a_whole_number() {
        assert_eq!(
            pattern("6.1"),
            "^linux-(image|binary)-6\\.1\\.[0-9][^ ]*-cloud-amd64$"
        );
        assert_eq!(
            pattern("6.1-rt"),
            "^linux-(image|binary)-6\\.1\\.[0-9][^ ]*-rt-amd64$"
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
        assert!(check_name("6.12").is_ok() && check_name("newest").is_ok());
        assert!(check_name("6.12-rt").is_ok() && check_name("newest-rt").is_ok());
        assert!(check_name("-rt").is_err() && check_name("6.12-rtx").is_err());
        assert!(
            check_name("6.1[").is_err() && check_name("").is_err() && check_name("old").is_err()
        );
    }
}
