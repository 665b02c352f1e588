//! Cgroups with a limit of tasks, on hierarchies of either version.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// All of the probe's are below this one, at the top of the hierarchy.
const OURS: &str = "forktrace-programs";

/// A cgroup of its own for what is run; ends everything in it when dropped.
pub(super) struct Cgroup {
    folder: PathBuf,
    path: String,
}

impl Cgroup {
    /// With this many tasks at most.
    pub(super) fn new(name: &str, limit: u64) -> Result<Self> {
        let top = top()?;
        let ours = top.join(OURS);
        fs::create_dir_all(&ours).with_context(|| format!("creating {}", ours.display()))?;
        // In v2 each level hands the controller on.
        for folder in [&top, &ours] {
            let hand_on = folder.join("cgroup.subtree_control");
            if hand_on.exists() {
                let _ = fs::write(&hand_on, "+pids");
            }
        }
        let cgroup = Self {
            folder: ours.join(name),
            path: format!("/{OURS}/{name}"),
        };
        // Of a run that was killed.
        cgroup.empty();
        let _ = fs::remove_dir(&cgroup.folder);
        fs::create_dir(&cgroup.folder)
            .with_context(|| format!("creating {}", cgroup.folder.display()))?;
        cgroup.limit(limit)?;
        Ok(cgroup)
    }

    /// As forktrace names it.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Where a process joins.
    pub(super) fn procs(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    pub(super) fn limit(&self, tasks: u64) -> Result<()> {
        let file = self.folder.join("pids.max");
        fs::write(&file, tasks.to_string()).with_context(|| format!("writing {}", file.display()))
    }

    pub(super) fn tasks(&self) -> Result<u64> {
        Ok(self.read("pids.current")?.trim().parse()?)
    }

    /// How often its limit has refused.
    pub(super) fn refused(&self) -> Result<u64> {
        let events = self.read("pids.events")?;
        let max = events.lines().find_map(|line| line.strip_prefix("max "));
        Ok(max.context("pids.events has no max")?.trim().parse()?)
    }

    fn read(&self, name: &str) -> Result<String> {
        let file = self.folder.join(name);
        fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))
    }

    /// Ends every process in it.
    fn empty(&self) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            let procs = fs::read_to_string(self.procs()).unwrap_or_default();
            let pids: Vec<i32> = procs.lines().filter_map(|pid| pid.parse().ok()).collect();
            if pids.is_empty() {
                return;
            }
            for pid in pids.into_iter().filter(|pid| *pid > 1) {
                // SAFETY: kill has no preconditions; the process is in a cgroup of the probe's own.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.empty();
        // Zombies are in it until they are waited for.
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() {
                break;
            }
            sleep(Duration::from_millis(20));
        }
    }
}

/// Removes what all of the probe's were below.
pub(super) fn tidy() {
    if let Ok(top) = top() {
        let _ = fs::remove_dir(top.join(OURS));
    }
}

/// Where the hierarchy with the pids controller is mounted.
fn top() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("reading the mounts")?;
    let top = mounts.lines().find_map(|line| {
        let (place, filesystem) = line.split_once(" - ")?;
        let mut words = filesystem.split(' ');
        let (kind, options) = (words.next()?, words.nth(1)?);
        let point = PathBuf::from(place.split(' ').nth(4)?);
        let has = match kind {
            "cgroup" => options.split(',').any(|option| option == "pids"),
            "cgroup2" => controls_pids(&point),
            _ => false,
        };
        has.then_some(point)
    });
    top.context("no mounted cgroup hierarchy has the pids controller")
}

fn controls_pids(point: &Path) -> bool {
    let controllers = fs::read_to_string(point.join("cgroup.controllers")).unwrap_or_default();
    controllers.split_whitespace().any(|name| name == "pids")
}
