//! The processes of a cgroup and of all below it, by the files that list them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Folders that are looked into at most, and processes that are told.
const MOST: usize = 4096;

/// Of the cgroup with this folder; `None` where there is none.
pub(super) fn of(folder: &Path) -> Option<Vec<u32>> {
    let mut folders = vec![folder.to_owned()];
    let mut pids: Vec<u32> = Vec::new();
    let mut at = 0;
    while let Some(folder) = folders.get(at).cloned() {
        at += 1;
        match fs::read_to_string(folder.join("cgroup.procs")) {
            Ok(text) => pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok())),
            Err(error) if at == 1 && error.kind() == io::ErrorKind::NotFound => return None,
            // Threaded ones have no list of processes.
            Err(_) => {}
        }
        if folders.len() < MOST {
            folders.extend(below(&folder));
        }
    }
    pids.truncate(MOST);
    Some(pids)
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}
