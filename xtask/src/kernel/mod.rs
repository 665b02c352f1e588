//! Kernels to test on: Debian's own, of several releases, fetched from the machine's mirror.
//!
//! Only the image is kept; nothing that forktrace is tested with sits in a module.

use crate::{arch, paths};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

mod archive;
mod image;
pub(crate) mod mirror;
mod payload;
mod resolve;
mod types;

use archive::Archive;
pub(crate) use types::of as types;

/// The kernels that the tests run on; `newest` is the newest that Debian has, `-rt` one that is
/// built with PREEMPT_RT.
pub(crate) const MATRIX: [&str; 7] = ["5.10", "6.1", "6.12", "6.18", "newest", "6.1-rt", "6.12-rt"];

/// After this, a newer package is looked for.
const FRESH: Duration = Duration::from_secs(7 * 24 * 3600);

/// A kernel image, ready to boot.
#[derive(Clone)]
pub(crate) struct Kernel {
    /// As asked for: `6.1`, `6.1-rt`, `newest`, or a file.
    pub name: String,
    /// What it is, for example `6.1.192-2`.
    pub version: String,
    /// The image.
    pub image: PathBuf,
}

/// Finds every kernel that `names` asks for, downloading what is missing. A name is `all`,
/// `newest`, a version prefix, either of them with `-rt`, or the path of an image.
pub(crate) fn get(names: &[String]) -> Result<Vec<Kernel>> {
    let mut wanted: Vec<String> = Vec::new();
    for name in names {
        if name == "all" {
            wanted.extend(MATRIX.map(str::to_owned));
        } else {
            wanted.push(name.clone());
        }
    }
    let _lock = paths::lock("kernels")?;
    let mut archive = None;
    wanted.iter().map(|name| one(name, &mut archive)).collect()
}

fn one(name: &str, archive: &mut Option<Archive>) -> Result<Kernel> {
    if name.contains('/') {
        return file(name);
    }
    resolve::check_name(name)?;
    if !arch::IS_HERE {
        bail!(
            "the test kernels are {}, and this machine is {}",
            arch::NAME,
            std::env::consts::ARCH
        );
    }
    let folder = paths::work_dir(&format!("kernels/{name}"))?;
    let cached = cached(name, &folder);
    if let Some(kernel) = &cached
        && age(&folder.join("version")) < FRESH
    {
        return Ok(kernel.clone());
    }
    let fetched = fetch(name, &folder, cached.as_ref(), archive);
    match (fetched, cached) {
        (Err(error), Some(kernel)) => {
            eprintln!(
                "xtask: kernel {name}: using the old {} ({error:#})",
                kernel.version
            );
            Ok(kernel)
        }
        (fetched, _) => fetched.with_context(|| format!("getting kernel {name}")),
    }
}

fn file(path: &str) -> Result<Kernel> {
    let image = PathBuf::from(path);
    if !image.is_file() {
        bail!("kernel {path}: no such file");
    }
    Ok(Kernel {
        name: path.to_owned(),
        version: path.to_owned(),
        image,
    })
}

fn cached(name: &str, folder: &Path) -> Option<Kernel> {
    let version = fs::read_to_string(folder.join("version"))
        .ok()?
        .trim()
        .to_owned();
    let image = folder.join("vmlinuz");
    image.is_file().then(|| Kernel {
        name: name.to_owned(),
        version,
        image,
    })
}

fn fetch(
    name: &str,
    folder: &Path,
    cached: Option<&Kernel>,
    archive: &mut Option<Archive>,
) -> Result<Kernel> {
    let archive = match archive {
        Some(archive) => archive,
        none => none.insert(Archive::open(FRESH)?),
    };
    let package = match resolve::package(archive, name) {
        Ok(package) => package,
        // Lists that are fresh enough can still predate what is asked for.
        Err(_) if archive.update()? => resolve::package(archive, name)?,
        Err(error) => return Err(error),
    };
    let image = folder.join("vmlinuz");
    if cached.is_none_or(|kernel| kernel.version != package.version) {
        let bytes = match archive.download(&package) {
            Ok(deb) => image::extract(&deb)?,
            // Old versions leave the mirror: with today's lists another one is found.
            Err(error) if !archive.update()? => return Err(error),
            Err(_) => return fetch(name, folder, cached, &mut Some(archive.clone())),
        };
        fs::write(&image, bytes).with_context(|| format!("writing {}", image.display()))?;
    }
    // Written last: it says that the image is whole, and its time says when that was looked up.
    fs::write(folder.join("version"), format!("{}\n", package.version))?;
    Ok(Kernel {
        name: name.to_owned(),
        version: package.version,
        image,
    })
}

fn age(path: &Path) -> Duration {
    fs::metadata(path)
        .and_then(|meta| meta.modified())
        .ok()
        .and_then(|time| SystemTime::now().duration_since(time).ok())
        .unwrap_or(Duration::MAX)
}
