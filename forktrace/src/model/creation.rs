//! What was asked for, and how sure a verdict is.

use serde::{Deserialize, Serialize};

/// What was being created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A process with an address space of its own, or CLONE_VM without thread.
    Process,
    /// A thread (CLONE_THREAD).
    Thread,
    /// A process by vfork or posix_spawn (CLONE_VFORK).
    Vfork,
    /// Nothing: a program was to be executed (execve, execveat).
    Exec,
    /// A kernel thread, or a helper that the kernel starts (core_pattern).
    KernelThread,
    /// An io_uring worker.
    IoWorker,
    /// The stack of a thread that was to be created (`--thread-stacks`).
    ThreadStack,
}

/// How far the verdict can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// The refusing check was seen to refuse.
    Observed,
    /// Concluded from what the limits held at the failing return.
    Inferred,
    /// Not known; the candidates say what could have been it.
    Unknown,
}
