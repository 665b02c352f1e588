//! The sessions read from, and what their `repeat` records refer to.

use std::sync::Arc;

use foldhash::HashMap;

use super::{
    counts::{Kind, add},
    recent::Recent,
    rows::clip,
    table::Handle,
    when::When,
};
use crate::{
    record::{Alike, Session, Summary},
    recording::Unmet,
};

/// Sessions that have rows of their own; the rest share one.
const SESSIONS: usize = 4096;
/// Failures of one session that a repeat can refer to: it refers to one of the
/// last second, and 16 of a key are recorded in that.
const RECENT: usize = 8192;
/// Failures of all sessions that repeats can refer to. Beyond it the session that was read last keeps its own.
const ALL_RECENT: usize = 1 << 18;
/// Repeats that wait for their failure, of all sessions.
const WAITING: usize = 1 << 16;

/// What a failure was counted as, for its repeats.
#[derive(Clone, Copy)]
pub(super) struct Counted {
    pub kind: Kind,
    pub limit: Handle,
    /// Which of the limit's values, see [`super::rows::Values`].
    pub value: u8,
    pub caller: Handle,
    pub pid: u32,
    pub cgroup: Handle,
}

/// What is known of a failure.
#[derive(Clone, Copy)]
pub(super) enum Known {
    Counted(Counted),
    /// The filters left it out, by these options.
    Unwanted(Unmet),
}

/// Repeats whose failure has not come.
#[derive(Clone, Copy, Default)]
pub(super) struct Waiting {
    pub count: u64,
    pub when: When,
    /// The least that any of them has in common with it.
    pub alike: Alike,
}

/// One session, in however many files.
#[derive(Clone, Default)]
pub(super) struct Followed {
    /// `None`: its files don't begin with it, or there were too many.
    pub about: Option<Session>,
    pub host: Arc<str>,
    pub host_id: u32,
    pub when: When,
    pub failures: u64,
    pub lost: u64,
    /// Of damaged data.
    pub lost_lines: u64,
    /// Only damaged data says which session it is.
    pub unsure: bool,
    pub summary: Option<Summary>,
    recent: Recent<Known>,
    waiting: HashMap<u64, Waiting>,
    /// Number of the record that was read last.
    used: u64,
}

/// All sessions.
#[derive(Clone, Default)]
pub(super) struct Sessions {
    index: HashMap<Box<[u8]>, usize>,
    hosts: HashMap<Arc<str>, u32>,
    pub all: Vec<Followed>,
    /// Session records that shared the last entry of `all`.
    pub shared: u64,
    sharing: Option<Box<[u8]>>,
    recent: usize,
    waiting: usize,
    clock: u64,
    bounds: Bounds,
}

/// What is kept.
#[derive(Clone, Copy)]
struct Bounds {
    /// Of each session, see [`RECENT`].
    recent: usize,
    /// See [`WAITING`].
    waiting: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            recent: RECENT,
            waiting: WAITING,
        }
    }
}

impl Sessions {
    /// For one session whose records come in order, in a process that runs for weeks: half as many
    /// as a table of 8,192 places takes, so that it never grows beyond them, and no repeat waits
    /// for a failure that has come long ago.
    pub(super) fn in_order() -> Self {
        Self {
            bounds: Bounds {
                recent: 3584,
                waiting: 0,
            },
            ..Self::default()
        }
    }

    /// The session of a `session` record: the one that it repeats, or a new
    /// one. What had waited in vain is given back.
    pub(super) fn find(&mut self, about: &Session) -> (usize, Option<Waiting>) {
        let key = identity(about);
        if let Some(&found) = self.index.get(&key) {
            let session = &mut self.all[found];
            if std::mem::take(&mut session.unsure) {
                session.about = Some(bounded(about));
            }
            return (found, None);
        }
        if self.all.len() < SESSIONS {
            let new = self.open(&about.host, Some(bounded(about)));
            self.index.insert(key, new);
            return (new, None);
        }
        if self.sharing.as_ref() == Some(&key) {
            return (SESSIONS, None);
        }
        self.shared += 1;
        self.sharing = Some(key);
        self.share()
    }

    /// The same, of a `session` record that is not believed.
    pub(super) fn find_unsure(&mut self, about: &Session) -> (usize, Option<Waiting>) {
        let known = self.index.get(&identity(about));
        let sure = known.is_some_and(|at| !self.all[*at].unsure);
        let (at, given_up) = self.find(about);
        self.all[at].unsure = !sure && at < SESSIONS;
        (at, given_up)
    }

    /// A session that nothing is known of: its records come before any
    /// `session`.
    pub(super) fn nameless(&mut self) -> (usize, Option<Waiting>) {
        if self.all.len() < SESSIONS {
            return (self.open("", None), None);
        }
        self.shared += 1;
        self.sharing = None;
        self.share()
    }

