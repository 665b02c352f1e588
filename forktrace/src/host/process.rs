//! Processes, by /proc/PID/{status,limits}: readable for everybody, unless /proc
//! is mounted with `hidepid`.
//!
//! Bytes are parsed as they come: a process may choose a name that is no UTF-8,
//! and must not vanish from the counts for it.

use std::path::Path;
use std::{fs, io};

/// What /proc/PID/status says (fs/proc/array.c `proc_pid_status`). Numbers are
/// those of the reader's pid and user namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Id of the process (its thread group).
    pub pid: u32,
    /// 0 for init, and for a parent outside this pid namespace.
    pub parent: u32,
    /// Name; bytes that are no UTF-8 become U+FFFD.
    pub comm: String,
    /// `R`, `S`, `D`, `T`, `t`, `Z`, `X`, `I`.
    pub state: char,
    /// Threads, also those that have ended and weren't reaped; a zombie has one.
    pub threads: u64,
    /// Real uid.
    pub uid: u32,
    /// Effective capabilities, in the process's own user namespace.
    pub capabilities: u64,
    /// Process group; 0 when outside this pid namespace, `None` before Linux 4.1.
    pub group: Option<u32>,
    /// Session; as `group`.
    pub session: Option<u32>,
    /// Its pid in each pid namespace, outermost first.
    pub pids: Vec<u32>,
    /// Bytes of address space; `None` for kernel threads and zombies.
    pub vm_size: Option<u64>,
    /// Of these, private and writable ones.
    pub vm_data: Option<u64>,
    /// Of these, those of the stack.
    pub vm_stack: Option<u64>,
    /// Of these, those locked in memory.
    pub vm_locked: Option<u64>,
}

/// Whether a process's root lies somewhere else than at the root of a mount that
/// its own paths begin at: fs/namespace.c `current_chrooted`. False where that
/// can't be read; a reader that is in the same chroot sees nothing of it.
pub fn is_chrooted(pid: u32) -> bool {
    let root = fs::read_link(format!("/proc/{pid}/root"));
    root.is_ok_and(|root| root != Path::new("/"))
}

impl Status {
    /// Reads `/proc/PID/status` below another folder than `/proc`, too.
    pub fn read(proc: &Path, pid: u32) -> io::Result<Self> {
        let text = fs::read(proc.join(format!("{pid}/status")))?;
        Self::parse(&text).ok_or_else(|| io::Error::other("a status file without its fields"))
    }

    /// From the file's content.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut status = Self::default();
        let mut seen = 0;
        for line in text.split(|&b| b == b'\n') {
            let colon = line.iter().position(|&b| b == b':')?;
            let (name, value) = line.split_at(colon);
            let value = value.get(1..)?.trim_ascii();
            match name {
                b"Name" => status.comm = String::from_utf8_lossy(value).into_owned(),
                b"State" => status.state = char::from(*value.first()?),
                b"Tgid" => {
                    status.pid = number(value)?;
                    seen += 1;
                }
                b"PPid" => status.parent = number(value)?,
                b"Uid" => {
                    status.uid = words(value).next()?;
                    seen += 1;
                }
                b"NSpid" => status.pids = words(value).collect(),
                b"NSpgid" => status.group = words(value).next(),
                b"NSsid" => status.session = words(value).next(),
                b"VmSize" => status.vm_size = kilobytes(value),
                b"VmData" => status.vm_data = kilobytes(value),
                b"VmStk" => status.vm_stack = kilobytes(value),
                b"VmLck" => status.vm_locked = kilobytes(value),
                b"Threads" => {
                    status.threads = u64::from(number(value)?);
                    seen += 1;
                }
                b"CapEff" => {
                    let hex = std::str::from_utf8(value).ok()?;
                    status.capabilities = u64::from_str_radix(hex, 16).ok()?;
                    // Nothing further is of interest.
                    break;
                }
                _ => {}
            }
        }
        (seen == 3).then_some(status)
    }

    /// Ended, all of it, and not reaped by its parent. A first thread that has ended stays until the others
    /// have: a process, or a pid namespace's init, lives on without it.
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X') && self.threads <= 1
    }

    /// Whether it has the capability in its own user namespace.
    pub fn has_capability(&self, number: u32) -> bool {
        self.capabilities & (1 << number) != 0
    }
}

/// A process's real group and its supplementary ones; `None` when it is gone.
pub fn groups(proc: &Path, pid: u32) -> Option<(u32, Vec<u32>)> {
    let text = fs::read(proc.join(format!("{pid}/status"))).ok()?;
    let value = |name: &[u8]| {
        let mut lines = text.split(|&b| b == b'\n');
        lines.find_map(|line| line.strip_prefix(name))
    };
    let gid = words(value(b"Gid:")?.trim_ascii()).next()?;
    let others = value(b"Groups:").unwrap_or_default().trim_ascii();
    Some((gid, words(others).collect()))
}

/// Every process that this one can see. What ends meanwhile is left out.
pub fn all(proc: &Path) -> io::Result<Vec<Status>> {
    let mut processes = Vec::new();
    for entry in fs::read_dir(proc)?.flatten() {
        let name = entry.file_name();
        if let Some(pid) = number(name.as_encoded_bytes())
            && let Ok(status) = Status::read(proc, pid)
        {
            processes.push(status);
        }
    }
    Ok(processes)
}

