//! What a record of an attempt has to say, and the comparison.

use std::path::PathBuf;

use forktrace::cause::Cause;
use forktrace::record::{Errno, Failure, Unit};

use crate::actor::Actor;
use crate::attempt::{Attempt, Kind};

mod compare;
mod one;
mod recorded;

pub(crate) use compare::{Seen, Verdict, compare};
pub(crate) use recorded::{Coarse, Line, Recorded};

/// A number in a record.
#[derive(Clone, Debug)]
pub(crate) enum Number {
    Exact(u64),
    AtLeast(u64),
    Between(u64, u64),
    Null,
    Any,
}

impl Number {
    fn fits(&self, got: Option<u64>) -> bool {
        match (self, got) {
            (Self::Any, _) | (Self::Null, None) => true,
            (Self::Exact(want), Some(got)) => *want == got,
            (Self::AtLeast(least), Some(got)) => got >= *least,
            (Self::Between(least, most), Some(got)) => (*least..=*most).contains(&got),
            _ => false,
        }
    }
}

/// The owner of a limit.
#[derive(Clone, Debug)]
pub(crate) enum Scope {
    Exact(String),
    StartsWith(&'static str),
}

impl Scope {
    fn fits(&self, got: &str) -> bool {
        match self {
            Self::Exact(want) => want == got,
            Self::StartsWith(start) => got.starts_with(start),
        }
    }
}

/// The refusing limit.
#[derive(Clone, Debug)]
pub(crate) struct WantedLimit {
    pub name: Option<&'static str>,
    pub scope: Scope,
    pub value: Number,
    pub usage: Number,
    pub unit: Option<Unit>,
    /// The file that the record has to name, whose content has to be `value`.
    pub file: Option<PathBuf>,
}

impl WantedLimit {
    /// RLIMIT_NPROC of `uid`.
    pub(crate) fn nproc(uid: u32, value: u64, usage: u64) -> Self {
        Self {
            name: Some("RLIMIT_NPROC"),
            scope: Scope::Exact(format!("uid {uid}")),
            value: Number::Exact(value),
            usage: Number::Exact(usage),
            unit: Some(Unit::Tasks),
            file: None,
        }
    }

    /// `pids.max` of a cgroup.
    pub(crate) fn pids(cgroup: &crate::cgroup::Cgroup, value: u64, usage: u64) -> Self {
        // A name that is no UTF-8 names no file in a record.
        let file = cgroup.hex().is_none().then(|| cgroup.limit_file());
        Self {
            name: Some("pids.max"),
            scope: Scope::Exact(cgroup.shown()),
            value: Number::Exact(value),
            usage: Number::Exact(usage),
            unit: Some(Unit::Tasks),
            file,
        }
    }

    /// kernel.threads-max.
    pub(crate) fn threads(value: u64) -> Self {
        Self {
            name: Some("kernel.threads-max"),
            scope: Scope::Exact("host".to_owned()),
            value: Number::Exact(value),
            usage: Number::AtLeast(value),
            unit: Some(Unit::Tasks),
            file: None,
        }
    }
}

/// What the tracepoint style may say, that sees no check refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FromTracepoint {
    /// It has to conclude the cause.
    Inferred,
    /// The cause doesn't always leave something behind that names it.
    MayBeUnknown,
}

/// A refused attempt.
#[derive(Clone, Debug)]
pub(crate) struct Expect {
    pub pid: u32,
    pub tid: u32,
    /// `None`: whoever left it behind, or one in another pid namespace.
    pub ppid: Option<u32>,
    pub comm: String,
    pub uid: u32,
    /// `None`: the same.
    pub euid: Option<u32>,
    pub kind: Kind,
    pub errno: Errno,
    pub cause: Cause,
    pub from_tracepoint: FromTracepoint,
    /// No style sees this check refuse.
    pub inferred: bool,
    pub limit: Option<WantedLimit>,
    /// What `limit.requested` has to be.
    pub requested: Option<u64>,
    /// Another limit that has to be among the candidates.
    pub candidate: Option<WantedLimit>,
    /// Any of these.
    pub cgroup: Option<Vec<String>>,
    pub cgroup_hex: Option<String>,
    pub cgroup_id: Option<u64>,
    /// Parts that the sentence or one of the ways out has to have.
    pub says: Vec<String>,
    /// What nothing in the record may have in it.
    pub never: Option<&'static str>,
}

