//! Limits of cgroups and what is in use of them, read from their folders.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::{
    Controller, Hierarchies, Hierarchy, Mount, Resource, TooMany, Version, is_plain, walk,
};

/// One limit of one cgroup, as its files have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupUse {
    /// What is limited.
    pub resource: Resource,
    /// Of the hierarchy that it is in.
    pub version: Version,
    /// As this process's cgroup namespace names it.
    pub path: PathBuf,
    /// The file with the limit.
    pub file: PathBuf,
    /// Tasks or bytes; `None`: no limit.
    pub limit: Option<u64>,
    /// Tasks or bytes of the whole subtree.
    pub usage: u64,
    /// Of `usage`, what the kernel takes back before it refuses anything: page
    /// cache, and slabs that can be given up. 0 for tasks.
    pub reclaimable: u64,
}

/// A file of a cgroup that this process may not read.
#[derive(Debug)]
pub struct Unreadable {
    /// Path of the file.
    pub file: PathBuf,
    /// What the kernel answered.
    pub source: io::Error,
}

/// A cgroup's limit, or why it is unknown.
pub type Reading = Result<CgroupUse, Unreadable>;

impl Hierarchies {
    /// Where a resource is limited: a controller is in one hierarchy only.
    pub fn of(&self, resource: Resource) -> Option<Hierarchy> {
        let v1 = Hierarchy::V1(resource.controller());
        let v2 = (!is_of_v1(resource)).then_some(Hierarchy::V2);
        [Some(v1), v2]
            .into_iter()
            .flatten()
            .find(|&hierarchy| self.mounts(hierarchy).next().is_some())
    }

    /// pids.max of the root that this process sees: none but a cgroup namespace's has one.
    pub fn root_tasks_max(&self) -> Option<u64> {
        let hierarchy = self.of(Resource::Pids)?;
        let folder = self.visible(hierarchy, Path::new("/"))?;
        read(Resource::Pids, hierarchy, Path::new("/"), &folder)?
            .ok()?
            .limit
    }

    /// The limits of a cgroup and of each above it, innermost first. Where the
    /// resource's hierarchy hasn't got that cgroup, the nearest above that it
    /// has. The root has none, and [outside](Self::is_outside) none can be seen.
    pub fn chain(&self, resource: Resource, cgroup: &Path) -> Vec<Reading> {
        let hierarchy = self.of(resource);
        let Some(hierarchy) = hierarchy.filter(|_| !Self::is_outside(cgroup)) else {
            return Vec::new();
        };
        let readings = cgroup.ancestors().filter_map(|path| {
            let folder = self.visible(hierarchy, path)?;
            read(resource, hierarchy, path, &folder)
        });
        readings.collect()
    }

    /// The limits of the cgroups below a cgroup, where they have one.
    pub fn below(&self, resource: Resource, cgroup: &Path) -> Result<Vec<Reading>, TooMany> {
        let place = self.of(resource);
        let place = place.and_then(|hierarchy| Some((hierarchy, self.visible(hierarchy, cgroup)?)));
        let Some((hierarchy, top)) = place else {
            return Ok(Vec::new());
        };
        let mut readings = Vec::new();
        walk::folders(&top, |folder, _| {
            if let Ok(rest) = folder.strip_prefix(&top)
                && rest != Path::new("")
            {
                let reading = read(resource, hierarchy, &cgroup.join(rest), folder);
                let says = |reading: &Reading| {
                    let one = reading.as_ref();
                    one.map_or(true, |one| one.limit.is_some())
                };
                readings.extend(reading.filter(says));
            }
            ControlFlow::Continue(())
        })?;
        Ok(readings)
    }

    /// Every cgroup's limit of a resource, those without one too.
    pub fn all(&self, resource: Resource) -> Result<Vec<Reading>, TooMany> {
        let Some(hierarchy) = self.of(resource) else {
            return Ok(Vec::new());
        };
        let mut readings = Vec::new();
        // Those mounts come first that show most; another shows the same.
        if let Some(mount) = self.mounts(hierarchy).next() {
            walk::folders(&mount.point, |folder, _| {
                if let Some(path) = Mount::cgroup(mount, folder) {
                    readings.extend(read(resource, hierarchy, &path, folder));
                }
                ControlFlow::Continue(())
            })?;
        }
        Ok(readings)
    }

    /// Whether a path of /proc/PID/cgroup leads out of this process's cgroup namespace: `/../../system.slice/x.service`
    /// (fs/kernfs/dir.c `kernfs_path_from_node_locked`). Its `/` is this namespace's, and not above the process.
    pub fn is_outside(path: &Path) -> bool {
        !is_plain(path)
    }

