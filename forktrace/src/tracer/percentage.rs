//! Whether the limit of a verdict follows from a percentage.

use crate::{
    cause::{Cause, Verdict, percentage},
    host::{
        cgroup::{Hierarchies, Resource},
        percentages::Percentages,
    },
    record::Fix,
};

/// What to know of it, for a limit that does.
pub fn warning(
    verdict: &Verdict,
    percentages: &mut Percentages,
    hierarchies: &Hierarchies,
) -> Option<Fix> {
    let resource = match verdict.cause {
        Cause::CgroupPidsMax => Resource::Pids,
        Cause::CgroupMemoryMax => Resource::Memory,
        _ => return None,
    };
    let limit = verdict.limit.as_ref()?;
    let value = limit.value?;
    let found = percentages.of(resource, &limit.scope, value, hierarchies)?;
    Some(Fix {
        now: None,
        persistent: None,
        note: Some(percentage::note(&found, value, limit.unit)),
    })
}
