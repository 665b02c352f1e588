//! Which file gives a sysctl its value at boot, read as what applies them reads them.
//!
//! sysctl.d(5): the files of all folders in the order of their names, of one name that of the first
//! folder; the last assignment counts. systemd-sysctl reads no more than that; sysctl(8) `--system`,
//! by which others boot (OpenRC's init.d/sysctl, sysvinit's procps), reads /etc/sysctl.conf after them.
//! What sets it later, by a command of its own (kubelet, tuned, a script), isn't seen.

use std::path::{Path, PathBuf};

use super::remembered::Remembered;
use super::unit_files::{Assignment, UnitFiles, drop_ins, read};

const FOLDERS: [&str; 5] = [
    "etc/sysctl.d",
    "run/sysctl.d",
    "usr/local/lib/sysctl.d",
    "usr/lib/sysctl.d",
    "lib/sysctl.d",
];

/// Settings that are remembered: more than there are limits.
const REMEMBERED: usize = 64;

/// Finds them, and remembers each setting's for a minute.
pub struct SysctlFiles {
    root: PathBuf,
    known: Remembered<String, Option<Assignment>>,
}

impl SysctlFiles {
    /// Of this machine.
    pub fn new() -> Self {
        Self::below(PathBuf::from("/"))
    }

    fn below(root: PathBuf) -> Self {
        Self {
            root,
            known: Remembered::new(REMEMBERED),
        }
    }

    /// The assignment that counts of a setting (`kernel.pid_max`); `None` where no file has one.
    pub fn of(&mut self, key: &str) -> Option<Assignment> {
        let root = &self.root;
        self.known.get(key.to_owned(), |key| of(root, key))
    }
}

impl Default for SysctlFiles {
    fn default() -> Self {
        Self::new()
    }
}

fn of(root: &Path, key: &str) -> Option<Assignment> {
    let folders = FOLDERS.iter().map(|folder| root.join(folder));
    let mut files: Vec<PathBuf> = drop_ins(folders).into_values().collect();
    if !UnitFiles::new(root.to_owned()).are_in_use() {
        files.push(root.join("etc/sysctl.conf"));
    }
    let mut found = files.into_iter().filter_map(|file| {
        let value = last(&read(&file)?, key)?;
        Some(Assignment { value, file })
    });
    found.next_back()
}

/// The value of the last line that sets it.
fn last(text: &str, key: &str) -> Option<String> {
    let mut values = text.lines().filter_map(|line| {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            return None;
        }
        let (name, value) = line.split_once('=')?;
        // A failure to set it is to be ignored.
        let name = name.trim();
        let name = name.strip_prefix('-').unwrap_or(name).trim();
        is_key(name, key).then(|| value.trim().to_owned())
    });
    values.next_back()
}

/// `kernel.pid_max`, `kernel/pid_max`.
fn is_key(name: &str, key: &str) -> bool {
    let plain = |c: char| if c == '/' { '.' } else { c };
    name.chars().map(plain).eq(key.chars())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::made_up;

    fn of(systemd: bool, files: &[(&str, &str)]) -> Option<(String, String)> {
        let root = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| {
            made_up::write(root.path(), file, text);
        };
        for (file, text) in files {
            put(file, text);
        }
        if systemd {
            put("run/systemd/system/.keep", "");
        }
        let set = SysctlFiles::below(root.path().to_owned()).of("vm.max_map_count")?;
        let file = set.file.strip_prefix(root.path()).unwrap();
        Some((set.value, file.display().to_string()))
    }

    fn set(value: &str, file: &str) -> Option<(String, String)> {
        Some((value.to_owned(), file.to_owned()))
    }

    #[test]
    fn the_last_file_by_name_counts_whichever_folder_it_is_in() {
        let vendor = (
            "usr/lib/sysctl.d/10-map-count.conf",
            "vm.max_map_count=1048576\n",
        );
        assert_eq!(of(true, &[]), None);
        assert_eq!(
            of(true, &[vendor]),
            set("1048576", "usr/lib/sysctl.d/10-map-count.conf")
        );
        // FD.io's package.
        let vpp = (
            "etc/sysctl.d/80-vpp.conf",
            "# of VPP\nvm.nr_hugepages=1024\n-vm/max_map_count = 3096\n;vm.max_map_count=5\n",
        );
        let early = (
            "etc/sysctl.d/60-cassandra.conf",
            "vm.max_map_count = 1048575",
        );
        assert_eq!(
            of(true, &[vendor, vpp, early]),
            set("3096", "etc/sysctl.d/80-vpp.conf")
        );
        // One of its name in /etc takes the vendor's away.
        let masked = ("etc/sysctl.d/10-map-count.conf", "\n");
        assert_eq!(of(true, &[vendor, masked]), None);
        let other = ("etc/sysctl.d/99-x.conf", "vm.max_map_counts = 7\nvm = 3\n");
        assert_eq!(of(true, &[other]), None);
    }

    #[test]
    fn the_main_file_is_the_last_where_systemd_is_not() {
        let files = [
            ("etc/sysctl.conf", "vm.max_map_count = 70000\n"),
            ("etc/sysctl.d/99-x.conf", "vm.max_map_count = 90000\n"),
        ];
        assert_eq!(of(false, &files), set("70000", "etc/sysctl.conf"));
        assert_eq!(of(true, &files), set("90000", "etc/sysctl.d/99-x.conf"));
    }
}
