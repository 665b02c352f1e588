//! Where the pids controller is, and the scenarios' cgroups there.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use forktrace::provoke::cgroup::Site;
use forktrace::provoke::undo::Undo;

pub(crate) use forktrace::provoke::cgroup::{Cgroup, Tree};

/// Where the pids controller and the v2 hierarchy are mounted.
#[derive(Clone, Debug)]
pub(crate) struct Hierarchies {
    /// Mount of the hierarchy that the pids controller is in.
    pub pids: PathBuf,
    /// That one is v2.
    pub pids_is_v2: bool,
    /// Mount of the v2 hierarchy.
    unified: Option<PathBuf>,
    /// Path of this process in the v2 hierarchy.
    pub own_unified: Option<String>,
}

impl Hierarchies {
    /// From /proc/self/mountinfo and /proc/self/cgroup.
    pub(crate) fn find() -> Result<Self> {
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
            (Some(pids), unified) => Ok(Self {
                pids,
                unified,
                pids_is_v2: false,
                own_unified: own_v2,
            }),
            (None, Some(pids)) => {
                let there = fs::read_to_string(pids.join("cgroup.controllers"))?;
                if !there.split_whitespace().any(|c| c == "pids") {
                    bail!("the pids controller is in no mounted hierarchy");
                }
                Ok(Self {
                    unified: Some(pids.clone()),
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
    pub(crate) fn memory(&self) -> Option<Self> {
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

    /// The mount of v1's hierarchy name=systemd, beside that of the pids controller; `None` where there is none.
    pub(crate) fn systemd(&self) -> Option<PathBuf> {
        let mount = self.pids.parent()?.join("systemd");
        let is_v1 = !self.pids_is_v2 && mount.join("release_agent").exists();
        is_v1.then_some(mount)
    }

    /// The v2 hierarchy beside that of the pids controller, which is in v1, in the place of it; `None`
    /// where there are no such two.
    pub(crate) fn unified(&self) -> Option<Self> {
        let unified = self.unified.clone().filter(|_| !self.pids_is_v2)?;
        Some(Self {
            pids: unified,
            ..self.clone()
        })
    }

    /// That none of this process's trees is left, in any hierarchy.
    pub(crate) fn nothing_left(&self) -> Result<()> {
        let own = name_of("");
        let memory = self.memory().map(|memory| memory.pids);
        for mount in [Some(&self.pids), memory.as_ref()].into_iter().flatten() {
            for entry in fs::read_dir(mount).with_context(|| format!("read {}", mount.display()))? {
                let path = entry?.path();
                let name = path.file_name().unwrap_or_default();
                ensure!(
                    !name.as_bytes().starts_with(own.as_bytes()),
                    "{} is there",
                    path.display()
                );
            }
        }
        Ok(())
    }

    /// What a record may call the cgroup of a caller that lives in `path` of
    /// the pids hierarchy.
    pub(crate) fn caller_paths(&self, path: &str) -> Vec<String> {
        let mut all = vec![path.to_owned()];
        if !self.pids_is_v2 {
            all.extend(self.own_unified.clone());
        }
        all
    }

    /// A tree of cgroups in the pids hierarchy whose top is `name` below the hierarchy's root, removed
    /// on drop.
    pub(crate) fn tree(&self, name: &str) -> Result<Tree> {
        let site = Site {
            parent: self.pids.clone(),
            hands_down: self.pids_is_v2.then_some("pids"),
            limit: "pids.max".to_owned(),
        };
        site.hand_down(&self.pids)?;
        Ok(Tree::new(&Undo::by_guards_alone(), &site, name_of(name))?)
    }
}

/// Of a tree of this process.
fn name_of(tree: &str) -> String {
    format!("forktrace-{}-{tree}", std::process::id())
}
