//! Boots a kernel in QEMU, which works on every machine and needs no privilege.

use super::accel::{self, Accel};
use super::console::{self, Console};
use crate::arch::{Arch, aarch64};
use crate::{apt, run};
use anyhow::{Context, Result, anyhow, bail};
use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// Init runs about 3 seconds after the start on an idle machine; a loaded one takes longer.
const BOOT_LIMIT: Duration = Duration::from_secs(120);

/// For what a machine that hangs is asked before it is stopped; the longest answer is a few
/// thousand lines at the serial line's emulated speed.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// `watchdog_thresh`: a CPU counts as locked up after twice as long. Sooner than the next line about an RCU
/// stall (each 63 s): printing it is a sign of life to the watchdog (`touch_nmi_watchdog()`), and a CPU that
/// was stuck for good stayed so for the machine's whole time.
const WATCHDOG: u32 = 24;

/// How cgroups are mounted in the guest.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Cgroup {
    /// A hierarchy for each controller, and a unified one without controllers
    V1,
    /// The unified hierarchy
    V2,
    /// Not mounted
    None,
}

impl fmt::Display for Cgroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::None => "none",
        })
    }
}

/// A machine to boot.
pub(crate) struct Boot<'a> {
    /// The machine that the kernel is for.
    pub arch: Arch,
    /// The kernel's image.
    pub kernel: &'a Path,
    /// The initramfs.
    pub initramfs: PathBuf,
    /// How cgroups are mounted.
    pub cgroup: Cgroup,
    /// More for the kernel's command line.
    pub append: String,
    /// Memory in MB.
    pub mem: u32,
    /// Processors.
    pub smp: u32,
    /// Makes the guest's clock count instructions (and `smp` 1).
    pub icount: bool,
    /// The time for the whole run.
    pub limit: Duration,
}

/// How a machine ended.
pub(crate) struct Ended {
    /// The command's status.
    pub code: i32,
    /// From the start of the attempt that counts until init ran.
    pub boot: Option<Duration>,
    /// Attempts before it, each with what ended it. The command ran again from the start.
    pub retried: Vec<String>,
}

/// Stands in the output before what a second attempt prints.
pub(crate) const RETRY: &str = "xtask: retrying: ";

/// Boots that the emulator may break before the machine counts as failed.
const ATTEMPTS: u32 = 6;

