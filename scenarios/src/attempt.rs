//! Asking the kernel for a process or a thread by exactly the system call that
//! is named, without libc in between.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[cfg(target_arch = "x86_64")]
pub mod compat;
pub mod exec;

use forktrace::record::Operation;

use crate::pthread::{self, Stack};

/// A way to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// fork(2).
    #[cfg(target_arch = "x86_64")]
    Fork,
    /// vfork(2).
    #[cfg(target_arch = "x86_64")]
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
    #[cfg(target_arch = "x86_64")]
    Fork32,
    /// vfork(2), likewise.
    #[cfg(target_arch = "x86_64")]
    Vfork32,
    /// execve(2), likewise.
    #[cfg(target_arch = "x86_64")]
    Execve32,
    /// pthread_create(3), refused by the mmap of the stack.
    StackMmap,
    /// pthread_create(3), refused by the mprotect of the stack.
    StackMprotect,
}

impl Kind {
    /// What executes a program.
    pub const EXECS: &'static [Self] = &[Self::Execve, Self::Execveat];
}

#[cfg(target_arch = "x86_64")]
impl Kind {
    /// The four system calls.
    pub const ALL: &'static [Self] = &[Self::Fork, Self::Vfork, Self::CloneThread, Self::Clone3];
    /// Those that make a process.
    pub const PROCESSES: &'static [Self] =
        &[Self::Fork, Self::Vfork, Self::CloneProcess, Self::Clone3];
    /// Those that copy the address space.
    pub const COPIES: &'static [Self] = &[Self::Fork, Self::CloneProcess, Self::Clone3];
    /// The plainest.
    pub const PLAIN: Self = Self::Fork;
    /// A process that shares the caller's address space, where there is a call for it.
    pub const SHARING: Self = Self::Vfork;
}

#[cfg(not(target_arch = "x86_64"))]
impl Kind {
    /// The system calls there are.
    pub const ALL: &'static [Self] = &[Self::CloneProcess, Self::CloneThread, Self::Clone3];
    /// Those that make a process.
    pub const PROCESSES: &'static [Self] = &[Self::CloneProcess, Self::Clone3];
    /// Those that copy the address space.
    pub const COPIES: &'static [Self] = &[Self::CloneProcess, Self::Clone3];
    /// The plainest.
    pub const PLAIN: Self = Self::CloneProcess;
    /// See the other architecture's; here a thread is all there is.
    pub const SHARING: Self = Self::CloneThread;
}

impl Kind {
    /// The system call's name.
    pub fn syscall(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Fork => "fork",
            #[cfg(target_arch = "x86_64")]
            Self::Vfork => "vfork",
            Self::CloneProcess | Self::CloneThread => "clone",
            Self::Clone3 | Self::Clone3Thread => "clone3",
            Self::Execve => "execve",
            Self::Execveat => "execveat",
            #[cfg(target_arch = "x86_64")]
            Self::Fork32 => "fork",
            #[cfg(target_arch = "x86_64")]
            Self::Vfork32 => "vfork",
            #[cfg(target_arch = "x86_64")]
            Self::Execve32 => "execve",
            Self::StackMmap => "mmap",
            Self::StackMprotect => "mprotect",
        }
    }

    /// What a record calls it.
    pub fn operation(self) -> Operation {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Fork => Operation::Process,
            #[cfg(target_arch = "x86_64")]
            Self::Vfork => Operation::Vfork,
            Self::CloneProcess | Self::Clone3 => Operation::Process,
            Self::CloneThread | Self::Clone3Thread => Operation::Thread,
            Self::Execve | Self::Execveat => Operation::Exec,
            #[cfg(target_arch = "x86_64")]
            Self::Fork32 => Operation::Process,
            #[cfg(target_arch = "x86_64")]
            Self::Vfork32 => Operation::Vfork,
            #[cfg(target_arch = "x86_64")]
            Self::Execve32 => Operation::Exec,
            Self::StackMmap | Self::StackMprotect => Operation::ThreadStack,
        }
    }

    /// Short, for names of cases and comms.
    pub fn label(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Fork => "fork",
            #[cfg(target_arch = "x86_64")]
            Self::Vfork => "vfork",
            Self::CloneProcess => "clone-p",
            Self::CloneThread => "clone",
            Self::Clone3 => "clone3",
            Self::Clone3Thread => "clone3-t",
            Self::Execve => "execve",
            Self::Execveat => "execveat",
            #[cfg(target_arch = "x86_64")]
            Self::Fork32 => "fork32",
            #[cfg(target_arch = "x86_64")]
            Self::Vfork32 => "vfork32",
            #[cfg(target_arch = "x86_64")]
            Self::Execve32 => "execve32",
            Self::StackMmap => "mmap",
            Self::StackMprotect => "mprotect",
        }
    }

    /// Whether it makes a thread.
    pub fn is_thread(self) -> bool {
        matches!(self.operation(), Operation::Thread | Operation::ThreadStack)
    }
}

/// What came of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub kind: Kind,
    /// Thread that asked, as its own pid namespace numbers it.
    pub tid: i32,
    /// 0 when it was granted.
    pub errno: i32,
}

/// `struct clone_args` (include/uapi/linux/sched.h) up to `cgroup`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct CloneArgs {
    pub flags: u64,
    pub pidfd: u64,
    pub child_tid: u64,
    pub parent_tid: u64,
    pub exit_signal: u64,
    pub stack: u64,
    pub stack_size: u64,
    pub tls: u64,
    pub set_tid: u64,
    pub set_tid_size: u64,
    pub cgroup: u64,
}

