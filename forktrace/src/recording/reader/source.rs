//! What recordings are read from.

use std::{
    fs::File,
    io::{self, Cursor, Read, Seek, SeekFrom},
};

use super::Damage;

/// A file, or something like one. What can't seek is read once and in order.
pub trait Source: Read + Seek {
    /// After [`NothingYet`]: waits for a while. So much of what it gave could not be read.
    fn wait(&mut self, _: Damage) {}
}

impl Source for File {}

impl Source for Cursor<Vec<u8>> {}

/// A pipe, as something that could go back and says that it can't.
pub struct OneWay<R>(pub R);

impl<R: Read> Source for OneWay<R> {}

impl<R: Read> Read for OneWay<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.0.read(to)
    }
}

impl<R> Seek for OneWay<R> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A file that may go on behind its end.
pub(super) struct Growing(pub(super) File);

impl Source for Growing {}

impl Read for Growing {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self.0.read(to)? {
            0 => Err(NothingYet.into()),
            n => Ok(n),
        }
    }
}

impl Seek for Growing {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

/// What a source answers that goes on when it has nothing more right now.
#[derive(Debug, thiserror::Error)]
#[error("nothing more so far")]
pub struct NothingYet;

impl NothingYet {
    /// Whether it is one.
    pub fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|e| e.is::<Self>())
    }
}

impl From<NothingYet> for io::Error {
    fn from(nothing: NothingYet) -> Self {
        Self::other(nothing)
    }
}
