//! What systemd's unit files say of one setting, read as systemd reads them, without asking it.
//!
//! systemd.unit(5): the first file of a name in [`UNITS`] is the unit's; drop-ins of its name, its
//! template's, its dashed prefixes' and its type's come after it, in the order of their file names,
//! the first of a name in the order of folders. The last assignment counts; an empty one takes back
//! those before it. Aliases of a unit, and what was changed since systemd has read them, aren't seen.
//!
//! Where a limit comes from is read from systemd's files (`host/unit_files.rs`,
//! `host/unit_limits.rs`), each unit's once a minute at most; `cause/outside.rs` words what of
//! the refusing cgroup forktrace's own namespace shows.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Folders of the system manager's units, first ones first (src/basic/path-lookup.c).
const UNITS: [&str; 13] = [
    "etc/systemd/system.control",
    "run/systemd/system.control",
    "run/systemd/transient",
    "run/systemd/generator.early",
    "etc/systemd/system",
    "etc/systemd/system.attached",
    "run/systemd/system",
    "run/systemd/system.attached",
    "run/systemd/generator",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
    "run/systemd/generator.late",
];

/// Folders of `system.conf` and of `system.conf.d`.
const MANAGER: [&str; 5] = [
    "etc/systemd",
    "run/systemd",
    "usr/local/lib/systemd",
    "usr/lib/systemd",
    "lib/systemd",
];

/// Folders of a user's manager's units below `etc`, `run` and `usr`, and those of its `user.conf`.
const USER_UNITS: [&str; 5] = [
    "etc/systemd/user",
    "run/systemd/user",
    "usr/local/lib/systemd/user",
    "usr/lib/systemd/user",
    "lib/systemd/user",
];

/// And below the user's home, first ones first.
const HOME_UNITS: [&str; 3] = [
    ".config/systemd/user.control",
    ".config/systemd/user",
    ".local/share/systemd/user",
];

/// Longer files are read so far; more drop-ins of one folder aren't looked at.
const LONGEST: u64 = 64 << 10;
const MOST: usize = 256;

/// What was assigned, and by which file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The value, as the file has it.
    pub value: String,
    /// Path of the file.
    pub file: PathBuf,
}

/// Whether a file is a drop-in that counts after one of this name.
pub fn counts_after(file: &Path, drop_in: &str) -> bool {
    let folder = file.parent().and_then(Path::extension);
    let name = file.file_name();
    folder.is_some_and(|end| end == "d") && name.is_some_and(|name| name > OsStr::new(drop_in))
}

/// A manager's unit files below a folder: the system's, or a user's.
#[derive(Clone, Debug)]
pub struct UnitFiles {
    root: PathBuf,
    /// Folders of units, first ones first.
    units: Vec<PathBuf>,
    /// `system.conf` or `user.conf`.
    manager: &'static str,
}

impl UnitFiles {
    /// Those below `root`; `/` for this machine's.
    pub fn new(root: PathBuf) -> Self {
        Self {
            units: UNITS.map(|folder| root.join(folder)).to_vec(),
            manager: "system.conf",
            root,
        }
    }

    /// Those of the manager of a user with this uid and home (`/home/ann`).
    pub fn of_user(root: PathBuf, uid: u32, home: Option<&Path>) -> Self {
        let home = home.and_then(|home| home.strip_prefix("/").ok());
        let homes = home.map(|home| HOME_UNITS.map(|folder| root.join(home).join(folder)));
        let run = root.join(format!("run/user/{uid}/systemd"));
        let units = [run.join("user.control"), run.join("transient")]
            .into_iter()
            .chain(homes.into_iter().flatten())
            .chain(USER_UNITS.map(|folder| root.join(folder)));
        Self {
            units: units.collect(),
            manager: "user.conf",
            root,
        }
    }

    /// Whether the unit has a file, its own or its template's.
    pub fn has(&self, unit: &str) -> bool {
        let names = names(unit).unwrap_or_default();
        let own = names.iter().take(1 + usize::from(unit.contains('@')));
        own.flat_map(|name| self.units.iter().map(move |folder| folder.join(name)))
            .any(|file| file.is_file())
    }

