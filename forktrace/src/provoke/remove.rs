//! Removing cgroups.

use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::sys::{self, Signal};

/// How long tasks that were killed may stay: a cgroup is busy until the last is gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Removes a cgroup of one's own with what still lives in it.
///
/// # Errors
/// What lives there doesn't end.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let error = match fs::remove_dir(folder) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => error,
        };
        if Instant::now() >= end {
            return Err(error);
        }
        for pid in tasks(folder) {
            sys::kill(pid, Signal::KILL);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn tasks(folder: &Path) -> Vec<i32> {
    let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    // 0 is a process of another pid namespace, and would be the own group.
    text.lines()
        .filter_map(|l| l.parse().ok())
        .filter(|pid| *pid > 0)
        .collect()
}
