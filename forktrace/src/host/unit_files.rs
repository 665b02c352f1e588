//! What systemd's unit files say of one setting, read as systemd reads them, without asking it.
//!
//! systemd.unit(5): the first file of a name in [`UNITS`] is the unit's; drop-ins of its name, its
//! template's, its dashed prefixes' and its type's come after it, in the order of their file names,
//! the first of a name in the order of folders, in each the nearest first. Those of its aliases (`mysql.service`, a link to
//! `mariadb.service`) count as its own do. The last assignment counts; an empty one takes back
//! those before it. What was changed since systemd has read them isn't seen.
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
use std::sync::{Arc, OnceLock};

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

/// Whether a unit has this file from what has started it: it goes when the unit ends.
pub fn is_transient(file: &Path) -> bool {
    has_part(file, |part| part == "transient")
}

/// Whether one of the folders that a file is in, or itself, is called so.
pub fn has_part(file: &Path, is: impl Fn(&str) -> bool) -> bool {
    file.components()
        .any(|part| part.as_os_str().to_str().is_some_and(&is))
}

/// The template's name of an instance; `None` for what is none.
pub fn template(unit: &str) -> Option<String> {
    let (name, instance) = unit.split_once('@')?;
    let (_, kind) = instance.rsplit_once('.')?;
    Some(format!("{name}@.{kind}"))
}

/// For which units a drop-in is, where it isn't of one alone: by the folder that it is in.
pub fn shared_by(drop_in: &Path) -> Option<String> {
    let folder = drop_in.parent()?.file_name()?.to_str()?;
    let of = folder.strip_suffix(".d")?;
    let Some((stem, kind)) = of.rsplit_once('.') else {
        return Some(format!("each {of}"));
    };
    match stem.strip_suffix('@') {
        Some(prefix) if prefix.ends_with('-') => {
            Some(format!("each unit called {prefix}…@….{kind}"))
        }
        Some(_) => Some(format!("each instance of {of}")),
        // `-.slice` is the root of all.
        None if stem.ends_with('-') && stem != "-" => {
            Some(format!("each unit called {stem}….{kind}"))
        }
        None => None,
    }
}

/// A manager's unit files below a folder: the system's, or a user's.
#[derive(Clone, Debug)]
pub struct UnitFiles {
    root: PathBuf,
    /// Folders of units, first ones first.
    units: Vec<PathBuf>,
    /// The one that `systemctl edit` writes to.
    own: Option<PathBuf>,
    /// `system.conf` or `user.conf`.
    manager: &'static str,
    /// Links among the units and what they lead to, read when first asked for.
    links: Arc<OnceLock<Vec<(String, String)>>>,
}

impl UnitFiles {
    /// Those below `root`; `/` for this machine's.
    pub fn new(root: PathBuf) -> Self {
        Self {
            units: UNITS.map(|folder| root.join(folder)).to_vec(),
            own: Some(root.join("etc/systemd/system")),
            manager: "system.conf",
            root,
            links: Arc::default(),
        }
    }

    /// Those of the manager of a user with this uid and home (`/home/ann`).
    pub fn of_user(root: PathBuf, uid: u32, home: Option<&Path>) -> Self {
        let home = home.and_then(|home| home.strip_prefix("/").ok());
        let own = home.map(|home| root.join(home).join(".config/systemd/user"));
        let homes = home.map(|home| HOME_UNITS.map(|folder| root.join(home).join(folder)));
        let run = root.join(format!("run/user/{uid}/systemd"));
        let units = [run.join("user.control"), run.join("transient")]
            .into_iter()
            .chain(homes.into_iter().flatten())
            .chain(USER_UNITS.map(|folder| root.join(folder)));
        Self {
            units: units.collect(),
            own,
            manager: "user.conf",
            root,
            links: Arc::default(),
        }
    }

    /// Whether the unit is one that something has started without a file (systemd-run, a desktop, dbus-broker):
    /// all that is set of it, by `systemctl set-property` too, goes when it ends (src/core/unit.c
    /// `unit_make_transient`, `unit_drop_in_dir`).
    pub fn is_transient(&self, unit: &str) -> bool {
        let mut folders = self.units.iter();
        folders.any(|folder| folder.ends_with("systemd/transient") && folder.join(unit).is_file())
    }

