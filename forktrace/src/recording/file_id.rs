//! Which file it is, whatever it is called by now.

use std::{fs::Metadata, os::unix::fs::MetadataExt as _};

use serde::{Deserialize, Serialize};

/// Device and inode. After a file is gone, another may get its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileId(u64, u64);

impl FileId {
    /// Of the file that this is about.
    pub fn of(about: &Metadata) -> Self {
        Self(about.dev(), about.ino())
    }
}
