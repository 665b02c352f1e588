//! One file of a recording: lines appended, plain or compressed.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::{fd::AsFd as _, unix::fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use zstd::stream::write::Encoder;

use super::{super::Reader, Existing, WriteError};

/// Bytes of lines behind which a frame ends: what damage costs, at most.
const FRAME_BYTES: u64 = 256 << 10;
/// Of the window, as a power of two: as large as a frame. Small, because a
/// tracer that runs for weeks keeps it.
const WINDOW_LOG: u32 = 18;

/// Opens, or creates for the owner only. What is in the file stays.
fn open_private(path: &Path, existing: Existing) -> Result<File, WriteError> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NOCTTY);
    match existing {
        Existing::Refuse => options.create_new(true),
        Existing::Overwrite => options.create(true).truncate(false),
        Existing::Append => options.create(true).read(true).truncate(false),
    };
    options.open(path).map_err(|source| {
        let path = path.to_owned();
        let link = path.symlink_metadata().is_ok_and(|m| m.is_symlink());
        match source.raw_os_error() {
            _ if link => WriteError::Symlink { path },
            _ if path.is_dir() => WriteError::Folder { path },
            Some(libc::EEXIST) => WriteError::Exists {
                path,
                ways: "--force overwrites it, --append continues it",
            },
            Some(libc::ENOENT) => match missing_folder(&path) {
                Some(folder) => WriteError::NoFolder { path, folder },
                None => WriteError::Open { path, source },
            },
            _ => WriteError::Open { path, source },
        }
    })
}

/// The folder that a file would be in, where that isn't there. Of a file system that
/// lets nobody create files, as /proc, the kernel says ENOENT too.
pub(crate) fn missing_folder(path: &Path) -> Option<PathBuf> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())?;
    (!folder.exists()).then(|| folder.to_owned())
}

/// A file that is written to its end and nowhere else.
pub(super) struct Output {
    file: File,
    path: PathBuf,
    /// Bytes of the file up to the last whole line; `None` for a pipe or
    /// terminal, which can't be cut.
    whole: Option<u64>,
    frames: Option<Frames>,
}

/// Compression of what is appended.
struct Frames {
    /// The frame that is being written, and the bytes of lines in it.
    open: Option<(Encoder<'static, Vec<u8>>, u64)>,
}

impl Output {
    /// Opens the file, readable by its owner only; a symbolic link is never
    /// followed.
    pub(super) fn open(
        path: &Path,
        existing: Existing,
        compressed: bool,
    ) -> Result<Self, WriteError> {
        if path == Path::new("-") {
            return Self::standard_output(existing);
        }
        let file = open_private(path, existing)?;
        let metadata = file.metadata().ok();
        let regular = metadata.is_some_and(|m| m.is_file());
        let mut output = Self {
            file,
            path: path.to_owned(),
            whole: regular.then_some(0),
            frames: compressed.then_some(Frames { open: None }),
        };
        if regular {
            output.lock()?;
            match existing {
                Existing::Refuse => {}
                Existing::Overwrite => output.file.set_len(0).map_err(|e| output.failed(e))?,
                Existing::Append => output.seek_end()?,
            }
        } else if existing == Existing::Append {
            return Err(WriteError::NoFile {
                path: path.to_owned(),
            });
        }
        Ok(output)
    }

    /// What is written there can't be taken back, whatever it is: others may write there too.
    fn standard_output(existing: Existing) -> Result<Self, WriteError> {
        let path = PathBuf::from("standard output");
        if existing == Existing::Append {
            return Err(WriteError::NoFile { path });
        }
        let file = match io::stdout().as_fd().try_clone_to_owned() {
            Ok(fd) => File::from(fd),
            Err(source) => return Err(WriteError::Open { path, source }),
        };
        Ok(Self {
            file,
            path,
            whole: None,
            frames: None,
        })
    }

    /// Two that append to one file, or one that overwrites what another is
    /// appending to, would tear each other's lines.
    fn lock(&self) -> Result<(), WriteError> {
        match self.file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(WriteError::Locked {
                path: self.path.clone(),
            }),
            // A file system without locks.
            Err(TryLockError::Error(_)) => Ok(()),
        }
    }

