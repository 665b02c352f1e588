//! The command line: arguments to commands, nothing else.

mod check;
mod complete;
mod explain;
pub(crate) mod manual;
pub(crate) mod mistakes;
mod monitor;
mod range;
mod top;
pub(crate) mod values;

use std::{
    borrow::Cow,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::ArgValueCompleter;
use forktrace::{
    cause::Cause,
    otlp::Endpoint,
    probe::style::Style,
    record::{Containers, Errno, Record},
    report::{By, Report},
    selftest::Line,
    view::{Format, Probes, clean, formats},
};

use values::{
    by, one_of, parse_cause, parse_comm, parse_duration, parse_errno, parse_file_size, parse_host,
    parse_pid, parse_rows, parse_size,
};

pub(crate) use check::CheckArgs;
pub(crate) use explain::ExplainArgs;
pub(crate) use monitor::MonitorArgs;
pub(crate) use range::{Range, RangeArgs};
pub(crate) use top::TopArgs;

/// Says why the kernel refused to create a process or thread.
#[derive(Debug, Parser)]
#[command(
    name = "forktrace",
    version,
    args_conflicts_with_subcommands = true,
    max_term_width = 100,
    after_help = "Exit status: 0 done, 1 check found a limit near, the selftest a fault, or --fail something refused, 2 wrong usage, \
                  3 can't run here, 4 failed while running, 5 a recording was read that has lost records by \
                  damage (0 with --lenient); with a command, the command's own. `forktrace --help` has examples.",
    after_long_help = format!(
        "{}\n\n{}",
        manual::examples(&manual::LIVE),
        "Exit status: 0 done, 1 check found a limit near, the selftest a fault, or --fail something refused, 2 wrong usage, \
         3 can't run here, 4 failed while running, 5 a recording was read that has lost records by \
         damage (0 with --lenient); with a command, the command's own."
    )
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub live: LiveArgs,
}

impl Cli {
    /// Whether times are UTC; `None` of a command that neither takes nor prints any.
    pub(crate) fn utc(&self) -> Option<bool> {
        match &self.command {
            None => Some(self.live.print.times.utc),
            Some(Command::Live(args)) => Some(args.print.times.utc),
            Some(Command::Replay(args)) => Some(args.print.times.utc),
            Some(Command::Report(args)) => Some(args.times.utc),
            Some(Command::Check(args)) => Some(args.times.utc),
            Some(Command::Top(args)) => Some(args.times.utc),
            // What it sums up on standard error has times.
            Some(Command::Record(_)) => Some(false),
            Some(_) => None,
        }
    }
}

