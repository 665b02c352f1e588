//! How often was tried, by how many, and how fast.

use std::collections::BTreeMap;

use foldhash::HashMap;

use crate::{order::Order as _, report::Rate, view::count};

/// Processes that are told apart; of more, "at least" is said.
const PROCESSES: usize = 1024;
/// Programs that are.
const PROGRAMS: usize = 64;
/// From so many attempts a second on, a process makes no pause between them that a person would
/// call one.
const WITHOUT_PAUSE: u64 = 100;
const SECOND: u64 = 1000;

/// Attempts on one limit. Times are milliseconds of the records' clock.
#[derive(Default)]
pub(super) struct Tally {
    attempts: u64,
    /// Of these, those whose process isn't known.
    anonymous: u64,
    processes: HashMap<u32, Process>,
    /// There have been more processes than are told apart.
    more: bool,
    programs: HashMap<String, u64>,
    /// Names of threads by which their programs were called while the executable wasn't known.
    aliases: HashMap<String, String>,
}

#[derive(Default)]
struct Process {
    program: String,
    attempts: u64,
    first: u64,
    last: u64,
    rate: Rate,
}

impl Tally {
    /// One attempt of a process.
    pub(super) fn one(&mut self, pid: u32, program: &str, at: u64) {
        self.some(Some((pid, program)), 1, at, at);
    }

    /// Several; of no known process where it is `None`.
    pub(super) fn some(&mut self, process: Option<(u32, &str)>, count: u64, first: u64, last: u64) {
        self.attempts = self.attempts.saturating_add(count);
        let Some((pid, program)) = process else {
            self.anonymous = self.anonymous.saturating_add(count);
            return;
        };
        if let Some(of) = self.programs.get_mut(program) {
            *of = of.saturating_add(count);
        } else if self.programs.len() < PROGRAMS {
            self.programs.insert(program.to_owned(), count);
        }
        if !self.processes.contains_key(&pid) && self.processes.len() >= PROCESSES {
            self.more = true;
            return;
        }
        let process = self.processes.entry(pid).or_insert_with(|| Process {
            program: program.to_owned(),
            first,
            ..Process::default()
        });
        process.add(count, first, last);
    }

    /// A thread of this name is of this program: who is called by the thread's name is of it, too.
    pub(super) fn learn(&mut self, comm: &str, program: &str) {
        if comm != program && self.aliases.len() < PROGRAMS && !self.aliases.contains_key(comm) {
            self.aliases.insert(comm.to_owned(), program.to_owned());
        }
    }

    fn program<'a>(&'a self, name: &'a str) -> &'a str {
        self.aliases.get(name).map_or(name, String::as_str)
    }

    /// All of them.
    pub(super) fn attempts(&self) -> u64 {
        self.attempts
    }

    /// Processes that are known.
    pub(super) fn processes(&self) -> usize {
        self.processes.len()
    }

    /// "443 attempts by java[812], up to 120 in a second".
    pub(super) fn words(&self) -> String {
        let mut text = count(self.attempts, "attempt");
        let Some((pid, busiest)) = self.busiest() else {
            return text;
        };
        let rate = busiest.how_fast();
        if self.processes.len() == 1 && self.anonymous == 0 && !self.more {
            text.push_str(&format!(" by {}[{pid}]", busiest.program));
            if !rate.is_empty() {
                text.push_str(&format!(", {rate}"));
            }
            return text;
        }
        text.push_str(" by ");
        if self.more || self.anonymous > 0 {
            text.push_str("at least ");
        }
        text.push_str(&processes(self.processes.len()));
        text.push_str(&format!(" of {}", self.names()));
        if busiest.attempts * 2 > self.attempts && busiest.attempts > 4 {
            let (n, program) = (busiest.attempts, &busiest.program);
            text.push_str(&format!("; {n} of them by {program}[{pid}]"));
            if !rate.is_empty() {
                text.push_str(&format!(", {rate}"));
            }
        } else if self.attempts == self.processes.len() as u64 {
            text.push_str(", each once");
        } else {
            text.push_str(&format!(
                ", none more than {} in a second",
                busiest.rate.most()
            ));
        }
        text
    }

    /// "nginx[812]", "the 12 processes of nginx and sh".
    pub(super) fn who(&self) -> String {
        match self.processes.iter().next() {
            Some((pid, process)) if self.processes.len() == 1 => {
                format!("{}[{pid}]", process.program)
            }
            _ => format!(
                "the {} of {}",
                processes(self.processes.len()),
                self.names()
            ),
        }
    }

