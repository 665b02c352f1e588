//! From what a person has seen to the pages about it: a cause's id, the name of a limit wherever it
//! is set or shown, an errno, or a message.

use super::{Cause, Page, pages};
use crate::{
    model::{Errno, Operation, in_words},
    order::Order as _,
    program::likely,
};

/// What there is about a text.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// The text leads to one page.
    One(&'static Page),
    /// In the order of the kernel's checks.
    Several(Vec<&'static Page>),
    /// Nothing; near it are these names, the nearest first.
    Nothing(Vec<Near>),
}

/// A name that was perhaps meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Near {
    /// A cause's id, or one of the names that its page is known as.
    pub name: &'static str,
    /// What it leads to.
    pub cause: Cause,
}

/// Names like this are worth a question, as clap asks for commands and options.
const SIMILAR: f64 = 0.8;
/// Names asked about.
const MOST: usize = 3;
/// Of a message, so many bytes at least: shorter ones stand in others by chance.
const MESSAGE: usize = 10;

/// What programs say when a thread or process was refused, and hide the errno.
const WITHOUT_ERRNO: [&str; 5] = [
    "unable to create native thread",
    "can't start new thread",
    "failed to create new os thread",
    "pthread_create",
    "could not fork",
];

/// Finds the pages about it, or those about what is within it.
pub fn lookup(text: &str) -> Lookup {
    let text = text.trim();
    if let Some(found) = named(text) {
        return found;
    }
    let said = spoken(text);
    let within = |message: &str| message.len() >= MESSAGE && said.contains(&spoken(message));
    if let Some(found) = found(pages().filter(|page| names(page).any(within))) {
        return found;
    }
    // spawn EAGAIN
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let mut errnos = words.filter(|word| word.starts_with('E')).filter_map(errno);
    match errnos.next() {
        Some(errno) => of_errnos(&[errno], text),
        None => of_words(text, within),
    }
}

/// Finds the pages about what this names as a whole: a cause, a limit, an errno or an errno's text.
pub fn named(text: &str) -> Option<Lookup> {
    let text = text.trim();
    if let Some(cause) = Cause::from_id(&text.to_ascii_lowercase()) {
        return Some(Lookup::One(cause.page()));
    }
    let words = [spoken(text), spoken(name_in(text))];
    let is_called = |page: &&'static Page| names(page).any(|name| words.contains(&spoken(name)));
    if let Some(found) = found(pages().filter(is_called)) {
        return Some(found);
    }
    if let Some(errno) = errno(text) {
        return Some(of_errnos(&[errno], text));
    }
    match of_words(text, |message| words[0] == spoken(message)) {
        Lookup::Nothing(_) => None,
        found => Some(found),
    }
}

/// By what programs say: an errno's text, or what hides it. What isn't permitted is of much else, where nothing says
/// that a process or thread was.
fn of_words(text: &str, is_said: impl Fn(&str) -> bool) -> Lookup {
    let is_told = |errno: &Errno| is_said(&in_words(errno.number()));
    let told = [Errno::EAGAIN, Errno::ENOMEM].into_iter().filter(is_told);
    let told: Vec<Errno> = told.collect();
    if !told.is_empty() {
        return of_errnos(&told, text);
    }
    if let Some(message) = WITHOUT_ERRNO.iter().find(|message| is_said(message)) {
        return match (is_told(&Errno::EPERM), message.contains("thread")) {
            (true, true) => {
                let causes = likely(&[Errno::EPERM], Operation::Thread);
                Lookup::Several(causes.into_iter().map(Cause::page).collect())
            }
            (true, false) => of_errnos(&[Errno::EPERM], text),
            (false, _) => of_errnos(&[Errno::EAGAIN, Errno::ENOMEM], text),
        };
    }
    Lookup::Nothing(near(text))
}

fn found(pages: impl Iterator<Item = &'static Page>) -> Option<Lookup> {
    let pages: Vec<_> = pages.collect();
    match pages[..] {
        [] => None,
        [page] => Some(Lookup::One(page)),
        _ => Some(Lookup::Several(pages)),
    }
}

