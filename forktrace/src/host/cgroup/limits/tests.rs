use super::*;
use crate::host::made_up;

/// A made-up v2 hierarchy that is mounted on a folder.
fn tree(name: &str, files: &[(&str, &str)]) -> (PathBuf, Hierarchies) {
    let top = std::env::temp_dir().join(format!("forktrace-limits-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&top);
    for (file, text) in files {
        made_up::write(&top, file, text);
    }
    let line = format!("31 23 0:28 / {} rw - cgroup2 cgroup2 rw\n", top.display());
    let hierarchies = Hierarchies::from_mountinfo(line.as_bytes(), true);
    (top, hierarchies)
}

#[test]
fn a_cgroup_and_those_above_it() {
    let (top, hierarchies) = tree(
        "chain",
        &[
            ("a/pids.max", "100\n"),
            ("a/pids.current", "95\n"),
            ("a/b/pids.max", "max\n"),
            ("a/b/pids.current", "95\n"),
            ("a/b/c/cgroup.procs", ""),
            ("a/memory.max", "4096\n"),
            ("a/memory.current", "4000\n"),
            (
                "a/memory.stat",
                "anon 1\nactive_file 100\ninactive_file 20\nslab_reclaimable 3\n",
            ),
            ("x/pids.max", "7\n"),
            ("x/pids.current", "1\n"),
        ],
    );
    let chain = |resource| -> Vec<_> {
        let readings = hierarchies.chain(resource, Path::new("/a/b/c/d"));
        readings
            .into_iter()
            .map(|r| r.unwrap())
            .map(|u| {
                (
                    u.path.display().to_string(),
                    u.limit,
                    u.usage,
                    u.reclaimable,
                )
            })
            .collect()
    };
    assert_eq!(
        chain(Resource::Pids),
        [
            ("/a/b".to_owned(), None, 95, 0),
            ("/a".to_owned(), Some(100), 95, 0)
        ]
    );
    assert_eq!(
        chain(Resource::Memory),
        [("/a".to_owned(), Some(4096), 4000, 123)]
    );
    let all = hierarchies.all(Resource::Pids).unwrap();
    assert_eq!(all.len(), 3);
    fs::remove_dir_all(top).unwrap();
}

/// In a container that has a cgroup namespace of its own and the host's processes.
#[test]
fn a_cgroup_outside_of_the_namespace_has_no_limit_of_this_one_s_root() {
    let (top, hierarchies) = tree("outside", &[("pids.max", "7\n"), ("pids.current", "1\n")]);
    let chain = |path: &str| hierarchies.chain(Resource::Pids, Path::new(path)).len();
    assert_eq!(chain("/a"), 1);
    assert_eq!(chain("/../../system.slice/x.service"), 0);
    fs::remove_dir_all(top).unwrap();
}

#[test]
fn lines_of_proc_pid_cgroup() {
    let text = "9:name=systemd:/s\n8:pids,misc:/a:b\n4:memory:/m (deleted)\n0::/v2\n";
    let path = |h| Hierarchies::path_in(text, h).map(|p| p.display().to_string());
    assert_eq!(path(Hierarchy::V2).as_deref(), Some("/v2"));
    assert_eq!(
        path(Hierarchy::V1(Controller::Pids)).as_deref(),
        Some("/a:b")
    );
    assert_eq!(
        path(Hierarchy::V1(Controller::Memory)).as_deref(),
        Some("/m")
    );
    assert_eq!(
        Hierarchies::path_in("0::/", Hierarchy::V1(Controller::Pids)),
        None
    );
}

#[test]
fn v1_without_a_limit() {
    let line = |top: &Path| {
        format!(
            "31 23 0:28 / {} rw - cgroup cgroup rw,memory\n",
            top.display()
        )
    };
    let (top, _) = tree(
        "v1",
        &[
            ("a/memory.limit_in_bytes", "9223372036854771712\n"),
            ("a/memory.usage_in_bytes", "5\n"),
            ("a/memory.memsw.limit_in_bytes", "9223372036854771712\n"),
            ("a/memory.memsw.usage_in_bytes", "5\n"),
            ("a/b/memory.memsw.limit_in_bytes", "8192\n"),
            ("a/b/memory.memsw.usage_in_bytes", "4096\n"),
            ("a/b/memory.stat", "total_inactive_file 100\n"),
            ("a/memory.kmem.limit_in_bytes", "9223372036854771712\n"),
            ("a/memory.kmem.usage_in_bytes", "5\n"),
            ("a/b/memory.kmem.limit_in_bytes", "4096\n"),
            ("a/b/memory.kmem.usage_in_bytes", "3\n"),
        ],
    );
    let hierarchies = Hierarchies::from_mountinfo(line(&top).as_bytes(), true);
    let all = hierarchies.chain(Resource::Memory, Path::new("/a"));
    assert_eq!(all[0].as_ref().unwrap().limit, None);
    let both = hierarchies.chain(Resource::MemoryAndSwap, Path::new("/a/b"));
    assert_eq!(both.len(), 1);
    let one = both[0].as_ref().unwrap();
    assert_eq!((one.limit, one.usage), (Some(8192), 4096));
    assert_eq!(one.reclaimable, 100);
    // Of kernel memory, no limit is no reading.
    let kernel = hierarchies.chain(Resource::KernelMemory, Path::new("/a/b"));
    assert_eq!(kernel.len(), 1);
    let one = kernel[0].as_ref().unwrap();
    assert_eq!((one.limit, one.usage), (Some(4096), 3));
    assert_eq!(one.path, Path::new("/a/b"));
    fs::remove_dir_all(top).unwrap();
}
