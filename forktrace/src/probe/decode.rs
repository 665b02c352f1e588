//! From an event's bytes to evidence, with what /proc has to add.
//!
//! What a rare refusal needs and no probe brings is read from /proc and /sys when its event is
//! decoded, and only where it could be the cause (`probe/decode.rs` `read_later`,
//! `probe/other_errnos.rs`): the BPF scheduler that is loaded (`host/sched_ext.rs`), the pools of
//! huge pages (`host/huge_pages.rs`), fs.file-max (`host/open_files.rs`), whether the caller is
//! in a chroot. A verdict that rests on it is `inferred`, unless the stage and the errno leave
//! one cause without it; numbers that would refuse nobody are left out.

mod exe;
mod numbers;
mod paths;
mod text;

use std::{
    ffi::OsStr,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use forktrace_common::{
    clone,
    count::Key,
    event::{self, FailureEvent, flag, small_parts},
    facts::fact,
};

use super::{oom, outcome::Outcome, stacks, stage};
use crate::{
    arch::{Page, syscall_name},
    evidence::{CgroupLimit, Evidence, Stage},
    host::{
        cgroup::{Hierarchies, Resource, Version, is_cgroup},
        clock::{self, Clock},
        first_ids::FirstIds,
        huge_pages,
        limits::{Files, HostNow},
        open_files, own_namespaces,
        passwd::Passwd,
        past,
        sched_ext::Schedulers,
    },
    model::{Caller, Cgroup, CgroupOwner, Errno, Limit, Owner, Unit},
    record::{InvokedBy, OomKill, Victim},
};
use numbers::{
    clone_flags, lacking, nproc, nproc_full, operation, overcommit, pid_namespaces, threads,
};
use paths::Paths;
use text::{lossy, until_nul};

/// PIDS_MAX (kernel/cgroup/pids.c): one more than PID_MAX_LIMIT is "max".
const PIDS_MAX: i64 = 4_194_305;

/// A failing return, ready to be judged.
pub struct Decoded {
    /// CLOCK_MONOTONIC, nanoseconds.
    pub time_ns: u64,
    /// By what repeats of it are counted.
    pub key: Key,
    /// Name of the system call that asked, where one did.
    pub syscall: Option<&'static str>,
    /// The task that called.
    pub caller: Caller,
    /// The caller's cgroup.
    pub cgroup: Cgroup,
    /// The cgroup that the child should have gone into, where other errnos than those of limits are
    /// looked at.
    pub target: Option<Named>,
    /// What is known of the refusal.
    pub evidence: Evidence,
}

/// A cgroup as the kernel names it.
pub struct Named {
    /// kernfs id.
    pub id: u64,
    /// Path from the root of the v2 hierarchy, where the event has it.
    pub path: Option<PathBuf>,
}

/// What an event is about.
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
    /// Of the host; `None` where /proc is another's.
    first_ids: Option<FirstIds>,
    schedulers: Schedulers,
    /// OOM events of cgroups aren't counted in those above.
    local_ooms: bool,
    /// Refusals of tasks are counted in the cgroup that forks, and not where the limit is.
    local_refusals: bool,
}

