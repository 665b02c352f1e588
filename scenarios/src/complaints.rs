//! That the kernel of a test machine complains of nothing while forktrace looks into it.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, Result, anyhow};

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
        if tests.at != Where::TestMachine {
            return;
        }
        let outcome = match self.since() {
            Ok(named) if named.is_empty() => Ok(()),
            Ok(named) => {
                // The machine is gone once this is read: all that there is to find the reason by.
                let log = log().unwrap_or_else(|error| vec![format!("{error:#}")]);
                let first = log
                    .iter()
                    .position(|line| COMPLAINS.iter().any(|is| line.contains(is)));
                let from = first.unwrap_or(log.len().saturating_sub(TRACE));
                for line in log.iter().skip(from).take(TRACE) {
                    tests.report.detail(line);
                }
                let first = first.map_or("which is no longer in the log", |at| &log[at]);
                Err(anyhow!("in its log: {}: {first}", named.join(", ")))
            }
            Err(error) => Err(error),
        };
        tests.report.case("kernel_complains_of_nothing", outcome);
    }

    fn since(&self) -> Result<Vec<&'static str>> {
        let new = tainted()? & !self.0;
        let named = COMPLAINTS.iter().filter(|(bit, _)| new >> bit & 1 == 1);
        Ok(named.map(|(_, what)| *what).collect())
    }
}

/// How the lines begin that say what it complains of (kernel/panic.c, `__warn`; mm/page_alloc.c,
/// `bad_page`; arch/x86/kernel/dumpstack.c).
const COMPLAINS: [&str; 3] = ["WARNING: ", "BUG: ", "Oops: "];
/// What follows such a line: modules, registers, the stack.
const TRACE: usize = 60;

/// The lines of the kernel's log that it still has (Documentation/ABI/testing/dev-kmsg: one record
/// a read, `prefix;text`, and lines that begin with a space are the record's fields).
fn log() -> Result<Vec<String>> {
    const FILE: &str = "/dev/kmsg";
    let mut open = OpenOptions::new();
    let open = open.read(true).custom_flags(libc::O_NONBLOCK);
    let mut file = open.open(FILE).context(FILE)?;
    let mut lines = Vec::new();
    let mut record = [0; 8192];
    loop {
        match file.read(&mut record) {
            Ok(0) => return Ok(lines),
            Ok(length) => {
                let text = String::from_utf8_lossy(&record[..length]);
                let first = text.lines().next().unwrap_or_default();
                let (_, line) = first.split_once(';').unwrap_or(("", first));
                lines.push(line.to_owned());
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(lines),
            // EPIPE: records were overwritten meanwhile. The next read goes on after them.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(error) => return Err(error).context(FILE),
        }
    }
}

fn tainted() -> Result<u64> {
    const FILE: &str = "/proc/sys/kernel/tainted";
    let text = fs::read_to_string(FILE).context(FILE)?;
    text.trim()
        .parse()
        .with_context(|| format!("{FILE}: {text}"))
}
