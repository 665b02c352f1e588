//! The systemd unit as packages install it, and its user.

use anyhow::{Context, Result, ensure};

/// The unit, in the sources.
pub(super) const FILE: &str = "contrib/forktrace.service";

/// The user that the packages' unit runs as, for systemd-sysusers.
pub(super) const SYSUSERS: &str = "\
# Records refused forks: the user of forktrace.service.
u forktrace - \"forktrace, which records refused forks\" /var/log/forktrace -
";

/// The unit's own comments on how to install it are for those who do it by hand; a package's program is
/// elsewhere, and its user stays, so that the recordings have an owner while the service is stopped.
pub(super) fn packaged(unit: &str) -> Result<String> {
    const CHANGES: [(&str, &str); 2] = [
        ("/usr/local/bin/forktrace", "/usr/bin/forktrace"),
        ("DynamicUser=yes\n", "User=forktrace\nRemoveIPC=yes\n"),
    ];
    let (head, settings) = unit
        .split_once("\n[Unit]")
        .with_context(|| format!("{FILE} has no [Unit]"))?;
    ensure!(
        head.lines().all(|line| line.starts_with('#')),
        "{FILE} has more than comments before [Unit]"
    );
    let mut text = format!(
        "# Records refused forks for as long as the machine runs. It is installed, and neither started nor\n\
         # enabled: systemctl enable --now forktrace\n\n[Unit]{settings}"
    );
    for (from, to) in CHANGES {
        ensure!(
            text.matches(from).count() == 1,
            "{FILE} doesn't have this once: {}",
            from.trim()
        );
        text = text.replace(from, to);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::packaged;

    #[test]
    fn the_packages_unit_runs_the_packages_program_as_the_packages_user() {
        let unit = include_str!("../../../contrib/forktrace.service");
        let unit = packaged(unit).unwrap();
        assert!(
            unit.contains("\nExecStart=/usr/bin/forktrace record "),
            "{unit}"
        );
        assert!(unit.contains("\nUser=forktrace\n"), "{unit}");
        assert!(
            !unit.contains("DynamicUser") && !unit.contains("/usr/local"),
            "{unit}"
        );
        assert!(packaged("[Unit]\n").is_err());
    }
}
