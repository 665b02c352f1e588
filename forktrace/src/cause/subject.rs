//! Whom a verdict is about.

use crate::host::target_cgroup::Target;
use crate::model::{Caller, Cgroup, Errno, Operation};

/// Who was refused, and what.
pub struct Subject<'a> {
    /// The task that called.
    pub caller: &'a Caller,
    /// The caller's cgroup.
    pub cgroup: &'a Cgroup,
    /// What the call was to create.
    pub operation: Operation,
    /// What the call returned.
    pub errno: Errno,
    /// The cgroup that the child should have gone into, where that was not the caller's and is known.
    pub target: Option<&'a Target>,
}

impl Subject<'_> {
    /// "a process", "a thread", …
    pub fn wanted(&self) -> &'static str {
        match self.operation {
            Operation::Process | Operation::Vfork => "a process",
            Operation::Thread => "a thread",
            Operation::KernelThread => "a kernel thread",
            Operation::IoWorker => "an io_uring worker",
            Operation::Exec => "a program",
            Operation::ThreadStack => "a thread's stack",
        }
    }

    /// "postgres (pid 812)".
    pub fn who(&self) -> String {
        format!("{} (pid {})", self.caller.comm, self.caller.pid)
    }

    /// "uid 112 (postgres)".
    pub fn user(&self) -> String {
        match &self.caller.user {
            Some(name) => format!("uid {} ({name})", self.caller.uid),
            None => format!("uid {}", self.caller.uid),
        }
    }

    /// "postgres (pid 812) could not create a process: ".
    pub fn opening(&self) -> String {
        if self.operation == Operation::ThreadStack {
            return format!("{} could not map the stack of a new thread: ", self.who());
        }
        let what = match self.operation {
            Operation::Exec => "execute",
            _ => "create",
        };
        format!("{} could not {what} {}: ", self.who(), self.wanted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::caller::tests::caller;

    #[test]
    fn a_sentence_opens_with_who_wanted_what() {
        let subject = |operation| {
            Subject {
                caller: &caller(),
                cgroup: &Cgroup::default(),
                operation,
                errno: Errno::EAGAIN,
                target: None,
            }
            .opening()
        };
        assert_eq!(
            subject(Operation::Vfork),
            "postgres (pid 812) could not create a process: "
        );
        assert_eq!(
            subject(Operation::Exec),
            "postgres (pid 812) could not execute a program: "
        );
        assert_eq!(
            subject(Operation::ThreadStack),
            "postgres (pid 812) could not map the stack of a new thread: "
        );
    }
}
