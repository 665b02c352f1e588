//! The causes that the catalogue of programs lists as likely, held against the causes' pages.

use std::collections::BTreeSet;

use forktrace::{
    cause::pages,
    model::{Cause, Errno, Operation},
    program::likely,
};

const STACKS: [&str; 4] = ["rlimit_as", "rlimit_data", "max_map_count", "rlimit_stack"];

#[test]
fn every_cause_of_an_errno_is_likely_in_some_measure() {
    for errno in [Errno::EAGAIN, Errno::ENOMEM] {
        let listed: BTreeSet<Cause> = [
            Operation::Process,
            Operation::Thread,
            Operation::Vfork,
            Operation::ThreadStack,
        ]
        .into_iter()
        .flat_map(|operation| likely(&[errno], operation))
        .collect();
        for page in pages().filter(|page| !page.cause.is_unknown()) {
            let name = errno.name();
            let answers = page.errno.iter().any(|one| *one == name || *one == "any");
            assert_eq!(listed.contains(&page.cause), answers, "{}", page.cause.id());
        }
    }
}

#[test]
fn a_stack_is_a_threads_alone() {
    let of = |operation| likely(&[Errno::EAGAIN, Errno::ENOMEM], operation);
    let is_stacks = |cause: &Cause| STACKS.contains(&cause.id());
    assert!(!of(Operation::Process).iter().any(is_stacks));
    assert!(of(Operation::Thread).iter().any(is_stacks));
    // A thread has nothing copied.
    assert!(
        !of(Operation::Vfork)
            .iter()
            .any(|cause| cause.id() == "hugetlb")
    );
    // A thread asks for no namespace, whose rules answer a process so.
    let eperm = likely(&[Errno::EPERM], Operation::Thread);
    let ids: Vec<&str> = eperm.iter().map(|cause| cause.id()).collect();
    assert_eq!(ids, ["seccomp", "lsm"]);
    let process = of(Operation::Process);
    assert_eq!(process[0].id(), "cgroup_pids_max");
    let once: BTreeSet<&Cause> = process.iter().collect();
    assert_eq!(once.len(), process.len());
}

/// Where either errno may have been the answer, the usual causes of both come before the rare ones of one.
#[test]
fn the_rare_ones_of_each_are_last() {
    let thread = likely(&[Errno::EAGAIN, Errno::ENOMEM], Operation::Thread);
    let at = |id: &str| thread.iter().position(|cause| cause.id() == id).unwrap();
    assert!(at("cgroup_pids_max") < at("rlimit_as"));
    assert!(at("rlimit_as") < at("sched_deadline") && at("overcommit") < at("seccomp"));
}
