//! Packages of PyPI and npm: those of a run in a folder of their own, below `/opt` of the root.
//!
//! This machine's pip and npm fetch them for the root's Python and Node.js, and nothing of a package is run
//! meanwhile: a wheel is unpacked, and npm's scripts stay where they are.

use super::run_data::Run;
use crate::{apt, python, run};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python of the root's Debian, for which wheels are chosen.
const PYTHON: &str = "3.11";
/// What npm takes is what there was on that day: a package's own packages aren't pinned by it.
const BEFORE: &str = "2026-11-30";

/// Where they are from.
#[derive(Clone, Copy)]
enum Registry {
    Pypi,
    Npm,
}

/// The packages of a run.
struct Set<'a> {
    registry: Registry,
    /// Each with its version.
    pinned: &'a [String],
}

impl<'a> Set<'a> {
    fn all(run: &'a Run) -> impl Iterator<Item = Self> {
        let of = [(Registry::Pypi, &run.pypi), (Registry::Npm, &run.npm)];
        of.into_iter()
            .filter(|(_, pinned)| !pinned.is_empty())
            .map(|(registry, pinned)| Self { registry, pinned })
    }

    /// The name and the version of the first one, after which the folder is called.
    fn first(&self) -> (&'a str, &'a str) {
        let first = &*self.pinned[0];
        let at = match self.registry {
            Registry::Pypi => first.split_once("=="),
            // The name of a scope begins with the same character.
            Registry::Npm => first.rsplit_once('@'),
        };
        at.unwrap_or((first, ""))
    }

    /// As the root names it.
    fn folder(&self) -> String {
        let (name, version) = self.first();
        let registry = match self.registry {
            Registry::Pypi => "pypi",
            Registry::Npm => "npm",
        };
        format!("/opt/{registry}/{}-{version}", name.replace('/', "-"))
    }

    fn folder_in(&self, root: &Path) -> PathBuf {
        root.join(self.folder().trim_start_matches('/'))
    }

    /// Whether these are there, and not those of an older list.
    fn is_in(&self, root: &Path) -> bool {
        let list = fs::read_to_string(self.folder_in(root).join(LIST));
        list.is_ok_and(|list| list == self.list())
    }

    fn list(&self) -> String {
        self.pinned.join("\n") + "\n"
    }

    fn install(&self, root: &Path) -> Result<()> {
        let folder = self.folder_in(root);
        let partial = root.join("opt/partial");
        for old in [&folder, &partial] {
            if old.exists() {
                fs::remove_dir_all(old).with_context(|| format!("removing {}", old.display()))?;
            }
        }
        fs::create_dir_all(&partial)?;
        eprintln!(
            "xtask: installing into {}: {}",
            root.display(),
            self.pinned.join(" ")
        );
        match self.registry {
            Registry::Pypi => {
                run::quiet(self.pip(&partial)?.args(self.pinned))?;
                of_the_root(&partial.join("bin"))?;
            }
            Registry::Npm => run::quiet(npm(&partial).args(self.pinned))?,
        }
        fs::write(partial.join(LIST), self.list())?;
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::rename(&partial, &folder).context("keeping what was installed")
    }

    /// All that is needed is in the list: nothing that isn't pinned comes with it.
    fn pip(&self, into: &Path) -> Result<Command> {
        let mut pip = python::pip(&self.pinned[0])?;
        pip.args(["install", "--quiet", "--no-deps", "--no-compile"])
            .args(["--only-binary", ":all:", "--implementation", "cp"])
            .args(["--python-version", PYTHON, "--platform", "any"]);
        for glibc in ["manylinux_2_28", "manylinux2014"] {
            let machine = format!("{glibc}_{}", std::env::consts::ARCH);
            pip.args(["--platform", &machine]);
        }
        pip.arg("--target").arg(into);
        Ok(pip)
    }
}

/// What a folder was made of.
const LIST: &str = "forktrace-packages";

fn npm(into: &Path) -> Command {
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--ignore-scripts"])
        .args(["--no-audit", "--no-fund", "--no-update-notifier"])
        .args(["--before", BEFORE, "--prefix"])
        .arg(into);
    npm
}

