//! The event loop of a command that waits, and the signals that end it.

use std::{future::pending, io};

use anyhow::Context as _;
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, sleep_until},
};

/// One thread, and no pool for blocking work: see DESIGN "Works on the host that can't fork".
pub(super) fn event_loop() -> anyhow::Result<Runtime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .context("setting up the event loop")
}

/// Ready at that time; never without one.
pub(super) async fn until(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => pending().await,
    }
}

/// Signals that end forktrace.
pub(super) struct EndSignals {
    pub interrupt: Signal,
    pub terminate: Signal,
    pub hangup: Signal,
}

impl EndSignals {
    /// Installs their handlers, within the event loop.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Ready when one has come.
    pub(super) async fn asked_to_end(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
