//! Verdicts that rest on what was read in user space just after the failure.

use forktrace_common::clone;

use super::{
    judge,
    tests::{cgroup, roomy, verdict},
};
use crate::{
    cause::Cause,
    evidence::{
        CgroupLimit, Evidence, HugePages, HugePool, OpenFiles, OtherErrnos, OvercommitMode,
        SchedExt, Stage,
    },
    model::{Certainty, Errno, LimitKind, Operation, Owner, Unit},
};

/// Nothing is full, nothing is wrong with the call.
pub(super) fn no_other_errno() -> OtherErrnos {
    OtherErrnos {
        user_full: None,
        other_full: None,
        others_full: 0,
        user_ns_level: 0,
        own_sys_admin: false,
        init: false,
        other_pid_ns: false,
        other_time_ns: false,
        nofile: Some(1024),
        nr_open: Some(1 << 20),
        open_files: None,
        chrooted: false,
        fd_slots: 64,
        set_tid_size: 0,
        set_tid: Vec::new(),
        userns_clone_off: false,
    }
}

fn with_flags(errno: Errno, stage: Stage, flags: u64) -> Evidence {
    let mut e = roomy(errno, stage);
    e.clone_flags = flags;
    e.shares_vm = flags & clone::VM != 0;
    e.other_errnos = Some(no_other_errno());
    e
}

fn scheduler(name: Option<&str>) -> Option<SchedExt> {
    Some(SchedExt {
        enabled: true,
        name: name.map(str::to_owned),
    })
}

fn named(e: &Evidence) -> (Cause, Certainty) {
    let (cause, certainty, _) = verdict(e);
    (cause, certainty)
}

const UNKNOWN: (Cause, Certainty) = (Cause::Unknown, Certainty::Unknown);

#[test]
fn after_the_cgroups_eagain_is_the_schedulers() {
    let mut e = roomy(Errno::EAGAIN, Stage::AfterCgroups);
    // It may be gone again by the time that its name is read.
    for known in [None, Some(SchedExt::default()), scheduler(None)] {
        e.sched_ext = known;
        assert_eq!(
            verdict(&e),
            (Cause::SchedExt, Certainty::Observed, None),
            "{:?}",
            e.sched_ext
        );
    }
    e.sched_ext = scheduler(Some("simple"));
    assert_eq!(
        verdict(&e),
        (
            Cause::SchedExt,
            Certainty::Observed,
            Some("scheduler simple".to_owned())
        )
    );
    // At no other stage, whatever is loaded.
    for stage in [
        Stage::Unseen,
        Stage::Early,
        Stage::SecurityToFs,
        Stage::SighandToNamespaces,
    ] {
        e.stage = stage;
        assert_eq!(named(&e), UNKNOWN, "{stage:?}");
    }
}

#[test]
fn after_the_cgroups_enomem_has_other_reasons_too() {
    let mut e = roomy(Errno::ENOMEM, Stage::AfterCgroups);
    assert_eq!(named(&e), UNKNOWN);
    e.sched_ext = Some(SchedExt::default());
    assert_eq!(named(&e), UNKNOWN);
    e.sched_ext = scheduler(Some("simple"));
    assert_eq!(named(&e), (Cause::SchedExt, Certainty::Inferred));
    let mut dead = e.clone();
    dead.pid_ns[0].dead = true;
    assert_eq!(named(&dead), (Cause::PidNamespaceDead, Certainty::Observed));
    // It may be the refusal of its first child that has left it without an init.
    dead.pid_ns[0].allocated = 0;
    assert_eq!(named(&dead), (Cause::SchedExt, Certainty::Inferred));
    dead.sched_ext = Some(SchedExt::default());
    assert_eq!(named(&dead), UNKNOWN);
    dead.sched_ext = None;
    assert_eq!(named(&dead), (Cause::PidNamespaceDead, Certainty::Inferred));
    // The futex hash (6.16+) is charged to a memory cgroup.
    let mut full = e.clone();
    full.memory_refused = Some(cgroup("/m", 1 << 20, Some(1 << 20)));
    assert_eq!(named(&full), (Cause::CgroupMemoryMax, Certainty::Observed));
    e.dying = true;
    assert_ne!(named(&e).0, Cause::SchedExt);
}

#[test]
fn after_the_cgroups_other_errnos_are_the_schedulers_but_for_two() {
    let mut e = with_flags(Errno::EPERM, Stage::AfterCgroups, 0);
    for errno in [Errno::EPERM, Errno::ENOSPC, Errno::EBUSY, Errno::EACCES] {
        e.errno = errno;
        assert_eq!(named(&e), (Cause::SchedExt, Certainty::Observed));
    }
    // The futex hash's, where the address space is shared.
    let mut e = with_flags(Errno::EBUSY, Stage::AfterCgroups, clone::VM);
    assert_eq!(named(&e), UNKNOWN);
    e.sched_ext = scheduler(None);
    assert_eq!(named(&e), (Cause::SchedExt, Certainty::Inferred));
    // A signal's.
    e.errno = Errno::EINTR;
    assert_eq!(named(&e), UNKNOWN);
}

