//! The command line: arguments to commands, nothing else.

mod check;

use std::{borrow::Cow, ffi::OsString, path::PathBuf, time::Duration};

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use forktrace::{
    cause::Cause,
    probe::style::Style,
    record::{Errno, NoErrno, Record},
    recording::when,
    report::Report,
    selftest::Line,
    view::{Explained, Format, Probes, formats},
};
use jiff::Timestamp;

pub use check::CheckArgs;

/// Says why the kernel refused to create a process or thread.
#[derive(Debug, Parser)]
#[command(
    name = "forktrace",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Exit status: 0 done, 1 check found a limit near or the selftest a fault, 2 wrong usage, 3 can't run here, 4 failed while running; \
                  with a command, the command's own."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub live: LiveArgs,
}

impl Cli {
    /// Whether times are UTC; `None` of a command that neither takes nor prints any.
    pub fn utc(&self) -> Option<bool> {
        match &self.command {
            None => Some(self.live.print.times.utc),
            Some(Command::Live(args)) => Some(args.print.times.utc),
            Some(Command::Replay(args)) => Some(args.print.times.utc),
            Some(Command::Report(args)) => Some(args.times.utc),
            Some(Command::Check(args)) => Some(args.times.utc),
            // What it sums up on standard error has times.
            Some(Command::Record(_)) => Some(false),
            Some(_) => None,
        }
    }
}

/// Which times are meant and shown.
#[derive(Clone, Debug, Args)]
pub struct TimesArgs {
    /// Show times in UTC, and take them so, not in the zone that TZ or this host has.
    #[arg(long)]
    pub utc: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print each failure with its cause as it happens (the default).
    Live(Box<LiveArgs>),
    /// Write each failure to a file.
    Record(Box<RecordArgs>),
    /// Print recordings as live would have printed them.
    Replay(Box<ReplayArgs>),
    /// Sum recordings up: causes, limits, callers, bursts, what to do first.
    #[command(after_help = "Any number of files, of any number of hosts, in any order.")]
    Report(Box<ReportArgs>),
    /// Show what this kernel allows, and which evidence it gives.
    Probes(ProbesArgs),
    /// Explain a cause: what it is, how to confirm it and what to do about it.
    #[command(after_help = "Offline, and without privilege. Without CAUSE it lists all of them.")]
    Explain(ExplainArgs),
    /// Show how near each limit is that could refuse the next fork.
    #[command(
        after_help = "Needs no privilege; names what it can't read. Exit status 1 when a limit that applies \
                      is at --warn or above."
    )]
    Check(CheckArgs),
    /// Provoke each cause and check that it is named; needs root.
    Selftest(SelftestArgs),
    /// Print the JSON Schema of the records.
    Schema {
        /// Of which lines.
        #[arg(value_enum, default_value_t = SchemaOf::Records)]
        of: SchemaOf,
    },
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
}

#[derive(Debug, Args)]
pub struct LiveArgs {
    #[command(flatten)]
    pub trace: TraceArgs,
    #[command(flatten)]
    pub print: PrintArgs,
}

#[derive(Debug, Args)]
pub struct RecordArgs {
    /// The file to write: newline-delimited JSON, compressed when the name ends
    /// in `.zst`.
    #[arg(short, long, value_name = "FILE")]
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
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Recordings, plain or compressed, in the order to print them; `-` is
    /// standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub print: PrintArgs,
    /// Say more.
    #[arg(short, long)]
    pub verbose: bool,
    /// Go on when the end is reached, with what is written from then on.
    #[arg(short, long)]
    pub follow: bool,
    /// Nothing before this time: "10m ago", "14:05", "yesterday 14:05",
    /// "2026-11-22 14:05".
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "Filters")]
    pub since: Option<Timestamp>,
    /// Nothing after this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "Filters")]
    pub until: Option<Timestamp>,
    #[command(flatten)]
    pub filter: FilterArgs,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Recordings, plain or compressed; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How to print.
    #[arg(long, value_parser = one_of(formats::REPORT), default_value = "text")]
    pub format: &'static Format<Report>,
    /// When to colour.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    #[command(flatten)]
    pub times: TimesArgs,
    /// Write it as one page with plots to this file, too.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Overwrite an existing page.
    #[arg(long, requires = "html")]
    pub force: bool,
    /// Nothing before this time: "10m ago", "14:05", "yesterday 14:05",
    /// "2026-11-22 14:05".
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "Filters")]
    pub since: Option<Timestamp>,
    /// Nothing after this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "Filters")]
    pub until: Option<Timestamp>,
    #[command(flatten)]
    pub filter: FilterArgs,
}

