//! Drop-ins of systemd that systemctl wouldn't write, or had better not: where one counts after its own, and
//! where its own would hide another.

use std::{ffi::OsStr, path::Path};

use super::{manager::Manager, nixos};
use crate::{
    cause::words::shell_word,
    host::{
        identity, setter,
        unit_files::{counts_after, section, shared_by},
    },
};

/// What a drop-in of a unit is to say.
pub(super) struct Line<'a> {
    pub unit: &'a str,
    /// Of the host.
    pub manager: Manager<'a>,
    pub setting: &'a str,
    pub value: String,
}

impl Line<'_> {
    fn text(&self) -> Option<String> {
        let Self { setting, value, .. } = self;
        Some(format!("[{}] {setting}={value}", section(self.unit)?))
    }

    /// Whether a drop-in of its own would be read again: not of what has another name with each start.
    fn has_a_name_to_keep(&self) -> bool {
        !self.unit.ends_with(".scope")
            && !setter::is_of_systemd_run(self.unit)
            && setter::of_connection(self.unit).is_none()
    }

    fn reload(&self) -> String {
        format!("{} daemon-reload{}", self.manager.systemctl(), self.when())
    }

    /// From when on a limit of processes counts: systemd gives it to what it starts (src/core/exec-invoke.c
    /// `exec_invoke`, `setrlimit_closest_all`). Limits of the cgroup count at once.
    pub(super) fn when(&self) -> &'static str {
        let Self { unit, manager, .. } = self;
        let is_template = unit.contains("@.");
        match self.setting.starts_with("Limit") {
            false => "",
            true if is_template || setter::of_connection(unit).is_some() => {
                ", for connections that are made then"
            }
            true if manager.user.is_none() && identity::user_manager(unit).is_some() => {
                ", for its next start, which ends all that it runs"
            }
            true => ", for its next start",
        }
    }

    /// A drop-in that counts after `other`, which stays as it is.
    fn beside(&self, other: &OsStr, why: &str) -> Option<String> {
        let folder = self.manager.folder();
        let Self { unit, setting, .. } = self;
        let own = format!("zz-{setting}.conf");
        let name = match other < OsStr::new(&own) {
            true => own,
            false => {
                let stem = Path::new(other).file_stem()?.to_str()?;
                format!("{stem}z.conf")
            }
        };
        let file = shell_word(&format!("{unit}.d/{name}"))?;
        let whose = self.manager.user.map(|uid| format!("as uid {uid}; "));
        let whose = whose.unwrap_or_default();
        Some(format!(
            "{folder}/{file}: {}, then {} ({whose}{why})",
            self.text()?,
            self.reload()
        ))
    }
}

/// The file that says it is to be changed where it counts after the drop-in `own`, which this command of
/// systemctl writes. One that is for other units too, or that is made anew, stays as it is: the unit has
/// another, of a later name.
pub(super) fn edit_later(file: &Path, own: &str, command: &str, line: &Line<'_>) -> Option<String> {
    if !counts_after(file, own) {
        return None;
    }
    let Manager { user, nixos, .. } = line.manager;
    if nixos {
        return nixos::unit(line.unit, user, line.setting, &line.value);
    }
    let of_users = user.is_some() && file.starts_with("/etc");
    let shared = shared_by(file).or_else(|| of_users.then(|| "each user's manager".to_owned()));
    let is_for = shared.map(|all| format!(" is for {all}, and"));
    if line.has_a_name_to_keep() && (is_for.is_some() || is_made_anew(file)) {
        let why = format!(
            "{}{} counts after what systemctl {command} writes",
            file.display(),
            is_for.map_or_else(String::new, |is_for| format!(", which{is_for}"))
        );
        return line.beside(file.file_name()?, &why);
    }
    Some(format!(
        "{}: {}, then {} (that file{} counts after what systemctl {command} writes)",
        file.display(),
        line.text()?,
        line.reload(),
        is_for.unwrap_or_default()
    ))
}

/// In place of `systemctl edit`, whose override.conf would hide another one from this unit, with all that it
/// says.
pub(super) fn edit_beside(hidden: &Path, line: &Line<'_>) -> Option<String> {
    let why = format!(
        "systemctl edit would hide {} from this unit, with all that it says",
        hidden.display()
    );
    line.beside(OsStr::new("override.conf"), &why)
}

