//! The systemd that has a unit: the system's or a user's, of the host or of a container.

use std::{borrow::Cow, path::Path};

use super::nixos;
use crate::{cause::words::shell_word, host::unit_files::section};

/// Whose it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manager<'a> {
    /// Whose user's it is; `None`: the system's.
    pub user: Option<u32>,
    /// That user's home, where it is known.
    pub home: Option<&'a Path>,
    /// A container's: its users are no users of the host.
    pub in_container: bool,
    /// Whether NixOS makes the files of its units.
    pub nixos: bool,
}

impl Manager<'_> {
    /// systemctl, as root of its host calls it. It finds a user's manager by `$XDG_RUNTIME_DIR`, which su and sudo
    /// don't set, and root's own by root's (src/shared/bus-util.c `bus_connect_user_systemd`).
    pub(super) fn systemctl(self) -> Cow<'static, str> {
        match self.user {
            None => "systemctl".into(),
            Some(_) if self.in_container => "systemctl --user".into(),
            Some(uid) => {
                format!("sudo -u '#{uid}' XDG_RUNTIME_DIR=/run/user/{uid} systemctl --user").into()
            }
        }
    }

    /// Who calls it, where it doesn't say so itself.
    pub(super) fn caller(self) -> Option<String> {
        let uid = self.user.filter(|_| self.in_container)?;
        Some(format!("as uid {uid}"))
    }

    /// Where whoever administers it has its units, as a shell has it.
    pub(super) fn folder(self) -> Cow<'static, str> {
        if self.user.is_none() {
            return "/etc/systemd/system".into();
        }
        let home = self.home.filter(|home| home.is_absolute());
        match home.and_then(|home| shell_word(home.to_str()?)) {
            Some(home) => format!("{home}/.config/systemd/user").into(),
            None => "~/.config/systemd/user".into(),
        }
    }

    /// A drop-in for units that have another name each time: of their template, or of a prefix (`session-.scope`). A
    /// folder that is new isn't looked at before a reload (src/shared/dropin.c `unit_file_find_dirs`, by
    /// the manager's `unit_path_cache`).
    pub(super) fn drop_in(self, name: &str, setting: &str, value: &str) -> Option<String> {
        let section = section(name)?;
        // A user's own folder is the user's there, too.
        if self.nixos && self.user.is_none() {
            return Some(nixos::drop_in(name, section, setting, value));
        }
        let folder = shell_word(&format!("{name}.d"))?;
        Some(format!(
            "{}/{folder}/: [{section}] {setting}={value}, then {} daemon-reload",
            self.folder(),
            self.systemctl()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_is_called_as_that_user() {
        let of = |user, in_container| Manager {
            user,
            in_container,
            ..Manager::default()
        };
        assert_eq!(of(None, false).systemctl(), "systemctl");
        assert_eq!(
            of(Some(7), false).systemctl(),
            "sudo -u '#7' XDG_RUNTIME_DIR=/run/user/7 systemctl --user"
        );
        assert_eq!(of(Some(7), true).systemctl(), "systemctl --user");
        assert_eq!(of(Some(7), false).caller(), None);
        assert_eq!(of(Some(7), true).caller().as_deref(), Some("as uid 7"));
        assert_eq!(of(None, true).caller(), None);
    }

    #[test]
    fn a_users_folder_is_in_the_home_that_is_known() {
        let folder = |home| {
            let home = Some(Path::new(home));
            let user = Some(7);
            let manager = Manager {
                user,
                home,
                ..Manager::default()
            };
            manager.folder()
        };
        assert_eq!(folder("/home/ann"), "/home/ann/.config/systemd/user");
        assert_eq!(folder("/home/a $b"), "'/home/a $b'/.config/systemd/user");
        for unknown in ["", "ann", "/home/\u{1b}[31m"] {
            assert_eq!(folder(unknown), "~/.config/systemd/user", "{unknown}");
        }
        assert_eq!(Manager::default().folder(), "/etc/systemd/system");
    }
}
