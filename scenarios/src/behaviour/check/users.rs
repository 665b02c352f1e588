//! RLIMIT_NPROC: a user's tasks, as the kernel counts them.

use anyhow::{Context, Result, ensure};
use forktrace::provoke::sys;

use super::{check, numbers, pid_of, row};
use crate::actor::{Actor, Prober};
use crate::attempt::Kind;
use crate::behaviour::provoke;
use crate::runner::Tests;
use crate::scenario::must_succeed;
use crate::sleepers::Sleepers;

/// Processes, threads: as many as the kernel counts, since the next is refused.
pub(super) fn nproc(tests: &Tests) -> Result<()> {
    let uid = tests.place.uid(131);
    let be = || {
        sys::limit_nproc(10, 10)?;
        Ok(sys::become_uid(uid)?)
    };
    let _processes = Sleepers::start(6, be)?;
    // With its first, two tasks.
    let _threads = Sleepers::threads(1, be)?;
    let mut prober = Prober::start("check-nproc", Kind::PLAIN, 1, || {
        be()?;
        Ok(Vec::new())
    })?;
    must_succeed(&prober.fire()?)?;
    let user = uid.to_string();
    let scope = format!("uid {uid}");
    let value = check(tests, &["--user", &user], 1)?;
    let limit = row(&value, "RLIMIT_NPROC", &scope)?;
    numbers(limit, 9, 10)?;
    ensure!(limit["exempt"].is_null() && value["near"] == 1, "{value}");
    let _last = Sleepers::start(1, be)?;
    provoke(&mut prober)?;
    let value = check(tests, &["--pid", &pid_of(prober.actor.pid())], 1)?;
    numbers(row(&value, "RLIMIT_NPROC", &scope)?, 10, 10)?;
    // The same limit, and capabilities that exempt.
    let (capable, _) = Actor::start("check-capable", |link| {
        sys::limit_nproc(10, 10)?;
        sys::become_uid_with_capabilities(uid, &[])?;
        link.step();
        Ok(())
    })?;
    let value = check(tests, &["--pid", &pid_of(capable.pid())], 0)?;
    let limit = row(&value, "RLIMIT_NPROC", &scope)?;
    numbers(limit, 11, 10)?;
    let why = limit["exempt"].as_str().unwrap_or_default();
    ensure!(why.contains("CAP_SYS_"), "{limit}");
    Ok(())
}

/// Since 5.14 a task counts with its user namespace, and with the creator's uid
/// outside; before, with its uid alone.
pub(super) fn nested(tests: &Tests) -> Result<()> {
    let uid = tests.place.uid(132);
    let inside = Actor::start("check-inside", |link| {
        sys::limit_nproc(40, 40)?;
        sys::become_uid(uid)?;
        sys::unshare(libc::CLONE_NEWUSER, "CLONE_NEWUSER")?;
        link.ready(vec![sys::namespace("user")?]);
        Ok(())
    });
    let (inside, report) = match inside {
        Ok(started) => started,
        Err(error) => return crate::scenario::skip(format!("a user namespace: {error:#}")),
    };
    let namespace = report.numbers.first().context("a namespace")?;
    let _outside = Sleepers::start(3, || Ok(sys::become_uid(uid)?))?;
    let by_namespace = sys::kernel() >= (5, 14);
    let value = check(tests, &["--pid", &pid_of(inside.pid())], 0)?;
    let (scope, usage) = match by_namespace {
        true => (format!("uid {uid} in user namespace {namespace}"), 1),
        false => (format!("uid {uid}"), 4),
    };
    numbers(row(&value, "RLIMIT_NPROC", &scope)?, usage, 40)?;
    let hidden = value["unreadable"].to_string();
    ensure!(
        hidden.contains(&format!("uid {uid}")) == by_namespace,
        "the creator's limit: {hidden}"
    );
    if by_namespace {
        ensure!(hidden.contains("4 tasks"), "{hidden}");
    }
    let (outer, _) = Actor::start("check-outer", |link| {
        sys::limit_nproc(50, 50)?;
        sys::become_uid(uid)?;
        link.step();
        Ok(())
    })?;
    let value = check(tests, &["--pid", &pid_of(outer.pid())], 0)?;
    numbers(row(&value, "RLIMIT_NPROC", &format!("uid {uid}"))?, 5, 50)
}
