//! From an event's bytes to evidence, with what /proc has to add.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

use forktrace_common::{
    clone,
    count::Key,
    event::{self, FailureEvent, flag},
};

use super::{attach::Outcome, oom, stacks, stage, style::Role, syscall};
use crate::{
    evidence::{
        CgroupLimit, Evidence, NprocLevel, Overcommit, OvercommitMode, PAGE, PidNs, Threads,
    },
    host::{
        cgroup::{Controller, Hierarchies, Hierarchy, Resource, Version},
        clock::Clock,
        identity,
        limits::{Files, HostNow, Lacking},
        mappings,
        passwd::Passwd,
        vantage,
    },
    record::{Caller, Cgroup, Errno, InvokedBy, Limit, OomKill, Operation, Unit, Victim},
};

/// PIDS_MAX (kernel/cgroup/pids.c): one more than PID_MAX_LIMIT is "max".
const PIDS_MAX: i64 = 4_194_305;
/// PAGE_COUNTER_MAX (include/linux/page_counter.h) is "max".
const PAGE_COUNTER_MAX: i64 = i64::MAX / PAGE as i64;

/// A failing return, ready to be judged.
pub struct Decoded {
    /// CLOCK_MONOTONIC, nanoseconds.
    pub time_ns: u64,
    pub key: Key,
    pub syscall: Option<&'static str>,
    pub caller: Caller,
    pub cgroup: Cgroup,
    pub evidence: Evidence,
}

/// What an event tells of.
pub enum Event {
    /// A failing return.
    Failure(Box<Decoded>),
    /// A process that the OOM killer has marked: when (CLOCK_MONOTONIC, nanoseconds), and the record
    /// without its time.
    OomKill(u64, Box<OomKill>),
}

/// Reads events; knows the host's mounts and users.
pub struct Decoder {
    hierarchies: Hierarchies,
    passwd: Passwd,
    /// Whether /proc numbers processes as events do.
    proc_is_hosts: bool,
    /// Where what an event lacks is read.
    files: Files,
}

/// What a half-made child has charged beside page tables: a kernel stack, the
/// task, files, signals, an mm and its mappings, and what a charge takes in
/// advance for its CPU (mm/memcontrol.c MEMCG_CHARGE_BATCH, 64 pages at most).
const SMALL_PARTS: u64 = 512 << 10;

impl Decoder {
    pub fn new(hierarchies: Hierarchies, passwd: Passwd) -> Self {
        Self {
            hierarchies,
            passwd,
            proc_is_hosts: vantage::proc_is_hosts(std::path::Path::new("/proc")),
            files: Files::of_proc(),
        }
    }

    /// `None` for bytes that are no event.
    pub fn decode(&mut self, bytes: &[u8], probes: &Outcome) -> Option<Event> {
        let event = event_of(bytes)?;
        if oom::is_kill(&event) {
            let kill = self.oom_kill(&event, probes);
            return Some(Event::OomKill(event.time_ns, Box::new(kill)));
        }
        let failure = self.failure(event, probes)?;
        Some(Event::Failure(Box::new(failure)))
    }

    fn oom_kill(&self, event: &FailureEvent, probes: &Outcome) -> OomKill {
        let paths = Paths::of(event, &self.hierarchies);
        let (comm, comm_hex) = lossy(until_nul(&event.comm));
        let (by_comm, by_comm_hex) = lossy(until_nul(&event.oom.by_comm));
        let limit = self.one(&event.memcg_oom, &paths, Resource::Memory);
        let version = match paths.memory() {
            Some(path) if !path.v2 => Version::V1,
            _ => Version::V2,
        };
        OomKill::new(
            Victim {
                pid: event.tgid,
                tid: event.tid,
                ppid: event.ppid,
                comm,
                comm_hex,
                uid: event.uid,
                user: self.passwd.name(event.uid),
                oom_score_adj: event.oom.score_adj,
            },
            paths.own_cgroup(),
            oom::constraint(event),
            limit.and_then(|cgroup| oom_limit(cgroup, version)),
            InvokedBy {
                pid: event.oom.by_tgid,
                tid: event.oom.by_tid,
                comm: by_comm,
                comm_hex: by_comm_hex,
            },
            oom::already_dying(event, probes),
        )
    }

