//! Lines of logs: from the command line, standard input, files and the journal.

use std::{
    fs::File,
    io::{self, Cursor, Read, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use forktrace::{
    cause::Cause,
    headroom::{Headroom, headroom},
    model::Foreign,
    order::Order as _,
    program::{Answer, Behind, Heard, Telling},
    reading::Progress,
    view::{Format, clean, formats, without_numbers},
};

use super::{listener, of_name};
use crate::{
    cli::ExplainArgs,
    command::{check, terminal},
    exit::Exit,
};

/// Of the memory that a file's compression may ask for: what `xz -9` takes, twice.
const MOST_MEMORY: u64 = 128 << 20;

/// What is redirected there has a size.
const STANDARD_INPUT: &str = "/dev/stdin";

/// How zstd's data begins.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Files, the journal or standard input.
pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<Exit> {
    let format = of_name(args, formats::SAID)?;
    let near = near(args)?;
    let mut heard = listener()?;
    let mut all_read = true;
    let progress = Progress::of(&args.log);
    for path in &args.log {
        let name = path.to_string_lossy();
        all_read &= read(&mut heard, &name, &progress, open(path, &progress));
    }
    drop(progress);
    if let Some(unit) = &args.journal {
        all_read &= journal(&mut heard, unit);
    }
    if args.log.is_empty() && args.journal.is_none() {
        let progress = Progress::of(&[PathBuf::from(STANDARD_INPUT)]);
        let lines = unpacked(progress.watch_stream(Box::new(io::stdin().lock())));
        all_read &= read(&mut heard, "standard input", &progress, lines);
    }
    // What could not be read is said already, and says nothing of refusals.
    if all_read || heard.totals.bytes > 0 {
        show(args, format, &heard, &near)?;
    }
    Ok(if all_read { Exit::Done } else { Exit::Failed })
}

/// A line of the command line's that says something.
pub(super) fn of_line(args: &ExplainArgs, heard: &Heard) -> anyhow::Result<Exit> {
    let format = of_name(args, formats::SAID)?;
    show(args, format, heard, &near(args)?)?;
    Ok(Exit::Done)
}

fn show(
    args: &ExplainArgs,
    format: &'static Format<Answer>,
    heard: &Heard,
    near: &[Near],
) -> io::Result<()> {
    let mut output = format.open(Box::new(io::stdout()), terminal::look(args.color));
    for telling in heard.tellings() {
        let telling = beside(telling, near);
        output.show(&Answer::Said(Box::new(telling)))?;
    }
    output.show(&Answer::Logs(heard.totals.clone()))
}

/// Reads one log; what is wrong with it is said, and the others are still read.
fn read(
    heard: &mut Heard,
    name: &str,
    progress: &Progress,
    log: io::Result<Box<dyn Read + '_>>,
) -> bool {
    let read = log.and_then(|mut log| heard.read(Some(name), &mut *log));
    if let Err(error) = &read {
        let (name, why) = (clean(name), without_numbers(error));
        progress.aside(|| {
            let _ = writeln!(io::stderr(), "forktrace: reading {name}: {why}");
        });
    }
    read.is_ok()
}

fn open(path: &Path, progress: &Progress) -> io::Result<Box<dyn Read>> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::other("it is a directory; give its files"));
    }
    unpacked(progress.watch_stream(Box::new(file)))
}

/// A log, unpacked by what it begins with: rotated logs have any name.
fn unpacked<'a>(mut log: Box<dyn Read + 'a>) -> io::Result<Box<dyn Read + 'a>> {
    let mut first = Vec::new();
    (&mut log).take(6).read_to_end(&mut first)?;
    let packed = Cursor::new(first.clone()).chain(log);
    let unread = |what, by| Err(unread(what, by));
    Ok(match Foreign::of(&first) {
        Some(Foreign::Gzip) => Box::new(flate2::read::MultiGzDecoder::new(packed)),
        Some(Foreign::Xz) => {
            let flags = liblzma::stream::CONCATENATED;
            let stream = liblzma::stream::Stream::new_stream_decoder(MOST_MEMORY, flags);
            let stream = stream.map_err(io::Error::other)?;
            Box::new(liblzma::read::XzDecoder::new_stream(packed, stream))
        }
        Some(Foreign::Bzip2) => return unread("bzip2", "bzcat FILE"),
        Some(Foreign::Lz4) => return unread("lz4", "lz4cat FILE"),
        Some(Foreign::Zip) => return unread("a zip archive", "unzip -p FILE"),
        Some(Foreign::Utf16) => return unread("UTF-16", "iconv -f UTF-16 -t UTF-8 FILE"),
        None if first.starts_with(&ZSTD) => Box::new(zstd::Decoder::new(packed)?),
        None => Box::new(packed),
    })
}

/// What would be read as a text that says nothing.
fn unread(what: &str, by: &str) -> io::Error {
    io::Error::other(format!(
        "it is {what}, which isn't read here: {by} | forktrace explain -"
    ))
}

/// What the journal has of a unit, by journalctl: its files are its own.
fn journal(heard: &mut Heard, unit: &str) -> bool {
    let started = Command::new("journalctl")
        .args(["--no-pager", "--quiet", "--output=json"])
        .arg(format!("--unit={unit}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            let _ = writeln!(
                io::stderr(),
                "forktrace: starting journalctl: {}; give the files of the log by --log",
                without_numbers(&error)
            );
            return false;
        }
    };
    let lines = child
        .stdout
        .take()
        .ok_or_else(|| io::Error::other("it has no output"));
    let name = format!("journal of {unit}");
    let before = heard.totals.lines;
    let progress = Progress::of_bytes(|| None);
    let lines = lines.map(|lines| progress.watch_stream(Box::new(lines)));
    let read = read(heard, &name, &progress, lines);
    drop(progress);
    let ended = child.wait().is_ok_and(|status| status.success());
    if !ended {
        let _ = writeln!(io::stderr(), "forktrace: journalctl failed");
    } else if heard.totals.lines == before {
        let text = "forktrace: the journal has nothing of";
        let _ = writeln!(io::stderr(), "{text} {}", clean(unit));
    }
    read && ended
}

