//! The kernel's interfaces that the scenarios need, as plain functions.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Turns -1 into the errno.
pub fn check(answer: i64, what: &str) -> Result<i64> {
    if answer < 0 {
        let error = io::Error::last_os_error();
        return Err(error).with_context(|| what.to_owned());
    }
    Ok(answer)
}

/// prctl(PR_SET_NAME): any bytes up to 15.
pub fn set_comm(name: &[u8]) {
    let mut comm = [0u8; 16];
    let n = name.len().min(15);
    comm[..n].copy_from_slice(&name[..n]);
    // SAFETY: 16 bytes, ended by a NUL.
    unsafe { libc::prctl(libc::PR_SET_NAME, comm.as_ptr()) };
}

/// Dies with its parent.
pub fn die_with_parent() {
    // SAFETY: takes a number only.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Real, effective and saved uid and gid; ends all capabilities when not 0.
pub fn become_uid(uid: u32) -> Result<()> {
    // SAFETY: no memory is passed.
    unsafe {
        check(i64::from(libc::setgroups(0, std::ptr::null())), "setgroups")?;
        check(i64::from(libc::setresgid(uid, uid, uid)), "setresgid")?;
        check(i64::from(libc::setresuid(uid, uid, uid)), "setresuid")?;
    }
    // The kernel forgets this with the uid.
    die_with_parent();
    Ok(())
}

/// Sets RLIMIT_NPROC of the caller.
pub fn limit_nproc(soft: u64, hard: u64) -> Result<()> {
    limit(libc::RLIMIT_NPROC, soft, hard)
}

/// Sets a limit of the caller.
pub fn limit(which: libc::__rlimit_resource_t, soft: u64, hard: u64) -> Result<()> {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: the struct outlives the call.
    let answer = unsafe { libc::setrlimit(which, &raw const limit) };
    check(i64::from(answer), "setrlimit")?;
    Ok(())
}

/// Sets the calling process's nice value.
pub fn be_nice(nice: i32) -> Result<()> {
    // SAFETY: takes numbers only.
    let answer = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    check(i64::from(answer), "setpriority")?;
    Ok(())
}

/// unshare(2).
pub fn unshare(flags: i32, what: &str) -> Result<()> {
    // SAFETY: takes a number only.
    let answer = unsafe { libc::unshare(flags) };
    check(i64::from(answer), &format!("unshare({what})"))?;
    Ok(())
}

/// mount(2).
pub fn mount(source: &str, target: &Path, kind: &str, flags: u64, data: &str) -> Result<()> {
    let source = CString::new(source)?;
    let at = CString::new(target.as_os_str().as_bytes())?;
    let kind_c = CString::new(kind)?;
    let data = CString::new(data)?;
    // SAFETY: strings that outlive the call.
    let answer = unsafe {
        libc::mount(
            source.as_ptr(),
            at.as_ptr(),
            kind_c.as_ptr(),
            flags,
            data.as_ptr().cast(),
        )
    };
    check(
        i64::from(answer),
        &format!("mount {kind} on {}", target.display()),
    )?;
    Ok(())
}

/// A mount namespace of its own: what is mounted in it stays in it.
pub fn own_mounts() -> Result<()> {
    unshare(libc::CLONE_NEWNS, "CLONE_NEWNS")?;
    mount(
        "none",
        Path::new("/"),
        "",
        libc::MS_REC | libc::MS_PRIVATE,
        "",
    )
}

/// In a user namespace of the caller's making: it is who it was outside, its user and group having
/// the same number.
pub fn map_own_ids(id: u32) -> Result<()> {
    // SAFETY: takes numbers only. Who has changed its user owns none of its files in /proc else.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1) };
    let ids = format!("{id} {id} 1");
    for (file, text) in [
        ("uid_map", &*ids),
        ("setgroups", "deny"),
        ("gid_map", &*ids),
    ] {
        let path = format!("/proc/self/{file}");
        fs::write(&path, text).with_context(|| format!("write {text:?} to {path}"))?;
    }
    Ok(())
}

/// The inode number that names a namespace of the caller (`pid`,
/// `pid_for_children`, `user`, …).
pub fn namespace(name: &str) -> Result<u64> {
    let path = format!("/proc/self/ns/{name}");
    let link = fs::read_link(&path).with_context(|| format!("read {path}"))?;
    let link = link.to_string_lossy();
    let number = link
        .split_once('[')
        .and_then(|(_, rest)| rest.strip_suffix(']'))
        .and_then(|n| n.parse().ok());
    match number {
        Some(n) => Ok(n),
        None => bail!("{path} is {link:?}"),
    }
}

/// Kernel version, major and minor.
pub fn kernel() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    let mut next = || parts.next().and_then(|p| p.parse().ok()).unwrap_or(0);
    (next(), next())
}

