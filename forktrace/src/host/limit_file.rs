//! What the file of a limit says now: it may have been changed since the limit refused.

use std::{
    fs::File,
    io::{self, Read},
};

use crate::model::{Limit, LimitKind, Owner};

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
    if !is_its_own {
        return None;
    }
    parse(&first_bytes(limit.file.as_deref()?).ok()?)
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
