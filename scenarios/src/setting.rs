//! Settings of the host that a scenario changes: guards restore them. Only a test machine's are
//! changed, so nothing outlives a kill.

use anyhow::Result;
use forktrace::provoke::undo::Undo;

pub(crate) use forktrace::provoke::setting::{Setting, read};

/// Remembers the value of `name`, a path below /proc/sys.
pub(crate) fn keep(name: &str) -> Result<Setting> {
    Ok(Setting::keep(&Undo::by_guards_alone(), name)?)
}

/// Remembers the value and sets another.
pub(crate) fn set(name: &str, value: u64) -> Result<Setting> {
    Ok(Setting::set(&Undo::by_guards_alone(), name, value)?)
}
