//! What a file is, of those that begin with bytes of their own and are no text that can be read as it stands.

/// A form that a text was packed or written in; zstd's is read everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// Compressed by gzip.
    Gzip,
    /// Compressed by xz.
    Xz,
    /// Compressed by bzip2.
    Bzip2,
    /// Compressed by lz4.
    Lz4,
    /// A zip archive.
    Zip,
    /// Text in UTF-16.
    Utf16,
}

const BEGINNINGS: &[(&[u8], Foreign)] = &[
    (b"\x1f\x8b", Foreign::Gzip),
    (b"\xfd7zXZ\0", Foreign::Xz),
    (b"BZh", Foreign::Bzip2),
    (b"\x04\x22\x4d\x18", Foreign::Lz4),
    (b"PK\x03\x04", Foreign::Zip),
    (b"\xff\xfe", Foreign::Utf16),
    (b"\xfe\xff", Foreign::Utf16),
];

impl Foreign {
    /// By the first bytes of a file: six are enough.
    pub fn of(head: &[u8]) -> Option<Self> {
        let mut all = BEGINNINGS.iter();
        all.find_map(|(begins, foreign)| head.starts_with(begins).then_some(*foreign))
    }
}
