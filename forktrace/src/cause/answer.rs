//! What is said of a verdict: the only place that makes its sentence and its fixes.

use super::{
    Cause, Context, Subject, Verdict,
    also_full::{self, also_full},
    etc, holder_warnings, knob, unit_limit,
    words::{fix, numbers},
};
use crate::{
    model::{Fix, Limit},
    program::{after, by_id},
};

/// A verdict in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// One sentence.
    pub summary: String,
    /// Ways out, and what to know before taking one.
    pub fix: Vec<Fix>,
}

/// The sentence and the ways out: the cause's own; then what the holders of the limit say against
/// raising it, where the limit comes from, what refuses next, what the program that was refused does then, and
/// whether the host keeps what is written.
pub fn answer(verdict: &Verdict, subject: &Subject<'_>, context: &Context) -> Answer {
    let entry = verdict.cause.entry();
    let mut fixes = (entry.fix)(verdict, subject, context);
    fixes.extend(context.growth.as_ref().and_then(holder_warnings::growing));
    fixes.extend(holder_warnings::warnings(&context.holders));
    let limit = verdict.limit.as_ref();
    let since = limit.and_then(|limit| knob::target::since(limit, context));
    fixes.extend(since.map(|since| fix(None, None, since)));
    let part = verdict
        .limit
        .as_ref()
        .and_then(|limit| knob::cgroup::part_of_container(limit, &verdict.candidates));
    fixes.extend(part.map(|part| fix(None, None, part)));
    fixes.extend(set_by_unit(verdict.limit.as_ref(), context));
    then(verdict, subject, context, &mut fixes);
    if !fixes.is_empty() {
        fixes.extend(near(verdict));
    }
    fixes.extend(next(verdict, subject).map(|note| fix(None, None, note)));
    let etc = etc::note(&fixes, context.etc);
    fixes.extend(etc.map(|note| fix(None, None, note)));
    Answer {
        summary: (entry.summary)(verdict, subject),
        fix: fixes,
    }
}

/// What refuses soon after.
fn near(verdict: &Verdict) -> Option<Fix> {
    let (limit, left) = also_full::next_near(verdict)?;
    let more = match left {
        1 => "1 more gets".to_owned(),
        left => format!("{left} more get"),
    };
    let note = format!(
        "with that raised, {more} through: then {} refuses ({})",
        limit.title(),
        numbers(limit)
    );
    Some(fix(None, None, note))
}

/// What the program does next, where it is known: raising the limit may not be enough for it.
fn next(verdict: &Verdict, subject: &Subject<'_>) -> Option<String> {
    // Without a limit there is none to raise, and who is being killed does nothing more.
    if verdict.limit.is_none() || verdict.cause.entry().caller_killed {
        return None;
    }
    let program = by_id(subject.caller.catalogued.as_deref()?)?;
    after::note(program, subject.operation, subject.errno)
}

fn set_by_unit(limit: Option<&Limit>, context: &Context) -> Option<Fix> {
    let (unit_limit, limit) = (context.unit_limit.as_ref()?, limit?);
    let note = unit_limit::note(unit_limit, limit.value?, limit.unit);
    Some(fix(None, None, note))
}

/// What to do about the limits that were full as well, one after the other.
fn then(verdict: &Verdict, subject: &Subject<'_>, context: &Context, fixes: &mut Vec<Fix>) {
    let mut contexts = context.also_full.iter();
    for limit in also_full(verdict) {
        let next = Verdict {
            cause: Cause::of_limit(&limit.kind),
            certainty: verdict.certainty,
            limit: Some(limit.clone()),
            candidates: Vec::new(),
        };
        let unread = Context::default();
        let context = contexts.next().unwrap_or(&unread);
        let mut steps = (next.cause.entry().fix)(&next, subject, context);
        let since = knob::target::since(limit, context);
        steps.extend(since.map(|since| fix(None, None, since)));
        steps.extend(set_by_unit(next.limit.as_ref(), context));
        for step in &mut steps {
            let told = |note: &String| fixes.iter().any(|fix| fix.note.as_ref() == Some(note));
            step.note = step.note.take().filter(|note| !told(note));
            // Each has to be raised now; where both are set is one place.
            let lasts = |way: &String| fixes.iter().any(|fix| fix.persistent.as_ref() == Some(way));
            step.persistent = step.persistent.take().filter(|way| !lasts(way));
        }
        let is_told = |step: &Fix| step.now.is_some() && fixes.iter().any(|f| f.now == step.now);
        // One knob can be that of two.
        if steps.iter().any(is_told) {
            continue;
        }
        let first = format!(
            "then {}, which is full too ({}):",
            limit.title(),
            numbers(limit)
        );
        fixes.push(fix(None, None, first));
        fixes.extend(steps.into_iter().filter(says_something));
    }
}

