//! The BPF scheduler that is loaded (/sys/kernel/sched_ext, 6.12+).

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use crate::evidence::SchedExt;

/// Bytes of a scheduler's name (include/linux/sched/ext.h `SCX_OPS_NAME_LEN`).
const NAME_BYTES: usize = 128;

/// A failure is looked into within milliseconds, on a busy host some more.
const JUST_NOW: Duration = Duration::from_secs(1);

/// The scheduler that refuses may be gone again by the time that it is looked for.
#[derive(Default)]
pub struct Schedulers {
    last: Option<(Instant, SchedExt)>,
}

impl Schedulers {
    /// What is loaded, or was when this was last asked, a moment ago. `None` where
    /// the kernel has no such schedulers, or /sys doesn't show them.
    pub fn just_now(&mut self) -> Option<SchedExt> {
        let read = read(Path::new("/sys/kernel/sched_ext"))?;
        Some(self.or_last(read, Instant::now()))
    }

    fn or_last(&mut self, read: SchedExt, now: Instant) -> SchedExt {
        if read.enabled {
            self.last = Some((now, read.clone()));
            return read;
        }
        match &self.last {
            Some((then, last)) if now.duration_since(*then) < JUST_NOW => last.clone(),
            _ => read,
        }
    }
}

fn read(folder: &Path) -> Option<SchedExt> {
    let state = fs::read_to_string(folder.join("state")).ok()?;
    // The root scheduler's folder is there while it is loaded.
    let name = fs::read(folder.join("root/ops")).ok();
    let name = name.map(|bytes| {
        let text = String::from_utf8_lossy(bytes.trim_ascii()).into_owned();
        text.chars().take(NAME_BYTES).collect::<String>()
    });
    Some(SchedExt {
        enabled: state.trim() == "enabled",
        name: name.filter(|name| !name.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_was_there_a_moment_ago_still_counts() {
        let loaded = SchedExt {
            enabled: true,
            name: Some("simple".to_owned()),
        };
        let gone = SchedExt::default;
        let (mut schedulers, start) = (Schedulers::default(), Instant::now());
        let mut at =
            |read: SchedExt, ms| schedulers.or_last(read, start + Duration::from_millis(ms));
        assert_eq!(at(gone(), 0), gone());
        assert_eq!(at(loaded.clone(), 100), loaded);
        assert_eq!(at(gone(), 900), loaded);
        assert_eq!(at(gone(), 1100), gone());
        assert_eq!(at(gone(), 1900), gone());
    }

    #[test]
    fn reads_what_the_kernel_shows() {
        let folder =
            std::env::temp_dir().join(format!("forktrace-sched-ext-{}", std::process::id()));
        assert_eq!(read(&folder), None);
        fs::create_dir_all(folder.join("root")).unwrap();
        fs::write(folder.join("state"), "disabled\n").unwrap();
        assert_eq!(read(&folder), Some(SchedExt::default()));
        fs::write(folder.join("state"), "enabled\n").unwrap();
        fs::write(folder.join("root/ops"), "simple\n").unwrap();
        let loaded = read(&folder).unwrap();
        assert!(loaded.enabled);
        assert_eq!(loaded.name.as_deref(), Some("simple"));
        fs::remove_dir_all(folder).unwrap();
    }
}
