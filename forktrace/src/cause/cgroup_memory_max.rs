//! A memory cgroup is at its limit, and its OOM killer found nobody to kill:
//! every task in it has oom_score_adj -1000, or is dying already.
//!
//! mm/memcontrol.c `try_charge_memcg` (5.10 `try_charge`) and
//! `mem_cgroup_out_of_memory`.

use crate::{
    cause::{
        Cause, Entry, Finding, Verdict, candidates,
        words::{Words, fix, numbers},
    },
    evidence::{Evidence, Stage},
    record::{Errno, Fix},
};

pub const ENTRY: Entry = Entry {
    cause: Cause::CgroupMemoryMax,
    seen,
    exhausted: |_| None,
    fix: fixes,
    summary,
};

fn seen(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::ENOMEM || matches!(e.stage, Stage::Unseen | Stage::NotEntered) {
        return None;
    }
    Finding::observed(candidates::memory(e.memory_refused.as_ref()?))
}

fn summary(v: &Verdict, w: &Words<'_>) -> String {
    match &v.limit {
        Some(limit) => format!(
            "{}memory cgroup {} is full ({}), and its OOM killer found no victim",
            w.opening(),
            limit.scope,
            numbers(limit)
        ),
        None => format!("{}its memory cgroup is full", w.opening()),
    }
}

fn fixes(v: &Verdict, _: &Words<'_>) -> Vec<Fix> {
    let Some(limit) = &v.limit else {
        return Vec::new();
    };
    let now = limit
        .file
        .as_deref()
        .and_then(super::words::shell_word)
        .zip(limit.value)
        .map(|(file, value)| format!("echo {} > {file}", super::words::roomier(value)));
    vec![fix(
        now,
        "raise MemoryMax= of the unit (or the container's --memory) that owns this cgroup"
            .to_owned(),
        "processes with oom_score_adj -1000 can't be killed to make room".to_owned(),
    )]
}