/// For how long, and how safely, a recording is kept.
#[derive(Debug, Args)]
#[command(next_help_heading = "Files")]
pub struct KeepingArgs {
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
pub struct PrintArgs {
    /// How to print.
    #[arg(long, value_parser = one_of(formats::RECORDS), default_value = "text")]
    pub format: &'static Format<Record>,
    /// When to colour.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Print failures only: no first and no last line.
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub times: TimesArgs,
}

/// Which failures are reported.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
pub struct FilterArgs {
    /// Only this process and its descendants (in a recording: its children).
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// Only callers of this name (the thread's, up to 15 bytes).
    #[arg(long, value_name = "NAME")]
    pub comm: Option<String>,
    /// Only callers with this real user, by name or uid.
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Only callers in this cgroup or below it.
    #[arg(long, value_name = "PATH")]
    pub cgroup: Option<OsString>,
    /// Only callers in the cgroup of this systemd unit.
    #[arg(long, value_name = "UNIT", conflicts_with = "cgroup")]
    pub unit: Option<String>,
    /// Only failures with this cause; may be given several times.
    #[arg(long, value_name = "CAUSE", value_parser = parse_cause)]
    pub cause: Vec<Cause>,
    /// Only failures with this errno, or `all` for every one; tracing without it
    /// reports EAGAIN and ENOMEM. Several with commas between, or by giving it
    /// several times.
    #[arg(long, value_name = "ERRNO", value_parser = parse_errno, value_delimiter = ',')]
    pub errno: Vec<ErrnoChoice>,
}

#[derive(Debug, Args)]
pub struct ProbesArgs {
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
    #[arg(long, value_parser = one_of(formats::PROBES), default_value = "text")]
    pub format: &'static Format<Probes>,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The cause, as records name it.
    #[arg(value_name = "CAUSE", value_parser = cause_parser(), hide_possible_values = true)]
    pub cause: Option<Cause>,
    /// How to print.
    #[arg(long, value_parser = one_of(formats::EXPLAIN), default_value = "text")]
    pub format: &'static Format<Explained>,
    /// When to colour.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

#[derive(Debug, Args)]
pub struct SelftestArgs {
    /// Also change settings of the whole host, each for the moment of one
    /// refused fork: others' forks can be refused in it.
    #[arg(long)]
    pub disruptive: bool,
    /// Only this cause; may be given several times.
    #[arg(long, value_name = "CAUSE", value_parser = parse_cause)]
    pub only: Vec<Cause>,
    /// How to attach; auto takes the best that this kernel accepts.
    #[arg(long, value_enum, default_value_t = Attach::Auto)]
    pub attach: Attach,
    /// How to print.
    #[arg(long, value_parser = one_of(formats::SELFTEST), default_value = "text")]
    pub format: &'static Format<Line>,
    /// When to colour.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

#[derive(Debug, Args)]
pub struct TraceArgs {
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Also report when pthread_create fails before any thread is asked for: mmap
    /// or mprotect of the thread's stack is refused. Hooks every mmap and
    /// mprotect.
    #[arg(long)]
    pub thread_stacks: bool,
    /// How to attach; auto takes the best that this kernel accepts.
    #[arg(long, value_enum, default_value_t = Attach::Auto)]
    pub attach: Attach,
    /// Also report what a seccomp filter refuses (makes system calls of processes
    /// that have a filter slower; tracepoints show it without).
    #[arg(long)]
    pub seccomp: bool,
    /// Stop after this time, e.g. 30, 90s, 5m, 2h.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// Stop after this many failures.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Size of the buffer between kernel and forktrace, e.g. 512K, 4M.
    #[arg(long, value_name = "BYTES", value_parser = parse_size, default_value = "1M")]
    pub ring_size: u32,
    /// Say more; also logs what the kernel side does.
    #[arg(short, long)]
    pub verbose: bool,
    /// Kernel types to use in place of /sys/kernel/btf/vmlinux.
    #[arg(long, value_name = "FILE")]
    pub btf: Option<PathBuf>,
    /// Run this command, and trace only it and its descendants.
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SyncPolicy {
    /// What the kernel has written to disk by itself (in half a minute or so).
    System,
    /// All files but the one that is being written.
    File,
    /// Every record: waits for the disk after each.
    Record,
}

/// What has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// What live and record write.
    Records,
    /// What `explain --format json` prints.
    Explanations,
    /// What `selftest --format json` prints.
    Selftest,
    /// What `report --format json` prints.
    Report,
    /// What `check --format json` prints.
    Check,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Attach {
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
pub enum ErrnoChoice {
    One(Errno),
    All,
}

impl ErrnoChoice {
    /// As in the `session` record's filters.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::One(errno) => errno.name(),
            Self::All => Cow::Borrowed("all"),
        }
    }
}

impl Attach {
    /// `None` for auto.
    pub fn style(self) -> Option<Style> {
        match self {
            Self::Auto => None,
            Self::Fexit => Some(Style::Fexit),
            Self::Kprobe => Some(Style::Kprobe),
            Self::Tracepoint => Some(Style::Tracepoint),
        }
    }
}

/// Takes the name of one of a command's formats.
fn one_of<T: 'static>(
    formats: &'static [Format<T>],
) -> impl TypedValueParser<Value = &'static Format<T>> {
    let names = formats
        .iter()
        .map(|f| PossibleValue::new(f.name).help(f.about));
    let find = |name: String| formats.iter().find(|format| format.name == name);
    PossibleValuesParser::new(names).try_map(move |name| find(name).ok_or("no such format"))
}

/// Takes every id that has a page; clap knows them, so that it can suggest near
/// ones and complete them.
fn cause_parser() -> impl TypedValueParser<Value = Cause> {
    let ids = Cause::ALL
        .iter()
        .map(|c| PossibleValue::new(c.id()).help(c.page().summary));
    PossibleValuesParser::new(ids).try_map(|id| Cause::from_id(&id).ok_or("no such cause"))
}

fn parse_cause(text: &str) -> Result<Cause, String> {
    // A cause that no verdict can name would filter everything out, silently.
    Cause::judged().find(|c| c.id() == text).ok_or_else(|| {
        let ids: Vec<&str> = Cause::judged().map(Cause::id).collect();
        format!(
            "no failure is given this cause; known are {}",
            ids.join(", ")
        )
    })
}

fn parse_errno(text: &str) -> Result<ErrnoChoice, String> {
    if text.eq_ignore_ascii_case("all") {
        return Ok(ErrnoChoice::All);
    }
    let errno = text.parse().map_err(|error: NoErrno| error.to_string())?;
    Ok(ErrnoChoice::One(errno))
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    when::parse(text, &forktrace::view::zone::now()).map_err(|error| error.to_string())
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let bad = || "give a number of seconds, or one with s, m, h or d behind it".to_owned();
    let (number, factor) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1.0),
        Some((at, 'm')) => (&text[..at], 60.0),
        Some((at, 'h')) => (&text[..at], 3600.0),
        Some((at, 'd')) => (&text[..at], 86400.0),
        _ => (text, 1.0),
    };
    let seconds: f64 = number.parse().map_err(|_| bad())?;
    Duration::try_from_secs_f64(seconds * factor).map_err(|_| bad())
}

