//! What OpenRC gives a service: `rc_ulimit` of its conf.d file, else of rc.conf for all.
//!
//! Both are read by a shell (sh/openrc-run.sh `apply_ulimits`): an assignment is taken where it stands on
//! a line of its own, and no other shell code is understood.

use std::path::Path;

use super::unit_files::{Assignment, read};

/// A service, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// As its script in /etc/init.d is called.
    pub name: String,
    /// What its processes have as RLIMIT_NPROC by a file; `None` where none says it.
    pub nproc: Option<Assignment>,
}

/// The service of this name, by the files below `root`.
pub fn service(root: &Path, name: String) -> Service {
    let own = root.join("etc/conf.d").join(&name);
    let nproc = [own, root.join("etc/rc.conf")]
        .into_iter()
        .find_map(|file| {
            let ulimit = ulimit(&read(&file)?)?;
            Some((nproc(&ulimit), file))
        });
    let nproc = nproc.and_then(|(value, file)| {
        Some(Assignment {
            value: value?,
            file,
        })
    });
    Service { name, nproc }
}

/// The last `rc_ulimit="-u 30 -n 1024"`; `RC_ULIMIT` is what it was called before.
fn ulimit(text: &str) -> Option<String> {
    let mut values = text.lines().filter_map(|line| {
        let (name, value) = line.trim().split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']);
        matches!(name, "rc_ulimit" | "RC_ULIMIT").then(|| value.to_owned())
    });
    values.next_back()
}

/// The number of `-u`, by which the soft limit is set.
fn nproc(ulimit: &str) -> Option<String> {
    let mut words = ulimit.split_whitespace();
    while let (Some(option), Some(value)) = (words.next(), words.next()) {
        if matches!(option, "-u" | "-Su" | "-SHu" | "-HSu") {
            return Some(value.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::made_up;

    #[test]
    fn a_services_own_file_counts_before_that_for_all() {
        let root = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| {
            made_up::write(root.path(), file, text);
        };
        let of = || {
            let service = service(root.path(), "nginx".to_owned());
            service.nproc.map(|set| {
                let file = set.file.strip_prefix(root.path()).unwrap();
                (set.value, file.display().to_string())
            })
        };
        let set = |value: &str, file: &str| Some((value.to_owned(), file.to_owned()));
        assert_eq!(of(), None);
        put(
            "etc/rc.conf",
            "#rc_ulimit=\"-u 9\"\nrc_ulimit=\"-n 1024 -u 30\"\n",
        );
        assert_eq!(of(), set("30", "etc/rc.conf"));
        // It takes the place of the other, whatever it sets.
        put("etc/conf.d/nginx", "rc_ulimit='-n 4096'\n");
        assert_eq!(of(), None);
        put("etc/conf.d/nginx", "rc_ulimit='-u 40'\n");
        assert_eq!(of(), set("40", "etc/conf.d/nginx"));
    }
}
