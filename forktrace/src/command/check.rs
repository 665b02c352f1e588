//! `check`: how near each limit is that could refuse the next fork.

mod baseline;
mod past;
mod watch;

use std::{
    ffi::OsStr,
    io::{self, Write as _},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use forktrace::{
    headroom::{Baseline, Headroom, Log, WINDOW_SECONDS, headroom, kind_of, lines, would},
    host::{
        at_start,
        cgroup::{CgroupError, Found, Hierarchies, Resource},
        clock::Clock,
        holders::Holders,
        kernel_log,
        passwd::Passwd,
        readings::{Readings, ReadingsError, Subject},
        unit_files::UnitFiles,
    },
    view::{clean, without_numbers},
};

use super::terminal;
use crate::{
    cli::CheckArgs,
    exit::{Exit, UsageError},
};

pub(super) fn run(args: &CheckArgs) -> anyhow::Result<Exit> {
    if args.past {
        return past::run(args, terminal::look(args.color));
    }
    // What is wrong with the file is said before anything else is done.
    let before = args.against.as_deref().map(baseline::load).transpose()?;
    let subject = subject(args)?;
    if let Some(interval) = args.watch {
        if args.format.name == "openmetrics" {
            return Err(UsageError(
                "--watch would print one OpenMetrics text after the other, and a reader stops at the first `# EOF`: \
                 take one reading at a time, or `forktrace record --metrics-file`"
                    .to_owned(),
            )
            .into());
        }
        return watch::run(args, &subject, before.as_ref(), interval);
    }
    let mut headroom = take(args, &subject, before.as_ref())?;
    if matches!(subject, Subject::Host) {
        headroom.earlier = past::refused_before();
    }
    if let Some(path) = &args.save {
        baseline::save(path, args.force, &headroom)?;
        if path == Path::new("-") {
            return Ok(status(&headroom));
        }
    }
    let mut out = io::stdout().lock();
    out.write_all(&printed(args, &headroom)?)?;
    out.flush()?;
    Ok(status(&headroom))
}

fn status(headroom: &Headroom) -> Exit {
    match headroom.is_fault() {
        false => Exit::Done,
        true => Exit::Fault,
    }
}

/// What limits have, of whom there is.
pub(super) fn readings(of: &Subject) -> anyhow::Result<Readings> {
    Readings::read(of).map_err(|error| match error {
        ReadingsError::NoProcess(_) | ReadingsError::Hidden(_) => {
            UsageError(error.to_string()).into()
        }
        other => anyhow::Error::from(other),
    })
}

/// One reading.
fn take(
    args: &CheckArgs,
    subject: &Subject,
    before: Option<&Baseline>,
) -> anyhow::Result<Headroom> {
    let readings = readings(subject)?;
    let mut headroom = headroom(&readings, args.warn);
    headroom.log = log();
    headroom.would = args.would.map(|tasks| would(&headroom, tasks));
    add_holders(&mut headroom);
    headroom.drift = before.map(|before| baseline::drift_since(before, &headroom));
    Ok(headroom)
}

/// Adds the holders of the limits that are near, and of the nearest in any case. Counting takes up to a second among
/// tens of thousands of processes, so not of all.
fn add_holders(headroom: &mut Headroom) {
    const MOST: usize = 3;
    let mut holders = Holders::new(Passwd::load().unwrap_or_default());
    let warn = headroom.warn;
    let applying = headroom
        .limits
        .iter_mut()
        .filter(|row| row.exempt.is_none());
    for (at, row) in applying.take(MOST).enumerate() {
        let near = row.percent.is_some_and(|percent| percent >= warn);
        if let Some(scope) = row.counts.as_ref().filter(|_| near || at == 0) {
            row.holders = holders.count(scope, row.limit.usage).unwrap_or_default();
        }
    }
}

fn printed(args: &CheckArgs, headroom: &Headroom) -> io::Result<Vec<u8>> {
    args.format().render(headroom, terminal::look(args.color))
}

fn log() -> Log {
    let clock = Clock::now();
    let since = (clock.monotonic_ns() / 1000).saturating_sub(WINDOW_SECONDS * 1_000_000);
    match kernel_log::read(since, |text| kind_of(text).is_some()) {
        Ok(messages) => lines(&messages, &clock),
        Err(error) => Log {
            seconds: WINDOW_SECONDS,
            unreadable: Some(match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    format!(
                        "{}; with kernel.dmesg_restrict=1 it takes root or CAP_SYSLOG",
                        without_numbers(&error)
                    )
                }
                _ => format!("opening /dev/kmsg: {}", without_numbers(&error)),
            }),
            ..Log::default()
        },
    }
}

/// Whose forks are asked about; wrong names are wrong usage.
fn subject(args: &CheckArgs) -> anyhow::Result<Subject> {
    subject_of(
        args.pid,
        args.user.as_deref(),
        args.cgroup.as_deref(),
        args.unit.as_deref(),
    )
}

/// Whose forks are meant by the options that name them.
pub(super) fn subject_of(
    pid: Option<u32>,
    user: Option<&str>,
    cgroup: Option<&OsStr>,
    unit: Option<&str>,
) -> anyhow::Result<Subject> {
    if let Some(pid) = pid {
        return Ok(Subject::Process(pid));
    }
    if let Some(user) = user {
        let passwd = Passwd::load().unwrap_or_default();
        let uid = passwd.uid(user);
        return Ok(Subject::User(
            uid.map_err(|error| UsageError(error.to_string()))?,
        ));
    }
    let found = |answer: Result<Found, CgroupError>| {
        answer.map_err(|error| UsageError(clean(&error.to_string()).into_owned()))
    };
    if let Some(path) = cgroup {
        // A path that ends in a slash is the same cgroup.
        let trimmed = path.as_bytes().strip_suffix(b"/").filter(|p| !p.is_empty());
        let path = trimmed.map_or(path, OsStr::from_bytes);
        let found = found(Hierarchies::discover()?.find(path))?;
        return Ok(Subject::Cgroup {
            hierarchy: found.hierarchy,
            path: found.path,
            unit: None,
        });
    }
    if let Some(unit) = unit {
        let hierarchies = Hierarchies::discover()?;
        let files = UnitFiles::new(PathBuf::from("/"));
        let answer = hierarchies.find_unit_or_alias(unit, &files);
        if let Err(CgroupError::NoUnit { unit }) = &answer {
            if let Some(subject) = not_running(&files, unit, &hierarchies) {
                return Ok(subject);
            }
            if files.are_in_use() && !files.has(unit) {
                let unit = clean(unit);
                let text = format!("no cgroup is unit {unit}'s, and no unit file has that name");
                return Err(UsageError(text).into());
            }
        }
        let found = found(answer)?;
        let last = found.path.file_name().unwrap_or_default().to_string_lossy();
        return Ok(Subject::Cgroup {
            hierarchy: found.hierarchy,
            unit: Some(last.strip_prefix('_').unwrap_or(&last).to_owned()),
            path: found.path,
        });
    }
    Ok(Subject::Host)
}

/// A unit that isn't running, where it has a file by which it would be started.
fn not_running(files: &UnitFiles, unit: &str, hierarchies: &Hierarchies) -> Option<Subject> {
    let known = files.are_in_use() && files.has(unit);
    Some(Subject::Cgroup {
        hierarchy: hierarchies.of(Resource::Pids)?,
        path: at_start::place(files, unit).filter(|_| known)?,
        unit: Some(unit.to_owned()),
    })
}
