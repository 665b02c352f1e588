//! What documents and pictures show: two services in a slice that may have eight tasks, recorded on a test
//! kernel.

use crate::arch::Arch;
use crate::guest::{self, Boot, Cgroup, Image, Programs};
use crate::{kernel, paths};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::time::Duration;

const KERNEL: &str = "6.12";
/// Stands in the machine's output before the recording.
const MARK: &str = "--- recording ---";

/// The shell is what is refused: it asks for one process more than its slice may have.
const SCRIPT: &str = r"
hostname web1
cd /sys/fs/cgroup
mkdir shop.slice
echo +pids > cgroup.subtree_control
echo +pids > shop.slice/cgroup.subtree_control
mkdir shop.slice/web.service shop.slice/mail.service
echo 8 > shop.slice/pids.max
forktrace record -q -o /tmp/web1.ndjson --duration 12s &
until grep -q session /tmp/web1.ndjson; do sleep 1; done
refused() {
    sh -c 'echo $$ > /sys/fs/cgroup/shop.slice/$0/cgroup.procs
        for n in 1 2 3 4 5 6 7 8; do sleep 3 & done' $1
}
refused web.service
sleep 5
refused mail.service
wait
echo '--- recording ---'
cat /tmp/web1.ndjson
";

/// Boots, provokes, and writes docs/examples/web1.ndjson.
pub(super) fn record(programs: &Programs) -> Result<()> {
    guest::qemu(Arch::HERE)?;
    let kernels = kernel::get(Arch::HERE, &[KERNEL.to_owned()])?;
    let kernel = kernels.first().context("no kernel")?;
    let folder = paths::work_dir("initramfs")?;
    let initramfs = folder.join(format!("docs-{}.cpio", std::process::id()));
    let command = ["sh", "-c", SCRIPT].map(str::to_owned).to_vec();
    let image = Image {
        command,
        add: Vec::new(),
    };
    image.write(programs, &initramfs)?;
    let boot = Boot {
        arch: Arch::HERE,
        kernel: &kernel.image,
        initramfs: initramfs.clone(),
        cgroup: Cgroup::V2,
        append: String::new(),
        mem: 512,
        smp: 1,
        icount: false,
        limit: Duration::from_secs(120),
    };
    let mut output = Vec::new();
    let code = boot.run(&mut output);
    let _ = fs::remove_file(&initramfs);
    let output = String::from_utf8_lossy(&output).replace('\r', "");
    ensure!(code? == 0, "the machine says\n{output}");
    let (_, recording) = output
        .rsplit_once(&format!("{MARK}\n"))
        .with_context(|| format!("the machine says\n{output}"))?;
    let lines = recording.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<&str> = lines.collect();
    ensure!(lines.len() > 3, "only this was recorded:\n{recording}");
    let path = paths::root().join("docs/examples/web1.ndjson");
    fs::create_dir_all(path.with_file_name(""))?;
    fs::write(&path, lines.join("\n") + "\n").with_context(|| format!("writing {}", path.display()))
}
