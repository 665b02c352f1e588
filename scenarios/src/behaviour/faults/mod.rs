//! What can go wrong around forktrace: others' faults, and the host's.

mod clock;
mod hostile;
mod killed;
mod output;
mod overflow;
mod short;
mod traced;
mod view;

use super::Behaviour;
use crate::runner::Where;

/// What the kernel has a part in, and what takes a machine of its own.
const ANYWHERE: [&[Behaviour]; 5] = [
    killed::BEHAVIOURS,
    short::BEHAVIOURS,
    overflow::BEHAVIOURS,
    clock::BEHAVIOURS,
    view::BEHAVIOURS,
];

/// What comes out the same on every kernel: not in the test machines, which are slow.
const ON_A_HOST: [&[Behaviour]; 3] = [output::BEHAVIOURS, traced::BEHAVIOURS, hostile::BEHAVIOURS];

/// Those that are tried there.
pub(super) fn behaviours(at: Where) -> impl Iterator<Item = &'static Behaviour> {
    let there = match at {
        Where::Host => &ON_A_HOST[..],
        Where::TestMachine => &[],
    };
    ANYWHERE.iter().chain(there).copied().flatten()
}
