//! Files of /proc that are read again and again: opened once.

use std::{
    fs::File,
    io::ErrorKind,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

/// /proc/meminfo is about 1.5 KiB long.
pub(super) type Buffer = [u8; 8192];

/// Files below a folder. Opening one takes longer than reading it.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
    open: Vec<(&'static str, File)>,
}

impl Files {
    /// Below /proc.
    pub fn of_proc() -> Self {
        Self::below(Path::new("/proc"))
    }

    /// Below another folder.
    pub fn below(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            open: Vec::new(),
        }
    }

    /// What a file holds now, at most as much as the buffer. `None` where it
    /// can't be read.
    pub fn content<'a>(&mut self, name: &'static str, buffer: &'a mut Buffer) -> Option<&'a [u8]> {
        let at = self.open.iter().position(|(open, _)| *open == name);
        let at = match at {
            Some(at) => at,
            None => {
                let file = File::open(self.folder.join(name)).ok()?;
                self.open.push((name, file));
                self.open.len() - 1
            }
        };
        let (_, file) = self.open.get(at)?;
        // In one call: the kernel makes the text anew for each (fs/seq_file.c),
        // and gives as much as there is room for.
        loop {
            match file.read_at(buffer, 0) {
                Ok(n) => return buffer.get(..n),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    // Another one may be there by the next time.
                    self.open.swap_remove(at);
                    return None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_read_anew() {
        let folder = std::env::temp_dir().join(format!("forktrace-files-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let mut files = Files::below(&folder);
        let mut buffer: Buffer = [0; 8192];
        assert_eq!(files.content("a", &mut buffer), None);
        for text in ["4194304\n", "5\n", ""] {
            std::fs::write(folder.join("a"), text).unwrap();
            assert_eq!(files.content("a", &mut buffer), Some(text.as_bytes()));
        }
        assert_eq!(files.open.len(), 1);
        // A folder opens, and can't be read.
        std::fs::create_dir(folder.join("b")).unwrap();
        assert_eq!(files.content("b", &mut buffer), None);
        assert_eq!(files.open.len(), 1);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_device_without_an_end_fills_the_buffer_and_no_more() {
        let mut buffer: Buffer = [0; 8192];
        let mut files = Files::below(Path::new("/dev"));
        let read = files.content("zero", &mut buffer).map(<[u8]>::len);
        assert_eq!(read, Some(8192));
    }
}
