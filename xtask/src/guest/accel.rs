//! Whether test machines run on the processor itself (KVM) or in the emulator.

use anyhow::Result;
use std::fs::File;
use std::sync::OnceLock;
use std::time::Duration;

const KVM: &str = "/dev/kvm";
/// A kernel's init runs within a second under KVM, where it runs at all.
const TRIAL: Duration = Duration::from_secs(2);

/// What executes a machine's instructions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accel {
    /// The host's processor.
    Kvm,
    /// QEMU.
    Emulator,
}

impl Accel {
    /// As QEMU's `-accel` calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Emulator => "tcg",
        }
    }
}

static CHOSEN: OnceLock<Accel> = OnceLock::new();

/// KVM where a trial has shown once a run that it boots a stock kernel. That `/dev/kvm` can be opened
/// is not enough: in a virtual machine of a host that doesn't nest, such a kernel never gets past its
/// decompressor.
pub(super) fn of_this_host(reaches_init: impl FnOnce(Duration) -> Result<bool>) -> Accel {
    *CHOSEN.get_or_init(|| {
        if File::options().read(true).write(true).open(KVM).is_err() {
            return Accel::Emulator;
        }
        let accel = match reaches_init(TRIAL) {
            Ok(true) => Accel::Kvm,
            Ok(false) | Err(_) => Accel::Emulator,
        };
        let why = match accel {
            Accel::Kvm => "boots a test kernel: the machines run on it",
            Accel::Emulator => "boots no test kernel in two seconds: the machines are emulated",
        };
        eprintln!("xtask: {KVM} {why}");
        accel
    })
}

/// What the machines of this run were executed by; `None` before the first.
pub(crate) fn chosen() -> Option<Accel> {
    CHOSEN.get().copied()
}
