//! What to do with a file that is no recording, where its first bytes say what it is.

use crate::model::Foreign;

/// What it is, and what decompresses or converts it.
pub(super) fn instead(foreign: Foreign) -> (&'static str, &'static str) {
    match foreign {
        Foreign::Gzip => ("compressed by gzip", "`gzip -dc`"),
        Foreign::Xz => ("compressed by xz", "`xz -dc`"),
        Foreign::Bzip2 => ("compressed by bzip2", "`bzip2 -dc`"),
        Foreign::Lz4 => ("compressed by lz4", "`lz4 -dc`"),
        Foreign::Zip => ("a zip archive", "`unzip -p`"),
        Foreign::Utf16 => ("text in UTF-16", "`iconv -f UTF-16 -t UTF-8`"),
    }
}
