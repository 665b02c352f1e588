//! Storms: counted exactly whatever the number of keys, and a rare refusal is recorded all the same.

use std::collections::VecDeque;
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Result, anyhow, ensure};
use forktrace::cause::Cause;
use forktrace::provoke::{
    create,
    seccomp::{self, Action},
    sys,
};
use forktrace::record::{Alike, Record, Summary};
use forktrace_common::count::detail;
use jiff::Timestamp;

use super::{Behaviour, provoke, record, refused_user, started};
use crate::actor::Actor;
use crate::held::Held;
use crate::machine::{self, without_preemption};
use crate::runner::{Tests, Where};
use crate::scenario::skip;
use crate::storm::{Keys, Storm};
use crate::tracer::{NotStarted, Tracer};

pub(super) const ON_EACH_KERNEL: &[Behaviour] = &[
    Behaviour {
        name: "storm_of_processes",
        run: processes,
    },
    Behaviour {
        name: "storm_of_users",
        run: users,
    },
    Behaviour {
        name: "storm_before_and_after_auto",
        run: |tests| around(tests, "auto"),
    },
    Behaviour {
        name: "storm_before_and_after_kprobe",
        run: |tests| around(tests, "kprobe"),
    },
    Behaviour {
        name: "storm_before_and_after_tracepoint",
        run: |tests| around(tests, "tracepoint"),
    },
    Behaviour {
        name: "under_way_before_tracepoint",
        run: under_way,
    },
];

const COMM: &str = "storm-many";
/// Refusals of the rare kind, each by a process of its own.
const RARE: u32 = 4;

/// More processes than a second's detail has room for, and meanwhile a few of another user.
fn processes(tests: &Tests) -> Result<()> {
    const PART: u32 = detail::GROUP as u32 + 16;
    let mut rare = (0..RARE)
        .map(|n| refused_user(COMM, tests.place.uid(150 + n), 1))
        .collect::<Result<Vec<_>>>()?;
    let tree = tests.place.cgroups.tree("storm-p")?;
    let mut storm = Storm::new(COMM, Keys::Processes, PART, tree)?;
    let mut tracer = record(tests, &["--comm", COMM])?;
    let mut refused = 0;
    for rare in &mut rare {
        storm.begin()?;
        // In the middle of the others.
        machine::await_some(Duration::from_millis(100), || None::<()>);
        provoke(rare)?;
        refused += storm.end()?;
    }
    let summary = tracer.end()?;
    exact(
        &tracer,
        &summary,
        "cgroup_pids_max",
        refused,
        u64::from(RARE),
    )?;
    let recorded = |pid: i32| {
        let own =
            |record: &&Record| matches!(record, Record::Failure(f) if f.caller.pid == pid as u32);
        records(&tracer).filter(own).count()
    };
    for rare in &rare {
        let pid = rare.actor.pid();
        ensure!(
            recorded(pid) == 1,
            "{} failures of the rare {pid} are recorded",
            recorded(pid)
        );
    }
    let times = records(&tracer).filter_map(|record| match record {
        Record::Failure(f) if f.cause == Cause::CgroupPidsMax => Some(f.time.as_str()),
        _ => None,
    });
    let busiest = in_a_second(times)?;
    // A second of the limit's may begin in the middle of this one.
    let most = 2 * detail::GROUP as usize;
    ensure!(
        busiest <= most,
        "{busiest} were recorded in full in a second"
    );
    let by_group = records(&tracer)
        .any(|r| matches!(r, Record::Repeat(repeat) if repeat.alike == Alike::UserAndCgroup));
    let in_full = records(&tracer).filter(|r| matches!(r, Record::Failure(_)));
    // An emulated machine may be too slow for a storm.
    ensure!(
        by_group || in_full.count() as u64 == refused + u64::from(RARE),
        "none was counted by user and cgroup"
    );
    Ok(())
}

/// How many of the times, which rise, lie within one second at most.
fn in_a_second<'a>(times: impl Iterator<Item = &'a str>) -> Result<usize> {
    let mut window: VecDeque<Timestamp> = VecDeque::new();
    let mut most = 0;
    for time in times {
        let time: Timestamp = time.parse()?;
        while window
            .front()
            .is_some_and(|first| time.duration_since(*first).as_secs() >= 1)
        {
            window.pop_front();
        }
        window.push_back(time);
        most = most.max(window.len());
    }
    Ok(most)
}

/// More users than there is room for keys.
fn users(tests: &Tests) -> Result<()> {
    const USERS: u32 = 1100;
    let tree = tests.place.cgroups.tree("storm-u")?;
    let from = tests.place.uid(1000);
    let mut storm = Storm::new(COMM, Keys::Users { from }, USERS, tree)?;
    let mut tracer = record(tests, &["--comm", COMM])?;
    storm.begin()?;
    let refused = storm.end()?;
    let summary = tracer.end()?;
    exact(&tracer, &summary, "rlimit_nproc", refused, 0)
}

/// [`before_and_after`]; emulated on one CPU, for the emulator may go on running what another CPU
/// has just patched, and attaching patches what a storm runs.
fn around(tests: &Tests, style: &str) -> Result<()> {
    let _pinned = match tests.at {
        Where::TestMachine => Some(sys::Pinned::to(0)?),
        Where::Host => None,
    };
    before_and_after(tests, style)
}

