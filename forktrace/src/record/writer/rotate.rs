//! Names of a recording's earlier files, and which of them are kept.

use std::{
    ffi::{CString, OsStr, OsString},
    fs, io,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use jiff::{Timestamp, tz::TimeZone};

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
pub fn put_away(path: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let mut at = now;
    loop {
        let to = earlier(path, at);
        match rename_new(path, &to) {
            Ok(()) => return Ok(to),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                at = at
                    .checked_add(jiff::SignedDuration::from_millis(1))
                    .map_err(io::Error::other)?;
            }
            Err(error) => return Err(error),
        }
    }
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
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
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
pub fn remove_oldest(path: &Path, keep: usize) -> io::Result<()> {
    let mut all = earlier_files(path)?;
    all.sort();
    let superfluous = all.len().saturating_sub(keep);
    for old in all.drain(..superfluous) {
        fs::remove_file(old)?;
    }
    Ok(())
}

/// Files that [`put_away`] named, in no order.
fn earlier_files(path: &Path) -> io::Result<Vec<PathBuf>> {
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
    let stamp = name
        .strip_prefix(of.stem)
        .and_then(|rest| rest.strip_prefix(b"."))
        .and_then(|rest| rest.strip_suffix(of.suffix));
    stamp.is_some_and(|stamp| {
        stamp.len() == STAMP_BYTES
            && stamp.iter().enumerate().all(|(at, byte)| match at {
                8 => *byte == b'T',
                18 => *byte == b'Z',
                _ => byte.is_ascii_digit(),
            })
    })
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