/// By name or by number.
fn errno(text: &str) -> Option<Errno> {
    let number = text.parse().ok().and_then(Errno::from_number);
    number.or_else(|| text.parse().ok())
}

/// Those that answer with one of these, and those that can answer with any.
fn of_errnos(errnos: &[Errno], text: &str) -> Lookup {
    let own = |page: &&Page| {
        let mut names = page.errno.iter();
        !page.cause.is_unknown() && names.any(|n| errnos.iter().any(|errno| errno.name() == *n))
    };
    let any = |page: &&Page| page.errno.contains(&"any");
    let with: Vec<_> = pages().filter(own).collect();
    match with.is_empty() {
        true => Lookup::Nothing(near(text)),
        false => Lookup::Several(with.into_iter().chain(pages().filter(any)).collect()),
    }
}

/// The id and all names that lead to a page.
fn names(page: &'static Page) -> impl Iterator<Item = &'static str> {
    std::iter::once(page.cause.id()).chain(page.known_as.iter().copied())
}

/// Of `pids.max of /a`, `/sys/fs/cgroup/a/pids.max` and `TasksMax=100` what names the limit.
fn name_in(text: &str) -> &str {
    let text = text.split_once(" of ").map_or(text, |(name, _)| name);
    let text = text.split('=').next().unwrap_or(text);
    match text.starts_with('/') {
        true => text.rsplit('/').next().unwrap_or(text),
        false => text,
    }
}

/// Small letters and digits, one space for all that is between: `threads-max` is `threads_max`.
fn spoken(text: &str) -> String {
    let small = text.to_lowercase();
    let words = small.split(|c: char| !c.is_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// The nearest names, one of each cause.
fn near(text: &str) -> Vec<Near> {
    let asked = spoken(name_in(text));
    if asked.is_empty() {
        return Vec::new();
    }
    let mut all: Vec<(f64, Near)> = Vec::new();
    for page in pages() {
        let rated = names(page).map(|name| (likeness(&asked, &spoken(name)), name));
        let best = rated.max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((rate, name)) = best.filter(|(rate, _)| *rate > SIMILAR) {
            let cause = page.cause;
            all.push((rate, Near { name, cause }));
        }
    }
    all.order_by(|a, b| b.0.total_cmp(&a.0));
    let best = all.first().map_or(0.0, |(rate, _)| *rate);
    all.retain(|(rate, _)| *rate > best - 0.1);
    all.into_iter().take(MOST).map(|(_, near)| near).collect()
}

/// Words that are there as they are count more than letters that come in the same order: `pids` is
/// nearer to `pids.max` than to `pid_max`.
fn likeness(asked: &str, name: &str) -> f64 {
    let letters = strsim::jaro_winkler(asked, name);
    match name.split(' ').any(|word| word == asked) {
        // Of several such names the shortest.
        true => 0.95 + letters / 20.0,
        false => letters,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> &'static str {
        match lookup(text) {
            Lookup::One(page) => page.cause.id(),
            other => panic!("{text}: {other:?}"),
        }
    }

    fn several(text: &str) -> Vec<&'static str> {
        match lookup(text) {
            Lookup::Several(pages) => pages.iter().map(|page| page.cause.id()).collect(),
            other => panic!("{text}: {other:?}"),
        }
    }

    fn near_to(text: &str) -> Vec<&'static str> {
        match lookup(text) {
            Lookup::Nothing(near) => near.iter().map(|near| near.name).collect(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn an_errno_within_a_message() {
        assert_eq!(several("Error: spawn EAGAIN"), several("EAGAIN"));
    }

    #[test]
    fn every_name_leads_to_its_page() {
        for page in pages() {
            for name in names(page) {
                match lookup(name) {
                    Lookup::One(found) => assert_eq!(found.cause, page.cause, "{name}"),
                    Lookup::Several(found) => {
                        assert!(found.iter().any(|f| f.cause == page.cause), "{name}");
                    }
                    Lookup::Nothing(_) => panic!("{name}"),
                }
            }
        }
    }

    #[test]
    fn every_limit_leads_to_what_it_refuses_for() {
        for kind in crate::model::LimitKind::ALL {
            assert_eq!(one(kind.name()), Cause::of_limit(kind).id(), "{kind}");
        }
    }

    #[test]
    fn limits_by_the_names_that_people_see() {
        for (text, id) in [
            ("pids.max", "cgroup_pids_max"),
            ("TasksMax", "cgroup_pids_max"),
            ("tasksmax=512", "cgroup_pids_max"),
            ("/sys/fs/cgroup/a/pids.max", "cgroup_pids_max"),
            ("pids.max of /system.slice", "cgroup_pids_max"),
            ("podPidsLimit", "cgroup_pids_max"),
            ("ulimit -u", "rlimit_nproc"),
            ("RLIMIT_NPROC", "rlimit_nproc"),
            ("LimitNPROC=", "rlimit_nproc"),
            ("ulimit -v", "rlimit_as"),
            ("ulimit -n", "rlimit_nofile"),
            ("threads-max", "threads_max"),
            ("kernel.pid_max", "pid_max"),
            ("pid_max", "pid_max"),
            ("/proc/sys/kernel/threads-max", "threads_max"),
            ("memory.max", "cgroup_memory_max"),
            ("memory.limit_in_bytes", "cgroup_memory_max"),
            ("vm.overcommit_memory", "overcommit"),
            ("user.max_user_namespaces", "max_namespaces"),
        ] {
            assert_eq!(one(text), id, "{text}");
        }
    }

    #[test]
    fn errnos_and_messages_lead_to_all_causes_that_answer_so() {
        let eagain = several("EAGAIN");
        for id in ["cgroup_pids_max", "rlimit_nproc", "threads_max", "pid_max"] {
            assert!(eagain.contains(&id), "{eagain:?}");
        }
        assert!(!eagain.contains(&"overcommit") && !eagain.contains(&"unknown"));
        assert_eq!(several("11"), eagain);
        assert_eq!(
            several("bash: fork: retry: Resource temporarily unavailable"),
            eagain
        );
        let enomem = several("fork: Cannot allocate memory");
        assert!(enomem.contains(&"overcommit"), "{enomem:?}");
        let both = several("java.lang.OutOfMemoryError: unable to create native thread");
        assert!(both.contains(&"overcommit") && both.contains(&"rlimit_nproc"));
        assert_eq!(
            one("cgroup: fork rejected by pids controller in /x"),
            "cgroup_pids_max"
        );
    }

    /// A seccomp filter's answer to a thread; alone, the text is of files and much else.
    #[test]
    fn what_is_not_permitted_is_a_threads_where_that_is_said() {
        let thread = several("pthread_create returned Operation not permitted");
        assert_eq!(thread, ["seccomp", "lsm"]);
        let process = several("could not fork: Operation not permitted");
        assert!(process.contains(&"seccomp") && !process.contains(&"rlimit_nproc"));
        assert!(near_to("open: Operation not permitted").is_empty());
    }

    /// A line of a log is more than what it has of them.
    #[test]
    fn what_names_something_as_a_whole() {
        for text in [
            "pid_max",
            "EAGAIN",
            "TasksMax=100",
            "Cannot allocate memory",
            "can't start new thread",
        ] {
            assert!(named(text).is_some(), "{text}");
        }
        for text in [
            "bash: fork: Cannot allocate memory",
            "fork: EAGAIN",
            "zzzz",
            "ENOENT is it",
            "",
        ] {
            assert!(named(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_nothing_is_asked_back() {
        assert_eq!(near_to("pids")[0], "pids.max");
        assert_eq!(near_to("TaskMax")[0], "TasksMax");
        assert_eq!(near_to("cgroup_pid_max")[0], "cgroup_pids_max");
        for text in ["", "zzzz", "/", "  ", "4097", "ENOENT"] {
            assert!(near_to(text).is_empty(), "{text}: {:?}", near_to(text));
        }
    }
}