impl Decoder {
    /// A decoder that names cgroups by these hierarchies, and users by this file.
    pub fn new(hierarchies: Hierarchies, passwd: Passwd) -> Self {
        let mut files = Files::of_proc();
        // Opened in time.
        let _ = open_files::now(&mut files);
        let proc_is_hosts = own_namespaces::proc_is_hosts(Path::new("/proc"));
        Self {
            hierarchies,
            passwd,
            proc_is_hosts,
            files,
            first_ids: proc_is_hosts.then(|| FirstIds::new(PathBuf::from("/proc"))),
            schedulers: Schedulers::default(),
            local_refusals: past::has_local_events(Path::new("/proc"), "pids_localevents"),
            local_ooms: past::has_local_events(Path::new("/proc"), "memory_localevents"),
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
        let limit = self.refusing(&event.memcg_oom, event, &paths, Resource::Memory);
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
            limit.and_then(|cgroup| oom_limit(cgroup, version, Page::here())),
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
        let doubted = stage::is_creation(&event) && probes.kprobes.doubts(event.time_ns, now_ns)
            || stage::was_skipped(&event, probes);
        if doubted {
            stage::forget(&mut event);
        }
        let errno = Errno::from_number(-event.ret)?;
        // First, for the caller may be about to end.
        let other_errnos = super::other_errnos::of(&event, &mut self.files, self.proc_is_hosts);
        let paths = Paths::of(&event, &self.hierarchies);
        let host = HostNow::lacking(&mut self.files, &lacking(&event, errno));
        let has = |bit: u32| event.facts.bits & bit != 0;
        let signs = stage::signs(&event, probes, doubted);
        let stage = stage::stage(&event, probes, doubted);
        let nproc = nproc(&event);
        let first = self.first_ids.as_mut().map_or(0, FirstIds::in_use);
        let mut evidence = Evidence {
            errno,
            operation: operation(&event),
            stage,
            clone_flags: clone_flags(&event),
            dying: event.flags & flag::DYING != 0,
            other_errnos,
            uid: event.uid,
            shares_vm: event.clone_flags & clone::VM != 0,
            into_cgroup: event.clone_flags & clone::INTO_CGROUP != 0,
            nproc_exempt: has(fact::NPROC_EXEMPT),
            nproc_exempt_by_admin: has(fact::NPROC_EXEMPT_BY_ADMIN),
            deadline: has(fact::DEADLINE),
            in_exec: has(fact::IN_EXEC),
            signs,
            nproc_full: nproc_full(&event, &nproc),
            nproc,
            threads: threads(&event, &host),
            limits_changed: has(fact::LIMITS_CHANGED),
            pids_limits_changed: has(fact::PIDS_LIMITS_CHANGED),
            pids_unlimited_refused: false,
            pid_ns: pid_namespaces(&event, &host, first),
            pids: self.cgroups(&event, &paths, Resource::Pids),
            pids_full: self.refusing(&event.facts.pids, &event, &paths, Resource::Pids),
            pids_delta: (event.flags & flag::HAVE_PIDS_DELTA != 0).then_some(event.pids_delta),
            memory: self.cgroups(&event, &paths, Resource::Memory),
            memory_refused: has(fact::MEMCG_SEEN)
                .then(|| self.refusing(&event.memcg_oom, &event, &paths, Resource::Memory))
                .flatten(),
            memory_delta: self.memory_delta(&event),
            kernel_memory_near: self.kernel_memory(&event, &paths),
            half_made: copied_tables(stage, &event) + small_parts(Page::here().shift()),
            overcommit: overcommit(&event, errno, &host, &signs, self.proc_is_hosts),
            huge_pages: None,
            sched_ext: None,
            thread_stack: stacks::thread_stack(&event),
        };
        self.read_later(&mut evidence, event.tgid, &host);
        let compat = event.flags & flag::COMPAT != 0;
        Some(Decoded {
            time_ns: event.time_ns,
            key: event.key,
            syscall: (event.flags & flag::HAVE_SYSCALL != 0)
                .then(|| syscall_name(event.syscall, compat))
                .flatten(),
            caller: self.caller(&event),
            cgroup: paths.own_cgroup(),
            target: paths.target(&event),
            evidence,
        })
    }

    /// OOM events of the topmost cgroup that has memory limited. That there were none says nothing where
    /// those of cgroups below don't count there.
    fn memory_delta(&self, event: &FailureEvent) -> Option<i64> {
        let known = event.flags & flag::HAVE_MEMCG_DELTA != 0;
        let delta = known.then_some(event.memcg_delta);
        delta.filter(|delta| *delta != 0 || !self.local_ooms)
    }

    /// Reads what only files have, and only where it could be the cause.
    fn read_later(&mut self, evidence: &mut Evidence, pid: u32, host: &HostNow) {
        match evidence.stage {
            Stage::SighandToNamespaces
                if evidence.errno == Errno::ENOMEM
                    && !evidence.shares_vm
                    && self.proc_is_hosts
                    && host.hugetlb != Some(0) =>
            {
                evidence.huge_pages = huge_pages::lacking(pid);
            }
            Stage::Unseen
                if evidence.errno == Errno::ENOMEM
                    && evidence.memory_delta.is_some_and(|delta| delta != 0) =>
            {
                for cgroup in &mut evidence.memory {
                    cgroup.events = file_of(cgroup).and_then(past::ooms_at);
                }
            }
            // A longer way can have the one that refused beyond those that are recorded.
            Stage::Unseen
                if evidence.pids_delta.is_some_and(|delta| delta != 0)
                    && evidence.pids.len() < event::CGROUP_LEVELS
                    && !self.local_refusals =>
            {
                for cgroup in &mut evidence.pids {
                    cgroup.events = file_of(cgroup).and_then(past::refusals_at);
                }
                if evidence.pids_limits_changed {
                    evidence.pids_unlimited_refused = unlimited_refused(&evidence.pids);
                }
            }
            Stage::AfterCgroups => evidence.sched_ext = self.schedulers.just_now(),
            _ => {}
        }
    }

    fn caller(&self, event: &FailureEvent) -> Caller {
        let comm = until_nul(&event.comm);
        // Another pid namespace's /proc has another process by this number, or none.
        let exe = self
            .proc_is_hosts
            .then(|| exe::of(Path::new("/proc"), event, clock::boot_ns(event.time_ns)))
            .flatten();
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
            catalogued: None,
        }
    }