    /// The path of a process's cgroup in one hierarchy; `None` where it has ended, or isn't in that.
    pub fn path_of_process(proc: &Path, pid: u32, hierarchy: Hierarchy) -> Option<PathBuf> {
        let text = fs::read(proc.join(format!("{pid}/cgroup"))).ok()?;
        Self::path_in(&String::from_utf8_lossy(&text), hierarchy)
    }

    /// The path in one hierarchy from the text of /proc/PID/cgroup (cgroups(7)).
    pub fn path_in(text: &str, hierarchy: Hierarchy) -> Option<PathBuf> {
        let controller = match hierarchy {
            Hierarchy::V2 => None,
            Hierarchy::V1(Controller::Pids) => Some("pids"),
            Hierarchy::V1(Controller::Memory) => Some("memory"),
            Hierarchy::V1(Controller::Systemd) => Some("name=systemd"),
        };
        text.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (id, controllers) = (fields.next()?, fields.next()?);
            let path = fields.next()?;
            let here = match controller {
                None => id == "0" && controllers.is_empty(),
                Some(name) => controllers.split(',').any(|c| c == name),
            };
            // Its folder is gone; those above it still limit.
            let path = path.strip_suffix(" (deleted)").unwrap_or(path);
            here.then(|| PathBuf::from(path))
        })
    }
}

/// Bounded in v1 alone, and there hardly anywhere.
fn is_of_v1(resource: Resource) -> bool {
    matches!(resource, Resource::MemoryAndSwap | Resource::KernelMemory)
}

/// `None` for a cgroup that has no such limit: the root, one whose parent
/// doesn't hand the controller on, one that is gone; of what v1 alone bounds
/// also one where no number is set, which is nearly always so, and of kernel
/// memory can't be otherwise since 5.16.
fn read(resource: Resource, hierarchy: Hierarchy, path: &Path, folder: &Path) -> Option<Reading> {
    let v2 = hierarchy == Hierarchy::V2;
    let (limit, usage) = match (resource, v2) {
        (Resource::Pids, _) => ("pids.max", "pids.current"),
        (Resource::Memory, true) => ("memory.max", "memory.current"),
        (Resource::Memory, false) => ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        (Resource::MemoryAndSwap, _) => {
            ("memory.memsw.limit_in_bytes", "memory.memsw.usage_in_bytes")
        }
        (Resource::KernelMemory, _) => ("memory.kmem.limit_in_bytes", "memory.kmem.usage_in_bytes"),
    };
    let file = folder.join(limit);
    let content = |path: &Path| match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(source) => Err(Unreadable {
            file: path.to_owned(),
            source,
        }),
    };
    let reading = || {
        let Some(limit) = content(&file)? else {
            return Ok(None);
        };
        let Some(usage) = content(&folder.join(usage))? else {
            return Ok(None);
        };
        let limit = limit.trim().parse().ok().filter(|&n| n < NO_LIMIT);
        let unset = path.parent().is_none() || is_of_v1(resource);
        if limit.is_none() && unset {
            // v1 shows a file in the root, where nothing can be set.
            return Ok(None);
        }
        let stat = match (resource, limit) {
            (Resource::Memory | Resource::MemoryAndSwap, Some(_)) => {
                fs::read_to_string(folder.join("memory.stat")).ok()
            }
            _ => None,
        };
        Ok(Some(CgroupUse {
            resource,
            version: match hierarchy {
                Hierarchy::V1(_) => Version::V1,
                Hierarchy::V2 => Version::V2,
            },
            path: path.to_owned(),
            file: file.clone(),
            limit,
            usage: usage.trim().parse().unwrap_or(0),
            reclaimable: stat.map_or(0, |text| reclaimable(&text, v2)),
        }))
    };
    reading().transpose()
}

/// v1's `memory.limit_in_bytes` without a limit: PAGE_COUNTER_MAX pages
/// (include/linux/page_counter.h), a little less than 2^63.
const NO_LIMIT: u64 = 0x7fff_ffff_0000_0000;

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    ) || error.raw_os_error() == Some(libc::ENODEV)
}

/// From memory.stat; v1 gives a subtree's numbers under `total_`.
fn reclaimable(stat: &str, v2: bool) -> u64 {
    let names: &[&str] = if v2 {
        &["active_file", "inactive_file", "slab_reclaimable"]
    } else {
        &["total_active_file", "total_inactive_file"]
    };
    stat.lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(name, _)| names.contains(name))
        .filter_map(|(_, value)| value.trim().parse::<u64>().ok())
        .fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests;
