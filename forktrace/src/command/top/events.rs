//! What comes from the terminal: keys, and signals.

use std::io;

use anyhow::Context as _;
use forktrace::view::top::{Key, Top};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{input::Input, screen::Screen};
use crate::command::event_loop::EndSignals;

/// Both, to be waited for.
pub(super) struct Events {
    ends: EndSignals,
    /// SIGQUIT, which would end it without giving the terminal back.
    quit: Signal,
    /// The terminal has another size.
    size: Signal,
    input: Input,
}

impl Events {
    /// Within the event loop, before the terminal is taken.
    pub(super) fn new() -> anyhow::Result<Self> {
        let handlers = || {
            let size = signal(SignalKind::window_change())?;
            io::Result::Ok((EndSignals::new()?, signal(SignalKind::quit())?, size))
        };
        let (ends, quit, size) = handlers().context("installing signal handlers")?;
        let input = Input::new().context("waiting for keys")?;
        Ok(Self {
            ends,
            quit,
            size,
            input,
        })
    }

    /// The next keys, none where the screen was drawn anew in another size; `None`: it is to end.
    pub(super) async fn keys(
        &mut self,
        screen: &mut Screen,
        top: &Top,
    ) -> anyhow::Result<Option<Vec<Key>>> {
        tokio::select! {
            biased;
            () = self.ends.asked_to_end() => Ok(None),
            _ = self.quit.recv() => Ok(None),
            _ = self.size.recv() => {
                screen.redraw(top)?;
                Ok(Some(Vec::new()))
            }
            keys = self.input.keys() => keys.context("reading keys"),
        }
    }
}
