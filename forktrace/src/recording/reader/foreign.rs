//! What a file is that is no recording, where its first bytes say so.

/// What it is, and what decompresses or converts it.
pub(super) struct Foreign {
    pub(super) what: &'static str,
    pub(super) instead: &'static str,
}

const KINDS: &[(&[u8], &str, &str)] = &[
    (b"\x1f\x8b", "compressed by gzip", "`gzip -dc`"),
    (b"\xfd7zXZ\0", "compressed by xz", "`xz -dc`"),
    (b"BZh", "compressed by bzip2", "`bzip2 -dc`"),
    (b"\x04\x22\x4d\x18", "compressed by lz4", "`lz4 -dc`"),
    (b"PK\x03\x04", "a zip archive", "`unzip -p`"),
    (b"\xff\xfe", "text in UTF-16", "`iconv -f UTF-16 -t UTF-8`"),
    (b"\xfe\xff", "text in UTF-16", "`iconv -f UTF-16 -t UTF-8`"),
];

/// By the first bytes of a file.
pub(super) fn foreign(head: &[u8]) -> Option<Foreign> {
    let kind = KINDS.iter().find(|(magic, ..)| head.starts_with(magic))?;
    Some(Foreign {
        what: kind.1,
        instead: kind.2,
    })
}