    fn failure(&mut self, mut event: Box<FailureEvent>, probes: &Outcome) -> Option<Decoded> {
        let now_ns = || Clock::now().monotonic_ns();
        let doubted = stage::is_creation(&event) && probes.kprobes.doubts(event.time_ns, now_ns);
        if doubted {
            stage::forget(&mut event);
        }
        let errno = Errno::from_number(-event.ret)?;
        let paths = Paths::of(&event, &self.hierarchies);
        let host = HostNow::lacking(&mut self.files, &lacking(&event, errno));
        let mut evidence = Evidence {
            errno,
            operation: operation(&event),
            stage: stage::stage(&event, probes, doubted),
            clone_flags: event.clone_flags,
            dying: event.flags & flag::DYING != 0,
            cousins: super::cousins::of(&event),
            uid: event.uid,
            shares_vm: event.clone_flags & clone::VM != 0,
            into_cgroup: event.clone_flags & clone::INTO_CGROUP != 0,
            nproc_exempt: event.flags & flag::NPROC_EXEMPT != 0,
            deadline: event.flags & flag::DEADLINE != 0,
            in_exec: event.flags & flag::IN_EXEC != 0,
            nproc_watched: probes.has(Role::Nproc) || probes.has(Role::Creds),
            nproc: nproc(&event),
            nproc_refused: 0,
            threads: threads(&event, &host),
            pid_ns: pid_namespaces(&event, &host),
            pids: self.cgroups(&event, &paths, Resource::Pids),
            pids_refused: self.one(&event.refused_limit, &paths, Resource::Pids),
            pids_delta: (event.flags & flag::HAVE_PIDS_DELTA != 0).then_some(event.pids_delta),
            memory: self.cgroups(&event, &paths, Resource::Memory),
            memory_refused: self.one(&event.memcg_oom, &paths, Resource::Memory),
            memory_delta: (event.flags & flag::HAVE_MEMCG_DELTA != 0).then_some(event.memcg_delta),
            kernel_memory_near: self.kernel_memory(&event, &paths),
            half_made: event.pgtables_bytes + SMALL_PARTS,
            overcommit: overcommit(&event, errno, &host, self.proc_is_hosts),
            thread_stack: stacks::thread_stack(&event),
        };
        if event.stage == event::Stage::Nproc as u8 && probes.has(Role::Nproc) {
            let level = usize::from(event.nproc_level);
            if let Some(refused) = evidence.nproc.get_mut(level) {
                refused.usage = event.nproc_usage.max(0) as u64;
                refused.limit = Some(event.nproc_limit.max(0) as u64);
                evidence.nproc_refused = level;
            }
        }
        let compat = event.flags & flag::COMPAT != 0;
        Some(Decoded {
            time_ns: event.time_ns,
            key: event.key,
            syscall: (event.flags & flag::HAVE_SYSCALL != 0)
                .then(|| syscall::name(event.syscall, compat))
                .flatten(),
            caller: self.caller(&event),
            cgroup: paths.own_cgroup(),
            evidence,
        })
    }

    fn caller(&self, event: &FailureEvent) -> Caller {
        let comm = until_nul(&event.comm);
        // Another pid namespace's /proc has another process by this number, or none.
        let exe = self
            .proc_is_hosts
            .then(|| std::fs::read_link(format!("/proc/{}/exe", event.tgid)).ok())
            .flatten()
            .map(|p| std::os::unix::ffi::OsStringExt::into_vec(p.into_os_string()));
        let (exe, exe_hex) = exe.map_or((None, None), |bytes| {
            let (text, hex) = lossy(&bytes);
            (Some(text), hex)
        });
        let (comm, comm_hex) = lossy(comm);
        Caller {
            pid: event.tgid,
            tid: event.tid,
            ppid: event.ppid,
            comm,
            comm_hex,
            uid: event.uid,
            euid: event.euid,
            user: self.passwd.name(event.uid),
            exe,
            exe_hex,
        }
    }

    fn cgroups(&self, event: &FailureEvent, paths: &Paths, resource: Resource) -> Vec<CgroupLimit> {
        let (list, len) = match resource {
            Resource::Pids => (&event.pids[..], event.pids_len),
            Resource::Memory | Resource::KernelMemory => (&event.memory[..], event.memory_len),
        };
        list.iter()
            .take(usize::from(len))
            .filter_map(|l| self.one(l, paths, resource))
            .collect()
    }

    fn kernel_memory(&self, event: &FailureEvent, paths: &Paths) -> Option<CgroupLimit> {
        self.one(&event.kmem_near, paths, Resource::KernelMemory)
    }

