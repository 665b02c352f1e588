//! Time that jumps or stands still, and CPUs that come and go.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use forktrace::cause::Cause;
use forktrace::host::clock::Clock;
use forktrace::provoke::sys::{self, Signal};
use forktrace::record::{Owner, Record};
use rustix::time::{ClockId, Timespec, clock_settime};

use super::super::{Behaviour, await_failures, provoke, record, refused_user, refused_user_in};
use crate::actor::Prober;
use crate::attempt::Kind;
use crate::machine;
use crate::runner::{Tests, Where};
use crate::scenario::skip;
use crate::tracer::Tracer;

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "fault_clock_steps",
        run: steps,
    },
    Behaviour {
        name: "fault_stopped_meanwhile",
        run: stopped,
    },
    Behaviour {
        name: "fault_cpu_goes_and_comes",
        run: cpu,
    },
];

const DAY: i64 = 86_400;

/// A second before now, and a second after, as records have it.
fn around() -> (String, String) {
    const SECOND: u64 = 1_000_000_000;
    let now = Clock::now();
    let at = now.monotonic_ns();
    (now.rfc3339(at - SECOND), now.rfc3339(at + SECOND))
}

/// Moves the wall clock.
fn step(seconds: i64) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let to = Timespec {
        tv_sec: now.as_secs() as i64 + seconds,
        tv_nsec: 0,
    };
    clock_settime(ClockId::Realtime, to).context("clock_settime")
}

/// Times of the failures of a process, in the order of their records.
fn times(tracer: &Tracer, pid: i32) -> Vec<&str> {
    let failures = tracer.lines.iter().filter_map(|l| match &l.record {
        Record::Failure(f) if f.caller.pid == pid as u32 => Some(f.time.as_str()),
        _ => None,
    });
    failures.collect()
}

/// A day ahead and two back: records have the time of their moment, and `--duration` takes as long
/// as ever.
fn steps(tests: &Tests) -> Result<()> {
    if tests.at == Where::Host {
        return skip("the clock of the whole host");
    }
    let mut user = refused_user("stepped", tests.place.uid(134), 1)?;
    let pid = user.actor.pid();
    let mut tracer = record(tests, &["--comm", "stepped", "--duration", "12"])?;
    let mut spans = Vec::new();
    for (n, by) in [0, DAY, -2 * DAY, DAY].into_iter().enumerate() {
        if by != 0 {
            step(by)?;
        }
        let (from, _) = around();
        provoke(&mut user)?;
        await_failures(&mut tracer, pid, n as u64 + 1)?;
        let (_, to) = around();
        spans.push((from, to));
    }
    tracer.ended()?;
    let times = times(&tracer, pid);
    ensure!(times.len() == spans.len(), "{} failures", times.len());
    for (time, (from, to)) in times.into_iter().zip(&spans) {
        ensure!(
            from.as_str() <= time && time <= to.as_str(),
            "a failure between {from} and {to} has the time {time}"
        );
    }
    Ok(())
}

/// As in a suspend: who was refused is gone with its cgroup when forktrace goes on, and everything
/// that the kernel side saw is recorded, at its time.
fn stopped(tests: &Tests) -> Result<()> {
    let tree = tests.place.cgroups.tree("gone")?;
    let home = tree.at(&["inner"])?;
    let mut tracer = record(tests, &["--comm", "gone-soon"])?;
    let mut prober = Prober::start("gone-soon", Kind::PLAIN, 2, || {
        home.enter()?;
        Ok(Vec::new())
    })?;
    let pid = prober.actor.pid();
    home.limit(1)?;
    tracer.running.signal(Signal::STOP);
    let (from, _) = around();
    provoke(&mut prober)?;
    let (_, to) = around();
    drop(prober);
    machine::await_some(Duration::from_secs(10), || {
        fs::remove_dir(&home.dir).is_ok().then_some(())
    })
    .context("the cgroup can't be removed")?;
    std::thread::sleep(Duration::from_secs(3));
    tracer.running.signal(Signal::CONT);
    await_failures(&mut tracer, pid, 2)?;
    for line in &tracer.lines {
        if let Record::Failure(f) = &line.record {
            let limit = f.limit.as_ref().context("no limit")?;
            ensure!(
                f.cause == Cause::CgroupPidsMax
                    && limit.owner == Owner::cgroup(home.shown())
                    && limit.value == Some(1)
                    && f.cgroup.path.as_ref() == Some(&home.shown()),
                "{}",
                line.raw
            );
            ensure!(f.caller.exe.is_none(), "of a process that is gone");
        }
    }
    for time in times(&tracer, pid) {
        ensure!(
            from.as_str() <= time && time <= to.as_str(),
            "a failure between {from} and {to} has the time {time}"
        );
    }
    let summary = tracer.end()?;
    ensure!(summary.failures == 2, "{} failures", summary.failures);
    ensure!(summary.lost == 0, "{} lost", summary.lost);
    Ok(())
}

const ONLINE: &str = "/sys/devices/system/cpu/cpu1/online";

/// Puts the CPU back.
struct Online;

impl Drop for Online {
    fn drop(&mut self) {
        if let Err(error) = fs::write(ONLINE, "1") {
            eprintln!("{ONLINE}: {error}");
        }
    }
}

/// What a CPU has counted stays counted when it goes, and when it is back it counts.
fn cpu(tests: &Tests) -> Result<()> {
    const EACH: u32 = 200;
    if tests.at == Where::Host {
        return skip("a CPU of the whole host");
    }
    if !std::path::Path::new(ONLINE).exists() {
        return skip("there is one CPU");
    }
    let mut tracer = record(tests, &["--comm", "roaming"])?;
    let mut total = 0;
    let mut fire = |cpu: usize| -> Result<()> {
        let mut user =
            refused_user_in("roaming", tests.place.uid(135), EACH, || Ok(sys::pin(cpu)?))?;
        provoke(&mut user)?;
        total += u64::from(EACH);
        await_failures(&mut tracer, user.actor.pid(), u64::from(EACH))
    };
    fire(1)?;
    fs::write(ONLINE, "0").with_context(|| format!("write 0 to {ONLINE}"))?;
    let online = Online;
    fire(0)?;
    drop(online);
    fire(1)?;
    let summary = tracer.end()?;
    ensure!(
        summary.failures == total && summary.lost == 0,
        "{} failures and {} lost, of {total}",
        summary.failures,
        summary.lost
    );
    Ok(())
}
