//! Resource limits.

use rustix::process::{Pid, Rlimit};

pub use rustix::process::Resource;

use crate::provoke::trouble::Trouble;

/// No limit.
pub const INFINITY: u64 = u64::MAX;

fn rlimit(soft: u64, hard: u64) -> Rlimit {
    let bound = |value: u64| Some(value).filter(|&value| value != INFINITY);
    Rlimit {
        current: bound(soft),
        maximum: bound(hard),
    }
}

fn name(which: Resource) -> String {
    format!("RLIMIT_{which:?}").to_uppercase()
}

/// Sets a limit of the caller.
///
/// # Errors
/// It was refused.
pub fn limit(which: Resource, soft: u64, hard: u64) -> Result<(), Trouble> {
    rustix::process::setrlimit(which, rlimit(soft, hard))
        .map_err(|error| Trouble::at(format!("setrlimit({})", name(which)))(error))
}

/// Sets RLIMIT_NPROC of the caller.
///
/// # Errors
/// It was refused.
pub fn limit_nproc(soft: u64, hard: u64) -> Result<(), Trouble> {
    limit(Resource::Nproc, soft, hard)
}

/// Sets a limit of any process.
///
/// # Errors
/// It was refused.
pub fn limit_of(pid: i32, which: Resource, soft: u64, hard: u64) -> Result<(), Trouble> {
    rustix::process::prlimit(Pid::from_raw(pid), which, rlimit(soft, hard))
        .map_err(|error| Trouble::at(format!("prlimit({}) of {pid}", name(which)))(error))?;
    Ok(())
}
