//! Ids below 300 of the host: given out once, at boot, and never again (kernel/pid.c `alloc_pid`), so that
//! they are no part of what kernel.pid_max bounds. What has them, kernel threads and init, lives on.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::evidence::RESERVED_PIDS;

/// Counted again after this: it takes a third of a millisecond.
const FRESH: Duration = Duration::from_secs(60);

/// How many of them are in use.
#[derive(Debug)]
pub struct FirstIds {
    proc: PathBuf,
    counted: Instant,
    in_use: u64,
}

impl FirstIds {
    /// By what is mounted at this path.
    pub fn new(proc: PathBuf) -> Self {
        let in_use = count(&proc);
        Self {
            proc,
            counted: Instant::now(),
            in_use,
        }
    }

    /// As counted within the last minute.
    pub fn in_use(&mut self) -> u64 {
        if self.counted.elapsed() >= FRESH {
            *self = Self::new(std::mem::take(&mut self.proc));
        }
        self.in_use
    }
}

/// A thread's id has a folder as well, though it isn't listed.
fn count(proc: &std::path::Path) -> u64 {
    let there = |id: &u64| fs::symlink_metadata(proc.join(id.to_string())).is_ok();
    (1..RESERVED_PIDS).filter(there).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_there() {
        let root = std::env::temp_dir().join(format!("forktrace-first-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for name in ["1", "7", "299", "300", "4000", "self"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        assert_eq!(FirstIds::new(root.clone()).in_use(), 3);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(FirstIds::new(root).in_use(), 0);
        assert!(FirstIds::new(PathBuf::from("/proc")).in_use() > 0);
    }
}
