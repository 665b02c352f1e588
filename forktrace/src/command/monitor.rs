//! Where tracing is watched from beside its own output: numbers in a file, numbers for who asks, entries in
//! the journal. All of it is opened before privileges are given up, and none of it delays a record.

use std::{
    future::pending,
    io::{self, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use forktrace::{
    headroom::headroom,
    host::readings::{Readings, Subject},
    journal::{self, Journal},
    metrics::{Metrics, Server, TextFile},
    record::Record,
    recording::check_whole,
    tracer::{StartError, Tracer},
    view::{shown, without_numbers},
};

use crate::{cli::MonitorArgs, exit::UsageError};

/// How old the file's numbers get, and how old where something has changed.
const IDLE: Duration = Duration::from_secs(15);
const CHANGED: Duration = Duration::from_secs(5);

/// A reading of all limits takes so small a share of the time from one to the next: a thousandth.
const SHARE: u32 = 1000;

/// From how full on a limit is near, in percent, as `check` has it; the numbers don't depend on it.
const WARN: f64 = 90.0;

/// All that watches.
pub(super) struct Monitor {
    series: usize,
    file: Option<TextFile>,
    server: Option<Server>,
    journal: Option<Journal>,
    /// Once tracing has begun, where somebody wants them.
    metrics: Option<Metrics>,
    /// When the limits are read next, and the file written.
    reading: Instant,
    writing: Instant,
    /// That the file can't be written has been said.
    said: bool,
}

impl Monitor {
    /// Opens what is asked for, within the event loop.
    pub(super) fn open(args: &MonitorArgs) -> anyhow::Result<Self> {
        let file = args.metrics_file.as_deref().map(file).transpose()?;
        let server = args.metrics.map(|address| {
            let unable = |error: io::Error| {
                let why = without_numbers(&error);
                StartError::Unsupported(format!("--metrics {address}: {why}"))
            };
            Server::bind(address).map_err(unable)
        });
        let journal = args.journal.then(|| {
            let unable = |error: io::Error| {
                let (at, why) = (journal::SOCKET, without_numbers(&error));
                let text = format!("--journal: systemd-journald can't be reached at {at}: {why}");
                StartError::Unsupported(text)
            };
            Journal::open(Path::new(journal::SOCKET)).map_err(unable)
        });
        let server = server.transpose()?;
        let now = Instant::now();
        Ok(Self {
            series: args.metrics_series,
            file,
            server,
            journal: journal.transpose()?,
            metrics: None,
            reading: now,
            writing: now,
            said: false,
        })
    }

    /// Where it goes on to make files.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.file.as_ref().map(TextFile::folder)
    }

    /// Whether it takes connections.
    pub(super) fn accepts(&self) -> bool {
        self.server.is_some()
    }

    /// Counts a record, and enters it.
    pub(super) fn take(&mut self, record: &Record) {
        if let Some(journal) = &mut self.journal {
            journal.take(record);
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.take(record);
            self.writing = self.writing.min(Instant::now() + CHANGED);
        }
        if let Record::Session(session) = record
            && (self.file.is_some() || self.server.is_some())
        {
            self.metrics = Some(Metrics::new(session, self.series));
            if let Some(server) = &self.server {
                let address = server.address();
                let _ = writeln!(
                    io::stderr(),
                    "forktrace: metrics at http://{address}/metrics"
                );
            }
        }
    }

    /// When there is something to do though nothing comes.
    pub(super) fn due(&self) -> Option<Instant> {
        self.metrics.as_ref()?;
        let writing = self.file.as_ref().map(|_| self.writing);
        Some(writing.map_or(self.reading, |at| at.min(self.reading)))
    }

    /// Does what is due: reads the limits, writes the file.
    pub(super) fn pass(&mut self, tracer: &Tracer) {
        let Some(metrics) = &mut self.metrics else {
            return;
        };
        let begun = Instant::now();
        if begun >= self.reading {
            metrics.set_other_errnos(tracer.other_errnos());
            // What can't be read is no number.
            if let Ok(readings) = Readings::read(&Subject::Host) {
                metrics.set_limits(&headroom(&readings, WARN));
            }
            // The time that has passed is at least what it took of a processor.
            self.reading = Instant::now() + IDLE.max(begun.elapsed() * SHARE);
        }
        if begun >= self.writing {
            self.write();
        }
    }

    fn write(&mut self) {
        let (Some(metrics), Some(file)) = (&mut self.metrics, &self.file) else {
            return;
        };
        match file.write(&metrics.text()) {
            Ok(()) => self.said = false,
            Err(error) if !self.said => {
                self.said = true;
                let why = without_numbers(&error);
                let _ = writeln!(
                    io::stderr(),
                    "forktrace: --metrics-file: writing into its folder: {why}; it is tried again"
                );
            }
            Err(_) => {}
        }
        self.writing = Instant::now() + IDLE;
    }

    /// Serves who asks: a small part, to be called again and again.
    pub(super) async fn serve(&mut self) {
        match (&mut self.server, &mut self.metrics) {
            (Some(server), Some(metrics)) => server.step(metrics).await,
            _ => pending().await,
        }
    }

    /// Leaves the last numbers, and that nothing is traced any more.
    pub(super) fn end(&mut self) {
        if let Some(metrics) = &mut self.metrics {
            metrics.set_ended();
        }
        self.write();
        self.metrics = None;
    }
}

/// However it ends: an error leaves the last numbers, too.
impl Drop for Monitor {
    fn drop(&mut self) {
        self.end();
    }
}

fn file(path: &Path) -> anyhow::Result<TextFile> {
    if path.extension().is_none_or(|end| end != "prom") {
        let text = "node_exporter's textfile collector reads files whose names end in .prom";
        return Err(UsageError(format!("--metrics-file {}: {text}", shown(path))).into());
    }
    check_whole(path, true)?;
    Ok(TextFile::new(path))
}
