//! A real PostgreSQL whose postmaster can't fork any more, where one is installed.
//!
//! The server and its cgroup are the test's own; its clients live outside of it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use forktrace::cause::Cause;
use forktrace::provoke::sys::{self, Signal};
use forktrace::record::{Failure, HolderKind, Record};

use super::{Behaviour, record};
use crate::cgroup::Cgroup;
use crate::machine::{self, await_some};
use crate::runner::Tests;
use crate::scenario::skip;
use crate::tracer::{PATIENCE, Running, Tracer};

pub(super) const BEHAVIOURS: &[Behaviour] = &[Behaviour {
    name: "postgres_at_pids_max",
    run: at_pids_max,
}];

/// Sessions of each kind.
const IDLE: usize = 8;
const IN_TRANSACTION: usize = 3;
const ACTIVE: usize = 2;

/// What the server writes, says to its client, and what the record says are the same story.
fn at_pids_max(tests: &Tests) -> Result<()> {
    let Some(bin) = newest_server() else {
        return skip("no PostgreSQL server is installed (Debian: postgresql)");
    };
    let Some(owner) = Owner::find("postgres")? else {
        return skip("there is no user postgres");
    };
    // Dropped last, when nobody lives there any more.
    let tree = tests.place.cgroups.tree("pg")?;
    let home = tree.at(&["postgresql.service"])?;
    let server = Server::start(tests, bin, owner, &home)?;
    let mut clients = Vec::new();
    for _ in 0..IDLE {
        clients.push(server.session("select 1;")?);
    }
    for _ in 0..IN_TRANSACTION {
        clients.push(server.session("begin;")?);
    }
    for _ in 0..ACTIVE {
        clients.push(server.session("select pg_sleep(600);")?);
    }
    await_sessions(&home)?;
    let full = members(&home)?.len() as u64;
    tree.top().limit(full)?;
    let mut tracer = record(tests, &[])?;
    let refused = server.psql().args(["-c", "select 1"]).output()?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(!refused.status.success(), "one session more was granted");
    ensure!(
        said.contains("could not fork new process for connection"),
        "psql says {said:?}"
    );
    let failure = first_of(&mut tracer, server.postmaster.pid())?;
    check(&failure, &tree.top().shown(), full)?;
    tracer.end()?;
    Ok(())
}

fn check(f: &Failure, top: &str, full: u64) -> Result<()> {
    ensure!(f.caller.comm == "postgres", "{f:?}");
    ensure!(f.caller.user.as_deref() == Some("postgres"), "{f:?}");
    ensure!(
        f.cgroup.unit.as_deref() == Some("postgresql.service"),
        "{f:?}"
    );
    ensure!(f.cause == Cause::CgroupPidsMax, "{f:?}");
    let limit = f.limit.as_ref().context("no limit")?;
    ensure!(
        limit.owner.cgroup_path() == Some(top),
        "limit of {}, wanted {top}",
        limit.owner
    );
    ensure!(
        (limit.value, limit.usage) == (Some(full), Some(full)),
        "{limit:?}, wanted {full} of {full}"
    );
    let programs = f.holders.iter().filter(|h| h.kind == HolderKind::Program);
    let programs: Vec<_> = programs.collect();
    let [postgres] = &*programs else {
        bail!("held by {:?}", f.holders);
    };
    let states = format!("{IDLE} idle, {IN_TRANSACTION} idle in transaction, {ACTIVE} active");
    let detail = postgres.detail.as_deref().unwrap_or_default();
    ensure!(
        postgres.name == "postgres" && postgres.tasks == full && detail.contains(&states),
        "held by {postgres:?}, wanted {full} of postgres, {states}"
    );
    let idle = (IDLE + IN_TRANSACTION) as u64;
    let pooler = format!("{idle} of the {full} tasks counted are postgres backends");
    let notes = f.fix.iter().filter_map(|fix| fix.note.as_ref());
    // The server has some five processes of its own: these are more than half.
    ensure!(
        postgres.idle == Some(idle) && notes.clone().any(|note| note.starts_with(&pooler)),
        "no {pooler:?} in {:?}",
        f.fix
    );
    Ok(())
}

pub(super) fn first_of(tracer: &mut Tracer, pid: i32) -> Result<Failure> {
    let found = await_some(PATIENCE, || {
        let _ = tracer.read();
        tracer.lines.iter().find_map(|line| match &line.record {
            Record::Failure(f) if f.caller.pid == pid as u32 => Some((**f).clone()),
            _ => None,
        })
    });
    found.context("the postmaster's failure is not recorded")
}

/// `/usr/lib/postgresql/N/bin` with the greatest N.
pub(super) fn newest_server() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let bins = versions.filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        let bin = entry.path().join("bin");
        bin.join("postgres").is_file().then_some((version, bin))
    });
    bins.max().map(|(_, bin)| bin)
}

