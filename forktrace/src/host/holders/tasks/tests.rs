//! Counts of made-up tasks.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use super::*;
use crate::host::holders::Holders;
use crate::host::passwd::Passwd;
use crate::model::Holder;

/// A source of these tasks, or one that refuses.
struct Made {
    tasks: Option<Vec<Task>>,
    asked: Rc<RefCell<Vec<Query>>>,
}

impl Tasks for Made {
    fn each(
        &mut self,
        query: &Query,
        see: &mut dyn FnMut(&Task) -> ControlFlow<()>,
    ) -> io::Result<()> {
        self.asked.borrow_mut().push(*query);
        let tasks = self.tasks.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let _ = tasks.iter().try_for_each(see);
        Ok(())
    }
}

/// Folders like /proc and a cgroup hierarchy, removed on drop.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = format!("forktrace-tasks-{}-{name}", std::process::id());
        let dir = std::env::temp_dir().join(dir);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("proc")).unwrap();
        Self(dir)
    }

    /// Makes a cgroup, and answers its id.
    fn cgroup(&self, path: &str) -> u64 {
        let dir = self.0.join("cgroup").join(path);
        fs::create_dir_all(&dir).unwrap();
        fs::metadata(&dir).unwrap().ino()
    }

    /// What /proc says of a task's cgroups.
    fn says(&self, tid: u32, cgroups: &str) {
        let dir = self.0.join(format!("proc/{tid}"));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("cgroup"), cgroups).unwrap();
    }

    fn scope(&self, version: Version) -> Scope {
        Scope::Cgroup {
            folder: self.0.join("cgroup/a"),
            path: PathBuf::from("/a"),
            version,
            fill: Fill::Tasks,
        }
    }

    fn holders(&self, tasks: Option<Vec<Task>>) -> Holders {
        self.asking(tasks, Rc::default())
    }

    fn asking(&self, tasks: Option<Vec<Task>>, asked: Rc<RefCell<Vec<Query>>>) -> Holders {
        let holders = Holders::from_folder(self.0.join("proc"), Passwd::default());
        holders.with_tasks(Some(Box::new(Made { tasks, asked })))
    }

    fn count(&self, scope: &Scope, tasks: Vec<Task>) -> Vec<String> {
        let rows = self.holders(Some(tasks)).count(scope, None).unwrap();
        rows.iter().map(show).collect()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn show(h: &Holder) -> String {
    let detail = h.detail.as_deref().unwrap_or("-");
    format!("{} {} {}+{} {detail}", h.kind, h.name, h.tasks, h.zombies)
}

fn task(tgid: u32, name: &str) -> Task {
    let mut comm = [0; 16];
    comm[..name.len()].copy_from_slice(name.as_bytes());
    Task {
        tid: tgid,
        tgid,
        ppid: 1,
        threads: 1,
        comm,
        ..Task::default()
    }
}

fn zombie(tgid: u32, ppid: u32) -> Task {
    Task {
        ppid,
        flags: flag::ENDED | flag::EXITING,
        ..task(tgid, "gone")
    }
}

#[test]
fn threads_of_processes_and_zombies_in_cgroups() {
    let dir = Dir::new("cgroup");
    let (one, two) = (dir.cgroup("a/one"), dir.cgroup("a/two"));
    let mut tasks = vec![task(5, "plain"), zombie(6, 5)];
    tasks.iter_mut().for_each(|task| task.cgroup = one);
    // Its first thread has ended, and two of three are in another cgroup.
    for (tid, cgroup) in [(12, two), (10, one), (11, two)] {
        tasks.push(Task {
            tid,
            cgroup,
            threads: 3,
            flags: flag::ENDED,
            ..task(10, "several")
        });
    }
    // A cgroup that has been removed; who vanished while it was read.
    tasks.push(Task {
        cgroup: 77,
        ..zombie(13, 5)
    });
    tasks.push(Task::default());
    dir.says(13, "1:pids:/\n0::/a/gone (deleted)\n");
    let mut wanted = vec![
        "program several 3+0 pid 10",
        "program gone 0+2 zombies of pid 5",
        "program plain 1+0 -",
        "cgroup /a/one 2+1 -",
        "cgroup /a/two 2+0 -",
        "cgroup /a/gone 0+1 -",
    ];
    assert_eq!(dir.count(&dir.scope(Version::V2), tasks.clone()), wanted);
    // v1 has no name for what is gone.
    wanted.pop();
    assert_eq!(dir.count(&dir.scope(Version::V1), tasks), wanted);
}

#[test]
fn processes_and_what_the_living_say_of_their_cgroups() {
    let dir = Dir::new("host");
    let mut kernel = task(2, "kthreadd");
    kernel.flags = flag::KERNEL;
    // In v1 the zombie, which comes first, would say "/".
    dir.says(20, "1:pids:/\n");
    dir.says(21, "1:pids:/b\n0::/\n");
    let mut tasks = vec![
        kernel,
        zombie(20, 21),
        task(21, "parent"),
        task(30, "other"),
    ];
    for task in &mut tasks {
        task.cgroups = u64::from(task.tgid / 10) << 32;
    }
    tasks[2].threads = 12;
    dir.says(30, "1:pids:/c\n");
    let scope = Scope::Host { fill: Fill::Tasks };
    let wanted = [
        "program parent 12+0 pid 21",
        "program gone 0+1 zombies of pid 21",
        "kernel kernel threads 1+0 -",
        "program other 1+0 -",
        "cgroup /b 12+1 -",
        "cgroup /c 1+0 -",
    ];
    assert_eq!(dir.count(&scope, tasks), wanted);
}

#[test]
fn what_is_asked_for() {
    let dir = Dir::new("asked");
    let cgroup = dir.cgroup("a");
    let asked = Rc::default();
    let mut holders = dir.asking(Some(Vec::new()), Rc::clone(&asked));
    let (uid, inum) = (33, 7);
    for scope in [
        dir.scope(Version::V1),
        dir.scope(Version::V2),
        Scope::User { uid, userns: None },
        Scope::User {
            uid,
            userns: Some(inum),
        },
        Scope::PidNamespace { inum },
        Scope::Host { fill: Fill::Tasks },
    ] {
        assert_eq!(holders.count(&scope, None), Some(Vec::new()));
    }
    let none = Query::default();
    let of_cgroup = |of| Query { cgroup, of, ..none };
    let of_user = |of, inum| Query {
        of,
        uid,
        inum,
        ..none
    };
    let wanted = [
        of_cgroup(of::PIDS_CGROUP),
        of_cgroup(of::CGROUP),
        of_user(of::UID, 0),
        of_user(of::USER, inum),
        Query {
            of: of::PID_NAMESPACE,
            inum,
            ..none
        },
        none,
    ];
    assert_eq!(*asked.borrow(), wanted);
}

#[test]
fn files_serve_where_no_source_has_the_tasks() {
    let dir = Dir::new("files");
    let status = "Name:\tread\nState:\tS\nTgid:\t9\nPPid:\t1\nUid:\t0\t0\nThreads:\t1\n";
    fs::create_dir(dir.0.join("proc/9")).unwrap();
    fs::write(dir.0.join("proc/9/status"), status).unwrap();
    let host = |fill| Scope::Host { fill };
    let rows = |holders: &mut Holders, fill| {
        let rows = holders.count(&host(fill), None).unwrap();
        rows.iter().map(show).collect::<Vec<_>>()
    };
    let iterated = || vec![task(5, "iterated")];
    let mut refused = dir.holders(None);
    assert_eq!(rows(&mut refused, Fill::Tasks), ["program read 1+0 -"]);
    let mut holders = dir.holders(Some(iterated()));
    assert_eq!(rows(&mut holders, Fill::Tasks), ["program iterated 1+0 -"]);
    // Memory is no matter of tasks.
    let status = status.replace("Threads", "VmData:\t8 kB\nThreads");
    fs::write(dir.0.join("proc/9/status"), status).unwrap();
    assert_eq!(rows(&mut holders, Fill::Private), ["program read 1+0 -"]);
    // As many processes of several threads as nobody remembers.
    dir.cgroup("a");
    let several = (1..=PROCESSES as u32 + 1).map(|n| Task {
        tid: n,
        threads: 2,
        ..task(n + 1, "many")
    });
    let mut holders = dir.holders(Some(several.collect()));
    assert_eq!(
        holders.count(&dir.scope(Version::V2), None),
        Some(Vec::new())
    );
}

#[test]
fn a_count_that_takes_too_long_is_none() {
    let mut proc = Proc::new(Path::new("/proc").to_owned());
    let mut made = Made {
        tasks: Some(vec![task(5, "iterated")]),
        asked: Rc::default(),
    };
    let scope = Scope::Host { fill: Fill::Tasks };
    proc.give_up_at(Some(Instant::now()));
    let late = count(&mut made, &mut proc, &scope).map(|_| ());
    assert_eq!(late, Err(Uncounted::Late));
    proc.give_up_at(None);
    assert!(count(&mut made, &mut proc, &scope).is_ok());
}
