//! This host, now.

use std::{convert::Infallible, io, time::Duration};

use anyhow::Context as _;
use forktrace::{
    confine::{Needs, confine},
    headroom::{Headroom, headroom},
    host::{
        holders::Holders,
        passwd::Passwd,
        readings::{Readings, Subject},
    },
    record::Record,
    tracer::{TICK, Tracer, missing_capabilities},
    view::{
        clean,
        top::{Asked, Top},
        without_numbers,
    },
};
use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use tokio::time::{Instant, sleep_until};

use super::{clock, empty, events::Events, screen::Screen};
use crate::{
    cli::TopArgs,
    command::{
        event_loop::{event_loop, until},
        setup,
    },
    exit::Exit,
};

/// How often it is drawn.
const SECOND: Duration = Duration::from_secs(1);
/// Reading the limits takes this part of a processor at most: a host of many processes is read less often.
const SHARE: u32 = 160;
/// What is near, in percent, as `check` has it.
const WARN: f64 = 90.0;

pub(super) fn run(args: &TopArgs) -> anyhow::Result<Exit> {
    event_loop()?.block_on(async {
        let mut events = Events::new()?;
        let traced = start(args)?;
        let mut watch = Watch {
            top: empty(args),
            began: Instant::now(),
            pace: SECOND,
            next_reading: Instant::now(),
            holders: Holders::new(Passwd::load().unwrap_or_default()),
            tracer: None,
        };
        match traced {
            Ok((tracer, session)) => {
                watch.take(&session);
                watch.tracer = Some(tracer);
            }
            Err(why) => watch.top.blind = Some(why),
        }
        let mut screen = Screen::enter().context("taking the terminal")?;
        // With what it draws on, all is open that it needs.
        let tracer = watch.tracer.as_ref();
        confine(&Needs {
            folders: &[],
            signals: false,
            accepts: false,
            real_time: tracer.is_some_and(Tracer::reads_in_real_time),
            maps_readable: &|| tracer.is_none_or(Tracer::can_read_maps),
        });
        watch.read();
        screen.draw(&watch.top)?;
        watch.run(&mut events, &mut screen).await?;
        if let Some(tracer) = watch.tracer.take() {
            let Ok(()) = tracer.finish(|_| Ok::<(), Infallible>(()));
        }
        Ok(Exit::Done)
    })
}

/// A session, or why there is none: without privilege the limits are shown all the same. A wrong argument is
/// one with privilege or without.
fn start(args: &TopArgs) -> anyhow::Result<Result<(Tracer, Record), String>> {
    let options = setup::options(&args.tracing())?;
    let missing = missing_capabilities();
    if !missing.is_empty() {
        return Ok(Err(format!(
            "tracing needs root, or the capabilities {}; limits are read without",
            missing.join(" and ")
        )));
    }
    Ok(Tracer::start(options).map_err(|error| {
        let text = without_numbers(&error);
        clean(&text).into_owned()
    }))
}

struct Watch {
    top: Top,
    began: Instant,
    /// Between two readings of the limits.
    pace: Duration,
    next_reading: Instant,
    holders: Holders,
    tracer: Option<Tracer>,
}

impl Watch {
    async fn run(&mut self, events: &mut Events, screen: &mut Screen) -> anyhow::Result<()> {
        let mut next = Instant::now() + SECOND;
        let mut tick: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                keys = events.keys(screen, &self.top) => {
                    let Some(keys) = keys? else {
                        return Ok(());
                    };
                    for key in keys {
                        match self.top.key(key) {
                            Asked::Quit => return Ok(()),
                            Asked::Holders => self.show_holders(),
                            _ => {}
                        }
                    }
                    screen.draw(&self.top)?;
                }
                () = sleep_until(next) => {
                    next = Instant::now() + SECOND;
                    if Instant::now() >= self.next_reading {
                        self.read();
                    }
                    self.pass();
                    screen.draw(&self.top)?;
                }
                () = until(tick) => {
                    let news = self.tick();
                    tick = news.then(|| Instant::now() + TICK);
                }
                ready = readable(self.tracer.as_mut()) => {
                    ready.context("waiting for the ring buffer")?;
                    self.drain();
                    tick.get_or_insert_with(|| Instant::now() + TICK);
                }
            }
        }
    }

    /// Seconds since it began.
    fn second(&self) -> i64 {
        self.began.elapsed().as_secs() as i64
    }

    fn take(&mut self, record: &Record) {
        let second = self.second();
        self.top.take_record(second, record);
    }

    fn drain(&mut self) {
        let second = self.second();
        let Self { top, tracer, .. } = self;
        if let Some(tracer) = tracer {
            let Ok(()) = tracer.drain(|record| {
                top.take_record(second, record);
                Ok::<(), Infallible>(())
            });
        }
    }

    fn tick(&mut self) -> bool {
        let second = self.second();
        let Self { top, tracer, .. } = self;
        let Some(tracer) = tracer else {
            return false;
        };
        let Ok(news) = tracer.tick(|record| {
            top.take_record(second, record);
            Ok::<(), Infallible>(())
        });
        news
    }

    fn pass(&mut self) {
        self.top.pass(self.second());
        let pace = match self.pace > SECOND {
            true => format!("limits every {} s, ", self.pace.as_secs().max(2)),
            false => String::new(),
        };
        self.top.clock = format!("{pace}{}", clock(Timestamp::now()));
    }

    /// Reads the limits, and finds how often that may be.
    fn read(&mut self) {
        let before = processor_time();
        match Readings::read(&Subject::Host) {
            Ok(readings) => self.show(headroom(&readings, WARN)),
            // On a host in trouble it may be possible again the next time.
            Err(error) => {
                let why = without_numbers(&error);
                self.top.title = format!("forktrace top: limits can't be read: {}", clean(&why));
            }
        }
        let took = processor_time().saturating_sub(before);
        self.pace = (took * SHARE).max(SECOND);
        self.next_reading = Instant::now() + self.pace - Duration::from_millis(100);
        self.pass();
    }

    fn show(&mut self, reading: Headroom) {
        let how = match &self.tracer {
            Some(_) => "traced",
            None => "limits only",
        };
        self.top.title = format!(
            "forktrace top: {} (Linux {}), {how}",
            clean(&reading.host),
            clean(&reading.kernel)
        );
        self.top.take_limits(self.began.elapsed(), reading.limits);
    }

    fn show_holders(&mut self) {
        let Some(row) = self.top.marked_limit() else {
            return;
        };
        let limit = row.limit.clone();
        let scope = row.counts.clone();
        let held = scope.and_then(|scope| self.holders.count(&scope, limit.usage));
        self.top.show_limit(&limit, held.unwrap_or_default());
    }
}

/// Of this thread, which is the only one.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

async fn readable(tracer: Option<&mut Tracer>) -> io::Result<()> {
    match tracer {
        Some(tracer) => tracer.readable().await,
        None => std::future::pending().await,
    }
}
