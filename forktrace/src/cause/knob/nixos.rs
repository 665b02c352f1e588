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
    if !is_plain(&stem) {
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

/// A drop-in alone, for units that have no file of NixOS's: it makes one of the unit's text only where it is told so
/// (nixos/lib/systemd-lib.nix `generateUnits`, `overrideStrategy`).
pub(super) fn drop_in(name: &str, section: &str, setting: &str, value: &str) -> String {
    match is_plain(name) {
        true => format!(
            "{FILE}: systemd.units.\"{name}\" = {{ overrideStrategy = \"asDropin\"; text = \
             \"[{section}]\\n{setting}={value}\"; }};"
        ),
        false => format!("{FILE}: [{section}] {setting}={value} of a drop-in"),
    }
}

/// What the manager gives units by itself.
pub(super) fn of_manager(setting: &str, value: &str) -> String {
    format!(
        "{FILE}: systemd.settings.Manager.{setting} = \"{value}\"; (before 25.11: a line of systemd.extraConfig)"
    )
}

/// Whether a string of Nix's has a name as it is.
fn is_plain(name: &str) -> bool {
    !name.contains(['"', '\\', '$'])
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
        let scopes = |name| drop_in(name, "Scope", "TasksMax", "620");
        assert_eq!(
            scopes("session-.scope"),
            "NixOS, configuration.nix: systemd.units.\"session-.scope\" = { overrideStrategy = \"asDropin\"; text = \
             \"[Scope]\\nTasksMax=620\"; };"
        );
        assert_eq!(
            scopes("${x}-.scope"),
            "NixOS, configuration.nix: [Scope] TasksMax=620 of a drop-in"
        );
        assert_eq!(of("session-1.scope", None), None);
        assert_eq!(of("a\\x2db.service", None), None);
    }
}
