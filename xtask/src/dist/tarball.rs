//! Archives whose bytes depend on nothing but what is in them: `tar` with one owner and one time, and
//! by zstd.

use super::{payload::Payload, put, release::Release};
use crate::{apt, run};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::Path;

/// An entry's path, mode and content.
pub(crate) type Entry<'a> = (String, u32, &'a [u8]);

/// Writes a machine's archive.
pub(super) fn write(release: &Release, payload: &Payload, out: &Path) -> Result<()> {
    let name = release.archive(payload.product, payload.machine);
    let entries = payload.files.iter().filter_map(|file| {
        let path = file.archive.as_ref()?;
        Some((format!("{name}/{path}"), file.mode, &file.bytes[..]))
    });
    let bytes = zstd(&tar(entries.collect(), release.time)?)?;
    put(out, &format!("{name}.tar.zst"), &bytes)
}

/// Entries, and the folders above them, by name.
pub(super) fn tar(mut entries: Vec<Entry<'_>>, time: u64) -> Result<Vec<u8>> {
    let above = entries.iter().flat_map(|(path, ..)| {
        let parents = Path::new(path).ancestors().skip(1);
        parents.filter_map(|parent| parent.to_str().filter(|parent| !parent.is_empty()))
    });
    let folders: BTreeSet<String> = above.map(|folder| format!("{folder}/")).collect();
    entries.extend(folders.into_iter().map(|folder| (folder, 0o755, &[][..])));
    entries.sort();
    let mut archive = tar::Builder::new(Vec::new());
    for (path, mode, bytes) in entries {
        let mut header = tar::Header::new_ustar();
        if path.ends_with('/') {
            header.set_entry_type(tar::EntryType::Directory);
        }
        header.set_mode(mode);
        header.set_mtime(time);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(bytes.len() as u64);
        archive
            .append_data(&mut header, &path, bytes)
            .with_context(|| format!("putting {path} into an archive"))?;
    }
    archive.into_inner().context("ending an archive")
}

/// As zstd packs it; one thread, because several of them cut it where their number says.
pub(super) fn zstd(bytes: &[u8]) -> Result<Vec<u8>> {
    let program = Path::new("/usr/bin/zstd");
    apt::require(&[apt::Package::new("zstd", program)], "packing archives")?;
    let arguments = ["-19", "--single-thread", "--no-progress", "-q", "-c"];
    run::through(std::process::Command::new(program).args(arguments), bytes)
}

#[cfg(test)]
mod tests {
    use super::tar;

    #[test]
    fn the_same_files_make_the_same_archive_in_any_order() {
        let (a, b) = (
            ("f/a".to_owned(), 0o644, &b"one"[..]),
            ("f/g/b".to_owned(), 0o755, &b"two"[..]),
        );
        let archive = tar(vec![b.clone(), a.clone()], 7).unwrap();
        assert_eq!(archive, tar(vec![a, b], 7).unwrap());
        let mut reader = tar::Archive::new(&archive[..]);
        let entries = reader.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            (
                entry.path().unwrap().to_string_lossy().into_owned(),
                header.mode().unwrap(),
                header.mtime().unwrap(),
            )
        });
        let wanted = [
            ("f/", 0o755),
            ("f/a", 0o644),
            ("f/g/", 0o755),
            ("f/g/b", 0o755),
        ];
        let wanted = wanted.map(|(path, mode)| (path.to_owned(), mode, 7));
        assert_eq!(entries.collect::<Vec<_>>(), wanted);
    }
}
