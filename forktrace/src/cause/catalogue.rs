//! Every cause, in the order of the kernel's checks.

use super::{
    Cause, Entry, Page,
    entry::{AboutMemory, Of},
};
use super::{
    cap_checkpoint_restore, cap_sys_admin, cgroup_kernel_memory_max, cgroup_memory_max,
    cgroup_pids_max, chroot, clone_flags, clone_into_cgroup, exec_in_progress, fatal_signal,
    file_max, hugetlb, kernel_memory, lsm, max_map_count, max_namespaces, nr_open, overcommit,
    pid_max, pid_namespace_dead, pid_namespace_level, rlimit_as, rlimit_data, rlimit_memlock,
    rlimit_nofile, rlimit_nproc, rlimit_stack, sched_deadline, sched_ext, seccomp, set_tid_in_use,
    set_tid_invalid, threads_max, unknown, unprivileged_userns, user_namespace_level,
};
use crate::model::{Errno, LimitKind};

/// Every cause: first those of creations in the order of the kernel's checks (kernel/fork.c
/// `copy_process`); then those of a thread's stack alone, whose order differs between mmap and
/// mprotect and is [`crate::evidence::ThreadStack::refused_by`]'s; then what no verdict concludes.
static CATALOGUE: &[Entry] = &[
    fatal_signal::ENTRY,
    seccomp::ENTRY,
    clone_flags::ENTRY,
    unprivileged_userns::ENTRY,
    user_namespace_level::ENTRY,
    chroot::ENTRY,
    rlimit_nproc::ENTRY,
    threads_max::ENTRY,
    sched_deadline::ENTRY,
    nr_open::ENTRY,
    lsm::ENTRY,
    exec_in_progress::ENTRY,
    cgroup_memory_max::ENTRY,
    cgroup_kernel_memory_max::ENTRY,
    overcommit::ENTRY,
    hugetlb::ENTRY,
    cap_sys_admin::ENTRY,
    pid_namespace_level::ENTRY,
    max_namespaces::ENTRY,
    set_tid_invalid::ENTRY,
    cap_checkpoint_restore::ENTRY,
    set_tid_in_use::ENTRY,
    pid_max::ENTRY,
    pid_namespace_dead::ENTRY,
    rlimit_nofile::ENTRY,
    file_max::ENTRY,
    clone_into_cgroup::ENTRY,
    cgroup_pids_max::ENTRY,
    sched_ext::ENTRY,
    max_map_count::ENTRY,
    rlimit_memlock::ENTRY,
    rlimit_as::ENTRY,
    rlimit_data::ENTRY,
    kernel_memory::ENTRY,
    rlimit_stack::ENTRY,
    unknown::ENTRY,
];

/// The entries that a verdict on a creation is found by, or on a thread's stack, in their order.
pub(super) fn entries(of_stacks: bool) -> impl Iterator<Item = &'static Entry> {
    CATALOGUE.iter().filter(move |entry| match entry.of {
        Of::Creations => !of_stacks,
        Of::Stacks => of_stacks,
        Of::CreationsAndStacks => true,
        Of::Rest | Of::Nothing => false,
    })
}

/// The page of every cause, in the order of [`Cause::ALL`].
pub fn pages() -> impl Iterator<Item = &'static Page> {
    Cause::ALL.iter().map(|cause| cause.page())
}

/// What the catalogue says of a cause.
impl Cause {
    /// Its entry.
    ///
    /// # Panics
    ///
    /// Never: a test sees to it that every cause has one.
    pub(super) fn entry(self) -> &'static Entry {
        CATALOGUE
            .iter()
            .find(|entry| entry.cause() == self)
            .expect("every cause has an entry")
    }

    /// Its place in the order of the kernel's checks.
    pub(super) fn check(self) -> usize {
        let place = CATALOGUE.iter().position(|entry| entry.cause() == self);
        place.unwrap_or(CATALOGUE.len())
    }

    /// What `forktrace explain` prints of it.
    pub fn page(self) -> &'static Page {
        self.entry().page
    }

    /// The cause that a refusal by this limit has; `unknown` for a limit that none has.
    pub fn of_limit(kind: &LimitKind) -> Self {
        CATALOGUE
            .iter()
            .find(|entry| entry.limits.contains(kind))
            .map_or(Self::Unknown, Entry::cause)
    }

    /// Whether a verdict names it under `--thread-stacks` only.
    pub fn only_of_thread_stacks(self) -> bool {
        self.entry().of == Of::Stacks
    }

    /// Whether the caller was being killed: it never sees the errno, and only `--errno all` reports
    /// it.
    pub fn caller_killed(self) -> bool {
        self.entry().caller_killed
    }

    /// Whether a way out is turned in the caller, whatever the limits.
    pub fn is_turned_in_caller(self) -> bool {
        self.entry().turned_in_caller
    }

    /// Whether it is for want of memory that others could have left.
    pub fn is_about_memory(self) -> bool {
        self.entry().memory == AboutMemory::Always
    }

    /// Whether the host's memory matters to a refusal with this errno: where ENOMEM's reason isn't
    /// known, memory may be what it was.
    pub fn memory_matters(self, errno: Errno) -> bool {
        match self.entry().memory {
            AboutMemory::Never => false,
            AboutMemory::WithEnomem => errno == Errno::ENOMEM,
            AboutMemory::Always => true,
        }
    }

    /// The causes that a verdict can name: those of the catalogue, in the order
    /// of the kernel's checks, and `unknown`.
    pub fn judged() -> impl Iterator<Item = Self> {
        let judged = CATALOGUE.iter().filter(|entry| entry.of != Of::Nothing);
        judged.map(Entry::cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_one_entry() {
        assert_eq!(CATALOGUE.len(), Cause::ALL.len());
        for cause in Cause::ALL {
            assert_eq!(cause.page().cause, *cause);
        }
        let rest = CATALOGUE.iter().filter(|entry| entry.of == Of::Rest);
        assert_eq!(rest.map(Entry::cause).collect::<Vec<_>>(), [Cause::Unknown]);
    }

    #[test]
    fn every_limit_is_one_cause_s() {
        for kind in LimitKind::ALL {
            let causes = CATALOGUE.iter().filter(|e| e.limits.contains(kind));
            assert_eq!(causes.count(), 1, "{kind}");
        }
        let other = LimitKind::from("the limit of a newer version");
        assert_eq!(Cause::of_limit(&other), Cause::Unknown);
    }

    #[test]
    fn memory_matters_where_it_may_be_what_was_short() {
        let matters = |cause: Cause, errno| cause.memory_matters(errno);
        assert!(matters(Cause::Overcommit, Errno::ENOMEM));
        assert!(matters(Cause::CgroupKernelMemoryMax, Errno::ENOMEM));
        assert!(matters(Cause::Unknown, Errno::ENOMEM));
        assert!(!matters(Cause::Unknown, Errno::EAGAIN));
        assert!(!matters(Cause::PidNamespaceDead, Errno::ENOMEM));
        assert!(!matters(Cause::CgroupPidsMax, Errno::EAGAIN));
        let about: Vec<_> = Cause::ALL.iter().filter(|c| c.is_about_memory()).collect();
        assert_eq!(about.len(), 4, "{about:?}");
    }
}
