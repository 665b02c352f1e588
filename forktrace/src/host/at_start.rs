//! What would be given to what isn't running yet: to a unit by its files, to a login by pam_limits.
//!
//! Limits of a service: LimitNPROC=, else DefaultLimitNPROC=, else what pid 1 has
//! (src/core/manager.c); where it has PAMName=, pam_limits comes after it (src/core/exec-invoke.c).
//! TasksMax= is evaluated anew with each start (systemd 244+).

use std::path::{Path, PathBuf};

use super::{
    pam_limits,
    passwd::Passwd,
    process::Bounds,
    setter::{self, Kind},
    unit_files::UnitFiles,
    unit_limits,
};

/// A limit to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// As it is written: `LimitNPROC=40`, `ann soft nproc 40`.
    pub text: String,
    /// Where; `None`: nowhere, it is so by itself.
    pub file: Option<PathBuf>,
    /// `None`: no limit.
    pub value: Option<u64>,
}

/// What the next start or login gets, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// Whether it is a start or a login.
    pub what: What,
    /// Where it will be: path of the cgroup.
    pub cgroup: Option<PathBuf>,
    /// Of that cgroup.
    pub tasks: Option<Given>,
    /// RLIMIT_NPROC, and whose tasks it will count; not of root's.
    pub processes: Option<(u32, Given)>,
}

/// What there would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The next start of a unit.
    Start,
    /// The next login of a user.
    Login,
}

/// What the unit whose cgroup has this path would get; `None` where it isn't one of this machine's
/// systemd that is started by a file. `most`: of how many tasks systemd takes percentages; `init`:
/// RLIMIT_NPROC of pid 1.
pub fn of_unit(
    root: &Path,
    cgroup: &Path,
    most: Option<u64>,
    init: Option<Bounds>,
) -> Option<Next> {
    let setter = setter::of(&cgroup.to_string_lossy());
    let (Kind::Unit { name, user }, None) = (setter.kind, setter.within) else {
        return None;
    };
    let passwd = Passwd::from_file(&root.join("etc/passwd")).unwrap_or_default();
    let files = match user {
        Some(uid) => UnitFiles::of_user(root.to_owned(), uid, passwd.home(uid).as_deref()),
        None => UnitFiles::new(root.to_owned()),
    };
    // Scopes are never started by their files.
    let is_started = files.has(&name) && !name.ends_with(".scope");
    if !UnitFiles::new(root.to_owned()).are_in_use() || !is_started {
        return None;
    }
    let uid = match user {
        Some(uid) => Some(uid),
        None => files
            .of_unit(&name, "User")
            .and_then(|user| passwd.uid(&user.value).ok()),
    };
    let uid = uid.filter(|uid| *uid != 0 && name.ends_with(".service"));
    // A user's manager has its limits from user@.service, and not from pid 1.
    let init = init.filter(|_| user.is_none());
    let processes = uid.and_then(|uid| {
        let by_pam = files.of_unit(&name, "PAMName").is_some();
        let by_pam = by_pam
            .then(|| pam(root, passwd.name(uid).as_deref(), uid))
            .flatten();
        Some((uid, by_pam.or_else(|| processes(&files, &name, init))?))
    });
    Some(Next {
        what: What::Start,
        cgroup: Some(cgroup.to_owned()),
        tasks: tasks(&files, &name, most),
        processes,
    })
}

/// What a login of this user would get; one without a name is a directory service's.
pub fn of_login(root: &Path, name: Option<&str>, uid: u32, most: Option<u64>) -> Next {
    let files = UnitFiles::new(root.to_owned());
    let slice = format!("user-{uid}.slice");
    let logind = files.are_in_use();
    Next {
        what: What::Login,
        cgroup: logind.then(|| Path::new("/user.slice").join(&slice)),
        tasks: tasks(&files, &slice, most).filter(|_| logind),
        processes: pam(root, name, uid)
            .filter(|_| uid != 0)
            .map(|given| (uid, given)),
    }
}

/// Whether logind has the user now (src/login/logind-user.c `user_save`).
pub fn has_logged_in(root: &Path, uid: u32) -> bool {
    root.join(format!("run/systemd/users/{uid}")).exists()
}

/// Where a unit's cgroup will be, by its name and Slice=; `None` where that isn't known.
pub fn place(files: &UnitFiles, unit: &str) -> Option<PathBuf> {
    if unit.ends_with(".slice") {
        return slice(unit);
    }
    let (stem, _) = unit.rsplit_once('.')?;
    let parts = stem.split_once('@');
    let home = match (files.of_unit(unit, "Slice"), parts) {
        (Some(set), _) => {
            let instance = parts.map_or("", |(_, instance)| instance);
            set.value.replace("%i", instance)
        }
        (None, Some((template, _))) => format!("system-{}.slice", template.replace('-', "\\x2d")),
        (None, None) => "system.slice".to_owned(),
    };
    Some(slice(&home)?.join(unit))
}

