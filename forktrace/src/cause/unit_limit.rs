//! A limit that a file of systemd's says: which, and of a percentage what raising what it is a part
//! of does.

use crate::{
    host::{
        unit_files::{has_part, shared_by},
        unit_limits::UnitLimit,
    },
    model::{Unit, amount},
};

/// What to know before the limit is changed; `value` is what it is now.
pub fn note(p: &UnitLimit, value: u64, unit: Unit) -> String {
    let UnitLimit { setting, text, .. } = p;
    let by = match &p.file {
        Some(file) => format!("{setting}={text} in {}", file.display()),
        None => format!("systemd's own default, {setting}={text}"),
    };
    if !p.is_part() {
        let shared = p.file.as_deref().and_then(shared_by);
        let whose = match (setting.strip_prefix("Default"), shared) {
            (Some(own), _) => format!(", which each unit without {own}= of its own has"),
            (None, Some(all)) => format!(", which is for {all}"),
            (None, None) => String::new(),
        };
        let logind = match is_of_logind(p) {
            true => {
                ", which logind writes at each first login (systemd before 239): UserTasksMax= of \
                     /etc/systemd/logind.conf is for all users"
            }
            false => "",
        };
        let control = match is_of_set_property(p) {
            true => {
                ", which systemctl set-property has written: whoever called it (a control panel, a script) \
                     may do so again"
            }
            false => "",
        };
        return format!("the limit comes from {by}{whose}{logind}{control}");
    }
    let (when, of) = match unit {
        Unit::Bytes => ("loaded the unit (of RAM)", "more RAM"),
        _ => (
            "set the unit's cgroup up (before systemd 244: loaded it), of the smallest of \
             kernel.pid_max, kernel.threads-max and the root cgroup's pids.max",
            "raising those",
        ),
    };
    let mut note = format!("the limit comes from {by}, evaluated when systemd {when}");
    match p.today {
        Some(today) if today != value => note.push_str(&format!(
            "; evaluated now it would be {}, not {}",
            amount(today, unit),
            amount(value, unit)
        )),
        _ => note.push_str(&format!(": {of} alone doesn't change it")),
    }
    note
}

/// Hosting panels bound their users so.
fn is_of_set_property(p: &UnitLimit) -> bool {
    let is_control = |part: &str| matches!(part, "system.control" | "user.control");
    p.file
        .as_ref()
        .is_some_and(|file| has_part(file, is_control))
}

/// A user's slice that is transient: logind made it so, with a limit, up to systemd 238 (src/login/logind-dbus.c
/// `manager_start_slice`). What `systemctl set-property` writes stands elsewhere.
fn is_of_logind(p: &UnitLimit) -> bool {
    let is_slice = |part: &str| {
        let name = part.trim_end_matches(".d");
        let uid = name
            .strip_prefix("user-")
            .and_then(|rest| rest.strip_suffix(".slice"));
        uid.is_some_and(|uid| uid.parse::<u32>().is_ok())
    };
    p.setting == "TasksMax"
        && p.file.as_ref().is_some_and(|file| {
            let transient = ["/run/systemd/transient", "/run/systemd/system"];
            transient.iter().any(|folder| file.starts_with(folder)) && has_part(file, is_slice)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_the_file_and_says_when() {
        let mut p = UnitLimit {
            setting: "TasksMax",
            text: "15%".to_owned(),
            file: Some("/etc/systemd/system/x.service.d/y.conf".into()),
            today: Some(4915),
        };
        assert_eq!(
            note(&p, 4915, Unit::Tasks),
            "the limit comes from TasksMax=15% in /etc/systemd/system/x.service.d/y.conf, \
             evaluated when systemd set the unit's cgroup up (before systemd 244: loaded it), of \
             the smallest of kernel.pid_max, kernel.threads-max and the root cgroup's pids.max: \
             raising those alone doesn't change it"
        );
        assert!(note(&p, 614, Unit::Tasks).ends_with("; evaluated now it would be 4915, not 614"));
        p.file = None;
        p.setting = "DefaultTasksMax";
        assert!(note(&p, 4915, Unit::Tasks).starts_with(
            "the limit comes from systemd's own default, DefaultTasksMax=15%, evaluated"
        ));
        p.text = "512".to_owned();
        p.file = Some("/etc/systemd/system.conf".into());
        assert_eq!(
            note(&p, 512, Unit::Tasks),
            "the limit comes from DefaultTasksMax=512 in /etc/systemd/system.conf, which each unit \
             without TasksMax= of its own has"
        );
        p.setting = "TasksMax";
        p.file = Some("/etc/systemd/system/user-.slice.d/50-userlimits.conf".into());
        assert_eq!(
            note(&p, 512, Unit::Tasks),
            "the limit comes from TasksMax=512 in /etc/systemd/system/user-.slice.d/50-userlimits.conf, which \
             is for each unit called user-….slice"
        );
        for (file, of_logind) in [
            ("/run/systemd/system/user-7.slice.d/50-TasksMax.conf", true),
            ("/run/systemd/transient/user-7.slice", true),
            ("/etc/systemd/system/user-7.slice.d/x.conf", false),
            ("/run/systemd/system.control/user-7.slice.d/x.conf", false),
            ("/run/systemd/transient/build.service", false),
        ] {
            p.file = Some(file.into());
            let told = note(&p, 512, Unit::Tasks);
            assert_eq!(told.contains("UserTasksMax="), of_logind, "{told}");
            let control = file.contains("system.control");
            assert_eq!(
                told.contains("systemctl set-property has written"),
                control,
                "{told}"
            );
        }
        (p.text, p.file) = ("15%".to_owned(), None);
        p.setting = "MemoryMax";
        assert!(
            note(&p, 4915, Unit::Bytes)
                .ends_with("loaded the unit (of RAM): more RAM alone doesn't change it")
        );
    }
}