    fn one(
        &self,
        limit: &event::CgroupLimit,
        paths: &Paths,
        resource: Resource,
    ) -> Option<CgroupLimit> {
        if limit.id == 0 {
            return None;
        }
        let known = match resource {
            Resource::Pids => paths.pids(),
            Resource::Memory | Resource::KernelMemory => paths.memory(),
        };
        let path = known.and_then(|p| p.ancestor(limit.level));
        let version = match known {
            Some(path) if !path.v2 => Version::V1,
            _ => Version::V2,
        };
        let file = path.as_deref().and_then(|p| {
            let p = std::path::Path::new(OsStr::from_bytes(p));
            self.hierarchies.limit_file(version, resource, p)
        });
        let positive = |n: i64| n.max(0) as u64;
        let (usage, bound) = match resource {
            Resource::Pids => (
                positive(limit.usage),
                (limit.limit < PIDS_MAX).then(|| positive(limit.limit)),
            ),
            Resource::Memory | Resource::KernelMemory => (
                positive(limit.usage) * PAGE,
                (limit.limit < PAGE_COUNTER_MAX).then(|| positive(limit.limit) * PAGE),
            ),
        };
        Some(CgroupLimit {
            path: path.map(|p| String::from_utf8_lossy(&p).into_owned()),
            id: limit.id,
            file: file.map(|f| f.to_string_lossy().into_owned()),
            usage,
            limit: bound,
            oom_kill_disable: limit.oom_kill_disable != 0,
        })
    }
}

/// v1 has a second limit, of memory and swap together, which is not the one that is read: where
/// this one isn't full, within what a CPU may hold charged in advance, it was the other.
const FULL_WITHIN: u64 = 16 << 20;

/// The limit that a memory cgroup's OOM killer was at work for; `None` where the cgroup's name is
/// not known, or the limit is not this one.
fn oom_limit(cgroup: CgroupLimit, version: Version) -> Option<Limit> {
    let value = cgroup.limit?;
    if version == Version::V1 && cgroup.usage.saturating_add(FULL_WITHIN) < value {
        return None;
    }
    Some(Limit {
        name: Resource::Memory.limit_name(version).to_owned(),
        scope: cgroup.path?,
        value: Some(value),
        usage: Some(cgroup.usage),
        requested: None,
        unit: Unit::Bytes,
        usable: None,
        file: cgroup.file,
    })
}

/// One path with its components, root first.
struct Path {
    id: u64,
    v2: bool,
    /// `None`: longer than the kernel side could tell, and gone since.
    components: Option<Vec<Vec<u8>>>,
}

impl Path {
    /// The path of the ancestor at this depth (0 is the root).
    fn ancestor(&self, level: u32) -> Option<Vec<u8>> {
        let components = self.components.as_ref()?.get(..level as usize)?;
        if components.is_empty() {
            return Some(b"/".to_vec());
        }
        let mut path = Vec::new();
        for component in components {
            path.push(b'/');
            path.extend_from_slice(component);
        }
        Some(path)
    }

    fn whole(&self) -> Option<Vec<u8>> {
        let depth = self.components.as_ref()?.len();
        self.ancestor(u32::try_from(depth).ok()?)
    }
}

/// The paths that the event carries.
struct Paths {
    all: Vec<Path>,
    pids_id: u64,
    memory_id: u64,
    into_cgroup: bool,
}

impl Paths {
    fn of(event: &FailureEvent, hierarchies: &Hierarchies) -> Self {
        let mut all = Vec::new();
        for path in event.paths.iter().filter(|p| p.id != 0) {
            let start = path.start as usize;
            let names = event
                .names
                .get(start..start.saturating_add(path.len as usize))
                .unwrap_or(&[]);
            let v2 = path.hierarchy == 0;
            let components = if path.truncated == 0 {
                let mut components: Vec<Vec<u8>> = names
                    .split(|b| *b == 0)
                    .filter(|c| !c.is_empty())
                    .map(<[u8]>::to_vec)
                    .collect();
                components.reverse();
                Some(components)
            } else {
                by_id(hierarchies, v2, path.id).map(|p| {
                    p.as_os_str()
                        .as_bytes()
                        .split(|b| *b == b'/')
                        .filter(|c| !c.is_empty())
                        .map(<[u8]>::to_vec)
                        .collect()
                })
            };
            all.push(Path {
                id: path.id,
                v2,
                components,
            });
        }
        // The nearest limit's cgroup is the leaf of its path.
        let leaf = |list: &[event::CgroupLimit], len: u8| if len > 0 { list[0].id } else { 0 };
        Self {
            all,
            pids_id: leaf(&event.pids, event.pids_len),
            memory_id: leaf(&event.memory, event.memory_len),
            into_cgroup: event.clone_flags & clone::INTO_CGROUP != 0,
        }
    }

