//! The kernel side's debug log (`-v`), through aya-log to standard error.

use aya::Ebpf;
use aya_log::EbpfLogger;
use log::{Log, Metadata, Record};
use tokio::io::{Interest, unix::AsyncFd};

use crate::model::clean;

/// The log's own ring buffer; without `-v` there is nothing to read, and the
/// programs' log code is pruned when they are loaded.
pub struct KernelLog(Option<AsyncFd<EbpfLogger<StandardError>>>);

impl KernelLog {
    /// Has to be called before programs are loaded, which use its map.
    pub fn new(ebpf: &mut Ebpf, wanted: bool) -> Result<Self, String> {
        if !wanted {
            return Ok(Self(None));
        }
        let logger =
            EbpfLogger::init_with_logger(ebpf, StandardError).map_err(|e| e.to_string())?;
        // SAFETY: the logger owns its descriptor, and both live as long.
        let logger = unsafe { AsyncFd::register_with_interest(logger, Interest::READABLE) };
        logger.map(|l| Self(Some(l))).map_err(|e| e.to_string())
    }

    /// Waits until there is something to print; for ever without `-v`.
    pub async fn readable(&mut self) {
        match &mut self.0 {
            Some(logger) => {
                if let Ok(mut guard) = logger.readable_mut().await {
                    guard.clear_ready();
                }
            }
            None => std::future::pending().await,
        }
    }

    /// Prints what has come.
    pub fn flush(&mut self) {
        if let Some(logger) = &mut self.0 {
            logger.get_mut().flush();
        }
    }
}

/// Prints log records.
pub(super) struct StandardError;

impl Log for StandardError {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        eprintln!(
            "forktrace: kernel side: {}",
            clean(&record.args().to_string())
        );
    }

    fn flush(&self) {}
}