    fn cgroups(&self, event: &FailureEvent, paths: &Paths, resource: Resource) -> Vec<CgroupLimit> {
        on_way(event, resource)
            .filter_map(|l| self.above_caller(l, paths, resource))
            .collect()
    }

    fn kernel_memory(&self, event: &FailureEvent, paths: &Paths) -> Option<CgroupLimit> {
        self.above_caller(&event.kmem_near, paths, Resource::KernelMemory)
    }

    /// A limit that was seen to refuse. The event's paths are those of the return, by when the task can have
    /// been moved: what isn't on their way is named by its id, if it can be.
    fn refusing(
        &self,
        limit: &event::CgroupLimit,
        event: &FailureEvent,
        paths: &Paths,
        resource: Resource,
    ) -> Option<CgroupLimit> {
        if limit.id == 0 || on_way(event, resource).any(|way| way.id == limit.id) {
            return self.above_caller(limit, paths, resource);
        }
        let (hierarchy, version) = self.hierarchies.of_controller(resource.controller());
        let path = self.hierarchies.path_by_id(hierarchy, limit.id);
        let path = path.map(|path| path.into_os_string().into_vec());
        Some(self.named(limit, path, version, resource))
    }

    /// A limit of the cgroup at its level of the caller's path.
    fn above_caller(
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
            _ => paths.memory(),
        };
        let path = known.and_then(|p| p.ancestor(limit.level));
        let version = match known {
            Some(path) if !path.v2 => Version::V1,
            _ => Version::V2,
        };
        Some(self.named(limit, path, version, resource))
    }

    fn named(
        &self,
        limit: &event::CgroupLimit,
        path: Option<Vec<u8>>,
        version: Version,
        resource: Resource,
    ) -> CgroupLimit {
        let file = path.as_deref().and_then(|p| {
            let p = Path::new(OsStr::from_bytes(p));
            self.hierarchies.limit_file(version, resource, p)
        });
        let positive = |n: i64| n.max(0) as u64;
        let (usage, bound) = match resource {
            Resource::Pids => (
                positive(limit.usage),
                (limit.limit < PIDS_MAX).then(|| positive(limit.limit)),
            ),
            _ => numbers::memory(limit, Page::here()),
        };
        CgroupLimit {
            path: path.map(|p| String::from_utf8_lossy(&p).into_owned()),
            id: limit.id,
            file: file.map(|f| f.to_string_lossy().into_owned()),
            usage,
            limit: bound,
            oom_kill_disable: limit.oom_kill_disable != 0,
            events: None,
        }
    }
}

/// Bytes of page tables that the half-made child can have had: `copy_mm` comes behind the first stages, and is
/// passed where the address space is shared.
fn copied_tables(stage: Stage, event: &FailureEvent) -> u64 {
    match stage {
        Stage::Early | Stage::SecurityToFs | Stage::SecurityToFiles => 0,
        _ if event.clone_flags & clone::VM != 0 => 0,
        _ => event.pgtables_bytes,
    }
}

/// The limit's file, if it is still of the cgroup that had it.
fn file_of(cgroup: &CgroupLimit) -> Option<&Path> {
    let file = Path::new(cgroup.file.as_ref()?);
    is_cgroup(file.parent()?, cgroup.id).then_some(file)
}

/// Whether a cgroup on the way up that has no limit now has refused before, or may have. The first is the caller's
/// own; the others of `pids` are those above that have one.
fn unlimited_refused(pids: &[CgroupLimit]) -> bool {
    let own = pids.first().and_then(file_of);
    let Some(folder) = own.and_then(Path::parent) else {
        return true;
    };
    let is_limited = |file: &Path| {
        let mut limited = pids.iter().filter(|cgroup| cgroup.limit.is_some());
        limited.any(|cgroup| cgroup.file.as_deref().map(Path::new) == Some(file))
    };
    // The root has no such file.
    let files = folder.ancestors().map(|folder| folder.join("pids.max"));
    let mut unlimited = files
        .take_while(|file| file.exists())
        .filter(|file| !is_limited(file));
    unlimited.any(|file| past::refusals_at(&file) != Some(0))
}

