//! A recording, in time: as it would have been seen. Times without a failure are cut short.

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use forktrace::{
    confine::{Needs, confine},
    reading::{self, Progress},
    record::Record,
    recording::{Filter, Item, Reader, Wanted},
    view::{
        shown,
        top::{Asked, Top},
        with_offset,
    },
};
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep_until};

use super::{clock, empty, events::Events, screen::Screen};
use crate::{
    cli::{Range, TopArgs},
    command::{event_loop::event_loop, recordings::wanted},
    exit::{Exit, UsageError},
};

/// A longer time without records becomes this long.
const LONGEST: Duration = Duration::from_secs(3);
/// How often it is drawn.
const FRAME: Duration = Duration::from_millis(250);
/// Records that are read before it is drawn.
const AT_ONCE: usize = 20_000;
/// How fast it may be.
const FASTEST: f64 = 1e6;

pub(super) fn run(args: &TopArgs, file: &Path) -> anyhow::Result<Exit> {
    if file == Path::new("-") {
        let text = "top takes keys from standard input; give a file";
        return Err(UsageError(text.to_owned()).into());
    }
    let Range { since, until } = args.range.range().map_err(UsageError)?;
    let filter = Filter::new(Wanted {
        since,
        until,
        ..wanted(&args.filter)
    });
    let mut replay = Replay {
        top: empty(args),
        reader: reading::open(file, &Progress::hidden())?,
        filter,
        next: None,
        now: Timestamp::UNIX_EPOCH,
        speed: args.speed,
        ended: false,
    };
    replay.top.title = format!("forktrace top: {}", shown(file));
    // What is no recording is said before the screen is taken.
    replay.read()?;
    let Some((first, _)) = &replay.next else {
        println!("Nothing to show: no records, or none that the filters let through.");
        return Ok(Exit::Done);
    };
    replay.now = *first;
    event_loop()?.block_on(async {
        let mut events = Events::new()?;
        let mut screen = Screen::enter().context("taking the terminal")?;
        // All is open that it needs, and what it reads may be anybody's.
        confine(&Needs {
            folders: &[],
            signals: false,
            accepts: false,
            real_time: false,
            maps_readable: &|| true,
        });
        replay.run(&mut events, &mut screen).await
    })?;
    Ok(Exit::after_reading(replay.reader.damage(), true))
}

struct Replay {
    top: Top,
    reader: Reader,
    filter: Filter,
    next: Option<(Timestamp, Record)>,
    /// In the recording.
    now: Timestamp,
    speed: f64,
    ended: bool,
}

impl Replay {
    async fn run(&mut self, events: &mut Events, screen: &mut Screen) -> anyhow::Result<()> {
        let mut before = Instant::now();
        loop {
            self.say_where();
            screen.draw(&self.top)?;
            let next = Instant::now() + FRAME;
            tokio::select! {
                biased;
                keys = events.keys(screen, &self.top) => {
                    let Some(keys) = keys? else {
                        return Ok(());
                    };
                    for key in keys {
                        match self.top.key(key) {
                            Asked::Quit => return Ok(()),
                            Asked::Holders | Asked::Nothing => {}
                            Asked::Faster => self.speed = (self.speed * 2.0).min(FASTEST),
                            Asked::Slower => self.speed = (self.speed / 2.0).max(0.125),
                            Asked::Next => self.skip()?,
                        }
                    }
                }
                () = sleep_until(next) => {}
            }
            let passed = before.elapsed();
            before = Instant::now();
            if !self.top.is_paused() {
                self.go_on(passed)?;
            }
        }
    }

    /// So much time has passed here.
    fn go_on(&mut self, passed: Duration) -> anyhow::Result<()> {
        let to = self
            .now
            .saturating_add(self.recorded(passed))
            .unwrap_or(Timestamp::MAX);
        self.show_until(to)?;
        if self.next.is_none() {
            return Ok(());
        }
        self.now = self.now.max(to);
        // A long gap is cut: what comes next comes soon.
        if let Some((time, _)) = &self.next {
            let longest = self.recorded(LONGEST);
            let from = time.saturating_sub(longest).unwrap_or(Timestamp::MIN);
            self.now = self.now.max(from);
        }
        self.top.pass(self.now.as_second());
        Ok(())
    }

    /// The time of the recording that passes in this time.
    fn recorded(&self, time: Duration) -> SignedDuration {
        SignedDuration::try_from(time.mul_f64(self.speed)).unwrap_or(SignedDuration::MAX)
    }

    /// On to the next record.
    fn skip(&mut self) -> anyhow::Result<()> {
        if let Some((time, _)) = &self.next {
            let time = *time;
            self.now = self.now.max(time);
            self.show_until(self.now)?;
        }
        Ok(())
    }

    fn show_until(&mut self, to: Timestamp) -> anyhow::Result<()> {
        for _ in 0..AT_ONCE {
            match self.next.take() {
                Some((time, record)) if time <= to => {
                    self.now = self.now.max(time);
                    self.top.take_recorded_limits(&record);
                    self.top.take_record(self.now.as_second(), &record);
                    self.read()?;
                }
                other => {
                    self.next = other;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The next record that the filters let through and that has a time.
    fn read(&mut self) -> anyhow::Result<()> {
        while let Some(item) = self.reader.next()? {
            match item {
                Item::Record(record) => {
                    let Some(record) = self.filter.pass(record) else {
                        continue;
                    };
                    if let Ok(time) = record.time().parse() {
                        self.next = Some((time, record));
                        return Ok(());
                    }
                }
                Item::Gap(gap) => self.filter.lose(&gap),
            }
        }
        self.ended = true;
        Ok(())
    }

    fn say_where(&mut self) {
        let speed = match self.speed {
            1.0 => String::new(),
            speed => format!(" at {speed}x"),
        };
        let ended = self.ended && self.next.is_none();
        let day = with_offset(&self.now.to_string());
        let day = day.split(' ').next().unwrap_or_default();
        let end = if ended { " end of the recording" } else { "" };
        self.top.clock = format!("{end}{speed} {day} {}", clock(self.now));
    }
}
