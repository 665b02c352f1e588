use super::*;

const V2: &str = "\
25 30 0:23 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
30 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
28 25 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
40 30 0:40 / /mnt/a\\040b rw shared:20 - tmpfs tmpfs rw
";

const V1: &str = "\
25 23 0:21 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:8 - tmpfs tmpfs ro,mode=755
26 25 0:22 / /sys/fs/cgroup/systemd rw,nosuid shared:9 - cgroup cgroup rw,xattr,release_agent=/usr/lib/systemd/systemd-cgroups-agent,name=systemd
31 25 0:27 / /sys/fs/cgroup/pids rw,nosuid shared:13 - cgroup cgroup rw,pids
33 25 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:15 - cgroup cgroup rw,cpu,cpuacct
36 25 0:32 / /sys/fs/cgroup/memory rw,nosuid shared:18 - cgroup cgroup rw,memory
";

const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/all rw,relatime - cgroup cgroup rw,memory,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

/// Docker on v1 without a cgroup namespace: each mount shows the container's
/// own cgroup.
const CONTAINER_V1: &str = "\
641 640 0:30 /docker/0123 /sys/fs/cgroup/pids ro,nosuid master:14 - cgroup cgroup rw,pids
642 640 0:26 /docker/0123 /sys/fs/cgroup/systemd ro,nosuid master:11 - cgroup systemd rw,xattr,name=systemd
";

/// Its own namespace, and beside it the host's tree from above.
const CONTAINER_V2: &str = "\
760 759 0:26 /../.. /host rw - cgroup2 cgroup rw
761 759 0:26 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate
";

fn limit(
    text: &str,
    initial: bool,
    version: Version,
    resource: Resource,
    cgroup: &str,
) -> Option<String> {
    let all = Hierarchies::from_mountinfo(text.as_bytes(), initial);
    let file = all.limit_file(version, resource, Path::new(cgroup))?;
    Some(file.to_str().unwrap().to_owned())
}

#[test]
fn limit_files() {
    use Resource::{Memory, Pids};
    use Version::{V1 as One, V2 as Two};
    let unit = "/system.slice/x.service";
    for (text, version, resource, cgroup, file) in [
        (
            V2,
            Two,
            Pids,
            unit,
            Some("/sys/fs/cgroup/system.slice/x.service/pids.max"),
        ),
        (V2, Two, Memory, "/", Some("/sys/fs/cgroup/memory.max")),
        (V2, One, Pids, unit, None),
        (V2, Two, Pids, "relative", None),
        (V2, Two, Pids, "/a/../b", None),
        (
            V1,
            One,
            Pids,
            unit,
            Some("/sys/fs/cgroup/pids/system.slice/x.service/pids.max"),
        ),
        (
            V1,
            One,
            Memory,
            unit,
            Some("/sys/fs/cgroup/memory/system.slice/x.service/memory.limit_in_bytes"),
        ),
        (V1, Two, Pids, unit, None),
        (
            HYBRID,
            One,
            Memory,
            "/a",
            Some("/sys/fs/cgroup/all/a/memory.limit_in_bytes"),
        ),
        (
            HYBRID,
            One,
            Pids,
            "/a",
            Some("/sys/fs/cgroup/all/a/pids.max"),
        ),
        (
            HYBRID,
            Two,
            Pids,
            "/a",
            Some("/sys/fs/cgroup/unified/a/pids.max"),
        ),
        (
            CONTAINER_V1,
            One,
            Pids,
            "/docker/0123",
            Some("/sys/fs/cgroup/pids/pids.max"),
        ),
        (
            CONTAINER_V1,
            One,
            Pids,
            "/docker/0123/a",
            Some("/sys/fs/cgroup/pids/a/pids.max"),
        ),
        // Outside what the mount shows, however similar the name.
        (CONTAINER_V1, One, Pids, "/docker", None),
        (CONTAINER_V1, One, Pids, "/docker/01234", None),
        ("", Two, Pids, "/", None),
    ] {
        assert_eq!(
            limit(text, true, version, resource, cgroup).as_deref(),
            file,
            "{version:?} {resource:?} {cgroup}"
        );
    }
}

/// Within a namespace `/a` is another cgroup than the kernel's `/a`.
#[test]
fn in_a_namespace() {
    assert_eq!(
        limit(CONTAINER_V2, false, Version::V2, Resource::Pids, "/a"),
        None
    );
    let all = Hierarchies::from_mountinfo(CONTAINER_V2.as_bytes(), false);
    assert_eq!(
        all.visible(Hierarchy::V2, Path::new("/a")),
        Some(PathBuf::from("/sys/fs/cgroup/a"))
    );
}

