//! A recorder that is started with few capabilities.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use forktrace::provoke::sys::{self, Resource, Signal};
use forktrace::record::{Failure, Record, Session};

use super::folder;
use crate::actor::Actor;
use crate::behaviour::starved;
use crate::expect::Line;
use crate::machine::await_some;
use crate::runner::Tests;
use crate::tracer::{PATIENCE, Tail};

/// A `forktrace record` by a user that is nobody, in a folder of the user's own.
pub(super) struct Started {
    actor: Actor,
    file: PathBuf,
    said: PathBuf,
    tail: Option<Tail>,
    lines: Vec<Line>,
}

impl Started {
    /// With these capabilities (a set of bits), which are ambient, and with RLIMIT_MEMLOCK lifted:
    /// before Linux 5.11 maps count against it. `setup` comes first.
    pub(super) fn with(
        tests: &Tests,
        name: &str,
        capabilities: u64,
        arguments: &[&str],
        setup: impl FnOnce() -> Result<()>,
    ) -> Result<Self> {
        let folder = folder(tests, name)?;
        let uid = tests.place.uid(185);
        chown(&folder, Some(uid), Some(uid))?;
        let file = folder.join("x.ndjson");
        let said = tests.scratch.path(&format!("{name}.err"));
        let (mut actor, _) = Actor::start(name, |link| {
            setup()?;
            let all = sys::INFINITY;
            // Refused to a root without CAP_SYS_RESOURCE, where it doesn't count either.
            let _ = sys::limit(Resource::Memlock, all, all);
            sys::become_uid_with_only(uid, capabilities)?;
            starved::redirect(&said)?;
            link.step();
            starved::exec(&tests.binary, &file, arguments)
        })?;
        actor.send()?;
        Ok(Self {
            actor,
            file,
            said,
            tail: None,
            lines: Vec::new(),
        })
    }

    pub(super) fn pid(&self) -> i32 {
        self.actor.pid()
    }

    /// Waits for the first record that is wanted.
    fn record(&mut self, wanted: impl Fn(&Record) -> bool) -> Result<Record> {
        let found = await_some(PATIENCE, || {
            self.tail = self.tail.take().or_else(|| Tail::open(&self.file));
            self.lines.extend(self.tail.as_mut()?.read().ok()?);
            let mut records = self.lines.iter().map(|line| &line.record);
            records.find(|record| wanted(record)).cloned()
        });
        found.with_context(|| format!("no record; it said: {}", self.said()))
    }

    pub(super) fn session(&mut self) -> Result<Session> {
        match self.record(|record| matches!(record, Record::Session(_)))? {
            Record::Session(session) => Ok(*session),
            other => bail!("{other:?}"),
        }
    }

    /// The first failure of a process.
    pub(super) fn failure_of(&mut self, pid: i32) -> Result<Failure> {
        match self.record(|r| matches!(r, Record::Failure(f) if f.caller.pid == pid as u32))? {
            Record::Failure(failure) => Ok(*failure),
            other => bail!("{other:?}"),
        }
    }

    /// Ends it, by SIGTERM.
    pub(super) fn end(mut self) -> Result<()> {
        sys::kill(self.pid(), Signal::TERM);
        self.record(|record| matches!(record, Record::Summary(_)))?;
        let status = sys::reap(self.pid());
        ensure!(
            status == Some(0),
            "it ended with {status:?}: {}",
            self.said()
        );
        Ok(())
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }
}
