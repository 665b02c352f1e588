//! The image, by podman and runc; where these can't run a container, unpacked and run in a chroot.

use super::super::{Release, image};
use crate::test::Tally;
use crate::{apt, paths, run};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What tracing takes, in any style.
const CAPABILITIES: [&str; 7] = [
    "BPF",
    "PERFMON",
    "SYS_ADMIN",
    "SYSLOG",
    "SYS_PTRACE",
    "DAC_READ_SEARCH",
    "SYS_NICE",
];

/// Runs the program of the image, so that it sees this machine as the README has it.
pub(super) fn run(release: &Release, out: &Path, tally: &mut Tally) {
    const NAME: &str = "dist: the image, by podman and runc";
    let file = out.join(image::file(release));
    let podman = match Podman::new(&file, &release.version) {
        Ok(podman) => podman,
        Err(error) => return tally.fail(NAME, &format!("{error:#}")),
    };
    match podman.run(&["--version"]) {
        Ok(_) => tally.step(NAME, &works(&podman, release)),
        // Podman has read the image, and this machine lets no container run.
        Err(error) => {
            tally.skip(NAME, &format!("{error:#}"));
            let chroot = Chroot::new(&file);
            let works = chroot.and_then(|chroot| works(&chroot, release));
            tally.step("dist: the image, unpacked and run in a chroot", &works);
        }
    }
}

trait Runtime {
    fn run(&self, words: &[&str]) -> Result<String>;
}

fn works(runtime: &dyn Runtime, release: &Release) -> Result<()> {
    let said = runtime.run(&["--version"])?;
    ensure!(
        said.trim() == format!("forktrace {}", release.version),
        "it says {said:?}"
    );
    let probes = runtime.run(&["probes"])?;
    ensure!(probes.contains("Failing returns are seen by"), "{probes}");
    let traced = runtime.run(&["live", "--duration", "1s"])?;
    ensure!(traced.contains("attached by"), "{traced}");
    Ok(())
}

/// With storage of its own, so that nothing of the machine's is touched.
struct Podman {
    home: PathBuf,
    image: String,
}

impl Podman {
    fn new(file: &Path, version: &str) -> Result<Self> {
        let packages = [
            ("podman", "/usr/share/doc/podman"),
            ("runc", "/usr/share/doc/runc"),
        ];
        let packages = packages.map(|(name, file)| apt::Package::new(name, Path::new(file)));
        apt::require(&packages, "running the image")?;
        let podman = Self {
            home: paths::work_dir("dist")?.join("podman"),
            image: format!("localhost/forktrace:{version}"),
        };
        podman.remove();
        let loaded = run::capture(podman.command().arg("load").arg("--input").arg(file))?;
        ensure!(loaded.contains(&podman.image), "podman load: {loaded}");
        Ok(podman)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("podman");
        command
            .arg("--root")
            .arg(self.home.join("storage"))
            .arg("--runroot")
            .arg(self.home.join("run"))
            .args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"])
            .args(["--events-backend", "file", "--runtime", "runc"]);
        command
    }

    fn remove(&self) {
        let _ = fs::remove_dir_all(&self.home);
    }
}

impl Runtime for Podman {
    fn run(&self, words: &[&str]) -> Result<String> {
        let mut command = self.command();
        command
            .args(["run", "--rm", "--network", "host", "--pid", "host"])
            .args(["--cgroupns", "host", "--security-opt", "seccomp=unconfined"])
            // A root without CAP_SYS_RESOURCE can't raise them to what podman wants.
            .args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"])
            .args(["--cap-drop", "all"]);
        for capability in CAPABILITIES {
            command.args(["--cap-add", capability]);
        }
        run::capture(command.arg(&self.image).args(words))
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The image's only layer.
struct Chroot(PathBuf);

impl Chroot {
    fn new(file: &Path) -> Result<Self> {
        let chroot = Self(paths::work("dist/chroot"));
        let _ = fs::remove_dir_all(&chroot.0);
        fs::create_dir_all(&chroot.0)?;
        let blobs = chroot.0.join("blobs/sha256");
        run::quiet(
            Command::new("tar")
                .arg("-xf")
                .arg(file)
                .arg("-C")
                .arg(&chroot.0),
        )?;
        let layer = fs::read_dir(&blobs)?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| fs::read(path).is_ok_and(|bytes| bytes.starts_with(&[0x1f, 0x8b])))
            .context("the image has no layer")?;
        run::quiet(
            Command::new("tar")
                .arg("-xzf")
                .arg(layer)
                .arg("-C")
                .arg(&chroot.0),
        )?;
        Ok(chroot)
    }
}

impl Runtime for Chroot {
    fn run(&self, words: &[&str]) -> Result<String> {
        let script = r#"set -e; root=$0; for f in proc sys dev; do mkdir -p "$root/$f"; mount --rbind "/$f" "$root/$f"; done; exec chroot "$root" /forktrace "$@""#;
        run::capture(
            Command::new("unshare")
                .args(["--mount", "--propagation", "private", "sh", "-c", script])
                .arg(&self.0)
                .args(words),
        )
    }
}

impl Drop for Chroot {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
