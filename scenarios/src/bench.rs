//! What forktrace costs, in a machine whose clock counts instructions (QEMU's
//! icount): differences of the clock are numbers of instructions.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use forktrace::provoke::seccomp::{self, Action};
use forktrace::provoke::sys;

use crate::actor::Actor;
use crate::arch::page;
use crate::attempt::{Kind, attempt};
use crate::cgroup::Hierarchies;
use crate::tracer::{NotStarted, Scratch, Tracer};

/// Batches of each operation. Many, and small where the operation is large: so
/// most of them meet neither a timer tick nor what the kernel puts off (RCU
/// callbacks free the tasks that have ended), and the median is their price.
const BATCHES: usize = 201;

struct Operation {
    name: &'static str,
    /// Operations in a batch.
    batch: u32,
    /// Done once before the batches.
    prepare: fn(),
    run: fn(),
    /// Done once after them.
    finish: fn(),
}

const OPERATIONS: &[Operation] = &[
    Operation {
        name: "getppid",
        batch: 100,
        prepare: || {},
        run: || {
            // SAFETY: takes nothing.
            unsafe { libc::syscall(libc::SYS_getppid) };
        },
        finish: || {},
    },
    Operation {
        name: "mmap_munmap",
        batch: 20,
        prepare: || {},
        run: || {
            if let Ok(mapping) = sys::map(64 << 10) {
                mapping.unmap();
            }
        },
        finish: || {},
    },
    Operation {
        name: "mprotect_twice",
        batch: 20,
        prepare: fresh_pages,
        run: || {
            for prot in [libc::PROT_READ, libc::PROT_READ | libc::PROT_WRITE] {
                // SAFETY: the first page of `fresh_pages`' mapping.
                unsafe { libc::mprotect(PAGES.cast(), page(), prot) };
            }
        },
        finish: drop_pages,
    },
    Operation {
        name: "page_fault",
        batch: 16,
        prepare: fresh_pages,
        run: touch_next,
        finish: drop_pages,
    },
    Operation {
        name: "vfork_exit_wait",
        batch: 1,
        prepare: || {},
        run: || {
            attempt(Kind::SHARING);
        },
        finish: || {},
    },
    Operation {
        name: "fork_exit_wait",
        batch: 1,
        prepare: || {},
        run: || {
            attempt(Kind::PLAIN);
        },
        finish: || {},
    },
    Operation {
        name: "execve_enoent",
        batch: 20,
        prepare: || {},
        run: || {
            crate::attempt::exec::execve_of(c"/nowhere");
        },
        finish: || {},
    },
    Operation {
        name: "vfork_execve_exit_wait",
        batch: 1,
        prepare: || {},
        run: || {
            let mut this = std::process::Command::new("/proc/self/exe");
            let _ = this.args(["helper", "exit", "0"]).status();
        },
        finish: || {},
    },
    Operation {
        name: "thread_create_join",
        batch: 1,
        prepare: || {},
        run: || {
            let _ = std::thread::spawn(|| ()).join();
        },
        finish: || {},
    },
];

static mut PAGES: *mut u8 = std::ptr::null_mut();
static mut NEXT: *mut u8 = std::ptr::null_mut();

/// A page for each operation, those of warming up included.
const PAGES_COUNT: usize = 16 * (BATCHES + 1);

/// Pages that nobody has touched, and none of them huge.
fn fresh_pages() {
    if let Ok(pages) = sys::map((PAGES_COUNT * page()) as u64) {
        let _ = pages.of_small_pages();
        // SAFETY: this process has one thread.
        unsafe {
            PAGES = pages.start();
            NEXT = pages.start();
        }
    }
}

fn touch_next() {
    // SAFETY: `fresh_pages` has mapped a page for each call; one thread.
    unsafe {
        NEXT.write_volatile(1);
        NEXT = NEXT.add(page());
    }
}

/// So that no fork has to copy them.
fn drop_pages() {
    // SAFETY: the mapping of `fresh_pages`; one thread.
    unsafe { libc::munmap(PAGES.cast(), PAGES_COUNT * page()) };
}

/// Measures under `style` (`none`: without forktrace) and prints the numbers.
/// `options`: further arguments for forktrace.
pub(crate) fn run(forktrace: &Path, style: &str, options: &[String]) -> Result<()> {
    settle();
    let scratch = Scratch::new()?;
    let mut tracer = None;
    if style != "none" {
        let binary = scratch.binary(forktrace)?;
        let mut arguments = vec!["--attach", style];
        arguments.extend(options.iter().map(String::as_str));
        let start = Instant::now();
        let started = match Tracer::record(&scratch, &binary, &arguments) {
            Ok(started) => started,
            Err(NotStarted::Refused(said)) => bail!("exit status 3: {}", said.trim()),
            Err(NotStarted::Failed(error)) => return Err(error),
        };
        ensure!(
            started.session.attach == style,
            "the session says attach {:?}",
            started.session.attach
        );
        println!("BENCH\t{style}\tstart\t{}", start.elapsed().as_nanos());
        await_idle(started.running.pid())?;
        tracer = Some(started);
    }
    settle();
    measure_apart(style, &[])?;
    if let Some(mut tracer) = tracer {
        tracer.end()?;
    }
    Ok(())
}

