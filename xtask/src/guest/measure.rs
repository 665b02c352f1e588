//! Measuring in a test machine: boots it with one command, and gives what it printed.

use super::{Boot, Cgroup, Image, Programs};
use crate::arch::Arch;
use crate::kernel::{self, Kernel};
use crate::paths;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The kernel to measure on; what booting it takes is installed where it is missing.
pub(crate) fn kernel_called(name: &str) -> Result<Kernel> {
    super::qemu(Arch::HERE)?;
    super::busybox(Arch::HERE)?;
    let found = kernel::get(Arch::HERE, &[name.to_owned()])?.pop();
    found.with_context(|| format!("no kernel is called {name}"))
}

/// One layout of memory in every boot, so that boots can be compared.
const SAME_LAYOUT: &str =
    "nokaslr norandmaps randomize_kstack_offset=off random.trust_cpu=off slab_nomerge";

/// The machine to measure in: one processor, cgroup v2.
pub(crate) struct Measure<'a> {
    /// The kernel's image.
    pub kernel: &'a Path,
    /// What the guest has, beside [`Measure::files`].
    pub programs: &'a Programs,
    /// For [`Image::add`].
    pub files: &'a [String],
    /// Memory in MB.
    pub mem: u32,
    /// Makes the guest's clock count instructions.
    pub icount: bool,
    /// The time for the whole run.
    pub limit: Duration,
}

impl Measure<'_> {
    /// Runs `scenarios` with `words`; an error holds what was printed.
    pub(crate) fn run<S: AsRef<str>>(&self, words: impl IntoIterator<Item = S>) -> Result<String> {
        /// Machines of one xtask can run side by side.
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let words = words.into_iter().map(|word| word.as_ref().to_owned());
        let image = Image {
            command: std::iter::once("scenarios".to_owned())
                .chain(words)
                .collect(),
            add: self.files.to_vec(),
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("measure-{}-{number}.cpio", std::process::id());
        let initramfs = paths::work_dir("initramfs")?.join(name);
        image.write(self.programs, &initramfs)?;
        let boot = Boot {
            arch: self.programs.arch,
            kernel: self.kernel,
            initramfs: initramfs.clone(),
            cgroup: Cgroup::V2,
            append: SAME_LAYOUT.to_owned(),
            mem: self.mem,
            smp: 1,
            icount: self.icount,
            limit: self.limit,
        };
        let mut output = Vec::new();
        let code = boot.run(&mut output);
        let _ = std::fs::remove_file(&initramfs);
        let output = String::from_utf8_lossy(&output).into_owned();
        match code {
            Ok(0) => Ok(output),
            Ok(code) => bail!("the guest's measuring ended with status {code}:\n{output}"),
            Err(error) => Err(error.context(output)),
        }
    }
}