    /// Names of units that have a file, whether they run or not; where systemd runs this machine.
    /// Templates are none.
    pub fn files(&self) -> Vec<String> {
        let folders = self.units.iter().filter(|_| self.are_in_use());
        folders
            .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
            .filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| !name.contains("@."))
            .collect()
    }

    /// Whether systemd runs this machine: its folder is there (sd_booted(3)), and pid 1 is no other
    /// program. A container's image, and who mounts the host's /run, can have the folder alone.
    pub fn are_in_use(&self) -> bool {
        let folder = fs::symlink_metadata(self.root.join("run/systemd/system"));
        folder.is_ok_and(|m| m.is_dir()) && !self.first_is_another()
    }

    /// Whether pid 1 is known to be no systemd. Its program is hidden from others, its name is not;
    /// `init` is what the kernel starts, and can be it.
    fn first_is_another(&self) -> bool {
        let name = fs::read(self.root.join("proc/1/comm"));
        name.is_ok_and(|name| !matches!(name.trim_ascii_end(), b"systemd" | b"init"))
    }

    /// The assignment that counts of a unit's property, in the section of its type; `None` where
    /// there is none.
    pub fn of_unit(&self, unit: &str, property: &str) -> Option<Assignment> {
        let names = names(unit)?;
        let section = section(unit)?;
        // An instance's own file comes before its template's.
        let own = names.iter().take(1 + usize::from(unit.contains('@')));
        let main = own
            .flat_map(|name| self.units.iter().map(move |folder| folder.join(name)))
            .find_map(|file| Some((read(&file)?, file)));
        let folders = names.iter().flat_map(|name| {
            let own = format!("{name}.d");
            self.units.iter().map(move |folder| folder.join(&own))
        });
        last(main, drop_ins(folders), section, property)
    }

    /// The same of a setting of the manager (systemd-system.conf(5)).
    pub fn of_manager(&self, property: &str) -> Option<Assignment> {
        let folders = MANAGER.map(|folder| self.root.join(folder));
        let main = folders.iter().map(|folder| folder.join(self.manager));
        let main = main.clone().find_map(|file| Some((read(&file)?, file)));
        let drop_ins = drop_ins(
            folders
                .iter()
                .map(|folder| folder.join(format!("{}.d", self.manager))),
        );
        last(main, drop_ins, "Manager", property)
    }
}

/// Whose drop-ins a unit has: its own, its template's, those of its dashed prefixes, longest first,
/// its type's. `None` for what can't be a unit's name.
fn names(unit: &str) -> Option<Vec<String>> {
    let (stem, kind) = unit.rsplit_once('.')?;
    if stem.is_empty() || unit.contains(['/', '\0']) || unit.starts_with('.') || unit.len() > 255 {
        return None;
    }
    let mut names = vec![unit.to_owned()];
    // Of an instance, the prefixes are the template's.
    let (prefix, at) = match stem.split_once('@') {
        Some((prefix, _)) => {
            names.push(format!("{prefix}@.{kind}"));
            (prefix, "@")
        }
        None => (stem, ""),
    };
    let dashes = prefix
        .match_indices('-')
        .map(|(at, _)| at)
        .filter(|at| at + 1 < prefix.len());
    let dashes: Vec<usize> = dashes.collect();
    names.extend(
        dashes
            .iter()
            .rev()
            .take(16)
            .map(|&dash| format!("{}{at}.{kind}", &prefix[..=dash])),
    );
    names.push(kind.to_owned());
    Some(names)
}

/// Where a unit of this type has its resource settings.
fn section(unit: &str) -> Option<&'static str> {
    match unit.rsplit_once('.')?.1 {
        "service" => Some("Service"),
        "scope" => Some("Scope"),
        "slice" => Some("Slice"),
        "socket" => Some("Socket"),
        "mount" => Some("Mount"),
        "swap" => Some("Swap"),
        _ => None,
    }
}

/// The `.conf` files of the folders by name: of the same name, the one of the first folder.
pub(super) fn drop_ins(folders: impl Iterator<Item = PathBuf>) -> BTreeMap<OsString, PathBuf> {
    let mut files = BTreeMap::new();
    for folder in folders {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten().take(MOST) {
            let name = entry.file_name();
            if Path::new(&name).extension().is_some_and(|e| e == "conf") {
                files.entry(name).or_insert_with(|| entry.path());
            }
        }
    }
    files
}

fn last(
    main: Option<(String, PathBuf)>,
    drop_ins: BTreeMap<OsString, PathBuf>,
    section: &str,
    property: &str,
) -> Option<Assignment> {
    let drop_ins = drop_ins
        .into_values()
        .filter_map(|file| Some((read(&file)?, file)));
    let mut found = None;
    for (text, file) in main.into_iter().chain(drop_ins) {
        for value in assignments(&text, section, property) {
            let file = file.clone();
            found = (!value.is_empty()).then_some(Assignment { value, file });
        }
    }
    found
}

/// `None` where there is no such file; /dev/null, by which units are masked, is empty.
pub(super) fn read(file: &Path) -> Option<String> {
    // A FIFO would be waited for.
    let meta = fs::metadata(file).ok()?;
    if !meta.is_file() {
        return Some(String::new());
    }
    let mut bytes = Vec::new();
    File::open(file)
        .ok()?
        .take(LONGEST)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The values assigned, as systemd.syntax(7) has it: a backslash continues a line.
fn assignments(text: &str, section: &str, property: &str) -> Vec<String> {
    let mut within = false;
    let mut values = Vec::new();
    let mut pending = String::new();
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(part) = line.strip_suffix('\\') {
            pending.push_str(part);
            pending.push(' ');
            continue;
        }
        let whole = std::mem::take(&mut pending) + line;
        if let Some(name) = whole
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            within = name == section;
        } else if within
            && let Some((name, value)) = whole.split_once('=')
            && name.trim() == property
        {
            values.push(value.trim().to_owned());
        }
    }
    values
}

#[cfg(test)]
mod tests;
