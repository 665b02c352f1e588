//! How much is tested: what a change has to show within minutes, or everything.

use crate::arch::Arch;
use crate::guest::{self, Programs};
use crate::run;
use anyhow::Result;
use std::process::Command;

/// The two tiers of `cargo xtask test`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tier {
    /// Every cause once on each kernel in each style, and all scenarios in a few of these corners.
    Short,
    /// Every scenario and behaviour everywhere, by the programs as they ship.
    Full,
}

impl Tier {
    /// `cargo test` of these packages. A short run's is of all that are built with the test machines'
    /// programs, by the same profile: one compilation serves both.
    pub(crate) fn cargo_test(self, packages: &[&str]) -> Result<Command> {
        let (mut cargo, packages) = match self {
            Self::Short => (guest::short_cargo("test")?, &guest::SHORT[..]),
            Self::Full => {
                let mut cargo = run::plain_cargo();
                cargo.args(["test", "--quiet"]);
                (cargo, packages)
            }
        };
        cargo.args(packages);
        Ok(cargo)
    }

    /// The programs of the test machines.
    pub(crate) fn programs(self) -> Result<Programs> {
        match self {
            Self::Short => Programs::short(),
            Self::Full => Programs::get(Arch::HERE, None, None),
        }
    }
}
