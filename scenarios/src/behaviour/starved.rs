//! forktrace on the host that can't fork: started by exec where it could not
//! create anything, and never trying.

use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use forktrace::provoke::sleeper;
use forktrace::provoke::sys::{self, Resource, Signal};
use forktrace::record::Record;
use rustix::stdio::{dup2_stderr, dup2_stdout};

use super::{Behaviour, await_failures, provoke, record, refused_user};
use crate::actor::{Actor, Prober};
use crate::attempt::Kind;
use crate::machine::{self, await_some};
use crate::runner::{Tests, Where};
use crate::scenario::skip;
use crate::setting;
use crate::sleepers::{self, Sleepers};
use crate::tracer::{PATIENCE, Tail, only_one_task};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "starved_in_full_cgroup",
        run: full_cgroup,
    },
    Behaviour {
        name: "starved_over_nproc_root",
        run: |tests| over_nproc(tests, false),
    },
    Behaviour {
        name: "starved_over_nproc_capabilities",
        run: |tests| over_nproc(tests, true),
    },
    Behaviour {
        name: "starved_at_threads_max",
        run: at_threads_max,
    },
    Behaviour {
        name: "starved_at_pid_max",
        run: at_pid_max,
    },
    Behaviour {
        name: "one_task_in_storm",
        run: storm,
    },
];

/// A forktrace that a process of ours has turned into by exec.
struct Exec {
    actor: Actor,
    file: PathBuf,
    said: PathBuf,
}

impl Exec {
    /// A process that does `setup`, and at a word from here execs forktrace.
    fn prepare(tests: &Tests, name: &str, setup: impl FnOnce() -> Result<()>) -> Result<Self> {
        let file = tests.scratch.path(&format!("{name}.ndjson"));
        let said = tests.scratch.path(&format!("{name}.err"));
        let (actor, _) = Actor::start(name, |link| {
            setup()?;
            redirect(&said)?;
            link.step();
            exec(&tests.binary, &file, &[])
        })?;
        Ok(Self { actor, file, said })
    }

    fn pid(&self) -> i32 {
        self.actor.pid()
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.said).unwrap_or_default()).into_owned()
    }

    /// Lets it exec and waits for the session line.
    fn start(&mut self) -> Result<Tail> {
        self.actor.send()?;
        let mut tail = None;
        let begun = await_some(PATIENCE, || {
            tail = tail.take().or_else(|| Tail::open(&self.file));
            if let Some(tail) = &mut tail
                && let Ok(lines) = tail.read()
                && !lines.is_empty()
            {
                return Some(true);
            }
            sys::has_ended(self.pid()).then_some(false)
        });
        match (begun, tail) {
            (Some(true), Some(tail)) => Ok(tail),
            (Some(_), _) => bail!("forktrace ended; it said: {}", self.said().trim()),
            (None, _) => bail!("no session line in time; it said: {}", self.said().trim()),
        }
    }

    /// Waits for a record of `pid`, then ends it by SIGTERM.
    fn check(&self, tail: &mut Tail, pid: i32) -> Result<()> {
        only_one_task(self.pid())?;
        let mut all = Vec::new();
        let found = await_some(Duration::from_secs(15), || {
            all.extend(tail.read().ok()?);
            all.iter()
                .any(|l| matches!(&l.record, Record::Failure(f) if f.caller.pid == pid as u32))
                .then_some(())
        });
        ensure!(found.is_some(), "no record of pid {pid}");
        only_one_task(self.pid())?;
        sys::kill(self.pid(), Signal::TERM);
        let gone = await_some(PATIENCE, || sys::has_ended(self.pid()).then_some(()));
        ensure!(gone.is_some(), "it did not end");
        all.extend(tail.read()?);
        ensure!(
            matches!(all.last().map(|l| &l.record), Some(Record::Summary(_))),
            "the last line is no summary; it said: {}",
            self.said().trim()
        );
        Ok(())
    }
}

/// Standard output and error of the calling process go to a file.
pub(super) fn redirect(said: &Path) -> Result<()> {
    let to = File::options().create(true).append(true).open(said)?;
    dup2_stdout(&to)?;
    dup2_stderr(&to)?;
    Ok(())
}

/// Turns the calling process into a `forktrace record -o FILE` with more arguments.
pub(super) fn exec(binary: &Path, file: &Path, more: &[&str]) -> Result<()> {
    let binary = CString::new(binary.as_os_str().as_bytes())?;
    let file = CString::new(file.as_os_str().as_bytes())?;
    let more = more.iter().map(|word| CString::new(*word));
    let more = more.collect::<std::result::Result<Vec<_>, _>>()?;
    let fixed = [&binary, c"record", c"-o", &file].map(|word: &CStr| word.as_ptr());
    let more = more.iter().map(|word| word.as_ptr());
    let end = [std::ptr::null()];
    let argv: Vec<_> = fixed.into_iter().chain(more).chain(end).collect();
    sys::close_from(5);
    // SAFETY: strings and an ended list.
    unsafe { libc::execv(binary.as_ptr(), argv.as_ptr()) };
    Err(std::io::Error::last_os_error()).context("exec forktrace")
}