    fn by_id(&self, id: u64) -> Option<&Path> {
        self.all.iter().find(|p| p.id == id)
    }

    fn pids(&self) -> Option<&Path> {
        self.by_id(self.pids_id)
    }

    fn memory(&self) -> Option<&Path> {
        self.by_id(self.memory_id)
    }

    /// Where the caller lives: its v2 cgroup, or, where everything is in the
    /// v2 root (v1 hosts, hybrid ones without systemd), its pids cgroup.
    fn own_cgroup(&self) -> Cgroup {
        let v2 = self.all.first();
        let unused = v2.is_none_or(|p| p.components.as_ref().is_some_and(Vec::is_empty));
        let own = match self.pids() {
            Some(pids) if unused && !pids.v2 && !self.into_cgroup => Some(pids),
            _ => v2,
        };
        let Some(own) = own else {
            return Cgroup::default();
        };
        let Some(bytes) = own.whole() else {
            return Cgroup {
                id: own.id,
                ..Cgroup::default()
            };
        };
        let (path, path_hex) = lossy(&bytes);
        let who = identity::identify(&path);
        Cgroup {
            path: Some(path),
            path_hex,
            id: own.id,
            unit: who.unit,
            container: who.container,
            pod: who.pod,
            qos: who.qos,
        }
    }
}

/// The path of a cgroup whose names didn't fit into the event.
fn by_id(hierarchies: &Hierarchies, v2: bool, id: u64) -> Option<std::path::PathBuf> {
    if v2 {
        return hierarchies.path_by_id(Hierarchy::V2, id);
    }
    [Controller::Pids, Controller::Memory]
        .into_iter()
        .find_map(|c| hierarchies.path_by_id(Hierarchy::V1(c), id))
}

/// Copies the event out of the ring buffer's bytes.
fn event_of(bytes: &[u8]) -> Option<Box<FailureEvent>> {
    if bytes.len() < size_of::<FailureEvent>() {
        return None;
    }
    // SAFETY: long enough; the struct is repr(C) and made of integers, so any
    // bytes are a value of it; read_unaligned asks no alignment.
    Some(Box::new(unsafe {
        bytes.as_ptr().cast::<FailureEvent>().read_unaligned()
    }))
}

fn operation(event: &FailureEvent) -> Operation {
    let f = event.flags;
    if matches!(
        event::Stage::from_u8(event.stage),
        event::Stage::Exec | event::Stage::ExecUnseen
    ) {
        Operation::Exec
    } else if stacks::call(event).is_some() {
        Operation::ThreadStack
    } else if f & flag::IO_THREAD != 0 {
        Operation::IoWorker
    } else if f & (flag::KERNEL_FN | flag::CALLER_KTHREAD) != 0 {
        Operation::KernelThread
    } else if event.clone_flags & clone::THREAD != 0 {
        Operation::Thread
    } else if event.clone_flags & clone::VFORK != 0 {
        Operation::Vfork
    } else {
        Operation::Process
    }
}

fn nproc(event: &FailureEvent) -> Vec<NprocLevel> {
    event
        .user_ns
        .iter()
        .take(usize::from(event.user_ns_len))
        .map(|l| NprocLevel {
            usage: l.usage.max(0) as u64,
            // RLIM_INFINITY, or LONG_MAX of a namespace that sets no limit.
            limit: u64::try_from(l.limit).ok().filter(|&n| n < i64::MAX as u64),
            uid: l.uid,
            userns: (l.inum != 0).then_some(l.inum),
            limit_userns: (l.limit_ns != 0).then_some(l.limit_ns),
        })
        .collect()
}

fn lacking(event: &FailureEvent, errno: Errno) -> Lacking {
    let has = |flag| event.flags & flag != 0;
    Lacking {
        threads: !has(flag::HAVE_THREADS),
        pid_max: !has(flag::HAVE_PID_MAX),
        overcommit: !has(flag::HAVE_OVERCOMMIT),
        strict: has(flag::HAVE_OVERCOMMIT)
            && u64::try_from(event.overcommit.mode).map(OvercommitMode::from_number)
                == Ok(OvercommitMode::Never),
        no_memory: errno == Errno::ENOMEM,
    }
}

fn threads(event: &FailureEvent, host: &HostNow) -> Option<Threads> {
    if event.flags & flag::HAVE_THREADS != 0 {
        return Some(Threads {
            now: event.nr_threads.max(0) as u64,
            max: event.max_threads.max(0) as u64,
        });
    }
    Some(Threads {
        now: host.threads?,
        max: host.threads_max?,
    })
}