const USED_UP: HugePool = HugePool {
    page: 2 << 20,
    total: 32,
    free: 0,
    reserved: 0,
    surplus: 0,
    surplus_max: 0,
};

fn pinned(pools: &[HugePool]) -> Evidence {
    let mut e = roomy(Errno::ENOMEM, Stage::SighandToNamespaces);
    e.huge_pages = Some(HugePages {
        mapped: 64 << 20,
        pools: pools.to_vec(),
    });
    e
}

/// A refusal that nobody would have seen, or that leaves no sign, is no reason to blame what is full beside it.
#[test]
fn what_can_have_refused_unseen_is_a_doubt() {
    let full = |oom_kill_disable| CgroupLimit {
        oom_kill_disable,
        ..cgroup("/m", 1 << 20, Some(1 << 20))
    };
    // /proc/kallsyms hides where copy_process lies.
    let mut e = pinned(&[USED_UP]);
    e.signs.memory_watched = false;
    assert_eq!(judge(&e).cause, Cause::Unknown);
    let commit = |e: &mut Evidence| {
        if let Some(o) = &mut e.overcommit {
            o.mode = OvercommitMode::Never;
            o.committed = 4 << 30;
        }
    };
    let mut e = roomy(Errno::ENOMEM, Stage::SighandToNamespaces);
    commit(&mut e);
    e.signs.memory_watched = false;
    assert_eq!(judge(&e).cause, Cause::Overcommit);
    e.memory = vec![full(false)];
    assert_eq!(judge(&e).cause, Cause::Unknown);
    // v1 without an OOM killer: page cache fills the cgroup as well.
    let mut e = pinned(&[USED_UP]);
    e.memory = vec![full(true)];
    assert_eq!(judge(&e).cause, Cause::Unknown);
    let mut e = roomy(Errno::ENOMEM, Stage::SecurityToFs);
    e.memory = vec![full(true)];
    assert_eq!(judge(&e).cause, Cause::CgroupMemoryMax);
    e.kernel_memory_near = Some(cgroup("/k", 90, Some(100)));
    assert_eq!(judge(&e).cause, Cause::Unknown);
    e.memory.clear();
    assert_eq!(judge(&e).cause, Cause::CgroupKernelMemoryMax);
}

#[test]
fn a_pinned_huge_page_finds_none_free() {
    let v = judge(&pinned(&[USED_UP]));
    assert_eq!(
        (v.cause, v.certainty),
        (Cause::Hugetlb, Certainty::Inferred)
    );
    let limit = v.limit.unwrap();
    assert_eq!(limit.kind, LimitKind::HugePages);
    assert_eq!((limit.usage, limit.value), (Some(32), Some(32)));
    assert_eq!((limit.owner, limit.unit), (Owner::Host, Unit::HugePages));
    // Which size it was, two that are used up don't show.
    let other = HugePool {
        page: 1 << 30,
        ..USED_UP
    };
    let v = judge(&pinned(&[USED_UP, other]));
    assert_eq!((v.cause, v.limit), (Cause::Hugetlb, None));
    let free = HugePool { free: 1, ..USED_UP };
    assert_eq!(named(&pinned(&[free])), UNKNOWN);
    assert_eq!(named(&pinned(&[free, other])).0, Cause::Hugetlb);
}

#[test]
fn huge_pages_explain_nothing_that_others_do() {
    let mut e = pinned(&[USED_UP]);
    e.shares_vm = true;
    assert_eq!(named(&e), UNKNOWN);
    let mut e = pinned(&[USED_UP]);
    e.memory_refused = Some(cgroup("/m", 1 << 20, Some(1 << 20)));
    assert_eq!(named(&e).0, Cause::CgroupMemoryMax);
    let mut e = pinned(&[USED_UP]);
    if let Some(o) = &mut e.overcommit {
        o.mode = OvercommitMode::Never;
        o.committed = o.commit_limit;
    }
    assert_eq!(named(&e).0, Cause::Overcommit);
    for stage in [Stage::Unseen, Stage::Early, Stage::IoToPid] {
        let mut e = pinned(&[USED_UP]);
        e.stage = stage;
        assert_eq!(named(&e), UNKNOWN, "{stage:?}");
    }
    let mut e = pinned(&[USED_UP]);
    e.huge_pages = None;
    assert_eq!(named(&e), UNKNOWN);
}