/// Which times are meant and shown.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct TimesArgs {
    /// Show times in UTC, and take them so, not in the zone that TZ or this host has.
    #[arg(long)]
    pub utc: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print each failure with its cause as it happens (the default).
    #[command(after_long_help = manual::examples(&manual::LIVE))]
    Live(Box<LiveArgs>),
    /// Write each failure to a file.
    #[command(after_long_help = manual::examples(&manual::RECORD))]
    Record(Box<RecordArgs>),
    /// Print recordings as live would have printed them.
    #[command(after_long_help = manual::examples(&manual::REPLAY))]
    Replay(Box<ReplayArgs>),
    /// Sum recordings up: causes, limits, callers, bursts, what to do first.
    #[command(
        after_help = "Any number of files, of any number of hosts, in any order.",
        after_long_help = format!("Any number of files, of any number of hosts, in any order.\n\n{}", manual::examples(&manual::REPORT))
    )]
    Report(Box<ReportArgs>),
    /// Write recordings as one table: Parquet or CSV.
    #[command(
        after_help = "Any number of files, of any number of hosts, in any order.",
        after_long_help = format!("Any number of files, of any number of hosts, in any order.\n\n{}", manual::examples(&manual::CONVERT))
    )]
    Convert(ConvertArgs),
    /// Watch limits and failures on one screen, or a recording in time.
    #[command(after_long_help = manual::examples(&manual::TOP))]
    Top(Box<TopArgs>),
    /// Show what this kernel allows, and which evidence it gives.
    #[command(after_long_help = manual::examples(&manual::PROBES))]
    Probes(ProbesArgs),
    /// Explain a cause, a limit, an errno or a line of a log: what it is, how to confirm it, what to do.
    #[command(
        after_help = "Offline, and without privilege. Without an argument it lists all causes.",
        after_long_help = format!("Offline, and without privilege. Without an argument it lists all causes.\n\n{}", manual::examples(&manual::EXPLAIN))
    )]
    Explain(Box<ExplainArgs>),
    /// Show how near each limit is that could refuse the next fork.
    #[command(
        after_help = "Needs no privilege; names what it can't read. Exit status 1 when a limit that applies \
                      is at --warn or above.",
        after_long_help = format!(
            "Needs no privilege; names what it can't read. Exit status 1 when a limit that applies \
             is at --warn or above.\n\n{}",
            manual::examples(&manual::CHECK)
        )
    )]
    Check(CheckArgs),
    /// Provoke each cause and check that it is named; needs root.
    #[command(after_long_help = manual::examples(&manual::SELFTEST))]
    Selftest(SelftestArgs),
    /// Print the JSON Schema of the records, or what other tools need to read recordings.
    #[command(after_long_help = manual::examples(&manual::SCHEMA))]
    Schema(SchemaArgs),
    /// Print completions for a shell: of options, causes, users, units, cgroups, processes.
    #[command(after_long_help = manual::examples(&manual::COMPLETIONS))]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print a manual page, or write all of them.
    #[command(after_long_help = manual::examples(&manual::MAN))]
    Man(ManArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Of which lines.
    #[arg(value_enum, default_value_t = SchemaOf::Records)]
    pub of: SchemaOf,
    /// How to print; all but the first are of records only.
    #[arg(long, value_parser = one_of(formats::SCHEMA), default_value = "json-schema")]
    pub format: &'static Format<serde_json::Value>,
    /// The file to write; `-` is standard output.
    #[arg(short, long, value_name = "FILE", default_value = "-", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// Overwrite an existing file.
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Of which command; without one, of forktrace itself.
    #[arg(value_name = "COMMAND", value_parser = manual::ALL.map(|manual| manual.name))]
    pub command: Option<String>,
    /// Write the page of every command to this folder, in place of those that are there.
    #[arg(short, long, value_name = "FOLDER", conflicts_with = "command", value_hint = ValueHint::DirPath)]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct LiveArgs {
    #[command(flatten)]
    pub trace: TraceArgs,
    #[command(flatten)]
    pub print: PrintArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// The file to write: newline-delimited JSON, compressed when the name ends
    /// in `.zst`; `-` is standard output.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// Overwrite an existing file.
    #[arg(long)]
    pub force: bool,
    /// Continue an existing recording.
    #[arg(long, conflicts_with = "force")]
    pub append: bool,
    #[command(flatten)]
    pub keeping: KeepingArgs,
    #[command(flatten)]
    pub trace: TraceArgs,
    /// Say nothing on standard error.
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Recordings, plain or compressed, in the order to print them; `-` is
    /// standard input.
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// Go on when the end is reached, with what is written from then on.
    #[arg(short, long)]
    pub follow: bool,
    /// Hand it to an OpenTelemetry collector instead of printing it, as OTLP/JSON: the URL of its HTTP
    /// receiver, by address (http://127.0.0.1:4318). Nothing is lost while it is away, and after a restart it
    /// goes on from where it was, which stands in FILE.otlp.
    #[arg(long, value_name = "URL", requires = "follow", conflicts_with_all = ["format", "each", "quiet"])]
    pub otlp: Option<Endpoint>,
    #[command(flatten)]
    pub print: PrintArgs,
    /// Say more, every failure in full (--each), and times with their date and offset.
    #[arg(short, long, help_heading = "Output")]
    pub verbose: bool,
    /// End with status 0 though damage has lost some of the records.
    #[arg(long)]
    pub lenient: bool,
    #[command(flatten)]
    pub range: RangeArgs,
    #[command(flatten)]
    pub filter: FilterArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Recordings, plain or compressed; `-` is standard input. With --follow folders, too.
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// How to print.
    #[arg(long, value_parser = one_of(formats::REPORT), default_value = "text", help_heading = "Output")]
    pub format: &'static Format<Report>,
    /// Sum the failures of all hosts up by this, and print that table alone.
    #[arg(long, value_name = "WHAT", value_parser = by(), help_heading = "Output")]
    pub by: Option<By>,
    /// Rows of each table; else ten, and all that have a hundredth of the failures.
    #[arg(long, value_name = "N", value_parser = parse_rows, help_heading = "Output")]
    pub top: Option<usize>,
    /// When to colour.
    #[arg(long, value_enum, default_value_t = Color::Auto, help_heading = "Output")]
    pub color: Color,
    #[command(flatten)]
    pub times: TimesArgs,
    /// Write it as one page with plots to this file, too; `-` is standard output, in place of the
    /// text.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub html: Option<PathBuf>,
    /// Overwrite an existing page.
    #[arg(long, requires = "html")]
    pub force: bool,
    /// Go on with what is written from then on, to these files and to all recordings below these folders, and
    /// print the report again, until Ctrl-C.
    #[arg(short, long)]
    pub follow: bool,
    /// End with status 0 though damage has lost some of the records.
    #[arg(long)]
    pub lenient: bool,
    #[command(flatten)]
    pub range: RangeArgs,
    #[command(flatten)]
    pub filter: FilterArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// Recordings, plain or compressed; `-` is standard input.
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// What to write: a name that ends in .parquet or .csv; `-` is CSV to standard output.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// Overwrite an existing file.
    #[arg(long)]
    pub force: bool,
    /// End with status 0 though damage has lost some of the records.
    #[arg(long)]
    pub lenient: bool,
}

