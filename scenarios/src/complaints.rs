//! That the kernel of a test machine complains of nothing while forktrace looks into it.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::runner::{Tests, Where};

/// Bits of /proc/sys/kernel/tainted (Documentation/admin-guide/tainted-kernels.rst), and what each says.
const COMPLAINTS: [(u32, &str); 4] = [
    (5, "a page in an unexpected state"),
    (7, "an oops"),
    (9, "a warning"),
    (14, "a CPU locked up"),
];

/// What it had complained of before the tests.
pub(crate) struct Before(u64);

impl Before {
    pub(crate) fn now() -> Result<Self> {
        tainted().map(Self)
    }

    /// Nothing since. On a host others can be the reason.
    pub(crate) fn check(&self, tests: &mut Tests) {
        if tests.at == Where::TestMachine {
            tests
                .report
                .case("kernel_complains_of_nothing", self.since());
        }
    }

    fn since(&self) -> Result<()> {
        let new = tainted()? & !self.0;
        let named = COMPLAINTS.iter().filter(|(bit, _)| new >> bit & 1 == 1);
        let named: Vec<&str> = named.map(|(_, what)| *what).collect();
        ensure!(named.is_empty(), "in its log: {}", named.join(", "));
        Ok(())
    }
}

fn tainted() -> Result<u64> {
    const FILE: &str = "/proc/sys/kernel/tainted";
    let text = fs::read_to_string(FILE).context(FILE)?;
    text.trim()
        .parse()
        .with_context(|| format!("{FILE}: {text}"))
}
