//! A few programs of the catalogue, as this machine has them, refused under limits of their own.

use super::{Shared, Tally};
use crate::{guest::Programs, programs};

/// Runs them, as root; without root it is one skipped case.
pub(super) fn run(programs: &Programs, shared: &Shared<'_>) {
    let mut tally = Tally::default();
    // SAFETY: geteuid has no preconditions and cannot fail.
    if unsafe { libc::geteuid() } == 0 {
        match programs::short(&programs.forktrace) {
            Ok(printed) => drop(tally.read("programs", &printed)),
            Err(error) => tally.fail("programs", &format!("{error:#}")),
        }
    } else {
        tally.skip("programs", "tracing takes root");
    }
    shared.add(tally);
}