#[test]
fn later_mounts_hide_earlier_ones() {
    let text = format!("{V2}99 25 0:50 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n");
    assert_eq!(
        limit(&text, true, Version::V2, Resource::Pids, "/a"),
        None,
        "a tmpfs over it"
    );
    // Not the other way round: first the tmpfs, then the hierarchy.
    let text = format!("24 25 0:50 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n{V2}");
    assert!(limit(&text, true, Version::V2, Resource::Pids, "/a").is_some());
}

/// Of several mounts, the one that shows most.
#[test]
fn several_mounts() {
    let text = "\
1 0 0:26 /a/b /one rw - cgroup2 none rw
2 0 0:26 /a /two rw - cgroup2 none rw
";
    let file = |cgroup| limit(text, true, Version::V2, Resource::Pids, cgroup);
    assert_eq!(file("/a/b/c").as_deref(), Some("/two/b/c/pids.max"));
    assert_eq!(file("/a").as_deref(), Some("/two/pids.max"));
    assert_eq!(file("/"), None);
}

#[test]
fn cut_and_corrupt_mountinfo() {
    for text in [V2, V1, HYBRID, CONTAINER_V1, CONTAINER_V2] {
        for length in 0..text.len() {
            let all = Hierarchies::from_mountinfo(&text.as_bytes()[..length], true);
            let _ = all.folder(Hierarchy::V2, Path::new("/a/b"));
            let mut bad = text.as_bytes().to_vec();
            for value in [0, b' ', b'\n', b'\\', b'-', b'.', 0xff] {
                bad[length] = value;
                let all = Hierarchies::from_mountinfo(&bad, true);
                let _ = all.folder(Hierarchy::V1(Controller::Pids), Path::new("/a/b"));
            }
        }
    }
}

