//! Where this host's cgroup hierarchies are mounted, and which folder there a
//! cgroup is.
//!
//! The kernel names a cgroup by its path from its hierarchy's root; people
//! name it by that path, by a folder, or by a systemd unit. What can be seen
//! of it depends on the mounts (/proc/self/mountinfo), which in a container
//! may show a part only.

mod limits;
mod mountinfo;
mod walk;

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use super::unit_files::UnitFiles;
use crate::{
    model::{LimitKind, initial, without_numbers},
    order::Order as _,
};

pub use limits::{CgroupUse, Reading, Unreadable};
pub(super) use walk::folders;
pub use walk::{MAX_FOLDERS, TooMany};

/// A v1 hierarchy, by what is asked of it. One mount can have several
/// controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Controller {
    /// `pids`: limits tasks.
    Pids,
    /// `memory`. Not on kernels built without CONFIG_MEMCG_V1 (6.11+).
    Memory,
    /// `name=systemd`: no controller, systemd's own tree of units.
    Systemd,
}

/// A cgroup hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hierarchy {
    /// The one of cgroup v2.
    V2,
    /// One of cgroup v1.
    V1(Controller),
}

/// In which order hierarchies are searched for what a person names.
pub const SEARCH: [Hierarchy; 4] = [
    Hierarchy::V2,
    Hierarchy::V1(Controller::Pids),
    Hierarchy::V1(Controller::Systemd),
    Hierarchy::V1(Controller::Memory),
];

/// cgroup v1 or v2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// A hierarchy for each controller or group of them.
    V1,
    /// One hierarchy for all.
    V2,
}

/// What a limit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// Number of tasks.
    Pids,
    /// Bytes of memory.
    Memory,
    /// Memory and swap together. v1 alone bounds them so, where swap is accounted for (mm/memcontrol.c, since 6.11
    /// memcontrol-v1.c, `memsw_files`); a charge asks for it first (`try_charge_memcg`).
    MemoryAndSwap,
    /// Of memory, the kernel's own for the cgroup's tasks. v1 alone bounds them apart, and Linux
    /// 5.16+ takes no such bound (mm/memcontrol.c `mem_cgroup_write`).
    KernelMemory,
}

impl Resource {
    /// What a limit of this kind is about; `None` where it is no cgroup's.
    pub fn of_limit(kind: &LimitKind) -> Option<Self> {
        match kind {
            LimitKind::PidsMax => Some(Self::Pids),
            LimitKind::MemoryMax | LimitKind::MemoryLimit => Some(Self::Memory),
            LimitKind::MemorySwapLimit => Some(Self::MemoryAndSwap),
            LimitKind::KernelMemoryLimit => Some(Self::KernelMemory),
            _ => None,
        }
    }

    /// The controller that bounds it.
    pub fn controller(self) -> Controller {
        match self {
            Self::Pids => Controller::Pids,
            Self::Memory | Self::MemoryAndSwap | Self::KernelMemory => Controller::Memory,
        }
    }

    /// Its limit, which is called as the file that holds it.
    pub fn limit_kind(self, version: Version) -> LimitKind {
        match (self, version) {
            (Self::Pids, _) => LimitKind::PidsMax,
            (Self::Memory, Version::V2) => LimitKind::MemoryMax,
            (Self::Memory, Version::V1) => LimitKind::MemoryLimit,
            (Self::MemoryAndSwap, _) => LimitKind::MemorySwapLimit,
            (Self::KernelMemory, _) => LimitKind::KernelMemoryLimit,
        }
    }
}

/// A mount of a hierarchy, or of a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The cgroup that the mount shows at its top, as this process's cgroup
    /// namespace names it: `/` for all of the hierarchy, or all that the
    /// namespace has.
    pub root: PathBuf,
    /// The folder where it is mounted.
    pub point: PathBuf,
}

impl Mount {
    fn folder(&self, cgroup: &Path) -> Option<PathBuf> {
        // The kernel writes `/../..` for what lies above the namespace's root.
        if [&self.root, cgroup].iter().any(|path| !is_plain(path)) {
            return None;
        }
        let below = cgroup.strip_prefix(&self.root).ok()?;
        Some(join(&self.point, below))
    }

    fn cgroup(&self, folder: &Path) -> Option<PathBuf> {
        let below = folder.strip_prefix(&self.point).ok()?;
        Some(join(&self.root, below))
    }
}

/// Without the slash that `Path::join` leaves after a path joined with nothing.
fn join(base: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() {
        base.to_owned()
    } else {
        base.join(below)
    }
}