    /// Goes behind what is there, if that is a recording. A line that a crash
    /// has cut off stays as it is, a line of its own that readers count.
    fn seek_end(&mut self) -> Result<(), WriteError> {
        let length = self.file.metadata().map_err(|e| self.failed(e))?.len();
        if length > 0 && !self.is_recording() {
            return Err(WriteError::NoRecording {
                path: self.path.clone(),
            });
        }
        self.whole = Some(length);
        let plain = self.frames.is_none();
        let step = |file: &mut File| {
            if length > 0 && plain {
                let mut last = [0];
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
                if last != *b"\n" {
                    file.write_all(b"\n")?;
                    return Ok(length + 1);
                }
            }
            file.seek(SeekFrom::End(0))
        };
        let end = step(&mut self.file).map_err(|e| self.failed(e))?;
        self.whole = Some(end);
        Ok(())
    }

    /// Whether a record can be read, and it is compressed as it is going to be.
    fn is_recording(&self) -> bool {
        let Ok(mut file) = self.file.try_clone() else {
            return false;
        };
        let mut head = [0; 4];
        let compressed =
            file.read_exact(&mut head).is_ok() && super::super::reader::is_compressed(&head);
        if compressed != self.frames.is_some() || file.rewind().is_err() {
            return false;
        }
        let first = Reader::new(&self.path, Box::new(file)).and_then(|mut r| r.read());
        matches!(first, Ok(Some(_)))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file was renamed.
    pub(super) fn set_path(&mut self, path: PathBuf) {
        self.path = path;
    }

    /// Bytes of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.whole.unwrap_or(0)
    }

    /// Whether it is a file that can be renamed and measured.
    pub(super) fn is_regular(&self) -> bool {
        self.whole.is_some()
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Appends one line, with one write, so that a reader sees it at once. When
    /// the disk is full the torn line is cut off again.
    pub(super) fn append(&mut self, line: &[u8]) -> Result<(), WriteError> {
        let compressed;
        let bytes = match &mut self.frames {
            None => line,
            Some(frames) => {
                compressed = frames.compress(line).map_err(|e| self.failed(e))?;
                &compressed
            }
        };
        self.write(bytes)
    }

    /// Ends the compressed frame.
    pub(super) fn end_frame(&mut self) -> Result<(), WriteError> {
        let rest = match &mut self.frames {
            None => return Ok(()),
            Some(frames) => frames.end().map_err(|e| self.failed(e))?,
        };
        self.write(&rest)
    }

    /// Waits until the file is on the disk.
    pub(super) fn sync(&self) -> Result<(), WriteError> {
        if self.is_regular() {
            self.file.sync_data().map_err(|e| self.failed(e))?;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        match self.file.write_all(bytes) {
            Ok(()) => {
                if let Some(whole) = &mut self.whole {
                    *whole += bytes.len() as u64;
                }
                Ok(())
            }
            Err(source) => {
                if let Some(whole) = self.whole {
                    // Nothing more can be done about it when this fails too.
                    let _ = self.file.set_len(whole);
                    let _ = self.file.seek(SeekFrom::Start(whole));
                }
                if let Some(frames) = &mut self.frames {
                    // What it has seen is not what is in the file.
                    frames.open = None;
                }
                Err(self.failed(source))
            }
        }
    }

    fn failed(&self, source: io::Error) -> WriteError {
        WriteError::Write {
            path: self.path.clone(),
            source,
        }
    }
}

impl Frames {
    /// What is to be written so that a reader can have the line.
    fn compress(&mut self, line: &[u8]) -> io::Result<Vec<u8>> {
        let (mut encoder, mut bytes) = match self.open.take() {
            Some(open) => open,
            None => (begin()?, 0),
        };
        encoder.write_all(line)?;
        bytes += line.len() as u64;
        if bytes >= FRAME_BYTES {
            return encoder.finish();
        }
        encoder.flush()?;
        let compressed = std::mem::take(encoder.get_mut());
        self.open = Some((encoder, bytes));
        Ok(compressed)
    }

    fn end(&mut self) -> io::Result<Vec<u8>> {
        match self.open.take() {
            Some((encoder, _)) => encoder.finish(),
            None => Ok(Vec::new()),
        }
    }
}

fn begin() -> io::Result<Encoder<'static, Vec<u8>>> {
    let mut encoder = Encoder::new(Vec::new(), zstd::DEFAULT_COMPRESSION_LEVEL)?;
    encoder.window_log(WINDOW_LOG)?;
    encoder.include_checksum(true)?;
    Ok(encoder)
}
