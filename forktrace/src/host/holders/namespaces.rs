//! Which user and pid namespaces lie within which.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use super::proc::Proc;

/// Namespaces that are remembered; a host with more is one that makes them for
/// nothing.
const REMEMBERED: usize = 4096;

/// Levels that are followed: `MAX_PID_NS_LEVEL` and user namespaces' own limit
/// are 32 (include/linux/pid_namespace.h, kernel/user_namespace.c).
const LEVELS: usize = 34;

/// The namespace above one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Above {
    /// Its inode number.
    pub inum: u32,
    /// For a user namespace, who created the one below.
    pub owner: u32,
}

/// What has been asked about the namespaces of one kind during one count. A
/// namespace's parent never changes, but its number is given away again.
#[derive(Debug)]
pub(super) struct Namespaces {
    kind: &'static str,
    above: HashMap<u32, Option<Above>>,
}

impl Namespaces {
    /// `kind` is `user` or `pid`.
    pub(super) fn new(kind: &'static str) -> Self {
        Self {
            kind,
            above: HashMap::new(),
        }
    }

    /// Where a process is: its namespace, and those above it as far as this
    /// process may look. None when the process is gone.
    pub(super) fn of(&mut self, proc: &mut Proc, pid: u32) -> Option<(u32, Vec<Above>)> {
        let own = proc.namespace(pid, self.kind)?;
        let mut chain = Vec::new();
        let mut at = own;
        // Opened only where something isn't known yet.
        let mut file: Option<File> = None;
        while chain.len() < LEVELS {
            let above = match self.above.get(&at) {
                Some(above) => {
                    file = None;
                    *above
                }
                None => {
                    let open = match file.take() {
                        Some(file) => Some(file),
                        None if at == own => File::open(proc.namespace_file(pid, self.kind)).ok(),
                        // A parent that was forgotten; never, while it is remembered.
                        None => None,
                    };
                    let found = open.and_then(|f| parent(&f, self.kind == "user"));
                    let above = found.as_ref().map(|(_, above)| *above);
                    file = found.map(|(file, _)| file);
                    if self.above.len() < REMEMBERED {
                        self.above.insert(at, above);
                    }
                    above
                }
            };
            let Some(above) = above else { break };
            chain.push(above);
            at = above.inum;
        }
        Some((own, chain))
    }

    #[cfg(test)]
    pub(super) fn remember(&mut self, below: u32, above: Option<Above>) {
        self.above.insert(below, above);
    }
}

/// `_IO(0xb7, 2)` and `_IO(0xb7, 4)` of include/uapi/linux/nsfs.h (4.9, 4.11).
const NS_GET_PARENT: libc::c_ulong = 0xb702;
const NS_GET_OWNER_UID: libc::c_ulong = 0xb704;

/// The namespace above that of the file. `None` for the initial one, and where
/// it lies outside of this process's own.
fn parent(of: &File, with_owner: bool) -> Option<(File, Above)> {
    let mut owner: libc::uid_t = u32::MAX;
    if with_owner {
        // SAFETY: the descriptor is open, and the kernel writes one uid_t.
        let answer = unsafe { libc::ioctl(of.as_raw_fd(), NS_GET_OWNER_UID as _, &raw mut owner) };
        if answer < 0 {
            return None;
        }
    }
    // SAFETY: takes no argument and answers a new descriptor.
    let fd = unsafe { libc::ioctl(of.as_raw_fd(), NS_GET_PARENT as _) };
    if fd < 0 {
        return None;
    }
    // SAFETY: nobody else has this descriptor.
    let file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    let inum = u32::try_from(file.metadata().ok()?.ino()).ok()?;
    Some((file, Above { inum, owner }))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn this_process_and_chains() {
        let mut proc = Proc::new(PathBuf::from("/proc"));
        for kind in ["user", "pid"] {
            let mut all = Namespaces::new(kind);
            let own = std::process::id();
            let (inum, chain) = all.of(&mut proc, own).unwrap();
            assert_eq!(Some(inum), proc.namespace(own, kind));
            // Nobody may look above his own namespace.
            assert_eq!(chain, []);
            let above = |inum| Some(Above { inum, owner: 7 });
            all.remember(inum, above(1));
            all.remember(1, above(2));
            all.remember(2, None);
            let (_, chain) = all.of(&mut proc, own).unwrap();
            assert_eq!(chain.iter().map(|a| a.inum).collect::<Vec<_>>(), [1, 2]);
            // Not even a ring of them.
            all.remember(2, above(1));
            assert_eq!(all.of(&mut proc, own).unwrap().1.len(), LEVELS);
            assert_eq!(all.of(&mut proc, u32::MAX), None);
        }
    }
}
