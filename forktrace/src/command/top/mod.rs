//! `top`: limits and failures on one screen, as they change.

mod events;
mod input;
mod replay;
mod screen;
mod watch;

use std::io::{self, IsTerminal as _};

use forktrace::view::top::Top;
use jiff::Timestamp;

use super::terminal;
use crate::{
    cli::TopArgs,
    exit::{Exit, UsageError},
};

pub(super) fn run(args: &TopArgs) -> anyhow::Result<Exit> {
    check_terminal()?;
    match &args.file {
        Some(file) => replay::run(args, file),
        None => watch::run(args),
    }
}

/// Nothing yet.
fn empty(args: &TopArgs) -> Top {
    let mut top = Top::default();
    top.colours = terminal::look(args.color).colours;
    top
}

/// What can't show it is told so, and what does instead.
fn check_terminal() -> Result<(), UsageError> {
    let why = if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        "standard input and output are not a terminal"
    } else if std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty()) {
        "this terminal can't be drawn on (TERM)"
    } else {
        return Ok(());
    };
    Err(UsageError(format!(
        "top needs a terminal, and {why}; `forktrace check --watch` and `forktrace live` print lines"
    )))
}

/// "13:14:15", in the zone that is shown.
fn clock(time: Timestamp) -> String {
    let zone = forktrace::view::zone::zone().clone();
    time.to_zoned(zone).strftime("%H:%M:%S").to_string()
}
