//! Units of systemd, and who makes those that go when what is in them ends.

use std::path::Path;

use super::{MEMORY, Setting, WHERE_SET_UP};
use crate::{
    cause::{
        Context,
        knob::{manager::Manager, nixos, target::Target},
        words::shell_word,
    },
    host::{identity, setter, unit_files},
};

fn is_transient(context: &Context) -> bool {
    let says = context.unit_limit.as_ref();
    let file = says.and_then(|says| says.file.as_deref());
    context.unit.is_transient || file.is_some_and(unit_files::is_transient)
}

/// The quota group of snapd's whose slice this is (snap/quota/quota.go
/// `SliceFileName`): of a group in another, the last name is its own.
fn quota_group(unit: &str) -> Option<String> {
    let groups = unit.strip_prefix("snap.")?.strip_suffix(".slice")?;
    let own = identity::unescape_unit(groups.rsplit('-').next()?);
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (!own.is_empty() && own.chars().all(is_name)).then_some(own)
}

/// A unit of systemd, the system's or a user's.
pub(super) fn at_home(
    name: &str,
    manager: Manager<'_>,
    setting: &Setting,
    target: Target,
    context: &Context,
) -> String {
    let Some(word) = shell_word(name) else {
        return WHERE_SET_UP.to_owned();
    };
    let Setting { property, snap, .. } = setting;
    if let (Some(group), None) = (quota_group(name), manager.user) {
        // strutil/size.go `ParseByteSize`: bytes are written with their unit.
        let unit = match setting.property == MEMORY.property {
            true => "B",
            false => "",
        };
        return format!("snap set-quota {group} {snap}={target}{unit}");
    }
    let systemctl = manager.systemctl();
    let set = format!("{systemctl} set-property {word} {property}={target}");
    let next = next_ones(name, manager, setting, target, context);
    let next = next.map(|next| format!("until it ends; for the next ones: {next}"));
    let notes: Vec<String> = manager.caller().into_iter().chain(next).collect();
    match notes.is_empty() {
        true => set,
        false => format!("{set} ({})", notes.join("; ")),
    }
}

/// Who makes scopes of these names, each for what it starts.
const MAKERS: [(&str, &str); 10] = [
    ("session-", "logind"),
    ("app-flatpak-", "Flatpak"),
    ("app-gnome-", "GNOME"),
    ("app-", "the desktop"),
    ("vte-spawn-", "the terminal"),
    ("tmux-spawn-", "tmux"),
    ("libpod-conmon-", "Podman, for its monitor,"),
    ("crio-conmon-", "CRI-O, for its monitor,"),
    ("podman-", "Podman"),
    ("machine-", "machined"),
];

/// Of a unit that goes when what is in it ends: how those that come have more.
fn next_ones(
    unit: &str,
    manager: Manager<'_>,
    setting: &Setting,
    target: Target,
    context: &Context,
) -> Option<String> {
    let Setting { property, .. } = setting;
    let Manager { user, .. } = manager;
    let says = context.unit_limit.as_ref();
    let (stem, kind) = unit.rsplit_once('.')?;
    let is_scope = kind == "scope";
    let value = target.to_string();
    let drop_in = |name: &str, whose: &str| {
        let drop_in = manager.drop_in(name, property, &value)?;
        Some(format!("{drop_in}, for {whose} then"))
    };
    if let Some(template) = setter::of_connection(unit) {
        // It has a file, which NixOS makes of another option.
        return manager
            .nixos
            .then(|| nixos::unit(&template, user, property, &value))
            .flatten()
            .or_else(|| drop_in(&template, "connections that are made"));
    }
    let is_run = setter::is_of_systemd_run(unit);
    let is_transient = kind == "service" && is_transient(context);
    // `app-NAME@UUID.service` of KDE (KProcessRunner), `dbus-:1.2-NAME@0.service` of dbus-broker: drop-ins of the
    // template are theirs too.
    if let Some(template) = unit_files::template(unit).filter(|_| is_transient) {
        return drop_in(&template, "what is started");
    }
    if is_run || is_transient {
        let whose = if user.is_some() { "--user " } else { "" };
        let scope = if is_scope { "--scope " } else { "" };
        let named = match is_run {
            true => String::new(),
            false => format!("--unit={} ", shell_word(stem)?),
        };
        return Some(format!(
            "systemd-run {whose}{scope}{named}-p {property}={target}"
        ));
    }
    if !is_scope || stem == "init" {
        return None;
    }
    if let Some(app) = stem.strip_prefix("snap.") {
        // `snap.NAME.APP-UUID.scope` (sandbox/cgroup/tracking.go), `snap.NAME.APP.UUID.scope` before. Quota groups are
        // of services, and have limits of their own.
        let (name, _) = app.split_once('-')?;
        let is_id = |part: &str| part.len() == 8 && part.bytes().all(|b| b.is_ascii_hexdigit());
        return match name.rsplit('.').next().is_some_and(is_id) {
            true => Some("snapd makes the scope, without a limit of its own".to_owned()),
            false => drop_in(&format!("snap.{name}-.scope"), "what snapd starts"),
        };
    }
    // The limit is an option of its own, which it writes into the cgroup as well.
    let by_option = ["apptainer", "singularity"];
    let by_option = by_option
        .iter()
        .find(|program| stem.split('-').next() == Some(**program));
    if let Some(program) = by_option {
        return Some(format!(
            "{program} run {} {target}, or the file of --apply-cgroups",
            setting.option
        ));
    }
    let maker = MAKERS.iter().find(|(start, _)| stem.starts_with(start));
    let Some((start, maker)) = maker else {
        let default = says.filter(|says| says.setting == "DefaultTasksMax");
        return Some(match default {
            Some(says) => format!(
                "{}: it has that, {}, as what makes the scope asks for no limit",
                default_of(manager, target, says.file.as_deref()),
                says.text
            ),
            None => "where what makes the scope asks for its limit".to_owned(),
        });
    };
    let prefix = match start.starts_with("app-") {
        true => stem
            .rsplit_once('-')
            .map_or(*start, |(name, _)| &stem[..=name.len()]),
        false => start,
    };
    // Drop-ins of a dashed prefix are for all of that name (systemd.unit(5)).
    drop_in(&format!("{prefix}.scope"), &format!("what {maker} starts"))
}

/// Where a manager has what it gives units by itself: in the file that says it, or in one that counts after it. A main
/// file of that name in /etc would take the place of a package's, with all that it says.
fn default_of(manager: Manager<'_>, target: Target, file: Option<&Path>) -> String {
    const NAME: &str = "DefaultTasksMax";
    let conf = match manager.user {
        Some(_) => "user.conf",
        None if manager.nixos => return nixos::of_manager(NAME, &target.to_string()),
        None => "system.conf",
    };
    match file {
        Some(file) if file.starts_with("/etc") => format!("{NAME}= in {}", file.display()),
        // Drop-ins come after the main file.
        Some(file) if !file.ends_with(conf) => format!(
            "{NAME}= in /etc/systemd/{conf}.d, a file whose name comes after {}",
            file.file_name().unwrap_or_default().display()
        ),
        _ => format!("{NAME}= in a file of /etc/systemd/{conf}.d"),
    }
}
