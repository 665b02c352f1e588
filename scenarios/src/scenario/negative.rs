//! What is no failure, and must not be recorded: creations that succeed, that the
//! kernel restarts, that answer another errno, that a fatal signal cuts short;
//! and memory refused where nothing was to be created.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use forktrace::provoke::sys::{self, Resource, Signal};

use super::{Place, Reach, Run, Scenario, must_succeed, probers};
use crate::actor::{Actor, PATIENCE};
use crate::attempt::{CloneArgs, Kind, attempt, attempts, clone, clone3};
use crate::machine;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "quiet_success",
        reach: Reach::Own,
        run: success,
    },
    Scenario {
        name: "quiet_restart_timer",
        reach: Reach::Own,
        run: timer,
    },
    Scenario {
        name: "quiet_restart_signals",
        reach: Reach::Own,
        run: signals,
    },
    Scenario {
        name: "quiet_other_errnos",
        reach: Reach::Own,
        run: other_errnos,
    },
    Scenario {
        name: "quiet_memory",
        reach: Reach::Own,
        run: memory,
    },
    Scenario {
        name: "quiet_killed",
        reach: Reach::Own,
        run: killed,
    },
];

fn success(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    for (tag, uid) in [("ok0", 0), ("oku", place.uid(60))] {
        let mut callers = probers(tag, Kind::ALL, 50, || Ok(sys::become_uid(uid)?))?;
        for prober in &mut callers {
            must_succeed(&prober.fire()?)?;
            run.quiet.push(prober.actor.pid() as u32);
        }
        run.keep(callers);
    }
    Ok(run)
}

static SIGNALS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count_signal(_: i32) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

fn handle(signal: i32) -> Result<()> {
    sys::signal::handle(signal, count_signal)?;
    Ok(())
}

/// Forks that have to succeed under fire, and signals that have to come.
const FORKS: u32 = 20;
const HITS: u64 = 5;

/// Forks until `enough` have succeeded, or for a while; but until at least
/// [`FORKS`] have, and [`HITS`] signals have come: a machine that is slow, and
/// a kernel that restarts each fork a thousand times, take as long as they
/// take.
fn forks_under_fire(enough: u32) -> Result<u32> {
    let begun = Instant::now();
    let while_ = Duration::from_secs(3);
    let mut done = 0;
    loop {
        let little = done < FORKS || SIGNALS.load(Ordering::Relaxed) < HITS;
        if !little && (done >= enough || begun.elapsed() > while_) {
            return Ok(done);
        }
        if begun.elapsed() > Duration::from_secs(45) {
            bail!("{done} forks under fire in 45 s");
        }
        must_succeed(&[attempt(Kind::PLAIN)])?;
        done += 1;
    }
}

/// A signal that is pending when the creation begins makes the kernel restart
/// it (-ERESTARTNOINTR).
fn timer(_place: &Place) -> Result<Run> {
    let mut run = Run::default();
    for microseconds in [200, 50] {
        let (caller, report) = Actor::start(format!("timer-{microseconds}"), |link| {
            handle(libc::SIGALRM)?;
            let set = |microseconds| {
                let interval = libc::timeval {
                    tv_sec: 0,
                    tv_usec: microseconds,
                };
                let timer = libc::itimerval {
                    it_interval: interval,
                    it_value: interval,
                };
                // SAFETY: the struct outlives the call.
                unsafe {
                    libc::syscall(
                        libc::SYS_setitimer,
                        libc::ITIMER_REAL,
                        &raw const timer,
                        std::ptr::null_mut::<libc::itimerval>(),
                    )
                };
            };
            set(microseconds);
            let done = forks_under_fire(150);
            set(0);
            link.ready(vec![u64::from(done?), SIGNALS.load(Ordering::Relaxed)]);
            Ok(())
        })?;
        anyhow::ensure!(
            report.numbers.len() == 2,
            "the forks under fire ended early"
        );
        run.quiet.push(caller.pid() as u32);
        run.keep(caller);
    }
    Ok(run)
}

/// The same by another process that sends signals as fast as it can.
fn signals(_place: &Place) -> Result<Run> {
    let mut run = Run::default();
    let (mut caller, _) = Actor::start("under-fire", |link| {
        handle(libc::SIGUSR1)?;
        link.step();
        let done = forks_under_fire(150)?;
        link.ready(vec![u64::from(done), SIGNALS.load(Ordering::Relaxed)]);
        Ok(())
    })?;
    let target = caller.pid();
    let (mut shooter, _) = Actor::start("shooter", |link| {
        link.step();
        loop {
            sys::kill(target, Signal::USR1);
        }
    })?;
    shooter.send()?;
    let report = caller.go()?;
    drop(shooter);
    anyhow::ensure!(
        report.numbers.len() == 2,
        "the forks under fire ended early"
    );
    run.quiet.push(target as u32);
    run.keep(caller);
    Ok(run)
}

