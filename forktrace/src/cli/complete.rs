//! What the shell is offered for values that only this host or the catalogue knows. It is asked
//! while somebody types: what can't be read is left out, and nothing is waited for.

use std::{collections::BTreeSet, ffi::OsStr, fs};

use clap_complete::engine::CompletionCandidate;
use forktrace::{
    cause::{Cause, pages},
    host::{cgroup::Hierarchies, passwd::Passwd, unit_files::UnitFiles},
    record::Errno,
    view::is_harmful,
};

/// More than anybody reads.
const MOST: usize = 500;

/// Causes that a failure can be given.
pub(super) fn judged(typed: &OsStr) -> Vec<CompletionCandidate> {
    let all = Cause::judged().map(|cause| (cause.id().to_owned(), Some(cause.page().summary)));
    offered(typed, all)
}

/// All names that `explain` takes: causes, those of limits, errnos.
pub(super) fn explained(typed: &OsStr) -> Vec<CompletionCandidate> {
    let names = pages().flat_map(|page| {
        let ids = std::iter::once(page.cause.id());
        let all = ids.chain(page.known_as.iter().copied());
        all.map(move |name| (name.to_owned(), Some(page.summary)))
    });
    let answered: BTreeSet<&str> = pages().flat_map(|page| page.errno).copied().collect();
    let errnos = Errno::names().filter(|name| answered.contains(&**name));
    offered(
        typed,
        names.chain(errnos.map(|name| (name.to_owned(), None))),
    )
}

pub(super) fn errnos(typed: &OsStr) -> Vec<CompletionCandidate> {
    let all = std::iter::once("all").chain(Errno::names());
    offered(typed, all.map(|name| (name.to_owned(), None)))
}

pub(super) fn users(typed: &OsStr) -> Vec<CompletionCandidate> {
    let passwd = Passwd::load().unwrap_or_default();
    offered(typed, passwd.names().map(|name| (name.to_owned(), None)))
}

pub(super) fn cgroups(typed: &OsStr) -> Vec<CompletionCandidate> {
    let paths = Hierarchies::discover().unwrap_or_default().paths();
    let paths = paths.iter().filter_map(|path| path.to_str());
    offered(typed, paths.map(|path| (path.to_owned(), None)))
}

pub(super) fn units(typed: &OsStr) -> Vec<CompletionCandidate> {
    let paths = Hierarchies::discover().unwrap_or_default().paths();
    let running = paths
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let names: BTreeSet<String> = running
        .chain(UnitFiles::new("/".into()).files())
        .filter(|name| Hierarchies::is_unit_name(name))
        .collect();
    offered(typed, names.into_iter().map(|name| (name, None)))
}

/// Processes, with their names beside them.
pub(super) fn pids(typed: &OsStr) -> Vec<CompletionCandidate> {
    offered_with(typed, processes().map(|(pid, comm)| (pid, Some(comm))))
}

/// Names of processes.
pub(super) fn comms(typed: &OsStr) -> Vec<CompletionCandidate> {
    let names: BTreeSet<String> = processes().map(|(_, comm)| comm).collect();
    offered(typed, names.into_iter().map(|name| (name, None)))
}

fn processes() -> impl Iterator<Item = (String, String)> {
    let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
    folders.filter_map(|folder| {
        let pid = folder.file_name().into_string().ok()?;
        pid.parse::<u32>().ok()?;
        let comm = fs::read_to_string(folder.path().join("comm")).ok()?;
        Some((pid, comm.trim_end_matches('\n').to_owned()))
    })
}

fn offered(
    typed: &OsStr,
    all: impl Iterator<Item = (String, Option<&'static str>)>,
) -> Vec<CompletionCandidate> {
    offered_with(
        typed,
        all.map(|(name, help)| (name, help.map(str::to_owned))),
    )
}

/// Those that begin as what is typed does. Shells put a name into the line as it is, so what any of
/// them would read as more than a word is left out: processes and cgroups are called as their
/// makers like.
fn offered_with(
    typed: &OsStr,
    all: impl Iterator<Item = (String, Option<String>)>,
) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let harmless = |text: &str| !text.is_empty() && !text.chars().any(is_harmful);
    let is_word = |name: &str| {
        let plain = |c: char| c.is_alphanumeric() || "-_./:@+%".contains(c);
        !name.is_empty() && name.chars().all(plain)
    };
    all.filter(|(name, _)| name.starts_with(&*typed) && is_word(name))
        .take(MOST)
        .map(|(name, help)| {
            let help = help.filter(|help| harmless(help));
            CompletionCandidate::new(name).help(help.map(Into::into))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: fn(&OsStr) -> Vec<CompletionCandidate>, typed: &str) -> Vec<String> {
        let all = of(OsStr::new(typed));
        all.iter()
            .map(|one| one.get_value().to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn what_begins_as_typed() {
        assert_eq!(names(judged, "cgroup_p"), ["cgroup_pids_max"]);
        assert_eq!(names(explained, "Tasks"), ["TasksMax"]);
        assert_eq!(names(errnos, "EAG"), ["EAGAIN"]);
        assert_eq!(names(explained, "EAG"), ["EAGAIN"]);
        assert!(names(explained, "ENOTTY").is_empty());
        assert!(names(judged, "").len() > 25);
        let own = std::process::id().to_string();
        assert!(names(pids, &own).contains(&own));
    }

    #[test]
    fn nothing_hostile_is_offered() {
        let all = [
            "a\nb",
            "a\u{1b}[2J",
            "",
            "a$(reboot)",
            "a b",
            "a;b",
            "a\\x2d",
            "a.b@1-c",
        ];
        let all = all.iter().map(|name| ((*name).to_owned(), None));
        let offered = offered(OsStr::new("a"), all);
        let names: Vec<_> = offered.iter().map(|one| one.get_value()).collect();
        assert_eq!(names, ["a.b@1-c"]);
    }
}
