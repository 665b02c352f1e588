//! Cgroups of the selftest's own: where they can be made, and a tree that goes
//! away when dropped.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{remove::remove, trouble::Trouble, undo::Undo};
use crate::{
    host::cgroup::{Controller, Hierarchies, Hierarchy, Resource, Version},
    model::LimitKind,
};

/// What the names of the selftest's cgroups begin with; the pid follows.
pub const PREFIX: &str = "forktrace-selftest-";

/// How long tasks that were killed may stay.
const PATIENCE: Duration = Duration::from_secs(10);

/// The hierarchy in which a resource is limited on this host.
#[derive(Clone, Debug)]
pub struct Place {
    pub version: Version,
    resource: Resource,
    /// Folders below which cgroups can be tried, best first.
    parents: Vec<PathBuf>,
}

impl Place {
    /// Where `resource` is limited. The top of the hierarchy is tried first
    /// (there no limit of another's is in the way), then this process's own
    /// cgroup, which is all that a container may have.
    pub fn find(hierarchies: &Hierarchies, resource: Resource) -> Result<Self, Trouble> {
        let controller = match resource {
            Resource::Pids => Controller::Pids,
            Resource::Memory | Resource::KernelMemory => Controller::Memory,
        };
        let name = match resource {
            Resource::Pids => "pids",
            Resource::Memory | Resource::KernelMemory => "memory",
        };
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let own_in = |wanted: &dyn Fn(&str) -> bool| {
            own.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                let controllers = fields.next()?;
                wanted(controllers).then(|| PathBuf::from(fields.next().unwrap_or("/")))
            })
        };
        let hierarchy = Hierarchy::V1(controller);
        if let Some(mount) = hierarchies.mounts(hierarchy).next() {
            let own = own_in(&|c| c.split(',').any(|c| c == name))
                .and_then(|path| hierarchies.folder(hierarchy, &path));
            return Ok(Self {
                version: Version::V1,
                resource,
                parents: [mount.point.clone()].into_iter().chain(own).collect(),
            });
        }
        let own = own_in(&str::is_empty).and_then(|path| hierarchies.folder(Hierarchy::V2, &path));
        let Some(mount) = hierarchies.mounts(Hierarchy::V2).next() else {
            return Err(Trouble::Skip("no cgroup hierarchy is mounted".to_owned()));
        };
        let parents: Vec<PathBuf> = [mount.point.clone()]
            .into_iter()
            .chain(own)
            .filter(|folder| has_word(&folder.join("cgroup.subtree_control"), name))
            .collect();
        if parents.is_empty() {
            return Err(Trouble::Skip(format!(
                "no {name} controller here ({}/cgroup.subtree_control doesn't hand it down)",
                mount.point.display()
            )));
        }
        Ok(Self {
            version: Version::V2,
            resource,
            parents,
        })
    }

    fn controller(&self) -> &'static str {
        match self.resource {
            Resource::Pids => "pids",
            Resource::Memory | Resource::KernelMemory => "memory",
        }
    }
}

fn has_word(file: &Path, word: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.split_whitespace().any(|w| w == word))
}

/// A tree of cgroups. Drop first what lives in it; what does so all the same
/// is killed.
pub struct Tree {
    place: Place,
    undo: Undo,
    top: PathBuf,
    made: RefCell<Vec<(u32, PathBuf)>>,
}

impl Tree {
    /// A tree with nothing but its top.
    pub fn new(place: &Place, undo: &Undo, tag: &str) -> Result<Self, Trouble> {
        let name = format!("{PREFIX}{}-{tag}", std::process::id());
        let mut refused = Vec::new();
        for parent in &place.parents {
            let tree = Self {
                place: place.clone(),
                undo: undo.clone(),
                top: parent.join(&name),
                made: RefCell::default(),
            };
            match tree.make(&tree.top) {
                Ok(()) => return Ok(tree),
                Err(Trouble::Interrupted) => return Err(Trouble::Interrupted),
                Err(trouble) => refused.push(trouble.to_string()),
            }
        }
        Err(Trouble::Skip(format!(
            "no cgroup can be made here ({})",
            refused.join("; ")
        )))
    }

    /// The top.
    pub fn top(&self) -> Cgroup {
        self.cgroup(self.top.clone())
    }

    /// A cgroup right below the top.
    pub fn below(&self, name: &str) -> Result<Cgroup, Trouble> {
        if self.place.version == Version::V2 {
            let file = self.top.join("cgroup.subtree_control");
            let word = format!("+{}", self.place.controller());
            fs::write(&file, &word)
                .map_err(Trouble::at(format!("writing {word} to {}", file.display())))?;
        }
        let folder = self.top.join(name);
        self.make(&folder)?;
        Ok(self.cgroup(folder))
    }

    fn cgroup(&self, folder: PathBuf) -> Cgroup {
        Cgroup {
            limit: self.place.resource.limit_kind(self.place.version),
            folder,
        }
    }

    fn make(&self, folder: &Path) -> Result<(), Trouble> {
        let id = self.undo.folder(folder)?;
        match fs::create_dir(folder) {
            Ok(()) => {
                self.made.borrow_mut().push((id, folder.to_owned()));
                Ok(())
            }
            Err(error) => {
                // Somebody else's stays.
                self.undo.done(id);
                Err(Trouble::at(format!("mkdir {}", folder.display()))(error))
            }
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        for (id, folder) in self.made.borrow().iter().rev() {
            match remove(folder, PATIENCE) {
                Ok(()) => self.undo.done(*id),
                Err(error) => self
                    .undo
                    .failed(format!("rmdir {}: {error}", folder.display())),
            }
        }
    }
}

/// One cgroup of a [`Tree`].
#[derive(Clone, Debug)]
pub struct Cgroup {
    /// Its folder.
    pub folder: PathBuf,
    limit: LimitKind,
}

impl Cgroup {
    /// The calling process moves in.
    pub fn enter(&self) -> Result<(), Trouble> {
        let file = self.folder.join("cgroup.procs");
        fs::write(&file, "0").map_err(Trouble::at(format!("writing 0 to {}", file.display())))
    }

    /// Sets the limit.
    pub fn limit(&self, value: u64) -> Result<(), Trouble> {
        let file = self.folder.join(self.limit.name());
        fs::write(&file, value.to_string()).map_err(Trouble::at(format!(
            "writing {value} to {}",
            file.display()
        )))
    }

    /// A number in one of its files.
    pub fn read(&self, name: &str) -> Result<u64, Trouble> {
        let file = self.folder.join(name);
        let text = fs::read_to_string(&file)
            .map_err(Trouble::at(format!("reading {}", file.display())))?;
        text.trim()
            .parse()
            .map_err(|_| Trouble::Odd(format!("{} holds {text:?}", file.display())))
    }

    /// The end of its path, which is enough to know it: the top's name is
    /// given once.
    pub fn tail(&self) -> String {
        let mut tail = String::new();
        for name in self.folder.iter().map(|n| n.to_string_lossy()) {
            if !tail.is_empty() || name.starts_with(PREFIX) {
                tail.push('/');
                tail.push_str(&name);
            }
        }
        tail
    }
}
