//! Whether the limit of a verdict follows from a percentage.

use crate::{
    cause::{Verdict, percentage},
    host::{
        cgroup::{Hierarchies, Resource},
        percentages::Percentages,
    },
    model::{Fix, LimitKind},
};

/// What to know of it, for a limit that does.
pub fn warning(
    verdict: &Verdict,
    percentages: &mut Percentages,
    hierarchies: &Hierarchies,
) -> Option<Fix> {
    let limit = verdict.limit.as_ref()?;
    let resource = match limit.kind {
        LimitKind::PidsMax => Resource::Pids,
        LimitKind::MemoryMax | LimitKind::MemoryLimit => Resource::Memory,
        _ => return None,
    };
    let value = limit.value?;
    let found = percentages.of(resource, limit.owner.cgroup_path()?, value, hierarchies)?;
    Some(Fix {
        now: None,
        persistent: None,
        note: Some(percentage::note(&found, value, limit.unit)),
    })
}