/// Its own cgroup has no room for another task.
fn full_cgroup(tests: &Tests) -> Result<()> {
    let tree = tests.place.cgroups.tree("starved")?;
    let home = tree.top();
    let mut tracer = Exec::prepare(tests, "starved-cgroup", || Ok(home.enter()?))?;
    let mut prober = Prober::start("starving", Kind::PLAIN, 3, || {
        home.enter()?;
        Ok(Vec::new())
    })?;
    home.limit(2)?;
    let outcome = tracer.start().and_then(|mut tail| {
        provoke(&mut prober)?;
        tracer.check(&mut tail, prober.actor.pid())
    });
    drop(prober);
    drop(tracer);
    outcome
}

/// Its own user has more tasks than its limit. As uid 0 that binds nobody, so
/// also as another uid that has what forktrace needs, but neither
/// CAP_SYS_RESOURCE nor CAP_SYS_ADMIN; where that is too little, it says so.
fn over_nproc(tests: &Tests, by_capabilities: bool) -> Result<()> {
    let uid = if by_capabilities {
        tests.place.uid(140)
    } else {
        0
    };
    let name = if by_capabilities {
        "starved-caps"
    } else {
        "starved-root"
    };
    let _sleepers = Sleepers::start(3, || Ok(sys::become_uid(uid)?))?;
    let mut tracer = Exec::prepare(tests, name, || {
        // Before 5.11 maps count against it.
        let _ = sys::limit(Resource::Memlock, sys::INFINITY, sys::INFINITY);
        if by_capabilities {
            sys::become_uid_with_capabilities(uid, &[CAP_SYS_ADMIN, CAP_SYS_RESOURCE])?;
        }
        // After the change of uid, which would let the exec fail.
        Ok(sys::limit_nproc(1, 1)?)
    })?;
    let mut prober = refused_user("starving", tests.place.uid(141), 3)?;
    match tracer.start() {
        Ok(mut tail) => {
            provoke(&mut prober)?;
            tracer.check(&mut tail, prober.actor.pid())
        }
        Err(error) if by_capabilities => {
            let status = sys::reap(tracer.pid()).unwrap_or(0);
            if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 3 {
                return skip(format!("without CAP_SYS_ADMIN: {error:#}"));
            }
            Err(error)
        }
        Err(error) => Err(error),
    }
}

const CAP_SYS_ADMIN: u32 = 21;
const CAP_SYS_RESOURCE: u32 = 24;

fn at_threads_max(tests: &Tests) -> Result<()> {
    if tests.at == Where::Host {
        return skip("a setting of the whole host");
    }
    let mut tracer = Exec::prepare(tests, "starved-threads", || Ok(()))?;
    let mut prober = Prober::start("starving", Kind::PLAIN, 3, || Ok(Vec::new()))?;
    let _sysctl = setting::set("kernel/threads-max", machine::settled_tasks_on_host()? - 5)?;
    let mut tail = tracer.start()?;
    provoke(&mut prober)?;
    tracer.check(&mut tail, prober.actor.pid())
}

fn at_pid_max(tests: &Tests) -> Result<()> {
    if tests.at == Where::Host {
        return skip("a setting of the whole host");
    }
    let mut tracer = Exec::prepare(tests, "starved-pids", || Ok(()))?;
    let mut prober = Prober::start("starving", Kind::PLAIN, 3, || Ok(Vec::new()))?;
    let (mut filler, _) = Actor::start("filler", |link| {
        sleeper::pass_reserved_ids()?;
        link.step();
        let (_, refused) = sleepers::fill(Kind::PLAIN, 400);
        link.ready(Vec::from_iter(refused));
        Ok(())
    })?;
    let sysctl = setting::set("kernel/pid_max", 330)?;
    let refused = filler.go()?.attempts;
    ensure!(refused.len() == 1, "the ids could not be used up");
    let outcome = tracer.start().and_then(|mut tail| {
        provoke(&mut prober)?;
        tracer.check(&mut tail, prober.actor.pid())
    });
    drop(sysctl);
    outcome
}

/// Many refusals in a row: forktrace stays one task and counts them all.
fn storm(tests: &Tests) -> Result<()> {
    const STORM: u32 = 20_000;
    let mut tracer = record(tests, &[])?;
    only_one_task(tracer.running.pid())?;
    let mut prober = refused_user("storm", tests.place.uid(142), STORM)?;
    prober.actor.send()?;
    for _ in 0..20 {
        only_one_task(tracer.running.pid())?;
        tracer.read()?;
    }
    prober.actor.hear()?;
    only_one_task(tracer.running.pid())?;
    await_failures(&mut tracer, prober.actor.pid(), u64::from(STORM))?;
    let summary = tracer.end()?;
    ensure!(
        summary.failures >= u64::from(STORM),
        "the summary counts {} of {STORM}",
        summary.failures
    );
    Ok(())
}
