//! The tasks of a cgroup and of all below it.
//!
//! The kernel lists them by cgroup, one system call for a few hundred ids; to
//! look at every process of the host for its cgroup would take longer the more
//! others there are. What has ended is in no such list.

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::proc::number;
use crate::host::cgroup::{Version, folders};

/// Ids that are read at most: no host has more (`PID_MAX_LIMIT`).
const MOST: usize = 4 << 20;

/// Which tasks live in a cgroup's subtree.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Thread ids, ascending, with the index of their folder.
    tasks: Vec<(u32, u32)>,
    folders: Vec<PathBuf>,
}

impl Members {
    /// Reads the lists below a folder. `None` when it is gone, when there is no
    /// memory for them, or when there are too many.
    pub(super) fn read(top: &Path, version: Version) -> Option<Self> {
        let file = match version {
            Version::V1 => "tasks",
            Version::V2 => "cgroup.threads",
        };
        let mut members = Self::default();
        let mut whole = top.is_dir();
        folders(top, |folder, _| {
            whole &= members.add(folder, file);
            if whole {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })
        .ok()?;
        members.tasks.sort_unstable();
        whole.then_some(members)
    }

    /// Adds a folder's tasks; false when there is no room for them.
    fn add(&mut self, folder: &Path, file: &str) -> bool {
        let Ok(mut file) = File::open(folder.join(file)) else {
            // It has been removed: nobody was in it.
            return true;
        };
        let (before, index) = (self.tasks.len(), self.folders.len() as u32);
        let mut buffer = [0; 8192];
        let mut kept = 0;
        loop {
            let filled = match file.read(&mut buffer[kept..]) {
                Ok(0) => kept,
                Ok(n) => kept + n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let end = filled == kept;
            let text = &buffer[..filled];
            // The last line may go on in the next part.
            let lines = if end {
                filled
            } else {
                memchr::memrchr(b'\n', text).map_or(0, |at| at + 1)
            };
            let mut room = true;
            for line in text[..lines].split(|&b| b == b'\n') {
                // 0: somebody whom this pid namespace doesn't see.
                if let Some(tid) = number(line).filter(|tid| *tid != 0) {
                    room &= self.tasks.len() < MOST && self.tasks.try_reserve(1).is_ok();
                    if room {
                        self.tasks.push((tid, index));
                    }
                }
            }
            if !room {
                return false;
            }
            // No number is as long as the buffer.
            if end || (lines == 0 && filled == buffer.len()) {
                break;
            }
            buffer.copy_within(lines..filled, 0);
            kept = filled - lines;
        }
        if self.tasks.len() > before {
            self.folders.push(folder.to_owned());
        }
        true
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// The thread id at an index, and its folder.
    pub(super) fn get(&self, index: usize) -> Option<(u32, &Path)> {
        let (tid, folder) = self.tasks.get(index)?;
        Some((*tid, self.folders.get(*folder as usize)?))
    }

    /// The index of a thread id.
    pub(super) fn find(&self, tid: u32) -> Option<usize> {
        self.tasks.binary_search_by_key(&tid, |(tid, _)| *tid).ok()
    }
}
