//! kernel.kptr_restrict = 2: where the kernel's functions lie is hidden, from root too.

use std::fs;

use anyhow::{Result, ensure};
use forktrace::cause::Cause;
use forktrace::provoke::{Trouble, huge_pages::HugePages, sys, undo::Undo};
use forktrace::record::Record;

use super::{Behaviour, await_failures, record};
use crate::actor::Actor;
use crate::attempt::{Kind, attempt};
use crate::runner::{Tests, Where};
use crate::scenario::memory::{hierarchy, limit_name, quiet_console, set};
use crate::scenario::{must_fail, must_succeed, skip};
use crate::setting;

pub(super) const ON_EACH_KERNEL: &[Behaviour] = &[Behaviour {
    name: "memory_refused_where_symbols_are_hidden",
    run,
}];

const COMM: &str = "symbols-hidden";
const PAGES: u64 = 6;
/// Room in the cgroup for what a creation takes, but for tables of its pages.
const LIMIT: u64 = 256 << 10;
/// A byte in every two megabytes of so many: each has a table of its own, and so has each in a child.
const SPREAD: usize = 240 << 20;
const TABLE_OF: usize = 2 << 20;

/// A memory cgroup refuses the tables of a child's pages, and of its parent's pinned huge pages no more are free. That
/// the cgroup refused can't be seen there, and that nothing of it was seen is no sign that it was the pages.
fn run(tests: &Tests) -> Result<()> {
    if tests.at == Where::Host {
        return skip("kernel.kptr_restrict is changed in a test machine only");
    }
    if tests.place.kernel < (5, 12) {
        return skip("pinned pages are shared like others before Linux 5.12");
    }
    let memory = hierarchy(&tests.place)?;
    let tree = memory.tree(COMM)?;
    let home = tree.top();
    let pool = match HugePages::add(&Undo::by_guards_alone(), PAGES) {
        Ok(pool) => pool,
        Err(Trouble::Skip(why)) => return skip(why),
        Err(trouble) => return Err(trouble.into()),
    };
    let console = quiet_console()?;
    set(&home.dir.join(limit_name(&memory)), LIMIT)?;
    let size = pool.page();
    let (mut actor, _) = Actor::start(COMM, |link| {
        let pages = sys::map_huge(PAGES * size as u64)?;
        pages.touch();
        // Below it, where the kernel begins to copy.
        let spread = sys::map(SPREAD as u64)?;
        spread.of_small_pages()?;
        for at in (0..SPREAD).step_by(TABLE_OF) {
            // SAFETY: within the mapping, in which nobody keeps anything.
            unsafe { spread.start().add(at).write_volatile(1) };
        }
        ensure!(spread.start() < pages.start(), "the kernel maps upwards");
        fs::write("/proc/self/oom_score_adj", "-1000")?;
        must_succeed(&[attempt(Kind::PLAIN)])?;
        pages.touch();
        sys::pin_pages(&pages, size)?;
        home.enter()?;
        link.step();
        link.ready(vec![attempt(Kind::PLAIN)]);
        Ok(())
    })?;
    let hidden = setting::set("kernel/kptr_restrict", 2)?;
    let mut tracer = record(tests, &["--comm", COMM])?;
    drop(hidden);
    must_fail(&actor.go()?.attempts)?;
    await_failures(&mut tracer, actor.pid(), 1)?;
    let said = tracer.lines.iter().find_map(|line| match &line.record {
        Record::Failure(failure) => Some(failure.cause),
        _ => None,
    });
    tracer.end()?;
    ensure!(
        matches!(said, Some(Cause::Unknown | Cause::CgroupMemoryMax)),
        "the verdict is {said:?}"
    );
    drop((actor, pool, console));
    Ok(())
}
