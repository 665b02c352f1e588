//! The namespaces that this process is in itself.
//!
//! The kernel side names processes and cgroups as the host's initial namespaces do, and so do
//! records. The files that this process reads do so only where it is in these namespaces as well:
//! where not, nothing is looked up in them by such a name, and `live -- CMD`, which filters by
//! forktrace's own id, asks the kernel for it (`probe/own_id.rs`).

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use super::process::Status;
use crate::{model::initial, record::Inside};

/// Whether numbers in this /proc are the host's: it was mounted in the initial pid namespace,
/// whichever one this process is in.
pub fn proc_is_hosts(proc: &Path) -> bool {
    // The first process of a namespace is in it; to see that of others takes CAP_SYS_PTRACE.
    if is(proc, "1/ns/pid", initial::PID) {
        return true;
    }
    // This process is in the initial one, and so is a /proc that numbers it (fs/proc/self.c).
    is(proc, "self/ns/pid", initial::PID)
}

/// Whether this /proc shows other users' processes: not where it is mounted with `hidepid` and this
/// process lacks CAP_SYS_PTRACE. Init's status is everybody's to read otherwise (fs/proc/root.c,
/// fs/proc/base.c `has_pid_permissions`).
pub fn proc_shows_others(proc: &Path) -> bool {
    Status::read(proc, 1).is_ok()
}

/// Whether this process is in the initial cgroup namespace. Kernels without cgroup namespaces (up
/// to 4.5) have no such file: all is initial.
pub fn cgroup_paths_are_hosts(proc: &Path) -> bool {
    match fs::metadata(proc.join("self/ns/cgroup")) {
        Ok(namespace) => namespace.ino() == u64::from(initial::CGROUP),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Whether files are the host's: this process has the root folder of the host's first process, whatever
/// mounts differ (a hardened unit has its own). A container that shares the host's pids and cgroups has its
/// image's. Where that can't be seen they are believed to be.
pub fn files_are_hosts(proc: &Path) -> bool {
    let root = |process: &str| fs::metadata(proc.join(process).join("root"));
    match (root("self"), root("1")) {
        (Ok(own), Ok(first)) => (own.dev(), own.ino()) == (first.dev(), first.ino()),
        _ => true,
    }
}

/// The namespaces, other than the host's initial ones, that keep something from this process.
pub fn inside(proc: &Path) -> Vec<Inside> {
    let pid = (!proc_is_hosts(proc)).then_some(Inside::PidNamespace);
    let cgroup = (!cgroup_paths_are_hosts(proc)).then_some(Inside::CgroupNamespace);
    pid.into_iter().chain(cgroup).collect()
}

/// This process's thread group id as this /proc numbers it, which can be another than getpid(2)
/// says: /proc may have been mounted in a pid namespace above.
pub fn own_pid(proc: &Path) -> Option<u32> {
    let text = fs::read(proc.join("self/status")).ok()?;
    Some(Status::parse(&text)?.pid)
}

fn is(proc: &Path, file: &str, inum: u32) -> bool {
    fs::metadata(proc.join(file)).is_ok_and(|namespace| namespace.ino() == u64::from(inum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_proc_nothing_is_believed() {
        let proc = Path::new("/nonexistent");
        assert_eq!(inside(proc), [Inside::PidNamespace]);
        assert_eq!(own_pid(proc), None);
        assert!(!proc_shows_others(proc));
    }

    #[test]
    fn a_containers_files_are_not_the_hosts() {
        let proc = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = proc.path().join(name);
            fs::create_dir_all(&folder).unwrap();
            folder
        };
        let (image, host) = (folder("image"), folder("host"));
        let link = |process: &str, to: &Path| {
            let link = folder(process).join("root");
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(to, link).unwrap();
        };
        link("self", &image);
        // Others' roots are hidden from whom /proc hides them.
        assert!(files_are_hosts(proc.path()));
        link("1", &host);
        assert!(!files_are_hosts(proc.path()));
        link("self", &host);
        assert!(files_are_hosts(proc.path()));
    }

    #[test]
    fn this_process_numbers_itself() {
        // Tests run with a /proc of their own pid namespace.
        assert_eq!(own_pid(Path::new("/proc")), Some(std::process::id()));
    }
}
