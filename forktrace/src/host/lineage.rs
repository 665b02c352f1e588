//! A process and those that it descends from, with what each has of one resource: whoever has set a
//! limit is the first that has another than its parent.

use std::{fs, path::Path};

use super::process::{Bounds, Limits, Status, started};

/// Generations that are followed.
const GENERATIONS: usize = 32;

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    pub pid: u32,
    pub comm: String,
    /// Real uid.
    pub uid: u32,
    pub bounds: Bounds,
    /// How long it has run; `None` where that can't be read.
    pub seconds: Option<u64>,
    /// Its pid namespaces: one more than its parent's where a container begins.
    pub levels: usize,
    /// Its cgroup's path in the v2 hierarchy, else in that of the v1 pids controller.
    pub cgroup: Option<String>,
}

/// The process, its parent, and so on up to init; empty where it has ended. `of` picks the resource.
pub fn of(proc: &Path, pid: u32, of: fn(&Limits) -> Bounds) -> Vec<Member> {
    let uptime = uptime(proc);
    let mut members: Vec<Member> = Vec::new();
    let mut at = pid;
    while at != 0 && members.len() < GENERATIONS {
        let Some((member, parent)) = member(proc, at, of, uptime) else {
            break;
        };
        members.push(member);
        at = parent;
    }
    members
}

fn member(
    proc: &Path,
    pid: u32,
    of: fn(&Limits) -> Bounds,
    uptime: Option<u64>,
) -> Option<(Member, u32)> {
    let status = Status::read(proc, pid).ok()?;
    let limits = Limits::read(proc, pid).ok()?;
    let age = |begun: u64| Some(uptime?.saturating_sub(begun / ticks()));
    let member = Member {
        pid: status.pid,
        uid: status.uid,
        bounds: of(&limits),
        seconds: started(proc, pid).and_then(age),
        levels: status.pids.len(),
        cgroup: cgroup(proc, pid),
        comm: status.comm,
    };
    Some((member, status.parent))
}

fn cgroup(proc: &Path, pid: u32) -> Option<String> {
    let text = fs::read(proc.join(format!("{pid}/cgroup"))).ok()?;
    let text = String::from_utf8_lossy(&text);
    let of = |wanted: fn(&str) -> bool| {
        text.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            wanted(controllers).then(|| path.to_owned())
        })
    };
    let unified = of(str::is_empty).filter(|path| path != "/");
    unified.or_else(|| of(|controllers| controllers.split(',').any(|c| c == "pids")))
}

fn uptime(proc: &Path) -> Option<u64> {
    let text = fs::read_to_string(proc.join("uptime")).ok()?;
    text.split(['.', ' ']).next()?.parse().ok()
}

/// USER_HZ, in which /proc/PID/stat counts.
fn ticks() -> u64 {
    // SAFETY: asks for a number.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).unwrap_or(100).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_and_its_parents() {
        let proc = Path::new("/proc");
        let own = of(proc, std::process::id(), |limits| limits.processes);
        assert!(own.len() > 1, "{own:?}");
        assert_eq!(own[0].pid, std::process::id());
        assert_eq!(
            own[0].bounds,
            Limits::read(proc, own[0].pid).unwrap().processes
        );
        assert!(own[0].seconds.unwrap() < 3600 && own[0].levels > 0);
        assert!(of(proc, u32::MAX - 1, |limits| limits.processes).is_empty());
    }
}
