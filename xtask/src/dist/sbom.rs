//! What a program is made of, in CycloneDX. Written here rather than by a tool, because the tools see
//! neither the packages in the embedded BPF objects nor that folders and times of the building machine
//! have no place in what two machines build alike.

use super::{
    metadata::{Package, Part},
    product::Product,
    put,
    release::Release,
};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Its file.
pub(super) fn file(release: &Release, product: &Product) -> String {
    format!("{}.cdx.json", release.name(product))
}

/// Writes it.
pub(super) fn write(release: &Release, product: &Product, out: &Path) -> Result<()> {
    let lock = release.read("Cargo.lock")?;
    let sums = checksums(std::str::from_utf8(&lock)?)?;
    let parts = release.metadata.parts(product);
    let text = serde_json::to_string_pretty(&describe(release, product, &parts, &sums)?)?;
    put(out, &file(release, product), format!("{text}\n").as_bytes())
}

fn describe(
    release: &Release,
    product: &Product,
    parts: &[Part<'_>],
    sums: &Checksums,
) -> Result<Value> {
    let program = parts
        .iter()
        .map(|part| part.package)
        .find(|package| package.name == product.name)
        .with_context(|| format!("no package {}", product.name))?;
    let mut main = component(program, sums);
    main["type"] = json!("application");
    let others = parts.iter().filter(|part| part.package.id != program.id);
    let components: Vec<Value> = others.map(|part| component(part.package, sums)).collect();
    let dependencies: Vec<Value> = parts
        .iter()
        .map(|part| {
            let mut needs: Vec<String> = part.needs.iter().map(|need| purl(need)).collect();
            needs.dedup();
            json!({"ref": purl(part.package), "dependsOn": needs})
        })
        .collect();
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": release.rfc3339()?, "component": main},
        "components": components,
        "dependencies": dependencies,
    }))
}

fn component(package: &Package, sums: &Checksums) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": purl(package),
        "name": package.name,
        "version": package.version,
        "purl": purl(package),
    });
    if let Some(licence) = &package.license {
        // Before SPDX had a word for it, a stroke was what cargo took.
        let expression = licence.replace('/', " OR ");
        component["licenses"] = json!([{"expression": expression}]);
    }
    if let Some(text) = &package.description {
        component["description"] = json!(text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    if let Some(url) = &package.repository {
        component["externalReferences"] = json!([{"type": "vcs", "url": url}]);
    }
    if let Some(sum) = sums.get(&(package.name.clone(), package.version.clone())) {
        component["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
    }
    component
}

fn purl(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version)
}

/// Of packages' archives, by name and version.
type Checksums = BTreeMap<(String, String), String>;

fn checksums(lock: &str) -> Result<Checksums> {
    let lock: toml::Table = toml::from_str(lock).context("reading Cargo.lock")?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let packages = packages.context("Cargo.lock has no packages")?.iter();
    Ok(packages
        .filter_map(|package| {
            let text = |key: &str| Some(package.get(key)?.as_str()?.to_owned());
            Some(((text("name")?, text("version")?), text("checksum")?))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::{checksums, component};
    use crate::dist::{metadata::tests::sample, product::FORKTRACE};

    #[test]
    fn a_package_has_its_terms_and_the_sum_of_its_archive() {
        let lock = "[[package]]\nname = \"needed\"\nversion = \"1.2.3\"\nchecksum = \"abc\"\n\
                    [[package]]\nname = \"forktrace\"\nversion = \"1.2.3\"\n";
        let sums = checksums(lock).unwrap();
        let metadata = sample();
        let parts = metadata.parts(&FORKTRACE);
        let needed = component(parts[1].package, &sums);
        assert_eq!(needed["purl"], "pkg:cargo/needed@1.2.3");
        assert_eq!(needed["hashes"][0]["content"], "abc");
        assert_eq!(needed["licenses"][0]["expression"], "MIT");
        assert!(component(parts[0].package, &sums).get("hashes").is_none());
    }
}
