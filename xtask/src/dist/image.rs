//! The container image, written as the OCI's specification lays it out: a program and nothing else, for
//! all machines under one index. `podman load`, `docker load` and `skopeo copy` read it.

use super::{gzip, payload::Payload, product::FORKTRACE, put, release::Release, tarball};
use crate::{arch::Arch, object::sha256};
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIGURATION: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The image's file.
pub(super) fn file(release: &Release) -> String {
    format!("{}-oci.tar", release.name(&FORKTRACE))
}

/// Writes it.
pub(super) fn write(release: &Release, payloads: &[&Payload], out: &Path) -> Result<()> {
    let contents = payloads.iter().map(|payload| Contents {
        machine: payload.machine,
        entries: vec![("forktrace".to_owned(), 0o755, &payload.program)],
        entrypoint: "/forktrace",
        labels: labels(release),
    });
    let name = Name {
        image: "localhost/forktrace",
        tag: &release.version,
    };
    let archive = archive(&name, contents, &release.rfc3339()?, release.time)?;
    put(out, &file(release), &archive)
}

/// What an image is called.
pub(crate) struct Name<'a> {
    pub image: &'a str,
    pub tag: &'a str,
}

/// What is in an image, for one machine.
pub(crate) struct Contents<'a> {
    pub machine: Arch,
    pub entries: Vec<tarball::Entry<'a>>,
    /// What is run, without arguments.
    pub entrypoint: &'a str,
    /// An object: texts by name.
    pub labels: Value,
}

/// An image for all of these machines, as an archive; `created` and `time` are the same moment.
pub(crate) fn archive<'a>(
    name: &Name<'_>,
    contents: impl IntoIterator<Item = Contents<'a>>,
    created: &str,
    time: u64,
) -> Result<Vec<u8>> {
    let mut blobs = Blobs::default();
    let mut manifests = Vec::new();
    for contents in contents {
        let layer = tarball::tar(contents.entries, time)?;
        let platform = json!({"architecture": contents.machine.facts().debian, "os": "linux"});
        let configuration = json!({
            "created": created,
            "architecture": platform["architecture"],
            "os": platform["os"],
            "config": {
                "Entrypoint": [contents.entrypoint],
                "Labels": contents.labels,
            },
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
            "history": [{"created": created, "created_by": "cargo xtask dist"}],
        });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": blobs.json(CONFIGURATION, &configuration)?,
            "layers": [blobs.add(LAYER, gzip(&layer)?)],
        });
        let mut manifest = blobs.json(MANIFEST, &manifest)?;
        manifest["platform"] = platform;
        manifests.push(manifest);
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    let mut index = blobs.json(INDEX, &index)?;
    // By the first name `docker load` calls it, by the second the others do.
    index["annotations"] = json!({
        "io.containerd.image.name": format!("{}:{}", name.image, name.tag),
        "org.opencontainers.image.ref.name": name.tag,
    });
    let top = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [index]});
    blobs.layout(&top, time)
}

fn labels(release: &Release) -> Value {
    json!({
        "org.opencontainers.image.title": "forktrace",
        "org.opencontainers.image.description":
            "Says why the kernel refused to create a process or thread",
        "org.opencontainers.image.version": release.version,
        "org.opencontainers.image.revision": release.commit,
        "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
    })
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", sha256(bytes))
}

/// What an image is made of, by digest.
#[derive(Default)]
struct Blobs(BTreeMap<String, Vec<u8>>);

impl Blobs {
    /// Keeps it; what describes it to others.
    fn add(&mut self, kind: &str, bytes: Vec<u8>) -> Value {
        let digest = digest(&bytes);
        let descriptor = json!({"mediaType": kind, "digest": digest, "size": bytes.len()});
        self.0.insert(digest, bytes);
        descriptor
    }

    fn json(&mut self, kind: &str, value: &Value) -> Result<Value> {
        Ok(self.add(kind, serde_json::to_vec(value)?))
    }

    /// The archive of all of them with their index.
    fn layout(&self, index: &Value, time: u64) -> Result<Vec<u8>> {
        let index = serde_json::to_vec(index)?;
        let mut entries = vec![
            (
                "oci-layout".to_owned(),
                0o644,
                &br#"{"imageLayoutVersion":"1.0.0"}"#[..],
            ),
            ("index.json".to_owned(), 0o644, &index),
        ];
        entries.extend(self.0.iter().map(|(digest, bytes)| {
            let path = format!("blobs/{}", digest.replace(':', "/"));
            (path, 0o644, &bytes[..])
        }));
        tarball::tar(entries, time)
    }
}
