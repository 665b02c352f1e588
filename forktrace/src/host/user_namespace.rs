//! Which user namespaces there are: their parents, and who owns them.
//!
//! Since Linux 5.14 tasks are counted by user namespace and uid, and with each
//! namespace's owner too (kernel/ucount.c `inc_rlimit_ucounts`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::process::Status;
use crate::model::initial;

/// Inode number of the initial user namespace.
pub const INITIAL: u64 = initial::USER as u64;

/// ioctl_ns(2): `_IO(0xb7, 2)` and `_IO(0xb7, 4)`.
const NS_GET_PARENT: libc::c_ulong = 0xb702;
const NS_GET_OWNER_UID: libc::c_ulong = 0xb704;

/// One namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// `None` for the outermost that this process may see.
    pub parent: Option<u64>,
    /// The uid that created it.
    pub owner: Option<u32>,
}

/// Namespaces by inode number, and whose process is in which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserNamespaces {
    /// This process's own.
    pub own: u64,
    /// Each namespace that a process is in, or that lies above one, by inode number.
    pub all: BTreeMap<u64, Namespace>,
    /// By pid. A process that may not be looked at is in none.
    pub of: BTreeMap<u32, u64>,
    /// Of those, pids that aren't in this process's own, by their uid maps.
    pub elsewhere: BTreeSet<u32>,
}

impl UserNamespaces {
    /// Those of these processes. Without the privilege to trace a process,
    /// its namespace is known by its uid map, when that is the caller's own; with
    /// another map it is in another.
    pub fn read(proc: &Path, processes: &[Status]) -> io::Result<Self> {
        let own = fs::metadata(proc.join("self/ns/user"))?.ino();
        let own_map = fs::read(proc.join("self/uid_map")).unwrap_or_default();
        let mut found = Self {
            own,
            ..Self::default()
        };
        for process in processes {
            let folder = proc.join(process.pid.to_string());
            let path = folder.join("ns/user");
            let id = match fs::metadata(&path) {
                Ok(meta) => meta.ino(),
                Err(_) => match fs::read(folder.join("uid_map")) {
                    Ok(map) if map == own_map => own,
                    Ok(_) => {
                        found.elsewhere.insert(process.pid);
                        continue;
                    }
                    Err(_) => continue,
                },
            };
            found.of.insert(process.pid, id);
            if !found.all.contains_key(&id) {
                found.add(&path, id);
            }
        }
        Ok(found)
    }

    /// This one and those above it.
    fn add(&mut self, path: &Path, id: u64) {
        let mut at = (id, File::open(path).ok());
        loop {
            let (id, file) = at;
            let above = file.as_ref().and_then(parent);
            let namespace = Namespace {
                parent: above.as_ref().map(|(id, _)| *id),
                owner: file.as_ref().and_then(owner),
            };
            self.all.insert(id, namespace);
            match above {
                Some((id, file)) if !self.all.contains_key(&id) => at = (id, Some(file)),
                _ => return,
            }
        }
    }
}

/// EPERM for what is outside this process's own namespace.
fn parent(namespace: &File) -> Option<(u64, File)> {
    // SAFETY: a request that takes no argument and answers a new descriptor.
    let fd = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_PARENT as _) };
    if fd < 0 {
        return None;
    }
    // SAFETY: the descriptor is new, and nobody else's.
    let file = unsafe { File::from_raw_fd(fd) };
    Some((file.metadata().ok()?.ino(), file))
}

fn owner(namespace: &File) -> Option<u32> {
    let mut uid: libc::uid_t = 0;
    // SAFETY: a live uid_t, which the request fills.
    let answer = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_OWNER_UID as _, &raw mut uid) };
    (answer == 0).then_some(uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::made_up;

    /// Another user's processes, without the privilege to look at them.
    #[test]
    fn who_has_another_map_is_in_another_namespace() {
        let proc = std::env::temp_dir().join(format!("forktrace-userns-{}", std::process::id()));
        let own = "         0          0 4294967295\n";
        for (file, text) in [
            ("self/ns/user", ""),
            ("self/uid_map", own),
            ("7/uid_map", own),
            ("8/uid_map", "         0     100000      65536\n"),
            ("9/status", "ended"),
        ] {
            made_up::write(&proc, file, text);
        }
        let of = |pid| Status {
            pid,
            ..Status::default()
        };
        let found = UserNamespaces::read(&proc, &[7, 8, 9].map(of)).unwrap();
        fs::remove_dir_all(proc).unwrap();
        assert_eq!(found.of, BTreeMap::from([(7, found.own)]));
        assert_eq!(found.elsewhere, BTreeSet::from([8]));
    }

    #[test]
    fn this_process_is_in_its_own() {
        let proc = Path::new("/proc");
        let status = Status::read(proc, std::process::id()).unwrap();
        let found = UserNamespaces::read(proc, std::slice::from_ref(&status)).unwrap();
        assert_eq!(found.of[&status.pid], found.own);
        assert!(found.all.contains_key(&found.own));
        if found.own == INITIAL {
            assert_eq!(found.all[&INITIAL].parent, None);
        }
    }
}