/// The limits on the way up from the caller's cgroup.
fn on_way(event: &FailureEvent, resource: Resource) -> impl Iterator<Item = &event::CgroupLimit> {
    let (list, len) = match resource {
        Resource::Pids => (&event.pids[..], event.pids_len),
        _ => (&event.memory[..], event.memory_len),
    };
    list.iter().take(usize::from(len))
}

/// v1 has a second limit, of memory and swap together, which is not the one that is read: where
/// this one isn't full, within what CPUs may hold charged in advance, it was the other.
const FULL_WITHIN_PAGES: u64 = 4096;

/// The limit that a memory cgroup's OOM killer was at work for; `None` where the cgroup's name is
/// not known, or the limit is not this one.
fn oom_limit(cgroup: CgroupLimit, version: Version, page: Page) -> Option<Limit> {
    let value = cgroup.limit?;
    let held = page.times(FULL_WITHIN_PAGES);
    if version == Version::V1 && cgroup.usage.saturating_add(held) < value {
        return None;
    }
    let owner = Owner::Cgroup(CgroupOwner {
        path: Some(cgroup.path?),
        id: Some(cgroup.id),
    });
    Some(Limit {
        value: Some(value),
        usage: Some(cgroup.usage),
        file: cgroup.file,
        ..Limit::new(Resource::Memory.limit_kind(version), owner, Unit::Bytes)
    })
}

