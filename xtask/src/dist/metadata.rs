//! What cargo knows of the packages that the program is made of.

use super::product::{FORKTRACE, Product};
use crate::arch::Arch;
use crate::run;
use anyhow::{Context, Result};
use clap::ValueEnum as _;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The answer of `cargo metadata`.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

/// A package.
#[derive(Deserialize)]
pub(crate) struct Package {
    pub id: String,
    pub name: String,
    pub version: String,
    pub license: Option<String>,
    /// None for those of this repository.
    pub source: Option<String>,
    pub repository: Option<String>,
    pub description: Option<String>,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

impl Package {
    /// The folder that holds its sources.
    pub(crate) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }

    /// Runs while it is built, and is no part of what is built.
    fn is_macro(&self) -> bool {
        let mut kinds = self.targets.iter().flat_map(|target| &target.kind);
        kinds.any(|kind| kind == "proc-macro")
    }
}

/// A package that is part of the program, and those that it needs there.
pub(crate) struct Part<'a> {
    pub package: &'a Package,
    pub needs: Vec<&'a Package>,
}

impl Metadata {
    /// Asks cargo, for all machines that there are programs for.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut cargo = run::cargo();
        cargo
            .current_dir(root)
            .args(["metadata", "--locked", "--format-version=1"]);
        for machine in Arch::value_variants() {
            cargo.args(["--filter-platform", machine.facts().triple]);
        }
        Self::parse(&run::capture(&mut cargo)?)
    }

    fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text).context("reading what cargo metadata says")
    }

    /// Of the program, and of the workspace.
    pub(crate) fn version(&self) -> Result<String> {
        let name = FORKTRACE.name;
        let program = self.packages.iter().find(|p| p.name == name);
        let program = program.with_context(|| format!("no package {name}"))?;
        Ok(program.version.clone())
    }

    /// What a program and the BPF objects in it are made of, by name and version: not what runs while
    /// they are built.
    pub(crate) fn parts(&self, product: &Product) -> Vec<Part<'_>> {
        let packages: BTreeMap<&str, &Package> =
            self.packages.iter().map(|p| (p.id.as_str(), p)).collect();
        let nodes = self.resolve.nodes.iter().map(|n| (n.id.as_str(), n));
        let nodes: BTreeMap<&str, &Node> = nodes.collect();
        let roots = self.packages.iter();
        let roots =
            roots.filter(|p| product.roots.contains(&p.name.as_str()) && p.source.is_none());
        let mut left: Vec<&str> = roots.map(|p| p.id.as_str()).collect();
        let mut seen: BTreeSet<&str> = left.iter().copied().collect();
        let mut parts = Vec::new();
        while let Some(id) = left.pop() {
            let Some(package) = packages.get(id) else {
                continue;
            };
            let deps = nodes.get(id).map_or(&[][..], |node| &node.deps);
            let linked = deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind.is_none()))
                .filter_map(|dep| packages.get(dep.pkg.as_str()).copied())
                .filter(|package| !package.is_macro());
            let mut needs: Vec<&Package> = linked.collect();
            needs.sort_by_key(|p| (&p.name, &p.version));
            let new = needs.iter().filter(|need| seen.insert(&need.id));
            left.extend(new.map(|need| need.id.as_str()));
            parts.push(Part { package, needs });
        }
        parts.sort_by_key(|part| (&part.package.name, &part.package.version));
        parts
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{FORKTRACE, Metadata};

    /// A program that needs one package, which a macro and a build script are made with.
    pub(crate) fn sample() -> Metadata {
        let package = |name: &str, kind: &str, source: &str| {
            format!(
                r#"{{"id":"{name}","name":"{name}","version":"1.2.3","license":"MIT","source":{source},
                "repository":null,"description":null,"manifest_path":"/r/{name}/Cargo.toml",
                "targets":[{{"kind":["{kind}"]}}]}}"#
            )
        };
        let node = |id: &str, deps: &[(&str, &str)]| {
            let deps = deps.iter().map(|(name, kind)| {
                format!(r#"{{"pkg":"{name}","dep_kinds":[{{"kind":{kind}}}]}}"#)
            });
            let deps: Vec<String> = deps.collect();
            format!(r#"{{"id":"{id}","deps":[{}]}}"#, deps.join(","))
        };
        let registry = r#""registry+x""#;
        let packages = [
            package("forktrace", "bin", "null"),
            package("needed", "lib", registry),
            package("macro", "proc-macro", registry),
            package("builder", "lib", registry),
            package("other", "lib", registry),
        ];
        let nodes = [
            node(
                "forktrace",
                &[
                    ("needed", "null"),
                    ("macro", "null"),
                    ("builder", "\"build\""),
                ],
            ),
            node("needed", &[]),
            node("macro", &[("other", "null")]),
            node("builder", &[]),
        ];
        let (packages, nodes) = (packages.join(","), nodes.join(","));
        Metadata::parse(&format!(
            r#"{{"packages":[{packages}],"resolve":{{"nodes":[{nodes}]}}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn what_only_runs_while_it_is_built_is_no_part() {
        let metadata = sample();
        let parts = metadata.parts(&FORKTRACE);
        let names: Vec<&str> = parts.iter().map(|p| p.package.name.as_str()).collect();
        assert_eq!(names, ["forktrace", "needed"]);
        assert_eq!(parts[0].needs[0].name, "needed");
    }
}
