//! The command line of `cargo xtask test`.

use super::{Tier, corners};
use crate::arch::Arch;

/// Arguments of `cargo xtask test`; without a choice of parts all of them run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The object's check, formatting, lints and unit tests
    #[arg(long)]
    unit: bool,
    /// The documented examples, with the tools that they name
    #[arg(long)]
    docs: bool,
    /// A fixed number of inputs for each fuzz target (their seeds are unit tests)
    #[arg(long)]
    fuzz: bool,
    /// The test kernels' structs and functions against what forktrace expects of their versions
    #[arg(long)]
    drift: bool,
    /// The scenarios on this machine's own kernel (as root)
    #[arg(long)]
    native: bool,
    /// The scenarios on the test kernels, with cgroup v2 and v1
    #[arg(long)]
    vm: bool,
    /// Random worlds on the test kernels, beside an oracle
    #[arg(long)]
    torture: bool,
    /// What a release publishes: built twice, installed, run and removed (as root on Debian)
    #[arg(long)]
    dist: bool,
    /// Prometheus, Alertmanager, node_exporter and VictoriaMetrics of Debian on what forktrace counts, and
    /// contrib/ by the tools that it is for (as root)
    #[arg(long)]
    monitoring: bool,
    /// Everything: all scenarios in every corner, 20,000 refusals in random worlds, the fuzz targets,
    /// what a release publishes
    #[arg(long)]
    pub full: bool,
    /// Of the test machines only this corner, by all scenarios (may be given several times)
    #[arg(long, value_name = "KERNEL:STYLE", conflicts_with = "full")]
    pub corner: Vec<String>,
    /// All scenarios in the corners of this day since 1970 [default: today]
    #[arg(long, value_name = "N")]
    day: Option<u64>,
    /// What a short run may take: corners that the change names are left out where they would end
    /// later, and reported as skipped
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub minutes: u64,
    /// The scenarios on this machine's test kernels and nothing else, where it isn't the one that xtask
    /// runs on: built by a cross compiler and emulated
    #[arg(
        long,
        value_enum,
        default_value_t = Arch::HERE,
        conflicts_with_all = ["unit", "docs", "fuzz", "drift", "native", "torture", "dist"]
    )]
    pub arch: Arch,
    /// Only these test kernels
    #[arg(long, value_name = "KERNEL", default_values_t = ["all".to_owned()])]
    pub kernel: Vec<String>,
    /// Test machines at a time
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// More arguments for the scenario runner, native and in the test machines
    #[arg(last = true)]
    pub scenarios: Vec<String>,
}

/// The parts that are to run.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub all: bool,
    pub unit: bool,
    pub docs: bool,
    pub fuzz: bool,
    pub drift: bool,
    pub native: bool,
    pub vm: bool,
    pub torture: bool,
    pub dist: bool,
    pub monitoring: bool,
}

impl Args {
    pub(crate) fn tier(&self) -> Tier {
        if self.full { Tier::Full } else { Tier::Short }
    }

    /// The day whose corners are tested by all scenarios.
    pub(crate) fn day(&self) -> u64 {
        self.day.unwrap_or_else(corners::today)
    }

    pub(crate) fn wanted(&self) -> Wanted {
        let one = self.unit || self.docs || self.fuzz || self.drift || self.native || self.vm;
        let all = !(one || self.torture || self.dist || self.monitoring);
        Wanted {
            all,
            unit: all || self.unit,
            docs: all || self.docs,
            fuzz: self.fuzz || all && self.full,
            drift: all || self.drift,
            native: all || self.native,
            vm: all || self.vm,
            torture: all || self.torture,
            // No kernel decides about it: a run of some doesn't make it again.
            dist: self.dist || all && self.full && self.kernel == ["all"],
            monitoring: self.monitoring || all && self.full && self.kernel == ["all"],
        }
    }
}