/// Who runs the server: it refuses root.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    pub(super) fn find(name: &str) -> Result<Option<Self>> {
        let users = fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
        Ok(users.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [user, _, uid, gid, ..] = &*fields else {
                return None;
            };
            let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
            (*user == name).then_some(Self { uid, gid })
        }))
    }
}

/// Where a test machine has a cluster, made outside: making one takes a minute in emulation.
const MADE: &str = "/srv/postgres-cluster";

/// A cluster of the owner's, below the folder or made before.
fn cluster(bin: &Path, owner: Owner, folder: &Path) -> Result<PathBuf> {
    let made = PathBuf::from(MADE);
    if made.is_dir() {
        give(&made, owner)?;
        fs::set_permissions(&made, fs::Permissions::from_mode(0o700))?;
        return Ok(made);
    }
    let data = folder.join("data");
    let made = Command::new(bin.join("initdb"))
        .arg("-D")
        .arg(&data)
        .args(["-A", "trust", "-U", "postgres", "--no-sync"])
        .current_dir(folder)
        .uid(owner.uid)
        .gid(owner.gid)
        .output()
        .context("running initdb")?;
    ensure!(
        made.status.success(),
        "initdb: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    Ok(data)
}

/// The folder and all in it.
fn give(path: &Path, owner: Owner) -> Result<()> {
    chown(path, Some(owner.uid), Some(owner.gid))?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), owner)?;
        }
    }
    Ok(())
}

/// A server that nobody else knows of.
pub(super) struct Server {
    bin: PathBuf,
    /// Its data, and its socket.
    folder: PathBuf,
    pub(super) postmaster: Running,
}

impl Server {
    pub(super) fn start(tests: &Tests, bin: PathBuf, owner: Owner, home: &Cgroup) -> Result<Self> {
        // Where another user comes in.
        let folder = std::env::temp_dir().join(format!("forktrace-pg-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("mkdir {}", folder.display()))?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        chown(&folder, Some(owner.uid), Some(owner.gid))?;
        let data = cluster(&bin, owner, &folder)?;
        let mut command = Command::new(bin.join("postgres"));
        command.arg("-D").arg(&data).current_dir(&folder);
        // Nobody else's forks in the cgroup, and few processes.
        for setting in [
            "listen_addresses=",
            &format!("unix_socket_directories={}", folder.display()),
            "max_connections=40",
            "autovacuum=off",
            "fsync=off",
            "shared_buffers=16MB",
            // Where there is no /dev/shm, too.
            "dynamic_shared_memory_type=mmap",
        ] {
            command.args(["-c", setting]);
        }
        let home = home.clone();
        sys::before_exec(&mut command, move || {
            home.enter()?;
            sys::become_user(owner.uid, owner.gid)
        });
        let server = Self {
            bin,
            folder,
            postmaster: Running::start(&tests.scratch, "postmaster", &mut command)?,
        };
        let ready = || {
            let answer = server.psql().args(["-c", "select 1"]).output();
            answer.is_ok_and(|a| a.status.success()).then_some(())
        };
        await_some(PATIENCE, ready)
            .with_context(|| format!("no server: {}", server.postmaster.said()))?;
        Ok(server)
    }

    pub(super) fn psql(&self) -> Command {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-X", "-q", "-h"]).arg(&self.folder);
        psql.args(["-U", "postgres", "-d", "postgres"]);
        psql.stdin(Stdio::null());
        psql
    }

    /// A session that has sent this and stays.
    fn session(&self, sql: &str) -> Result<Client> {
        let mut psql = self.psql();
        psql.stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = psql.spawn().context("starting psql")?;
        let stdin = child.stdin.as_mut().context("psql has no standard input")?;
        writeln!(stdin, "{sql}").context("writing to psql")?;
        Ok(Client(child))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its fastest end that takes the backends with it.
        self.postmaster.signal(Signal::QUIT);
        let _ = self.postmaster.wait(PATIENCE);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

struct Client(Child);

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn members(home: &Cgroup) -> Result<Vec<u32>> {
    let file = home.dir.join("cgroup.procs");
    let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

/// Until every session says in its title what it is to do.
fn await_sessions(home: &Cgroup) -> Result<()> {
    let titles = || -> Vec<String> {
        let read = |pid: u32| fs::read(Path::new("/proc").join(format!("{pid}/cmdline"))).ok();
        let all = members(home).unwrap_or_default().into_iter();
        let title = |raw: Vec<u8>| {
            let text = String::from_utf8_lossy(&raw).into_owned();
            text.trim_end_matches(['\0', ' ']).to_owned()
        };
        all.filter_map(read).map(title).collect()
    };
    let there = |titles: &[String]| {
        let count = |end: &str| titles.iter().filter(|title| title.ends_with(end)).count();
        (
            count("] idle"),
            count("] idle in transaction"),
            count("] SELECT"),
        ) == (IDLE, IN_TRANSACTION, ACTIVE)
    };
    machine::await_some(PATIENCE, || there(&titles()).then_some(()))
        .with_context(|| format!("the sessions are not as they should: {:#?}", titles()))
}
