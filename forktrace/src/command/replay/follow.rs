//! `--follow`: a recording whose end is not the end.

use std::{
    cell::{Cell, RefCell},
    fs::{File, Metadata},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    rc::Rc,
    thread::sleep,
    time::Duration,
};

use forktrace::{
    order::Order as _,
    reading::tell_damage,
    recording::{
        Damage, FileId, NothingYet, ReadError, Reader, Source, earlier_files, next_earlier,
    },
};

/// How often the file is looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// Bytes before the place that was read to by which a file is known again: several records, whose times
/// another file hasn't got at the same place.
const TAIL: usize = 16 << 10;

/// A recording's files, one after the other.
pub(super) struct Following {
    path: PathBuf,
    here: Rc<Here>,
    idle: Rc<dyn Fn()>,
}

/// What is known of the file that is being read.
#[derive(Default)]
struct Here {
    id: Cell<Option<FileId>>,
    /// The damage that has been said.
    said: Cell<Damage>,
    /// What is read when it has ended.
    next: RefCell<Option<File>>,
}

impl Here {
    fn say(&self, path: &Path, damage: Damage) {
        let new = damage.since(self.said.replace(damage));
        if new.is_any() {
            tell_damage(path, new);
        }
    }
}

impl Following {
    pub(super) fn open(path: &Path) -> Result<Self, ReadError> {
        let file = File::open(path).map_err(|source| ReadError::Open {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::of(file, path))
    }

    /// Begins with a file of that recording, which may have been put away since.
    pub(super) fn of(file: File, path: &Path) -> Self {
        let here = Here {
            next: Some(file).into(),
            ..Here::default()
        };
        Self {
            path: path.to_owned(),
            here: Rc::new(here),
            idle: Rc::new(|| ()),
        }
    }

    /// Does this before it waits.
    pub(super) fn when_idle(&mut self, idle: impl Fn() + 'static) {
        self.idle = Rc::new(idle);
    }

    /// Tells at any time which file is being read.
    pub(super) fn id(&self) -> impl Fn() -> Option<FileId> + use<> {
        let here = Rc::clone(&self.here);
        move || here.id.get()
    }

    /// The next file, when the one before has been read to its end.
    pub(super) fn next(&self) -> Result<Option<Reader>, ReadError> {
        let Some(file) = self.here.next.take() else {
            return Ok(None);
        };
        self.here.said.set(Damage::default());
        let about = file.metadata();
        self.here.id.set(about.ok().map(|about| FileId::of(&about)));
        let source = Followed {
            file,
            path: self.path.clone(),
            here: Rc::clone(&self.here),
            idle: Rc::clone(&self.idle),
            at: 0,
            tail: Vec::new(),
        };
        Reader::new(&self.path, Box::new(source)).map(Some)
    }

    /// Says what hasn't been said of a file that has been read.
    pub(super) fn ended(&self, damage: Damage) {
        self.here.say(&self.path, damage);
    }
}

/// One file. At its end it waits, until another is there to go on in. That is not always the one that
/// has the name by then: several may have been begun between two looks.
struct Followed {
    file: File,
    path: PathBuf,
    here: Rc<Here>,
    idle: Rc<dyn Fn()>,
    /// Bytes that have been read, and the last of them.
    at: u64,
    tail: Vec<u8>,
}

/// Where it goes on.
enum Then {
    /// In another file of the same content.
    Same(File),
    /// With the one that was begun after it.
    Next(File),
}

impl Followed {
    fn keep(&mut self, read: &[u8]) -> usize {
        self.at += read.len() as u64;
        let new = &read[read.len().saturating_sub(TAIL)..];
        let room = TAIL - new.len();
        self.tail.drain(..self.tail.len().saturating_sub(room));
        self.tail.extend_from_slice(new);
        read.len()
    }

    /// Whether a file begins with what was read.
    fn begins_so(&self, file: &File) -> io::Result<bool> {
        let mut bytes = vec![0; self.tail.len()];
        match file.read_exact_at(&mut bytes, self.at - self.tail.len() as u64) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            read => read.map(|()| bytes == self.tail),
        }
    }

    /// The file is read again from its beginning.
    fn begin_anew(&mut self) -> io::Result<usize> {
        self.file.rewind()?;
        self.here.next.replace(Some(self.file.try_clone()?));
        Ok(0)
    }

