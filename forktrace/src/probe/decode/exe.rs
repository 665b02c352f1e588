//! The executable of the process that was refused. /proc is read a moment later: the process can have ended by then, and
//! its id be another's already, which is what becomes of an id at once where kernel.pid_max refuses.

use std::{fs, os::unix::ffi::OsStringExt as _, path::Path};

use forktrace_common::event::FailureEvent;

use super::text::until_nul;
use crate::host::process;

/// `at`: when it was refused, CLOCK_BOOTTIME. `None` where it can't be read, or may be another process's.
pub(super) fn of(proc: &Path, event: &FailureEvent, at: u64) -> Option<Vec<u8>> {
    let exe = fs::read_link(proc.join(format!("{}/exe", event.tgid))).ok()?;
    // Asked last: who was there before and after the reading was there in between.
    is_caller(proc, event, at).then(|| exe.into_os_string().into_vec())
}

/// Whether the process with the caller's id has begun before the refusal, and has a thread of the caller's id and name.
fn is_caller(proc: &Path, event: &FailureEvent, at: u64) -> bool {
    let tick = 1_000_000_000 / process::ticks();
    let Some(begun) = process::started(proc, event.tgid) else {
        return false;
    };
    // Rounded down to a tick.
    let begun = begun.saturating_mul(tick);
    match process::thread_name(proc, event.tgid, event.tid) {
        Some(name) => begun <= at && name == until_nul(&event.comm),
        // That thread has ended: of the names of others nothing is known.
        None => begun.saturating_add(tick) <= at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::decode::event_of;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn an_id_that_is_given_again_is_another_process() {
        let proc = std::env::temp_dir().join(format!("forktrace-exe-{}", std::process::id()));
        let _ = fs::remove_dir_all(&proc);
        fs::create_dir_all(proc.join("7/task/7")).unwrap();
        std::os::unix::fs::symlink("/bin/a", proc.join("7/exe")).unwrap();
        let found = |name: &str, begun: u64, tid: u32| {
            let fields = ["0"; 18].join(" ");
            let begun = begun * process::ticks();
            fs::write(
                proc.join("7/stat"),
                format!("7 ({name}) S {fields} {begun} 0\n"),
            )
            .unwrap();
            fs::write(proc.join("7/task/7/comm"), format!("{name}\n")).unwrap();
            let mut event = event_of(&[0; size_of::<FailureEvent>()]).unwrap();
            (event.tgid, event.tid) = (7, tid);
            event.comm[..4].copy_from_slice(b"a\nb\0");
            of(&proc, &event, 100 * SECOND).is_some()
        };
        assert!(found("a\nb", 99, 7));
        // Within the tick of the refusal.
        assert!(found("a\nb", 100, 7));
        assert!(!found("a\nb", 101, 7));
        assert!(!found("other", 99, 7) && !found("other", 100, 7));
        // A thread that has ended.
        assert!(found("other", 99, 8));
        assert!(!found("a\nb", 100, 8) && !found("a\nb", 101, 8));
        fs::remove_file(proc.join("7/stat")).unwrap();
        let mut event = event_of(&[0; size_of::<FailureEvent>()]).unwrap();
        (event.tgid, event.tid) = (7, 7);
        assert_eq!(of(&proc, &event, u64::MAX), None);
        fs::remove_dir_all(&proc).unwrap();
    }

    #[test]
    fn this_process_is_itself() {
        let mut event = event_of(&[0; size_of::<FailureEvent>()]).unwrap();
        event.tgid = std::process::id();
        // A thread that never was.
        event.tid = u32::MAX;
        let exe = of(Path::new("/proc"), &event, u64::MAX);
        let own = fs::read_link("/proc/self/exe").unwrap();
        assert_eq!(exe, Some(own.into_os_string().into_vec()));
        assert_eq!(of(Path::new("/proc"), &event, 0), None);
    }
}
