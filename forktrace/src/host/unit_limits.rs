//! What systemd's files say of a unit's limits: a number, or a percentage that it has turned into one
//! once.
//!
//! TasksMax=, DefaultTasksMax=: of the smallest of kernel.pid_max, kernel.threads-max and the root
//! cgroup's pids.max (src/basic/limits-util.c `system_tasks_max_scale`), since systemd 244 when the
//! unit's cgroup is set up (src/core/cgroup.c `tasks_max_resolve`), before when the file is loaded.
//! MemoryMax=, MemoryLimit=: of RAM or the root cgroup's memory.max (`physical_memory_scale`), when
//! the unit is loaded.

use std::path::PathBuf;

use super::cgroup::{Hierarchies, Resource};
use super::limits::HostNow;
use super::passwd::Passwd;
use super::remembered::Remembered;
use super::setter::{self, Kind};
use super::unit_files::UnitFiles;
use crate::{arch::Page, model::Limit};

/// Units that are remembered.
const REMEMBERED: usize = 256;

/// Built into systemd (src/core/manager.c `DEFAULT_TASKS_MAX`).
const BUILT_IN: &str = "15%";

/// What a file says of a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitLimit {
    /// `TasksMax`, `DefaultTasksMax`, `MemoryMax`, `MemoryLimit`.
    pub setting: &'static str,
    /// As it is written, `15%`, `4096`.
    pub text: String,
    /// The file that sets it; `None`: systemd's own default.
    pub file: Option<PathBuf>,
    /// What it comes to now, in tasks or bytes, where that can be computed.
    pub today: Option<u64>,
}

impl UnitLimit {
    /// Whether it is a percentage, or the like.
    pub fn is_part(&self) -> bool {
        part(&self.text).is_some()
    }
}

/// What is to know of a unit before somebody sets a limit of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitPlace {
    /// The home of the user whose manager has it.
    pub home: Option<PathBuf>,
    /// See [`UnitFiles::is_transient`].
    pub is_transient: bool,
}

/// What is known of a unit, and of one of its limits.
#[derive(Clone, Default)]
struct Known {
    limit: Option<UnitLimit>,
    place: UnitPlace,
}

/// A unit's name, whose user's manager has it, and whether it is of memory.
type Key = (String, Option<u32>, bool);

/// Finds them, and remembers each unit's for a minute.
pub struct UnitLimits {
    root: PathBuf,
    files: Remembered<(), UnitFiles>,
    known: Remembered<Key, Known>,
}

impl UnitLimits {
    /// Of this machine.
    pub fn new() -> Self {
        Self::below(PathBuf::from("/"))
    }

    fn below(root: PathBuf) -> Self {
        Self {
            files: Remembered::new(1),
            root,
            known: Remembered::new(REMEMBERED),
        }
    }

    /// What is behind this limit, see [`Self::of`]; `None` also where it is no cgroup's, or has no
    /// number.
    pub fn of_limit(&mut self, limit: &Limit, hierarchies: &Hierarchies) -> Option<UnitLimit> {
        let resource = Resource::of_limit(&limit.kind)?;
        let path = limit.owner.cgroup_path()?;
        self.of(resource, path, limit.value?, hierarchies)
    }

    /// What is behind the limit of the cgroup with this path, which has this value. `None` where no
    /// file says it, where it isn't a unit of the host's, where systemd doesn't run this
    /// machine, and in a cgroup namespace, where the files are another machine's.
    pub fn of(
        &mut self,
        resource: Resource,
        path: &str,
        value: u64,
        hierarchies: &Hierarchies,
    ) -> Option<UnitLimit> {
        let memory = match resource {
            Resource::Pids => false,
            Resource::Memory => true,
            Resource::MemoryAndSwap | Resource::KernelMemory => return None,
        };
        let mut found = self.known(memory, path, hierarchies).limit?;
        let of = match memory {
            false => most_tasks(&HostNow::read()),
            true => HostNow::read().mem_total.map(|kb| kb * 1024),
        };
        found.today = match memory {
            false => tasks_of(&found.text, of).flatten(),
            true => memory_in(&found.text, of, Page::here()),
        };
        // What nobody has written down is only believed when the number agrees; a number is what it is.
        let believed = found.is_part() && found.file.is_some();
        (believed || found.today == Some(value)).then_some(found)
    }

