//! `check --past`: what the kernel still counts of refusals from before.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use forktrace::{
    headroom::{Before, Log, facts, kind_of, lines},
    host::{cgroup::Hierarchies, clock::Clock, kernel_log, past},
    view::{Look, formats, without_numbers},
};

use crate::{
    cli::CheckArgs,
    exit::{Exit, UsageError},
};

pub(super) fn run(args: &CheckArgs, look: Look) -> anyhow::Result<Exit> {
    let mut formats = formats::PAST.iter();
    let format = formats.find(|format| format.name == args.format.name);
    let format =
        format.ok_or_else(|| UsageError("--past is printed as text or json".to_owned()))?;
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
    let before = Before {
        past: 1,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        time: clock.wall(),
        host: named("hostname"),
        kernel: named("osrelease"),
        facts: facts(&past),
        log: log(&clock),
        unreadable,
    };
    let mut out = io::stdout().lock();
    out.write_all(&format.render(&before, look)?)?;
    out.flush()?;
    Ok(Exit::Done)
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
