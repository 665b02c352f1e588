//! Whatever mounts and cgroups are called: parsing ends, nothing panics, no name leads out of a
//! hierarchy, and no path is taken for a unit or a container that it can't be.

use std::path::{Component, Path};

use forktrace::host::{
    cgroup::{Controller, Hierarchies, Hierarchy, SEARCH},
    identity::identify,
};

/// Takes one input.
pub(crate) fn take(data: &[u8]) {
    let Some((how, data)) = data.split_first() else {
        return;
    };
    match how % 3 {
        0 => mounts(data),
        1 => paths(data),
        _ => owner(&String::from_utf8_lossy(data)),
    }
}

/// A mountinfo, and behind its first NUL a cgroup's path.
fn mounts(data: &[u8]) {
    let mut parts = data.splitn(2, |b| *b == 0);
    let text = parts.next().unwrap_or_default();
    let path = String::from_utf8_lossy(parts.next().unwrap_or(b"/a/b.service"));
    for initial in [true, false] {
        let all = Hierarchies::from_mountinfo(text, initial);
        for hierarchy in SEARCH {
            for mount in all.mounts(hierarchy) {
                assert!(mount.point.is_absolute(), "{:?}", mount.point);
            }
            let Some(folder) = all.folder(hierarchy, Path::new(&*path)) else {
                continue;
            };
            assert!(initial, "a cgroup namespace names other paths");
            let below = all
                .mounts(hierarchy)
                .find_map(|m| folder.strip_prefix(&m.point).ok());
            let below = below.expect("below a mount");
            assert!(!below.components().any(|c| c == Component::ParentDir));
            assert!(all.path_of(hierarchy, &folder).is_some());
        }
    }
}

/// A /proc/PID/cgroup.
fn paths(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for hierarchy in SEARCH {
        if let Some(path) = Hierarchies::path_in(&text, hierarchy) {
            let path = path.to_string_lossy();
            assert!(text.contains(&*path));
        }
    }
    Hierarchies::path_in(&text, Hierarchy::V1(Controller::Memory));
}

fn owner(path: &str) {
    let owner = identify(path);
    for name in [&owner.unit, &owner.container, &owner.pod]
        .into_iter()
        .flatten()
    {
        assert!(
            !name.is_empty() && !name.contains('/'),
            "{name:?} of {path:?}"
        );
    }
    if let Some(unit) = &owner.unit {
        assert!(path.contains(unit.as_str()), "{unit:?} of {path:?}");
    }
    assert_eq!(owner.pod.is_some(), owner.qos.is_some(), "{path:?}");
}
