//! The oracle: what the kernel's checks answered, call by call, seen without forktrace.
//!
//! It is the kernel's own tracer (tracefs), with probes at the checks themselves. Its lines are read
//! after each phase ([`line`]), put together to the story of each creation ([`derive`]), and a
//! creation that failed becomes a [`Refusal`]. Of forktrace it uses the parser of the kernel's
//! types, to know where fields lie, and nothing else.

pub(super) mod derive;
pub(super) mod line;
mod probes;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use derive::{Seen, Story};
use forktrace::btf::Btf;
use forktrace::provoke::sys;

pub(super) use derive::{Owner, Refusal};

/// Where it mounts tracefs: in a mount namespace that only the harness and what it starts are in.
const MOUNT: &str = "/run/torture-tracefs";
const INSTANCE: &str = "instances/torture";
/// KiB of each processor's buffer: a phase has to fit in.
const BUFFER: u64 = 24 << 10;

/// The probes, in place.
pub(super) struct Oracle {
    instance: PathBuf,
    pipe: File,
    /// Which probes this kernel has taken.
    has: Vec<&'static str>,
    stories: HashMap<u32, Story>,
    /// Thread ids and their processes.
    processes: HashMap<u32, u32>,
    missed: HashMap<String, u64>,
}

/// What the oracle has observed since the last look.
#[derive(Default)]
pub(super) struct Observed {
    pub refusals: Vec<Refusal>,
    /// Creations that a probe may have been silent about.
    pub gaps: u64,
    /// Creations that failed with another errno.
    pub others: u64,
}

impl Oracle {
    /// Sets the probes.
    pub(super) fn new() -> Result<Self> {
        let mount = Path::new(MOUNT);
        fs::create_dir_all(mount)?;
        sys::mount("tracefs", mount, "tracefs", "")?;
        let instance = mount.join(INSTANCE);
        fs::create_dir(&instance).context("an instance of tracefs")?;
        write(&instance.join("trace_clock"), "mono")?;
        write(&instance.join("buffer_size_kb"), &BUFFER.to_string())?;
        let btf = Btf::from_sys().context("the kernel's types")?;
        let mut has = Vec::new();
        for probe in probes::all(&btf) {
            // The first form that this kernel takes.
            let taken = probe
                .forms
                .iter()
                .any(|form| append(&mount.join("kprobe_events"), form).is_ok());
            if !taken {
                anyhow::ensure!(
                    !probe.needed,
                    "no probe at {}: {:?}",
                    probe.name,
                    probe.forms
                );
                continue;
            }
            let folder = instance.join("events/torture").join(probe.name);
            if let Some(filter) = probe.filter {
                write(&folder.join("filter"), filter)?;
            }
            write(&folder.join("enable"), "1")?;
            has.push(probe.name);
        }
        let pipe = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(instance.join("trace_pipe"))
            .context("open trace_pipe")?;
        Ok(Self {
            instance,
            pipe,
            has,
            stories: HashMap::new(),
            processes: HashMap::new(),
            missed: HashMap::new(),
        })
    }

    /// Which probes there are.
    pub(super) fn probes(&self) -> &[&'static str] {
        &self.has
    }

    /// The process of a thread, where the oracle has seen it begin.
    pub(super) fn process(&self, tid: u32) -> u32 {
        self.processes.get(&tid).copied().unwrap_or(tid)
    }

    /// Everything since the last look.
    pub(super) fn look(&mut self) -> Result<Observed> {
        let mut observed = Observed::default();
        let text = self.read()?;
        for line in text.lines() {
            let Some(event) = line::parse(line) else {
                // trace_pipe says in words what it had to drop.
                if line.contains("LOST") {
                    println!("ORACLE\t{line}");
                    observed.gaps += 1;
                }
                continue;
            };
            let has_overlimit = self.has.contains(&"over");
            let story = self.stories.entry(event.tid).or_default();
            match story.take(&event, has_overlimit) {
                Seen::Nothing => {}
                Seen::Born { tid, process } => {
                    self.processes.insert(tid, process);
                }
                Seen::Refused(mut refusal) => {
                    refusal.process = self.process(refusal.tid);
                    observed.refusals.push(*refusal);
                }
                Seen::Other => observed.others += 1,
            }
        }
        let missed = self.misses();
        for (name, count) in &missed {
            let before = self.missed.insert(name.clone(), *count).unwrap_or(0);
            // Silent, it leaves the owner undecided, and nothing else.
            if *count > before && name != "refuser" {
                println!("ORACLE\tmissed {} of {name}", count - before);
                observed.gaps += count - before;
            }
        }
        Ok(observed)
    }

    fn read(&mut self) -> Result<String> {
        let mut bytes = Vec::new();
        let mut part = vec![0; 1 << 16];
        loop {
            match self.pipe.read(&mut part) {
                Ok(0) => break,
                Ok(n) => bytes.extend_from_slice(&part[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("read trace_pipe"),
            }
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// How often each probe of ours had no place to run.
    fn misses(&self) -> Vec<(String, u64)> {
        let path = Path::new(MOUNT).join("kprobe_profile");
        let profile = fs::read_to_string(path).unwrap_or_default();
        let of_ours = profile.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next().filter(|name| self.has.contains(name))?;
            Some((name.to_owned(), words.nth(1)?.parse().ok()?))
        });
        of_ours.collect()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // Best effort: the machine, or at least the mount namespace, ends with the harness.
        let _ = write(&self.instance.join("events/torture/enable"), "0");
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {text:?} to {}", path.display()))
}

fn append(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = OpenOptions::new().append(true).open(path)?;
    file.write_all(format!("{text}\n").as_bytes())
}