/// A cause that is near, and how near.
type Near = (Cause, String);

/// What refuses all and which limits are near, of whom the options name; nothing where they name nobody.
fn near(args: &ExplainArgs) -> anyhow::Result<Vec<Near>> {
    const NEAR: f64 = 90.0;
    let of = &args.of;
    let cgroup = of.cgroup.as_deref();
    if !of.is_given() {
        return Ok(Vec::new());
    }
    let subject = check::subject_of(of.pid, of.user.as_deref(), cgroup, of.unit.as_deref())?;
    let readings = check::readings(&subject)?;
    Ok(of_headroom(&headroom(&readings, NEAR)))
}

fn of_headroom(headroom: &Headroom) -> Vec<Near> {
    let blocked = headroom.blocked.iter();
    let blocked = blocked.map(|blocked| (blocked.cause, blocked.text.clone()));
    let near = headroom.nearest().map(|row| {
        let limit = &row.limit;
        let numbers = match (limit.usage, limit.value) {
            (Some(usage), Some(value)) => format!(": {usage} of {value}"),
            _ => String::new(),
        };
        let percent = row.percent.unwrap_or_default();
        let text = format!("{} of {}{numbers} ({percent} %)", limit.kind, limit.owner);
        (row.cause, text)
    });
    blocked.chain(near).collect()
}

/// The causes that are near before the others.
fn beside(mut telling: Telling, near: &[Near]) -> Telling {
    let now = |behind: &Behind| {
        let (_, text) = near.iter().find(|(cause, _)| *cause == behind.cause)?;
        Some(text.clone())
    };
    for behind in &mut telling.causes {
        behind.now = now(behind);
    }
    telling.causes.order_by_key(|behind| behind.now.is_none());
    telling
}

#[cfg(test)]
mod tests {
    use super::*;
    use forktrace::headroom::{Blocked, Row};

    /// What is full now is first, with its numbers, and what can't have refused isn't there.
    #[test]
    fn what_is_near_comes_first() {
        let row = |name: &str, cause: &str| -> Row {
            let row = serde_json::json!({
                "name": name, "scope": "host", "value": 100, "usage": 95, "requested": null, "unit": "tasks",
                "cause": cause, "refuses": "tasks", "percent": 95.0, "exempt": null, "owner": null, "holders": [],
                "notes": [],
            });
            serde_json::from_value(row).unwrap()
        };
        let near = of_headroom(&Headroom {
            warn: 90.0,
            limits: vec![
                row("vm.max_map_count", "max_map_count"),
                row("kernel.pid_max", "pid_max"),
            ],
            ..Headroom::default()
        });
        let mut heard = listener().unwrap();
        let mut line = &b"bash: fork: Resource temporarily unavailable"[..];
        heard.read(None, &mut line).unwrap();
        let telling = heard.tellings().remove(0);
        assert_eq!(telling.causes[0].cause.id(), "cgroup_pids_max");
        let told = beside(telling, &near).causes;
        assert_eq!(told[0].cause.id(), "pid_max");
        let now = told[0].now.as_deref();
        assert_eq!(now, Some("kernel.pid_max of host: 95 of 100 (95 %)"));
        assert_eq!(told[1].cause.id(), "cgroup_pids_max");
        assert!(told[1..].iter().all(|behind| behind.now.is_none()));
    }

    /// Whatever the limits are.
    #[test]
    fn what_refuses_all_comes_first() {
        let text = "bash (pid 812) can create no process";
        let near = of_headroom(&Headroom {
            blocked: vec![Blocked {
                cause: Cause::PidNamespaceDead,
                text: text.to_owned(),
            }],
            ..Headroom::default()
        });
        let mut heard = listener().unwrap();
        let mut line = &b"bash: fork: Cannot allocate memory"[..];
        heard.read(None, &mut line).unwrap();
        let told = beside(heard.tellings().remove(0), &near).causes;
        assert_eq!(told[0].cause, Cause::PidNamespaceDead);
        assert_eq!(told[0].now.as_deref(), Some(text));
    }

    /// A log that can't be read is none that says nothing.
    #[test]
    fn what_is_no_text_is_said_to_be_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let opened = |bytes: &[u8]| {
            std::fs::write(file.path(), bytes).unwrap();
            let opened = open(file.path(), &Progress::hidden());
            opened.err().map(|error| error.to_string())
        };
        for (bytes, tool) in [
            (&b"BZh91AY&SY"[..], "bzcat"),
            (b"\x04\x22\x4d\x18\x64", "lz4cat"),
            (b"PK\x03\x04", "unzip"),
            (b"\xff\xfea\0", "iconv"),
            (b"\xfe\xff\0a", "iconv"),
        ] {
            let why = opened(bytes).unwrap_or_default();
            assert!(why.contains(tool), "{bytes:?}: {why}");
        }
        for bytes in [&b""[..], b"B", b"BZ is no log of bzip2", b"PK\n", b"\xff"] {
            assert_eq!(opened(bytes), None, "{bytes:?}");
        }
    }
}
