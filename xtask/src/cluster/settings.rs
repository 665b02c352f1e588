//! Settings of this machine that a node changes.

use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What kubelet (pkg/kubelet/cm/container_manager_linux.go `setupKernelTunables`) and the network's plugin set on the
/// host that they run on.
const SETTINGS: [&str; 7] = [
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
];

/// Settings of this machine, which get their values back.
pub(super) struct Settings(Vec<(PathBuf, String)>);

impl Settings {
    pub(super) fn keep() -> Result<Self> {
        let all = SETTINGS.iter().map(|name| {
            let path = Path::new("/proc/sys").join(name);
            let value = fs::read_to_string(&path);
            let value = value.with_context(|| format!("reading {}", path.display()))?;
            Ok((path, value))
        });
        Ok(Self(all.collect::<Result<_>>()?))
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        for (path, value) in &self.0 {
            if let Err(error) = fs::write(path, value) {
                eprintln!("xtask: writing {value} back to {}: {error}", path.display());
            }
        }
    }
}