/// Absolute, without `..`.
fn is_plain(path: &Path) -> bool {
    path.is_absolute() && !path.components().any(|c| c == Component::ParentDir)
}

/// A cgroup that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it was found. Ids are unique within one hierarchy only.
    pub hierarchy: Hierarchy,
    /// Its path as this process's cgroup namespace names it.
    pub path: PathBuf,
    /// Its folder.
    pub folder: PathBuf,
    /// Its kernfs id: the folder's inode number.
    pub id: u64,
}

/// Why a cgroup wasn't found.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// No mount of any hierarchy that could have it.
    #[error("no cgroup hierarchy is mounted")]
    NotMounted,
    /// Can't be a cgroup's path.
    #[error("{0:?} is no cgroup path: give /a/b from the hierarchy's root, or its folder")]
    InvalidPath(String),
    /// Can't be a unit's name.
    #[error("{0:?} is no unit name")]
    InvalidUnit(String),
    /// No such folder.
    #[error("there is no cgroup {text:?} ({})", places(.tried))]
    NoCgroup {
        /// What was asked for.
        text: String,
        /// The folders looked for.
        tried: Vec<PathBuf>,
    },
    /// A folder that can't be looked at.
    #[error("cannot look at {}: {}", .folder.display(), without_numbers(.source))]
    Unreadable {
        /// The folder.
        folder: PathBuf,
        /// What the kernel answered.
        source: io::Error,
    },
    /// No cgroup has that unit's name: it isn't running, or has no processes.
    #[error("no unit {unit:?} has a cgroup: it isn't running, or has no process")]
    NoUnit {
        /// The unit.
        unit: String,
    },
    /// Several units of that name (the system's and a user's, say).
    #[error("several cgroups have the unit name {unit:?}: {}; give one of the paths", list(.paths))]
    Ambiguous {
        /// The unit.
        unit: String,
        /// Paths of all of them, sorted.
        paths: Vec<PathBuf>,
    },
    /// More cgroups than are searched.
    #[error(transparent)]
    TooMany(#[from] TooMany),
}

/// One folder says where that is.
fn places(tried: &[PathBuf]) -> String {
    let Some(first) = tried.first() else {
        return "none is in sight".to_owned();
    };
    let first = first.display();
    match tried.len() - 1 {
        0 => format!("it would be {first}"),
        1 => format!("it would be {first}, or in another hierarchy"),
        n => format!("it would be {first}, or in one of {n} other hierarchies"),
    }
}

fn list(paths: &[PathBuf]) -> String {
    let texts: Vec<_> = paths.iter().map(|p| p.display().to_string()).collect();
    texts.join(", ")
}

/// The mounted hierarchies.
#[derive(Clone, Debug, Default)]
pub struct Hierarchies {
    mounts: Vec<(Hierarchy, Mount)>,
    initial_namespace: bool,
}