/// What a recording is converted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Parquet,
    Csv,
}

impl ConvertArgs {
    /// By the name of what is written.
    pub(crate) fn format(&self) -> Result<Table, String> {
        let ending = self.output.extension().and_then(|ending| ending.to_str());
        match ending {
            Some("parquet") => Ok(Table::Parquet),
            Some("csv") => Ok(Table::Csv),
            _ if self.output == Path::new("-") => Ok(Table::Csv),
            _ => {
                let output = self.output.to_string_lossy();
                Err(format!(
                    "--output {}: the name has to end in .parquet or .csv, which says what is written",
                    clean(&output)
                ))
            }
        }
    }
}

/// For how long, and how safely, a recording is kept.
#[derive(Debug, Args)]
#[command(next_help_heading = "Keeping")]
pub(crate) struct KeepingArgs {
    /// Begin a new file at this size, e.g. 100M; the old one gets the time into
    /// its name.
    #[arg(long, value_name = "BYTES", value_parser = parse_file_size)]
    pub max_size: Option<u64>,
    /// Begin a new file with the first record after this time, e.g. 12h, 7d.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub max_age: Option<Duration>,
    /// Keep N of the old files, and remove older ones; without it all are
    /// kept.
    #[arg(long, value_name = "N")]
    pub keep: Option<usize>,
    /// Write nothing while the file system has less room than this, e.g. 1G; what
    /// is left out is counted.
    #[arg(long, value_name = "BYTES", value_parser = parse_file_size)]
    pub min_free: Option<u64>,
    /// What has to survive a crash of the machine. A crash of forktrace loses
    /// nothing in any case.
    #[arg(long, value_enum, default_value_t = SyncPolicy::File)]
    pub sync: SyncPolicy,
}

/// How records are printed.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct PrintArgs {
    /// How to print.
    #[arg(long, value_parser = one_of(formats::RECORDS), default_value = "text")]
    pub format: &'static Format<Record>,
    /// When to colour.
    #[arg(long, value_enum, default_value_t = Color::Auto, help_heading = "Output")]
    pub color: Color,
    /// Print failures only: no first and no last line.
    #[arg(short, long)]
    pub quiet: bool,
    /// Print every failure in full, also those of a limit that has just been printed.
    #[arg(long)]
    pub each: bool,
    #[command(flatten)]
    pub times: TimesArgs,
}

