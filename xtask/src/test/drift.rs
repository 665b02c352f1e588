//! The test kernels' types against what forktrace expects of their versions.
//! No kernel is booted for it.

use super::{Tally, Tier};
use crate::kernel::{self, Kernel};
use crate::paths;
use anyhow::{Context, Result};
use std::fs;
use std::process::Stdio;

/// Takes each kernel's types out of its image, and lets forktrace's own test
/// (forktrace/tests/drift.rs) compare them.
pub(super) fn run(tier: Tier, kernels: &[Kernel], tally: &mut Tally) -> Result<()> {
    let _lock = paths::lock("drift")?;
    let folder = paths::work("drift");
    // Kernels of earlier runs would be compared as well.
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("clearing {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    let mut written = 0;
    for kernel in kernels {
        match kernel::types(&kernel.image) {
            Ok(types) => {
                let path = folder.join(format!("{}.btf", types.release));
                fs::write(&path, types.btf)
                    .with_context(|| format!("writing {}", path.display()))?;
                written += 1;
            }
            Err(error) => tally.fail(&format!("drift: {}", kernel.name), &format!("{error:#}")),
        }
    }
    if written == 0 {
        return Ok(());
    }
    let out = tier
        .cargo_test(&["--package", "forktrace"])?
        .args(["--test", "drift"])
        .env("FORKTRACE_DRIFT", &folder)
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo test")?;
    let read = tally.read("drift", &String::from_utf8_lossy(&out.stdout));
    if !read.closed {
        tally.fail(
            "drift",
            &format!("ended before its closing line: {}", out.status),
        );
    }
    Ok(())
}
