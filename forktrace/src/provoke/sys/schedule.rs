//! When and where the calling thread runs.

use rustix::{process::Pid, thread::CpuSet};

use super::answer::check;
use crate::provoke::trouble::Trouble;

/// `struct sched_attr` (include/uapi/linux/sched/types.h), first version.
#[repr(C)]
#[derive(Default)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// SCHED_DEADLINE for the calling thread: so many milliseconds in every 100.
///
/// # Errors
/// It was refused.
pub fn sched_deadline(milliseconds: u64) -> Result<(), Trouble> {
    const MILLISECOND: u64 = 1_000_000;
    let attr = SchedAttr {
        size: size_of::<SchedAttr>() as u32,
        policy: libc::SCHED_DEADLINE as u32,
        runtime: milliseconds * MILLISECOND,
        deadline: 100 * MILLISECOND,
        period: 100 * MILLISECOND,
        ..SchedAttr::default()
    };
    // SAFETY: the struct says its own size.
    let answer = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
    check(answer, "sched_setattr(SCHED_DEADLINE)")?;
    Ok(())
}

/// SCHED_IDLE for the calling thread: it runs when nothing else on its CPU wants to, and hardly at other times.
///
/// # Errors
/// It was refused.
pub fn sched_idle() -> Result<(), Trouble> {
    let attr = SchedAttr {
        size: size_of::<SchedAttr>() as u32,
        policy: libc::SCHED_IDLE as u32,
        ..SchedAttr::default()
    };
    // SAFETY: the struct says its own size.
    let answer = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
    check(answer, "sched_setattr(SCHED_IDLE)")?;
    Ok(())
}

/// Sets a process's nice value; `None`: the caller's.
///
/// # Errors
/// It was refused.
pub fn be_nice(pid: Option<i32>, nice: i32) -> Result<(), Trouble> {
    rustix::process::setpriority_process(pid.and_then(Pid::from_raw), nice)
        .map_err(Trouble::at("setpriority"))
}

/// Lets the calling thread run on this CPU only.
///
/// # Errors
/// There is none such, or it was refused.
pub fn pin(cpu: usize) -> Result<(), Trouble> {
    let mut set = CpuSet::new();
    set.set(cpu);
    rustix::thread::sched_setaffinity(None, &set).map_err(Trouble::at("sched_setaffinity"))
}

/// The calling thread, and what it starts, on one CPU; until it is dropped.
pub struct Pinned(CpuSet);

impl Pinned {
    /// Until it is dropped.
    ///
    /// # Errors
    /// As [`pin`].
    pub fn to(cpu: usize) -> Result<Self, Trouble> {
        let before =
            rustix::thread::sched_getaffinity(None).map_err(Trouble::at("sched_getaffinity"))?;
        pin(cpu)?;
        Ok(Self(before))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Err(error) = rustix::thread::sched_setaffinity(None, &self.0) {
            eprintln!("sched_setaffinity: {error}");
        }
    }
}
