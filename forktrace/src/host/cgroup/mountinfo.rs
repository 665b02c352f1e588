//! /proc/PID/mountinfo, as far as cgroups go (proc_pid_mountinfo(5)).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::{Controller, Hierarchy, Mount};
use crate::order::Order as _;

/// The mounts of cgroup hierarchies, those that show most of it first.
pub(super) fn parse(text: &[u8]) -> Vec<(Hierarchy, Mount)> {
    let mut mounts: Vec<(Hierarchy, Mount)> = Vec::new();
    for line in text.split(|&b| b == b'\n') {
        let Some((hierarchies, mount)) = parse_line(line) else {
            continue;
        };
        // A later mount at the same place hides the earlier one, whatever it
        // was of.
        mounts.retain(|(_, earlier)| earlier.point != mount.point);
        mounts.extend(hierarchies.into_iter().map(|h| (h, mount.clone())));
    }
    // Stable: of equals, the first mounted.
    mounts.order_by_key(|(_, mount)| mount.root.components().count());
    mounts
}

/// `31 23 0:28 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw`:
/// id, parent, device, root, mount point, options, any number of tags, a
/// dash, type, source, options of the file system.
fn parse_line(line: &[u8]) -> Option<(Vec<Hierarchy>, Mount)> {
    let mut words = line.split(|&b| b == b' ');
    let root = words.nth(3)?;
    let point = words.next()?;
    let mut words = words.skip(1).skip_while(|word| *word != b"-").skip(1);
    let kind = words.next()?;
    let options = words.nth(1).unwrap_or_default();
    let hierarchies = match kind {
        b"cgroup2" => vec![Hierarchy::V2],
        b"cgroup" => options
            .split(|&b| b == b',')
            .filter_map(|option| match option {
                b"pids" => Some(Controller::Pids),
                b"memory" => Some(Controller::Memory),
                b"name=systemd" => Some(Controller::Systemd),
                _ => None,
            })
            .map(Hierarchy::V1)
            .collect(),
        _ => Vec::new(),
    };
    let mount = Mount {
        root: path(root),
        point: path(point),
    };
    mount.point.is_absolute().then_some((hierarchies, mount))
}

fn path(word: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(decode(word)))
}

/// Space, tab, newline, backslash and `#` are written as a backslash and three
/// octal digits. Anything else after a backslash stays as it is.
fn decode(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&first, after)) = rest.split_first() {
        if let [
            b'\\',
            a @ b'0'..=b'3',
            b @ b'0'..=b'7',
            c @ b'0'..=b'7',
            after @ ..,
        ] = rest
        {
            out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = after;
        } else {
            out.push(first);
            rest = after;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_escapes() {
        assert_eq!(decode(br"/a\040b\134c\011"), b"/a b\\c\t");
        assert_eq!(decode(br"/\04"), br"/\04");
        assert_eq!(decode(br"\999\400"), br"\999\400");
        assert_eq!(decode(br"\377\"), b"\xff\\");
    }

    #[test]
    fn lines_that_are_none() {
        for line in [
            "",
            "1",
            "1 2 3 4",
            "1 2 3 / /x rw",
            "1 2 3 / /x rw -",
            "1 2 3 / x rw - cgroup2 none rw",
            "- - - - - -",
        ] {
            assert_eq!(parse_line(line.as_bytes()), None, "{line:?}");
        }
        // Without the file system's options, and with several tags.
        let (hierarchies, mount) =
            parse_line(b"1 2 3 / /x rw shared:1 master:2 - cgroup2").unwrap();
        assert_eq!(hierarchies, [Hierarchy::V2]);
        assert_eq!(mount.point, PathBuf::from("/x"));
        // A tag is no type.
        let other = parse_line(b"1 2 3 / /x rw cgroup2 - ext4 /dev/x rw").unwrap();
        assert!(other.0.is_empty());
    }
}
