//! Whether the host's /etc keeps what is written to it.
//!
//! By init's mounts, which are the host's for a container with the host's pids, too. What can't be seen lasts.

use std::{fs, path::Path};

use super::own_namespaces;

/// What becomes of a file that somebody writes there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Etc {
    /// It is there after the next boot.
    #[default]
    Lasts,
    /// The next boot makes all anew.
    InMemory(System),
    /// It can't be written.
    ReadOnly(System),
}

/// What has settings of its own in place of files there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum System {
    /// None that is known.
    #[default]
    Other,
    /// Google's, of GKE's nodes.
    ContainerOptimized,
    /// Amazon's.
    Bottlerocket,
    /// Talos Linux.
    Talos,
}

impl Etc {
    /// Of the host whose /proc this is.
    pub fn read(proc: &Path) -> Self {
        let init = proc.join("1");
        match own_namespaces::proc_is_hosts(proc) {
            true => Self::of(&init.join("mountinfo"), &init.join("root")),
            false => Self::Lasts,
        }
    }

    fn of(mountinfo: &Path, root: &Path) -> Self {
        let text = fs::read(mountinfo).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let mounts: Vec<Mount<'_>> = text.lines().filter_map(Mount::parse).collect();
        let Some(etc) = Mount::of_path(&mounts, "/etc") else {
            return Self::Lasts;
        };
        let options = || etc.options.split(',').chain(etc.of_system.split(','));
        // Of squashfs and erofs, and of an overlay without an upper folder, always.
        if options().any(|option| option == "ro") {
            return Self::ReadOnly(system(root));
        }
        // Nobody else has that option: overlayfs writes there.
        let upper = options().find_map(|option| option.strip_prefix("upperdir="));
        let upper = upper.and_then(|upper| Mount::of_path(&mounts, upper));
        match etc.is_in_memory() || upper.is_some_and(Mount::is_in_memory) {
            true => Self::InMemory(system(root)),
            false => Self::Lasts,
        }
    }
}

/// A line of /proc/PID/mountinfo (proc_pid_mountinfo(5)).
struct Mount<'a> {
    point: &'a str,
    /// Of the mount, and of its file system.
    options: &'a str,
    of_system: &'a str,
    kind: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(4);
        let mut system = system.split(' ');
        Some(Self {
            point: mount.next()?,
            options: mount.next()?,
            kind: system.next()?,
            of_system: system.nth(1)?,
        })
    }

    /// The one that has this path: of the deepest folder, and there the last.
    fn of_path<'b>(all: &'b [Self], path: &str) -> Option<&'b Self> {
        let around = all
            .iter()
            .filter(|mount| Path::new(path).starts_with(mount.point));
        around.max_by_key(|mount| mount.point.len())
    }

    /// `rootfs` is an initramfs that no other root has taken the place of.
    fn is_in_memory(&self) -> bool {
        matches!(self.kind, "tmpfs" | "ramfs" | "rootfs")
    }
}

/// By os-release(5), below a root.
fn system(root: &Path) -> System {
    let mut files = ["etc/os-release", "usr/lib/os-release"].into_iter();
    let text = files.find_map(|file| fs::read_to_string(root.join(file)).ok());
    let text = text.unwrap_or_default();
    let id = text.lines().find_map(|line| line.strip_prefix("ID="));
    match id.unwrap_or_default().trim_matches('"') {
        "cos" => System::ContainerOptimized,
        "bottlerocket" => System::Bottlerocket,
        "talos" => System::Talos,
        _ => System::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::made_up;

    fn of(mountinfo: &str, os_release: &str) -> Etc {
        let host = tempfile::tempdir().unwrap();
        made_up::write(host.path(), "mountinfo", mountinfo);
        made_up::write(host.path(), "usr/lib/os-release", os_release);
        Etc::of(&host.path().join("mountinfo"), host.path())
    }

    #[test]
    fn the_file_system_of_the_deepest_mount_counts() {
        let memory = Etc::InMemory(System::Other);
        let read_only = Etc::ReadOnly(System::Other);
        let disk = "29 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n";
        let run = "30 29 0:25 / /run rw,nosuid - tmpfs tmpfs rw,mode=755\n";
        let upper = |folder: &str| {
            format!(
                "33 29 0:40 / /etc rw - overlay overlay rw,lowerdir=/usr/etc,upperdir={folder}/etc,workdir=/w\n"
            )
        };
        for (mounts, wanted) in [
            (String::new(), Etc::Lasts),
            ("29 1 8:1\n\n- - -\n".to_owned(), Etc::Lasts),
            (format!("{disk}{run}"), Etc::Lasts),
            // A file of its own, and a name that begins alike.
            (
                format!("{disk}31 29 0:26 / /etc/hosts rw - tmpfs t rw\n32 29 0:26 / /etcetera rw - tmpfs t rw\n"),
                Etc::Lasts,
            ),
            // As Bottlerocket has it, of which the root is read-only.
            (
                "29 1 8:1 / / ro - ext4 /dev/dm-0 ro\n31 29 0:26 / /etc rw - tmpfs tmpfs rw\n".to_owned(),
                memory,
            ),
            // The initramfs is the host, or another root is above it.
            ("1 1 0:2 / / rw - rootfs rootfs rw\n".to_owned(), memory),
            (format!("1 1 0:2 / / rw - rootfs rootfs rw\n{disk}"), Etc::Lasts),
            (format!("{disk}{run}{}", upper("/run/x")), memory),
            (format!("{disk}{run}{}", upper("/var/lib/x")), Etc::Lasts),
            // It was mounted before the root that is there now.
            (
                "29 1 0:40 / / rw - overlay overlay rw,lowerdir=/a,upperdir=/cow/x,workdir=/w\n".to_owned(),
                Etc::Lasts,
            ),
            ("29 1 7:0 / / ro,relatime - squashfs /dev/loop0 ro\n".to_owned(), read_only),
            ("29 1 8:1 / / ro,relatime - ext4 /dev/sda1 rw\n".to_owned(), read_only),
            ("29 1 8:1 / / rw - erofs /dev/sda1 ro\n".to_owned(), read_only),
            // An image's root with the administrator's folder on a disk.
            (
                "29 1 0:35 / / ro - overlay composefs ro,lowerdir=/x\n30 29 8:2 /etc /etc rw - xfs /dev/sda2 rw\n"
                    .to_owned(),
                Etc::Lasts,
            ),
        ] {
            assert_eq!(of(&mounts, ""), wanted, "{mounts}");
        }
    }

    #[test]
    fn systems_by_their_own_word() {
        for (text, system) in [
            ("NAME=x\nID=cos\n", System::ContainerOptimized),
            ("ID=bottlerocket\n", System::Bottlerocket),
            ("ID=\"talos\"\n", System::Talos),
            ("VERSION_ID=cos\nID=debian\n", System::Other),
            ("", System::Other),
        ] {
            let etc = of("1 1 0:2 / / rw - tmpfs tmpfs rw\n", text);
            assert_eq!(etc, Etc::InMemory(system), "{text}");
        }
    }

    #[test]
    fn of_another_host_nothing_is_said() {
        assert_eq!(Etc::read(Path::new("/nonexistent")), Etc::Lasts);
    }
}