/// Copies the event out of the ring buffer's bytes.
pub(super) fn event_of(bytes: &[u8]) -> Option<Box<FailureEvent>> {
    if bytes.len() < size_of::<FailureEvent>() {
        return None;
    }
    // SAFETY: long enough; the struct is repr(C) and made of integers, so any
    // bytes are a value of it; read_unaligned asks no alignment.
    Some(Box::new(unsafe {
        bytes.as_ptr().cast::<FailureEvent>().read_unaligned()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LimitKind;

    fn cgroup(usage: u64, limit: Option<u64>) -> CgroupLimit {
        CgroupLimit {
            path: Some("/x".to_owned()),
            id: 7,
            file: None,
            usage,
            limit,
            oom_kill_disable: false,
            events: None,
        }
    }

    /// In /a/b/c.
    fn event() -> Box<FailureEvent> {
        let mut event = event_of(&[0; size_of::<FailureEvent>()]).unwrap();
        // The leaf's name first.
        let names = b"c\0b\0a\0";
        event.names[..names.len()].copy_from_slice(names);
        event.paths[0].id = 30;
        event.paths[0].len = names.len() as u32;
        for (at, level) in [3, 2].into_iter().enumerate() {
            event.pids[at] = limit(level);
        }
        event.pids_len = 2;
        event.ret = -libc::EAGAIN;
        event
    }

    fn limit(level: u32) -> event::CgroupLimit {
        event::CgroupLimit {
            id: u64::from(level) * 10,
            level,
            usage: 5,
            limit: i64::from(level) + 1,
            ..event::CgroupLimit::default()
        }
    }

    #[test]
    fn a_limit_is_of_the_ancestor_at_its_level() {
        let mut decoder = Decoder::new(Hierarchies::default(), Passwd::default());
        for (level, path) in [(3, "/a/b/c"), (2, "/a/b"), (1, "/a"), (0, "/")] {
            let mut event = event();
            event.facts.pids = limit(level);
            // Of those that are sent, the last is the one that refused. The root has no limit, nor is
            // there one whose id is 0.
            event.facts.pids.id += 1;
            event.pids[2] = event.facts.pids;
            event.pids_len = 3;
            let decoded = decoder.failure(event, &Outcome::default()).unwrap();
            assert_eq!(decoded.cgroup.path.as_deref(), Some("/a/b/c"));
            let paths = decoded.evidence.pids.iter().map(|c| c.path.as_deref());
            let wanted = [Some("/a/b/c"), Some("/a/b"), Some(path)];
            assert_eq!(paths.collect::<Vec<_>>(), wanted);
            let full = decoded.evidence.pids_full.unwrap();
            assert_eq!(full.path.as_deref(), Some(path));
            assert_eq!((full.usage, full.limit), (5, Some(u64::from(level) + 1)));
        }
        // Deeper than its path: nobody's name.
        let mut event = event();
        event.facts.pids = limit(4);
        let decoded = decoder.failure(event, &Outcome::default()).unwrap();
        assert_eq!(decoded.evidence.pids_full.unwrap().path, None);
    }

    #[test]
    fn no_oom_events_prove_nothing_where_they_are_counted_in_their_own_cgroup_alone() {
        let mut decoder = Decoder::new(Hierarchies::default(), Passwd::default());
        for (local, delta, known) in [
            (false, 0, Some(0)),
            (false, 2, Some(2)),
            (true, 0, None),
            (true, 2, Some(2)),
        ] {
            decoder.local_ooms = local;
            let mut event = event();
            assert_eq!(decoder.memory_delta(&event), None);
            event.flags |= flag::HAVE_MEMCG_DELTA;
            event.memcg_delta = delta;
            assert_eq!(decoder.memory_delta(&event), known);
        }
    }

    /// The caller's cgroups in three hierarchies have one id.
    #[test]
    fn an_id_is_of_its_own_hierarchy() {
        let mut decoder = Decoder::new(Hierarchies::default(), Passwd::default());
        let mut event = event();
        for (place, names) in [(1, b"r\0q\0p\0"), (2, b"o\0n\0m\0")] {
            let start = place * names.len();
            event.names[start..start + names.len()].copy_from_slice(names);
            event.paths[place] = event.paths[0];
            event.paths[place].start = start as u32;
            event.paths[place].hierarchy = 7 + place as u32;
        }
        for list in [&mut event.pids, &mut event.memory] {
            list[0] = event::CgroupLimit { id: 30, ..limit(3) };
        }
        (event.pids_len, event.memory_len) = (1, 1);
        event.facts.pids = event.pids[0];
        event.paths[0].id = 30;
        let decoded = decoder.failure(event.clone(), &Outcome::default()).unwrap();
        let path = |of: &CgroupLimit| of.path.clone();
        let evidence = decoded.evidence;
        assert_eq!(decoded.cgroup.path.as_deref(), Some("/a/b/c"));
        assert_eq!(path(&evidence.pids[0]).as_deref(), Some("/p/q/r"));
        assert_eq!(
            evidence.pids_full.and_then(|l| l.path).as_deref(),
            Some("/p/q/r")
        );
        assert_eq!(path(&evidence.memory[0]).as_deref(), Some("/m/n/o"));
        // Memory is where pids are, or in v2: the mounts say which.
        event.paths[2] = event::CgroupPath::default();
        for (mounts, wanted) in [
            ("1 2 0:3 / /v1 rw - cgroup none rw,memory,pids\n", "/p/q/r"),
            ("1 2 0:3 / /v2 rw - cgroup2 none rw\n", "/a/b/c"),
        ] {
            let mounts = Hierarchies::from_mountinfo(mounts.as_bytes(), true);
            let mut decoder = Decoder::new(mounts, Passwd::default());
            let decoded = decoder.failure(event.clone(), &Outcome::default()).unwrap();
            assert_eq!(path(&decoded.evidence.memory[0]).as_deref(), Some(wanted));
        }
    }

    /// The task was moved between the refusal and the return.
    #[test]
    fn a_limit_that_is_not_on_the_callers_way_has_none_of_its_names() {
        let decoder = Decoder::new(Hierarchies::default(), Passwd::default());
        let mut event = event();
        event.memory[0] = limit(3);
        event.memory_len = 1;
        event.paths[1] = event.paths[0];
        let paths = Paths::of(&event, &decoder.hierarchies);
        for resource in [Resource::Pids, Resource::Memory] {
            let path = |limit: &_| {
                let refusing = decoder.refusing(limit, &event, &paths, resource);
                refusing.unwrap().path
            };
            assert_eq!(path(&limit(3)).as_deref(), Some("/a/b/c"));
            let moved = event::CgroupLimit { id: 99, ..limit(3) };
            assert_eq!(path(&moved), None);
        }
    }

    #[test]
    fn a_limit_that_was_not_full_is_not_named() {
        let name = |usage: u64, limit, version| {
            oom_limit(cgroup(usage << 20, limit), version, Page::KIB_4).map(|limit| limit.kind)
        };
        let full = Some(64 << 20);
        assert_eq!(name(64, full, Version::V2), Some(LimitKind::MemoryMax));
        assert_eq!(name(63, full, Version::V1), Some(LimitKind::MemoryLimit));
        // memory.memsw.limit_in_bytes was.
        assert_eq!(name(30, full, Version::V1), None);
        assert_eq!(name(30, None, Version::V2), None);
    }
}
