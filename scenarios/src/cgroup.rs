//! Cgroups for the scenarios: where the pids controller is, and a tree that
//! goes away when dropped.

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::sys;

/// Where the pids controller and the v2 hierarchy are mounted.
#[derive(Clone, Debug)]
pub struct Hierarchies {
    /// Mount of the hierarchy that the pids controller is in.
    pub pids: PathBuf,
    /// That one is v2.
    pub pids_is_v2: bool,
    /// Path of this process in the v2 hierarchy.
    pub own_unified: Option<String>,
}

impl Hierarchies {
    /// From /proc/self/mountinfo and /proc/self/cgroup.
    pub fn find() -> Result<Self> {
        let mounts = fs::read("/proc/self/mountinfo").context("read /proc/self/mountinfo")?;
        let mut v1 = None;
        let mut v2 = None;
        for line in mounts.split(|b| *b == b'\n') {
            let fields: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
            let Some(dash) = fields.iter().position(|f| *f == b"-") else {
                continue;
            };
            let (Some(at), Some(kind)) = (fields.get(4), fields.get(dash + 1)) else {
                continue;
            };
            let at = PathBuf::from(OsStr::from_bytes(at));
            let options = fields.get(dash + 3).copied().unwrap_or_default();
            if *kind == b"cgroup2" {
                v2 = v2.or(Some(at));
            } else if *kind == b"cgroup" && options.split(|b| *b == b',').any(|o| o == b"pids") {
                v1 = v1.or(Some(at));
            }
        }
        let own = fs::read_to_string("/proc/self/cgroup").context("read /proc/self/cgroup")?;
        let own_v2 = own
            .lines()
            .find_map(|line| line.strip_prefix("0::").map(str::to_owned));
        match (v1, v2) {
            (Some(pids), _) => Ok(Self {
                pids,
                pids_is_v2: false,
                own_unified: own_v2,
            }),
            (None, Some(pids)) => {
                let there = fs::read_to_string(pids.join("cgroup.controllers"))?;
                if !there.split_whitespace().any(|c| c == "pids") {
                    bail!("the pids controller is in no mounted hierarchy");
                }
                Ok(Self {
                    pids,
                    pids_is_v2: true,
                    own_unified: own_v2,
                })
            }
            (None, None) => bail!("no cgroup hierarchy is mounted"),
        }
    }

    /// The hierarchy of the memory controller, in the place of the pids
    /// controller's; `None` where there is none.
    pub fn memory(&self) -> Option<Self> {
        if self.pids_is_v2 {
            let there = fs::read_to_string(self.pids.join("cgroup.controllers")).ok()?;
            return there
                .split_whitespace()
                .any(|c| c == "memory")
                .then(|| self.clone());
        }
        let mount = self.pids.parent()?.join("memory");
        mount
            .join("memory.limit_in_bytes")
            .parent()?
            .exists()
            .then(|| Self {
                pids: mount,
                ..self.clone()
            })
    }

    /// What a record may call the cgroup of a caller that lives in `path` of
    /// the pids hierarchy.
    pub fn caller_paths(&self, path: &str) -> Vec<String> {
        let mut all = vec![path.to_owned()];
        if !self.pids_is_v2 {
            all.extend(self.own_unified.clone());
        }
        all
    }
}

/// A tree of cgroups in the pids hierarchy, removed on drop. Drop first what
/// lives in it.
pub struct Tree {
    mount: PathBuf,
    v2: bool,
    /// Every folder made, in order.
    made: RefCell<Vec<PathBuf>>,
    top: OsString,
}

impl Tree {
    /// A tree whose top is `name` below the hierarchy's root.
    pub fn new(hierarchies: &Hierarchies, name: &str) -> Result<Self> {
        let tree = Self {
            mount: hierarchies.pids.clone(),
            v2: hierarchies.pids_is_v2,
            made: RefCell::default(),
            top: OsString::from(format!("forktrace-{}-{name}", std::process::id())),
        };
        tree.make(Path::new(&tree.top))?;
        Ok(tree)
    }

    /// The top.
    pub fn top(&self) -> Cgroup {
        Cgroup {
            dir: self.mount.join(&self.top),
            path: PathBuf::from("/").join(&self.top),
        }
    }

    /// The cgroup at `names` below the top, made with all that leads to it.
    pub fn at<N: AsRef<[u8]>>(&self, names: &[N]) -> Result<Cgroup> {
        let mut below = PathBuf::from(&self.top);
        for name in names {
            below.push(OsString::from_vec(name.as_ref().to_vec()));
            if !self.mount.join(&below).exists() {
                self.make(&below)?;
            }
        }
        Ok(Cgroup {
            dir: self.mount.join(&below),
            path: PathBuf::from("/").join(&below),
        })
    }

    fn make(&self, below: &Path) -> Result<()> {
        let dir = self.mount.join(below);
        if self.v2 {
            let above = dir.parent().unwrap_or(&self.mount);
            let file = above.join("cgroup.subtree_control");
            fs::write(&file, "+pids")
                .with_context(|| format!("write +pids to {}", file.display()))?;
        }
        fs::create_dir(&dir).with_context(|| format!("mkdir {}", dir.display()))?;
        self.made.borrow_mut().push(dir);
        Ok(())
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        for dir in self.made.borrow().iter().rev() {
            let gone = sys::await_some(Duration::from_secs(5), || match fs::remove_dir(dir) {
                Ok(()) => Some(()),
                Err(e) if e.kind() == io::ErrorKind::NotFound => Some(()),
                Err(_) => None,
            });
            if gone.is_none() {
                eprintln!("{} could not be removed", dir.display());
            }
        }
    }
}

/// One cgroup of a [`Tree`].
#[derive(Clone, Debug)]
pub struct Cgroup {
    /// Its folder.
    pub dir: PathBuf,
    /// Its path from the hierarchy's root.
    pub path: PathBuf,
}

impl Cgroup {
    /// Sets `pids.max`.
    pub fn limit(&self, tasks: u64) -> Result<()> {
        let file = self.limit_file();
        fs::write(&file, tasks.to_string())
            .with_context(|| format!("write {tasks} to {}", file.display()))
    }

    /// Takes `pids.max` away.
    pub fn unlimit(&self) -> Result<()> {
        fs::write(self.limit_file(), "max").context("write pids.max")
    }

    /// The file that holds the limit.
    pub fn limit_file(&self) -> PathBuf {
        self.dir.join("pids.max")
    }

    /// The calling process moves in.
    pub fn enter(&self) -> Result<()> {
        let file = self.dir.join("cgroup.procs");
        fs::write(&file, "0").with_context(|| format!("write 0 to {}", file.display()))
    }

    /// As a record shows it.
    pub fn shown(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// The raw bytes in hexadecimal, where `shown` had to change them.
    pub fn hex(&self) -> Option<String> {
        let raw = self.path.as_os_str().as_bytes();
        if std::str::from_utf8(raw).is_ok() {
            return None;
        }
        Some(raw.iter().map(|b| format!("{b:02x}")).collect())
    }

    /// kernfs id.
    pub fn id(&self) -> Result<u64> {
        Ok(fs::metadata(&self.dir)?.ino())
    }
}
