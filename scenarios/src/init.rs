//! PID 1 of a test machine: mounts what a host has, runs one command, reports how it ended, and
//! turns the machine off.
//!
//! tracefs, debugfs and bpffs stay unmounted: forktrace has to cope.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use forktrace::provoke::sys;
use rustix::system::RebootCommand;
use rustix::termios::{OptionalActions, OutputModes, tcdrain, tcgetattr, tcsetattr};

/// The command and its arguments, each ended by NUL; written by `cargo xtask`.
const COMMAND: &str = "/etc/ft-command";

/// What the kernel prints on the console; four numbers, the first is the level.
const PRINTK: &str = "/proc/sys/kernel/printk";

/// Controllers that get a hierarchy of their own on a cgroup v1 machine, as systemd groups them.
const V1: [&str; 10] = [
    "pids",
    "memory",
    "cpuset",
    "cpu,cpuacct",
    "blkio",
    "devices",
    "freezer",
    "net_cls,net_prio",
    "perf_event",
    "hugetlb",
];

/// Controllers that systemd enables for the top level of a cgroup v2 machine.
const V2: [&str; 5] = ["cpuset", "cpu", "io", "memory", "pids"];

/// What to do as PID 1.
pub(crate) fn main() -> ! {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |what| {
        report(what);
        end(101);
    }));
    mounts();
    cgroups();
    host();
    // The lines before this one are the firmware's and the kernel's.
    say("FT-BOOT\n");
    end(run());
}

fn mounts() {
    mount("proc", "/proc", "proc", "");
    mount("sysfs", "/sys", "sysfs", "");
    mount("devtmpfs", "/dev", "devtmpfs", "mode=0755");
    mount("devpts", "/dev/pts", "devpts", "mode=0620,ptmxmode=0666");
    mount("tmpfs", "/dev/shm", "tmpfs", "mode=1777");
    // Recordings are there, and on a tmpfs the overcommit that the tests provoke
    // would refuse them too (mm/shmem.c answers ENOSPC).
    mount("ramfs", "/tmp", "ramfs", "mode=1777");
    mount("tmpfs", "/run", "tmpfs", "mode=0755");
}

/// Mounts cgroups as the kernel's command line asks: `ft.cgroup=v1`, `none`, or v2.
fn cgroups() {
    let cmdline = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    // The last one counts, as for the kernel's own parameters.
    let mut words = cmdline.split_whitespace().rev();
    match words.find_map(|word| word.strip_prefix("ft.cgroup=")) {
        Some("none") => {}
        Some("v1") => hybrid(),
        _ => unified(),
    }
}

fn unified() {
    mount("cgroup2", "/sys/fs/cgroup", "cgroup2", "");
    for controller in V2 {
        // One by one: a kernel without one of them refuses the whole line.
        let _ = fs::write(
            "/sys/fs/cgroup/cgroup.subtree_control",
            format!("+{controller}"),
        );
    }
    one_that_stays("/sys/fs/cgroup");
}

/// Like a hybrid host of systemd: v1 for the controllers, v2 without any.
fn hybrid() {
    mount("tmpfs", "/sys/fs/cgroup", "tmpfs", "mode=0755");
    mount("cgroup2", "/sys/fs/cgroup/unified", "cgroup2", "");
    mount(
        "cgroup",
        "/sys/fs/cgroup/systemd",
        "cgroup",
        "none,name=systemd",
    );
    // Newer kernels have no v1 of some controllers and say so on the console.
    let level = fs::read_to_string(PRINTK).unwrap_or_default();
    let _ = fs::write(PRINTK, "1");
    for controllers in V1 {
        let folder = format!("/sys/fs/cgroup/{controllers}");
        if !mount("cgroup", &folder, "cgroup", controllers) {
            let _ = fs::remove_dir(&folder);
        }
    }
    one_that_stays("/sys/fs/cgroup/cpuset");
    let _ = fs::write(PRINTK, level);
}

