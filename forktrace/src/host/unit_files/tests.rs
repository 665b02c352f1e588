use super::*;
use crate::host::made_up;

/// Files below a folder of their own, which goes with it.
struct Root(PathBuf);

impl Root {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let id = std::process::id();
        let root = std::env::temp_dir().join(format!("forktrace-units-{id}-{name}"));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        for (file, text) in files {
            made_up::write(&root, file, text);
        }
        Self(root)
    }

    fn of(&self, unit: &str) -> Option<(String, String)> {
        let found = UnitFiles::new(self.0.clone()).of_unit(unit, "TasksMax")?;
        let file = found.file.strip_prefix(&self.0).unwrap().to_owned();
        Some((found.value, file.display().to_string()))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn found(value: &str, file: &str) -> Option<(String, String)> {
    Some((value.to_owned(), file.to_owned()))
}

#[test]
fn the_last_assignment_in_the_order_of_names_counts() {
    let root = Root::new(
        "order",
        &[
            (
                "usr/lib/systemd/system/x.service",
                "[Service]\nTasksMax=10%\n",
            ),
            (
                "etc/systemd/system/x.service",
                "[Service]\nTasksMax = 20%\n",
            ),
            (
                "usr/lib/systemd/system/x.service.d/50-a.conf",
                "[Service]\nTasksMax=30%\n",
            ),
            (
                "etc/systemd/system/x.service.d/10-b.conf",
                "[Service]\nTasksMax=40%\n",
            ),
            // Hidden by the same name in /run, which says nothing.
            (
                "usr/lib/systemd/system/x.service.d/90-c.conf",
                "[Service]\nTasksMax=50%\n",
            ),
            ("run/systemd/system/x.service.d/90-c.conf", ""),
            (
                "etc/systemd/system/x.service.d/99.txt",
                "[Service]\nTasksMax=60%\n",
            ),
            (
                "etc/systemd/system/x.service.d/91.conf",
                "[Unit]\nTasksMax=70%\n",
            ),
        ],
    );
    assert_eq!(
        root.of("x.service"),
        found("30%", "usr/lib/systemd/system/x.service.d/50-a.conf")
    );
    assert_eq!(root.of("y.service"), None);
}

#[test]
fn templates_prefixes_and_types() {
    let root = Root::new(
        "names",
        &[
            (
                "lib/systemd/system/getty@.service",
                "[Service]\nTasksMax=1%\n",
            ),
            (
                "lib/systemd/system/user-.slice.d/10-defaults.conf",
                "[Slice]\nTasksMax=33%\n",
            ),
            (
                "etc/systemd/system/scope.d/a.conf",
                "[Scope]\nTasksMax=5%\n",
            ),
        ],
    );
    assert_eq!(
        root.of("getty@tty1.service"),
        found("1%", "lib/systemd/system/getty@.service")
    );
    assert_eq!(
        root.of("user-1000.slice"),
        found("33%", "lib/systemd/system/user-.slice.d/10-defaults.conf")
    );
    assert_eq!(root.of("user.slice"), None);
    assert_eq!(
        root.of("session-1.scope"),
        found("5%", "etc/systemd/system/scope.d/a.conf")
    );
    assert_eq!(
        names("a-b-c@i.service").unwrap(),
        [
            "a-b-c@i.service",
            "a-b-c@.service",
            "a-b-@.service",
            "a-@.service",
            "service"
        ]
    );
    for no_unit in ["", "x", ".service", "../x.service", "a/b.service"] {
        assert_eq!(root.of(no_unit), None, "{no_unit}");
    }
}

#[test]
fn empty_takes_back_and_lines_go_on() {
    let text = "# [Service]\nTasksMax=1\n[Service]\n;TasksMax=2\nTasksMax=\\\n# no\n 3%\n[X]\nTasksMax=4\n";
    assert_eq!(assignments(text, "Service", "TasksMax"), ["3%"]);
    let root = Root::new(
        "empty",
        &[
            ("etc/systemd/system/x.service", "[Service]\nTasksMax=20%\n"),
            (
                "etc/systemd/system/x.service.d/a.conf",
                "[Service]\nTasksMax=\n",
            ),
        ],
    );
    assert_eq!(root.of("x.service"), None);
}

#[test]
fn the_manager_and_whether_it_is_there() {
    let root = Root::new(
        "manager",
        &[
            (
                "etc/systemd/system.conf",
                "[Manager]\n#DefaultTasksMax=15%\n",
            ),
            (
                "usr/lib/systemd/system.conf.d/x.conf",
                "[Manager]\nDefaultTasksMax=80%\n",
            ),
        ],
    );
    let files = UnitFiles::new(root.0.clone());
    let found = files.of_manager("DefaultTasksMax").unwrap();
    assert_eq!(found.value, "80%");
    assert!(found.file.ends_with("usr/lib/systemd/system.conf.d/x.conf"));
    assert!(!files.are_in_use());
    fs::create_dir_all(root.0.join("run/systemd/system")).unwrap();
    assert!(files.are_in_use());
    fs::create_dir_all(root.0.join("proc/1")).unwrap();
    for (first, runs) in [
        ("systemd\n", true),
        ("init\n", true),
        ("sh\n", false),
        ("systemd-x\n", false),
    ] {
        fs::write(root.0.join("proc/1/comm"), first).unwrap();
        assert_eq!(files.are_in_use(), runs, "{first}");
    }
    assert_eq!(files.of_manager("DefaultLimitNPROC"), None);
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let root = Root::new("fifo", &[("etc/systemd/system/x.service.d/y.conf", "")]);
    let fifo = root.0.join("etc/systemd/system/x.service");
    let name = std::ffi::CString::new(fifo.to_str().unwrap()).unwrap();
    // SAFETY: a path that lives.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    assert_eq!(root.of("x.service"), None);
}

#[test]
fn units_that_have_a_file_are_listed() {
    let files = [
        ("etc/systemd/system/a.service", ""),
        ("usr/lib/systemd/system/b@.service", ""),
        ("usr/lib/systemd/system/c.slice", ""),
        ("usr/lib/systemd/system/d.service.d/x.conf", ""),
    ];
    let root = Root::new("list", &files);
    let listed = || UnitFiles::new(root.0.clone()).files();
    assert!(listed().is_empty());
    fs::create_dir_all(root.0.join("run/systemd/system")).unwrap();
    assert_eq!(listed(), ["a.service", "c.slice"]);
}

/// systemd.unit(5): of drop-ins with one name the instance's counts, and nothing of the template's.
#[test]
fn what_systemctl_edit_would_hide() {
    let hidden = |name: &str, files: &[(&str, &str)], unit: &str| {
        let root = Root::new(name, files);
        let hidden = UnitFiles::new(root.0.clone()).hidden_by(unit, "override.conf");
        hidden.map(|file| file.strip_prefix(&root.0).unwrap().display().to_string())
    };
    let unit = "postgresql@15-main.service";
    let template = (
        "etc/systemd/system/postgresql@.service.d/override.conf",
        "[Service]\nMemoryMax=8G\n",
    );
    assert_eq!(hidden("none", &[], unit), None);
    assert_eq!(
        hidden("template", &[template], unit).as_deref(),
        Some(template.0)
    );
    // It is changed itself.
    let own = (
        "etc/systemd/system/postgresql@15-main.service.d/override.conf",
        "[Service]\nNice=5\n",
    );
    assert_eq!(hidden("own", &[template, own], unit), None);
    let vendor = (
        "usr/lib/systemd/system/x.service.d/override.conf",
        "[Service]\nNice=5\n",
    );
    assert_eq!(
        hidden("vendor", &[vendor], "x.service").as_deref(),
        Some(vendor.0)
    );
    let says_nothing = ("run/systemd/system/x.service.d/override.conf", "\n");
    assert_eq!(hidden("empty", &[vendor, says_nothing], "x.service"), None);
}

#[test]
fn a_drop_in_can_be_for_many() {
    for (file, all) in [
        ("/etc/systemd/system/x.service.d/a.conf", None),
        ("/etc/systemd/system/x@1.service.d/a.conf", None),
        ("/etc/systemd/system/-.slice.d/a.conf", None),
        ("/etc/systemd/system/x.service", None),
        (
            "/etc/systemd/system/x@.service.d/a.conf",
            Some("each instance of x@.service"),
        ),
        (
            "/etc/systemd/system/user-.slice.d/a.conf",
            Some("each unit called user-….slice"),
        ),
        (
            "/etc/systemd/system/a-@.service.d/a.conf",
            Some("each unit called a-…@….service"),
        ),
        ("/etc/systemd/system/service.d/a.conf", Some("each service")),
    ] {
        assert_eq!(shared_by(Path::new(file)).as_deref(), all, "{file}");
    }
}

/// systemd.unit(5): drop-ins of a unit's aliases are read as well. MariaDB's unit is mysql.service, too.
#[test]
fn drop_ins_of_aliases() {
    let root = Root::new(
        "aliases",
        &[
            ("usr/lib/systemd/system/mariadb.service", "[Service]\n"),
            ("usr/lib/systemd/system/mariadb@.service", "[Service]\n"),
            (
                "etc/systemd/system/mysql.service.d/override.conf",
                "[Service]\nTasksMax=40\n",
            ),
            (
                "etc/systemd/system/mysql@.service.d/a.conf",
                "[Service]\nTasksMax=50\n",
            ),
            (
                "etc/systemd/system/service.d/override.conf",
                "[Service]\nTasksMax=60\n",
            ),
        ],
    );
    let all = "etc/systemd/system/service.d/override.conf";
    assert_eq!(root.of("mariadb.service"), found("60", all));
    let link = |name: &str, to: &str| {
        let link = root.0.join("etc/systemd/system").join(name);
        std::os::unix::fs::symlink(to, link).unwrap();
    };
    link("mysql.service", "/usr/lib/systemd/system/mariadb.service");
    link("mysql@.service", "/usr/lib/systemd/system/mariadb@.service");
    link("other.service", "/usr/lib/systemd/system/else.service");
    let own = "etc/systemd/system/mysql.service.d/override.conf";
    assert_eq!(root.of("mariadb.service"), found("40", own));
    assert_eq!(root.of("mariadb@1.service"), found("60", all));
    fs::remove_file(root.0.join(all)).unwrap();
    let template = "etc/systemd/system/mysql@.service.d/a.conf";
    assert_eq!(root.of("mariadb@1.service"), found("50", template));
    assert_eq!(root.of("else.service"), None);
}

/// Debian's sshd.service is ssh.service: the cgroup has the unit's own name.
#[test]
fn a_unit_by_another_name() {
    let root = Root::new(
        "id",
        &[
            ("usr/lib/systemd/system/ssh.service", ""),
            ("usr/lib/systemd/system/mariadb@.service", ""),
            ("store/abc/x.service", ""),
            ("etc/systemd/system/masked.service.d/a.conf", ""),
        ],
    );
    for (name, to) in [
        ("sshd.service", "usr/lib/systemd/system/ssh.service"),
        ("mysql@.service", "usr/lib/systemd/system/mariadb@.service"),
        ("x.service", "store/abc/x.service"),
        ("gone.service", "usr/lib/systemd/system/none.service"),
    ] {
        let link = root.0.join("etc/systemd/system").join(name);
        std::os::unix::fs::symlink(root.0.join(to), link).unwrap();
    }
    let masked = root.0.join("etc/systemd/system/masked.service");
    std::os::unix::fs::symlink("/dev/null", masked).unwrap();
    let files = UnitFiles::new(root.0.clone());
    for (name, id) in [
        ("sshd.service", Some("ssh.service")),
        ("ssh.service", None),
        ("mysql@7.service", Some("mariadb@7.service")),
        ("mariadb@7.service", None),
        // Where each unit is a link, it has its own name.
        ("x.service", None),
        ("gone.service", None),
        ("masked.service", None),
        ("none.service", None),
    ] {
        assert_eq!(files.id(name).as_deref(), id, "{name}");
    }
}

#[test]
fn units_that_something_has_started_without_a_file() {
    let root = Root::new(
        "transient",
        &[
            ("run/systemd/transient/backup.service", "[Service]\n"),
            ("run/systemd/transient/y.service.d/a.conf", "[Service]\n"),
            (
                "run/user/7/systemd/transient/app-x@0a.service",
                "[Service]\n",
            ),
            ("etc/systemd/system/x.service", "[Service]\n"),
        ],
    );
    let system = UnitFiles::new(root.0.clone());
    for (unit, is_transient) in [
        ("backup.service", true),
        ("x.service", false),
        ("y.service", false),
        ("app-x@0a.service", false),
    ] {
        assert_eq!(system.is_transient(unit), is_transient, "{unit}");
    }
    let of_user = |uid| UnitFiles::of_user(root.0.clone(), uid, Some(Path::new("/home/ann")));
    assert!(of_user(7).is_transient("app-x@0a.service"));
    assert!(!of_user(8).is_transient("app-x@0a.service"));
    assert!(!of_user(7).is_transient("backup.service"));
}

/// src/shared/dropin.c `unit_file_find_dropin_paths`: the folder decides before the name does.
#[test]
fn an_administrators_drop_in_for_many_counts_before_a_packages_for_one() {
    let vendor = (
        "usr/lib/systemd/system/x@1.service.d/a.conf",
        "[Service]\nTasksMax=40\n",
    );
    let etc = (
        "etc/systemd/system/x@.service.d/a.conf",
        "[Service]\nTasksMax=50\n",
    );
    let root = Root::new("for-many", &[vendor, etc]);
    assert_eq!(root.of("x@1.service"), found("50", etc.0));
    let nearer = (
        "etc/systemd/system/x@1.service.d/a.conf",
        "[Service]\nTasksMax=60\n",
    );
    let root = Root::new("for-one", &[vendor, etc, nearer]);
    assert_eq!(root.of("x@1.service"), found("60", nearer.0));
}
