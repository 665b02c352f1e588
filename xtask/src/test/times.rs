//! What took how long: parts of the run, machines, starts of forktrace, the slowest cases.
//! Kept as `target/xtask/times.md`, and printed at the end.

use crate::guest::{self, Accel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The slowest cases that are listed.
const SLOWEST: usize = 10;

/// Collects them; parts that go side by side share one.
pub(super) struct Times {
    start: Instant,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    parts: Vec<Part>,
    machines: Vec<Machine>,
    slow: Vec<(Duration, String)>,
    retried: Vec<String>,
}

struct Part {
    name: String,
    from: Duration,
    took: Duration,
}

/// A test machine that has ended.
pub(super) struct Machine {
    /// Kernel, cgroup layout and part.
    pub name: String,
    /// Until init ran.
    pub boot: Option<Duration>,
    /// From the start of the first attempt to the end of the last.
    pub whole: Duration,
    /// It ran all scenarios of a style.
    pub of_a_style: bool,
}

impl Times {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            taken: Mutex::default(),
        }
    }

    /// How long the run has taken so far.
    pub(super) fn so_far(&self) -> Duration {
        self.start.elapsed()
    }

    /// Runs a part and says on stderr how long it took.
    pub(super) fn part<T>(&self, name: &str, part: impl FnOnce() -> T) -> T {
        eprintln!("xtask: {name} …");
        let (from, begun) = (self.so_far(), Instant::now());
        let result = part();
        let took = begun.elapsed();
        eprintln!("xtask: {name} took {:.0} s", took.as_secs_f64());
        self.taken().parts.push(Part {
            name: name.to_owned(),
            from,
            took,
        });
        result
    }

    /// Adds a machine, with what it printed: `STARTED` and `TOOK` lines.
    pub(super) fn machine(&self, machine: Machine, output: &str) {
        self.cases(&machine.name, output);
        self.taken().machines.push(machine);
    }

    /// What a machine with all scenarios of a style has taken at most, with what ran beside it.
    pub(super) fn longest_of_a_style(&self) -> Option<Duration> {
        let taken = self.taken();
        let of_styles = taken.machines.iter().filter(|machine| machine.of_a_style);
        of_styles.map(|machine| machine.whole).max()
    }

    /// Adds what a scenario runner said of its own times; `place` says where it ran.
    pub(super) fn cases(&self, place: &str, output: &str) {
        let slow = output.lines().filter_map(|line| {
            let (start, rest) = match line.strip_prefix("STARTED ") {
                Some(rest) => ("start of ", rest),
                None => ("", line.strip_prefix("TOOK ")?),
            };
            let (seconds, name) = rest.split_once(' ')?;
            let time = Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?;
            Some((time, format!("{place}: {start}{name}")))
        });
        self.taken().slow.extend(slow);
    }

    /// Something that was tried again because of the emulator, and why.
    pub(super) fn retried(&self, what: &str, why: &str) {
        self.taken().retried.push(format!("{what}: {why}"));
    }

    /// How often that was.
    pub(super) fn retries(&self) -> usize {
        self.taken().retried.len()
    }

    /// The tables.
    pub(super) fn markdown(&self) -> String {
        let taken = self.taken();
        let mut text = format!(
            "## Times\n\n{:.1} minutes, machines {}.\n\n| part | from minute | seconds |\n|---|---:|---:|\n",
            minutes(self.so_far()),
            match guest::chosen_accel() {
                Some(Accel::Kvm) => "under KVM",
                Some(Accel::Emulator) => "emulated",
                None => "none",
            },
        );
        for part in &taken.parts {
            text += &format!(
                "| {} | {:.1} | {:.0} |\n",
                part.name,
                minutes(part.from),
                part.took.as_secs_f64()
            );
        }
        if !taken.machines.is_empty() {
            text += "\n| machine | boot | seconds |\n|---|---:|---:|\n";
        }
        for machine in &taken.machines {
            let boot = machine.boot.map_or("–".to_owned(), |boot| {
                format!("{:.1}", boot.as_secs_f64())
            });
            let whole = machine.whole.as_secs_f64();
            text += &format!("| {} | {boot} | {whole:.0} |\n", machine.name);
        }
        let mut slow: Vec<_> = taken.slow.iter().collect();
        slow.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
        let (starts, cases): (Vec<_>, Vec<_>) = slow
            .into_iter()
            .partition(|(_, name)| name.contains(": start of "));
        for (title, list) in [
            ("slowest starts of forktrace", starts),
            ("slowest cases", cases),
        ] {
            if list.is_empty() {
                continue;
            }
            text += &format!("\n| {title} | seconds |\n|---|---:|\n");
            for (time, name) in list.into_iter().take(SLOWEST) {
                text += &format!("| {name} | {:.1} |\n", time.as_secs_f64());
            }
        }
        if !taken.retried.is_empty() {
            text += "\nTried again, because of the emulator:\n\n";
        }
        for retried in &taken.retried {
            text += &format!("- {retried}\n");
        }
        text
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn minutes(time: Duration) -> f64 {
    time.as_secs_f64() / 60.0
}

#[cfg(test)]
mod tests {
    use super::{Machine, Times};
    use std::time::Duration;

    #[test]
    fn the_slowest_come_first_and_retries_are_listed() {
        let times = Times::new();
        times.part("builds", || ());
        times.retried("6.1 v2 fexit", "a CPU was stuck");
        let machine = Machine {
            name: "6.1 v2 fexit".to_owned(),
            boot: Some(Duration::from_millis(2900)),
            whole: Duration::from_secs(31),
            of_a_style: true,
        };
        let longer = Machine {
            name: "6.1 v2 commands".to_owned(),
            boot: None,
            whole: Duration::from_secs(60),
            of_a_style: false,
        };
        assert_eq!(times.longest_of_a_style(), None);
        times.machine(longer, "");
        let output = "STARTED 3.3 fexit\nTOOK 1.1 fexit/a\nPASS x\nTOOK 4.0 fexit/b\nTOOK ? c\n";
        times.machine(machine, output);
        assert_eq!(times.longest_of_a_style(), Some(Duration::from_secs(31)));
        let text = times.markdown();
        for line in [
            "| builds | 0.0 | 0 |",
            "| 6.1 v2 fexit | 2.9 | 31 |",
            "| 6.1 v2 fexit: start of fexit | 3.3 |",
            "- 6.1 v2 fexit: a CPU was stuck",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(text.find("fexit/b") < text.find("fexit/a"), "{text}");
        assert_eq!(times.retries(), 1);
    }
}