/// EINVAL, EPERM, EEXIST.
fn other_errnos(place: &Place) -> Result<Run> {
    let uid = place.uid(61);
    let mut run = Run::default();
    let (caller, _) = Actor::start("other-errnos", |link| {
        let wants = |what: &str, answer: isize, errno: i32| {
            if answer != -errno as isize {
                bail!("{what} answered {answer}, wanted -{errno}");
            }
            Ok(())
        };
        let with_tid = |tid: &i32| CloneArgs {
            exit_signal: libc::SIGCHLD as u64,
            set_tid: std::ptr::from_ref(tid) as u64,
            set_tid_size: 1,
            ..CloneArgs::default()
        };
        wants(
            "a thread without CLONE_SIGHAND",
            clone(libc::CLONE_THREAD),
            libc::EINVAL,
        )?;
        let own = std::process::id() as i32;
        wants("set_tid in use", clone3(&with_tid(&own)), libc::EEXIST)?;
        sys::become_uid(uid)?;
        wants("set_tid by a user", clone3(&with_tid(&own)), libc::EPERM)?;
        wants(
            "a mount namespace by a user",
            clone(libc::CLONE_NEWNS | libc::SIGCHLD),
            libc::EPERM,
        )?;
        link.step();
        Ok(())
    })?;
    run.quiet.push(caller.pid() as u32);
    run.keep(caller);
    let (caller, _) = Actor::start("thread-dead-ns", |link| {
        super::pid_namespace_dead::outlive_namespace(0)?;
        let answer = clone(crate::attempt::THREAD_FLAGS);
        if answer != -libc::EINVAL as isize {
            bail!("a thread with children elsewhere answered {answer}");
        }
        link.step();
        Ok(())
    })?;
    run.quiet.push(caller.pid() as u32);
    run.keep(caller);
    Ok(run)
}

/// RLIMIT_AS refuses mappings and with them pthread_create(3), which fails
/// with EAGAIN though nothing was to be created yet; forks succeed.
fn memory(_place: &Place) -> Result<Run> {
    let mut run = Run::default();
    let (caller, _) = Actor::start("no-memory", |link| {
        sys::limit(Resource::As, 1 << 20, 1 << 20)?;
        for _ in 0..20 {
            if sys::map(64 << 20).is_ok() {
                bail!("a mapping beyond RLIMIT_AS was granted");
            }
            let mut thread = 0;
            // SAFETY: the function is never run, or only sleeps.
            let answer = unsafe {
                libc::pthread_create(
                    &raw mut thread,
                    std::ptr::null(),
                    never_run,
                    std::ptr::null_mut(),
                )
            };
            if answer != libc::EAGAIN {
                bail!("pthread_create answered {answer}");
            }
        }
        must_succeed(&attempts(Kind::PLAIN, 5))?;
        link.step();
        Ok(())
    })?;
    run.quiet.push(caller.pid() as u32);
    run.keep(caller);
    Ok(run)
}

extern "C" fn never_run(_: *mut libc::c_void) -> *mut libc::c_void {
    sys::sleep_for_ever()
}

/// A large process is killed while it is copied: it never hears an errno.
pub(super) fn killed(_place: &Place) -> Result<Run> {
    const VICTIMS: u32 = 60;
    let mut run = Run::default();
    let (caller, report) = Actor::start("victims", |link| {
        let large = sys::map(32 << 20)?;
        // Huge pages are copied at once, which leaves no time to be killed in.
        large.of_small_pages()?;
        large.touch();
        let start = Instant::now();
        must_succeed(&[attempt(Kind::PLAIN)])?;
        let whole = start.elapsed();
        let mut pids = vec![std::process::id().into()];
        let begun = sys::shared_counter()?;
        let _ = sys::pin(0);
        for n in 0..VICTIMS {
            let pid = sys::child("fork of a victim", || {
                sys::die_with_parent();
                // On one CPU they take turns, and a kernel without preemption takes the CPU away
                // from a fork seldom. Where there is one, they have to.
                let _ = sys::pin(1);
                loop {
                    begun.store(n + 1, Ordering::Relaxed);
                    attempt(Kind::PLAIN);
                }
            })?;
            // A busy host lets it wait for its turn.
            machine::await_some(PATIENCE, || {
                (begun.load(Ordering::Relaxed) > n).then_some(())
            })
            .context("a victim does not begin")?;
            // In the middle of its first fork, or of its second.
            let until = Instant::now() + whole * (n % 15) / 8;
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            sys::end(pid);
            pids.push(pid as u64);
        }
        link.ready(pids);
        Ok(())
    })?;
    run.quiet.extend(report.numbers.iter().map(|n| *n as u32));
    run.keep(caller);
    Ok(run)
}
