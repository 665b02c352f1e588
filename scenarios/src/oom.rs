//! What a record of an OOM kill has to say, and the comparison.

use anyhow::{Result, ensure};
use forktrace::record::{Constraint, Limit, LossReason, OomKill, Record, Summary, Unit};

use crate::expect::Line;

/// A process that the OOM killer had to kill.
pub(crate) struct WantedKill {
    pub pid: u32,
    pub comm: String,
    pub uid: u32,
    pub score_adj: i32,
    /// Where it lived; `None`: the memory controller is in another hierarchy.
    pub cgroup: Option<String>,
    pub constraint: Constraint,
    /// `memory.max` of whom: its name, its owner, its bytes.
    pub limit: Option<(&'static str, String, u64)>,
    /// Who needed the memory; `None`: the kernel.
    pub by: Option<u32>,
}

/// The records of this process's kill.
fn of(lines: &[Line], pid: u32) -> Vec<&OomKill> {
    let kills = lines.iter().filter_map(|l| match &l.record {
        Record::OomKill(kill) if kill.victim.pid == pid => Some(&**kill),
        _ => None,
    });
    kills.collect()
}

/// Whether the kill of `pid` is recorded already.
pub(crate) fn is_recorded(lines: &[Line], pid: u32) -> bool {
    !of(lines, pid).is_empty()
}

/// Nobody was killed for memory's sake.
pub(crate) fn none(lines: &[Line], pids: &[u32]) -> Result<()> {
    for pid in pids {
        ensure!(
            !is_recorded(lines, *pid),
            "an OOM kill of {pid} is recorded"
        );
    }
    Ok(())
}

/// Compares; `style` is the session's.
pub(crate) fn compare(lines: &[Line], want: &WantedKill, style: &str) -> Result<()> {
    let kills = of(lines, want.pid);
    ensure!(kills.len() == 1, "one kill, {} recorded", kills.len());
    let got = kills[0];
    macro_rules! same {
        ($what:literal, $got:expr, $want:expr) => {
            ensure!($got == $want, "{} is {:?}, wanted {:?}", $what, $got, $want)
        };
    }
    let victim = &got.victim;
    same!("victim.comm", victim.comm, want.comm);
    same!("victim.uid", victim.uid, want.uid);
    same!("victim.oom_score_adj", victim.oom_score_adj, want.score_adj);
    same!("victim.ppid", victim.ppid, std::process::id());
    if let Some(path) = &want.cgroup {
        same!("cgroup.path", got.cgroup.path.as_ref(), Some(path));
    }
    match want.by {
        Some(pid) => {
            same!("invoked_by.pid", got.invoked_by.pid, pid);
        }
        None => ensure!(
            got.invoked_by.comm.starts_with("kworker"),
            "invoked_by is {:?}",
            got.invoked_by
        ),
    }
    ensure!(
        got.time.ends_with('Z') && got.time.len() >= 20,
        "time is {:?}",
        got.time
    );
    ensure!(!got.summary.contains('\n'), "summary is {:?}", got.summary);
    if style == "tracepoint" {
        // It doesn't see why, and has to say so.
        same!("constraint", got.constraint, None::<Constraint>);
        same!("limit", got.limit.as_ref(), None::<&Limit>);
        same!("already_dying", got.already_dying, None::<bool>);
        return Ok(());
    }
    same!("constraint", got.constraint, Some(want.constraint));
    ensure!(
        got.already_dying != Some(true),
        "it is said to have been dying"
    );
    match (&got.limit, &want.limit) {
        (None, None) => {}
        (Some(got), Some((name, scope, bytes))) => {
            same!("limit.name", got.kind.name(), *name);
            same!("limit.scope", got.owner.to_string(), *scope);
            same!("limit.value", got.value, Some(*bytes));
            same!("limit.unit", got.unit, Unit::Bytes);
            let usage = got.usage.unwrap_or(0);
            let near = bytes.saturating_sub(4 << 20)..=bytes + (1 << 20);
            ensure!(near.contains(&usage), "limit.usage is {usage} of {bytes}");
            let file = got.file.as_deref().unwrap_or("none");
            ensure!(
                file.ends_with(&format!("{scope}/{name}")),
                "limit.file is {file}"
            );
        }
        (got, want) => anyhow::bail!("limit is {got:?}, wanted {want:?}"),
    }
    Ok(())
}

/// The summary against the records.
pub(crate) fn totals(lines: &[Line], summary: &Summary) -> Result<()> {
    let kills = lines.iter().map(|l| match &l.record {
        Record::OomKill(_) => 1,
        Record::Loss(loss) if loss.reason == LossReason::OomKill => loss.count,
        _ => 0,
    });
    let kills: u64 = kills.sum();
    ensure!(
        summary.oom_kills == kills,
        "the summary counts {} OOM kills, the records {kills}",
        summary.oom_kills
    );
    Ok(())
}
