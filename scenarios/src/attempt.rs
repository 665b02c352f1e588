//! Asking the kernel for a process or a thread by exactly the system call that
//! is named, without libc in between.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(crate) mod exec;

use forktrace::provoke::create;
pub(crate) use forktrace::provoke::create::{CloneArgs, THREAD_FLAGS, clone, clone3};
use forktrace::provoke::sys;
use forktrace::record::Operation;

use crate::arch::{self, compat};
use crate::pthread::{self, Stack};

/// A way to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// fork(2).
    Fork,
    /// vfork(2).
    Vfork,
    /// clone(2) of a process: SIGCHLD and no flag.
    CloneProcess,
    /// clone(2) of a thread, with the flags that pthread_create(3) has.
    CloneThread,
    /// clone3(2) of a process.
    Clone3,
    /// clone3(2) of a thread.
    Clone3Thread,
    /// execve(2).
    Execve,
    /// execveat(2).
    Execveat,
    /// fork(2) as 32-bit code calls it.
    Fork32,
    /// vfork(2), likewise.
    Vfork32,
    /// execve(2), likewise.
    Execve32,
    /// pthread_create(3), refused by the mmap of the stack.
    StackMmap,
    /// pthread_create(3), refused by the mprotect of the stack.
    StackMprotect,
}

impl Kind {
    /// Every way to ask, threads by both calls.
    pub(crate) const EVERY: &'static [Self] = arch::EVERY;
    /// Each system call once.
    pub(crate) const ALL: &'static [Self] = arch::ALL;
    /// Those that make a process.
    pub(crate) const PROCESSES: &'static [Self] = arch::PROCESSES;
    /// Those that copy the address space.
    pub(crate) const COPIES: &'static [Self] = arch::COPIES;
    /// The plainest.
    pub(crate) const PLAIN: Self = arch::PLAIN;
    /// A process that shares the caller's address space, where there is a call for it.
    pub(crate) const SHARING: Self = arch::SHARING;
    /// What executes a program.
    pub(crate) const EXECS: &'static [Self] = &[Self::Execve, Self::Execveat];
}

impl Kind {
    /// The system call's name.
    pub(crate) fn syscall(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Vfork => "vfork",
            Self::CloneProcess | Self::CloneThread => "clone",
            Self::Clone3 | Self::Clone3Thread => "clone3",
            Self::Execve => "execve",
            Self::Execveat => "execveat",
            Self::Fork32 => "fork",
            Self::Vfork32 => "vfork",
            Self::Execve32 => "execve",
            Self::StackMmap => "mmap",
            Self::StackMprotect => "mprotect",
        }
    }

    /// What a record calls it.
    pub(crate) fn operation(self) -> Operation {
        match self {
            Self::Fork => Operation::Process,
            Self::Vfork => Operation::Vfork,
            Self::CloneProcess | Self::Clone3 => Operation::Process,
            Self::CloneThread | Self::Clone3Thread => Operation::Thread,
            Self::Execve | Self::Execveat => Operation::Exec,
            Self::Fork32 => Operation::Process,
            Self::Vfork32 => Operation::Vfork,
            Self::Execve32 => Operation::Exec,
            Self::StackMmap | Self::StackMprotect => Operation::ThreadStack,
        }
    }

    /// Short, for names of cases and comms.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Vfork => "vfork",
            Self::CloneProcess => "clone-p",
            Self::CloneThread => "clone",
            Self::Clone3 => "clone3",
            Self::Clone3Thread => "clone3-t",
            Self::Execve => "execve",
            Self::Execveat => "execveat",
            Self::Fork32 => "fork32",
            Self::Vfork32 => "vfork32",
            Self::Execve32 => "execve32",
            Self::StackMmap => "mmap",
            Self::StackMprotect => "mprotect",
        }
    }

    /// Whether it makes a thread.
    pub(crate) fn is_thread(self) -> bool {
        matches!(self.operation(), Operation::Thread | Operation::ThreadStack)
    }
}

/// What came of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub kind: Kind,
    /// Thread that asked, as its own pid namespace numbers it.
    pub tid: i32,
    /// 0 when it was granted.
    pub errno: i32,
}

impl Attempt {
    /// By the calling thread.
    pub(crate) fn of(kind: Kind, errno: i32) -> Self {
        Self {
            kind,
            tid: sys::tid(),
            errno,
        }
    }
}

/// One attempt; a child that comes of it has exited and been waited for.
pub(crate) fn attempt(kind: Kind) -> Attempt {
    let answer = match kind {
        Kind::Fork => arch::fork(),
        Kind::Vfork => arch::vfork(),
        Kind::CloneProcess => clone(libc::SIGCHLD),
        Kind::CloneThread => clone(THREAD_FLAGS),
        Kind::Clone3 => clone3(&CloneArgs::process()),
        Kind::Clone3Thread => clone3(&CloneArgs {
            flags: THREAD_FLAGS as u64,
            ..CloneArgs::default()
        }),
        Kind::Execve => exec::execve(),
        Kind::Execveat => exec::execveat(),
        Kind::Fork32 => compat::fork(),
        Kind::Vfork32 => compat::vfork(),
        Kind::Execve32 => compat::execve(),
        Kind::StackMmap | Kind::StackMprotect => {
            -(pthread::create(Stack {
                bytes: 8 << 20,
                guard: kind == Kind::StackMprotect,
            }) as isize)
        }
    };
    concluded(kind, answer)
}

/// clone3(2) of a process into the cgroup (v2) that `cgroup` is open on.
pub(crate) fn attempt_into_cgroup(cgroup: i32) -> Attempt {
    Attempt::of(Kind::Clone3, create::attempt_into_cgroup(cgroup))
}

/// `count` attempts, one right after the other.
pub(crate) fn attempts(kind: Kind, count: u32) -> Vec<Attempt> {
    let mut all = Vec::with_capacity(count as usize);
    for _ in 0..count {
        all.push(attempt(kind));
    }
    all
}

fn concluded(kind: Kind, answer: isize) -> Attempt {
    if answer > 0 && !kind.is_thread() && kind.operation() != Operation::Exec {
        if SHORT_OF_MEMORY.load(Ordering::Relaxed) {
            reap_soon(answer as i32);
        } else {
            sys::reap(answer as i32);
        }
    }
    Attempt::of(kind, if answer < 0 { -answer as i32 } else { 0 })
}

static SHORT_OF_MEMORY: AtomicBool = AtomicBool::new(false);

/// From now on this process's children may have no memory to exit with.
pub(crate) fn short_of_memory() {
    SHORT_OF_MEMORY.store(true, Ordering::Relaxed);
}

/// Waits for a child that only exits. In a memory cgroup without room for a page
/// table even that waits for ever, at the first instruction: killed then.
fn reap_soon(pid: i32) {
    if sys::reap_within(pid, Duration::from_secs(5)).is_none() {
        sys::end(pid);
    }
}
