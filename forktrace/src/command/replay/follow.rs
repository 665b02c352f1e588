//! `--follow`: a file whose end is not the end.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread::sleep,
    time::Duration,
};

/// How often the file is looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// At the end it waits, and goes on in the file that has taken the name.
pub struct Followed {
    file: File,
    path: PathBuf,
}

impl Followed {
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?,
            path: path.to_owned(),
        })
    }

    /// The file of this name, where it is another one than before.
    fn successor(&self) -> Option<File> {
        let file = File::open(&self.path).ok()?;
        let (old, new) = (self.file.metadata().ok()?, file.metadata().ok()?);
        ((old.dev(), old.ino()) != (new.dev(), new.ino())).then_some(file)
    }
}

impl Read for Followed {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.file.read(to)? {
                0 => {}
                n => return Ok(n),
            }
            match self.successor() {
                // What was written before it was renamed has to be read first.
                Some(next) => match self.file.read(to)? {
                    0 => self.file = next,
                    n => return Ok(n),
                },
                None => sleep(PAUSE),
            }
        }
    }
}

/// A file that was renamed can't be gone back to.
impl Seek for Followed {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Ctrl-C and SIGTERM are how following ends, with status 0. Everything that
/// was read is printed by then.
pub fn end_quietly() {
    extern "C" fn end(_: libc::c_int) {
        // SAFETY: async-signal-safe, and does not return.
        unsafe { libc::_exit(0) }
    }
    let end: extern "C" fn(libc::c_int) = end;
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the handler does nothing but end the process.
        unsafe { libc::signal(signal, end as libc::sighandler_t) };
    }
}