/// Which failures are reported.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Filters")]
pub(crate) struct FilterArgs {
    /// Only this process and its descendants (of a recording: its threads and children).
    #[arg(short, long, value_name = "PID", value_parser = parse_pid, add = ArgValueCompleter::new(complete::pids))]
    pub pid: Option<u32>,
    /// Only callers of this name (the thread's, up to 15 bytes; of recordings the program's too).
    #[arg(short, long, value_name = "NAME", allow_hyphen_values = true, value_parser = parse_comm, add = ArgValueCompleter::new(complete::comms))]
    pub comm: Option<String>,
    /// Only callers with this real user, by name or uid.
    #[arg(short, long, value_name = "USER", add = ArgValueCompleter::new(complete::users))]
    pub user: Option<String>,
    /// Only callers in this cgroup or below it; tracing waits for one that isn't there yet.
    #[arg(long, value_name = "PATH", add = ArgValueCompleter::new(complete::cgroups))]
    pub cgroup: Option<OsString>,
    /// Only callers in the cgroup of this systemd unit; tracing waits for one that isn't running
    /// yet.
    #[arg(long, value_name = "UNIT", conflicts_with = "cgroup", add = ArgValueCompleter::new(complete::units))]
    pub unit: Option<String>,
    /// Only callers in this Kubernetes pod, by its name, NAMESPACE/NAME, or its uid.
    #[arg(long, value_name = "POD")]
    pub pod: Option<String>,
    /// Only callers in pods of this Kubernetes namespace.
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Only callers in this container, by its name in the pod, or by its id (the first 12 digits will
    /// do).
    #[arg(long, value_name = "CONTAINER")]
    pub container: Option<String>,
    /// Only failures with this cause. Several with commas between, or by giving it several times.
    #[arg(long, value_name = "CAUSE", value_parser = parse_cause, value_delimiter = ',', add = ArgValueCompleter::new(complete::judged))]
    pub cause: Vec<Cause>,
    /// Only failures with this errno, by name or number, or `all` for every one; tracing without it
    /// reports EAGAIN and ENOMEM. Several with commas between, or by giving it
    /// several times.
    #[arg(long, value_name = "ERRNO", value_parser = parse_errno, value_delimiter = ',', add = ArgValueCompleter::new(complete::errnos))]
    pub errno: Vec<ErrnoChoice>,
}

impl FilterArgs {
    /// Pods and containers.
    pub(crate) fn containers(&self) -> Containers {
        Containers {
            pod: self.pod.clone(),
            namespace: self.namespace.clone(),
            container: self.container.clone(),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ProbesArgs {
    /// Try this attach style only.
    #[arg(long, value_enum, default_value_t = Attach::Auto)]
    pub attach: Attach,
    /// Kernel types to use in place of /sys/kernel/btf/vmlinux.
    #[arg(long, value_name = "FILE")]
    pub btf: Option<PathBuf>,
    /// Try the probe of `live --seccomp` as well.
    #[arg(long)]
    pub seccomp: bool,
    /// How to print.
    #[arg(long, value_parser = one_of(formats::PROBES), default_value = "text", help_heading = "Output")]
    pub format: &'static Format<Probes>,
}

#[derive(Debug, Args)]
pub(crate) struct SelftestArgs {
    /// Also change settings of the whole host, each for the moment of one
    /// refused fork: others' forks can be refused in it.
    #[arg(long)]
    pub disruptive: bool,
    /// Only this cause. Several with commas between, or by giving it several times.
    #[arg(long, value_name = "CAUSE", value_parser = parse_cause, value_delimiter = ',', add = ArgValueCompleter::new(complete::judged))]
    pub only: Vec<Cause>,
    /// How to attach; auto takes the best that this kernel accepts.
    #[arg(long, value_enum, default_value_t = Attach::Auto)]
    pub attach: Attach,
    /// How to print.
    #[arg(long, value_parser = one_of(formats::SELFTEST), default_value = "text", help_heading = "Output")]
    pub format: &'static Format<Line>,
    /// When to colour.
    #[arg(long, value_enum, default_value_t = Color::Auto, help_heading = "Output")]
    pub color: Color,
}

#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Also report when pthread_create fails before any thread is asked for: mmap
    /// or mprotect of the thread's stack is refused. Hooks every mmap and
    /// mprotect.
    #[arg(long, help_heading = "Tracing")]
    pub thread_stacks: bool,
    /// How to attach; auto takes the best that this kernel accepts.
    #[arg(long, value_enum, default_value_t = Attach::Auto, help_heading = "Tracing", hide_short_help = true)]
    pub attach: Attach,
    /// Also report what a seccomp filter refuses (makes system calls of processes
    /// that have a filter slower; tracepoints show it without).
    #[arg(long, help_heading = "Tracing", hide_short_help = true)]
    pub seccomp: bool,
    /// Stop after this time, e.g. 30, 90s, 5m, 2h.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "When to stop")]
    pub duration: Option<Duration>,
    /// Stop after this many failures.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "When to stop")]
    pub count: Option<u64>,
    /// End with status 1 if anything was refused, where it would be 0: for hooks, and units with OnFailure=.
    #[arg(long, help_heading = "When to stop")]
    pub fail: bool,
    /// What records call this host, in place of its name: inside a pod that is the pod's, and the node is meant.
    #[arg(long, value_name = "NAME", value_parser = parse_host, help_heading = "Output", hide_short_help = true)]
    pub host: Option<String>,
    /// Size of the buffer between kernel and forktrace, e.g. 512K, 4M.
    #[arg(long, value_name = "BYTES", value_parser = parse_size, default_value = "1M", help_heading = "Tracing", hide_short_help = true)]
    pub ring_size: u32,
    #[command(flatten)]
    pub monitor: MonitorArgs,
    /// Say more, every failure in full (--each), and times with their date and offset; also logs what the
    /// kernel side does.
    #[arg(short, long, help_heading = "Output")]
    pub verbose: bool,
    /// Kernel types to use in place of /sys/kernel/btf/vmlinux.
    #[arg(long, value_name = "FILE", help_heading = "Tracing", hide_short_help = true, value_hint = ValueHint::FilePath)]
    pub btf: Option<PathBuf>,
    /// Run this command, and trace only it and its descendants.
    #[arg(last = true, value_name = "CMD", help_heading = "Arguments", value_hint = ValueHint::CommandName)]
    pub command: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SyncPolicy {
    /// What the kernel has written to disk by itself (in half a minute or so).
    System,
    /// All files but the one that is being written.
    File,
    /// Every record: waits for the disk after each.
    Record,
}

/// What has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// What live and record write.
    Records,
    /// What `explain --format json` prints.
    Explanations,
    /// What `explain --format json` prints of lines of logs.
    LogLines,
    /// What `selftest --format json` prints.
    Selftest,
    /// What `report --format json` prints.
    Report,
    /// What `check --format json` prints.
    Check,
    /// What `check --past --format json` prints.
    Past,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Attach {
    /// The best that this kernel accepts, probe by probe.
    Auto,
    /// BPF trampolines at function exits.
    Fexit,
    /// kprobes and kretprobes.
    Kprobe,
    /// System-call tracepoints.
    Tracepoint,
}

/// What `--errno` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrnoChoice {
    One(Errno),
    All,
}

impl ErrnoChoice {
    /// As in the `session` record's filters.
    pub(crate) fn name(self) -> Cow<'static, str> {
        match self {
            Self::One(errno) => errno.name(),
            Self::All => Cow::Borrowed("all"),
        }
    }
}

impl Attach {
    /// `None` for auto.
    pub(crate) fn style(self) -> Option<Style> {
        match self {
            Self::Auto => None,
            Self::Fexit => Some(Style::Fexit),
            Self::Kprobe => Some(Style::Kprobe),
            Self::Tracepoint => Some(Style::Tracepoint),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_means_live() {
        let cli = Cli::try_parse_from(["forktrace", "--pid", "1", "--", "true"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.live.trace.filter.pid, Some(1));
        assert_eq!(cli.live.trace.command, ["true"]);
    }

    #[test]
    fn sizes_and_times() {
        assert_eq!(parse_size("1M"), Ok(1 << 20));
        assert_eq!(parse_size("100k"), Ok(1 << 17));
        for bad in ["", "K", "1", "1G", "-1M", "5000M", "4294967295M", "é"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_file_size("2G"), Ok(2 << 30));
        assert_eq!(parse_file_size("4096"), Ok(4096));
        for bad in ["", "T", "4095", "1K", "99999999999T", "1.5M", "-4K", "é"] {
            assert!(parse_file_size(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("2"), Ok(Duration::from_secs(2)));
        for bad in ["", "s", "-1", "nan", "1w", "1e400", "é"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wrong_cause_is_wrong_usage_and_near_ones_are_named() {
        for (typed, meant) in [
            ("cgroup_pid_max", "'cgroup_pids_max'"),
            ("rlimit_nproc,pids.max", "'cgroup_pids_max'"),
            ("TasksMax", "'cgroup_pids_max'"),
            ("RLIMIT_NPROC", "'rlimit_nproc'"),
        ] {
            let error = Cli::try_parse_from(["forktrace", "--cause", typed]).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            let text = error.to_string();
            assert!(text.contains(&format!("did you mean {meant}?")), "{text}");
        }
        let both = Cli::try_parse_from(["forktrace", "--cause", "pid_max,lsm"]).unwrap();
        assert_eq!(both.live.trace.filter.cause, [Cause::PidMax, Cause::Lsm]);
    }

    #[test]
    fn short_forms() {
        let line = ["forktrace", "-p", "7", "-u", "root", "-c", "sh"];
        let filter = Cli::try_parse_from(line).unwrap().live.trace.filter;
        assert_eq!(filter.pid, Some(7));
        assert_eq!(filter.user.as_deref(), Some("root"));
        assert_eq!(filter.comm.as_deref(), Some("sh"));
        let error = Cli::try_parse_from(["forktrace", "-p", "abc"]).unwrap_err();
        assert!(error.to_string().contains("number of a process"), "{error}");
    }

    /// An option under a heading that isn't its own is found by nobody.
    #[test]
    fn filters_alone_are_called_so() {
        for mut command in [Cli::command()]
            .into_iter()
            .chain(Cli::command().get_subcommands().cloned())
        {
            command.build();
            for arg in command.get_arguments() {
                let filters = arg.get_help_heading() == Some("Filters");
                let chooses = [
                    "pid",
                    "comm",
                    "user",
                    "cgroup",
                    "unit",
                    "pod",
                    "namespace",
                    "container",
                    "cause",
                    "errno",
                    "since",
                    "until",
                ];
                let of_check = ["check", "explain"].contains(&command.get_name());
                let wanted = chooses.contains(&arg.get_id().as_str()) && !of_check;
                assert_eq!(filters, wanted, "{} {}", command.get_name(), arg.get_id());
            }
        }
    }

    #[test]
    fn filters_take_what_a_verdict_can_name() {
        assert_eq!(parse_cause("pid_max"), Ok(Cause::PidMax));
        assert_eq!(parse_cause("unknown"), Ok(Cause::Unknown));
        assert!(parse_cause("kernel_memory").is_err());
    }

    #[test]
    fn errnos_by_name_in_a_list_or_all() {
        let parse = |args: &[&str]| {
            let all = [&["forktrace"], args].concat();
            Cli::try_parse_from(all).map(|cli| cli.live.trace.filter.errno)
        };
        let one = ErrnoChoice::One;
        assert_eq!(
            parse(&["--errno", "enospc,EPERM", "--errno", "EAGAIN"]).unwrap(),
            [one(Errno::ENOSPC), one(Errno::EPERM), one(Errno::EAGAIN)]
        );
        assert_eq!(parse(&["--errno=ALL"]).unwrap(), [ErrnoChoice::All]);
        assert_eq!(parse(&["--errno", "11"]).unwrap(), [one(Errno::EAGAIN)]);
        for bad in ["", "EAGAIN,", "ENOPE", "0", "4096", "-1"] {
            let error = parse(&["--errno", bad]).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{bad}");
        }
    }
}