/// Of a package, which writes it anew, or gone with the next boot.
fn is_made_anew(file: &Path) -> bool {
    let local = file.starts_with("/usr/local");
    !local
        && ["/usr", "/lib", "/run"]
            .iter()
            .any(|folder| file.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(unit: &str, user: Option<u32>) -> Line<'_> {
        Line {
            unit,
            manager: Manager {
                user,
                ..Manager::default()
            },
            setting: "TasksMax",
            value: "620".to_owned(),
        }
    }

    /// What a process has it keeps, unless somebody changes it in the process.
    #[test]
    fn a_limit_of_processes_is_for_what_is_started() {
        for (unit, user, when) in [
            ("x.service", None, ", for its next start"),
            ("x.service", Some(7), ", for its next start"),
            (
                "user@7.service",
                None,
                ", for its next start, which ends all that it runs",
            ),
            (
                "sshd@.service",
                None,
                ", for connections that are made then",
            ),
            (
                "sshd@5-192.0.2.1:22-198.51.100.7:4242.service",
                None,
                ", for connections that are made then",
            ),
        ] {
            let of = |setting| {
                let line = line(unit, user);
                Line { setting, ..line }.when()
            };
            assert_eq!(of("LimitNPROC"), when, "{unit}");
            assert_eq!(of("TasksMax"), "", "{unit}");
        }
    }

    fn later(file: &str, unit: &str, user: Option<u32>) -> String {
        let line = line(unit, user);
        edit_later(Path::new(file), "50-TasksMax.conf", "set-property", &line).unwrap()
    }

    /// Login nodes of clusters bound all their users so.
    #[test]
    fn a_file_for_many_is_left_to_the_others() {
        assert_eq!(
            later(
                "/etc/systemd/system/user-.slice.d/50-userlimits.conf",
                "user-7.slice",
                None
            ),
            "/etc/systemd/system/user-7.slice.d/zz-TasksMax.conf: [Slice] TasksMax=620, then systemctl \
             daemon-reload (/etc/systemd/system/user-.slice.d/50-userlimits.conf, which is for each unit \
             called user-….slice, and counts after what systemctl set-property writes)"
        );
        let told = later(
            "/etc/systemd/system/service.d/zzz-x.conf",
            "x.service",
            None,
        );
        assert!(
            told.starts_with("/etc/systemd/system/x.service.d/zzz-xz.conf: [Service] TasksMax=620"),
            "{told}"
        );
        // What has another name each time has no file of its own.
        let told = later(
            "/etc/systemd/system/session-.scope.d/90-x.conf",
            "session-3.scope",
            None,
        );
        assert!(
            told.starts_with(
                "/etc/systemd/system/session-.scope.d/90-x.conf: [Scope] TasksMax=620"
            ),
            "{told}"
        );
        assert!(told.contains("(that file is for each unit called session-….scope, and counts"));
    }

    #[test]
    fn a_packages_file_is_written_anew() {
        for file in [
            "/usr/lib/systemd/system/x.service.d/90-x.conf",
            "/run/systemd/system/x.service.d/90-x.conf",
        ] {
            let told = later(file, "x.service", None);
            assert!(
                told.starts_with("/etc/systemd/system/x.service.d/zz-TasksMax.conf: "),
                "{told}"
            );
            assert!(
                told.contains(&format!("({file} counts after what")),
                "{told}"
            );
        }
        let local = "/usr/local/lib/systemd/system/x.service.d/90-x.conf";
        assert!(later(local, "x.service", None).starts_with(&format!("{local}: ")));
    }

    #[test]
    fn a_users_manager_reads_its_files_anew_itself() {
        let own = "/home/ann/.config/systemd/user/x.service.d/90-x.conf";
        let told = later(own, "x.service", Some(7));
        assert!(
            told.starts_with(&format!(
                "{own}: [Service] TasksMax=620, then sudo -u '#7' XDG_RUNTIME_DIR=/run/user/7 systemctl --user \
                 daemon-reload"
            )),
            "{told}"
        );
        let told = later(
            "/usr/lib/systemd/user/x.service.d/90-x.conf",
            "x.service",
            Some(7),
        );
        assert!(
            told.starts_with("~/.config/systemd/user/x.service.d/zz-TasksMax.conf: "),
            "{told}"
        );
        assert!(told.contains("(as uid 7; /usr/lib"), "{told}");
        let told = later(
            "/etc/systemd/user/x.service.d/90-x.conf",
            "x.service",
            Some(7),
        );
        assert!(
            told.starts_with("~/.config/systemd/user/x.service.d/zz-"),
            "{told}"
        );
        assert!(
            told.contains("which is for each user's manager, and counts"),
            "{told}"
        );
    }

    #[test]
    fn names_are_words_for_a_shell() {
        let told = later(
            "/etc/systemd/system/service.d/90-x.conf",
            "a\\x2db.service",
            None,
        );
        assert!(
            told.starts_with("/etc/systemd/system/'a\\x2db.service.d/zz-TasksMax.conf': "),
            "{told}"
        );
    }
}