    /// What is to know of the unit that has this limit.
    pub fn place(&mut self, limit: &Limit, hierarchies: &Hierarchies) -> UnitPlace {
        let memory = Resource::of_limit(&limit.kind) == Some(Resource::Memory);
        let path = limit.owner.cgroup_path().unwrap_or_default();
        self.known(memory, path, hierarchies).place
    }

    fn known(&mut self, memory: bool, path: &str, hierarchies: &Hierarchies) -> Known {
        let root = &self.root;
        let system = self.files.get((), |()| UnitFiles::new(root.clone()));
        let unit = unit(path).filter(|_| !hierarchies.hides_ancestors() && system.are_in_use());
        let Some((unit, user)) = unit else {
            return Known::default();
        };
        self.known.get((unit, user, memory), |(unit, ..)| {
            let home = user.and_then(|uid| Passwd::load().unwrap_or_default().home(uid));
            let of_user = user.map(|uid| UnitFiles::of_user(root.clone(), uid, home.as_deref()));
            let files = of_user.as_ref().unwrap_or(&system);
            Known {
                limit: match memory {
                    false => tasks(files, unit),
                    true => memory_of(files, unit),
                },
                place: UnitPlace {
                    is_transient: files.is_transient(unit),
                    home,
                },
            }
        })
    }
}

impl Default for UnitLimits {
    fn default() -> Self {
        Self::new()
    }
}

/// The unit of this host's manager, or of a user's (by uid), whose cgroup this is: a container's own
/// systemd has its files elsewhere, and what a service has made below its own is nobody's.
fn unit(path: &str) -> Option<(String, Option<u32>)> {
    let setter = setter::of(path);
    if let Some(unit) = setter.system_unit() {
        return Some((unit.to_owned(), None));
    }
    match setter.kind {
        Kind::Unit { name, user } if setter.within.is_none() => Some((name, user)),
        _ => None,
    }
}

/// TasksMax= of a unit, or what its manager gives those without.
pub(super) fn tasks(files: &UnitFiles, unit: &str) -> Option<UnitLimit> {
    let (setting, text, file) = match files.of_unit(unit, "TasksMax") {
        Some(own) => ("TasksMax", own.value, Some(own.file)),
        // src/core/unit.c `unit_init`: the default is for all but slices.
        None if unit.ends_with(".slice") => return None,
        None => match files.of_manager("DefaultTasksMax") {
            Some(set) => ("DefaultTasksMax", set.value, Some(set.file)),
            None => ("DefaultTasksMax", BUILT_IN.to_owned(), None),
        },
    };
    Some(UnitLimit {
        setting,
        text,
        file,
        today: None,
    })
}

fn memory_of(files: &UnitFiles, unit: &str) -> Option<UnitLimit> {
    // v1's own setting is overridden by the other (src/core/cgroup.c).
    let found = ["MemoryMax", "MemoryLimit"]
        .into_iter()
        .find_map(|setting| Some((setting, files.of_unit(unit, setting)?)));
    let (setting, assignment) = found?;
    Some(UnitLimit {
        setting,
        text: assignment.value,
        file: Some(assignment.file),
        today: None,
    })
}

/// What TasksMax= comes to, of so many that there may be; `Some(None)`: no limit. `None` where that
/// isn't known.
pub(super) fn tasks_of(text: &str, most: Option<u64>) -> Option<Option<u64>> {
    if text == "infinity" {
        return Some(None);
    }
    match part(text) {
        Some(part) => Some(Some(scale(most?, part))),
        None => Some(Some(text.parse().ok()?)),
    }
}