    /// Whether it is the entry of all that have none of their own.
    pub(super) fn is_shared(&self, at: usize) -> bool {
        at >= SESSIONS
    }

    fn open(&mut self, host: &str, about: Option<Session>) -> usize {
        let host: Arc<str> = clip(host).into();
        let next = self.hosts.len() as u32;
        let host_id = *self.hosts.entry(Arc::clone(&host)).or_insert(next);
        self.all.push(Followed {
            about,
            host,
            host_id,
            ..Followed::default()
        });
        self.all.len() - 1
    }

    /// The entry of all that have none. Their numbers must not be mixed up, so
    /// that what the last one left is forgotten.
    fn share(&mut self) -> (usize, Option<Waiting>) {
        if self.all.len() == SESSIONS {
            self.open("", None);
        }
        (SESSIONS, self.give_up(SESSIONS))
    }

    /// Forgets a session's failures; its waiting repeats together.
    fn give_up(&mut self, at: usize) -> Option<Waiting> {
        let session = &mut self.all[at];
        self.recent -= session.recent.len();
        session.recent = Recent::default();
        self.waiting -= session.waiting.len();
        let waiting = std::mem::take(&mut session.waiting);
        waiting.into_values().reduce(|a, b| {
            let mut when = a.when;
            when.cover(b.when);
            Waiting {
                count: a.count.saturating_add(b.count),
                when,
                alike: a.alike.max(b.alike),
            }
        })
    }

    /// Remembers a failure; its repeats, where they came first.
    pub(super) fn remember(&mut self, at: usize, seq: u64, known: Known) -> Option<Waiting> {
        self.clock += 1;
        if self.recent >= ALL_RECENT {
            self.forget_the_oldest(at);
        }
        let session = &mut self.all[at];
        session.used = self.clock;
        if session.recent.insert(seq, known) {
            self.recent += 1;
        }
        if session.recent.len() > self.bounds.recent {
            session.recent.forget_oldest();
            self.recent -= 1;
        }
        if session.waiting.is_empty() {
            return None;
        }
        let waited = session.waiting.remove(&seq);
        self.waiting -= usize::from(waited.is_some());
        waited
    }

    fn forget_the_oldest(&mut self, but: usize) {
        let others = self.all.iter_mut().enumerate().filter(|(at, _)| *at != but);
        let with_any = others.filter(|(_, session)| !session.recent.is_empty());
        if let Some((_, oldest)) = with_any.min_by_key(|(_, session)| session.used) {
            self.recent -= oldest.recent.len();
            oldest.recent = Recent::default();
        }
    }

    /// What a failure was counted as.
    pub(super) fn recall(&self, at: usize, seq: u64) -> Option<Known> {
        self.all[at].recent.get(seq)
    }

    /// Keeps repeats until their failure comes; given back when there is no
    /// room.
    pub(super) fn wait(&mut self, at: usize, seq: u64, repeats: Waiting) -> Option<Waiting> {
        let session = &mut self.all[at];
        let room = self.waiting < self.bounds.waiting;
        match session.waiting.get_mut(&seq) {
            Some(waiting) => {
                add(&mut waiting.count, repeats.count);
                waiting.when.cover(repeats.when);
                waiting.alike = waiting.alike.max(repeats.alike);
            }
            None if room => {
                session.waiting.insert(seq, repeats);
                self.waiting += 1;
            }
            None => return Some(repeats),
        }
        None
    }

    /// At the end: what has waited in vain, by session.
    pub(super) fn still_waiting(&mut self) -> Vec<(usize, Waiting)> {
        let mut all = Vec::new();
        for (at, session) in self.all.iter_mut().enumerate() {
            all.extend(session.waiting.drain().map(|(_, waiting)| (at, waiting)));
        }
        self.waiting = 0;
        all
    }
}

/// Which session it is: the host's name alone may be that of many.
fn identity(about: &Session) -> Box<[u8]> {
    let boot = about.boot_id.as_deref().unwrap_or_default();
    let parts = [clip(&about.host), clip(boot), clip(&about.started)];
    parts.join("\0").into_bytes().into()
}

/// What a report has of a session.
fn bounded(about: &Session) -> Session {
    let own = |text: &str| clip(text).to_owned();
    Session {
        schema: about.schema,
        version: own(&about.version),
        started: own(&about.started),
        host: own(&about.host),
        boot_id: about.boot_id.as_deref().map(own),
        kernel: own(&about.kernel),
        attach: own(&about.attach),
        probes: Vec::new(),
        absent: Vec::new(),
        holders_by: None,
        inside: Vec::new(),
        filters: Default::default(),
        limits: Default::default(),
    }
}
