//! Each .deb, by apt: installed, looked at, run, installed again, removed, purged.

use super::{super::Release, root::Root};
use anyhow::{Result, ensure};
use std::path::PathBuf;

/// What a fork that is refused looks like, and what forktrace says of it.
pub(super) const REFUSED: &str = "forktrace live -- prlimit --nproc=1 setpriv --reuid 65534 --clear-groups sh -c 'true & wait' || true";

/// Tries forktrace's and forktrace-convert's on one release.
pub(super) fn run(suite: &str, release: &Release, [package, convert]: &[PathBuf; 2]) -> Result<()> {
    let root = Root::new(suite, "deb")?;
    let before = root.paths()?;
    let (inside, convert) = (root.put(package)?, root.put(convert)?);
    root.run(&format!("apt-get -q -y install {inside}"))?;
    installed(&root, release)?;
    // What another package brings is asked for by its name.
    let without = root.run(&format!("{CONVERTED} || true"))?;
    ensure!(without.contains("forktrace-convert"), "{without}");
    root.run(&format!("apt-get -q -y install {convert}"))?;
    converts(&root)?;
    let verified = root.run("dpkg --verify forktrace forktrace-convert")?;
    ensure!(verified.is_empty(), "dpkg --verify: {verified}");
    root.run(&format!("apt-get -q -y install --reinstall {inside}"))?;
    installed(&root, release)?;

    root.run("mkdir -p /var/log/forktrace && touch /var/log/forktrace/forktrace.ndjson.zst")?;
    root.run("apt-get -q -y remove forktrace")?;
    root.run("test ! -e /usr/bin/forktrace && test ! -e /usr/bin/forktrace-convert && test -e /var/log/forktrace/forktrace.ndjson.zst")?;
    root.run(
        "dpkg --purge forktrace forktrace-convert && test ! -e /var/log/forktrace && ! dpkg --status forktrace",
    )?;
    left_nothing(&before, &root)
}

/// A recording of a fork that is refused, as a table.
const CONVERTED: &str = "cd /tmp && forktrace convert -o failures.parquet failures.ndjson";

/// Parquet comes of a recording.
pub(super) fn converts(root: &Root) -> Result<()> {
    root.run(&REFUSED.replace("live", "record --output /tmp/failures.ndjson"))?;
    root.run(CONVERTED)?;
    let magic = root.run("head -c 4 /tmp/failures.parquet; tail -c 4 /tmp/failures.parquet")?;
    ensure!(
        magic == "PAR1PAR1",
        "the table begins and ends with {magic}"
    );
    root.run("rm /tmp/failures.ndjson /tmp/failures.parquet")?;
    Ok(())
}

/// What both kinds of packages have to leave in place.
pub(super) fn installed(root: &Root, release: &Release) -> Result<()> {
    let version = root.run("forktrace --version")?;
    let wanted = format!("forktrace {}", release.version);
    ensure!(version.trim() == wanted, "it says {version:?}");
    for file in [
        "/usr/share/man/man1/forktrace.1.gz",
        "/usr/share/man/man1/forktrace-record.1.gz",
        "/usr/share/bash-completion/completions/forktrace",
        "/usr/share/fish/vendor_completions.d/forktrace.fish",
        "/usr/share/doc/forktrace/README.md",
    ] {
        root.run(&format!("test -s {file}"))?;
    }
    root.run("test -s /usr/share/zsh/vendor-completions/_forktrace || test -s /usr/share/zsh/site-functions/_forktrace")?;
    let user = root.run("getent passwd forktrace")?;
    ensure!(user.contains(":/var/log/forktrace:"), "the user: {user}");
    let enabled = root.run("systemctl is-enabled forktrace.service || true")?;
    ensure!(enabled.trim() == "disabled", "the unit is {enabled}");
    let verified = root.run("systemd-analyze verify forktrace.service || true")?;
    ensure!(!verified.contains("forktrace"), "the unit: {verified}");
    root.run("systemctl enable forktrace.service && systemctl disable forktrace.service")?;
    let explained = root.run("forktrace explain cgroup_pids_max")?;
    ensure!(explained.contains("pids.max"), "{explained}");
    let said = root.run(REFUSED)?;
    ensure!(
        said.contains("rlimit_nproc"),
        "of a refused fork it says\n{said}"
    );
    Ok(())
}

/// The user stays, as Debian and Fedora want it: what it may own elsewhere is never another's.
pub(super) fn left_nothing(before: &std::collections::BTreeSet<String>, root: &Root) -> Result<()> {
    let after = root.paths()?;
    let backups = [
        "./etc/passwd-",
        "./etc/group-",
        "./etc/shadow-",
        "./etc/gshadow-",
        "./etc/.pwd.lock",
    ];
    let left: Vec<&String> = after
        .difference(before)
        .filter(|path| !backups.contains(&path.as_str()))
        .collect();
    ensure!(left.is_empty(), "left behind: {left:?}");
    Ok(())
}