/// What MemoryMax= comes to, of so much RAM, in the whole pages that the kernel makes of it.
fn memory_in(text: &str, ram: Option<u64>, page: Page) -> Option<u64> {
    if let Some(part) = part(text) {
        return Some(page.times(scale(ram? / page.bytes(), part)));
    }
    let shifts = [("K", 10), ("M", 20), ("G", 30), ("T", 40)];
    let suffixed = shifts
        .into_iter()
        .find_map(|(suffix, shift)| Some((text.strip_suffix(suffix)?, shift)));
    let (number, shift) = suffixed.unwrap_or((text, 0));
    let bytes = number.trim().parse::<u64>().ok()?.checked_mul(1 << shift)?;
    Some(page.whole(bytes))
}

/// In ten-thousandths, of `15%`, `12.5%`, `150‰`, `1500‱` (src/basic/percent-util.c); `None` for
/// what isn't a percentage.
fn part(text: &str) -> Option<u64> {
    let (number, digits) = if let Some(number) = text.strip_suffix('%') {
        (number, 2)
    } else if let Some(number) = text.strip_suffix('‰') {
        (number, 1)
    } else {
        (text.strip_suffix('‱')?, 0)
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > digits || number.ends_with('.') {
        return None;
    }
    let all = format!("{whole}{fraction:0<digits$}");
    if !all.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    all.parse().ok().filter(|part| *part <= 10_000)
}

fn scale(of: u64, part: u64) -> u64 {
    // Numbers that no machine has stay harmless.
    (u128::from(of) * u128::from(part) / 10_000) as u64
}

/// Of how many systemd takes percentages: what the whole host may have.
pub(super) fn most_tasks(host: &HostNow) -> Option<u64> {
    Some(host.pid_max?.min(host.threads_max?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        host::made_up,
        model::{LimitKind, Owner, Unit},
    };

    #[test]
    fn parts() {
        for (text, wanted) in [
            ("15%", Some(1500)),
            ("12.5%", Some(1250)),
            ("0.01%", Some(1)),
            ("150‰", Some(1500)),
            ("7‱", Some(7)),
            ("100%", Some(10_000)),
            ("101%", None),
            ("1.234%", None),
            ("4096", None),
            ("infinity", None),
            ("%", None),
            (".5%", None),
            ("5.%", None),
            ("-5%", None),
            ("+5%", None),
            ("", None),
        ] {
            assert_eq!(part(text), wanted, "{text}");
        }
        assert_eq!(tasks_of("15%", Some(200)), Some(Some(30)));
        assert_eq!(tasks_of("24", None), Some(Some(24)));
        assert_eq!(tasks_of("infinity", None), Some(None));
        assert_eq!(
            (tasks_of("15%", None), tasks_of("many", Some(9))),
            (None, None)
        );
        for page in [Page::KIB_4, Page::KIB_16, Page::KIB_64] {
            let in_pages = |text: &str, ram| memory_in(text, ram, page);
            assert_eq!(in_pages("2G", None), Some(2 << 30));
            assert_eq!(in_pages("50%", Some(1 << 30)), Some(1 << 29));
            // Three pages, and a part of one more that is nobody's.
            let ram = Some(page.times(6) + 1024);
            assert_eq!(in_pages("50%", ram), Some(page.times(3)));
            let odd = (page.times(3) + 1024).to_string();
            assert_eq!(in_pages(&odd, None), Some(page.times(3)));
            assert_eq!(
                (in_pages("infinity", None), in_pages("99999999999T", None)),
                (None, None)
            );
        }
        assert_eq!(scale(32_768, 1500), 4915);
        assert_eq!(scale(u64::MAX, 10_000), u64::MAX);
    }

    #[test]
    fn whose_cgroup_it_is() {
        for (path, wanted) in [
            ("/system.slice/x.service", Some(("x.service", None))),
            (
                "/system.slice/_memory.service",
                Some(("memory.service", None)),
            ),
            ("/system.slice", Some(("system.slice", None))),
            ("/system.slice/x.service/worker", None),
            ("/lxc.payload.c1/system.slice/x.service", None),
            (
                "/user.slice/user-7.slice/user@7.service",
                Some(("user@7.service", None)),
            ),
            (
                "/user.slice/user-7.slice/user@7.service/app.slice/y.service",
                Some(("y.service", Some(7))),
            ),
            ("/", None),
            ("/a", None),
            ("", None),
        ] {
            let found = unit(path);
            let found = found.as_ref().map(|(name, user)| (&**name, *user));
            assert_eq!(found, wanted, "{path}");
        }
    }

    #[test]
    fn a_number_is_none_and_a_default_has_to_agree() {
        let root = std::env::temp_dir().join(format!("forktrace-percent-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        let put = |file: &str, text: &str| {
            made_up::write(&root, file, text);
        };
        put(
            "etc/systemd/system/a.service",
            "[Service]\nTasksMax=25%\nMemoryMax=50%\n",
        );
        put("etc/systemd/system/b.service", "[Service]\nTasksMax=4096\n");
        let hierarchies = Hierarchies::from_mountinfo(b"", true);
        let new = || UnitLimits::below(root.clone());
        let of = |resource, path: &str, value| new().of(resource, path, value, &hierarchies);
        // systemd doesn't run this machine.
        assert_eq!(of(Resource::Pids, "/a.service", 1), None);
        put("run/systemd/system/.keep", "");
        let host = HostNow::read();
        let most = most_tasks(&host).unwrap();
        let a = of(Resource::Pids, "/a.service", 1).unwrap();
        assert_eq!(
            (a.setting, &*a.text, a.today),
            ("TasksMax", "25%", Some(most / 4))
        );
        assert!(a.file.unwrap().ends_with("a.service"));
        let a = of(Resource::Memory, "/a.service", 1).unwrap();
        let page = Page::here();
        let half = page.times(host.mem_total.unwrap() * 1024 / page.bytes() / 2);
        assert_eq!((a.setting, a.today), ("MemoryMax", Some(half)));
        // Somebody has changed it since, or it is what the file says.
        assert_eq!(of(Resource::Pids, "/b.service", 4095), None);
        let b = of(Resource::Pids, "/b.service", 4096).unwrap();
        assert_eq!((b.setting, b.is_part()), ("TasksMax", false));
        assert_eq!(of(Resource::Memory, "/b.service", 4096), None);
        // By nobody's word: systemd's own default, if it comes out.
        let default = scale(most, 1500);
        assert_eq!(of(Resource::Pids, "/c.service", default - 1), None);
        let c = of(Resource::Pids, "/c.service", default).unwrap();
        assert_eq!((c.setting, c.file), ("DefaultTasksMax", None));
        assert_eq!(of(Resource::Pids, "/c.slice", default), None);
        put(
            "etc/systemd/system.conf",
            "[Manager]\nDefaultTasksMax=512\n",
        );
        let c = of(Resource::Pids, "/c.service", 512).unwrap();
        assert_eq!((c.setting, &*c.text), ("DefaultTasksMax", "512"));
        assert!(c.file.unwrap().ends_with("system.conf"));
        assert_eq!(of(Resource::Pids, "/c.service", default), None);
        // A user's manager has files, and a default, of its own.
        let manager = "/user.slice/user-7.slice/user@7.service/app.slice/y.service";
        let y = of(Resource::Pids, manager, default).unwrap();
        assert_eq!((y.setting, y.file), ("DefaultTasksMax", None));
        put("etc/systemd/user/y.service", "[Service]\nTasksMax=40%\n");
        let y = of(Resource::Pids, manager, 7).unwrap();
        assert_eq!((y.setting, &*y.text), ("TasksMax", "40%"));
        // Root has one everywhere.
        let place = |path: &str| {
            let limit = Limit::new(LimitKind::PidsMax, Owner::cgroup(path), Unit::Tasks);
            new().place(&limit, &hierarchies)
        };
        let roots = place(&manager.replace('7', "0")).home;
        assert!(roots.is_some_and(|home| home.starts_with("/root")));
        assert_eq!(place("/a.service"), UnitPlace::default());
        // Whoever says its limit.
        put("run/systemd/transient/d.service", "[Service]\n");
        assert!(place("/d.service").is_transient);
        // Elsewhere the files are not those of who set the limit.
        let elsewhere = Hierarchies::from_mountinfo(b"", false);
        assert_eq!(new().of(Resource::Pids, "/a.service", 1, &elsewhere), None);
        std::fs::remove_dir_all(&root).unwrap();
    }
}
