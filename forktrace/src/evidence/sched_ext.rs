//! Schedulers written in BPF (sched_ext, 6.12+), which are asked about each new
//! task.

/// Whether one is loaded, read just after the failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchedExt {
    /// A scheduler is loaded.
    pub enabled: bool,
    /// What it calls itself.
    pub name: Option<String>,
}
