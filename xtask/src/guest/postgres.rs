//! A PostgreSQL server for a test machine: this machine's own, with the libraries that it needs.

use super::host_files::{in_place, with_libraries};
use crate::{apt, run};
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What serves a cluster, and connects.
const PROGRAMS: [&str; 2] = ["postgres", "psql"];

const NOBODY: u32 = 65534;

/// Where the guest has the cluster (scenarios/src/behaviour/postgres.rs looks there).
const CLUSTER: &str = "srv/postgres-cluster";

/// What a guest needs of it; the cluster goes with this.
pub(crate) struct Server {
    /// Files and folders for [`super::Image::add`].
    pub files: Vec<String>,
    cluster: PathBuf,
}

impl Server {
    /// This machine's newest; installed where it is missing.
    pub(crate) fn find() -> Result<Self> {
        let package = apt::Package::new("postgresql", Path::new("/usr/share/doc/postgresql"));
        apt::require(&[package], "testing with a real PostgreSQL")?;
        let (version, home) = newest()?;
        let mut files = with_libraries(PROGRAMS.map(|name| home.join("bin").join(name)))?;
        let share = format!("/usr/share/postgresql/{version}");
        files.push(in_place(Path::new(&share)));
        // The server refuses to start without its folder of modules; this one every cluster has.
        files.push(in_place(&home.join("lib/plpgsql.so")));
        let mut server = Self {
            files,
            cluster: std::env::temp_dir().join(format!("xtask-postgres-{}", std::process::id())),
        };
        server.make_cluster(&home)?;
        let cluster = server.cluster.display();
        server.files.push(format!("{cluster}:{CLUSTER}"));
        Ok(server)
    }

    /// Here: in the guest it would take a minute. initdb refuses root.
    fn make_cluster(&self, home: &Path) -> Result<()> {
        let mut initdb = Command::new(home.join("bin/initdb"));
        initdb.arg("-D").arg(&self.cluster).current_dir("/");
        initdb.args(["-A", "trust", "-U", "postgres", "--no-sync", "--no-locale"]);
        // The one time zone that needs no file.
        initdb.env("TZ", "GMT");
        // SAFETY: geteuid has no preconditions and cannot fail.
        if unsafe { libc::geteuid() } == 0 {
            initdb.uid(NOBODY).gid(NOBODY);
        }
        run::capture(&mut initdb)?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.cluster);
    }
}

/// The newest version and its folder.
fn newest() -> Result<(u32, PathBuf)> {
    let folder = Path::new("/usr/lib/postgresql");
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let versions = entries.flatten().filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        let home = entry.path();
        home.join("bin/postgres")
            .is_file()
            .then_some((version, home))
    });
    versions
        .max()
        .with_context(|| format!("no server in {}", folder.display()))
}
