//! How near each limit is that could refuse the next fork: from what was read of
//! the host ([`crate::host::readings`]) to one document ([`Headroom`]), and what has
//! changed since a baseline. Reads nothing itself.
//!
//! Headroom (`check`). No BPF, no privilege: `host/readings.rs` reads once, `headroom/` makes
//! rows of it (pure, tested on made-up readings and folders), `view/check.rs` prints them. Use
//! is counted as the kernel counts: RLIMIT_NPROC by user namespace and uid and, outside, with
//! each namespace's creator (`headroom/nproc.rs`); ids from 300 on only, those of ended group
//! leaders too (`headroom/host_wide.rs`); a memory cgroup without the page cache that reclaim
//! takes first. What can't be read becomes an entry of `unreadable`. /proc is parsed as bytes,
//! not by the procfs crate: that fails on a process whose name is no UTF-8, which could so take
//! itself out of the counts.

mod baseline;
mod cgroups;
mod document;
mod drift;
mod host_wide;
mod log;
mod next;
mod nproc;
mod overcommit;
mod past;
mod process;
mod row;
#[cfg(test)]
mod tests;
mod trend;
mod would;

pub use baseline::{Baseline, BaselineError, Setting, SettingKind};
pub use document::{
    Blocked, Earlier, Headroom, Log, LogKind, LogLine, Next, Of, Process, Promised, Refusal,
    Refuses, Row, SubjectKind, Unreadable, Unseen, Would, is_in_container, json_schema,
};
pub use drift::{Change, Drift, drift};
pub use log::{WINDOW_SECONDS, from_journal, kind_of, lines};
pub use past::{Before, Fact, UnitFact, earlier, facts, past_schema, unit_facts};
pub use trend::{Trend, Trends};
pub use would::would;

use crate::host::{
    memory,
    readings::{Readings, Subject},
};

/// The limits and their use, nearest first. `warn` in percent. The log and the
/// drift are the caller's to add.
pub fn headroom(readings: &Readings, warn: f64) -> Headroom {
    let mut rows = cgroups::rows(readings);
    rows.extend(host_wide::rows(readings));
    rows.extend(overcommit::policy(readings));
    rows.extend(nproc::rows(readings));
    rows.extend(process::rows(readings));
    rows.extend(next::rows(readings));
    let (mut limits, unlimited): (Vec<Row>, Vec<Row>) =
        rows.into_iter().partition(|row| row.percent.is_some());
    row::nearest_first(&mut limits);
    let mut unreadable: Vec<Unreadable> = readings
        .unreadable
        .iter()
        .map(|missing| Unreadable {
            of: match missing.of_cgroup {
                true => Unseen::Cgroups,
                false => Unseen::Others,
            },
            what: missing.what.clone(),
            why: missing.why.clone(),
        })
        .collect();
    unreadable.extend(nproc::unreadable(readings));
    unreadable.extend(host_wide::unreadable(readings));
    Headroom {
        check: 1,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        time: readings.time.clone(),
        host: readings.hostname.clone(),
        kernel: readings.kernel.clone(),
        of: of(readings),
        warn,
        near: limits.iter().filter(|r| row::is_near(r, warn)).count() as u64,
        blocked: process::blocked(readings),
        limits,
        unlimited,
        unreadable,
        process: process::about(readings),
        memory: memory::of(&readings.host),
        log: Log::default(),
        earlier: None,
        drift: None,
        would: None,
    }
}

impl Headroom {
    /// Whether a limit is near, or every fork is refused for another reason.
    pub fn is_near(&self) -> bool {
        self.near > 0 || !self.blocked.is_empty()
    }

    /// What the exit status says: of tasks to come, whether one of them would be refused, else whether
    /// a limit is near.
    pub fn is_fault(&self) -> bool {
        match &self.would {
            Some(would) => !would.refused.is_empty() || !self.blocked.is_empty(),
            None => self.is_near(),
        }
    }

    /// The rows that are near: they apply, and are at `warn` or above.
    pub fn nearest(&self) -> impl Iterator<Item = &Row> {
        self.limits.iter().filter(|r| row::is_near(r, self.warn))
    }
}

fn of(readings: &Readings) -> Of {
    let (kind, name) = match &readings.subject {
        Subject::Host => (SubjectKind::Host, None),
        Subject::Process(pid) => (SubjectKind::Process, Some(pid.to_string())),
        Subject::Cgroup { path, unit, .. } => match unit {
            Some(unit) => (SubjectKind::Unit, Some(unit.clone())),
            None => (
                SubjectKind::Cgroup,
                Some(path.to_string_lossy().into_owned()),
            ),
        },
        Subject::User(uid) => {
            let name = readings.user(*uid).map(str::to_owned);
            (
                SubjectKind::User,
                Some(name.unwrap_or_else(|| uid.to_string())),
            )
        }
    };
    Of { kind, name }
}
