//! `live`: prints each failure with its cause as it happens.

use std::io::{self, IsTerminal as _, Write as _};

use forktrace::{
    record::{Record, write_line},
    view::{Screen, Verbosity},
};

use super::trace;
use crate::{
    cli::{Color, Format, LiveArgs},
    exit::Exit,
};

pub fn run(args: &LiveArgs) -> anyhow::Result<Exit> {
    trace::run(&args.trace, || {
        Ok(match args.format {
            Format::Json => Box::new(json(args.quiet)),
            Format::Text => Box::new(text(args)),
        })
    })
}

fn json(quiet: bool) -> impl FnMut(&Record) -> anyhow::Result<()> {
    let mut line = Vec::new();
    move |record| {
        if quiet && matches!(record, Record::Session(_) | Record::Summary(_)) {
            return Ok(());
        }
        line.clear();
        write_line(&mut line, record)?;
        let mut out = io::stdout().lock();
        out.write_all(&line)?;
        out.flush()?;
        Ok(())
    }
}

fn text(args: &LiveArgs) -> impl FnMut(&Record) -> anyhow::Result<()> + use<> {
    let out = io::stdout();
    let terminal = out.is_terminal();
    let colours = match args.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            terminal
                && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
                && std::env::var_os("TERM").is_none_or(|v| v != "dumb")
        }
    };
    let verbosity = match (args.quiet, args.trace.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    };
    let width = if terminal { columns() } else { 80 };
    let mut screen = Screen::new(out, colours, verbosity, width);
    move |record| Ok(screen.show(record)?)
}

/// Columns of the terminal on standard output; 80 when it doesn't say.
fn columns() -> usize {
    // SAFETY: an all-zero winsize is a value of it.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: a live winsize, which the request fills.
    let rc = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    if rc == 0 && size.ws_col > 0 {
        usize::from(size.ws_col)
    } else {
        80
    }
}
