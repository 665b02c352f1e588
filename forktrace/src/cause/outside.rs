//! Where a cgroup's limit sits out of somebody's sight: of the container that was refused, or of
//! forktrace.

use super::{Context, Subject, Visibility, words::fix};
use crate::{
    host::identity,
    model::{Cgroup, Fix, Limit, Owner},
};

/// The way out of a cgroup's limit, done where its owner is, and what to know of where that is.
pub(super) fn fixes(limit: &Limit, subject: &Subject<'_>, context: &Context, own: Fix) -> Vec<Fix> {
    let out_of_sight = out_of_sight(&context.visibility);
    let persistent = match (own.persistent, &out_of_sight) {
        (Some(persistent), Some(_)) => Some(format!("on the host: {persistent}")),
        (persistent, _) => persistent,
    };
    let above = above_container(&limit.owner, subject.cgroup);
    let notes = out_of_sight.into_iter().chain(above);
    [Fix { persistent, ..own }]
        .into_iter()
        .chain(notes.map(|note| fix(None, None, note)))
        .collect()
}

/// Of a cgroup that forktrace's own cgroup namespace shows otherwise, or not at all.
fn out_of_sight(visibility: &Visibility) -> Option<String> {
    match visibility {
        Visibility::Whole => None,
        Visibility::Folder(folder) => Some(format!(
            "forktrace is in a cgroup namespace of its own: the path is the host's, where the \
             limit has its owner; here the cgroup is {}",
            folder.display()
        )),
        Visibility::None => Some(
            "forktrace is in a cgroup namespace of its own, which hasn't got this cgroup: the \
             path is the host's, and the limit can be seen and changed there only"
                .to_owned(),
        ),
    }
}

/// Of a limit that a cgroup above the caller's container has.
fn above_container(owner: &Owner, caller: &Cgroup) -> Option<String> {
    let limited = owner.cgroup_path()?;
    let (container, path) = (caller.container.as_ref()?, caller.path.as_deref()?);
    let below = path.strip_prefix(limited)?;
    let is_above = below.starts_with('/') && identity::identify(limited).container.is_none();
    let short: String = container.chars().take(12).collect();
    is_above.then(|| {
        format!(
            "the limit is above container {short}: inside, /sys/fs/cgroup shows the container's own, \
             which is another"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cause::{Cause, Verdict, answer},
        model::{Certainty, Errno, LimitKind, Operation, Unit, caller::tests::caller},
    };

    /// The first fix's lasting way, and the notes after it.
    fn answered(
        kind: LimitKind,
        owner: &str,
        cgroup: &Cgroup,
        context: &Context,
    ) -> (String, Vec<String>) {
        let limit = Limit {
            value: Some(1),
            usage: Some(1),
            requested: Some(1),
            ..Limit::new(kind, owner.into(), Unit::Tasks)
        };
        let verdict = Verdict {
            cause: Cause::of_limit(&limit.kind),
            certainty: Certainty::Observed,
            limit: Some(limit),
            candidates: Vec::new(),
        };
        let subject = Subject {
            caller: &caller(),
            cgroup,
            operation: Operation::Process,
            errno: Errno::EAGAIN,
            target: None,
        };
        let mut fixes = answer(&verdict, &subject, context).fix;
        let first = fixes.remove(0);
        let notes = fixes.into_iter().filter_map(|fix| fix.note);
        (first.persistent.unwrap_or_default(), notes.collect())
    }

    fn seen(visibility: Visibility) -> Context {
        Context {
            visibility,
            ..Context::default()
        }
    }

    #[test]
    fn on_the_host_there_is_nothing_to_add() {
        for (kind, owner) in [
            (LimitKind::PidsMax, "/a.service"),
            (LimitKind::MemoryMax, "/a.service"),
            (LimitKind::PidMax, "host"),
        ] {
            let caller = Cgroup::default();
            let (lasting, notes) = answered(kind, owner, &caller, &Context::default());
            assert!(!lasting.contains("on the host") && notes.is_empty());
        }
    }

    #[test]
    fn in_a_cgroup_namespace_it_is_done_on_the_host() {
        let caller = Cgroup::default();
        let of =
            |visibility| answered(LimitKind::PidsMax, "/x.service", &caller, &seen(visibility));
        let (lasting, notes) = of(Visibility::None);
        assert_eq!(
            lasting,
            "on the host: systemctl set-property x.service TasksMax=10"
        );
        assert!(notes[0].contains("changed there only"), "{notes:?}");
        let (lasting, notes) = of(Visibility::Folder("/sys/fs/cgroup/b".into()));
        assert!(lasting.starts_with("on the host: "));
        assert!(
            notes[0].ends_with("here the cgroup is /sys/fs/cgroup/b"),
            "{notes:?}"
        );
        let kinds = [LimitKind::MemoryMax, LimitKind::KernelMemoryLimit];
        for kind in kinds {
            let (lasting, notes) = answered(kind, "/x.service", &caller, &seen(Visibility::None));
            assert!(lasting.starts_with("on the host: ") && notes.len() == 1);
        }
    }

    #[test]
    fn a_container_does_not_see_what_is_above_it() {
        let id = "0123456789abcdef".repeat(4);
        let caller = Cgroup {
            path: Some(format!("/system.slice/docker-{id}.scope/init")),
            container: Some(id.clone()),
            ..Cgroup::default()
        };
        let notes =
            |owner: &str| answered(LimitKind::PidsMax, owner, &caller, &Context::default()).1;
        assert!(
            notes("/system.slice")[0].starts_with("the limit is above container 0123456789ab:")
        );
        assert!(notes(&format!("/system.slice/docker-{id}.scope")).is_empty());
        assert!(notes("/system").is_empty() && notes("/other").is_empty());
    }

    #[test]
    fn pid_max_of_another_pid_namespace() {
        let notes = |owner: &str, in_pid_namespace| {
            let context = Context {
                in_pid_namespace,
                ..Context::default()
            };
            answered(LimitKind::PidMax, owner, &Cgroup::default(), &context).1
        };
        assert!(notes("host", true)[0].contains("changed on the host"));
        assert!(notes("host", false).is_empty() && notes("pid namespace 7", true).is_empty());
    }
}
