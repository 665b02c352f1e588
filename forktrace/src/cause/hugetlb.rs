//! A private huge page is pinned, so that fork has to copy it at once, and no
//! huge page is free: ENOMEM.
//!
//! mm/hugetlb.c `copy_hugetlb_page_range`, called by kernel/fork.c (7.x:
//! mm/mmap.c) `dup_mmap`, 5.12+. Which pages are pinned no file says; so this
//! is concluded, and only where neither overcommit nor a memory cgroup is the
//! one, both of which come first in the catalogue.

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        page::{Page, check, myth, remedy, step},
        words::fix,
    },
    evidence::{Evidence, HugePool, Stage},
    model::{Errno, Fix, Limit, LimitKind, Owner, Unit, bytes},
};

pub(super) const ENTRY: Entry = Entry {
    seen,
    // A host whose huge pages are all in use is the rule where there are any.
    exhausted: |_| None,
    fix: fixes,
    summary,
    limits: &[LimitKind::HugePages],
    ..Entry::of_creations(&PAGE)
};

fn seen(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::ENOMEM
        || e.stage != Stage::SighandToNamespaces
        || e.shares_vm
        || e.dying
        || e.memory_refused.is_some()
        || !e.signs.memory_watched
        || e.memory_may_be_stuck()
    {
        return None;
    }
    let pages = e.huge_pages.as_ref().filter(|pages| pages.mapped > 0)?;
    if !pages.pools.iter().any(HugePool::used_up) {
        return None;
    }
    Finding::inferred(pages.used_up().map(limit))
}

fn limit(pool: &HugePool) -> Limit {
    Limit {
        value: Some(pool.total),
        usage: Some(pool.taken()),
        file: Some(format!(
            "/sys/kernel/mm/hugepages/hugepages-{}kB/nr_hugepages",
            pool.page / 1024
        )),
        ..Limit::new(LimitKind::HugePages, Owner::Host, Unit::HugePages)
    }
}

/// Bytes of a page, out of the file's name.
fn page_size(limit: &Limit) -> Option<String> {
    let (_, rest) = limit.file.as_ref()?.split_once("hugepages-")?;
    let kib: u64 = rest.split_once("kB")?.0.parse().ok()?;
    Some(bytes(kib * 1024))
}

fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    let none_free = match &v.limit {
        Some(limit) => format!(
            "none of the host's {} pages{} is free",
            limit.value.unwrap_or(0),
            page_size(limit).map_or(String::new(), |size| format!(" of {size}"))
        ),
        None => "no huge page is free".to_owned(),
    };
    format!(
        "{}it has private huge pages, a pinned one of which would have to be copied at once, and {none_free}",
        subject.opening()
    )
}

fn fixes(v: &Verdict, _: &Subject<'_>, _: &Context) -> Vec<Fix> {
    // Pages are large: twice what was asked for beyond those there are.
    let more = |limit: &Limit| {
        let there = limit.value?.max(limit.usage.unwrap_or(0));
        let wanted = limit.requested.unwrap_or(1).max(1).saturating_mul(2);
        let file = limit.file.as_ref()?;
        Some(format!("echo {} > {file}", there.saturating_add(wanted)))
    };
    vec![fix(
        v.limit.as_ref().and_then(more),
        "/etc/sysctl.d/: vm.nr_hugepages with some to spare, or exclude the mapping from forks with madvise(MADV_DONTFORK)"
            .to_owned(),
        "one free page for each pinned one that is copied; programs started by vfork or posix_spawn copy none"
            .to_owned(),
    )]
}

const PAGE: Page = Page {
    cause: Cause::Hugetlb,
    known_as: &[
        "nr_hugepages",
        "HugeTLB",
        "vm.nr_hugepages",
        "HugePages_Free",
    ],
    errno: &["ENOMEM"],
    errno_note: None,
    scope: "the host",
    summary: "a pinned private huge page has to be copied, and none is free",
    about: &[
        "fork shares private pages with the child until one of the two writes. A page that is \
         pinned, because a device or io_uring works on it, can't be shared so, and is copied by \
         fork itself. When it is one of hugetlbfs (MAP_HUGETLB), the copy needs another huge page, \
         and where none is free fork answers ENOMEM. Free memory of other kinds doesn't help.",
        "Who pins pages: registered buffers of io_uring, RDMA, and virtual machines with devices \
         passed through (vfio). Which pages are pinned can't be seen from outside, so the verdict \
         is inferred: the copy of the address space was refused, overcommit and the memory cgroup \
         refused nothing, the caller has private huge pages, and none is free.",
    ],
    checks: &[check(
        "mm/hugetlb.c",
        "copy_hugetlb_page_range",
        "5.12 to 7.3",
        "For each pinned page of a private mapping: no free page in the pool that isn't promised \
         to others, and none to be had beyond nr_hugepages.",
    )],
    exempt: "Nobody, not even root; vfork, posix_spawn and threads copy nothing.",
    confirm: &[
        step(
            "The caller has huge pages; of these, a private mapping shows as `anon_hugepage` here.",
            &[
                "grep HugetlbPages /proc/$PID/status",
                "grep -E ' ..-p .*hugepage' /proc/$PID/maps",
            ],
        ),
        step(
            "HugePages_Free less HugePages_Rsvd is 0.",
            &["grep HugePages_ /proc/meminfo"],
        ),
    ],
    fix_now: &[step(
        "Add pages to the pool; the kernel gives as many as it finds room for.",
        &["sysctl -w vm.nr_hugepages=$N", "sysctl vm.nr_hugepages"],
    )],
    fix_for_good: &[
        remedy(
            "sysctl.d",
            "Some more than the programs use, as many as are pinned.",
        )
        .lines(&["vm.nr_hugepages = $N"]),
        remedy(
            "program",
            "`madvise` with MADV_DONTFORK on what is pinned, as libraries for RDMA do; or start \
             programs with posix_spawn.",
        ),
    ],
    folklore: &[myth(
        "Since fork copies nothing but page tables, huge pages cost it nothing.",
        "Pinned ones are copied, each as a whole.",
    )],
    related: &[
        Cause::Overcommit,
        Cause::CgroupMemoryMax,
        Cause::KernelMemory,
    ],
};
