//! How far reading has come, on a terminal: from half a second on, redrawn as bytes are read, by no
//! thread of its own.

use std::{
    cell::Cell,
    fs,
    io::{self, IsTerminal as _, Read, Seek, SeekFrom},
    os::fd::AsFd as _,
    path::PathBuf,
    rc::Rc,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use crate::recording::{Damage, Source};

/// What ends before shows nothing.
const SHOWN_AFTER: Duration = Duration::from_millis(500);

/// Progress of reading files one after the other; `None` where nobody sees it.
pub struct Progress(Option<Rc<Shown>>);

struct Shown {
    bar: ProgressBar,
    begun: Instant,
    /// Bytes of files that have been read.
    before: Cell<u64>,
}

impl Progress {
    /// Of nothing that anybody sees.
    pub fn hidden() -> Self {
        Self(None)
    }

    /// Of all these files, on standard error where that is a terminal. Of what is no file nobody
    /// knows how much there is: then no share is told, and no time.
    pub fn of(files: &[PathBuf]) -> Self {
        let size = |path: &PathBuf| {
            let about = fs::metadata(path).ok()?;
            about.is_file().then_some(about.len())
        };
        Self::of_bytes(|| files.iter().map(size).sum())
    }

    /// Of something else, of which there are so many bytes, where anybody knows: nobody is asked unless standard
    /// error is a terminal.
    pub fn of_bytes(bytes: impl FnOnce() -> Option<u64>) -> Self {
        const SHARE: &str = "{percent:>3}% of {total_bytes}, {bytes_per_sec}, {eta} left";
        const BYTES: &str = "{bytes}, {bytes_per_sec}";
        if !io::stderr().is_terminal() {
            return Self::hidden();
        }
        let bytes = bytes();
        let template = if bytes.is_some() { SHARE } else { BYTES };
        let style = ProgressStyle::with_template(template);
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::hidden());
        let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(Some(Rc::new(Shown {
            bar: bar.with_finish(ProgressFinish::AndClear),
            begun: Instant::now(),
            before: Cell::new(0),
        })))
    }

    /// The same, of a command that prints as it reads: where it prints to a file.
    pub fn of_printing(files: &[PathBuf]) -> Self {
        let out = io::stdout()
            .as_fd()
            .try_clone_to_owned()
            .map(fs::File::from);
        let to_a_file = out
            .and_then(|out| out.metadata())
            .is_ok_and(|about| about.is_file());
        match to_a_file {
            true => Self::of(files),
            false => Self::hidden(),
        }
    }

    /// A file that is read next.
    pub fn watch(&self, source: Box<dyn Source>) -> Box<dyn Source> {
        match &self.0 {
            None => source,
            Some(shown) => Box::new(Watched::new(source, shown)),
        }
    }

    /// What is read next, and can't be gone back in.
    pub fn watch_stream<'a>(&self, source: Box<dyn Read + 'a>) -> Box<dyn Read + 'a> {
        match &self.0 {
            None => source,
            Some(shown) => Box::new(Watched::new(source, shown)),
        }
    }

    /// Prints something beside it.
    pub fn aside(&self, print: impl FnOnce()) {
        match &self.0 {
            None => print(),
            Some(shown) => shown.bar.suspend(print),
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A file, and how far it was read.
struct Watched<S> {
    source: S,
    shown: Rc<Shown>,
    at: u64,
    /// It may be gone back to what was read before.
    most: u64,
}

impl<S> Watched<S> {
    fn new(source: S, shown: &Rc<Shown>) -> Self {
        Self {
            source,
            shown: Rc::clone(shown),
            at: 0,
            most: 0,
        }
    }
}

impl<S: Read> Read for Watched<S> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(to)?;
        self.at += read as u64;
        self.most = self.most.max(self.at);
        let Shown { bar, begun, before } = &*self.shown;
        if bar.is_hidden() && begun.elapsed() >= SHOWN_AFTER {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        bar.set_position(before.get() + self.most);
        Ok(read)
    }
}

impl<S: Seek> Seek for Watched<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = self.source.seek(to)?;
        self.at = at;
        Ok(at)
    }
}

impl Source for Watched<Box<dyn Source>> {
    fn wait(&mut self, damage: Damage) {
        self.source.wait(damage);
    }
}

impl<S> Drop for Watched<S> {
    fn drop(&mut self) {
        let before = &self.shown.before;
        before.set(before.get() + self.most);
    }
}
