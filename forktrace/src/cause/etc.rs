//! Advice to write to an /etc that doesn't keep it.

use crate::{
    host::etc::{Etc, System},
    model::Fix,
};

/// What to know where one of the ways that last writes to the host's /etc.
pub(super) fn note(fixes: &[Fix], etc: Etc) -> Option<String> {
    let ways = || fixes.iter().filter_map(|fix| fix.persistent.as_deref());
    let (told, system) = match etc {
        Etc::Lasts => return None,
        Etc::InMemory(system) => (
            "this host's /etc is in memory: what is written there is gone with the next boot, so set it where \
             the host is made",
            system,
        ),
        Etc::ReadOnly(system) => (
            "this host's /etc is read-only: set it where the host is made",
            system,
        ),
    };
    if !ways().any(writes) {
        return None;
    }
    let place = match system {
        _ if !ways().any(|way| way.contains("/etc/sysctl")) => "",
        System::Other => "",
        // It has some of the kernel's settings only.
        System::ContainerOptimized => {
            " (GKE: linuxConfig, sysctl of the node system configuration, where it takes this one)"
        }
        System::Bottlerocket => " (settings.kernel.sysctl)",
        System::Talos => " (machine.sysctls)",
    };
    Some(format!("{told}{place}"))
}

/// A container's /etc is another one, and so is what a user's manager has.
fn writes(way: &str) -> bool {
    let is_elsewhere = way.starts_with("in container ") || way.contains(" --user ");
    let writes = ["/etc/", "set-property", "systemctl edit"];
    !is_elsewhere && writes.iter().any(|part| way.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::words::fix;

    fn told(way: &str, etc: Etc) -> Option<String> {
        note(
            &[
                fix(None, None, "x".to_owned()),
                fix(None, way.to_owned(), None),
            ],
            etc,
        )
    }

    #[test]
    fn what_is_written_elsewhere_stays() {
        let memory = Etc::InMemory(System::Other);
        for (way, is_told) in [
            ("/etc/sysctl.d/: kernel.pid_max = 66000", true),
            ("systemctl set-property x.service TasksMax=620", true),
            (
                "on the host: systemctl set-property x.service TasksMax=620",
                true,
            ),
            ("systemctl edit x.service: [Service] LimitNPROC=620", true),
            (
                "in container c1: systemctl edit x.service: [Service] LimitNPROC=620",
                false,
            ),
            (
                "sudo -u '#7' XDG_RUNTIME_DIR=/run/user/7 systemctl --user set-property x.service TasksMax=9",
                false,
            ),
            ("docker update --pids-limit 620 x", false),
        ] {
            assert_eq!(told(way, memory).is_some(), is_told, "{way}");
            assert_eq!(told(way, Etc::Lasts), None);
            let read_only = told(way, Etc::ReadOnly(System::Other));
            let is_read_only = |note: String| note.contains("is read-only: set it");
            assert_eq!(read_only.is_some_and(is_read_only), is_told, "{way}");
        }
    }

    #[test]
    fn sysctls_have_a_place_that_is_known() {
        let sysctl = "/etc/sysctl.d/: kernel.pid_max = 66000";
        for (system, place) in [
            (
                System::Bottlerocket,
                "the host is made (settings.kernel.sysctl)",
            ),
            (System::Talos, "the host is made (machine.sysctls)"),
            (System::Other, "the host is made"),
        ] {
            let of = |way| told(way, Etc::InMemory(system)).unwrap();
            assert!(of(sysctl).ends_with(place), "{system:?}");
            assert!(of("systemctl edit x.service: [Service] LimitNPROC=620").ends_with("is made"));
        }
    }
}
