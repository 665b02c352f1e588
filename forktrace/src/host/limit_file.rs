//! What the file of a limit says now: it may have been changed since the limit refused.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::cgroup::is_cgroup;
use crate::model::{CgroupOwner, Limit, LimitKind, Owner};

/// cgroup v1 has no word for "no limit", but the largest number of whole pages.
const UNLIMITED_V1: u64 = 1 << 62;

/// The limit as its file has it; `Some(None)`: there is none. `None` where the limit has no file that
/// holds nothing else, or it can't be read. `in_pid_namespace`: kernel.pid_max may be that of this
/// process's pid namespace.
pub fn current(limit: &Limit, in_pid_namespace: bool) -> Option<Option<u64>> {
    let is_its_own = match &limit.kind {
        LimitKind::PidMax => limit.owner == Owner::Host && !in_pid_namespace,
        LimitKind::PidsMax
        | LimitKind::MemoryMax
        | LimitKind::MemoryLimit
        | LimitKind::KernelMemoryLimit
        | LimitKind::ThreadsMax
        | LimitKind::FileMax
        | LimitKind::MaxMapCount
        | LimitKind::NrOpen => true,
        _ => false,
    };
    if !is_its_own || matches!(limit.owner, Owner::Cgroup(_)) && cgroup_folder(limit).is_none() {
        return None;
    }
    parse(&first_bytes(limit.file.as_deref()?).ok()?)
}

/// The folder of a cgroup's limit, if it is still that cgroup's, as far as its id is known.
pub fn cgroup_folder(limit: &Limit) -> Option<&Path> {
    let folder = Path::new(limit.file.as_deref()?).parent()?;
    let is_there = match &limit.owner {
        Owner::Cgroup(CgroupOwner { id: Some(id), .. }) => is_cgroup(folder, *id),
        _ => folder.is_dir(),
    };
    is_there.then_some(folder)
}

/// More than any number has; /proc and cgroups give it in one piece.
fn first_bytes(file: &str) -> io::Result<String> {
    let mut buffer = [0; 32];
    let length = File::open(file)?.read(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

fn parse(text: &str) -> Option<Option<u64>> {
    match text.trim() {
        "max" => Some(None),
        number => {
            let number: u64 = number.parse().ok()?;
            Some((number < UNLIMITED_V1).then_some(number))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Unit;

    #[test]
    fn what_a_file_says() {
        for (text, wanted) in [
            ("max\n", Some(None)),
            ("64\n", Some(Some(64))),
            ("9223372036854771712\n", Some(None)),
            ("", None),
            ("-1\n", None),
            ("many", None),
        ] {
            assert_eq!(parse(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_cgroup_that_was_made_again_is_another() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = std::env::temp_dir().join(format!("forktrace-again-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("pids.max");
        std::fs::write(&file, "7\n").unwrap();
        let id = std::fs::metadata(&folder).unwrap().ino();
        let of = |id| {
            let owner = Owner::Cgroup(CgroupOwner {
                path: Some("/a".to_owned()),
                id,
            });
            let limit = Limit {
                file: Some(file.display().to_string()),
                ..Limit::new(LimitKind::PidsMax, owner, Unit::Tasks)
            };
            (current(&limit, false), cgroup_folder(&limit).is_some())
        };
        assert_eq!(of(Some(id)), (Some(Some(7)), true));
        assert_eq!(of(None), (Some(Some(7)), true));
        assert_eq!(of(Some(id + 1)), (None, false));
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(of(Some(id)), (None, false));
    }

    #[test]
    fn the_files_of_this_host() {
        let of = |kind, owner, file: &str, in_pid_namespace| {
            let limit = Limit {
                file: Some(file.to_owned()),
                ..Limit::new(kind, owner, Unit::Tasks)
            };
            current(&limit, in_pid_namespace)
        };
        let threads = "/proc/sys/kernel/threads-max";
        let number = of(LimitKind::ThreadsMax, Owner::Host, threads, false).flatten();
        assert!(number.is_some_and(|number| number >= 20), "{number:?}");
        let pid_max = |owner, in_pid_namespace| {
            of(
                LimitKind::PidMax,
                owner,
                "/proc/sys/kernel/pid_max",
                in_pid_namespace,
            )
        };
        assert!(pid_max(Owner::Host, false).is_some());
        assert_eq!(pid_max(Owner::Host, true), None);
        assert_eq!(pid_max(Owner::PidNamespace { inum: 7 }, false), None);
        // /proc/PID/limits has all of a process's.
        assert_eq!(
            of(LimitKind::RlimitNproc, Owner::user(7), threads, false),
            None
        );
        let gone = Owner::cgroup("/gone");
        assert_eq!(
            of(
                LimitKind::PidsMax,
                gone,
                "/sys/fs/cgroup/gone/pids.max",
                false
            ),
            None
        );
    }
}