    fn then(&self) -> Option<Then> {
        // Opened first, so that whatever came between has been put away when the folder is listed.
        let named = File::open(&self.path).ok()?;
        let (old, new) = (self.file.metadata().ok()?, named.metadata().ok()?);
        if FileId::of(&old) == FileId::of(&new) {
            return None;
        }
        let between = next_earlier(&self.path, &self.file);
        if old.nlink() == 0 || between.is_none() {
            // A copy that was replaced by a longer one; which may have been put away since. Files that were
            // put away before may begin with the same session.
            let written = |about: &Metadata| (about.mtime(), about.mtime_nsec());
            let is_later = |file: &File| {
                file.metadata().is_ok_and(|about| {
                    FileId::of(&about) != FileId::of(&old) && written(&about) >= written(&old)
                })
            };
            let mut earlier = earlier_files(&self.path).unwrap_or_default();
            earlier.order();
            let earlier = earlier.iter().filter_map(|path| File::open(path).ok());
            let mut all = earlier.filter(is_later).chain(named.try_clone().ok());
            let is_same = |file: &File| self.at > 0 && self.begins_so(file).unwrap_or(false);
            if let Some(same) = all.find(is_same) {
                return Some(Then::Same(same));
            }
        }
        let next = match between {
            // Where it has been removed since, the next look finds what came after it.
            Some(between) => File::open(between).ok()?,
            None => named,
        };
        Some(Then::Next(next))
    }
}

impl Read for Followed {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.here.next.borrow().is_some() {
            return Ok(0);
        }
        loop {
            let n = self.file.read(to)?;
            // One that was emptied may be longer by now than what was read of it. What has no places, such
            // as a pipe, isn't emptied.
            if !self.begins_so(&self.file).unwrap_or(true) {
                return self.begin_anew();
            }
            if n > 0 {
                return Ok(self.keep(&to[..n]));
            }
            match self.then() {
                Some(Then::Same(mut file)) => {
                    file.seek(SeekFrom::Start(self.at))?;
                    self.here.id.set(Some(FileId::of(&file.metadata()?)));
                    self.file = file;
                }
                // What was written before it was renamed has to be read first.
                Some(Then::Next(next)) => match self.file.read(to)? {
                    0 => {
                        self.here.next.replace(Some(next));
                        return Ok(0);
                    }
                    n => return Ok(self.keep(&to[..n])),
                },
                None => return Err(NothingYet.into()),
            }
        }
    }
}

impl Source for Followed {
    fn wait(&mut self, damage: Damage) {
        self.here.say(&self.path, damage);
        (self.idle)();
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
    use std::fs;

    use forktrace::{
        model::LossReason,
        record::{Loss, Record},
        recording::{Keeping, Recording},
    };

    use super::*;

    fn loss(count: u64) -> Record {
        Record::Loss(Loss {
            count,
            since: "2026-01-01T00:00:00Z".to_owned(),
            reason: LossReason::RingFull,
        })
    }

    /// What is followed, and its files so far.
    struct Reading {
        files: Following,
        reader: Reader,
        begun: u64,
        damage: Damage,
    }

    impl Reading {
        fn open(path: &Path) -> Self {
            let files = Following::open(path).unwrap();
            let reader = files.next().unwrap().unwrap();
            Self {
                files,
                reader,
                begun: 1,
                damage: Damage::default(),
            }
        }

        fn read(&mut self) -> Record {
            loop {
                if let Some(record) = self.reader.read().unwrap() {
                    return record;
                }
                self.damage.add(self.reader.damage());
                self.reader = self.files.next().unwrap().unwrap();
                self.begun += 1;
            }
        }

        fn reads(&mut self, counts: impl IntoIterator<Item = u64>) {
            for count in counts {
                assert_eq!(self.read(), loss(count));
            }
        }
    }

    /// A recording as bytes.
    fn bytes(path: &Path, counts: impl IntoIterator<Item = u64>) -> Vec<u8> {
        let name = path.file_name().unwrap().to_string_lossy();
        let at = path.with_file_name(format!("other-{name}"));
        let mut recording = Recording::open(&at, Keeping::default()).unwrap();
        for count in counts {
            recording.write(&loss(count)).unwrap();
        }
        drop(recording);
        let bytes = fs::read(&at).unwrap();
        fs::remove_file(&at).unwrap();
        bytes
    }

    /// Each record begins a file, and many have come before the next look.
    fn reads_all(file: &str, keep: Option<usize>, from: u64) {
        const MANY: u64 = 20;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(file);
        let keeping = Keeping {
            max_age: Some(Duration::ZERO),
            keep,
            ..Keeping::default()
        };
        let mut recording = Recording::open(&path, keeping).unwrap();
        recording.write(&loss(0)).unwrap();
        let mut reading = Reading::open(&path);
        reading.reads([0]);
        for n in 1..=MANY {
            recording.write(&loss(n)).unwrap();
        }
        reading.reads(from..=MANY);
    }

    #[test]
    fn files_that_came_between_two_looks_are_read() {
        reads_all("a.ndjson", None, 1);
    }

    /// What is in a frame that has no checksum yet is not waited for.
    #[test]
    fn compressed_records_are_read_as_they_come() {
        reads_all("a.ndjson.zst", None, 1);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.ndjson.zst");
        let mut recording = Recording::open(&path, Keeping::default()).unwrap();
        recording.write(&loss(0)).unwrap();
        let mut reading = Reading::open(&path);
        reading.reads([0]);
        for n in 1..50 {
            recording.write(&loss(n)).unwrap();
            reading.reads([n]);
        }
        assert!(!reading.reader.damage().is_any());
    }

    #[test]
    fn what_is_left_is_read_where_the_oldest_were_removed() {
        reads_all("a.ndjson", Some(5), 15);
    }

    /// As logrotate does it, by names of its own.
    #[test]
    fn a_file_that_somebody_else_renamed_is_followed_by_the_one_with_the_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.ndjson");
        fs::write(&path, bytes(&path, [1])).unwrap();
        let mut reading = Reading::open(&path);
        reading.reads([1]);
        fs::rename(&path, dir.path().join("a.ndjson.1")).unwrap();
        fs::write(&path, bytes(&path, [2])).unwrap();
        reading.reads([2]);
    }

