//! `hugetlb`: a pinned huge page would have to be copied, and none is free.

use std::path::PathBuf;

use anyhow::Result;
use forktrace::cause::Cause;
use forktrace::provoke::{Trouble, huge_pages::HugePages, sys, undo::Undo};
use forktrace::record::{Errno, Unit};

use super::{Place, Reach, Run, Scenario, must_fail, must_succeed, skip};
use crate::actor::Actor;
use crate::attempt::{Kind, attempt};
use crate::expect::{Expect, Number, Scope, WantedLimit};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "hugetlb_pinned",
    reach: Reach::Host,
    run: pinned,
}];

const PAGES: u64 = 6;

/// The number of pages of this size.
fn file(size: usize) -> PathBuf {
    let kb = size / 1024;
    format!("/sys/kernel/mm/hugepages/hugepages-{kb}kB/nr_hugepages").into()
}

fn pinned(place: &Place) -> Result<Run> {
    if place.kernel < (5, 12) {
        return skip("pinned pages are shared like others before Linux 5.12");
    }
    let pool = match HugePages::add(&Undo::by_guards_alone(), PAGES) {
        Ok(pool) => pool,
        Err(Trouble::Skip(why)) => return skip(why),
        Err(trouble) => return Err(trouble.into()),
    };
    let size = pool.page();
    let mut run = Run::default();
    let (mut actor, _) = Actor::start("huge-pinned", |link| {
        let pages = sys::map_huge(PAGES * size as u64)?;
        pages.touch();
        // Shared with the child, and copied by nobody.
        let granted = attempt(Kind::PLAIN);
        // Before the next write would need another page for that.
        must_succeed(&[granted])?;
        pages.touch();
        sys::pin_pages(&pages, size)?;
        link.step();
        let refused: Vec<_> = Kind::COPIES.iter().map(|kind| attempt(*kind)).collect();
        // What shares the address space copies nothing.
        must_succeed(&[attempt(Kind::CloneThread), attempt(Kind::SHARING)])?;
        link.ready(refused);
        link.step();
        Ok(())
    })?;
    let refused = actor.go()?.attempts;
    must_fail(&refused)?;
    for a in &refused {
        let mut expect = Expect::of(&actor, a, Cause::Hugetlb)
            .limit(WantedLimit {
                name: Some("nr_hugepages"),
                scope: Scope::Exact("host".to_owned()),
                value: Number::Exact(pool.total()),
                usage: Number::Exact(pool.total()),
                unit: Some(Unit::HugePages),
                file: Some(file(size)),
            })
            .inferred()
            .may_be_unknown();
        expect.errno = Errno::ENOMEM;
        run.expects.push(expect);
    }
    // The pages are in use until it has ended.
    run.keep(actor);
    run.keep(pool);
    Ok(run)
}