/// Tasks that exist, as /proc/loadavg tells (`nr_threads`, kernel/fork.c).
pub fn tasks_on_host() -> Result<u64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    text.split_whitespace()
        .nth(3)
        .and_then(|f| f.split_once('/'))
        .and_then(|(_, n)| n.parse().ok())
        .with_context(|| format!("/proc/loadavg is {text:?}"))
}

/// The same once it has come to rest: what an earlier scenario has killed is
/// not gone at once.
pub fn settled_tasks_on_host() -> Result<u64> {
    let mut last = tasks_on_host()?;
    let mut same = 0;
    await_some(Duration::from_secs(10), || {
        let now = tasks_on_host().ok()?;
        same = if now == last { same + 1 } else { 0 };
        last = now;
        (same == 20).then_some(())
    });
    Ok(last)
}

/// A value of /proc/meminfo, in bytes.
pub fn meminfo(name: &str) -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .map(|kb| kb * 1024)
        .with_context(|| format!("no {name} in /proc/meminfo"))
}

/// A sysctl by its path below /proc/sys that gets its old value back.
pub struct Sysctl {
    path: String,
    before: String,
}

impl Sysctl {
    /// Remembers the value.
    pub fn keep(name: &str) -> Result<Self> {
        let path = format!("/proc/sys/{name}");
        let before = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        Ok(Self { path, before })
    }

    /// Remembers the value and sets another.
    pub fn set(name: &str, value: u64) -> Result<Self> {
        let kept = Self::keep(name)?;
        kept.change(value)?;
        Ok(kept)
    }

    /// Sets another.
    pub fn change(&self, value: u64) -> Result<()> {
        fs::write(&self.path, value.to_string())
            .with_context(|| format!("write {value} to {}", self.path))
    }

    /// The value now.
    pub fn read(name: &str) -> Result<u64> {
        let path = format!("/proc/sys/{name}");
        let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        text.trim()
            .parse()
            .with_context(|| format!("{path} is {text:?}"))
    }
}

impl Drop for Sysctl {
    fn drop(&mut self) {
        if let Err(error) = fs::write(&self.path, self.before.trim()) {
            eprintln!("{} was not set back to {}: {error}", self.path, self.before);
        }
    }
}

/// A private writable mapping that is not touched.
pub fn map(bytes: usize) -> Result<*mut u8> {
    map_with(bytes, 0)
}

/// Has a mapping of ours made of small pages only, before it is written to.
pub fn small_pages(at: *mut u8, bytes: usize) -> Result<()> {
    // SAFETY: a hint; the contents stay.
    let done = unsafe { libc::madvise(at.cast(), bytes, libc::MADV_NOHUGEPAGE) };
    match check(done.into(), "madvise(MADV_NOHUGEPAGE)") {
        // Built without CONFIG_TRANSPARENT_HUGEPAGE, as kernels with PREEMPT_RT are, it knows no others.
        Err(error)
            if error
                .downcast_ref::<io::Error>()
                .is_some_and(|e| e.raw_os_error() == Some(libc::EINVAL)) =>
        {
            Ok(())
        }
        done => done.map(drop),
    }
}

/// The same of huge pages, which are set aside for it.
pub fn map_huge(bytes: usize) -> Result<*mut u8> {
    map_with(bytes, libc::MAP_HUGETLB)
}

fn map_with(bytes: usize, flags: i32) -> Result<*mut u8> {
    // SAFETY: a new mapping, nothing that exists is touched.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | flags,
            -1,
            0,
        )
    };
    if at == libc::MAP_FAILED {
        let error = io::Error::last_os_error();
        return Err(error).with_context(|| format!("mmap of {bytes} bytes"));
    }
    Ok(at.cast())
}

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

/// A number that this process and its children share; it lives as long as they do.
pub fn shared_counter() -> Result<&'static AtomicU32> {
    // SAFETY: a new mapping, wherever there is room.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            size_of::<AtomicU32>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    check(
        if at == libc::MAP_FAILED { -1 } else { 0 },
        "mmap of a shared page",
    )?;
    // SAFETY: zeroed, aligned to a page, and never unmapped.
    Ok(unsafe { &*at.cast::<AtomicU32>() })
}