impl Expect {
    /// An attempt of an actor in the initial pid namespace, as root.
    pub(crate) fn of(actor: &Actor, attempt: &Attempt, cause: Cause) -> Self {
        Self::by(actor.pid() as u32, actor.comm(), attempt, cause)
    }

    /// An attempt of a child of this process, likewise.
    pub(crate) fn by(pid: u32, comm: String, attempt: &Attempt, cause: Cause) -> Self {
        Self {
            pid,
            tid: attempt.tid as u32,
            ppid: Some(std::process::id()),
            comm,
            uid: 0,
            euid: None,
            kind: attempt.kind,
            errno: Errno::from_number(attempt.errno).unwrap_or(Errno::EAGAIN),
            cause,
            from_tracepoint: FromTracepoint::Inferred,
            inferred: false,
            limit: None,
            requested: None,
            candidate: None,
            cgroup: None,
            cgroup_hex: None,
            cgroup_id: None,
            says: Vec::new(),
            never: None,
        }
    }

    pub(crate) fn uid(mut self, uid: u32) -> Self {
        self.uid = uid;
        self
    }

    /// Effective uid, where that is another.
    pub(crate) fn euid(mut self, euid: u32) -> Self {
        self.euid = Some(euid);
        self
    }

    /// As the initial pid namespace numbers a caller of one thread.
    pub(crate) fn pid(mut self, pid: u64) -> Self {
        self.pid = pid as u32;
        self.tid = pid as u32;
        self.ppid = None;
        self
    }

    pub(crate) fn limit(mut self, limit: WantedLimit) -> Self {
        self.limit = Some(limit);
        self
    }

    pub(crate) fn candidate(mut self, limit: WantedLimit) -> Self {
        self.candidate = Some(limit);
        self
    }

    /// Whether a record names this cause and this owner, as far as one is wanted.
    fn is_of(&self, failure: &Failure) -> bool {
        let owner = failure.limit.as_ref().map(|limit| limit.owner.to_string());
        let fits = |wanted: &WantedLimit| owner.as_deref().is_none_or(|got| wanted.scope.fits(got));
        self.cause == failure.cause && self.limit.as_ref().is_none_or(fits)
    }

    pub(crate) fn may_be_unknown(mut self) -> Self {
        self.from_tracepoint = FromTracepoint::MayBeUnknown;
        self
    }

    /// Nothing shows the cause: then none may be named.
    pub(crate) fn unknown(mut self) -> Self {
        self.cause = Cause::Unknown;
        self
    }

    pub(crate) fn inferred(mut self) -> Self {
        self.inferred = true;
        self
    }

    /// What the sentence or one of the ways out has in it.
    pub(crate) fn says(mut self, part: &str) -> Self {
        self.says.push(part.to_owned());
        self
    }

    /// What nothing in the record has in it, such as the name of what came later.
    pub(crate) fn never(mut self, part: &'static str) -> Self {
        self.never = Some(part);
        self
    }

    /// Nor is the caller's cgroup known for sure: it is one of these paths.
    pub(crate) fn within_one_of(mut self, paths: Vec<String>) -> Self {
        self.cgroup = Some(paths);
        self
    }

    /// The caller's cgroup.
    pub(crate) fn within(
        mut self,
        hosts: &crate::cgroup::Hierarchies,
        cgroup: &crate::cgroup::Cgroup,
    ) -> Self {
        self.cgroup = Some(hosts.caller_paths(&cgroup.shown()));
        self.cgroup_hex = if hosts.pids_is_v2 { cgroup.hex() } else { None };
        self.cgroup_id = if hosts.pids_is_v2 {
            cgroup.id().ok()
        } else {
            None
        };
        self
    }
}
