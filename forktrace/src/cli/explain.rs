//! Arguments of `explain`.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use clap::{ArgGroup, Args, ValueHint};
use clap_complete::ArgValueCompleter;

use forktrace::view::{Explained, Format, formats};

use super::{
    Color, complete,
    values::{one_of, parse_pid},
};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("log_of").args(["pid", "cgroup", "unit", "user"]))]
pub(crate) struct ExplainArgs {
    /// Causes as records name them, limits (pids.max, TasksMax, 'ulimit -u'), errnos, or a line of
    /// a log, in quotes; `-` reads lines from standard input.
    // A login shell's line begins with a hyphen ("-bash: fork: …").
    #[arg(value_name = "WHAT", allow_hyphen_values = true, add = ArgValueCompleter::new(complete::explained))]
    first: Option<OsString>,
    /// Its other words.
    // "clone(…) = -1 EAGAIN"
    #[arg(
        value_name = "WORD",
        hide = true,
        requires = "first",
        allow_negative_numbers = true
    )]
    rest: Vec<OsString>,
    /// Look for what programs say of refusals in these files; .gz, .zst and .xz are read, too.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "first", value_hint = ValueHint::FilePath)]
    pub log: Vec<PathBuf>,
    /// Look for it in what journalctl has of this unit.
    #[arg(long, value_name = "UNIT", conflicts_with_all = ["first", "log"], add = ArgValueCompleter::new(complete::units))]
    pub journal: Option<String>,
    /// List what each program says, and what brings it back.
    #[arg(long, conflicts_with_all = ["first", "log", "journal", "log_of"])]
    pub programs: bool,
    #[command(flatten)]
    pub of: OfArgs,
    /// How to print; markdown is of causes and programs alone.
    #[arg(long, value_parser = one_of(formats::EXPLAIN), default_value = "text", help_heading = "Output")]
    pub format: &'static Format<Explained>,
    /// When to colour.
    #[arg(long, value_enum, default_value_t = Color::Auto, help_heading = "Output")]
    pub color: Color,
}

/// Whose limits are read beside a line of a log.
#[derive(Debug, Args)]
pub(crate) struct OfArgs {
    /// Read the limits of this process, and say which of them are near.
    #[arg(long, value_name = "PID", value_parser = parse_pid, add = ArgValueCompleter::new(complete::pids))]
    pub pid: Option<u32>,
    /// The same of this cgroup.
    #[arg(long, value_name = "PATH", add = ArgValueCompleter::new(complete::cgroups))]
    pub cgroup: Option<OsString>,
    /// The same of this systemd unit.
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(complete::units))]
    pub unit: Option<String>,
    /// The same of this user, by name or uid.
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(complete::users))]
    pub user: Option<String>,
}

impl OfArgs {
    /// Whether they name anybody.
    pub(crate) fn is_given(&self) -> bool {
        let cgroup = self.cgroup.as_deref();
        self.pid.is_some() || self.user.is_some() || cgroup.is_some() || self.unit.is_some()
    }
}

impl ExplainArgs {
    /// What is asked about, its words with a space between; `None`: nothing in particular.
    pub(crate) fn what(&self) -> Option<OsString> {
        let mut what = self.first.clone()?;
        for word in &self.rest {
            what.push(OsStr::new(" "));
            what.push(word);
        }
        Some(what)
    }

    /// Its words as they are given.
    pub(crate) fn words(&self) -> impl Iterator<Item = &OsStr> {
        let all = self.first.iter().chain(&self.rest);
        all.map(OsString::as_os_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{self, Cli};
    use clap::Parser as _;

    fn parse(arguments: &[&str]) -> Result<Box<ExplainArgs>, clap::Error> {
        let all = [&["forktrace", "explain"], arguments].concat();
        match Cli::try_parse_from(all)?.command {
            Some(cli::Command::Explain(args)) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    fn what(arguments: &[&str]) -> String {
        let what = parse(arguments).unwrap().what().unwrap_or_default();
        what.into_string().unwrap()
    }

    #[test]
    fn words_a_line_or_logs() {
        let line = "bash: fork: retry: Resource temporarily unavailable";
        assert_eq!(what(&[line]), line);
        assert_eq!(
            what(&["Cannot", "allocate", "memory"]),
            "Cannot allocate memory"
        );
        assert_eq!(
            what(&["clone()", "=", "-1", "EAGAIN"]),
            "clone() = -1 EAGAIN"
        );
        assert_eq!(what(&[]), "");
        assert_eq!(what(&["-"]), "-");
        // A login shell's.
        let login = format!("-{line}");
        assert_eq!(what(&["--format", "json", &login]), login);
        let args = parse(&["TasksMax", "--format", "json"]).unwrap();
        assert_eq!(args.format.name, "json");
        assert_eq!(parse(&["--log", "a", "b"]).unwrap().log.len(), 2);
        assert!(parse(&["x y", "--log", "a"]).is_err());
        assert!(parse(&["--journal", "a", "--programs"]).is_err());
        assert!(parse(&["--pid", "1", "--programs"]).is_err());
        assert!(parse(&["x y", "--pid", "1", "--unit", "a"]).is_err());
    }
}
