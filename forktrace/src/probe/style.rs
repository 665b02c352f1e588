//! Attach styles and what a probe stands for.

use std::fmt;

use crate::arch::{CREATIONS, symbols};

/// How a probe is attached, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Style {
    /// BPF trampolines at function exits: no tax on other system calls.
    Fexit,
    /// kprobes and kretprobes.
    Kprobe,
    /// Enter and return tracepoints of the system calls that create.
    Tracepoint,
}

impl Style {
    /// As on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fexit => "fexit",
            Self::Kprobe => "kprobe",
            Self::Tracepoint => "tracepoint",
        }
    }
}

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a probe is for. One probe a role is attached, in the best style.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The failing return itself.
    Return,
    /// RLIMIT_NPROC is over, and the capabilities that exempt from it are asked for.
    Nproc,
    /// The half-made child, as it is given up: whether the scheduler had seen it.
    Child,
    /// The security modules had agreed.
    Security,
    /// The pids controller gives the refusing cgroup's charge back.
    Pids,
    /// The promise of memory that is refused is taken back.
    Overcommit,
    /// The half-made child is cleared away: how far a failed creation had come.
    Cleanup,
    /// `cgroup_can_fork` had agreed, and the creation failed all the same.
    CancelFork,
    /// The memory cgroup OOM killer found no victim.
    MemcgOom,
    /// execve's return: it refuses by RLIMIT_NPROC what setuid let pass.
    Exec,
    /// A seccomp filter answered (`--seccomp`).
    Seccomp,
    /// The OOM killer has a victim: no failure, reported beside them.
    OomVictim,
    /// Why the OOM killer chose that victim.
    OomChoice,
    /// mmap, which may be of a thread's stack.
    StackMmap,
    /// mprotect, which may be of a thread's stack.
    StackMprotect,
}

impl Role {
    /// Whether its programs report by themselves, as those on the failing
    /// return do, and leave no note for it.
    pub fn reports(self) -> bool {
        matches!(
            self,
            Self::Return | Self::Exec | Self::Seccomp | Self::StackMmap | Self::StackMprotect
        )
    }
}

/// One function that can be probed, and the programs for it.
pub struct Hook {
    /// What the probe is for.
    pub role: Role,
    /// Kernel functions that serve, best first.
    pub targets: &'static [&'static str],
    /// The trampoline programs.
    pub trampoline: Option<Trampoline>,
    /// kprobe and kretprobe programs, entry first.
    pub kprobes: &'static [&'static str],
    /// What is lost without it.
    pub lost: &'static str,
}

/// A program for a BPF trampoline.
pub enum Trampoline {
    /// Programs that run before the function, first one first.
    Fentry(&'static [&'static str]),
    /// Programs that run at its return, first one first.
    Fexit(&'static [&'static str]),
}

/// Every function that is hooked; what is probed within functions: [`super::sites`]. Prototypes are
/// checked in BTF before anything is attached.
pub const HOOKS: &[Hook] = &[
    Hook {
        role: Role::Return,
        targets: &["copy_process"],
        trampoline: Some(Trampoline::Fexit(&[
            "fexit_copy_process",
            "fexit_copy_process_again",
        ])),
        kprobes: &["kretprobe_copy_process"],
        lost: "the failing return",
    },
    Hook {
        role: Role::Cleanup,
        // The second runs at the end of every task as well: only where the
        // first can't be probed.
        targets: &["perf_event_free_task", "security_task_free"],
        trampoline: Some(Trampoline::Fentry(&[
            "fentry_cleanup",
            "fentry_cleanup_again",
        ])),
        kprobes: &["kprobe_cleanup"],
        lost: "how far a failed creation came is not seen; causes are concluded from numbers",
    },
    Hook {
        role: Role::CancelFork,
        targets: &["cgroup_cancel_fork"],
        trampoline: Some(Trampoline::Fentry(&["fentry_cgroup_cancel_fork"])),
        kprobes: &["kprobe_cgroup_cancel_fork"],
        lost: "a refusal after cgroup_can_fork may look like one by it",
    },
    Hook {
        role: Role::MemcgOom,
        targets: &["mem_cgroup_out_of_memory"],
        trampoline: Some(Trampoline::Fexit(&["fexit_memcg_oom"])),
        kprobes: &["kprobe_memcg_oom", "kretprobe_memcg_oom"],
        lost: "a memory cgroup that refuses is not seen",
    },
    Hook {
        role: Role::Exec,
        targets: &[symbols::EXECVE],
        trampoline: Some(Trampoline::Fexit(&["fexit_execve", "fexit_execve_again"])),
        kprobes: &["kretprobe_exec"],
        lost: "an execve that RLIMIT_NPROC refuses is not seen",
    },
    Hook {
        role: Role::Exec,
        targets: &[symbols::EXECVEAT],
        trampoline: Some(Trampoline::Fexit(&[
            "fexit_execveat",
            "fexit_execveat_again",
        ])),
        kprobes: &["kretprobe_exec"],
        lost: "an execveat that RLIMIT_NPROC refuses is not seen",
    },
    Hook {
        role: Role::Exec,
        targets: &[symbols::COMPAT_EXECVE],
        trampoline: Some(Trampoline::Fexit(&[
            "fexit_compat_execve",
            "fexit_compat_execve_again",
        ])),
        kprobes: &["kretprobe_exec"],
        lost: "a 32-bit program's execve that RLIMIT_NPROC refuses is not seen",
    },
    Hook {
        role: Role::Exec,
        targets: &[symbols::COMPAT_EXECVEAT],
        trampoline: Some(Trampoline::Fexit(&[
            "fexit_compat_execveat",
            "fexit_compat_execveat_again",
        ])),
        kprobes: &["kretprobe_exec"],
        lost: "a 32-bit program's execveat that RLIMIT_NPROC refuses is not seen",
    },
];

/// The hook of `--seccomp`. It runs on every system call of every task that has
/// a filter, so nothing is attached without the option.
pub const SECCOMP: Hook = Hook {
    role: Role::Seccomp,
    targets: &["__seccomp_permit_syscall", "__secure_computing"],
    trampoline: Some(Trampoline::Fexit(&["fexit_seccomp", "fexit_seccomp_again"])),
    kprobes: &["kretprobe_seccomp"],
    lost: "what a seccomp filter refuses is not seen",
};

/// Tracepoints of system calls, and the programs for them.
pub struct Tracepoints {
    /// The system calls, by the names of their tracepoints without `sys_enter_`.
    pub calls: &'static [&'static str],
    /// Where the kernel preempts itself, both sit on each entry, and both on
    /// each return; else the first does.
    pub enter: [&'static str; 2],
    /// The programs at the return.
    pub exit: [&'static str; 2],
}

/// What the tracepoint style attaches: creations first.
pub const TRACEPOINTS: &[Tracepoints] = &[
    Tracepoints {
        calls: CREATIONS,
        enter: ["sys_enter_creation", "sys_enter_creation_again"],
        exit: ["sys_exit_creation", "sys_exit_creation_again"],
    },
    Tracepoints {
        calls: &["execve", "execveat"],
        enter: ["sys_enter_exec", "sys_enter_exec_again"],
        exit: ["sys_exit_exec", "sys_exit_exec_again"],
    },
];