/// pip writes scripts for the Python that runs it, which isn't the root's.
fn of_the_root(scripts: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(scripts) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        // What isn't text is a program.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        if let Some((first, rest)) = text.split_once('\n')
            && first.starts_with("#!")
            && first.contains("python")
        {
            fs::write(&path, format!("#!/usr/bin/python3\n{rest}"))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}

/// Installs what the runs need and the root lacks. Without npm its packages are left out, and their runs
/// are skipped.
pub(super) fn install(root: &Path, runs: &[Run]) -> Result<()> {
    let mut met = BTreeSet::new();
    for set in runs.iter().flat_map(Set::all) {
        let lacks = matches!(set.registry, Registry::Npm) && apt::find("npm").is_none();
        if met.insert(set.folder()) && !lacks && !set.is_in(root) {
            set.install(root)?;
        }
    }
    Ok(())
}

/// The first of the packages that aren't there.
pub(super) fn missing<'a>(root: &Path, run: &'a Run) -> Option<&'a str> {
    let mut sets = Set::all(run);
    sets.find(|set| !set.is_in(root)).map(|set| &*set.pinned[0])
}

/// The version of the run's first package.
pub(super) fn version(run: &Run) -> Option<String> {
    let first = Set::all(run).next()?;
    Some(first.first().1.to_owned())
}

/// By which variables programs find them; `path` is the PATH without.
pub(super) fn variables(run: &Run, path: &str) -> Vec<(&'static str, String)> {
    let mut variables = Vec::new();
    for set in Set::all(run) {
        let folder = set.folder();
        let (name, modules, scripts) = match set.registry {
            Registry::Pypi => ("PYTHONPATH", folder.clone(), format!("{folder}/bin")),
            Registry::Npm => {
                let modules = format!("{folder}/node_modules");
                let scripts = format!("{modules}/.bin");
                ("NODE_PATH", modules, scripts)
            }
        };
        variables.push((name, modules));
        variables.push(("PATH", format!("{scripts}:{path}")));
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::{Set, variables, version};
    use crate::programs::run_data;
    use std::collections::BTreeMap;

    #[test]
    fn each_has_one_version_and_a_folder_of_its_own() {
        let runs = run_data::all().unwrap();
        let mut lists: BTreeMap<String, String> = BTreeMap::new();
        for run in &runs {
            // A run has one PATH.
            assert!(Set::all(run).count() <= 1, "{run:?}");
            for set in Set::all(run) {
                for pinned in set.pinned {
                    let one = Set {
                        pinned: std::slice::from_ref(pinned),
                        ..set
                    };
                    let (name, version) = one.first();
                    assert!(!name.is_empty(), "{pinned}");
                    assert!(
                        version.starts_with(|c: char| c.is_ascii_digit()),
                        "{pinned}"
                    );
                }
                let before = lists.insert(set.folder(), set.list());
                assert!(before.is_none_or(|list| list == set.list()), "{run:?}");
            }
        }
        assert!(lists.len() > 5, "{lists:?}");
    }

    #[test]
    fn programs_find_them() {
        let runs = run_data::all().unwrap();
        let of = |pypi: &[&str], npm: &[&str]| {
            let own = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
            let run = run_data::Run {
                pypi: own(pypi),
                npm: own(npm),
                ..runs[0].clone()
            };
            (version(&run), variables(&run, "/bin"))
        };
        let (is, found) = of(&["a==1.2", "b==3"], &[]);
        assert_eq!(is.as_deref(), Some("1.2"));
        assert_eq!(
            found,
            [
                ("PYTHONPATH", "/opt/pypi/a-1.2".to_owned()),
                ("PATH", "/opt/pypi/a-1.2/bin:/bin".to_owned())
            ]
        );
        let (is, found) = of(&[], &["@of/a@1.2.3"]);
        assert_eq!(is.as_deref(), Some("1.2.3"));
        let folder = "/opt/npm/@of-a-1.2.3/node_modules";
        assert_eq!(
            found,
            [
                ("NODE_PATH", folder.to_owned()),
                ("PATH", format!("{folder}/.bin:/bin"))
            ]
        );
        assert_eq!(of(&[], &[]), (None, vec![]));
    }
}