/// 4096 bytes at least: a `session` alone is one.
fn parse_file_size(text: &str) -> Result<u64, String> {
    let bad = || "give a number of bytes, or one with K, M, G or T behind it, from 4K".to_owned();
    let (number, shift) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 10),
        Some((at, 'm' | 'M')) => (&text[..at], 20),
        Some((at, 'g' | 'G')) => (&text[..at], 30),
        Some((at, 't' | 'T')) => (&text[..at], 40),
        _ => (text, 0),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(1 << shift))
        .filter(|n| *n >= 4096)
        .ok_or_else(bad)
}

fn parse_size(text: &str) -> Result<u32, String> {
    const SMALLEST: u32 = 64 * 1024;
    const LARGEST: u32 = 256 * 1024 * 1024;
    let bad =
        || "give a number of bytes, or one with K or M behind it, from 64K to 256M".to_owned();
    let (number, factor) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1024),
        Some((at, 'm' | 'M')) => (&text[..at], 1024 * 1024),
        _ => (text, 1),
    };
    let bytes = number
        .parse::<u32>()
        .ok()
        .and_then(|n| n.checked_mul(factor))
        .filter(|n| (SMALLEST..=LARGEST).contains(n))
        .ok_or_else(bad)?;
    // The kernel wants a power of two, and whole pages.
    Ok(bytes.next_power_of_two())
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
        let error = Cli::try_parse_from(["forktrace", "explain", "cgroup_pid_max"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(
            text.contains("similar") && text.contains("'cgroup_pids_max'"),
            "{text}"
        );
        for &cause in Cause::ALL {
            let cli = Cli::try_parse_from(["forktrace", "explain", cause.id()]).unwrap();
            let Some(Command::Explain(args)) = cli.command else {
                panic!("explain is a command");
            };
            assert_eq!(args.cause, Some(cause));
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
        for bad in ["", "EAGAIN,", "ENOPE", "12"] {
            let error = parse(&["--errno", bad]).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{bad}");
        }
    }
}
