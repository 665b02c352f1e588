//! A process whose only huge page is pinned, and the last one of the host.

use super::{Provocation, Provoked, SHORT, number, refused};
use crate::{
    evidence::HugePool,
    host::huge_pages,
    model::{Cause, Errno, Owner},
    provoke::{Trouble, create, huge_pages::HugePages, sys},
    selftest::{
        Actor,
        expect::{Expected, Number, Scope},
        world::World,
    },
};

pub(super) const ALL: &[Provocation] = &[Provocation::host(Cause::Hugetlb, run)];

fn run(world: &World) -> Result<Provoked, Trouble> {
    if sys::kernel() < (5, 12) {
        return Err(Trouble::Skip(
            "pinned pages are shared like others before Linux 5.12".to_owned(),
        ));
    }
    if !world.sees_stages {
        return Err(Trouble::Skip(
            "the style tracepoint can't tell it apart from other causes of ENOMEM".to_owned(),
        ));
    }
    let size = sys::huge_page()?;
    let before = pool(size)?;
    // Pages that others may be about to use are not taken away.
    if before.free > 0 || before.surplus_max > 0 {
        return Err(Trouble::Skip(
            "there are huge pages to be had, all of which it would take".to_owned(),
        ));
    }
    let pages = HugePages::add(&world.undo, 1)?;
    let wanted = pages.total();
    let (mut actor, _) = Actor::start(&world.comm, |link| {
        let page = sys::map_huge(size as u64).map_err(Trouble::into_skip)?;
        page.touch();
        sys::pin_pages(&page, size).map_err(Trouble::into_skip)?;
        link.step();
        link.ready([create::attempt(0) as u64]);
        Ok(())
    })?;
    refused(number(&actor.go_within(SHORT)?, 0)?, Errno::ENOMEM)?;
    let expected = Expected::new(Cause::Hugetlb, Errno::ENOMEM, 1).limit(
        Scope::Exact(Owner::Host),
        Number::Exact(wanted),
        Number::Exact(wanted),
    );
    Ok(Provoked::new(expected).keep(actor).keep(pages))
}

/// Those of the size of which vm.nr_hugepages is the number.
fn pool(size: usize) -> Result<HugePool, Trouble> {
    let all = huge_pages::all();
    all.into_iter()
        .find(|pool| pool.page == size as u64)
        .ok_or_else(|| Trouble::Skip("this kernel has no pool of huge pages".to_owned()))
}