    /// Whether the unit has a file, its own or its template's.
    pub fn has(&self, unit: &str) -> bool {
        let names = names(unit).unwrap_or_default();
        let own = names.iter().take(1 + usize::from(unit.contains('@')));
        own.flat_map(|name| self.units.iter().map(move |folder| folder.join(name)))
            .any(|file| file.is_file())
    }

    /// The unit that this name is another one of, a link to whose file it is; `None` where it is a unit's own
    /// name, or nobody's. Cgroups have units' own names.
    pub fn id(&self, alias: &str) -> Option<String> {
        let instance = alias.split_once('@');
        let names = [Some(alias.to_owned()), template(alias)];
        let names = names.into_iter().flatten();
        let mut files =
            names.flat_map(|name| self.units.iter().map(move |folder| folder.join(&name)));
        let file = files.find(|file| fs::symlink_metadata(file).is_ok())?;
        let target = fs::canonicalize(file).ok()?;
        let target = target.file_name()?.to_str()?;
        let id = match (target.split_once('@'), instance) {
            (Some((name, kind)), Some((_, rest))) if kind.starts_with('.') => {
                format!("{name}@{rest}")
            }
            _ => target.to_owned(),
        };
        let kind = |name: &str| name.rsplit_once('.').map(|(_, kind)| kind.to_owned());
        (id != alias && kind(&id) == kind(alias)).then_some(id)
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
        last(main, drop_ins(self.folders(unit, names)), section, property)
    }

    /// The drop-in that one of this name, as `systemctl edit` makes it, would take the place of: of those
    /// with one name only the first counts, a template's after an instance's. `None` where that is the
    /// one which is edited, or where there is none that says anything.
    pub fn hidden_by(&self, unit: &str, drop_in: &str) -> Option<PathBuf> {
        let own = self.own.as_ref()?.join(format!("{unit}.d")).join(drop_in);
        let mut all = drop_ins(self.folders(unit, names(unit)?));
        let counts = all.remove(OsStr::new(drop_in))?;
        let says_something = read(&counts).is_some_and(|text| !text.trim().is_empty());
        (counts != own && says_something).then_some(counts)
    }

    /// Folders of drop-ins, the first of which count where these have one name (src/shared/dropin.c): of each
    /// name of the unit folder by folder, what is of its type alone last.
    fn folders(&self, unit: &str, mut own: Vec<String>) -> impl Iterator<Item = PathBuf> {
        let of_type: Vec<String> = own.pop().into_iter().collect();
        let aliases = self.aliases(unit).into_iter().filter_map(|alias| {
            let mut names = names(&alias)?;
            names.pop();
            Some(names)
        });
        let mut all = vec![own];
        all.extend(aliases);
        all.push(of_type);
        all.into_iter().flat_map(move |names| {
            self.units.iter().flat_map(move |folder| {
                let of_name = |name: &String| folder.join(format!("{name}.d"));
                names.iter().map(of_name).collect::<Vec<_>>()
            })
        })
    }

    /// Other names of a unit: links to its file, or to its template's.
    fn aliases(&self, unit: &str) -> Vec<String> {
        let links = self.links.get_or_init(|| links(&self.units));
        let instance = unit.split_once('@').map(|(_, instance)| instance);
        let template = template(unit).zip(instance);
        let mut found = Vec::new();
        for (name, target) in links {
            let alias = match &template {
                _ if target == unit => name.clone(),
                // Of a template's alias, the instance has its name.
                Some((file, instance)) if target == file => {
                    let name = name.split('@').next().unwrap_or(name);
                    format!("{name}@{instance}")
                }
                _ => continue,
            };
            if alias != unit && !found.contains(&alias) {
                found.push(alias);
            }
        }
        found
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

/// Names of links in these folders, and of the files that they lead to.
fn links(folders: &[PathBuf]) -> Vec<(String, String)> {
    let entries = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let links = entries.filter(|entry| entry.file_type().is_ok_and(|file| file.is_symlink()));
    let named = links.filter_map(|link| {
        let target = fs::read_link(link.path()).ok()?;
        let target = target.file_name()?.to_str()?.to_owned();
        Some((link.file_name().into_string().ok()?, target))
    });
    named.filter(|(name, target)| name != target).collect()
}

/// Where a unit of this type has its resource settings.
pub fn section(unit: &str) -> Option<&'static str> {
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