/// A cgroup that stays, as every host of systemd has one; `parent` has the cpuset controller.
///
/// With the first cpuset that is made, and the last that goes, the kernel patches a branch of its
/// page allocator (kernel/cgroup/cpuset.c, `cpuset_inc()`), and the emulator sometimes goes on
/// running the breakpoint of that on the other CPU: an oops, or a CPU stuck for good.
fn one_that_stays(parent: &str) {
    // A kernel without cpusets has no such branch either.
    let _ = fs::create_dir(Path::new(parent).join("init.scope"));
}

/// Mounts on a folder that is made where missing; a host lacks some of these, so failing is fine.
fn mount(source: &str, target: &str, kind: &str, data: &str) -> bool {
    let _ = fs::create_dir_all(target);
    sys::mount(source, Path::new(target), kind, data).is_ok()
}

fn host() {
    let _ = rustix::system::sethostname(b"vm");
    // SAFETY: PID 1 has no other thread yet that could read the environment.
    unsafe {
        std::env::set_var("PATH", "/bin");
        std::env::set_var("HOME", "/root");
        std::env::set_var("TERM", "linux");
    }
    // Where a node's container logs would be.
    let _ = fs::create_dir_all("/var/log");
    // Without it nobody can connect even to this machine.
    let up = ["ip", "link", "set", "lo", "up"];
    if let Err(error) = Command::new("/bin/busybox").args(up).status() {
        say(&format!("init: /bin/busybox {}: {error}\n", up.join(" ")));
    }
}

/// Runs the command or a shell, and gives its status as a shell would.
fn run() -> i32 {
    let words = command();
    let started = match words.split_first() {
        Some((program, rest)) => {
            plain_output();
            Command::new(program).args(rest).spawn()
        }
        // A session and a controlling terminal, for Ctrl-C and job control.
        None => Command::new("/bin/setsid").args(["-c", "/bin/sh"]).spawn(),
    };
    match started {
        Ok(child) => reap(i32::try_from(child.id()).unwrap_or(-1)),
        Err(error) => {
            say(&format!(
                "init: {}: {error}\n",
                words.first().map_or("/bin/sh", |word| word)
            ));
            127
        }
    }
}

fn command() -> Vec<String> {
    let text = fs::read(COMMAND).unwrap_or_default();
    let words = text
        .split(|&byte| byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned());
    let mut words: Vec<String> = words.collect();
    // What follows the last NUL is no argument.
    words.pop();
    words
}

/// Lets output reach the console byte for byte, without carriage returns.
fn plain_output() {
    let Ok(console) = File::open("/dev/console") else {
        return;
    };
    if let Ok(mut settings) = tcgetattr(&console) {
        settings.output_modes.remove(OutputModes::OPOST);
        let _ = tcsetattr(&console, OptionalActions::Now, &settings);
    }
}

/// Waits for every child, as PID 1 must, until the one that counts has ended.
fn reap(main: i32) -> i32 {
    loop {
        match sys::reap_any() {
            Some((pid, status)) if pid == main => {
                let by_signal = || 128 + status.terminating_signal().unwrap_or(0);
                return status.exit_status().unwrap_or_else(by_signal);
            }
            Some(_) => {}
            None => {
                say("init: lost the command\n");
                return 125;
            }
        }
    }
}

/// Reports the status and turns the machine off.
fn end(code: i32) -> ! {
    say(&format!("FT-EXIT {code}\n"));
    flush(c"/dev/console");
    let _ = rustix::system::reboot(RebootCommand::PowerOff);
    // PID 1 must not return: the kernel would panic, which xtask would report as a finding.
    sys::sleep_for_ever()
}

fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Waits until the serial line has sent everything; turning off would cut it.
fn flush(console: &CStr) {
    let path = Path::new(std::ffi::OsStr::from_bytes(console.to_bytes()));
    if let Ok(console) = File::options().write(true).open(path) {
        let _ = tcdrain(&console);
    }
}