const PIDNS_ADDING: u32 = 1 << 31; // include/linux/pid_namespace.h

fn pid_namespaces(event: &FailureEvent, host: &HostNow) -> Vec<PidNs> {
    let global = if event.flags & flag::HAVE_PID_MAX != 0 {
        u64::try_from(event.pid_max).ok()
    } else {
        host.pid_max
    };
    event
        .pid_ns
        .iter()
        .take(usize::from(event.pid_ns_len))
        .map(|ns| PidNs {
            inum: ns.inum,
            level: ns.level,
            dead: ns.allocated & PIDNS_ADDING == 0,
            allocated: u64::from(ns.allocated & !PIDNS_ADDING),
            pid_max: if ns.pid_max != 0 {
                Some(u64::from(ns.pid_max))
            } else {
                global
            },
        })
        .collect()
}

const KIB: u64 = 1024;

fn overcommit(
    event: &FailureEvent,
    errno: Errno,
    host: &HostNow,
    proc_is_hosts: bool,
) -> Option<Overcommit> {
    let o = &event.overcommit;
    if o.total_vm == 0 {
        // A kernel thread, or no kernel types: nothing to copy, or not known.
        return None;
    }
    let total_vm = o.total_vm * PAGE;
    let (mode, committed, commit_limit, ram_and_swap, admin, user);
    if event.flags & flag::HAVE_OVERCOMMIT != 0 {
        let swap = o.swap.max(0) as u64 * PAGE;
        let ram = o.totalram * PAGE;
        mode = u64::try_from(o.mode).ok()?;
        committed = o.committed.max(0) as u64 * PAGE;
        // mm/util.c vm_commit_limit(): huge pages don't count as RAM.
        commit_limit = swap
            + if o.kbytes != 0 {
                o.kbytes / (PAGE / KIB) * PAGE
            } else {
                let huge = host.hugetlb.unwrap_or(0) * KIB;
                ram.saturating_sub(huge) / PAGE * u64::try_from(o.ratio).ok()? / 100 * PAGE
            };
        ram_and_swap = ram + swap;
        admin = o.admin_reserve_kbytes * KIB;
        user = o.user_reserve_kbytes * KIB;
    } else {
        mode = host.overcommit_memory?;
        committed = host.committed? * KIB;
        commit_limit = host.commit_limit? * KIB;
        ram_and_swap = (host.mem_total? + host.swap_total?) * KIB;
        admin = host.admin_reserve_kbytes? * KIB;
        user = host.user_reserve_kbytes? * KIB;
    }
    let mode = OvercommitMode::from_number(mode);
    let copies = errno == Errno::ENOMEM
        && event.clone_flags & clone::VM == 0
        && stacks::call(event).is_none()
        && proc_is_hosts;
    let largest_mapping = (mode == OvercommitMode::Heuristic && copies && total_vm > ram_and_swap)
        .then(|| mappings::largest_private_writable(event.tgid))
        .flatten();
    Some(Overcommit {
        mode,
        committed,
        commit_limit,
        admin_reserve: if event.flags & flag::CAP_SYS_ADMIN != 0 {
            0
        } else {
            admin
        },
        user_reserve: user.min(total_vm / 32),
        ram_and_swap,
        total_vm,
        private_writable: (o.data_vm + o.stack_vm) * PAGE,
        largest_mapping,
    })
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or(bytes)
}

/// Text, and the raw bytes in hexadecimal where it is not the same.
fn lossy(bytes: &[u8]) -> (String, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (
            String::from_utf8_lossy(bytes).into_owned(),
            Some(bytes.iter().map(|b| format!("{b:02x}")).collect()),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cgroup(usage: u64, limit: Option<u64>) -> CgroupLimit {
        CgroupLimit {
            path: Some("/x".to_owned()),
            id: 7,
            file: None,
            usage,
            limit,
            oom_kill_disable: false,
        }
    }

    #[test]
    fn a_limit_that_was_not_full_is_not_named() {
        let name = |usage: u64, limit, version| {
            oom_limit(cgroup(usage << 20, limit), version).map(|limit| limit.name)
        };
        let full = Some(64 << 20);
        assert_eq!(name(64, full, Version::V2).as_deref(), Some("memory.max"));
        let v1 = Some("memory.limit_in_bytes");
        assert_eq!(name(63, full, Version::V1).as_deref(), v1);
        // memory.memsw.limit_in_bytes was.
        assert_eq!(name(30, full, Version::V1), None);
        assert_eq!(name(30, None, Version::V2), None);
    }
}