fn says_something(fix: &Fix) -> bool {
    fix.now.is_some() || fix.persistent.is_some() || fix.note.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::etc::{Etc, System};
    use crate::model::{
        Caller, Certainty, Cgroup, Errno, Limit, LimitKind, Operation, Owner, Unit,
        caller::tests::caller,
    };

    fn notes(program: Option<&str>, limit: Option<Limit>, errno: Errno) -> Vec<String> {
        notes_by(&Context::default(), program, limit, errno)
    }

    fn notes_by(
        context: &Context,
        program: Option<&str>,
        limit: Option<Limit>,
        errno: Errno,
    ) -> Vec<String> {
        let caller = Caller {
            catalogued: program.map(str::to_owned),
            ..caller()
        };
        let subject = Subject {
            caller: &caller,
            cgroup: &Cgroup::default(),
            operation: Operation::Process,
            errno,
            target: None,
        };
        let verdict = Verdict {
            cause: super::super::Cause::from_id("threads_max").unwrap(),
            certainty: Certainty::Observed,
            limit,
            candidates: Vec::new(),
        };
        let answer = answer(&verdict, &subject, context);
        answer.fix.into_iter().filter_map(|fix| fix.note).collect()
    }

    #[test]
    fn that_nothing_lasts_is_the_last_note() {
        let limit = Limit {
            value: Some(10),
            usage: Some(10),
            ..Limit::new(LimitKind::ThreadsMax, Owner::Host, Unit::Tasks)
        };
        let of = |etc, limit| {
            let context = Context {
                etc,
                ..Context::default()
            };
            notes_by(&context, Some("nginx"), limit, Errno::EAGAIN)
        };
        let memory = Etc::InMemory(System::Talos);
        let notes = of(memory, Some(limit.clone()));
        let last = notes.last().unwrap();
        assert!(
            last.starts_with("this host's /etc is in memory")
                && last.ends_with("(machine.sysctls)"),
            "{notes:?}"
        );
        assert_eq!(of(Etc::Lasts, Some(limit)), notes[..notes.len() - 1]);
    }

    #[test]
    fn what_a_known_program_does_next_is_a_note() {
        let limit = || Limit {
            value: Some(10),
            usage: Some(10),
            ..Limit::new(LimitKind::ThreadsMax, Owner::Host, Unit::Tasks)
        };
        let of = |program, limit, errno| {
            let notes = notes(program, limit, errno);
            notes
                .into_iter()
                .find(|note| note.starts_with("nginx, refused "))
        };
        let note = of(Some("nginx"), Some(limit()), Errno::EAGAIN).unwrap();
        assert!(note.contains("it has to be reloaded"), "{note}");
        assert_eq!(of(None, Some(limit()), Errno::EAGAIN), None);
        assert_eq!(
            of(Some("of a newer version"), Some(limit()), Errno::EAGAIN),
            None
        );
        // There is nothing to raise, and no limit said no.
        assert_eq!(of(Some("nginx"), None, Errno::EAGAIN), None);
        assert_eq!(of(Some("nginx"), Some(limit()), Errno::EPERM), None);
    }

    /// crun's folder below the container's scope: the runtime sets one limit for both.
    #[test]
    fn what_lasts_for_two_limits_is_told_once() {
        let id = "0123456789abcdef".repeat(4);
        let scope = format!("/kubepods/podx/crio-{id}.scope");
        let limit = |path: &str| Limit {
            value: Some(10),
            usage: Some(10),
            requested: Some(1),
            file: Some(format!("/sys/fs/cgroup{path}/pids.max")),
            ..Limit::new(LimitKind::PidsMax, Owner::cgroup(path), Unit::Tasks)
        };
        let verdict = Verdict {
            cause: Cause::CgroupPidsMax,
            certainty: Certainty::Observed,
            limit: Some(limit(&format!("{scope}/container"))),
            candidates: vec![limit(&scope)],
        };
        let caller = caller();
        let subject = Subject {
            caller: &caller,
            cgroup: &Cgroup::default(),
            operation: Operation::Thread,
            errno: Errno::EAGAIN,
            target: None,
        };
        let answer = answer(&verdict, &subject, &Context::default());
        let fixes = || answer.fix.iter();
        assert_eq!(fixes().filter(|fix| fix.now.is_some()).count(), 2);
        let mut lasting = fixes().filter_map(|fix| fix.persistent.as_ref());
        assert!(lasting.next().unwrap().contains("crio.conf"));
        assert_eq!(lasting.next(), None);
    }
}