/// `/a.slice/a-b.slice` of `a-b.slice`.
fn slice(name: &str) -> Option<PathBuf> {
    let stem = name.strip_suffix(".slice")?;
    let mut path = PathBuf::from("/");
    if stem == "-" {
        return Some(path);
    }
    if stem.is_empty() || stem.contains(['/', '%']) || stem.split('-').any(str::is_empty) {
        return None;
    }
    let dashes = stem.match_indices('-').map(|(at, _)| at);
    for end in dashes.chain([stem.len()]) {
        path.push(format!("{}.slice", &stem[..end]));
    }
    Some(path)
}

fn tasks(files: &UnitFiles, unit: &str, most: Option<u64>) -> Option<Given> {
    let set = unit_limits::tasks(files, unit)?;
    Some(Given {
        value: unit_limits::tasks_of(&set.text, most)?,
        text: format!("{}={}", set.setting, set.text),
        file: set.file,
    })
}

fn processes(files: &UnitFiles, unit: &str, init: Option<Bounds>) -> Option<Given> {
    let own = files.of_unit(unit, "LimitNPROC").map(|set| ("", set));
    let set = own.or_else(|| Some(("Default", files.of_manager("DefaultLimitNPROC")?)));
    match set {
        Some((whose, set)) => Some(Given {
            value: soft(&set.value)?,
            text: format!("{whose}LimitNPROC={}", set.value),
            file: Some(set.file),
        }),
        None => Some(Given {
            value: init?.soft,
            text: "RLIMIT_NPROC of pid 1".to_owned(),
            file: None,
        }),
    }
}

/// The soft part of `soft:hard` (src/basic/rlimit-util.c `rlimit_parse`); `Some(None)`: no limit.
fn soft(text: &str) -> Option<Option<u64>> {
    match text.split(':').next()?.trim() {
        "infinity" => Some(None),
        number => Some(Some(number.parse().ok()?)),
    }
}

