//! The files that everything is made of, and where each format has them.

use super::{gzip, licences, product::Product, program::Program, release::Release, unit};
use crate::{arch::Arch, paths, run};
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;

/// A file of the release, and its path in the archive and in either kind of package, where it is in them.
#[derive(Clone)]
pub(super) struct File {
    pub archive: Option<String>,
    pub deb: Option<String>,
    pub rpm: Option<String>,
    pub mode: u32,
    pub bytes: Vec<u8>,
}

impl File {
    const fn new(bytes: Vec<u8>) -> Self {
        Self {
            archive: None,
            deb: None,
            rpm: None,
            mode: 0o644,
            bytes,
        }
    }

    fn archived(mut self, path: impl Into<String>) -> Self {
        self.archive = Some(path.into());
        self
    }

    fn in_deb(mut self, path: impl Into<String>) -> Self {
        self.deb = Some(path.into());
        self
    }

    fn in_rpm(mut self, path: impl Into<String>) -> Self {
        self.rpm = Some(path.into());
        self
    }

    /// By both kinds of packages.
    fn installed(self, path: &str) -> Self {
        self.in_deb(path).in_rpm(path)
    }
}

/// What a product's archive and packages hold for a machine.
pub(super) struct Payload {
    pub product: &'static Product,
    pub machine: Arch,
    pub program: Vec<u8>,
    pub files: Vec<File>,
}

impl Payload {
    /// The program of this machine, and the texts that all have.
    pub(super) fn new(program: Program, texts: &Texts) -> Self {
        let name = program.product.name;
        let mut file = File::new(program.bytes.clone())
            .archived(name)
            .installed(&format!("/usr/bin/{name}"));
        file.mode = 0o755;
        let mut files = vec![file];
        files.extend_from_slice(&texts.0);
        Self {
            product: program.product,
            machine: program.machine,
            program: program.bytes,
            files,
        }
    }
}

/// Everything but the program: the same for all machines.
pub(super) struct Texts(Vec<File>);

impl Texts {
    /// Those of a product, whose programs are these.
    pub(super) fn of(release: &Release, product: &Product, programs: &[Program]) -> Result<Self> {
        let mut files = terms(release, product)?;
        if product.serves {
            files.extend(of_forktrace(release, programs)?);
        }
        Ok(Self(files))
    }
}

/// What only forktrace has, printed by the one that runs here.
fn of_forktrace(release: &Release, programs: &[Program]) -> Result<Vec<File>> {
    let here = programs.iter().find(|program| program.machine.is_here());
    let here =
        here.context("the manual is printed by a program that runs here: add its --machine")?;
    let says = |words: &[&str]| run::capture_bytes(release.command(&here.path).args(words));
    let mut files = manual(release, here)?;
    files.extend(completions(says)?);
    files.extend(service(release)?);
    for name in ["README.md", "CHANGELOG.md"] {
        let at = format!("/usr/share/doc/forktrace/{name}");
        let file = File::new(release.read(name)?);
        files.push(file.archived(name).installed(&at));
    }
    Ok(files)
}

/// The pages of the manual: packages have them packed.
fn manual(release: &Release, program: &Program) -> Result<Vec<File>> {
    let folder = paths::work("dist/man");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let mut program = release.command(&program.path);
    run::quiet(program.args(["man", "-o"]).arg(&folder))?;
    let pages = fs::read_dir(&folder)?.collect::<Result<Vec<_>, _>>()?;
    let mut pages: Vec<PathBuf> = pages.into_iter().map(|page| page.path()).collect();
    pages.sort();
    let mut files = Vec::new();
    for path in pages {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let page = fs::read(&path)?;
        let packed = File::new(gzip(&page)?);
        files.push(packed.installed(&format!("/usr/share/man/man1/{name}.gz")));
        files.push(File::new(page).archived(format!("man/{name}")));
    }
    Ok(files)
}

fn completions(says: impl Fn(&[&str]) -> Result<Vec<u8>>) -> Result<[File; 3]> {
    let of = |shell: &str| says(&["completions", shell]).map(File::new);
    Ok([
        of("bash")?
            .archived("completions/forktrace.bash")
            .installed("/usr/share/bash-completion/completions/forktrace"),
        of("zsh")?
            .archived("completions/_forktrace")
            .in_deb("/usr/share/zsh/vendor-completions/_forktrace")
            .in_rpm("/usr/share/zsh/site-functions/_forktrace"),
        of("fish")?
            .archived("completions/forktrace.fish")
            .installed("/usr/share/fish/vendor_completions.d/forktrace.fish"),
    ])
}

fn service(release: &Release) -> Result<[File; 3]> {
    let by_hand = release.read(unit::FILE)?;
    let packaged = unit::packaged(std::str::from_utf8(&by_hand)?)?;
    Ok([
        File::new(by_hand).archived("forktrace.service"),
        File::new(packaged.into()).installed("/usr/lib/systemd/system/forktrace.service"),
        File::new(unit::SYSUSERS.into()).installed("/usr/lib/sysusers.d/forktrace.conf"),
    ])
}

/// Of this project and of what the product is made of; Debian has all in one file.
fn terms(release: &Release, product: &Product) -> Result<Vec<File>> {
    let name = product.name;
    let texts = [
        ("LICENSE-MIT", release.read("LICENSE-MIT")?),
        ("LICENSE-APACHE", release.read("LICENSE-APACHE")?),
        (
            "LICENSES-OTHERS",
            licences::others(release, product)?.into(),
        ),
    ];
    let all = texts.iter().flat_map(|(_, text)| text);
    let all = licences::OWN.bytes().chain(all.copied()).collect();
    let mut files = vec![File::new(all).in_deb(format!("/usr/share/doc/{name}/copyright"))];
    for (file, text) in texts {
        let at = format!("/usr/share/licenses/{name}/{file}");
        files.push(File::new(text).archived(file).in_rpm(at));
    }
    Ok(files)
}
