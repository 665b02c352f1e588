//! Writes a cpio archive in the `newc` format that the kernel unpacks as its first root.

use std::collections::BTreeSet;
use std::path::Path;

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTER: u32 = 0o020_000;

/// An archive under construction.
#[derive(Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    folders: BTreeSet<String>,
}

impl Archive {
    /// Adds a file, and the folders above it.
    pub(super) fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entry(path, FILE | mode, content, (0, 0));
    }

    /// Adds a symbolic link, and the folders above it.
    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.entry(path, LINK | 0o777, target.as_bytes(), (0, 0));
    }

    /// Adds a character device.
    pub(super) fn device(&mut self, path: &str, mode: u32, number: (u32, u32)) {
        self.entry(path, CHARACTER | mode, b"", number);
    }

    /// Adds a folder, and those above it.
    pub(super) fn folder(&mut self, path: &str) {
        let path = path.trim_matches('/');
        if !path.is_empty() && self.folders.insert(path.to_owned()) {
            self.entry(path, DIRECTORY | 0o755, b"", (0, 0));
        }
    }

    /// Ends the archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.header("TRAILER!!!", 0, 0, (0, 0));
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8], device: (u32, u32)) {
        let path = path.trim_matches('/');
        if let Some(parent) = Path::new(path).parent().and_then(Path::to_str) {
            self.folder(parent);
        }
        self.header(path, mode, content.len(), device);
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn header(&mut self, name: &str, mode: u32, size: usize, device: (u32, u32)) {
        self.entries += 1;
        // Magic, inode, mode, uid, gid, links, time, size, device of the file system (2 numbers),
        // device itself (2), length of the name with its NUL, checksum (unused).
        let size = u32::try_from(size).expect("files below 4 GB");
        let length = u32::try_from(name.len() + 1).expect("short names");
        let fields = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            size,
            0,
            0,
            device.0,
            device.1,
            length,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[test]
    fn writes_newc() {
        let mut archive = Archive::default();
        archive.file("/etc/a", 0o644, b"xyz");
        let bytes = archive.finish();
        let text = String::from_utf8_lossy(&bytes);
        let magics: Vec<_> = text.match_indices("070701").map(|(at, _)| at).collect();
        assert_eq!(magics.len(), 3, "folder, file, trailer");
        assert!(magics.iter().all(|at| at % 4 == 0));
        assert!(text.starts_with("07070100000001000041ED"));
        assert!(text.contains("etc/a\0") && text.contains("xyz\0") && text.contains("TRAILER!!!"));
    }
}