impl Boot<'_> {
    /// Boots, passes the console on to `to`, and gives the command's status. A boot that hangs
    /// (a CPU that is stuck for a minute panics) is tried once more; one that the emulator has
    /// broken (an int3 of a static branch that was just patched, met by the other CPU; 7.3 once
    /// in some five minutes) up to [`ATTEMPTS`] times.
    pub(crate) fn run(&self, to: &mut dyn Write) -> Result<i32> {
        self.measured(to).map(|ended| ended.code)
    }

    /// Runs the machine, and answers also what its boots took.
    pub(crate) fn measured(&self, to: &mut dyn Write) -> Result<Ended> {
        qemu(self.arch)?;
        let mut attempt = 1;
        let mut retried = Vec::new();
        loop {
            let (seen, why) = self.attempt(to)?;
            if let Some(code) = seen.exit {
                return Ok(Ended {
                    code,
                    boot: seen.boot_time,
                    retried,
                });
            }
            let hung = seen.locked_up || seen.timed_out && seen.panic.is_none();
            let again = if seen.emulator_fault {
                attempt < ATTEMPTS
            } else {
                hung && attempt == 1
            };
            if !again {
                return Err(anyhow!("{why} (attempt {attempt})"));
            }
            attempt += 1;
            eprintln!("xtask: retrying a test machine: {why}");
            // For a log as much as for the reader of a terminal.
            let _ = writeln!(to, "{RETRY}{why}");
            retried.push(why);
        }
    }

    /// Boots with the terminal on the guest's console; its shell has no status to report.
    pub(crate) fn interactive(&self) -> Result<()> {
        qemu(self.arch)?;
        eprintln!("xtask: `exit` leaves; Ctrl-A X kills the machine");
        run::loud(
            self.command(self.accel())
                .args(["-display", "none", "-serial", "mon:stdio"]),
        )
    }

    fn attempt(&self, to: &mut dyn Write) -> Result<(Console, String)> {
        let mut qemu = self.spawn(self.accel())?;
        let (Some(mut keys), Some(out), Some(err)) =
            (qemu.stdin.take(), qemu.stdout.take(), qemu.stderr.take())
        else {
            bail!("QEMU has no pipes");
        };
        let out = console::reader(out);
        let err = console::reader(err);
        let mut console = Console::default();
        console.follow(&out, to, BOOT_LIMIT, self.limit);
        if console.timed_out {
            ask_why(&mut keys, &mut console, &out, to);
        }
        let status = stop(&mut qemu, &console)?;
        let complaints: Vec<u8> = err.iter().flatten().collect();
        let why = self.explain(&console, status, &String::from_utf8_lossy(&complaints));
        Ok((console, why))
    }

    fn spawn(&self, accel: Accel) -> Result<Child> {
        let mut command = self.command(accel);
        command.args(["-display", "none", "-serial", "mon:stdio"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        die_with_parent(&mut command);
        command
            .spawn()
            .with_context(|| format!("starting `{}`", run::line(&command)))
    }

    /// Instructions can be counted under emulation only.
    fn accel(&self) -> Accel {
        if self.icount || !self.arch.is_here() {
            Accel::Emulator
        } else {
            accel::of_this_host(|time| self.reaches_init(time))
        }
    }

    /// Whether the machine's init runs within `time` under KVM; it is ended then.
    fn reaches_init(&self, time: Duration) -> Result<bool> {
        let mut qemu = self.spawn(Accel::Kvm)?;
        let reached = qemu.stdout.take().is_some_and(|out| {
            let out = console::reader(out);
            Console::default().boots(&out, time)
        });
        // It may have ended by itself.
        let _ = qemu.kill();
        qemu.wait().context("waiting for QEMU")?;
        Ok(reached)
    }

    fn explain(&self, seen: &Console, status: ExitStatus, complaints: &str) -> String {
        let stage = if seen.booted {
            "after init had started"
        } else {
            "before init started"
        };
        let limit = if seen.booted {
            self.limit
        } else {
            BOOT_LIMIT.min(self.limit)
        };
        let what = if let Some(panic) = &seen.panic {
            format!("the kernel panicked {stage}: {panic}")
        } else if seen.timed_out {
            format!(
                "the machine was stopped after {} s, {stage}",
                limit.as_secs()
            )
        } else {
            format!("the machine ended {stage}, without an exit status (QEMU: {status})")
        };
        format!("{}: {what} {}", self.kernel.display(), complaints.trim())
            .trim_end()
            .to_owned()
    }

    fn cpu(&self, accel: Accel) -> &'static str {
        let facts = self.arch.facts();
        match accel {
            // The machine's own, which is all that there is.
            Accel::Kvm => "max",
            Accel::Emulator if self.icount => facts.cpu_measured,
            Accel::Emulator if has_large_pages(self.kernel) => facts.cpu_large_pages,
            Accel::Emulator => facts.cpu,
        }
    }

    fn command(&self, accel: Accel) -> Command {
        let smp = if self.icount { 1 } else { self.smp };
        let facts = self.arch.facts();
        let mut command = Command::new(facts.qemu);
        command.args(facts.board);
        command.args([
            "-accel",
            accel.name(),
            "-cpu",
            self.cpu(accel),
            "-no-reboot",
            "-net",
            "none",
            "-nodefaults",
        ]);
        command.args(["-smp", &smp.to_string(), "-m", &self.mem.to_string()]);
        if self.icount {
            command.args(["-icount", "shift=0,sleep=off"]);
        }
        command
            .arg("-kernel")
            .arg(self.kernel)
            .arg("-initrd")
            .arg(&self.initramfs);
        command.arg("-append").arg(format!(
            "console={} quiet panic=-1 softlockup_panic=1 watchdog_thresh={WATCHDOG} \
             sysrq_always_enabled ft.cgroup={} {}",
            facts.console, self.cgroup, self.append
        ));
        command
    }
}

/// Lets a machine that does not end say what it is doing: its tasks' stacks by the kernel's magic
/// keys, which work while the kernel serves interrupts, and the processors' registers, which QEMU
/// knows in any case.
fn ask_why(keys: &mut impl Write, seen: &mut Console, out: &Receiver<Vec<u8>>, to: &mut dyn Write) {
    /// QEMU's console: Ctrl-A b sends a break, the serial console's SysRq; Ctrl-A c is its monitor.
    const BREAK: &str = "\x01b";
    // The level at which the kernel prints them; each CPU's stack; who is blocked; everyone.
    let asked = ["9", "l", "w", "t"].map(|key| format!("{BREAK}{key}"));
    let registers = "\x01cinfo registers -a\n".to_owned();
    for keystrokes in asked.into_iter().chain([registers]) {
        // It may have ended meanwhile.
        let _ = keys
            .write_all(keystrokes.as_bytes())
            .and_then(|()| keys.flush());
        seen.drain(out, to, ANSWER_TIME);
    }
}

/// Whether the kernel's pages are larger than 4 KiB, as its image says.
fn has_large_pages(kernel: &Path) -> bool {
    let mut header = [0; 64];
    let read = File::open(kernel).and_then(|mut file| file.read_exact(&mut header));
    let size = read
        .ok()
        .and_then(|()| aarch64::boot_image::page_size(&header));
    size.is_some_and(|size| size > 4096)
}

/// Installs QEMU where it is missing.
pub(crate) fn qemu(arch: Arch) -> Result<()> {
    let facts = arch.facts();
    if apt::find(facts.qemu).is_some() {
        return Ok(());
    }
    apt::require(
        &[apt::Package::new(
            facts.qemu_package,
            Path::new(facts.qemu_file),
        )],
        "booting test kernels",
    )
}

/// Makes a child end with xtask: a killed xtask leave no emulator behind.
fn die_with_parent(command: &mut Command) {
    // SAFETY: prctl is safe to call between fork and exec, and touches no memory of ours.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
}

fn stop(qemu: &mut Child, console: &Console) -> Result<ExitStatus> {
    if console.timed_out {
        qemu.kill().context("stopping QEMU")?;
    }
    qemu.wait().context("waiting for QEMU")
}
