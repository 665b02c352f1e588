//! Removing cgroups.

use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// Removes a cgroup of the selftest's own with what still lives in it. A
/// cgroup is busy until the last task in it is gone, hence the time.
pub fn remove(folder: &Path, patience: Duration) -> io::Result<()> {
    let end = Instant::now() + patience;
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
            // SAFETY: plain integers; in this cgroup there are only processes
            // of the selftest's own.
            unsafe { libc::kill(pid, libc::SIGKILL) };
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
