//! What a tracer gives up once it is attached: capabilities, what it could gain by executing
//! something, and the system calls that it never makes.
//!
//! The kernel looks at privilege when programs are loaded and attached; they run on without. What
//! is needed afterwards is to read names. Nothing here is an error: what can't be set, on an old
//! kernel or for want of a capability, stays as it was, and is reported.
//!
//! Landlock is not used, though it could bind a recorder to its folder: a process in a Landlock
//! domain may not look at one outside of it (security/landlock/task.c, before 6.10 ptrace.c,
//! `hook_ptrace_access_check`, whatever the mode), and so sees neither the executables nor the
//! namespaces of others.
//!
//! Privilege is given up as soon as the probes are in place (`confine/`, called by
//! `command/trace.rs`). What stays needed is found out by trying without it. A new system call
//! of `live` or `record` has to get past `confine/calls.rs`, which refuses by name; a new need
//! of privilege after the start goes into `confine::Needs`, and into
//! `contrib/forktrace.service`, whose directives the tests start a recorder by.

mod calls;
mod capabilities;
mod filter;
mod room;

use std::{io, path::Path};

use rustix::thread::{CapabilitySet, set_no_new_privs};

pub use calls::{Files, Left};

/// What goes on being needed.
pub struct Needs<'a> {
    /// Where files are begun, and earlier ones renamed and removed.
    pub folders: &'a [&'a Path],
    /// Signals are sent, to a command of any user.
    pub signals: bool,
    /// A socket that listens already takes connections.
    pub accepts: bool,
    /// Maps are read as a real-time task.
    pub real_time: bool,
    /// Whether the maps can be read as things are.
    pub maps_readable: &'a dyn Fn() -> bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confined {
    /// Capabilities that are left, by name.
    pub kept: Vec<String>,
    /// What could not be given up or set, one sentence each.
    pub not_done: Vec<String>,
}

/// Gives up everything but what is needed, for good: capabilities of all sets, the bounding set
/// where CAP_SETPCAP allows that, privileges by execve (no_new_privs, prctl(2)), and the system
/// calls of [`install_filter`].
///
/// Of the calling thread, which has to be the process's only one. Children that there are already
/// keep what they have.
pub fn confine(needs: &Needs<'_>) -> Confined {
    let mut not_done = Vec::new();
    let mut note = |doing: &str, done: io::Result<()>| {
        if let Err(error) = done {
            not_done.push(format!("{doing}: {error}"));
        }
    };
    if capabilities::effective().contains(CapabilitySet::SYS_ADMIN) {
        // It goes, and with it the kernel's reserve of memory.
        room::take();
    }
    let keep = capabilities::needed(needs);
    note("emptying the bounding set", capabilities::drop_bounding());
    note("giving up capabilities", capabilities::keep_only(keep));
    note(
        "setting no_new_privs",
        set_no_new_privs(true).map_err(io::Error::from),
    );
    let left = Left {
        files: match needs.folders {
            [] => Files::None,
            _ => Files::New,
        },
        signals: needs.signals,
        accepts: needs.accepts,
    };
    note("installing a seccomp filter", install_filter(left));
    Confined {
        kept: capabilities::names(capabilities::effective()),
        not_done,
    }
}

/// Has the kernel refuse, with EPERM, the system calls that a tracer never makes: creating
/// processes and threads, executing, tracing and writing to others, sockets, mounts, modules,
/// loading programs, changing files; and what of `left` isn't left: opening files for writing,
/// signalling others, taking connections.
///
/// It adds to what there is (seccomp(2)), can't be undone, and is inherited. Errors: of seccomp(2);
/// EACCES without no_new_privs and CAP_SYS_ADMIN.
pub fn install_filter(left: Left) -> io::Result<()> {
    filter::install(&calls::refused(left))
}
