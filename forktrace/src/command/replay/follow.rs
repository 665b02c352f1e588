//! `--follow`: a file whose end is not the end.

use std::{
    cell::RefCell,
    collections::VecDeque,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    rc::Rc,
    thread::sleep,
    time::Duration,
};

use forktrace::recording::{FileId, NothingYet, Source, next_earlier};

/// How often the file is looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// At the end it waits, and goes on in the file that was begun next. That is not always the one that
/// has the name by then: several may have been begun between two looks.
pub(super) struct Followed {
    file: File,
    path: PathBuf,
    idle: Option<Box<dyn FnMut()>>,
    switched: Option<Switched>,
}

/// The files that it has gone on in, in their order.
pub(super) type Switched = Rc<RefCell<VecDeque<FileId>>>;

impl Followed {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::of(File::open(path)?, path))
    }

    /// A file of that recording, which may have been put away since.
    pub(super) fn of(file: File, path: &Path) -> Self {
        Self {
            file,
            path: path.to_owned(),
            idle: None,
            switched: None,
        }
    }

    /// Does this before it waits.
    pub(super) fn when_idle(self, idle: impl FnMut() + 'static) -> Self {
        Self {
            idle: Some(Box::new(idle)),
            ..self
        }
    }

    /// Adds to this list which file it goes on in.
    pub(super) fn telling(self, switched: Switched) -> Self {
        Self {
            switched: Some(switched),
            ..self
        }
    }

    fn go_on_in(&mut self, next: File) {
        if let (Some(switched), Ok(about)) = (&self.switched, next.metadata()) {
            switched.borrow_mut().push_back(FileId::of(&about));
        }
        self.file = next;
    }

    /// The file that was begun after this one. The one that has the name is opened first, so that
    /// whatever came between has been put away when the folder is listed.
    fn successor(&self) -> Option<File> {
        let file = File::open(&self.path).ok()?;
        let (old, new) = (self.file.metadata().ok()?, file.metadata().ok()?);
        if FileId::of(&old) == FileId::of(&new) {
            return None;
        }
        match next_earlier(&self.path, &self.file) {
            // Where it has been removed since, the next look finds what came after it.
            Some(between) => File::open(between).ok(),
            None => Some(file),
        }
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
                    0 => self.go_on_in(next),
                    n => return Ok(n),
                },
                None => return Err(NothingYet.into()),
            }
        }
    }
}

impl Source for Followed {
    fn wait(&mut self) {
        if let Some(idle) = &mut self.idle {
            idle();
        }
        sleep(PAUSE);
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
pub(super) fn end_quietly() {
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use forktrace::{
        model::LossReason,
        record::{Loss, Record},
        recording::{Keeping, Reader, Recording},
    };

    use super::*;

    fn loss(count: u64) -> Record {
        Record::Loss(Loss {
            count,
            since: "2026-01-01T00:00:00Z".to_owned(),
            reason: LossReason::RingFull,
        })
    }

    /// Each record begins a file, and many have come before the next look.
    fn reads_all(name: &str, file: &str, keep: Option<usize>, from: u64) {
        const MANY: u64 = 20;
        let dir = std::env::temp_dir().join(format!("forktrace-{name}-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let path = dir.join(file);
        let keeping = Keeping {
            max_age: Some(Duration::ZERO),
            keep,
            ..Keeping::default()
        };
        let mut recording = Recording::open(&path, keeping).unwrap();
        recording.write(&loss(0)).unwrap();
        let followed = Followed::open(&path).unwrap();
        let mut reader = Reader::new(&path, Box::new(followed)).unwrap();
        assert_eq!(reader.read().unwrap(), Some(loss(0)));
        for n in 1..=MANY {
            recording.write(&loss(n)).unwrap();
        }
        for n in from..=MANY {
            assert_eq!(reader.read().unwrap(), Some(loss(n)));
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn files_that_came_between_two_looks_are_read() {
        reads_all("between", "a.ndjson", None, 1);
    }

    /// What is in a frame that has no checksum yet is not waited for.
    #[test]
    fn compressed_records_are_read_as_they_come() {
        reads_all("packed", "a.ndjson.zst", None, 1);
        let dir = std::env::temp_dir().join(format!("forktrace-open-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let path = dir.join("a.ndjson.zst");
        let mut recording = Recording::open(&path, Keeping::default()).unwrap();
        recording.write(&loss(0)).unwrap();
        let followed = Followed::open(&path).unwrap();
        let mut reader = Reader::new(&path, Box::new(followed)).unwrap();
        assert_eq!(reader.read().unwrap(), Some(loss(0)));
        for n in 1..50 {
            recording.write(&loss(n)).unwrap();
            assert_eq!(reader.read().unwrap(), Some(loss(n)));
        }
        assert!(!reader.damage().is_any());
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_is_left_is_read_where_the_oldest_were_removed() {
        reads_all("removed", "a.ndjson", Some(5), 15);
    }

    /// As logrotate does it, by names of its own.
    #[test]
    fn a_file_that_somebody_else_renamed_is_followed_by_the_one_with_the_name() {
        let dir = std::env::temp_dir().join(format!("forktrace-foreign-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let path = dir.join("a.ndjson");
        std::fs::write(&path, "one\n").unwrap();
        let mut followed = Followed::open(&path).unwrap();
        std::fs::rename(&path, dir.join("a.ndjson.1")).unwrap();
        let mut next = File::create_new(&path).unwrap();
        next.write_all(b"two\n").unwrap();
        let mut read = [0; 8];
        followed.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"one\ntwo\n");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
