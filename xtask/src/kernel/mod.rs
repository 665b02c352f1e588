//! Kernels to test on: Debian's own, of several releases, fetched from the machine's mirror.
//!
//! Only the image is kept; nothing that forktrace is tested with sits in a module.

use crate::arch::Arch;
use crate::paths;
use anyhow::{Context, Result, anyhow, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

mod archive;
mod image;
pub(crate) mod mirror;
mod payload;
mod resolve;
mod types;
mod unpacked;

use archive::Archive;
pub(crate) use types::of as types;
pub(crate) use unpacked::unpacked;

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
    /// The machine that it is for.
    pub arch: Arch,
}

/// Finds every kernel that `names` asks for, downloading what is missing. A name is `all`,
/// `newest`, a version prefix, either of them with `-rt` or `-16k`, or the path of an image.
pub(crate) fn get(arch: Arch, names: &[String]) -> Result<Vec<Kernel>> {
    let mut wanted: Vec<String> = Vec::new();
    for name in names {
        if name == "all" {
            wanted.extend(arch.facts().kernels.iter().map(|name| (*name).to_owned()));
        } else {
            wanted.push(name.clone());
        }
    }
    let _lock = paths::lock("kernels")?;
    let mut archive = None;
    let mut one = |name: &String| one(arch, name, &mut archive);
    wanted.iter().map(&mut one).collect()
}

fn one(arch: Arch, name: &str, archive: &mut Option<Archive>) -> Result<Kernel> {
    if name.contains('/') {
        return file(arch, name);
    }
    resolve::check_name(arch, name)?;
    let folder = match arch {
        Arch::X86_64 => format!("kernels/{name}"),
        _ => format!("kernels/{}/{name}", arch.facts().debian),
    };
    let folder = paths::work_dir(&folder)?;
    let cached = cached(arch, name, &folder);
    if let Some(kernel) = &cached
        && age(&folder.join("version")) < FRESH
    {
        return Ok(kernel.clone());
    }
    let fetched = fetch((arch, name), &folder, cached.as_ref(), archive);
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

fn file(arch: Arch, path: &str) -> Result<Kernel> {
    let image = PathBuf::from(path);
    if !image.is_file() {
        bail!("kernel {path}: no such file");
    }
    Ok(Kernel {
        name: path.to_owned(),
        version: path.to_owned(),
        image,
        arch,
    })
}

fn cached(arch: Arch, name: &str, folder: &Path) -> Option<Kernel> {
    let version = fs::read_to_string(folder.join("version"))
        .ok()?
        .trim()
        .to_owned();
    let image = folder.join("vmlinuz");
    image.is_file().then(|| Kernel {
        name: name.to_owned(),
        version,
        image,
        arch,
    })
}

fn fetch(
    (arch, name): (Arch, &str),
    folder: &Path,
    cached: Option<&Kernel>,
    archive: &mut Option<Archive>,
) -> Result<Kernel> {
    let archive = match archive {
        Some(archive) => archive,
        none => none.insert(Archive::open(arch, FRESH)?),
    };
    let packages = match resolve::packages(archive, name) {
        Ok(packages) => packages,
        // Lists that are fresh enough can still predate what is asked for.
        Err(_) if archive.update()? => resolve::packages(archive, name)?,
        Err(error) => return Err(error),
    };
    let image = folder.join("vmlinuz");
    let mut last = None;
    for package in packages {
        if cached.is_none_or(|kernel| kernel.version != package.version) {
            let bytes = match archive.download(&package) {
                Ok(deb) => image::extract(&deb, arch)?,
                // Old versions leave the mirror: with today's lists another one is found.
                Err(_) if archive.update()? => {
                    return fetch((arch, name), folder, cached, &mut Some(archive.clone()));
                }
                // Or they are listed and gone: the next one may be there.
                Err(error) => {
                    eprintln!("xtask: kernel {name}: {error:#}");
                    last = Some(error);
                    continue;
                }
            };
            fs::write(&image, bytes).with_context(|| format!("writing {}", image.display()))?;
        }
        // Written last: it says that the image is whole, and its time says when that was looked up.
        fs::write(folder.join("version"), format!("{}\n", package.version))?;
        return Ok(Kernel {
            name: name.to_owned(),
            version: package.version,
            image,
            arch,
        });
    }
    Err(last.unwrap_or_else(|| anyhow!("no package")))
}

fn age(path: &Path) -> Duration {
    fs::metadata(path)
        .and_then(|meta| meta.modified())
        .ok()
        .and_then(|time| SystemTime::now().duration_since(time).ok())
        .unwrap_or(Duration::MAX)
}
