//! Who fills a limit, on one line.

use std::fmt::Write as _;

use super::count;
use crate::model::{Holder, HolderKind, bytes, clean};

/// "97 × postgres (91 idle, 2 active), 3 × bash; cgroups: 90 in /a, 10 in /b".
/// Names are made harmless.
pub(super) fn line(holders: &[Holder]) -> String {
    let mut line = String::new();
    let mut last = "";
    for h in holders {
        let kind = match &h.kind {
            HolderKind::Program | HolderKind::Kernel => "",
            HolderKind::Process => "largest process: ",
            HolderKind::Cgroup => "by cgroup: ",
            HolderKind::User => "by user: ",
            HolderKind::Other(_) => "also: ",
        };
        if !line.is_empty() {
            line.push_str(if kind == last { ", " } else { "; " });
        }
        if line.is_empty() || kind != last {
            line.push_str(kind);
        }
        last = kind;
        line.push_str(&one(h));
    }
    line
}

fn one(h: &Holder) -> String {
    let name = clean(&h.name);
    // Before the name of what has them.
    let (of, times) = match &h.kind {
        HolderKind::Cgroup => ("in", "in"),
        HolderKind::User => ("of", "of"),
        _ => ("of", "×"),
    };
    let zombies = count(h.zombies, "zombie");
    let mut text = match (h.bytes, h.tasks, h.zombies) {
        (Some(n), ..) => format!("{} {of} {name}", bytes(n)),
        (None, 0, 1..) => format!("{zombies} {of} {name}"),
        (None, tasks, 0) => format!("{tasks} {times} {name}"),
        (None, tasks, _) => format!("{tasks} {times} {name} and {zombies}"),
    };
    if let Some(detail) = &h.detail {
        let _ = write!(text, " ({})", clean(detail));
    }
    text
}

/// The name with what it is the name of, for tables of all kinds; not made
/// harmless yet.
pub(super) fn title(h: &Holder) -> String {
    match &h.kind {
        HolderKind::Program | HolderKind::Kernel => h.name.clone(),
        kind => format!("{kind} {}", h.name),
    }
}

/// What a table has beside the name; not made harmless yet.
pub(super) fn remark(h: &Holder) -> Option<String> {
    let size = h.bytes.map(bytes);
    match (size, &h.detail) {
        (Some(size), Some(detail)) => Some(format!("{size}; {detail}")),
        (size, detail) => size.or_else(|| detail.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(kind: &str, name: &str, tasks: u64, zombies: u64, detail: &str) -> Holder {
        Holder {
            kind: kind.into(),
            name: name.to_owned(),
            tasks,
            zombies,
            bytes: None,
            idle: None,
            detail: (!detail.is_empty()).then(|| detail.to_owned()),
        }
    }

    #[test]
    fn lines() {
        assert_eq!(line(&[]), "");
        let all = [
            holder("program", "postgres", 97, 0, "91 idle, 2 active"),
            holder("program", "worker", 5, 12, "zombies of pid 812 nginx"),
            holder("program", "true", 0, 1, "zombies of pid 9 sh"),
            holder("kernel", "kernel threads", 3, 0, ""),
            holder("process", "worker", 4, 0, "pid 99"),
            holder("cgroup", "/a", 90, 12, ""),
            holder("cgroup", "/b", 0, 2, ""),
            holder("user", "www-data", 90, 0, ""),
            holder("thing", "x", 1, 0, ""),
        ];
        assert_eq!(
            line(&all),
            "97 × postgres (91 idle, 2 active), 5 × worker and 12 zombies (zombies of pid 812 \
             nginx), 1 zombie of true (zombies of pid 9 sh), 3 × kernel threads; largest process: \
             4 × worker (pid 99); by cgroup: 90 in /a and 12 zombies, 2 zombies in /b; by user: \
             90 of www-data; also: 1 × x"
        );
    }

    #[test]
    fn memory() {
        let mut one = holder("program", "java", 40, 0, "pid 7");
        one.bytes = Some(3 << 30);
        assert_eq!(line(&[one.clone()]), "3.0 GiB of java (pid 7)");
        assert_eq!(remark(&one).as_deref(), Some("3.0 GiB; pid 7"));
        one.kind = HolderKind::Cgroup;
        assert_eq!(line(&[one.clone()]), "by cgroup: 3.0 GiB in java (pid 7)");
        assert_eq!(title(&one), "cgroup java");
    }

    #[test]
    fn hostile_names_are_harmless() {
        let one = holder(
            "program",
            "a\x1b[31m\nb",
            1,
            0,
            "zombies of pid 1 \u{202e}x",
        );
        let line = line(&[one]);
        assert!(!line.chars().any(crate::model::is_harmful), "{line:?}");
    }
}
