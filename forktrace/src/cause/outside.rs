//! Where a limit sits out of somebody's sight: of the container that was refused, or of forktrace.

use std::path::PathBuf;

use super::{Cause, Verdict, words::fix};
use crate::{
    host::identity,
    model::{Cgroup, Fix, Owner},
};

/// What this forktrace sees of the limit's cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It is in the initial cgroup namespace: all of it, by the same path.
    Whole,
    /// It is in another, which has the cgroup as this folder.
    Folder(PathBuf),
    /// It is in another, which hasn't got the cgroup: it lies above, or beside.
    None,
}

/// Completes the ways out of a verdict: `caller` is where the refused lives, `initial_pid_namespace`
/// whether forktrace is in the host's.
pub fn complete(
    fixes: &mut Vec<Fix>,
    verdict: &Verdict,
    caller: &Cgroup,
    sight: &Sight,
    initial_pid_namespace: bool,
) {
    let Some(limit) = &verdict.limit else {
        return;
    };
    match verdict.cause {
        Cause::CgroupPidsMax | Cause::CgroupMemoryMax | Cause::CgroupKernelMemoryMax => {
            let note = match sight {
                Sight::Whole => None,
                Sight::Folder(folder) => Some(format!(
                    "forktrace is in a cgroup namespace of its own: the path is the host's, where the \
                     limit has its owner; here the cgroup is {}",
                    folder.display()
                )),
                Sight::None => Some(
                    "forktrace is in a cgroup namespace of its own, which hasn't got this cgroup: the \
                     path is the host's, and the limit can be seen and changed there only"
                        .to_owned(),
                ),
            };
            if note.is_some() {
                for persistent in fixes.iter_mut().filter_map(|fix| fix.persistent.as_mut()) {
                    persistent.insert_str(0, "on the host: ");
                }
            }
            let above = above_container(&limit.owner, caller);
            let notes = note.into_iter().chain(above);
            fixes.extend(notes.map(|note| fix(None, None, note)));
        }
        Cause::PidMax if limit.owner == Owner::Host && !initial_pid_namespace => {
            fixes.push(fix(
                None,
                None,
                "forktrace is in a pid namespace of its own: since Linux 6.14 kernel.pid_max reads \
                 and sets this namespace's here; the host's is changed on the host"
                    .to_owned(),
            ));
        }
        _ => {}
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
    use crate::model::{Certainty, Limit, LimitKind, Unit};

    fn verdict(cause: Cause, owner: &str) -> Verdict {
        Verdict {
            cause,
            certainty: Certainty::Observed,
            limit: Some(Limit {
                value: Some(1),
                usage: Some(1),
                requested: Some(1),
                ..Limit::new(LimitKind::PidsMax, Owner::from(owner), Unit::Tasks)
            }),
            candidates: Vec::new(),
        }
    }

    /// The first fix's lasting way, and the notes after it.
    fn told(
        verdict: &Verdict,
        caller: &Cgroup,
        sight: &Sight,
        initial: bool,
    ) -> (String, Vec<String>) {
        let lasting = "systemctl set-property x.service TasksMax=2".to_owned();
        let mut fixes = vec![fix(None, lasting, None)];
        complete(&mut fixes, verdict, caller, sight, initial);
        let first = fixes.remove(0);
        let notes = fixes.into_iter().filter_map(|fix| fix.note);
        (first.persistent.unwrap(), notes.collect())
    }

    #[test]
    fn on_the_host_there_is_nothing_to_add() {
        let of = |cause, scope| {
            let verdict = verdict(cause, scope);
            told(&verdict, &Cgroup::default(), &Sight::Whole, true)
        };
        for (cause, scope) in [(Cause::CgroupPidsMax, "/a"), (Cause::PidMax, "host")] {
            let (lasting, notes) = of(cause, scope);
            assert!(lasting.starts_with("systemctl") && notes.is_empty());
        }
    }

    #[test]
    fn in_a_cgroup_namespace_it_is_done_on_the_host() {
        let verdict = verdict(Cause::CgroupPidsMax, "/a");
        let caller = Cgroup::default();
        let (lasting, notes) = told(&verdict, &caller, &Sight::None, true);
        assert_eq!(
            lasting,
            "on the host: systemctl set-property x.service TasksMax=2"
        );
        assert!(notes[0].contains("changed there only"), "{notes:?}");
        let seen = Sight::Folder("/sys/fs/cgroup/b".into());
        let (lasting, notes) = told(&verdict, &caller, &seen, true);
        assert!(lasting.starts_with("on the host: "));
        assert!(
            notes[0].ends_with("here the cgroup is /sys/fs/cgroup/b"),
            "{notes:?}"
        );
    }

    #[test]
    fn a_container_does_not_see_what_is_above_it() {
        let id = "0123456789abcdef".repeat(4);
        let caller = Cgroup {
            path: Some(format!("/system.slice/docker-{id}.scope/init")),
            container: Some(id.clone()),
            ..Cgroup::default()
        };
        let notes = |scope: &str| {
            let verdict = verdict(Cause::CgroupPidsMax, scope);
            told(&verdict, &caller, &Sight::Whole, true).1
        };
        assert!(
            notes("/system.slice")[0].starts_with("the limit is above container 0123456789ab:")
        );
        assert!(notes(&format!("/system.slice/docker-{id}.scope")).is_empty());
        assert!(notes("/system").is_empty() && notes("/other").is_empty());
    }

    #[test]
    fn pid_max_of_another_pid_namespace() {
        let notes = |scope: &str, initial| {
            let verdict = verdict(Cause::PidMax, scope);
            told(&verdict, &Cgroup::default(), &Sight::Whole, initial).1
        };
        assert!(notes("host", false)[0].contains("changed on the host"));
        assert!(notes("host", true).is_empty() && notes("pid namespace 7", false).is_empty());
    }
}