    /// The one that tried fastest, and of those as fast most often.
    fn busiest(&self) -> Option<(u32, &Process)> {
        let all = self.processes.iter();
        all.max_by_key(|(pid, p)| (p.rate.most(), p.attempts, std::cmp::Reverse(**pid)))
            .map(|(pid, process)| (*pid, process))
    }

    /// The programs with the most attempts.
    fn names(&self) -> String {
        let mut all: BTreeMap<&str, u64> = BTreeMap::new();
        for (name, attempts) in &self.programs {
            *all.entry(self.program(name)).or_default() += attempts;
        }
        let mut all: Vec<_> = all.into_iter().collect();
        all.order_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let shown = all.iter().take(3).map(|(name, _)| *name);
        let mut names: Vec<&str> = shown.collect();
        let others = format!("{} others", all.len().saturating_sub(3));
        if all.len() > 3 {
            names.push(&others);
        }
        match names.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, first)) => format!("{} and {last}", first.join(", ")),
            None => "no known program".to_owned(),
        }
    }
}

impl Process {
    fn add(&mut self, count: u64, first: u64, last: u64) {
        self.attempts = self.attempts.saturating_add(count);
        self.first = self.first.min(first);
        self.last = self.last.max(last);
        let time = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
        self.rate.add(count, time(first), time(last));
    }

    /// Nothing of what came once a second.
    fn how_fast(&self) -> String {
        let lasted = self.last.saturating_sub(self.first);
        let mean = per_second(self.attempts, lasted.max(1));
        match self.rate.most() {
            0..2 => String::new(),
            most if lasted >= SECOND && mean >= WITHOUT_PAUSE => {
                format!("up to {most} in a second, without a pause")
            }
            most => format!("up to {most} in a second"),
        }
    }
}

fn per_second(count: u64, milliseconds: u64) -> u64 {
    let rate = u128::from(count) * u128::from(SECOND) / u128::from(milliseconds.max(1));
    u64::try_from(rate).unwrap_or(u64::MAX)
}

fn processes(n: usize) -> String {
    match n {
        1 => "1 process".to_owned(),
        n => format!("{n} processes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_without_a_pause_is_told_from_a_thousand_clients() {
        let mut one = Tally::default();
        one.one(7, "ksh93", 55_195);
        one.some(Some((7, "ksh93")), 7319, 55_196, 56_203);
        assert_eq!(
            one.words(),
            "7320 attempts by ksh93[7], up to 7267 in a second, without a pause"
        );
        let mut many = Tally::default();
        for pid in 0..1000 {
            many.one(pid, "psql", 55_000 + u64::from(pid));
        }
        assert_eq!(
            many.words(),
            "1000 attempts by 1000 processes of psql, each once"
        );
        many.some(Some((3, "ksh93")), 7000, 56_000, 56_900);
        assert_eq!(
            many.words(),
            "8000 attempts by 1000 processes of ksh93 and psql; 7001 of them by psql[3], up to 7000 in a second, without a pause"
        );
    }

    #[test]
    fn what_came_once_has_no_speed() {
        let mut tally = Tally::default();
        tally.one(7, "nginx", 1000);
        assert_eq!(tally.words(), "1 attempt by nginx[7]");
        assert_eq!(tally.who(), "nginx[7]");
        tally.one(7, "nginx", 9000);
        assert_eq!(tally.words(), "2 attempts by nginx[7]");
        tally.some(None, 5, 9000, 9500);
        assert_eq!(
            tally.words(),
            "7 attempts by at least 1 process of nginx, none more than 1 in a second"
        );
        for (pid, program) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
            tally.one(pid, program, 10_000);
        }
        assert_eq!(tally.who(), "the 5 processes of nginx, a, b and 2 others");
    }

    /// The executable of one that ends at once can't be read.
    #[test]
    fn a_program_goes_by_one_name() {
        let mut tally = Tally::default();
        tally.one(1, "sh", 0);
        tally.one(2, "dash", 0);
        tally.learn("sh", "dash");
        tally.one(3, "sh", 0);
        assert_eq!(
            tally.words(),
            "3 attempts by 3 processes of dash, each once"
        );
    }

    #[test]
    fn no_more_processes_are_remembered_than_there_is_room_for() {
        let mut tally = Tally::default();
        for pid in 0..5000 {
            tally.one(pid, &format!("p{pid}"), 0);
        }
        assert_eq!(tally.processes(), PROCESSES);
        let words = tally.words();
        assert!(
            words.starts_with("5000 attempts by at least 1024 processes of"),
            "{words}"
        );
    }
}