/// Ids of a process's threads; none when it is gone.
pub fn threads(proc: &Path, pid: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(proc.join(format!("{pid}/task"))) else {
        return Vec::new();
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    names
        .filter_map(|name| number(name.as_encoded_bytes()))
        .collect()
}

/// Soft and hard limit of one resource; `None` is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// What is enforced (`rlim_cur`).
    pub soft: Option<u64>,
    /// How far the process may raise the soft one (`rlim_max`).
    pub hard: Option<u64>,
}

/// The limits that have to do with creating processes and threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// RLIMIT_NPROC, tasks.
    pub processes: Bounds,
    /// RLIMIT_AS, bytes.
    pub address_space: Bounds,
    /// RLIMIT_DATA, bytes.
    pub data: Bounds,
    /// RLIMIT_STACK, bytes.
    pub stack: Bounds,
    /// RLIMIT_MEMLOCK, bytes.
    pub locked: Bounds,
    /// RLIMIT_NOFILE, descriptors.
    pub files: Bounds,
}

impl Limits {
    /// Reads `/proc/PID/limits`, which takes no privilege.
    pub fn read(proc: &Path, pid: u32) -> io::Result<Self> {
        let text = fs::read(proc.join(format!("{pid}/limits")))?;
        // A zombie's is empty (fs/proc/base.c `proc_pid_limits`).
        Self::parse(&text).ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))
    }

    /// `Max processes             96000                96000                processes`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        let bounds = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            let mut values = line.split_whitespace().map(|word| match word {
                "unlimited" => Some(None),
                digits => digits.parse().ok().map(Some),
            });
            Some(Bounds {
                soft: values.next()??,
                hard: values.next()??,
            })
        };
        Some(Self {
            processes: bounds("Max processes ")?,
            address_space: bounds("Max address space ")?,
            data: bounds("Max data size ")?,
            stack: bounds("Max stack size ").unwrap_or_default(),
            locked: bounds("Max locked memory ")?,
            files: bounds("Max open files ").unwrap_or_default(),
        })
    }
}

impl Limits {
    /// The stack that glibc gives a thread whose program asks for no size (nptl's `__pthread_initialize_minimal`): the
    /// soft RLIMIT_STACK as it was at the program's start, of 16 KiB at least, and 2 MiB on x86-64 and arm64 where that
    /// is unlimited.
    pub fn thread_stack(&self) -> u64 {
        self.stack.soft.unwrap_or(2 << 20).max(16 << 10)
    }
}

/// Mappings of a process as the kernel counts them (`mm->map_count`). Takes the
/// privilege to trace it.
pub fn mappings(proc: &Path, pid: u32) -> io::Result<u64> {
    let text = fs::read(proc.join(format!("{pid}/maps")))?;
    let lines = text.split(|&b| b == b'\n').filter(|line| !line.is_empty());
    // Shown for every process, and no mapping of any (x86 `gate_vma`).
    Ok(lines.filter(|l| !l.ends_with(b"[vsyscall]")).count() as u64)
}

/// Whether its scheduling policy is SCHED_DEADLINE (6), which may not fork
/// unless it is to be reset: /proc/PID/stat, field 41.
pub fn is_deadline(proc: &Path, pid: u32) -> bool {
    let Ok(text) = fs::read(proc.join(format!("{pid}/stat"))) else {
        return false;
    };
    stat_field(&text, 41).is_some_and(|field| field == b"6")
}

/// A thread's name as the kernel has it, without an end of the line; `None` where the process, or that thread of it, has
/// ended. By it a process is known again whose id can be another's by now.
pub fn thread_name(proc: &Path, pid: u32, tid: u32) -> Option<Vec<u8>> {
    let mut name = fs::read(proc.join(format!("{pid}/task/{tid}/comm"))).ok()?;
    name.pop_if(|last| *last == b'\n');
    Some(name)
}

/// When it was started, in clock ticks since boot: /proc/PID/stat, field 22.
pub fn started(proc: &Path, pid: u32) -> Option<u64> {
    let text = fs::read(proc.join(format!("{pid}/stat"))).ok()?;
    std::str::from_utf8(stat_field(&text, 22)?)
        .ok()?
        .parse()
        .ok()
}

/// Seconds since the machine was started.
pub fn uptime(proc: &Path) -> Option<u64> {
    let text = fs::read_to_string(proc.join("uptime")).ok()?;
    text.split(['.', ' ']).next()?.parse().ok()
}

/// USER_HZ, in which /proc/PID/stat counts.
pub fn ticks() -> u64 {
    // SAFETY: asks for a number.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).unwrap_or(100).max(1)
}

/// A field of /proc/PID/stat. They count from 1; the second is a name in parentheses, of any bytes.
pub fn stat_field(text: &[u8], number: usize) -> Option<&[u8]> {
    let after = text.iter().rposition(|&b| b == b')')? + 2;
    text.get(after..)?
        .trim_ascii()
        .split(|&b| b == b' ')
        .nth(number.checked_sub(3)?)
}

fn number(text: &[u8]) -> Option<u32> {
    // `parse` would take a sign.
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn words(text: &[u8]) -> impl Iterator<Item = u32> {
    text.split(u8::is_ascii_whitespace).filter_map(number)
}

fn kilobytes(text: &[u8]) -> Option<u64> {
    let digits = text.strip_suffix(b" kB")?;
    let kb: u64 = std::str::from_utf8(digits).ok()?.trim().parse().ok()?;
    kb.checked_mul(1024)
}

#[cfg(test)]
mod tests;