/// CLONE_INTO_CGROUP (include/uapi/linux/sched.h).
pub const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// What makes a thread.
pub const THREAD_FLAGS: i32 = libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SYSVSEM;

/// Makes the system call `number`. A child that comes of it exits at once with
/// status 0, without a look at memory: so it may share the caller's stack.
///
/// # Safety
/// `number` is a call that creates a task or fails, `args` are valid for it.
#[cfg(target_arch = "x86_64")]
unsafe fn create(number: i64, args: [usize; 5]) -> isize {
    let answer: isize;
    // SAFETY: the child leaves by exit(2) within these instructions.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor edi, edi",
            "mov eax, 60",
            "syscall",
            "ud2",
            "2:",
            inlateout("rax") number as isize => answer,
            inlateout("rdi") args[0] => _,
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    answer
}

/// See the other architecture's.
///
/// # Safety
/// `number` is a call that creates a task or fails, `args` are valid for it.
#[cfg(target_arch = "aarch64")]
unsafe fn create(number: i64, args: [usize; 5]) -> isize {
    let answer: isize;
    // SAFETY: the child leaves by exit(2) within these instructions.
    unsafe {
        std::arch::asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x8, #93",
            "svc #0",
            "brk #1",
            "2:",
            inlateout("x8") number as isize => _,
            inlateout("x0") args[0] => answer,
            in("x1") args[1],
            in("x2") args[2],
            in("x3") args[3],
            in("x4") args[4],
        );
    }
    answer
}

/// One attempt; a child that comes of it has exited and been waited for.
pub fn attempt(kind: Kind) -> Attempt {
    let answer = match kind {
        // SAFETY: fork(2) and vfork(2) take nothing; the child only exits.
        #[cfg(target_arch = "x86_64")]
        Kind::Fork => unsafe { create(libc::SYS_fork, [0; 5]) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Kind::Vfork => unsafe { create(libc::SYS_vfork, [0; 5]) },
        Kind::CloneProcess => clone(libc::SIGCHLD),
        Kind::CloneThread => clone(THREAD_FLAGS),
        Kind::Clone3 => clone3(&CloneArgs {
            exit_signal: libc::SIGCHLD as u64,
            ..CloneArgs::default()
        }),
        Kind::Clone3Thread => clone3(&CloneArgs {
            flags: THREAD_FLAGS as u64,
            ..CloneArgs::default()
        }),
        Kind::Execve => exec::execve(),
        Kind::Execveat => exec::execveat(),
        #[cfg(target_arch = "x86_64")]
        Kind::Fork32 => compat::fork(),
        #[cfg(target_arch = "x86_64")]
        Kind::Vfork32 => compat::vfork(),
        #[cfg(target_arch = "x86_64")]
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
pub fn attempt_into_cgroup(cgroup: i32) -> Attempt {
    let answer = clone3(&CloneArgs {
        flags: CLONE_INTO_CGROUP,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: cgroup as u64,
        ..CloneArgs::default()
    });
    concluded(Kind::Clone3, answer)
}

/// `count` attempts, one right after the other.
pub fn attempts(kind: Kind, count: u32) -> Vec<Attempt> {
    let mut all = Vec::with_capacity(count as usize);
    for _ in 0..count {
        all.push(attempt(kind));
    }
    all
}

/// clone(2) without a stack of its own; the answer or the negative errno.
pub fn clone(flags: i32) -> isize {
    // SAFETY: no pointer is passed, and the child only exits.
    unsafe { create(libc::SYS_clone, [flags as usize, 0, 0, 0, 0]) }
}

/// clone3(2); the answer or the negative errno.
pub fn clone3(args: &CloneArgs) -> isize {
    let at = std::ptr::from_ref(args) as usize;
    // SAFETY: the struct is as long as is said, and the child only exits.
    unsafe { create(libc::SYS_clone3, [at, size_of::<CloneArgs>(), 0, 0, 0]) }
}

fn concluded(kind: Kind, answer: isize) -> Attempt {
    if answer > 0 && !kind.is_thread() && kind.operation() != Operation::Exec {
        if SHORT_OF_MEMORY.load(Ordering::Relaxed) {
            reap_soon(answer as i32);
        } else {
            reap(answer as i32);
        }
    }
    Attempt {
        kind,
        tid: gettid(),
        errno: if answer < 0 { -answer as i32 } else { 0 },
    }
}

static SHORT_OF_MEMORY: AtomicBool = AtomicBool::new(false);

/// From now on this process's children may have no memory to exit with.
pub fn short_of_memory() {
    SHORT_OF_MEMORY.store(true, Ordering::Relaxed);
}

/// Waits for a child that only exits. In a memory cgroup without room for a page
/// table even that waits for ever, at the first instruction: killed then.
fn reap_soon(pid: i32) {
    let patience = Instant::now() + Duration::from_secs(5);
    let mut status = 0;
    loop {
        // SAFETY: `status` outlives the call.
        match unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } {
            0 if Instant::now() < patience => std::thread::sleep(Duration::from_micros(100)),
            0 => {
                // SAFETY: not waited for yet, so the number is its own.
                unsafe { libc::kill(pid, libc::SIGKILL) };
                reap(pid);
                return;
            }
            got if got < 0 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            _ => return,
        }
    }
}

/// Waits for a child whatever signals come.
pub fn reap(pid: i32) -> Option<i32> {
    let mut status = 0;
    loop {
        // SAFETY: `status` outlives the call.
        let got = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        if got == pid {
            return Some(status);
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return None;
        }
    }
}

/// The calling thread's id.
pub fn gettid() -> i32 {
    // SAFETY: takes nothing.
    unsafe { libc::syscall(libc::SYS_gettid) as i32 }
}