fn pam(root: &Path, name: Option<&str>, uid: u32) -> Option<Given> {
    // Which service it comes by isn't known: most read what is the default.
    let user = pam_limits::User::read(root, name, uid);
    let found = pam_limits::Services::read(root).nproc(root, &user);
    let counts = found.first()?.counts()?;
    Some(Given {
        text: counts.to_string(),
        value: counts.value,
        file: Some(counts.file.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::made_up;
    use std::fs;

    struct Root(PathBuf);

    impl Root {
        fn new(name: &str) -> Self {
            let name = format!("forktrace-start-{}-{name}", std::process::id());
            let root = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&root);
            let root = Self(root);
            root.put("run/systemd/system/.keep", "");
            root.put(
                "etc/passwd",
                "root:x:0:0::/:\nweb:x:33:33::/:\nann:x:1000:1000::/home/ann:\n",
            );
            root
        }

        fn put(&self, file: &str, text: &str) {
            made_up::write(&self.0, file, text);
        }

        fn unit(&self, path: &str) -> Option<Next> {
            let init = Bounds {
                soft: Some(2800),
                hard: Some(2800),
            };
            of_unit(&self.0, Path::new(path), Some(1000), Some(init))
        }

        fn tasks(&self, path: &str) -> Option<Option<u64>> {
            Some(self.unit(path)?.tasks?.value)
        }

        fn processes(&self, path: &str) -> Option<(u32, Option<u64>)> {
            let (uid, given) = self.unit(path)?.processes?;
            Some((uid, given.value))
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_start_by_the_units_files_else_by_the_managers() {
        let root = Root::new("unit");
        let file = "etc/systemd/system/web.service";
        let path = "/system.slice/web.service";
        assert_eq!(root.unit(path), None);
        root.put(file, "[Service]\nUser=web\n");
        assert_eq!(root.tasks(path), Some(Some(150)));
        assert_eq!(root.processes(path), Some((33, Some(2800))));
        root.put(
            "etc/systemd/system.conf",
            "[Manager]\nDefaultTasksMax=10%\nDefaultLimitNPROC=70:90\n",
        );
        assert_eq!(root.tasks(path), Some(Some(100)));
        assert_eq!(root.processes(path), Some((33, Some(70))));
        root.put(
            file,
            "[Service]\nUser=web\nTasksMax=infinity\nLimitNPROC=infinity:infinity\n",
        );
        assert_eq!(root.tasks(path), Some(None));
        assert_eq!(root.processes(path), Some((33, None)));
        root.put(
            "etc/systemd/system/web.service.d/x.conf",
            "[Service]\nTasksMax=24\n",
        );
        let next = root.unit(path).unwrap();
        let tasks = next.tasks.unwrap();
        assert_eq!((tasks.value, &*tasks.text), (Some(24), "TasksMax=24"));
        assert!(tasks.file.unwrap().ends_with("web.service.d/x.conf"));
        root.put(file, "[Service]\nUser=web\nPAMName=login\nLimitNPROC=50\n");
        assert_eq!(root.processes(path), Some((33, Some(50))));
        root.put("etc/security/limits.conf", "web - nproc 9\n");
        assert_eq!(root.processes(path), Some((33, Some(9))));
        // root's isn't limited, and nobody knows who %i is.
        for user in ["root", "%i"] {
            root.put(file, &format!("[Service]\nUser={user}\n"));
            assert_eq!(root.processes(path), None);
        }
    }

    #[test]
    fn a_unit_of_another_systemd_is_not_this_ones() {
        let root = Root::new("other");
        root.put("etc/systemd/system/web.service", "[Service]\nTasksMax=5\n");
        assert_eq!(root.unit("/lxc.payload.c1/system.slice/web.service"), None);
        assert_eq!(root.unit("/system.slice/web.service/box"), None);
        root.put("usr/lib/systemd/system/init.scope", "[Unit]\n");
        assert_eq!(root.unit("/init.scope"), None);
        let user = "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service";
        assert_eq!(root.unit(user), None);
        root.put(
            "home/ann/.config/systemd/user/web.service",
            "[Service]\nTasksMax=7\nLimitNPROC=8\n",
        );
        assert_eq!(root.tasks(user), Some(Some(7)));
        assert_eq!(root.processes(user), Some((1000, Some(8))));
    }

    #[test]
    fn a_login_by_pam_limits_and_its_slice() {
        let root = Root::new("login");
        let login = || of_login(&root.0, Some("ann"), 1000, Some(1000));
        assert_eq!((login().tasks, login().processes), (None, None));
        root.put(
            "usr/lib/systemd/system/user-.slice.d/10-defaults.conf",
            "[Slice]\nTasksMax=33%\n",
        );
        assert_eq!(login().tasks.unwrap().value, Some(330));
        assert_eq!(
            login().cgroup.unwrap(),
            Path::new("/user.slice/user-1000.slice")
        );
        root.put(
            "etc/security/limits.d/x.conf",
            "ann soft nproc 90\n* hard nproc 60\n",
        );
        let given = login().processes.unwrap().1;
        assert_eq!((given.value, &*given.text), (Some(60), "* hard nproc 60"));
        let nobodys = of_login(&root.0, None, 61_234, Some(1000)).processes;
        assert_eq!(nobodys.unwrap().1.value, Some(60));
        assert!(!has_logged_in(&root.0, 61_234));
        root.put("run/systemd/users/61234", "NAME=ann@example.org\n");
        assert!(has_logged_in(&root.0, 61_234));
        // No session asks pam_limits.
        root.put(
            "etc/pam.d/login",
            "session required pam_unix.so\n#pam_limits.so\n",
        );
        assert_eq!(login().processes, None);
        root.put("etc/pam.d/su", "session required pam_limits.so\n");
        assert!(login().processes.is_some());
    }

    #[test]
    fn where_a_unit_will_be() {
        let root = Root::new("place");
        root.put(
            "etc/systemd/system/a.service",
            "[Service]\nSlice=x-y.slice\n",
        );
        root.put(
            "etc/systemd/system/u@.service",
            "[Service]\nSlice=user-%i.slice\n",
        );
        root.put(
            "etc/systemd/system/o.service",
            "[Service]\nSlice=%j.slice\n",
        );
        let files = UnitFiles::new(root.0.clone());
        for (unit, wanted) in [
            ("a.service", Some("/x.slice/x-y.slice/a.service")),
            ("b.service", Some("/system.slice/b.service")),
            ("u@7.service", Some("/user.slice/user-7.slice/u@7.service")),
            (
                "g-t@1.service",
                Some("/system.slice/system-g\\x2dt.slice/g-t@1.service"),
            ),
            ("x-y.slice", Some("/x.slice/x-y.slice")),
            ("-.slice", Some("/")),
            ("o.service", None),
            ("a--b.slice", None),
        ] {
            assert_eq!(place(&files, unit), wanted.map(PathBuf::from), "{unit}");
        }
    }
}