/// SCHED_DEADLINE for the calling thread: 10 ms in every 100 ms.
pub fn sched_deadline() -> Result<()> {
    let attr = SchedAttr {
        size: size_of::<SchedAttr>() as u32,
        policy: 6,
        runtime: 10_000_000,
        deadline: 100_000_000,
        period: 100_000_000,
        ..SchedAttr::default()
    };
    // SAFETY: the struct says its own size.
    let answer = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
    check(answer, "sched_setattr(SCHED_DEADLINE)")?;
    Ok(())
}

/// What the kernel lists of BPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BpfKind {
    Programs = 11,
    Maps = 12,
    Links = 31,
}

/// Ids of what there is, by the `BPF_*_GET_NEXT_ID` commands of bpf(2).
pub fn bpf_ids(kind: BpfKind) -> Result<Vec<u32>> {
    #[repr(C)]
    #[derive(Default)]
    struct Attr {
        start: u32,
        next: u32,
        flags: u32,
        rest: [u32; 29],
    }
    let mut ids = Vec::new();
    let mut attr = Attr::default();
    loop {
        // SAFETY: the union's first bytes, zeros after them.
        let answer =
            unsafe { libc::syscall(libc::SYS_bpf, kind as i32, &raw mut attr, size_of::<Attr>()) };
        if answer < 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() == Some(libc::ENOENT) {
                return Ok(ids);
            }
            return Err(error).with_context(|| format!("bpf: list of {kind:?}"));
        }
        ids.push(attr.next);
        attr.start = attr.next;
    }
}

/// Waits until `done` answers something or the time is over.
pub fn await_some<T>(timeout: Duration, mut done: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + timeout;
    loop {
        if let Some(got) = done() {
            return Some(got);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Real, effective and saved uid, without dying with the parent.
pub fn become_uid_detached(uid: u32) -> Result<()> {
    become_uid(uid)?;
    // SAFETY: takes numbers only.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) };
    Ok(())
}

/// Becomes `uid` with every capability that it has now but `without`; they
/// outlast an exec (as ambient ones).
pub fn become_uid_with_capabilities(uid: u32, without: &[u32]) -> Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    let header = Header {
        version: 0x2008_0522,
        pid: 0,
    };
    // Effective, permitted, inheritable; low and high words.
    let mut data = [[0u32; 3]; 2];
    // SAFETY: the version's structs, which outlive the calls.
    unsafe {
        check(
            libc::syscall(libc::SYS_capget, &raw const header, data.as_mut_ptr()),
            "capget",
        )?;
        libc::prctl(libc::PR_SET_KEEPCAPS, 1);
    }
    become_uid(uid)?;
    for cap in without {
        data[(cap / 32) as usize][1] &= !(1 << (cap % 32));
    }
    for word in &mut data {
        word[0] = word[1];
        word[2] = word[1];
    }
    // SAFETY: as above.
    let answer = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    check(answer, "capset")?;
    for cap in 0..64u32 {
        if data[(cap / 32) as usize][1] & (1 << (cap % 32)) != 0 {
            // SAFETY: takes numbers only.
            let answer = unsafe {
                libc::prctl(
                    libc::PR_CAP_AMBIENT,
                    libc::PR_CAP_AMBIENT_RAISE,
                    u64::from(cap),
                    0,
                    0,
                )
            };
            check(i64::from(answer), "prctl(PR_CAP_AMBIENT_RAISE)")?;
        }
    }
    Ok(())
}

/// Becomes `uid` with these capabilities (a set of bits) and no others.
pub fn become_uid_with_only(uid: u32, capabilities: u64) -> Result<()> {
    let others: Vec<u32> = (0..64)
        .filter(|cap| capabilities & (1 << cap) == 0)
        .collect();
    become_uid_with_capabilities(uid, &others)
}

/// Lets the calling thread run on this CPU only.
pub fn pin(cpu: usize) -> Result<()> {
    // SAFETY: all zeros is an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set has room for 1024 CPUs, and outlives the call.
    let answer = unsafe {
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set)
    };
    check(i64::from(answer), "sched_setaffinity")?;
    Ok(())
}

/// The calling thread, and what it starts, on one CPU; until it is dropped.
pub struct Pinned(libc::cpu_set_t);

impl Pinned {
    pub fn to(cpu: usize) -> Result<Self> {
        // SAFETY: all zeros is an empty set.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: the set has room for 1024 CPUs, and outlives the call.
        let answer = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
        check(i64::from(answer), "sched_getaffinity")?;
        pin(cpu)?;
        Ok(Self(set))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: the set is as the kernel has told it.
        let answer = unsafe { libc::sched_setaffinity(0, size_of_val(&self.0), &raw const self.0) };
        if let Err(error) = check(i64::from(answer), "sched_setaffinity") {
            eprintln!("{error:#}");
        }
    }
}
