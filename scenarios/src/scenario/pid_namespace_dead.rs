//! `pid_namespace_dead`: the namespace that children go to has lost its init.

use std::fs::{self, File};
use std::os::fd::AsFd as _;

use anyhow::{Context, Result};
use forktrace::cause::Cause;
use forktrace::host::mappings;
use forktrace::provoke::sys;
use forktrace::record::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::overcommit::CommitLimit;
use super::{Place, Reach, Run, Scenario, must_fail, must_succeed, skip};
use crate::actor::{Actor, Prober};
use crate::attempt::{Kind, attempts};
use crate::expect::{Expect, Number, Scope, WantedLimit};
use crate::{machine, setting};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "pidns_dead",
        reach: Reach::Own,
        run: plain,
    },
    Scenario {
        name: "pidns_dead_user",
        reach: Reach::Own,
        run: unprivileged,
    },
    Scenario {
        name: "pidns_dead_nested",
        reach: Reach::Own,
        run: nested,
    },
    Scenario {
        name: "pidns_dead_two",
        reach: Reach::Own,
        run: two,
    },
    Scenario {
        name: "pidns_first_child_refused",
        reach: Reach::Own,
        run: first_child,
    },
    Scenario {
        name: "pidns_dead_near_overcommit",
        reach: Reach::Host,
        run: near_overcommit,
    },
];

/// Sends children to a new pid namespace whose init comes and goes; answers
/// the namespace's inode number.
pub(crate) fn outlive_namespace(flags: i32) -> Result<u64> {
    sys::unshare(libc::CLONE_NEWPID | flags, "CLONE_NEWPID")?;
    let init = waiting_child()?;
    // The namespace shows only while it has an init.
    let inode = sys::namespace("pid_for_children");
    sys::end(init);
    Ok(inode?)
}

fn limit(inode: u64) -> WantedLimit {
    WantedLimit {
        name: None,
        scope: Scope::Exact(format!("pid namespace {inode}")),
        value: Number::Null,
        usage: Number::Any,
        unit: None,
        file: None,
    }
}

fn run(place: &Place, tag: &str, uid: u32, flags: i32) -> Result<Run> {
    let mut run = Run::default();
    let mut callers = Vec::new();
    for kind in Kind::PROCESSES {
        let comm = format!("{tag}-{}", kind.label());
        callers.push(Prober::start(&comm, *kind, place.count, || {
            sys::become_uid(uid)?;
            Ok(vec![outlive_namespace(flags)?])
        })?);
    }
    run.fire(&mut callers, |p, a| {
        let mut expect = Expect::of(&p.actor, a, Cause::PidNamespaceDead)
            .uid(uid)
            .limit(limit(p.numbers[0]));
        expect.errno = Errno::ENOMEM;
        expect
    })?;
    run.keep(callers);
    Ok(run)
}

fn plain(place: &Place) -> Result<Run> {
    run(place, "pd", 0, 0)
}

/// A user that has made the namespace inside a user namespace.
fn unprivileged(place: &Place) -> Result<Run> {
    match run(place, "pdu", place.uid(20), libc::CLONE_NEWUSER) {
        Err(error) if format!("{error:#}").contains("unshare") => skip(format!("{error:#}")),
        other => other,
    }
}

/// A caller that lives in a pid namespace itself.
fn nested(place: &Place) -> Result<Run> {
    let count = place.count;
    let mut run = Run::default();
    for kind in Kind::PROCESSES {
        let (mut caller, report) = Actor::start(format!("pdn-{}", kind.label()), |link| {
            let pid = sys::enter_pid_namespace(0)?;
            let inode = outlive_namespace(0)?;
            link.ready(vec![pid as u64, inode]);
            link.ready(attempts(*kind, count));
            Ok(())
        })?;
        let attempts = caller.go()?.attempts;
        must_fail(&attempts)?;
        for a in &attempts {
            let mut expect = Expect::of(&caller, a, Cause::PidNamespaceDead)
                .pid(report.numbers[0])
                .limit(limit(report.numbers[1]));
            expect.errno = Errno::ENOMEM;
            run.expects.push(expect);
        }
        run.keep(caller);
    }
    Ok(run)
}

/// One process whose children go to one dead namespace, and then to another: more refusals of each
/// than are recorded one by one.
fn two(_: &Place) -> Result<Run> {
    const TURNS: [u32; 2] = [19, 41];
    let mut run = Run::default();
    let (mut caller, report) = Actor::start("pd-two", |link| {
        let own = File::open("/proc/self/ns/pid").context("open its own namespace")?;
        let mut dead = Vec::new();
        let mut inodes = Vec::new();
        for _ in TURNS {
            sys::unshare(libc::CLONE_NEWPID, "CLONE_NEWPID")?;
            let init = waiting_child()?;
            dead.push(File::open(format!("/proc/{init}/ns/pid")).context("open a namespace")?);
            inodes.push(sys::namespace("pid_for_children")?);
            sys::end(init);
            children_go_to(&own)?;
        }
        link.ready(inodes);
        let mut refused = Vec::new();
        for (namespace, count) in dead.iter().zip(TURNS) {
            children_go_to(namespace)?;
            refused.extend(attempts(Kind::PLAIN, count));
            children_go_to(&own)?;
        }
        link.ready(refused);
        Ok(())
    })?;
    let attempts = caller.go()?.attempts;
    must_fail(&attempts)?;
    for (n, a) in attempts.iter().enumerate() {
        let inode = report.numbers[usize::from(n >= TURNS[0] as usize)];
        let mut expect = Expect::of(&caller, a, Cause::PidNamespaceDead).limit(limit(inode));
        expect.errno = Errno::ENOMEM;
        run.expects.push(expect);
    }
    run.keep(caller);
    Ok(run)
}

