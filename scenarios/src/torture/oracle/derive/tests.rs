//! Made-up events.

use super::*;
use crate::torture::oracle::line::parse;

/// Plays events `NAME VALUES…` of one task.
fn play(events: &[&str], has_overlimit: bool) -> Option<Refusal> {
    let mut story = Story::default();
    for (n, event) in events.iter().enumerate() {
        let (name, values) = event.split_once(' ').unwrap_or((event, ""));
        let line = format!(" x-5 [000] ..... 1.{n:06}: {name}: (f+0x0/0x1) {values}");
        if let Seen::Refused(refusal) = story.take(&parse(&line).unwrap(), has_overlimit) {
            return Some(*refusal);
        }
    }
    None
}

fn cause(events: &[&str]) -> Option<&'static str> {
    play(events, true).expect("a refusal").cause
}

#[test]
fn the_users_limit_and_the_hosts() {
    let over = |capable: &[&str]| {
        let mut events = vec!["begin", "creds ret=0", "over ret=1"];
        events.extend(capable);
        events.push("end ret=-11");
        cause(&events)
    };
    assert_eq!(
        over(&["capable ret=0", "capable ret=0"]),
        Some("rlimit_nproc")
    );
    assert_eq!(
        over(&["capable ret=0", "capable ret=1"]),
        Some("threads_max")
    );
    assert_eq!(over(&[]), Some("threads_max"));
    let events = ["begin", "creds ret=0", "over ret=0", "end ret=-11"];
    assert_eq!(cause(&events), Some("threads_max"));
    // Before the check: not known.
    assert_eq!(cause(&["begin", "creds ret=-11", "end ret=-11"]), None);
}

#[test]
fn before_5_14_copy_creds_names_the_check() {
    let asked = ["begin", "capable ret=0", "capable ret=0", "end ret=-11"];
    assert_eq!(play(&asked, false).unwrap().cause, Some("rlimit_nproc"));
    let past = ["begin", "creds ret=0", "end ret=-11"];
    assert_eq!(play(&past, false).unwrap().cause, Some("threads_max"));
}

#[test]
fn the_level_of_the_user_namespaces() {
    let nproc =
        "over_in lim=40 c0=7 u0=1000 m0=5 n0=11 c1=6 u1=1000 m1=18446744073709551615 n1=4026531837";
    let events = [
        "begin",
        "creds ret=0",
        nproc,
        "over ret=1",
        "capable ret=0",
        "capable ret=0",
        "end ret=-11",
    ];
    let refusal = play(&events, true).unwrap();
    assert_eq!(refusal.owner, Some(Owner::UserNamespace(11)));
    assert_eq!((refusal.value, refusal.usage), (Some(5), Some(5)));
}

#[test]
fn the_bound_of_a_namespace_to_be_is_the_callers() {
    let nproc = "over_in lim=2 c0=1 u0=1000 m0=2 n0=11 c1=3 u1=1001 m1=9 n1=4026531837";
    let owner = |begin| {
        let events = [
            begin,
            "creds ret=0",
            nproc,
            "over ret=1",
            "capable ret=0",
            "capable ret=0",
            "end ret=-11",
        ];
        play(&events, true).unwrap().owner
    };
    assert_eq!(owner("begin flags=268435473"), Some(Owner::Uid(1001)));
    assert_eq!(owner("begin flags=17"), Some(Owner::UserNamespace(11)));
}

#[test]
fn the_cgroup_that_is_full() {
    let passed = [
        "begin",
        "creds ret=0",
        "over ret=0",
        "sched ret=0",
        "lsm ret=0",
        "pid_in a0=2147483700 i0=1 l0=0 m0=4194304",
        "pid ret=-66958511127213568",
        "refuser id=1 c=1 m=1",
        "pids_in",
        "refuser id=77 c=10 m=10",
        "refuser id=5 c=4 m=4",
        "pids ret=-11",
        "can ret=-11",
        "end ret=-11",
    ];
    let refusal = play(&passed, true).unwrap();
    assert_eq!(refusal.cause, Some("cgroup_pids_max"));
    assert_eq!(refusal.owner, Some(Owner::Cgroup(77)));
    assert_eq!((refusal.value, refusal.usage), (Some(10), Some(10)));
}

#[test]
fn ids_of_namespaces() {
    let with = |levels: &str, errno: i32| {
        let (levels, end) = (format!("pid_in {levels}"), format!("end ret={errno}"));
        let pid = format!("pid ret={errno}");
        play(
            &[
                "begin",
                "creds ret=0",
                "over ret=0",
                "sched ret=0",
                "lsm ret=0",
                &levels,
                &pid,
                &end,
            ],
            true,
        )
        .unwrap()
    };
    let live = |used: u64| used | ADDING;
    let one = with(
        &format!(
            "a0={} i0=9 l0=1 m0=320 a1={} i1=1 l1=0 m1=4194304",
            live(20),
            live(90)
        ),
        -11,
    );
    assert_eq!(
        (one.cause, one.owner),
        (Some("pid_max"), Some(Owner::PidNamespace(9)))
    );
    let both = with(
        &format!(
            "a0={} i0=9 l0=1 m0=320 a1={} i1=1 l1=0 m1=320",
            live(20),
            live(90)
        ),
        -11,
    );
    assert_eq!((both.cause, both.owner), (Some("pid_max"), None));
    let dead = with(
        &format!("a0=0 i0=9 l0=1 m0=320 a1={} i1=1 l1=0 m1=4194304", live(90)),
        -12,
    );
    assert_eq!(
        (dead.cause, dead.owner),
        (Some("pid_namespace_dead"), Some(Owner::PidNamespace(9)))
    );
}

#[test]
fn memory_that_was_found_later_is_no_matter() {
    let begin = [
        "begin",
        "creds ret=0",
        "over ret=0",
        "oom_in id=3 m=100",
        "oom ret=0",
    ];
    let mut at_once = begin.to_vec();
    at_once.push("end ret=-12");
    let refusal = play(&at_once, true).unwrap();
    assert_eq!(refusal.cause, Some("cgroup_memory_max"));
    assert_eq!(
        (refusal.owner, refusal.value),
        (Some(Owner::Cgroup(3)), Some(409_600))
    );
    let mut later = begin.to_vec();
    later.extend(["sched ret=0", "lsm ret=0", "end ret=-12"]);
    assert_eq!(cause(&later), None);
}

#[test]
fn what_is_asked_elsewhere_is_not_part_of_it() {
    let events = [
        "vm ret=-12",
        "oom_in id=3",
        "oom ret=0",
        "begin",
        "creds ret=0",
        "over ret=0",
        "sched ret=0",
        "lsm ret=0",
        "end ret=-12",
    ];
    assert_eq!(cause(&events), None);
    let killed = ["begin", "lsm ret=0", "mmap ret=-4", "end ret=-12"];
    assert!(play(&killed, true).is_none());
}
