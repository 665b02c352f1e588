//! Names of a recording's earlier files, and which of them are kept.

use std::{
    ffi::{CString, OsStr, OsString},
    fs::{self, File},
    io,
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::MetadataExt as _,
    },
    path::{Path, PathBuf},
};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::{order::Order as _, recording::FileId};

/// `strftime` of the time in a name: sorts as it was.
const STAMP: &str = "%Y%m%dT%H%M%S%3fZ";
const STAMP_BYTES: usize = "20261123T032250123Z".len();

/// A name cut where the time goes: `failures.ndjson.zst` is `failures` and
/// `.ndjson.zst`.
#[derive(Debug, PartialEq, Eq)]
struct Name<'a> {
    stem: &'a [u8],
    suffix: &'a [u8],
}

fn cut(name: &OsStr) -> Name<'_> {
    let name = name.as_bytes();
    let whole = name.strip_suffix(b".zst").unwrap_or(name);
    let dot = whole.iter().rposition(|b| *b == b'.').filter(|at| *at > 0);
    let (stem, suffix) = name.split_at(dot.unwrap_or(whole.len()));
    Name { stem, suffix }
}

/// Renames the file to what it is called from now on. A file that has this name
/// is never overwritten.
///
/// Names sort in the order in which files were put away, whatever the clock says: it can be set
/// back, and of several files within a millisecond the first may have been removed again, so that
/// its name is free. `--keep` would take what has such a name for the oldest.
pub(super) fn put_away(path: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let mut at = match latest(path).and_then(next) {
        Some(next) => now.max(next),
        None => now,
    };
    loop {
        let to = earlier(path, at);
        match rename_new(path, &to) {
            Ok(()) => return Ok(to),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                at = next(at).ok_or(error)?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// A millisecond later: the next name.
fn next(at: Timestamp) -> Option<Timestamp> {
    at.checked_add(jiff::SignedDuration::from_millis(1)).ok()
}

/// When the latest of the earlier files was put away, by its name. Where the folder can't be
/// listed, the clock has to do.
fn latest(path: &Path) -> Option<Timestamp> {
    let files = earlier_files(path).ok()?;
    let name = cut(path.file_name()?);
    let stamp = |file: &PathBuf| when(stamp(file.file_name()?.as_bytes(), &name)?);
    files.iter().filter_map(stamp).max()
}

/// The time that a stamp says. One that is no time, as of the month 13, is nobody's.
fn when(stamp: &[u8]) -> Option<Timestamp> {
    let stamp = std::str::from_utf8(stamp).ok()?;
    let time = DateTime::strptime(STAMP, stamp).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The file that was begun when `before` was put away, where that has been put away since as well.
/// Of a file that `--keep` has removed meanwhile, the oldest that is left.
pub fn next_earlier(path: &Path, before: &File) -> Option<PathBuf> {
    let mut all = earlier_files(path).ok()?;
    all.order();
    // Only now: one that was listed may go, one that wasn't was gone.
    let before = before.metadata().ok()?;
    if before.nlink() == 0 {
        return all.into_iter().next();
    }
    let same = |file: &PathBuf| {
        let file = file.symlink_metadata();
        file.is_ok_and(|file| FileId::of(&file) == FileId::of(&before))
    };
    // A file that somebody else renamed isn't among them: nothing is known of what came after it.
    let at = all.iter().position(same)?;
    all.into_iter().nth(at + 1)
}

fn earlier(path: &Path, at: Timestamp) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let Name { stem, suffix } = cut(name);
    let stamp = at.to_zoned(TimeZone::UTC).strftime(STAMP).to_string();
    let name = [stem, b".", stamp.as_bytes(), suffix].concat();
    path.with_file_name(OsString::from_vec(name))
}

/// renameat2(2) with RENAME_NOREPLACE, or what comes near it where the file
/// system doesn't have that.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    let c = |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other);
    let (old, new) = (c(from)?, c(to)?);
    // SAFETY: strings that outlive the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            old.as_ptr(),
            libc::AT_FDCWD,
            new.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    if answer == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() != Some(libc::EINVAL) {
        return Err(error);
    }
    if to.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}

/// Removes the oldest of the earlier files, so that `keep` are left.
pub(super) fn remove_oldest(path: &Path, keep: usize) -> io::Result<()> {
    let mut all = earlier_files(path)?;
    all.order();
    let superfluous = all.len().saturating_sub(keep);
    for old in all.drain(..superfluous) {
        fs::remove_file(old)?;
    }
    Ok(())
}

/// Files that [`put_away`] named, in no order.
pub fn earlier_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let name = path.file_name().unwrap_or_default();
    let name = cut(name);
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let mut all = Vec::new();
    for entry in fs::read_dir(folder.unwrap_or(Path::new(".")))? {
        let entry = entry?;
        if is_earlier(entry.file_name().as_bytes(), &name) && entry.file_type()?.is_file() {
            all.push(path.with_file_name(entry.file_name()));
        }
    }
    Ok(all)
}

fn is_earlier(name: &[u8], of: &Name<'_>) -> bool {
    stamp(name, of).is_some()
}

/// What stands for the time in the name of an earlier file.
fn stamp<'a>(name: &'a [u8], of: &Name<'_>) -> Option<&'a [u8]> {
    let stamp = name
        .strip_prefix(of.stem)?
        .strip_prefix(b".")?
        .strip_suffix(of.suffix)?;
    let is_stamp = stamp.len() == STAMP_BYTES
        && stamp.iter().enumerate().all(|(at, byte)| match at {
            8 => *byte == b'T',
            18 => *byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    is_stamp.then_some(stamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_goes_before_what_says_what_it_is() {
        let at: Timestamp = "2026-11-23T03:22:50.123456789Z".parse().unwrap();
        for (path, wanted) in [
            ("/v/f.ndjson", "/v/f.20261123T032250123Z.ndjson"),
            ("f.ndjson.zst", "f.20261123T032250123Z.ndjson.zst"),
            ("f.zst", "f.20261123T032250123Z.zst"),
            ("f", "f.20261123T032250123Z"),
            (".f", ".f.20261123T032250123Z"),
            ("a.b.json", "a.b.20261123T032250123Z.json"),
        ] {
            let to = earlier(Path::new(path), at);
            assert_eq!(to, Path::new(wanted));
            let name = cut(Path::new(path).file_name().unwrap());
            assert!(is_earlier(to.file_name().unwrap().as_bytes(), &name));
        }
    }

    /// The clock is set back, and of what came within a millisecond the first is gone already.
    #[test]
    fn names_sort_in_the_order_of_putting_away_whatever_the_clock_says() {
        let dir = std::env::temp_dir().join(format!("forktrace-names-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let path = dir.join("f.ndjson");
        let clock = [
            "2026-11-23T03:22:50.123Z",
            "2026-11-23T03:22:50.123Z",
            "2026-11-23T03:22:50.123Z",
            "2026-11-23T02:00:00Z",
            "2026-11-23T03:22:50.125Z",
            "2026-11-23T03:22:51Z",
        ];
        let mut names = Vec::new();
        for now in clock {
            fs::write(&path, "").unwrap();
            names.push(put_away(&path, now.parse().unwrap()).unwrap());
            remove_oldest(&path, 1).unwrap();
            assert_eq!(earlier_files(&path).unwrap(), names[names.len() - 1..]);
        }
        assert!(names.is_sorted(), "{names:?}");
        assert!(names[5].ends_with("f.20261123T032251000Z.ndjson"));
        // A name at the end of time leaves the clock's.
        fs::write(dir.join("f.99991230T220000999Z.ndjson"), "").unwrap();
        fs::write(dir.join("f.20261399T220000999Z.ndjson"), "").unwrap();
        fs::write(&path, "").unwrap();
        put_away(&path, Timestamp::now()).unwrap();
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn the_one_after_a_file_is_found_though_that_was_renamed_or_removed() {
        let dir = std::env::temp_dir().join(format!("forktrace-after-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let path = dir.join("f.ndjson");
        let now = Timestamp::now();
        let mut files = Vec::new();
        for _ in 0..3 {
            fs::write(&path, "").unwrap();
            let file = File::open(&path).unwrap();
            files.push((file, put_away(&path, now).unwrap()));
        }
        let after = |n: usize| next_earlier(&path, &files[n].0);
        assert_eq!(after(0).as_ref(), Some(&files[1].1));
        assert_eq!(after(1).as_ref(), Some(&files[2].1));
        assert_eq!(after(2), None);
        remove_oldest(&path, 1).unwrap();
        assert_eq!(after(0).as_ref(), Some(&files[2].1));
        // Renamed by somebody else.
        fs::rename(&files[2].1, dir.join("elsewhere")).unwrap();
        assert_eq!(after(2), None);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn other_files_are_not_its_earlier_ones() {
        let name = cut(OsStr::new("f.ndjson"));
        for other in [
            "f.ndjson",
            "f.20261123T032250123Z.ndjson.zst",
            "g.20261123T032250123Z.ndjson",
            "f.2026-11-23.ndjson",
            "f.x0261123T032250123Z.ndjson",
            "f.20261123T032250123Z.bak.ndjson",
        ] {
            assert!(!is_earlier(other.as_bytes(), &name), "{other}");
        }
    }
}
