//! The files that everything is made of, and where each format has them.

use super::{gzip, licences, program::Program, release::Release, unit};
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

/// What a machine's archive and packages hold.
pub(super) struct Payload {
    pub machine: Arch,
    pub program: Vec<u8>,
    pub files: Vec<File>,
}

impl Payload {
    /// The program of this machine, and the texts that all have.
    pub(super) fn new(program: Program, texts: &[File]) -> Self {
        let mut file = File::new(program.bytes.clone())
            .archived("forktrace")
            .installed("/usr/bin/forktrace");
        file.mode = 0o755;
        let mut files = vec![file];
        files.extend_from_slice(texts);
        Self {
            machine: program.machine,
            program: program.bytes,
            files,
        }
    }
}

/// Everything but the program: the same for all machines, printed by the one that runs here.
pub(super) fn texts(release: &Release, programs: &[Program]) -> Result<Vec<File>> {
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
    files.extend(terms(release)?);
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

/// Of this project and of what it is made of; Debian has all in one file.
fn terms(release: &Release) -> Result<Vec<File>> {
    let texts = [
        ("LICENSE-MIT", release.read("LICENSE-MIT")?),
        ("LICENSE-APACHE", release.read("LICENSE-APACHE")?),
        ("LICENSES-OTHERS", licences::others(release)?.into()),
    ];
    let all = texts.iter().flat_map(|(_, text)| text);
    let all = licences::OWN.bytes().chain(all.copied()).collect();
    let mut files = vec![File::new(all).in_deb("/usr/share/doc/forktrace/copyright")];
    for (name, text) in texts {
        let at = format!("/usr/share/licenses/forktrace/{name}");
        files.push(File::new(text).archived(name).in_rpm(at));
    }
    Ok(files)
}
