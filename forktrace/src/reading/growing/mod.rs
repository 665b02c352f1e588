//! Files that grow, in folders that grow: what has come since the last look is read, and nothing twice but
//! the frame that is being written.
//!
//! Looking is asking each file how long it is, for a folder that several hosts share tells nobody of
//! changes. A file is known by its number, or else by its name, and is the one that was read where the bytes
//! before the end that it had are still the same: one that was renamed or copied is read on, and
//! one that was emptied, or whose number or name another file has got, from its beginning. Of each a few
//! numbers are kept, and none is open in between.

mod folder;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, File, Metadata},
    hash::BuildHasher as _,
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use foldhash::{HashMap, HashSet, quality::RandomState};

use self::folder::Asked;
use super::{Progress, damage_of};
use crate::{
    model::without_numbers,
    recording::{FileId, Place, ReadError, Reader},
    report::{Aggregator, Standing},
};

/// Bytes before the end by which a file is known again: several records, whose times another file hasn't got
/// at the same place.
const TAIL: u64 = 16 << 10;

/// What has been read so far.
pub struct Growing {
    asked: Vec<Asked>,
    files: Vec<Read>,
    ids: HashMap<FileId, usize>,
    paths: HashMap<PathBuf, usize>,
    hasher: RandomState,
    /// What has been said, each once.
    said: HashSet<String>,
}

/// A file, as far as it was read.
struct Read {
    id: FileId,
    /// Bytes that there were.
    seen: u64,
    /// How long it was, and when anything of it was changed last.
    about: About,
    /// Of the last of these.
    tail: u64,
    place: Place,
    /// `None`: it is no recording.
    standing: Option<Standing>,
}

/// As the file system tells it: where it tells the same, nobody has written.
#[derive(Clone, Copy, PartialEq, Eq)]
struct About {
    bytes: u64,
    changed: (i64, i64),
}

impl About {
    fn of(about: &Metadata) -> Self {
        Self {
            bytes: about.len(),
            changed: (about.ctime(), about.ctime_nsec()),
        }
    }
}

impl Growing {
    /// Of these files and folders, which have to be there.
    pub fn new(paths: &[PathBuf]) -> Result<Self, ReadError> {
        let asked = paths.iter().map(|path| Asked::new(path));
        Ok(Self {
            asked: asked.collect::<Result<_, _>>()?,
            files: Vec::new(),
            ids: HashMap::default(),
            paths: HashMap::default(),
            hasher: RandomState::default(),
            said: HashSet::default(),
        })
    }

    /// Reads what has come. Whether anything has; what is wrong with a file goes to `say`, once.
    pub fn look(
        &mut self,
        report: &mut Aggregator,
        progress: &Progress,
        mut say: impl FnMut(&str),
    ) -> bool {
        let mut changed = false;
        let mut looked_at = HashSet::default();
        for path in self.there() {
            let Ok(about) = fs::metadata(&path) else {
                continue;
            };
            let id = FileId::of(&about);
            // A name that it has beside another is no other file.
            if !about.is_file() || !looked_at.insert(id) || self.is_as_it_was(id, &about) {
                continue;
            }
            match self.read(&path, &about, report, progress) {
                Ok((grew, what)) => {
                    changed |= grew;
                    self.say(what, &mut say);
                }
                Err(error) => {
                    let text = without_numbers(&format!("{:#}", anyhow::Error::from(error)));
                    self.say(vec![text], &mut say);
                }
            }
        }
        self.forget(&looked_at);
        changed
    }

    /// All files that there are now.
    fn there(&mut self) -> Vec<PathBuf> {
        let ids = &self.ids;
        let known = |id: FileId| ids.contains_key(&id);
        let files = self.asked.iter_mut().map(|asked| asked.files(known));
        files.flatten().collect()
    }

    fn is_as_it_was(&self, id: FileId, about: &Metadata) -> bool {
        let known = self.ids.get(&id).map(|at| &self.files[*at]);
        known.is_some_and(|known| {
            // What is no recording becomes none by growing.
            known.about == About::of(about)
                || (known.standing.is_none() && about.len() > known.seen)
        })
    }