/// pids.max refuses the first child of a new namespace, after it was given its id: that leaves the namespace
/// without an init, whatever pids.max is then. 7.3 lets it try again: there the next child comes and goes.
fn first_child(place: &Place) -> Result<Run> {
    let tree = place.cgroups.tree("pdf")?;
    let home = tree.at(&["home"])?;
    let mut run = Run::default();
    let (mut caller, _) = Actor::start("pd-first", |link| {
        home.enter()?;
        sys::unshare(libc::CLONE_NEWPID, "CLONE_NEWPID")?;
        link.ready(Vec::<u64>::new());
        link.ready(attempts(Kind::PLAIN, 1));
        link.ready(attempts(Kind::PLAIN, place.count));
        Ok(())
    })?;
    home.limit(1)?;
    let first = caller.go()?.attempts;
    home.limit(50)?;
    let mut later = caller.go()?.attempts;
    later.retain(|a| a.errno != 0);
    must_fail(&first)?;
    must_fail(&later)?;
    // The limit has been raised since.
    let full = WantedLimit {
        file: None,
        ..WantedLimit::pids(&home, 1, 1)
    };
    for a in &first {
        let expect = Expect::of(&caller, a, Cause::CgroupPidsMax).limit(full.clone());
        run.expects.push(expect.within(&place.cgroups, &home));
    }
    for a in &later {
        // Without an init it has no number that could be read.
        let mut expect = Expect::of(&caller, a, Cause::PidNamespaceDead).limit(WantedLimit {
            scope: Scope::StartsWith("pid namespace "),
            ..limit(0)
        });
        expect.errno = Errno::ENOMEM;
        run.expects.push(expect.within(&place.cgroups, &home));
    }
    run.keep(caller);
    run.keep(tree);
    Ok(run)
}

/// Strict overcommit has room for a copy, and not more beside it than the kernel's counter can be off by: it lets the
/// copy pass, as it does that of a caller whose namespace is alive, and the namespace refuses.
fn near_overcommit(place: &Place) -> Result<Run> {
    let mode = setting::set("vm/overcommit_memory", 1)?;
    let reserves = [
        setting::set("vm/admin_reserve_kbytes", 0)?,
        setting::set("vm/user_reserve_kbytes", 0)?,
    ];
    let kept = CommitLimit::keep()?;
    let count = place.count;
    let start = |comm: &str, alive: bool| {
        Actor::start(comm, move |link| {
            sys::map(48 << 20)?;
            if !alive {
                outlive_namespace(0)?;
            }
            link.ready(Vec::<u64>::new());
            link.ready(attempts(Kind::PLAIN, count));
            Ok(())
        })
    };
    let (mut passes, _) = start("pd-passes", true)?;
    let (mut refused, _) = start("pd-near", false)?;
    let copy = mappings::accounted(refused.pid() as u32).context("no smaps")?;
    let slack = (machine::meminfo("MemTotal")? + machine::meminfo("SwapTotal")?) / 128;
    let room = machine::meminfo("Committed_AS")? + copy.sum + slack / 2;
    fs::write("/proc/sys/vm/overcommit_kbytes", (room / 1024).to_string())?;
    mode.change(2)?;
    must_succeed(&passes.go()?.attempts)?;
    let attempts = refused.go()?.attempts;
    must_fail(&attempts)?;
    let mut run = Run::default();
    for a in &attempts {
        let mut expect = Expect::of(&refused, a, Cause::PidNamespaceDead);
        expect.errno = Errno::ENOMEM;
        run.expects.push(match place.by_tracepoint() {
            true => expect.unknown(),
            false => expect,
        });
    }
    run.quiet.push(passes.pid() as u32);
    run.keep(passes);
    run.keep(refused);
    run.keep(mode);
    run.keep(reserves);
    run.keep(kept);
    Ok(run)
}

/// A child that waits to be killed.
fn waiting_child() -> Result<i32> {
    let pid = sys::child("fork of the namespace's init", || sys::sleep_for_ever())?;
    Ok(pid)
}

fn children_go_to(namespace: &File) -> Result<()> {
    let kind = Some(LinkNameSpaceType::ProcessID);
    move_into_link_name_space(namespace.as_fd(), kind).context("setns of a pid namespace")
}
