//! Others' processes that count with the refused user's, by where the holders are.

use super::origin::{Container, container};
use crate::{
    cause::{Subject, knob::cgroup::short},
    host::setter,
    model::{Holder, HolderKind},
};

/// Another container's, and of a container's users those of the host's. `created`: tasks in user namespaces that the user has created count too,
/// whatever their uids (5.14+, kernel/ucount.c `inc_rlimit_ucounts`).
pub(crate) fn shared(subject: &Subject<'_>, holders: &[Holder], created: bool) -> Option<String> {
    let home = |path: &str| container(&setter::of(path));
    let own = home(subject.cgroup.path.as_deref().unwrap_or_default());
    let mut others: Vec<(Option<Container>, u64)> = Vec::new();
    for holder in holders.iter().filter(|h| h.kind == HolderKind::Cgroup) {
        let home = home(&holder.name);
        if home == own {
            continue;
        }
        match others.iter_mut().find(|(other, _)| *other == home) {
            Some((_, tasks)) => *tasks += holder.tasks,
            None => others.push((home, holder.tasks)),
        }
    }
    let (other, tasks) = others.into_iter().max_by_key(|(_, tasks)| *tasks)?;
    let uid = subject.caller.uid;
    let outside = own.as_ref().is_none_or(|own| own.user != Some(uid));
    Some(match other {
        Some(Container { name, user, .. }) if created && outside && user == Some(uid) => {
            format!(
                "{tasks} of the tasks counted are those of container {}, which uid {uid} runs itself: all that is \
                 in a user namespace counts for who has created it as well, whatever its uid there; bound the \
                 container by its own pids limit instead (--pids-limit)",
                short(&name)
            )
        }
        Some(Container { name, .. }) => format!(
            "{tasks} of the tasks counted are container {}'s, whose processes have the same uid: \
             give one of them a uid (or id range) of its own, or bound the unit by TasksMax= instead",
            short(&name)
        ),
        None => format!(
            "{tasks} of the tasks counted are of the host, outside of container {}, and have the same \
             uid: give the container a uid (or id range) that no user of the host has, or bound it by \
             its own pids limit instead",
            short(&own?.name)
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cgroup, Errno, Operation, caller::tests::caller};

    const SERVICE: &str = "/system.slice/x.service";
    const SESSION: &str = "/user.slice/user-112.slice/session-1.scope";
    const DOCKER: &str = "/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// Of a caller in the cgroup `own`, and so many tasks in each of these.
    fn told(own: &str, held: &[(&str, u64)], created: bool) -> Option<String> {
        let (caller, cgroup) = (caller(), in_cgroup(own));
        let subject = Subject {
            caller: &caller,
            cgroup: &cgroup,
            operation: Operation::Process,
            errno: Errno::EAGAIN,
            target: None,
        };
        let holder = |(path, tasks): &(&str, u64)| Holder {
            kind: HolderKind::Cgroup,
            name: (*path).to_owned(),
            tasks: *tasks,
            zombies: 0,
            bytes: None,
            idle: None,
            detail: None,
        };
        let holders: Vec<Holder> = held.iter().map(holder).collect();
        shared(&subject, &holders, created)
    }

    fn in_cgroup(path: &str) -> Cgroup {
        Cgroup {
            path: Some(path.to_owned()),
            ..Cgroup::default()
        }
    }

    #[test]
    fn a_uid_shared_with_a_container() {
        let shared = |path| told(SERVICE, &[(SERVICE, 59), (path, 59)], true);
        assert!(
            shared("/lxc.payload.c1/x")
                .unwrap()
                .starts_with("59 of the tasks counted are container c1's")
        );
        assert_eq!(shared("/system.slice/y.service"), None);
    }

    /// Podman's, as a user runs it: what is in it may have any of the user's ids, and counts for the user.
    #[test]
    fn a_container_that_the_user_runs_counts_for_the_user() {
        let uid = caller().uid;
        let of_user = |uid: u32, id: char| {
            format!(
                "/user.slice/user-{uid}.slice/user@{uid}.service/user.slice/libpod-{}.scope/container",
                id.to_string().repeat(64)
            )
        };
        let told = |own: &str, path: &str, created| told(own, &[(path, 59)], created).unwrap();
        let (own, others) = (of_user(uid, 'a'), of_user(uid + 1, 'a'));
        let by_creator = format!(
            "59 of the tasks counted are those of container aaaaaaaaaaaa, which uid {uid} runs itself:"
        );
        assert!(told(SESSION, &own, true).starts_with(&by_creator));
        assert!(told(DOCKER, &own, true).starts_with(&by_creator));
        // Up to 5.13 the uid alone counts; so it does among containers in one user namespace.
        let another = of_user(uid, 'b');
        for same_uid in [
            told(SESSION, &own, false),
            told(SESSION, &others, true),
            told(&another, &own, true),
        ] {
            assert!(same_uid.contains("have the same uid"), "{same_uid}");
        }
    }

    /// The other way round: a container's process, and the host's own user of its uid.
    #[test]
    fn a_uid_shared_with_the_host() {
        let app = "/user.slice/user-7.slice/user@7.service/app.slice/x.scope";
        let held = [(DOCKER, 9), (SESSION, 30), (app, 40)];
        let shared = told(DOCKER, &held, true).unwrap();
        assert!(
            shared.starts_with(
                "70 of the tasks counted are of the host, outside of container 0123456789ab, and"
            ),
            "{shared}"
        );
        assert_eq!(told(DOCKER, &held[..1], true), None);
    }
}
