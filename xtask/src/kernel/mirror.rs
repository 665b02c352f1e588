//! Finds the Debian mirror that this machine already uses.

use crate::run;
use anyhow::{Context, Result, bail};
use std::process::Command;

/// The mirror's two trees.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mirror {
    /// Releases: what ends in `/debian` on most mirrors.
    pub main: String,
    /// Security updates: what ends in `/debian-security` on most mirrors.
    pub security: String,
}

/// Asks apt for its configured sources; this covers every notation that apt reads.
pub(crate) fn find() -> Result<Mirror> {
    let targets = run::capture(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(SITE) $(RELEASE) $(COMPONENT)",
        "Created-By: Packages",
    ]))
    .context("asking apt for this machine's mirror (test kernels are Debian packages)")?;
    match parse(&targets) {
        Some(mirror) => Ok(mirror),
        None => bail!(
            "this machine's apt has no Debian release among its sources, so there is no mirror to \
             take test kernels from; it has:\n{targets}\nRun xtask on Debian, or give a kernel \
             image as a path: --kernel ./vmlinuz"
        ),
    }
}

fn parse(targets: &str) -> Option<Mirror> {
    let mut main = None;
    let mut security = None;
    for target in targets.lines() {
        let mut words = target.split_whitespace();
        let (Some(site), Some(release), Some("main")) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let site = site.trim_end_matches('/').to_owned();
        if release.ends_with("-security") {
            security.get_or_insert(site);
        } else if is_debian(release) {
            main.get_or_insert(site);
        }
    }
    // Mirrors that carry both keep them side by side.
    let main = main.or_else(|| Some(security.as_ref()?.strip_suffix("-security")?.to_owned()))?;
    let security = security.unwrap_or_else(|| format!("{main}-security"));
    Some(Mirror { main, security })
}

fn is_debian(release: &str) -> bool {
    const NAMES: [&str; 9] = [
        "bullseye",
        "bookworm",
        "trixie",
        "forky",
        "sid",
        "oldstable",
        "stable",
        "testing",
        "unstable",
    ];
    let base = release.split('-').next().unwrap_or(release);
    NAMES.contains(&base)
}

#[cfg(test)]
mod tests {
    use super::{Mirror, parse};

    fn mirror(main: &str, security: &str) -> Option<Mirror> {
        Some(Mirror {
            main: main.to_owned(),
            security: security.to_owned(),
        })
    }

    #[test]
    fn takes_both_trees_and_ignores_strangers() {
        let targets = "https://other.test/apt stable-tools main\n\
                       https://node.test/x nodistro main\n\
                       http://m.test/debian bookworm main\n\
                       http://m.test/debian bookworm-updates main\n\
                       http://s.test/debian-security bookworm-security main\n";
        let expected = mirror("http://m.test/debian", "http://s.test/debian-security");
        assert_eq!(
            parse(&targets.replace("stable-tools", "cloud-sdk")),
            expected
        );
    }

    #[test]
    fn derives_the_tree_that_is_not_configured() {
        let both = mirror("http://m.test/debian", "http://m.test/debian-security");
        assert_eq!(parse("http://m.test/debian/ stable main"), both);
        assert_eq!(
            parse("http://m.test/debian-security stable-security main"),
            both
        );
        assert_eq!(parse("http://archive.test/ubuntu noble main"), None);
    }
}