    /// Also where it has become longer again between two looks.
    #[test]
    fn a_file_that_was_emptied_is_read_from_its_beginning() {
        for name in ["a.ndjson", "a.ndjson.zst"] {
            for more in [1, 300] {
                let dir = tempfile::tempdir().unwrap();
                let path = dir.path().join(name);
                fs::write(&path, bytes(&path, 0..30)).unwrap();
                let mut reading = Reading::open(&path);
                reading.reads(0..30);
                fs::write(&path, bytes(&path, 100..100 + more)).unwrap();
                reading.reads(100..100 + more);
                assert_eq!(reading.begun, 2);
            }
        }
    }

    /// What a crash or a copy has cut is no beginning of what comes next.
    #[test]
    fn half_a_line_before_it_was_emptied_is_told_and_joins_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.ndjson");
        let all = bytes(&path, 0..2);
        fs::write(&path, &all[..all.len() - 9]).unwrap();
        let mut reading = Reading::open(&path);
        reading.reads([0]);
        let emptied = path.clone();
        let next = bytes(&path, [7]);
        let empties = std::thread::spawn(move || {
            sleep(3 * PAUSE);
            fs::write(&emptied, next).unwrap();
        });
        reading.reads([7]);
        empties.join().unwrap();
        assert_eq!(reading.damage.unreadable, 0);
        assert!(reading.damage.torn_bytes > 0);
    }

    /// As rsync does it: by another file, renamed to the name; put away meanwhile under another.
    #[test]
    fn a_copy_that_is_replaced_by_a_longer_one_is_read_on() {
        for name in ["a.ndjson", "a.ndjson.zst"] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(name);
            let all = bytes(&path, 0..1000);
            let copy = |bytes: &[u8], to: &Path| {
                let temporary = dir.path().join("temporary");
                fs::write(&temporary, bytes).unwrap();
                fs::rename(&temporary, to).unwrap();
            };
            let earlier = |day: u32| {
                path.with_file_name(name.replacen('.', &format!(".2026110{day}T000000000Z."), 1))
            };
            copy(&bytes(&path, 5000..5010), &earlier(1));
            copy(&bytes(&path, 0..500), &path);
            let mut reading = Reading::open(&path);
            reading.reads(0..500);
            let id = reading.files.id();
            let before = id();
            // Frames of a recording that goes on end elsewhere than those of a shorter one.
            let plain = !name.ends_with("zst");
            if plain {
                copy(&all, &path);
                reading.reads(500..1000);
                assert_eq!(reading.begun, 1);
                assert_ne!(id(), before);
            }
            let next = if plain { 1000..1001 } else { 500..501 };
            let longer = [fs::read(&path).unwrap(), bytes(&path, next.clone())].concat();
            copy(&longer, &earlier(2));
            copy(&bytes(&path, 2000..2010), &path);
            reading.reads(next.chain(2000..2010));
            assert_eq!(reading.begun, 2);
        }
    }
}