/// What the kernel does after booting and after a start (freeing, registering, calibrating) would count as well; the
/// guest's idle time passes at once.
fn settle() {
    sleep(Duration::from_secs(20));
}

/// Measures in a program of its own: a fork copies what its process has in memory, and this one's
/// depends on what it did to start what is measured.
pub(crate) fn measure_apart(label: &str, names: &[&str]) -> Result<()> {
    let mut apart = Command::new("/proc/self/exe");
    apart
        .args(["bench-operations", "--label", label])
        .args(names);
    let status = apart.status().context("start the measuring program")?;
    ensure!(
        status.success(),
        "the measuring program ended with {status}"
    );
    Ok(())
}

/// Measures the operations of these names, or all, and a fork that fails.
pub(crate) fn operations(label: &str, names: &[String]) -> Result<()> {
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    for operation in OPERATIONS.iter().filter(|o| wanted(o.name)) {
        operation.measure(label);
    }
    if names.is_empty() {
        filtered(label)?;
    }
    failing(label)
}

impl Operation {
    fn measure(&self, style: &str) {
        (self.prepare)();
        let batches = measure(self.batch, self.run);
        (self.finish)();
        print_line(style, self.name, &batches);
    }
}

/// Instructions for one operation, by batch, in rising order.
fn measure(batch: u32, run: fn()) -> Vec<u64> {
    // The first fills the caches of the kernel's allocators.
    for _ in 0..batch {
        run();
    }
    let mut all: Vec<u64> = (0..BATCHES)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..batch {
                black_box(run)();
            }
            start.elapsed().as_nanos() as u64 / u64::from(batch)
        })
        .collect();
    all.sort_unstable();
    all
}

fn print_line(style: &str, operation: &str, batches: &[u64]) {
    let (least, median) = (batches[0], batches[batches.len() / 2]);
    println!("BENCH\t{style}\t{operation}\t{median}");
    println!("BENCH-MIN\t{style}\t{operation}\t{least}");
}

/// A system call that a seccomp filter lets pass.
fn filtered(style: &str) -> Result<()> {
    let (mut actor, _) = Actor::start("bench-filtered", |link| {
        seccomp::install(&[libc::SYS_clone], Action::Errno(libc::EPERM))?;
        link.step();
        let batches = measure(100, || {
            // SAFETY: takes nothing.
            unsafe { libc::syscall(libc::SYS_getppid) };
        });
        link.ready(batches);
        Ok(())
    })?;
    let batches = actor.go()?.numbers;
    print_line(style, "getppid_filtered", &batches);
    Ok(())
}

/// A fork that pids.max refuses.
fn failing(style: &str) -> Result<()> {
    let tree = Hierarchies::find()?.tree("bench")?;
    let home = tree.top();
    let (mut actor, _) = Actor::start("bench-failing", |link| {
        home.enter()?;
        link.step();
        ensure!(
            attempt(Kind::PLAIN).errno == libc::EAGAIN,
            "a fork at the limit was granted"
        );
        let batches = measure(1, || {
            attempt(Kind::PLAIN);
        });
        link.ready(batches);
        Ok(())
    })?;
    home.limit(1)?;
    let batches = actor.go()?.numbers;
    print_line(style, "failing_fork", &batches);
    drop(actor);
    Ok(())
}

/// Waits until forktrace has used no processor time for a while.
pub(crate) fn await_idle(pid: i32) -> Result<()> {
    await_rest(pid, 200)
}

/// Waits until a process has used no processor time for a while, in so many looks, a twentieth of a
/// second apart.
pub(crate) fn await_rest(pid: i32, looks: u32) -> Result<()> {
    let used = || -> Result<(String, String, String)> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let field = |n: usize| rest.split_whitespace().nth(n).unwrap_or("").to_owned();
        Ok((field(0), field(11), field(12)))
    };
    let mut last = used()?;
    let mut quiet = 0;
    for _ in 0..looks {
        // Time between looks is what is measured here.
        sleep(Duration::from_millis(50));
        let now = used()?;
        quiet = if now == last && now.0 == "S" {
            quiet + 1
        } else {
            0
        };
        if quiet == 4 {
            return Ok(());
        }
        last = now;
    }
    bail!("process {pid} does not come to rest")
}
