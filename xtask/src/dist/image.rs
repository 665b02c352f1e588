//! The container image, written as the OCI's specification lays it out: a program and nothing else, for
//! all machines under one index. `podman load`, `docker load` and `skopeo copy` read it.

use super::{gzip, payload::Payload, put, release::Release, tarball};
use crate::object::sha256;
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
    format!("{}-oci.tar", release.name())
}

/// Writes it.
pub(super) fn write(release: &Release, payloads: &[Payload], out: &Path) -> Result<()> {
    let created = release.rfc3339()?;
    let mut blobs = Blobs::default();
    let mut manifests = Vec::new();
    for payload in payloads {
        let layer = tarball::tar(
            vec![("forktrace".to_owned(), 0o755, &payload.program)],
            release.time,
        )?;
        let platform = json!({"architecture": payload.machine.facts().debian, "os": "linux"});
        let configuration = json!({
            "created": created,
            "architecture": platform["architecture"],
            "os": platform["os"],
            "config": {
                "Entrypoint": ["/forktrace"],
                "Labels": labels(release),
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
        "io.containerd.image.name": format!("localhost/forktrace:{}", release.version),
        "org.opencontainers.image.ref.name": release.version,
    });
    let top = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [index]});
    put(out, &file(release), &blobs.layout(&top, release.time)?)
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