/// One that is under way when forktrace starts, and when it ends: what is counted is what is recorded,
/// and nothing was seen by half of the probes.
fn before_and_after(tests: &Tests, style: &str) -> Result<()> {
    let tree = tests.place.cgroups.tree("storm-b")?;
    // Ended by being killed.
    let mut storm = Storm::new(COMM, Keys::One, u32::MAX, tree)?;
    if tests.at == Where::TestMachine {
        // Emulated, forktrace starts for as long as is waited for.
        storm.stand_back()?;
    }
    storm.begin()?;
    let arguments = ["--comm", COMM, "--attach", style];
    let mut tracer = match Tracer::record(&tests.scratch, &tests.binary, &arguments) {
        Err(NotStarted::Refused(why)) if tests.at == Where::Host => return skip(&why),
        other => started(other)?,
    };
    machine::await_some(Duration::from_millis(1500), || None::<()>);
    let summary = tracer.end()?;
    drop(storm);
    let mut recorded = 0;
    let mut lost = 0;
    for record in records(&tracer) {
        match record {
            Record::Failure(_) => recorded += 1,
            Record::Repeat(repeat) => recorded += repeat.count,
            Record::Loss(loss) if loss.is_of_failures() => lost += loss.count,
            _ => {}
        }
    }
    ensure!(
        recorded + lost == summary.failures && lost == summary.lost,
        "{recorded} are recorded or repeated, {lost} lost, the summary says {summary:?}"
    );
    ensure!(recorded > 0, "none is recorded");
    ensure!(
        !without_preemption() || lost == 0,
        "{lost} are lost: {summary:?}"
    );
    let others = summary
        .causes
        .keys()
        .filter(|cause| *cause != "cgroup_pids_max");
    ensure!(others.count() == 0, "more than one cause: {summary:?}");
    Ok(())
}

/// A creation that is within the kernel when forktrace starts, of a caller with a seccomp filter: its return without
/// an entry looks like the filter's answer, and is no sign of that.
fn under_way(tests: &Tests) -> Result<()> {
    const COMM: &str = "under-way";
    if tests.at == Where::Host {
        return skip("a page is held back in a test machine only");
    }
    let tree = tests.place.cgroups.tree(COMM)?;
    let home = tree.top();
    let (mut actor, _) = Actor::start(COMM, |link| {
        home.enter()?;
        seccomp::install(&[libc::SYS_acct], Action::Errno(libc::EPERM))?;
        let held = Held::new()?;
        let at = held.address();
        // SAFETY: there is nothing, and then there are zeros.
        let call = thread::spawn(move || create::concluded(unsafe { create::clone3_at(at) }));
        link.ready(Vec::<u64>::new());
        held.give()?;
        let errno = call.join().map_err(|_| anyhow!("the thread has ended"))?;
        link.ready(vec![errno as u64]);
        Ok(())
    })?;
    home.limit(2)?;
    let waits = |tid: u64| fs::read_to_string(format!("/proc/{}/task/{tid}/syscall", actor.pid()));
    let in_call = || {
        let tasks = fs::read_dir(format!("/proc/{}/task", actor.pid())).ok()?;
        let tids = tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok());
        let number = format!("{} ", libc::SYS_clone3);
        let mut all = tids.filter_map(|tid| waits(tid).ok());
        all.find(|text| text.starts_with(&number))
    };
    let is_there = machine::await_some(Duration::from_secs(20), in_call).is_some();
    ensure!(is_there, "no thread waits within clone3");
    let mut tracer = record(tests, &["--comm", COMM, "--attach", "tracepoint"])?;
    let answered = actor.go()?.numbers;
    let summary = tracer.end()?;
    ensure!(
        answered == [libc::EAGAIN as u64],
        "clone3 answered {answered:?}"
    );
    let unknown = summary.causes.get("unknown").copied();
    ensure!(
        summary.failures == 1 && unknown == Some(1),
        "the verdict isn't unknown: {summary:?}"
    );
    Ok(())
}

/// Every refusal is counted once, under its cause.
fn exact(tracer: &Tracer, summary: &Summary, cause: &str, refused: u64, rare: u64) -> Result<()> {
    let of = |cause: &str| summary.causes.get(cause).copied().unwrap_or_default();
    let recorded: u64 = records(tracer)
        .map(|record| match record {
            Record::Failure(_) => 1,
            Record::Repeat(repeat) => repeat.count,
            _ => 0,
        })
        .sum();
    ensure!(
        recorded + summary.lost == summary.failures,
        "{recorded} are recorded or repeated, {} lost, the summary says {}",
        summary.lost,
        summary.failures
    );
    if without_preemption() {
        ensure!(
            of(cause) == refused && summary.failures == refused + rare && summary.lost == 0,
            "{refused} and {rare} were refused, the summary says {summary:?}"
        );
    } else {
        let counted = summary.failures;
        ensure!(
            counted <= refused + rare && counted + summary.skipped >= refused + rare,
            "{refused} and {rare} were refused, the summary says {summary:?}"
        );
    }
    if rare > 0 {
        ensure!(
            of("rlimit_nproc") == rare,
            "{rare} rare ones, the summary says {summary:?}"
        );
    }
    Ok(())
}

fn records(tracer: &Tracer) -> impl Iterator<Item = &Record> {
    tracer.lines.iter().map(|line| &line.record)
}