impl Hierarchies {
    /// Those that this process sees.
    pub fn discover() -> io::Result<Self> {
        let mounts = fs::read("/proc/self/mountinfo")?;
        // Kernels without cgroup namespaces have no such file: all is initial.
        let initial = match fs::metadata("/proc/self/ns/cgroup") {
            Ok(namespace) => namespace.ino() == u64::from(initial::CGROUP),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        Ok(Self::from_mountinfo(&mounts, initial))
    }

    /// From the text of a mountinfo file. `initial_namespace`: whether its
    /// reader is in the initial cgroup namespace, so that roots are named as
    /// the kernel names them.
    pub fn from_mountinfo(text: &[u8], initial_namespace: bool) -> Self {
        Self {
            mounts: mountinfo::parse(text),
            initial_namespace,
        }
    }

    /// Whether cgroups above what is seen here may limit as well: this process is
    /// in a cgroup namespace of its own.
    pub fn hides_ancestors(&self) -> bool {
        !self.initial_namespace
    }

    /// The mounts of one hierarchy, those that show most of it first.
    pub fn mounts(&self, hierarchy: Hierarchy) -> impl Iterator<Item = &Mount> {
        self.mounts
            .iter()
            .filter(move |(of, _)| *of == hierarchy)
            .map(|(_, mount)| mount)
    }

    /// The folder of a cgroup that the kernel names by its path from the
    /// hierarchy's root, whether it still exists or not. `None` where it isn't
    /// mounted here, and within a cgroup namespace, where paths begin
    /// elsewhere than the kernel's: [`Self::locate`] helps then.
    pub fn folder(&self, hierarchy: Hierarchy, cgroup: &Path) -> Option<PathBuf> {
        self.initial_namespace.then_some(())?;
        self.visible(hierarchy, cgroup)
    }

    /// The file with a limit of that cgroup, under the same conditions.
    pub fn limit_file(
        &self,
        version: Version,
        resource: Resource,
        cgroup: &Path,
    ) -> Option<PathBuf> {
        let hierarchy = match version {
            Version::V2 => Hierarchy::V2,
            Version::V1 => Hierarchy::V1(resource.controller()),
        };
        let folder = self.folder(hierarchy, cgroup)?;
        Some(folder.join(resource.limit_kind(version).name()))
    }

    /// The folder of the cgroup with this kernfs id. The kernel's path is
    /// tried first and believed if the id there is the same; else the whole
    /// mount is searched.
    pub fn locate(&self, hierarchy: Hierarchy, cgroup: &Path, id: u64) -> Option<PathBuf> {
        let folder = self.visible(hierarchy, cgroup);
        folder
            .filter(|folder| is_cgroup(folder, id))
            .or_else(|| self.search(hierarchy, id).map(|(_, folder)| folder))
    }

    /// The path of the cgroup with this kernfs id, for when the names that the
    /// kernel gave were cut off. Looks at up to [`MAX_FOLDERS`] folders.
    pub fn path_by_id(&self, hierarchy: Hierarchy, id: u64) -> Option<PathBuf> {
        let (mount, folder) = self.search(hierarchy, id)?;
        mount.cgroup(&folder)
    }

    /// The cgroup that a folder is, as this process's cgroup namespace names it.
    pub fn path_of(&self, hierarchy: Hierarchy, folder: &Path) -> Option<PathBuf> {
        self.mounts(hierarchy).find_map(|m| m.cgroup(folder))
    }

    /// The hierarchy that a controller is in. It can be in one only, and is in
    /// cgroup v1's when that is mounted.
    pub fn of_controller(&self, controller: Controller) -> (Hierarchy, Version) {
        let v1 = Hierarchy::V1(controller);
        match self.mounts(v1).next() {
            Some(_) => (v1, Version::V1),
            None => (Hierarchy::V2, Version::V2),
        }
    }

    /// The cgroup that a person names as `/a/b`, `a/b` or
    /// `/sys/fs/cgroup/a/b`, in the first hierarchy of [`SEARCH`] that has it.
    pub fn find(&self, text: &OsStr) -> Result<Found, CgroupError> {
        self.find_in(&SEARCH, text)
    }

    /// The same, in these hierarchies only.
    pub fn find_in(&self, hierarchies: &[Hierarchy], text: &OsStr) -> Result<Found, CgroupError> {
        let asked = Path::new(text);
        let path = Path::new("/").join(asked);
        // A NUL would end the path early.
        if text.is_empty() || text.as_bytes().contains(&0) || !is_plain(&path) {
            return Err(CgroupError::InvalidPath(asked.display().to_string()));
        }
        let path: PathBuf = path.components().collect();
        let mut tried = Vec::new();

        // A folder below a mount; the longest mount point is the innermost.
        let inside = hierarchies
            .iter()
            .flat_map(|&h| self.mounts(h).map(move |mount| (h, mount)))
            .filter(|(_, mount)| asked.is_absolute() && path.starts_with(&mount.point))
            .max_by_key(|(_, mount)| mount.point.as_os_str().len());
        if let Some((hierarchy, mount)) = inside {
            // A cgroup could in theory be called the same; then it is meant
            // all the same, by what people see in the file system.
            match look(&path)? {
                Some(id) => {
                    return Ok(Found {
                        hierarchy,
                        path: mount.cgroup(&path).unwrap_or_else(|| path.clone()),
                        folder: path,
                        id,
                    });
                }
                None => tried.push(path.clone()),
            }
        }
        let mut mounted = false;
        for &hierarchy in hierarchies {
            for mount in self.mounts(hierarchy) {
                mounted = true;
                let Some(folder) = mount.folder(&path) else {
                    continue;
                };
                match look(&folder)? {
                    Some(id) => {
                        return Ok(Found {
                            hierarchy,
                            path,
                            folder,
                            id,
                        });
                    }
                    None => tried.push(folder),
                }
            }
        }
        if !mounted {
            return Err(CgroupError::NotMounted);
        }
        Err(CgroupError::NoCgroup {
            text: asked.display().to_string(),
            tried,
        })
    }

    /// The cgroup of a systemd unit, in the first hierarchy of [`SEARCH`] that
    /// has one. A name without a suffix means a service, as for systemctl.
    pub fn find_unit(&self, unit: &str) -> Result<Found, CgroupError> {
        if unit.is_empty() || unit.contains(['/', '\0']) || unit.starts_with('.') {
            return Err(CgroupError::InvalidUnit(unit.to_owned()));
        }
        let name = unit_name(unit);
        // systemd puts `_` before names that could be taken for a cgroup's
        // own files, such as memory.service.
        let escaped = format!("_{name}");

        let mut mounted = false;
        for hierarchy in SEARCH {
            let mut found: Vec<Found> = Vec::new();
            for mount in self.mounts(hierarchy) {
                mounted = true;
                walk::folders(&mount.point, |folder, id| {
                    let last = folder.file_name().unwrap_or_default();
                    let path = mount.cgroup(folder);
                    if (last == name.as_str() || last == escaped.as_str())
                        && let Some(path) = path
                        // The same cgroup, seen through two mounts.
                        && !found.iter().any(|other| other.path == path)
                    {
                        found.push(Found {
                            hierarchy,
                            path,
                            folder: folder.to_owned(),
                            id,
                        });
                    }
                    ControlFlow::Continue(())
                })?;
            }
            found.order_by(|a, b| a.path.cmp(&b.path));
            if found.len() > 1 {
                return Err(CgroupError::Ambiguous {
                    unit: name,
                    paths: found.into_iter().map(|found| found.path).collect(),
                });
            }
            if let Some(found) = found.pop() {
                return Ok(found);
            }
        }
        if !mounted {
            return Err(CgroupError::NotMounted);
        }
        Err(CgroupError::NoUnit { unit: name })
    }

    /// The same, also by another name that unit files have for it: Debian's `sshd.service` is `ssh.service`,
    /// and MariaDB's unit is `mysql.service` too.
    pub fn find_unit_or_alias(&self, unit: &str, files: &UnitFiles) -> Result<Found, CgroupError> {
        match self.find_unit(unit) {
            Err(CgroupError::NoUnit { unit }) => {
                match files.id(&unit).filter(|_| files.are_in_use()) {
                    Some(id) => self.find_unit(&id),
                    None => Err(CgroupError::NoUnit { unit }),
                }
            }
            found => found,
        }
    }

    /// The path of each cgroup in every hierarchy of [`SEARCH`], sorted; of more than are searched, some.
    pub fn paths(&self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for mount in SEARCH.into_iter().flat_map(|of| self.mounts(of)) {
            let _ = walk::folders(&mount.point, |folder, _| {
                paths.extend(mount.cgroup(folder));
                ControlFlow::Continue(())
            });
        }
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    /// Whether systemd gives cgroups such names.
    pub fn is_unit_name(name: &str) -> bool {
        UNIT_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
    }

    /// The folder of a cgroup by its path in this process's namespace.
    fn visible(&self, hierarchy: Hierarchy, cgroup: &Path) -> Option<PathBuf> {
        self.mounts(hierarchy).find_map(|m| m.folder(cgroup))
    }

    fn search(&self, hierarchy: Hierarchy, id: u64) -> Option<(&Mount, PathBuf)> {
        self.mounts(hierarchy).find_map(|mount| {
            let mut found = None;
            // Too many folders: found or not, that was it.
            let _ = walk::folders(&mount.point, |folder, inode| {
                if inode == id {
                    found = Some(folder.to_owned());
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
            found.map(|folder| (mount, folder))
        })
    }
}

/// Whether a folder is the cgroup with this kernfs id. One that was removed can have been made again by now, with the same
/// name and another id: the next start of a service, of a container.
pub fn is_cgroup(folder: &Path, id: u64) -> bool {
    fs::metadata(folder).is_ok_and(|m| m.is_dir() && m.ino() == id)
}

/// A unit's name with its suffix: one without means a service, as for systemctl.
pub fn unit_name(unit: &str) -> String {
    match UNIT_SUFFIXES.iter().any(|suffix| unit.ends_with(suffix)) {
        true => unit.to_owned(),
        false => format!("{unit}.service"),
    }
}

/// Suffixes of units that have cgroups.
const UNIT_SUFFIXES: [&str; 6] = [".service", ".scope", ".slice", ".socket", ".mount", ".swap"];

/// Inode number of a folder; `None` if there is no such folder.
fn look(folder: &Path) -> Result<Option<u64>, CgroupError> {
    match fs::metadata(folder) {
        Ok(meta) => Ok(meta.is_dir().then(|| meta.ino())),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        // Longer than any cgroup's name.
        Err(error) if error.raw_os_error() == Some(libc::ENAMETOOLONG) => Ok(None),
        Err(source) => Err(CgroupError::Unreadable {
            folder: folder.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests;