/// A folder tree that stands for a hierarchy, removed at the end.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str, folders: &[&str]) -> Self {
        let top =
            std::env::temp_dir().join(format!("forktrace-cgroup-{}-{name}", std::process::id()));
        for folder in folders {
            fs::create_dir_all(top.join(folder)).unwrap();
        }
        Self(top)
    }

    /// Mounted there, with this cgroup at its top.
    fn mounted(&self, root: &str) -> Hierarchies {
        let line = format!("1 0 0:1 {root} {} rw - cgroup2 none rw\n", self.0.display());
        Hierarchies::from_mountinfo(line.as_bytes(), true)
    }

    fn id(&self, folder: &str) -> u64 {
        fs::metadata(self.0.join(folder)).unwrap().ino()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_people_name() {
    let tree = Tree::new("find", &["a/b", "c"]);
    let all = tree.mounted("/");
    let folder = tree.0.join("a/b");
    for text in ["/a/b", "a/b", "a//b/", "./a/./b", folder.to_str().unwrap()] {
        let found = all.find(OsStr::new(text)).unwrap();
        assert_eq!(found.path, Path::new("/a/b"), "{text}");
        assert_eq!(found.folder, folder, "{text}");
        assert_eq!(found.id, tree.id("a/b"), "{text}");
    }
    assert_eq!(all.find(OsStr::new("/")).unwrap().id, tree.id(""));
    assert_eq!(all.find(tree.0.as_os_str()).unwrap().path, Path::new("/"));

    for text in ["", "..", "/a/../c", "a\0b"] {
        assert!(
            matches!(all.find(OsStr::new(text)), Err(CgroupError::InvalidPath(_))),
            "{text:?}"
        );
    }
    let error = all.find(OsStr::new("/no/such")).unwrap_err().to_string();
    assert!(error.contains("/no/such"), "{error}");
    let long = "x".repeat(5000);
    assert!(matches!(
        all.find(OsStr::new(&long)),
        Err(CgroupError::NoCgroup { .. })
    ));
    assert!(matches!(
        Hierarchies::default().find(OsStr::new("/a")),
        Err(CgroupError::NotMounted)
    ));
}

#[test]
fn below_a_mount_of_a_part() {
    let tree = Tree::new("part", &["inner"]);
    let all = tree.mounted("/outer");
    assert_eq!(
        all.find(OsStr::new("/outer/inner")).unwrap().folder,
        tree.0.join("inner")
    );
    assert_eq!(
        all.find(tree.0.join("inner").as_os_str()).unwrap().path,
        Path::new("/outer/inner")
    );
    assert!(all.find(OsStr::new("/inner")).is_err());
}

#[test]
fn limits_below_one() {
    let tree = Tree::new("below", &["a/b/c", "a/d", "e"]);
    for (folder, limit) in [("a", "9"), ("a/b", "max"), ("a/b/c", "5"), ("e", "3")] {
        let folder = tree.0.join(folder);
        std::fs::write(folder.join("pids.max"), format!("{limit}\n")).unwrap();
        std::fs::write(folder.join("pids.current"), "2\n").unwrap();
    }
    let all = tree.mounted("/");
    let below = |path: &str| {
        let found = all.below(Resource::Pids, Path::new(path)).unwrap();
        let mut found: Vec<_> = found.into_iter().map(|one| one.unwrap()).collect();
        found.sort_by(|a, b| a.path.cmp(&b.path));
        let each = found.into_iter().map(|one| (one.path, one.limit.unwrap()));
        each.collect::<Vec<_>>()
    };
    let limit = |path: &str, limit| (PathBuf::from(path), limit);
    assert_eq!(below("/a"), [limit("/a/b/c", 5)]);
    let each = [limit("/a", 9), limit("/a/b/c", 5), limit("/e", 3)];
    assert_eq!(below("/"), each);
    assert!(below("/e").is_empty() && below("/none").is_empty());
}

#[test]
fn by_id() {
    let tree = Tree::new("id", &["a/b/c", "d"]);
    let all = tree.mounted("/top");
    let id = tree.id("a/b/c");
    let v2 = Hierarchy::V2;
    assert_eq!(
        all.path_by_id(v2, id).as_deref(),
        Some(Path::new("/top/a/b/c"))
    );
    assert_eq!(
        all.path_by_id(v2, tree.id("")).as_deref(),
        Some(Path::new("/top"))
    );
    assert_eq!(all.path_by_id(v2, u64::MAX), None);
    // By a path that is right, that is wrong, and that is cut off.
    for path in ["/top/a/b/c", "/top/d", "/top/a/b/", "…/c"] {
        assert_eq!(
            all.locate(v2, Path::new(path), id),
            Some(tree.0.join("a/b/c")),
            "{path}"
        );
    }
}

#[test]
fn units() {
    let tree = Tree::new(
        "units",
        &[
            "system.slice/postgresql.service/worker",
            "system.slice/_memory.service",
            "system.slice/twin.service",
            "user.slice/user-1000.slice/user@1000.service/app.slice/twin.service",
        ],
    );
    let all = tree.mounted("/");
    for unit in ["postgresql.service", "postgresql"] {
        let found = all.find_unit(unit).unwrap();
        assert_eq!(found.path, Path::new("/system.slice/postgresql.service"));
        assert_eq!(found.id, tree.id("system.slice/postgresql.service"));
    }
    assert!(all.find_unit("memory.service").is_ok());
    assert!(all.find_unit("user-1000.slice").is_ok());
    let error = all.find_unit("twin").unwrap_err();
    assert_eq!(
        error.to_string(),
        "several cgroups have the unit name \"twin.service\": /system.slice/twin.service, \
         /user.slice/user-1000.slice/user@1000.service/app.slice/twin.service; \
         give one of the paths"
    );
    assert!(matches!(
        all.find_unit("none"),
        Err(CgroupError::NoUnit { .. })
    ));
    for unit in ["", "a/b", "../x", "."] {
        assert!(
            matches!(all.find_unit(unit), Err(CgroupError::InvalidUnit(_))),
            "{unit}"
        );
    }
}

#[test]
fn a_unit_by_another_name() {
    let tree = Tree::new("alias", &["system.slice/ssh.service"]);
    let all = tree.mounted("/");
    let root = tempfile::tempdir().unwrap();
    for file in [
        "run/systemd/system/.keep",
        "etc/systemd/system/.keep",
        "lib/systemd/system/ssh.service",
        "lib/systemd/system/off.service",
    ] {
        crate::host::made_up::write(root.path(), file, "");
    }
    let link = |name: &str, to: &str| {
        let link = root.path().join("etc/systemd/system").join(name);
        let to = root.path().join("lib/systemd/system").join(to);
        std::os::unix::fs::symlink(to, link).unwrap();
    };
    link("sshd.service", "ssh.service");
    link("another.service", "off.service");
    let files = UnitFiles::new(root.path().to_owned());
    for unit in ["sshd", "sshd.service", "ssh.service"] {
        let found = all.find_unit_or_alias(unit, &files).unwrap();
        assert_eq!(found.path, Path::new("/system.slice/ssh.service"), "{unit}");
    }
    // What isn't running is called as it will be.
    for (unit, called) in [("another", "off.service"), ("none", "none.service")] {
        let answer = all.find_unit_or_alias(unit, &files);
        let is = matches!(&answer, Err(CgroupError::NoUnit { unit }) if unit == called);
        assert!(is, "{answer:?}");
    }
}

#[test]
fn this_host() {
    let all = Hierarchies::discover().unwrap();
    for hierarchy in SEARCH {
        for mount in all.mounts(hierarchy) {
            println!("{hierarchy:?}: {mount:?}");
        }
    }
}
