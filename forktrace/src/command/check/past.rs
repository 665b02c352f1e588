//! `check --past`: what the kernel still counts of refusals from before, and what systemd and the
//! journal have of them.

use std::{
    fs,
    io::{self, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
};

use anyhow::Context as _;
use forktrace::{
    headroom::{Before, Earlier, Log, earlier, facts, from_journal, kind_of, lines, unit_facts},
    host::{
        cgroup::Hierarchies,
        clock::Clock,
        failed_units::{self, FailedUnit},
        kernel_log, past,
    },
    recording::{check_name, write_whole},
    view::{Format, Look, formats, shown, without_numbers},
};

use crate::{
    cli::CheckArgs,
    exit::{Exit, UsageError},
};

/// Larger than the counters of any host.
const LARGEST: u64 = 64 << 20;

/// How far back the journal is read.
const DAYS: u64 = 30;

pub(super) fn run(args: &CheckArgs, look: Look) -> anyhow::Result<Exit> {
    let mut formats = formats::PAST.iter();
    let format = formats.find(|format| format.name == args.format.name);
    let format =
        format.ok_or_else(|| UsageError("--past is printed as text or json".to_owned()))?;
    let earlier = args.against.as_deref().map(load).transpose()?;
    let mut before = read()?;
    if let Some(path) = &args.save {
        let mut text = serde_json::to_vec_pretty(&before)?;
        text.push(b'\n');
        check_name(path, &["json"])?;
        write_whole(path, args.force, &text)?;
        if path == Path::new("-") {
            return Ok(Exit::Done);
        }
    }
    let first = before.clone();
    if let Some(earlier) = &earlier {
        before.since(earlier);
    }
    show(format, &before, look)?;
    if let Some(interval) = args.watch {
        let mut last = first;
        // Ctrl-C ends it.
        loop {
            sleep(interval);
            let now = read()?;
            let mut new = now.clone();
            new.since(&last);
            last = now;
            if !new.is_empty() {
                show(format, &new, look)?;
            }
        }
    }
    Ok(Exit::Done)
}

fn show(format: &Format<Before>, before: &Before, look: Look) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(&format.render(before, look)?)?;
    out.flush()
}

/// A reading that was saved before.
fn load(path: &Path) -> anyhow::Result<Before> {
    use io::Read as _;
    let name = shown(path);
    let mut text = Vec::new();
    let file = fs::File::open(path).with_context(|| format!("opening {name}"))?;
    file.take(LARGEST)
        .read_to_end(&mut text)
        .with_context(|| format!("reading {name}"))?;
    let before: Result<Before, _> = serde_json::from_slice(&text);
    let before = before.ok().filter(|before| before.past > 0);
    before.ok_or_else(|| {
        let text = format!("{name} was not saved by `forktrace check --past --save`");
        UsageError(text).into()
    })
}

/// What cgroups count of refused tasks; `None`: nothing, or it can't be read.
pub(super) fn refused_before() -> Option<Earlier> {
    let hierarchies = Hierarchies::discover().ok()?;
    earlier(&past::read(&hierarchies, Path::new("/proc")))
}

fn read() -> anyhow::Result<Before> {
    let hierarchies = Hierarchies::discover()?;
    let past = past::read(&hierarchies, Path::new("/proc"));
    let clock = Clock::now();
    let mut unreadable = Vec::new();
    if hierarchies.hides_ancestors() {
        unreadable.push("Cgroups above this cgroup namespace can't be seen.".to_owned());
    }
    if past.more {
        unreadable.push("There are more cgroups than were read.".to_owned());
    }
    let named = |name| {
        let text = fs::read(Path::new("/proc/sys/kernel").join(name)).unwrap_or_default();
        String::from_utf8_lossy(&text).trim_end().to_owned()
    };
    let units = units().unwrap_or_else(|why| {
        unreadable.push(format!("Failed units aren't known: {why}."));
        Vec::new()
    });
    let journal = journal().unwrap_or_else(|why| {
        unreadable.push(format!("The journal's files aren't read: {why}."));
        None
    });
    Ok(Before {
        past: 1,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        time: clock.wall(),
        host: named("hostname"),
        kernel: named("osrelease"),
        boot_id: named("random/boot_id"),
        facts: facts(&past),
        units: unit_facts(&units),
        log: log(&clock),
        journal,
        against: None,
        unreadable,
    })
}

/// Of systemd, where that is what runs this host.
fn units() -> Result<Vec<FailedUnit>, String> {
    if !Path::new("/run/systemd/system").is_dir() {
        return Ok(Vec::new());
    }
    let mut systemctl = Command::new("systemctl");
    systemctl
        .args(["--no-pager", "show", "*"])
        .arg(format!("--property={}", failed_units::PROPERTIES))
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let out = systemctl.output();
    let out = out.map_err(|error| format!("starting systemctl: {}", without_numbers(&error)))?;
    match out.status.success() {
        true => Ok(failed_units::parse(&String::from_utf8_lossy(&out.stdout))),
        false => Err("systemctl failed".to_owned()),
    }
}

/// What the journal's files have of the kernel's log, whatever boot; `None` where there are none.
fn journal() -> Result<Option<Log>, String> {
    let folders = ["/var/log/journal", "/run/log/journal"];
    if !folders.iter().any(|folder| Path::new(folder).is_dir()) {
        return Ok(None);
    }
    let started = Command::new("journalctl")
        .args(["--no-pager", "--quiet", "--output=json"])
        .arg("--output-fields=MESSAGE")
        .arg(format!("--since=-{DAYS}d"))
        .arg("_TRANSPORT=kernel")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child =
        started.map_err(|error| format!("starting journalctl: {}", without_numbers(&error)))?;
    let out = child.stdout.take().map(BufReader::new);
    let log = out.map(|out| from_journal(out, DAYS * 86_400));
    let ended = child.wait().is_ok_and(|status| status.success());
    match log {
        Some(Ok(log)) if ended => Ok(Some(log)),
        Some(Err(error)) => Err(without_numbers(&error)),
        _ => Err("journalctl failed".to_owned()),
    }
}

/// All that the kernel's log still has.
fn log(clock: &Clock) -> Log {
    let seconds = clock.monotonic_ns() / 1_000_000_000;
    match kernel_log::read(0, |text| kind_of(text).is_some()) {
        Ok(messages) => Log {
            seconds,
            ..lines(&messages, clock)
        },
        Err(error) => Log {
            seconds,
            unreadable: Some(format!(
                "The kernel's log can't be read: {}.",
                without_numbers(&error)
            )),
            ..Log::default()
        },
    }
}
