//! This process as the kernel side knows it, for filters.

use std::path::Path;

use super::{StartError, privilege};
use crate::{host::own_namespaces, probe::own_id};

/// This process's thread group id in the initial pid namespace, which the kernel side filters by.
/// Inside another pid namespace the kernel has to be asked, which takes the privilege to trace.
pub fn own_thread_group() -> Result<u32, StartError> {
    let proc = Path::new("/proc");
    if own_namespaces::proc_is_hosts(proc) {
        // Not getpid(2): /proc can be the host's where this process's pid namespace isn't.
        return Ok(own_namespaces::own_pid(proc).unwrap_or_else(std::process::id));
    }
    own_id::thread_group().map_err(|error| {
        privilege::lacking().unwrap_or_else(|| {
            StartError::Unsupported(format!(
                "inside a pid namespace, the kernel did not say which process of the host this is \
                 ({error}; it can since Linux 5.10), and a command can't be traced by itself: run \
                 forktrace in the host's pid namespace (docker run --pid=host), or without a command"
            ))
        })
    })
}