#[test]
fn enfile_of_a_pidfd_is_file_max() {
    let mut e = with_flags(Errno::ENFILE, Stage::IoToPid, clone::PIDFD);
    assert_eq!(
        verdict(&e),
        (Cause::FileMax, Certainty::Observed, None),
        "without /proc"
    );
    let files = |now| Some(OpenFiles { now, max: 500 });
    let limit = |e: &Evidence| judge(e).limit.map(|l| (l.usage, l.value));
    for (now, full) in [(500, true), (612, true), (499, false)] {
        e.other_errnos.as_mut().unwrap().open_files = files(now);
        e.stage = Stage::IoToPid;
        assert_eq!(named(&e), (Cause::FileMax, Certainty::Observed));
        // Fewer than the limit refuse nobody.
        assert_eq!(limit(&e), full.then_some((Some(now), Some(500))));
        e.stage = Stage::Unseen;
        let wanted = match full {
            true => (Cause::FileMax, Certainty::Inferred),
            false => UNKNOWN,
        };
        assert_eq!(named(&e), wanted);
    }
    e.other_errnos.as_mut().unwrap().open_files = files(500);
    e.stage = Stage::SighandToNamespaces;
    assert_eq!(named(&e), UNKNOWN);
    e.stage = Stage::IoToPid;
    e.clone_flags = 0;
    assert_eq!(named(&e), UNKNOWN);
}

#[test]
fn eperm_of_a_user_namespace_has_an_order() {
    let mut e = with_flags(Errno::EPERM, Stage::Early, clone::NEWUSER);
    assert_eq!(named(&e), UNKNOWN);
    e.other_errnos.as_mut().unwrap().chrooted = true;
    assert_eq!(named(&e), (Cause::Chroot, Certainty::Inferred));
    // Debian's switch is asked first.
    e.other_errnos.as_mut().unwrap().userns_clone_off = true;
    assert_eq!(named(&e).0, Cause::UnprivilegedUserns);
    // In a chroot every other namespace is a question of the capability.
    let mut e = with_flags(Errno::EPERM, Stage::SighandToNamespaces, clone::NEWUTS);
    e.other_errnos.as_mut().unwrap().chrooted = true;
    assert_eq!(named(&e).0, Cause::CapSysAdmin);
    let mut e = with_flags(Errno::EPERM, Stage::Early, 0);
    e.other_errnos.as_mut().unwrap().chrooted = true;
    assert_eq!(named(&e), UNKNOWN);
}

#[test]
fn flags_of_7_1() {
    const AUTOKILL: u64 = clone::PIDFD_AUTOKILL | clone::PIDFD | clone::AUTOREAP;
    let early = |errno, flags| named(&with_flags(errno, Stage::Early, flags));
    for flags in [
        clone::AUTOREAP | clone::PARENT,
        clone::PIDFD_AUTOKILL | clone::AUTOREAP,
        clone::PIDFD_AUTOKILL | clone::PIDFD,
        clone::NEWNS | clone::EMPTY_MNTNS | clone::FS,
        clone::NNP | clone::THREAD | clone::SIGHAND | clone::VM,
    ] {
        let wanted = (Cause::CloneFlags, Certainty::Observed);
        assert_eq!(early(Errno::EINVAL, flags), wanted, "{flags:#x}");
    }
    // An exit signal, which isn't known; a caller that is reaped by itself.
    for flags in [clone::AUTOREAP, AUTOKILL, clone::PARENT] {
        let wanted = (Cause::CloneFlags, Certainty::Inferred);
        assert_eq!(early(Errno::EINVAL, flags), wanted, "{flags:#x}");
    }
    assert_eq!(early(Errno::EINVAL, clone::NNP), UNKNOWN);
    let wanted = (Cause::CloneFlags, Certainty::Observed);
    assert_eq!(early(Errno::EPERM, AUTOKILL), wanted);
    assert_eq!(early(Errno::EPERM, AUTOKILL | clone::NNP), UNKNOWN);
    let mut e = with_flags(Errno::EPERM, Stage::Early, AUTOKILL | clone::NEWUSER);
    e.other_errnos.as_mut().unwrap().userns_clone_off = true;
    assert_eq!(named(&e).0, Cause::UnprivilegedUserns);
    let mut e = with_flags(Errno::EPERM, Stage::Early, AUTOKILL);
    e.other_errnos.as_mut().unwrap().own_sys_admin = true;
    assert_eq!(named(&e), UNKNOWN);
    // Ids that can't be given are refused after all of these.
    let mut e = with_flags(Errno::EINVAL, Stage::Unseen, clone::PARENT);
    let c = e.other_errnos.as_mut().unwrap();
    (c.set_tid_size, c.set_tid) = (1, vec![-1]);
    assert_eq!(named(&e).0, Cause::SetTidInvalid);
}

#[test]
fn a_helpers_flags_are_no_security_module() {
    let mut e = with_flags(Errno::EINVAL, Stage::SecurityToFs, clone::FS);
    assert_eq!(named(&e).0, Cause::Lsm);
    e.operation = Operation::KernelThread;
    assert_eq!(named(&e), UNKNOWN);
}
