//! Counts in made-up folders.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::{
    host::cgroup::Version,
    model::{HolderKind, LimitKind, Owner, Unit},
};

/// A folder like /proc and one like a cgroup hierarchy, removed on drop.
struct Host {
    dir: PathBuf,
}

struct Made<'a> {
    comm: &'a str,
    ppid: u32,
    uid: u32,
    threads: u32,
    zombie: bool,
    cgroup: &'a str,
    user_ns: u32,
    rss_kib: u64,
    title: &'a str,
}

const PLAIN: Made<'_> = Made {
    comm: "bash",
    ppid: 1,
    uid: 0,
    threads: 1,
    zombie: false,
    cgroup: "/",
    user_ns: 1,
    rss_kib: 0,
    title: "",
};

/// A folder for each test.
fn next() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Host {
    fn new(name: &str) -> Self {
        let dir = format!("forktrace-holders-{}-{name}", std::process::id());
        let dir = std::env::temp_dir().join(dir);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("proc/sys")).unwrap();
        fs::create_dir_all(dir.join("cgroup")).unwrap();
        let host = Self { dir };
        host.process(
            1,
            Made {
                comm: "init",
                ..PLAIN
            },
        );
        host
    }

    fn process(&self, pid: u32, made: Made<'_>) {
        let dir = self.dir.join(format!("proc/{pid}"));
        fs::create_dir_all(dir.join("ns")).unwrap();
        let state = if made.zombie { 'Z' } else { 'S' };
        for thread in 0..made.threads.max(1) {
            let tid = pid + thread;
            let status = format!(
                "Name:\t{}\nState:\t{state} (x)\nTgid:\t{pid}\nPid:\t{tid}\nPPid:\t{}\n\
                 Uid:\t{}\t7\t7\t7\nRssAnon:\t{} kB\nThreads:\t{}\n",
                made.comm, made.ppid, made.uid, made.rss_kib, made.threads
            );
            fs::create_dir_all(dir.join(format!("task/{tid}"))).unwrap();
            // /proc/TID exists and is listed nowhere; here it is, so elsewhere.
            let own = self.dir.join(format!("proc/{tid}"));
            fs::create_dir_all(&own).unwrap();
            fs::write(own.join("status"), status).unwrap();
        }
        fs::write(dir.join("cmdline"), format!("{}\0\0", made.title)).unwrap();
        fs::write(
            dir.join("cgroup"),
            format!("1:pids:/\n0::{}\n", made.cgroup),
        )
        .unwrap();
        symlink(format!("user:[{}]", made.user_ns), dir.join("ns/user")).unwrap();
        symlink(format!("pid:[{}]", made.user_ns), dir.join("ns/pid")).unwrap();
    }

    fn cgroup(&self, path: &str, file: &str, tids: impl IntoIterator<Item = u32>) {
        let dir = self.dir.join("cgroup").join(path.trim_start_matches('/'));
        fs::create_dir_all(&dir).unwrap();
        let lines: String = tids.into_iter().map(|tid| format!("{tid}\n")).collect();
        fs::write(dir.join(file), lines).unwrap();
    }

    fn holders(&self) -> Holders {
        let passwd = Passwd::from_bytes(b"root:x:0:0\nwww:x:33:33\n".to_vec());
        Holders::from_folder(self.dir.join("proc"), passwd)
    }

    fn count(&self, scope: &Scope, usage: Option<u64>) -> Vec<String> {
        let rows = self.holders().count(scope, usage).unwrap();
        rows.iter().map(show).collect()
    }

    fn scope(&self, path: &str, version: Version, fill: Fill) -> Scope {
        Scope::Cgroup {
            folder: self.dir.join("cgroup").join(path.trim_start_matches('/')),
            path: PathBuf::from(path),
            version,
            fill,
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn show(h: &Holder) -> String {
    let size = h.bytes.map(|n| format!(" {n}B")).unwrap_or_default();
    let detail = h.detail.as_deref().unwrap_or("-");
    format!(
        "{} {} {}+{}{size} {detail}",
        h.kind, h.name, h.tasks, h.zombies
    )
}

/// A cgroup of two with threads, zombies and PostgreSQL.
fn busy(version: Version, file: &str) -> (Host, Scope) {
    let host = Host::new(&format!("{version:?}-{}", next()));
    for n in 0..6 {
        let title = match n {
            0 => "/usr/bin/postgres",
            1 => "postgres: checkpointer ",
            2 => "postgres: app shop [local] SELECT",
            _ => "postgres: app shop [local] idle",
        };
        let made = Made {
            comm: "postgres",
            uid: 33,
            cgroup: "/a/db",
            title,
            ..PLAIN
        };
        host.process(100 + n, made);
    }
    host.process(
        200,
        Made {
            comm: "java",
            threads: 20,
            cgroup: "/a",
            ..PLAIN
        },
    );
    for n in 0..3 {
        let made = Made {
            comm: "child",
            ppid: 200,
            zombie: true,
            cgroup: "/a (deleted)",
            ..PLAIN
        };
        host.process(300 + n, made);
    }
    // A zombie and a process elsewhere, one of them called alike.
    host.process(
        310,
        Made {
            comm: "child",
            zombie: true,
            cgroup: "/ab",
            ..PLAIN
        },
    );
    host.process(
        400,
        Made {
            cgroup: "/ab",
            ..PLAIN
        },
    );
    host.cgroup("/a", file, 200..220);
    // One task of another pid namespace, and one that has gone.
    host.cgroup("/a/db", file, (100..106).chain([0, 999]));
    host.cgroup("/a/empty", file, []);
    let scope = host.scope("/a", version, Fill::Tasks);
    (host, scope)
}

#[test]
fn a_cgroup_of_v2() {
    let (host, scope) = busy(Version::V2, "cgroup.threads");
    let wanted = [
        "program java 20+0 pid 200",
        "program postgres 6+0 3 idle, 1 active",
        "program child 0+3 zombies of pid 200 java",
        "cgroup /a 20+3 -",
        "cgroup /a/db 6+0 -",
        "user root 20+3 -",
        "user www 6+0 -",
    ];
    assert_eq!(host.count(&scope, Some(30)), wanted);
    assert_eq!(host.count(&scope, None), wanted);
    // All tasks were found alive: nobody looks for zombies.
    let rows = host.count(&scope, Some(27));
    assert!(!rows.iter().any(|row| row.contains("child")), "{rows:?}");
}

#[test]
fn a_cgroup_of_v1() {
    let (host, scope) = busy(Version::V1, "tasks");
    let rows = host.count(&scope, Some(30));
    assert_eq!(rows[2], "program child 0+3 zombies of pid 200 java");
    // No more zombies than the kernel counts.
    let rows = host.count(&scope, Some(29));
    assert_eq!(rows[2], "program child 0+2 zombies of pid 200 java");
}

#[test]
fn threads_of_one_process_in_two_cgroups() {
    let host = Host::new("apart");
    host.process(
        50,
        Made {
            comm: "mover",
            threads: 4,
            ..PLAIN
        },
    );
    host.cgroup("/a/x", "tasks", [51, 53]);
    host.cgroup("/b", "tasks", [50, 52]);
    let scope = host.scope("/a", Version::V1, Fill::Tasks);
    assert_eq!(host.count(&scope, Some(2)), ["program mover 2+0 pid 50"]);
}

#[test]
fn a_first_thread_that_has_ended_counts_as_a_task() {
    let host = Host::new("leader");
    host.process(
        50,
        Made {
            comm: "late",
            threads: 3,
            zombie: true,
            ..PLAIN
        },
    );
    host.cgroup("/a", "cgroup.threads", [51, 52]);
    let scope = host.scope("/a", Version::V2, Fill::Tasks);
    assert_eq!(host.count(&scope, Some(3)), ["program late 3+0 pid 50"]);
}

#[test]
fn memory_of_a_cgroup() {
    let host = Host::new("memory");
    for (pid, comm, rss_kib) in [(10, "a", 5), (11, "b", 70), (12, "b", 1), (13, "nil", 0)] {
        host.process(
            pid,
            Made {
                comm,
                rss_kib,
                ..PLAIN
            },
        );
    }
    host.cgroup("/m", "cgroup.threads", 10..14);
    let scope = host.scope("/m", Version::V2, Fill::Resident);
    let wanted = [
        "program b 2+0 72704B -".to_owned(),
        "program a 1+0 5120B -".to_owned(),
        "process b 1+0 71680B pid 11".to_owned(),
    ];
    assert_eq!(host.count(&scope, Some(1 << 30)), wanted);
}

#[test]
fn a_user_in_two_containers() {
    let host = Host::new("user");
    for pid in 100..140 {
        let cgroup = if pid < 130 {
            "/docker/one"
        } else {
            "/docker/two"
        };
        host.process(
            pid,
            Made {
                comm: "worker",
                uid: 33,
                cgroup,
                ..PLAIN
            },
        );
    }
    host.process(
        140,
        Made {
            comm: "worker",
            uid: 34,
            ..PLAIN
        },
    );
    host.process(
        141,
        Made {
            comm: "gone",
            uid: 33,
            ppid: 100,
            zombie: true,
            ..PLAIN
        },
    );
    // The same uid in a user namespace that somebody else has made.
    host.process(
        142,
        Made {
            comm: "alien",
            uid: 33,
            user_ns: 5,
            ..PLAIN
        },
    );
    let mut wanted = vec![
        "program worker 40+0 -".to_owned(),
        "program gone 0+1 zombies of pid 100 worker".to_owned(),
        "cgroup /docker/one 30+0 -".to_owned(),
        "cgroup /docker/two 10+0 -".to_owned(),
        "cgroup / 0+1 -".to_owned(),
    ];
    let scope = |userns| Scope::User { uid: 33, userns };
    assert_eq!(host.count(&scope(Some(1)), Some(41)), wanted);
    // Up to 5.13 namespaces make no difference.
    wanted.insert(1, "program alien 1+0 -".to_owned());
    wanted[5] = "cgroup / 1+1 -".to_owned();
    assert_eq!(host.count(&scope(None), Some(42)), wanted);
}

/// All of a user's tasks can be elsewhere than who was refused.
#[test]
fn one_cgroup_is_named_where_the_caller_is_in_another() {
    let host = Host::new("elsewhere");
    host.process(
        100,
        Made {
            comm: "worker",
            uid: 33,
            cgroup: "/user.slice/a",
            ..PLAIN
        },
    );
    let mut holders = host.holders();
    let mut cgroups = |home| {
        let scope = Scope::User {
            uid: 33,
            userns: None,
        };
        let rows = holders.count_for(&scope, Some(1), home).unwrap();
        let rows = rows
            .into_iter()
            .filter(|row| row.kind == HolderKind::Cgroup);
        rows.map(|row| row.name).collect::<Vec<_>>()
    };
    assert_eq!(cgroups(Some("/docker/one")), ["/user.slice/a"]);
    assert!(cgroups(Some("/user.slice/a")).is_empty() && cgroups(None).is_empty());
}

#[test]
fn the_host() {
    let host = Host::new("host");
    host.process(
        2,
        Made {
            comm: "kthreadd",
            ppid: 0,
            ..PLAIN
        },
    );
    for pid in 10..20 {
        host.process(
            pid,
            Made {
                comm: &format!("kworker/{pid}"),
                ppid: 2,
                ..PLAIN
            },
        );
    }
    for (pid, threads) in [(100, 60), (200, 1), (201, 1)] {
        host.process(
            pid,
            Made {
                comm: "java",
                uid: 33,
                threads,
                ..PLAIN
            },
        );
        // As in /proc, threads are not listed.
        for tid in pid + 1..pid + threads {
            fs::remove_dir_all(host.dir.join(format!("proc/{tid}"))).unwrap();
        }
    }
    let scope = Scope::Host { fill: Fill::Tasks };
    let wanted = [
        "program java 62+0 in 3 processes",
        "kernel kernel threads 11+0 -",
        "program init 1+0 -",
        "process java 60+0 pid 100",
        "user www 62+0 -",
        "user root 12+0 -",
    ];
    assert_eq!(host.count(&scope, None), wanted);
    let rows = host.count(&Scope::PidNamespace { inum: 1 }, None);
    assert_eq!(rows, wanted);
    assert!(
        host.count(&Scope::PidNamespace { inum: 2 }, None)
            .is_empty()
    );
}

#[test]
fn only_a_handful_of_rows() {
    let host = Host::new("many");
    for pid in 1000..1100 {
        let (comm, cgroup) = (format!("p{pid}"), format!("/c{pid}"));
        let made = Made {
            comm: &comm,
            cgroup: &cgroup,
            uid: pid,
            threads: pid % 3 + 1,
            ..PLAIN
        };
        host.process(pid, made);
    }
    let rows = host.count(&Scope::Host { fill: Fill::Tasks }, None);
    assert_eq!(rows.len(), 5 + 3 + 3, "{rows:?}");
}

#[test]
fn what_is_not_there() {
    let host = Host::new("gone");
    let scope = host.scope("/gone", Version::V2, Fill::Tasks);
    assert_eq!(host.holders().count(&scope, None), None);
    fs::remove_dir_all(host.dir.join("proc")).unwrap();
    let all = Scope::Host { fill: Fill::Tasks };
    assert_eq!(host.holders().count(&all, None), None);
}

#[test]
fn a_count_that_takes_too_long_is_none() {
    let (host, scope) = busy(Version::V2, "cgroup.threads");
    let mut holders = host.holders();
    holders.proc.give_up_at(Some(Instant::now()));
    assert_eq!(holders.count(&scope, None), None);
    assert_eq!(
        holders.count(&Scope::Host { fill: Fill::Tasks }, None),
        None
    );
    holders.proc.give_up_at(None);
    assert!(holders.count(&scope, None).is_some());
}

/// It ended between the reading of the list and of its status.
#[test]
fn who_ends_meanwhile_is_counted_once() {
    let host = Host::new("ends");
    let made = Made {
        comm: "short",
        ppid: 50,
        zombie: true,
        cgroup: "/a",
        ..PLAIN
    };
    host.process(60, made);
    host.cgroup("/a", "cgroup.threads", [60]);
    let scope = host.scope("/a", Version::V2, Fill::Tasks);
    let wanted = ["program short 0+1 zombies of pid 50"];
    assert_eq!(host.count(&scope, Some(2)), wanted);
}

#[test]
fn a_limit_is_counted_once_in_a_while() {
    let host = Host::new("pace");
    let mut holders = host.holders();
    let mut limit = Limit {
        value: Some(1),
        usage: Some(1),
        requested: Some(1),
        ..Limit::new(LimitKind::ThreadsMax, Owner::Host, Unit::Tasks)
    };
    let scope = || Some(Scope::Host { fill: Fill::Tasks });
    assert_eq!(holders.of(&limit, 1, None, scope).len(), 1);
    assert_eq!(holders.of(&limit, 1, None, scope), []);
    // Raised and filled again, by others perhaps.
    (limit.value, limit.usage) = (Some(20), Some(20));
    assert_eq!(holders.of(&limit, 1, None, scope).len(), 1);
    assert_eq!(holders.of(&limit, 1, None, scope), []);
    limit.kind = LimitKind::PidMax;
    assert_eq!(holders.of(&limit, 1, None, scope).len(), 1);
    // Bytes in use are never the same twice.
    limit.unit = Unit::Bytes;
    limit.kind = LimitKind::MemoryMax;
    assert_eq!(holders.of(&limit, 1, None, scope).len(), 1);
    limit.usage = Some(21);
    assert_eq!(holders.of(&limit, 1, None, scope), []);
}

#[test]
fn this_host() {
    let mut holders = Holders::from_folder(Path::new("/proc").to_owned(), Passwd::default());
    let rows = holders
        .count(&Scope::Host { fill: Fill::Tasks }, None)
        .unwrap();
    assert!(
        rows.iter()
            .any(|row| row.kind == HolderKind::Program && row.tasks > 0)
    );
    let rows = holders
        .count(
            &Scope::Host {
                fill: Fill::Private,
            },
            None,
        )
        .unwrap();
    assert!(rows[0].bytes.is_some_and(|n| n > 0));
}
