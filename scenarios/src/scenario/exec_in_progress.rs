//! `exec_in_progress`: a thread asks for another while its process is within
//! execve(2).

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use forktrace::cause::Cause;

use super::{Place, Reach, Run, Scenario, must_fail, skip};
use crate::actor::Actor;
use crate::attempt::{Attempt, Kind, attempt};
use crate::expect::Expect;

pub const SCENARIOS: &[Scenario] = &[Scenario {
    name: "exec_in_progress",
    reach: Reach::Own,
    run,
}];

/// The exec fails, and late: no binary format takes these bytes, and the
/// kernel asks for a module that would.
const NO_FORMAT: [u8; 8] = [0, 1, 2, 3, 0xf7, 0xf8, 0xf9, 0xfa];

fn run(_place: &Place) -> Result<Run> {
    let path = std::env::temp_dir().join(format!("forktrace-no-format-{}", std::process::id()));
    fs::write(&path, NO_FORMAT).with_context(|| format!("write {}", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    let mut run = Run::default();
    let started = Actor::start("inexec-clone", |link| {
        let path = CString::new(path.as_os_str().as_bytes())?;
        let done = AtomicBool::new(false);
        let refused = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let argv = [path.as_ptr(), std::ptr::null()];
                    // SAFETY: strings and an ended list; the exec fails.
                    unsafe { libc::execv(path.as_ptr(), argv.as_ptr()) };
                }
            });
            let refused = until_refused(Duration::from_secs(10));
            done.store(true, Ordering::Relaxed);
            refused
        });
        link.ready(Vec::from_iter(refused));
        Ok(())
    });
    let _ = fs::remove_file(&path);
    let (caller, report) = started?;
    if report.attempts.is_empty() {
        return skip("no clone met the execve");
    }
    must_fail(&report.attempts)?;
    for a in &report.attempts {
        // The execve can have ended when the refusal is looked at: then nothing
        // tells it from a security module's.
        run.expects
            .push(Expect::of(&caller, a, Cause::ExecInProgress).may_be_unknown_in_all());
    }
    run.keep(caller);
    Ok(run)
}

fn until_refused(patience: Duration) -> Option<Attempt> {
    let end = Instant::now() + patience;
    while Instant::now() < end {
        let tried = attempt(Kind::CloneThread);
        if tried.errno != 0 {
            return Some(tried);
        }
    }
    None
}