    /// Reads on; whether there was anything new, and what of it is to be said.
    fn read(
        &mut self,
        path: &Path,
        about: &Metadata,
        report: &mut Aggregator,
        progress: &Progress,
    ) -> Result<(bool, Vec<String>), ReadError> {
        let id = FileId::of(about);
        let of = |source| ReadError::Open {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(of)?;
        let numbered = self.ids.get(&id).copied();
        let named = self.paths.get(path).copied();
        let mut known = numbered.into_iter().chain(named);
        let same = known.find(|at| self.is_same(&self.files[*at], &file));
        let before = same.and_then(|at| {
            let read = &self.files[at];
            Some((read.place, read.standing?))
        });
        let place = before.map_or_else(Place::default, |(place, _)| place);
        let on = file.try_clone().map_err(of)?;
        let mut reader = Reader::go_on(path, on, place, |source| progress.watch(source))?;
        let read = report.read_on(&mut reader, before.map(|(_, standing)| standing));
        let mut what = Vec::new();
        let standing = match read {
            Ok(standing) => {
                what.extend(damage_of(path, reader.damage()));
                Some(standing)
            }
            // It may be there the next time.
            Err(error @ (ReadError::Open { .. } | ReadError::Read { .. })) => return Err(error),
            Err(error) => {
                what.push(error.to_string());
                None
            }
        };
        let seen = reader.seen();
        let tail = self.tail(&file, seen).map_err(of)?;
        let grew = before.is_none() || same.is_none_or(|at| self.files[at].seen < seen);
        let now = Read {
            id,
            seen,
            about: About::of(about),
            tail,
            place: reader.place(),
            standing,
        };
        // Where another file has the name, the one that had it may have another by now.
        self.keep(path, same.or(numbered), now);
        Ok((grew, what))
    }

    fn keep(&mut self, path: &Path, known: Option<usize>, now: Read) {
        let id = now.id;
        let at = match known {
            Some(at) => {
                let before = std::mem::replace(&mut self.files[at], now);
                if before.id != id {
                    self.ids.remove(&before.id);
                }
                at
            }
            None => {
                self.files.push(now);
                self.files.len() - 1
            }
        };
        self.ids.insert(id, at);
        self.paths.insert(path.to_owned(), at);
    }

    /// Of files that are gone nothing is kept for long.
    fn forget(&mut self, there: &HashSet<FileId>) {
        let most = 2 * there.len() + 64;
        if self.paths.len() > most {
            // Another file may have got the number of one that is gone.
            self.paths.retain(|path, _| path.exists());
        }
        if self.files.len() <= most {
            return;
        }
        let mut left = Vec::new();
        let mut places = Vec::new();
        for read in std::mem::take(&mut self.files) {
            let stays = there.contains(&read.id);
            places.push(stays.then_some(left.len()));
            left.extend(stays.then_some(read));
        }
        let ids = left.iter().enumerate().map(|(at, read)| (read.id, at));
        self.ids = ids.collect();
        self.files = left;
        let paths = std::mem::take(&mut self.paths).into_iter();
        self.paths = paths
            .filter_map(|(path, at)| Some((path, places[at]?)))
            .collect();
    }

    /// Whether it begins with what was read.
    fn is_same(&self, read: &Read, file: &File) -> bool {
        self.tail(file, read.seen)
            .is_ok_and(|tail| tail == read.tail)
    }

    /// Of the last bytes before this place.
    fn tail(&self, file: &File, to: u64) -> io::Result<u64> {
        let from = to.saturating_sub(TAIL);
        let mut bytes = vec![0; (to - from) as usize];
        file.read_exact_at(&mut bytes, from)?;
        Ok(self.hasher.hash_one((to, bytes)))
    }

    fn say(&mut self, what: Vec<String>, say: &mut impl FnMut(&str)) {
        for text in what {
            // A file that is damaged again and again would be told without end.
            if self.said.len() < 1024 && self.said.insert(text.clone()) {
                say(&text);
            }
        }
    }
}
