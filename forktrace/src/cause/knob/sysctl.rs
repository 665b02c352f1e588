//! A setting of the whole host: the file that gives it its value at boot is the one to change, for of
//! several the last one counts.

use super::{nixos, target::Target};
use crate::{
    cause::{Context, words::fix},
    model::Fix,
};

/// Where it is set for good, and what to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lasting {
    /// What to write, and into which file.
    pub way: String,
    /// What the file has.
    pub note: Option<String>,
}

/// How to have this setting at `value` (`N` where no number is known) from each boot on, by what the files
/// of the host say.
pub(crate) fn lasting(key: &str, value: Option<u64>, context: &Context) -> Lasting {
    let number = value.map_or_else(|| "N".to_owned(), |value| value.to_string());
    let line = format!("{key} = {number}");
    let Some(set) = &context.sysctl else {
        return Lasting {
            way: match context.nixos {
                true => nixos::sysctl(key, &number),
                false => format!("/etc/sysctl.d/: {line}"),
            },
            note: None,
        };
    };
    let file = set.file.display();
    let has = set.value.parse::<u64>().ok();
    let keeps = |has, value| match key {
        // Modes aren't more or less.
        "vm.overcommit_memory" => has == value,
        _ => has >= value,
    };
    if let (Some(has), Some(value)) = (has, value)
        && keeps(has, value)
    {
        // A line of a smaller number would take that back with the next boot.
        return Lasting {
            way: format!(
                "{file} has {key} = {has} for each boot: find what has set another since (a script, \
                 tuned, a container)"
            ),
            note: None,
        };
    }
    let is_admins = set.file.starts_with("/etc");
    let name = set.file.file_name().unwrap_or_default().display();
    let way = match is_admins {
        _ if context.nixos => nixos::sysctl(key, &number),
        true => format!("{file}: {line}"),
        // A package's file is written anew with the next version.
        false => format!("/etc/sysctl.d/, a file whose name comes after {name}: {line}"),
    };
    let note = format!(
        "{file} has `{key} = {}`, which counts after files of earlier names",
        set.value
    );
    Lasting {
        way,
        note: Some(note),
    }
}

/// A setting's way out: for now, from each boot on, and what to know.
pub(crate) fn fixes(
    key: &str,
    target: Target,
    now: Option<String>,
    note: String,
    context: &Context,
) -> Vec<Fix> {
    let lasting = lasting(key, target.number(), context);
    let own = fix(now, lasting.way, note);
    let file = lasting.note.map(|note| fix(None, None, note));
    [own].into_iter().chain(file).collect()
}

/// Sets it for now by what a shell does itself: where nothing can be forked, sysctl(8) can't be run.
pub(crate) fn write(key: &str, value: u64) -> String {
    format!("echo {value} > /proc/sys/{}", key.replace('.', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::unit_files::Assignment;

    fn set(file: &str, has: &str) -> Context {
        Context {
            sysctl: Some(Assignment {
                value: has.to_owned(),
                file: file.into(),
            }),
            ..Context::default()
        }
    }

    fn of(value: u64, file: &str, has: &str) -> Lasting {
        lasting("kernel.pid_max", Some(value), &set(file, has))
    }

    /// Its files lead to a store that can't be written to.
    #[test]
    fn nixos_has_it_in_its_configuration() {
        let context = Context {
            nixos: true,
            ..set("/etc/sysctl.d/60-nixos.conf", "32768")
        };
        let way = "NixOS, configuration.nix: boot.kernel.sysctl.\"kernel.pid_max\" = 66000;";
        let told = lasting("kernel.pid_max", Some(66_000), &context);
        assert_eq!(told.way, way);
        assert!(
            told.note
                .unwrap()
                .contains("60-nixos.conf has `kernel.pid_max = 32768`")
        );
        let unset = Context {
            nixos: true,
            ..Context::default()
        };
        assert_eq!(lasting("kernel.pid_max", Some(66_000), &unset).way, way);
    }

    #[test]
    fn a_file_that_counts_is_changed_itself() {
        let none = lasting("kernel.pid_max", Some(66_000), &Context::default());
        assert_eq!(none.way, "/etc/sysctl.d/: kernel.pid_max = 66000");
        assert_eq!(none.note, None);
        let own = of(66_000, "/etc/sysctl.d/80-k8s.conf", "32768");
        assert_eq!(own.way, "/etc/sysctl.d/80-k8s.conf: kernel.pid_max = 66000");
        assert_eq!(
            own.note.as_deref(),
            Some(
                "/etc/sysctl.d/80-k8s.conf has `kernel.pid_max = 32768`, which counts after files of \
                 earlier names"
            )
        );
        let vendor = of(66_000, "/usr/lib/sysctl.d/50-x.conf", "32768");
        assert_eq!(
            vendor.way,
            "/etc/sysctl.d/, a file whose name comes after 50-x.conf: kernel.pid_max = 66000"
        );
        // What it comes to isn't known.
        let odd = of(66_000, "/etc/sysctl.d/80-k8s.conf", "many");
        assert!(odd.way.ends_with(": kernel.pid_max = 66000"));
    }

    /// systemd's 50-pid-max.conf, on a host where something has set 32768 since.
    #[test]
    fn what_the_next_boot_sets_is_not_lowered() {
        let told = of(66_000, "/usr/lib/sysctl.d/50-pid-max.conf", "4194304");
        assert!(
            told.way
                .starts_with("/usr/lib/sysctl.d/50-pid-max.conf has kernel.pid_max = 4194304"),
            "{told:?}"
        );
        assert_eq!(told.note, None);
        let unknown = set("/etc/sysctl.d/x.conf", "4194304");
        let told = lasting("kernel.pid_max", None, &unknown);
        assert_eq!(told.way, "/etc/sysctl.d/x.conf: kernel.pid_max = N");
    }
}
