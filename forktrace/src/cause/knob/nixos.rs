//! Settings of a host that NixOS has made: files in /etc lead to a store that can't be written to, and are made
//! anew from the host's configuration.

use super::target::Target;
use crate::host::pam_limits::Which;

const FILE: &str = "NixOS, configuration.nix";

/// A setting of the whole host.
pub(super) fn sysctl(key: &str, number: &str) -> String {
    format!("{FILE}: boot.kernel.sysctl.\"{key}\" = {number};")
}

/// What a login gets; `domain` as limits.conf has it.
pub(super) fn nproc(domain: &str, which: Which, target: Target) -> String {
    format!(
        "{FILE}, one more of security.pam.loginLimits: {{ domain = \"{domain}\"; type = \"{}\"; item = \
         \"nproc\"; value = \"{target}\"; }}",
        which.word()
    )
}

/// A setting of a unit: of an instance, its template's.
pub(super) fn unit(name: &str, user: Option<u32>, setting: &str, value: &str) -> Option<String> {
    let (stem, kind) = name.rsplit_once('.')?;
    let (all, section) = match kind {
        "service" => ("services", "serviceConfig"),
        "slice" => ("slices", "sliceConfig"),
        "socket" => ("sockets", "socketConfig"),
        _ => return None,
    };
    let (stem, whose) = match stem.split_once('@') {
        Some((template, _)) => (format!("{template}@"), " (of each instance)"),
        None => (stem.to_owned(), ""),
    };
    // What a string of Nix's would read otherwise.
    if stem.contains(['"', '\\', '$']) {
        return None;
    }
    let manager = match user {
        Some(_) => "systemd.user",
        None => "systemd",
    };
    Some(format!(
        "{FILE}: {manager}.{all}.\"{stem}\".{section}.{setting} = \"{value}\";{whose}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_as_the_configuration_calls_them() {
        let of = |name, user| unit(name, user, "TasksMax", "620");
        assert_eq!(
            of("x.service", None).as_deref(),
            Some(
                "NixOS, configuration.nix: systemd.services.\"x\".serviceConfig.TasksMax = \"620\";"
            )
        );
        assert_eq!(
            of("user@7.service", None).as_deref(),
            Some(
                "NixOS, configuration.nix: systemd.services.\"user@\".serviceConfig.TasksMax = \"620\"; (of \
                 each instance)"
            )
        );
        assert!(
            of("user-7.slice", None)
                .unwrap()
                .contains("systemd.slices.\"user-7\".sliceConfig")
        );
        assert!(
            of("x.service", Some(7))
                .unwrap()
                .contains("systemd.user.services.\"x\"")
        );
        assert_eq!(of("session-1.scope", None), None);
        assert_eq!(of("a\\x2db.service", None), None);
    }
}
