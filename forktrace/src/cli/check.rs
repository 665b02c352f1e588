//! Arguments of `check`.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{ArgGroup, Args, ValueHint};

use forktrace::{
    headroom::Headroom,
    view::{Format, formats},
};

use clap_complete::ArgValueCompleter;

use super::{
    Color, TimesArgs, complete,
    values::{one_of, parse_duration, parse_pid},
};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("of").args(["pid", "cgroup", "unit", "user"]))]
pub(crate) struct CheckArgs {
    /// What could refuse forks of this process.
    #[arg(short, long, value_name = "PID", value_parser = parse_pid, add = ArgValueCompleter::new(complete::pids))]
    pub pid: Option<u32>,
    /// What could refuse forks in this cgroup.
    #[arg(long, value_name = "PATH", add = ArgValueCompleter::new(complete::cgroups))]
    pub cgroup: Option<OsString>,
    /// What could refuse forks of this systemd unit, and of the process that
    /// systemd started for it.
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(complete::units))]
    pub unit: Option<String>,
    /// What could refuse forks of this user, by name or uid.
    #[arg(short, long, value_name = "NAME", add = ArgValueCompleter::new(complete::users))]
    pub user: Option<String>,
    /// From how full on a limit is near.
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent, default_value = "90")]
    pub warn: f64,
    /// Which limit would refuse which of N more tasks of it (or connections, of a server that has a
    /// process or a thread for each), in the kernel's order; the exit status is 1 if any would.
    #[arg(long, value_name = "N", requires = "of", value_parser = parse_tasks)]
    pub would: Option<u64>,
    /// How to print.
    #[arg(long, value_parser = one_of(formats::CHECK), default_value = "text", help_heading = "Output")]
    pub format: &'static Format<Headroom>,
    /// One line, for motd or Nagios: OK or WARNING, as the exit status has it.
    #[arg(long, conflicts_with_all = ["format", "all", "watch"])]
    pub short: bool,
    /// Every limit with a bar, not the nearest alone: of --cgroup and --unit those of the cgroups below as
    /// well, without --pid and the like those of all cgroups.
    #[arg(long, conflicts_with = "format")]
    pub all: bool,
    /// When to colour.
    #[arg(long, value_enum, default_value_t = Color::Auto, help_heading = "Output")]
    pub color: Color,
    /// Go on until Ctrl-C, with a new reading every 2 seconds, or every so many.
    #[arg(
        long,
        value_name = "SECONDS",
        value_parser = parse_interval,
        num_args = 0..=1,
        require_equals = false,
        default_missing_value = "2"
    )]
    pub watch: Option<Duration>,
    /// Keep every setting that a refused fork can come from, as it is now; `-` is standard output,
    /// in place of the text.
    #[arg(long, value_name = "FILE", conflicts_with = "watch", value_hint = ValueHint::FilePath)]
    pub save: Option<PathBuf>,
    /// Overwrite an existing file.
    #[arg(long, requires = "save")]
    pub force: bool,
    /// Show what has changed since this file was saved.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub against: Option<PathBuf>,
    /// Show what the kernel still counts of refusals and OOM kills from before, in all cgroups, what
    /// systemd and the journal have of them, and what each proves; with --against or --watch, what is new.
    #[arg(long, conflicts_with_all = ["of", "would", "short", "all"])]
    pub past: bool,
    #[command(flatten)]
    pub times: TimesArgs,
}

impl CheckArgs {
    /// The format that was asked for.
    pub(crate) fn format(&self) -> &'static Format<Headroom> {
        match (self.short, self.all) {
            (true, _) => &formats::CHECK_SHORT,
            (_, true) => &formats::CHECK_ALL,
            _ => self.format,
        }
    }
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    let percent: Option<f64> = number.trim().parse().ok();
    percent
        .filter(|percent| *percent > 0.0 && *percent <= 1000.0)
        .ok_or_else(|| "give a number of percent above 0".to_owned())
}

fn parse_tasks(text: &str) -> Result<u64, String> {
    // More ids there can't be.
    let tasks = text.parse().ok().filter(|n| (1..=4_194_304).contains(n));
    tasks.ok_or_else(|| "give a number of tasks from 1 to 4194304".to_owned())
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text)?;
    // Less would read /proc without a pause.
    match interval >= Duration::from_millis(100) && interval <= Duration::from_secs(86_400) {
        true => Ok(interval),
        false => Err("give 0.1 seconds at least, and a day at most".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser as _;

    fn parse(arguments: &[&str]) -> Result<CheckArgs, clap::Error> {
        let all = [&["forktrace", "check"], arguments].concat();
        match Cli::try_parse_from(all)?.command {
            Some(Command::Check(args)) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_subject_at_most() {
        assert_eq!(parse(&["--pid", "7"]).unwrap().pid, Some(7));
        let error = parse(&["--pid", "7", "--unit", "x"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(parse(&["--force"]).is_err());
    }

    #[test]
    fn tasks_to_come_are_somebodys() {
        let would = |args: &[&str]| parse(args).map(|args| args.would);
        assert_eq!(would(&["--pid", "7", "--would", "50"]).unwrap(), Some(50));
        for bad in [
            &["--would", "50"][..],
            &["--pid", "7", "--would", "0"],
            &["--pid", "7", "--would", "-1"],
            &["--pid", "7", "--would", "many"],
        ] {
            assert_eq!(would(bad).unwrap_err().exit_code(), 2, "{bad:?}");
        }
    }

    #[test]
    fn one_way_to_print() {
        let name = |args: &[&str]| parse(args).map(|args| args.format().name);
        assert_eq!(name(&[]).unwrap(), "text");
        assert_eq!(name(&["--short"]).unwrap(), "short");
        assert_eq!(name(&["--all", "--watch"]).unwrap(), "all");
        for bad in [
            &["--short", "--all"][..],
            &["--short", "--format", "json"],
            &["--short", "--watch"],
            &["--all", "--format", "text"],
        ] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn percentages_and_intervals() {
        assert_eq!(parse(&["--warn", "75%"]).unwrap().warn, 75.0);
        for bad in ["0", "-1", "x", "nan", "inf", ""] {
            assert!(parse(&["--warn", bad]).is_err(), "{bad}");
        }
        let watch = |args: &[&str]| parse(args).unwrap().watch;
        assert_eq!(watch(&["--watch"]), Some(Duration::from_secs(2)));
        assert_eq!(watch(&["--watch", "0.5"]), Some(Duration::from_millis(500)));
        assert_eq!(watch(&[]), None);
        assert!(parse(&["--watch", "0"]).is_err());
    }
}
