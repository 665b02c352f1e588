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
            text = in_place(&text, terminal::rows());
        } else {
            text.push(b'\n');
        }
    }
    out.write_all(&text)?;
    out.flush()
}

/// From the top left corner, each line over what was there, the rest cleared.
/// What doesn't fit is cut: the nearest limits are at the top.
fn in_place(text: &[u8], rows: usize) -> Vec<u8> {
    let mut out = b"\x1b[H".to_vec();
    let lines = text.split(|&b| b == b'\n').filter(|line| {
        // Of the text's end, not of a line between.
        line.as_ptr() != text.as_ptr_range().end || !line.is_empty()
    });
    for (n, line) in lines.take(rows.saturating_sub(1).max(1)).enumerate() {
        if n > 0 {
            out.extend(b"\r\n");
        }
        out.extend(line);
        out.extend(b"\x1b[K");
    }
    out.extend(b"\r\n\x1b[J");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_to_the_terminal() {
        let shown = in_place(b"a\n\nb\nc\n", 4);
        assert_eq!(shown, b"\x1b[Ha\x1b[K\r\n\x1b[K\r\nb\x1b[K\r\n\x1b[J");
        let whole = in_place(b"a\n", 24);
        assert_eq!(whole, b"\x1b[Ha\x1b[K\r\n\x1b[J");
    }
}
