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

impl Operation {
    /// As records have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Thread => "thread",
            Self::Vfork => "vfork",
            Self::Exec => "exec",
            Self::KernelThread => "kernel_thread",
            Self::IoWorker => "io_worker",
            Self::ThreadStack => "thread_stack",
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_records() {
        for operation in [
            Operation::Process,
            Operation::Thread,
            Operation::Vfork,
            Operation::Exec,
            Operation::KernelThread,
            Operation::IoWorker,
            Operation::ThreadStack,
        ] {
            let json = serde_json::to_string(&operation).unwrap();
            assert_eq!(json, format!("\"{}\"", operation.name()));
        }
    }
}
