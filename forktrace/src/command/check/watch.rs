//! `--watch`: readings until Ctrl-C.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use forktrace::{
    headroom::{Baseline, Headroom, Trends},
    host::readings::Subject,
};

use super::{printed, status, take};
use crate::{
    cli::CheckArgs,
    command::event_loop::{EndSignals, event_loop},
    command::terminal,
    exit::{Exit, UsageError},
};

/// The status is that of the last reading. When the process that it is about
/// ends, so does this.
pub(super) fn run(
    args: &CheckArgs,
    subject: &Subject,
    before: Option<&Baseline>,
    interval: Duration,
) -> anyhow::Result<Exit> {
    event_loop()?.block_on(async {
        let mut signals = EndSignals::new()?;
        let mut last = None;
        let began = Instant::now();
        let mut trends = Trends::default();
        loop {
            let reading = match take(args, subject, before) {
                Ok(mut reading) => {
                    follow(&mut trends, began.elapsed(), &mut reading);
                    reading
                }
                Err(error) => match last {
                    Some(last) if error.is::<UsageError>() => {
                        eprintln!("forktrace: {error:#} any more");
                        return Ok(last);
                    }
                    _ => return Err(error),
                },
            };
            show(args, printed(args, &reading)?)?;
            let now = status(&reading);
            last = Some(now);
            tokio::select! {
                biased;
                () = signals.asked_to_end() => return Ok(now),
                () = tokio::time::sleep(interval) => {}
            }
        }
    })
}

/// Adds when limits that fill up steadily are full.
fn follow(trends: &mut Trends, at: Duration, reading: &mut Headroom) {
    trends.take(at, reading.limits.iter().map(|row| &row.limit));
    for row in &mut reading.limits {
        let full_in = trends.of(&row.limit).and_then(|trend| trend.full_in);
        row.full_in_seconds = full_in.map(|time| time.as_secs());
    }
}

/// In place on a terminal, one below the other elsewhere.
fn show(args: &CheckArgs, mut text: Vec<u8>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if args.format().for_people {
        if out.is_terminal() {
            // The nearest limits are at the top.
            text = terminal::in_place(&text, terminal::rows());
        } else {
            text.push(b'\n');
        }
    }
    out.write_all(&text)?;
    out.flush()
}
