//! The cgroup that CLONE_INTO_CGROUP names doesn't take the child: EBUSY,
//! EACCES, EBADF, EOPNOTSUPP, ENODEV, ENOENT.
//!
//! kernel/cgroup/cgroup.c `cgroup_css_set_fork`, the first part of
//! `cgroup_can_fork`. Its pids.max refuses with EAGAIN, which is another cause.

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        page::{Page, check, remedy, step},
        words::fix,
    },
    evidence::{Evidence, Stage},
    model::{Errno, Fix},
};

pub(super) const ENTRY: Entry = Entry {
    seen: |e| match e.stage {
        Stage::Cgroups if refused(e) => Finding::observed(None),
        _ => None,
    },
    // EACCES can be a security module's, too.
    exhausted: |e| {
        if refused(e) && e.errno != Errno::EACCES {
            Finding::inferred(None)
        } else {
            None
        }
    },
    fix: fixes,
    summary,
    ..Entry::of_creations(&PAGE)
};

fn refused(e: &Evidence) -> bool {
    e.into_cgroup && why(e.errno, false).is_some()
}

/// What each errno of `cgroup_css_set_fork` says. `there`: the cgroup was seen just after.
fn why(errno: Errno, there: bool) -> Option<&'static str> {
    Some(match errno {
        Errno::EBUSY => "has controllers enabled for its children, and so takes no tasks itself",
        Errno::EACCES => {
            "does not let the caller write its cgroup.procs, or that of the common ancestor"
        }
        Errno::EBADF => "is no open folder of a v2 cgroup",
        Errno::EOPNOTSUPP => {
            "is no domain (its cgroup.type is \"domain invalid\"), or has another one than the caller, \
             whose thread the child would be"
        }
        Errno::ENODEV => "has been removed",
        // `cgroup_get_from_file` finds it gone; `cgroup_procs_write_permission`, where the hierarchy is
        // mounted with nsdelegate, finds it out of reach.
        Errno::ENOENT if there => "lies outside the caller's cgroup namespace",
        Errno::ENOENT => "has been removed, or lies outside the caller's cgroup namespace",
        _ => return None,
    })
}

fn summary(_: &Verdict, subject: &Subject<'_>) -> String {
    let why = why(subject.errno, subject.target.is_some()).unwrap_or("doesn't take it");
    let named = subject.target.map(|target| format!(" {}", target.path));
    format!(
        "{}the cgroup{} that it should go into (CLONE_INTO_CGROUP) {why}",
        subject.opening(),
        named.unwrap_or_default()
    )
}

fn fixes(_: &Verdict, subject: &Subject<'_>, _: &Context) -> Vec<Fix> {
    let path = subject.target.map(|target| target.path.as_str());
    let persistent = match subject.errno {
        Errno::EBUSY => {
            let target = path.unwrap_or("that cgroup");
            let controllers = subject.target.map(|target| target.controllers.as_str());
            let enabled = match controllers {
                // Cleared since.
                None | Some("") => String::new(),
                Some(enabled) => format!(", which has: {enabled}"),
            };
            format!(
                "put the child into a child of {target}, or clear its cgroup.subtree_control{enabled}"
            )
        }
        Errno::EACCES => format!(
            "delegate {} to the caller (Delegate= in a unit), with the common ancestor's cgroup.procs",
            path.unwrap_or("the cgroup")
        ),
        Errno::EOPNOTSUPP => match path {
            Some(path) => format!(
                "put the child into a cgroup whose cgroup.type is domain, or write `threaded` \
                 into cgroup.type of {path}"
            ),
            None => "put the child into a cgroup whose cgroup.type is domain".to_owned(),
        },
        _ => {
            "open the folder of an existing cgroup of the v2 hierarchy, below the caller's cgroup \
              namespace"
                .to_owned()
        }
    };
    vec![fix(None, persistent, None)]
}

const PAGE: Page = Page {
    cause: Cause::CloneIntoCgroup,
    known_as: &["CLONE_INTO_CGROUP"],
    errno: &["EBUSY", "EACCES"],
    errno_note: Some("Also EBADF, EOPNOTSUPP, ENODEV and ENOENT, see below."),
    scope: "the target cgroup",
    summary: "the cgroup that CLONE_INTO_CGROUP names doesn't take the child",
    about: &[
        "clone3 with CLONE_INTO_CGROUP creates the child in the v2 cgroup whose folder is given as \
         a descriptor. The rules are those of writing to its cgroup.procs.",
        "EBUSY: it has controllers enabled for its children, so no tasks of its own. EACCES: the \
         caller may not write its cgroup.procs, or that of the common ancestor. EBADF: the \
         descriptor is no folder of a v2 cgroup. EOPNOTSUPP: it lies below or beside a threaded cgroup and is not \
         threaded itself, or is of another threaded subtree than the thread. ENODEV: it is being \
         removed. ENOENT: it was removed, or, where the hierarchy is mounted with nsdelegate, lies \
         outside the caller's cgroup namespace.",
    ],
    checks: &[check(
        "kernel/cgroup/cgroup.c",
        "cgroup_css_set_fork",
        "5.10 to 7.3",
        "The descriptor, the permissions, and `cgroup_migrate_vet_dst`.",
    )],
    exempt: "Root has the permissions; nobody is exempt from the rest.",
    confirm: &[step(
        "Is it a leaf, is it a domain, who owns it?",
        &[
            "cat $CG/cgroup.subtree_control $CG/cgroup.type",
            "ls -l $CG/cgroup.procs",
        ],
    )],
    fix_now: &[step(
        "EBUSY: create a child cgroup and name that.",
        &["mkdir $CG/leaf"],
    )],
    fix_for_good: &[
        remedy("systemd unit", "Hand the subtree over to the service.")
            .lines(&["[Service]", "Delegate=yes"]),
        remedy("program", "Use leaves of the v2 hierarchy."),
    ],
    folklore: &[],
    related: &[Cause::CgroupPidsMax, Cause::Lsm],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        host::target_cgroup::Target,
        model::{Certainty, Cgroup, Operation, caller::tests::caller},
    };

    fn told(errno: Errno, target: Option<(&str, &str)>) -> (String, String) {
        let target = target.map(|(path, controllers)| Target {
            path: path.to_owned(),
            controllers: controllers.to_owned(),
        });
        let subject = Subject {
            caller: &caller(),
            cgroup: &Cgroup::default(),
            operation: Operation::Process,
            errno,
            target: target.as_ref(),
        };
        let verdict = Verdict {
            cause: Cause::CloneIntoCgroup,
            certainty: Certainty::Observed,
            limit: None,
            candidates: Vec::new(),
        };
        let fix = fixes(&verdict, &subject, &Context::default());
        let persistent = fix.into_iter().find_map(|fix| fix.persistent);
        let summary = summary(&verdict, &subject);
        let (_, said) = summary.split_once(": ").unwrap();
        (said.to_owned(), persistent.unwrap())
    }

    #[test]
    fn a_cgroup_that_is_known_is_named() {
        let (said, fix) = told(Errno::EBUSY, Some(("/s/x", "memory pids")));
        assert!(
            said.starts_with("the cgroup /s/x that it should go into"),
            "{said}"
        );
        assert!(fix.contains("a child of /s/x,") && fix.ends_with("which has: memory pids"));
        // Cleared since.
        let (_, fix) = told(Errno::EBUSY, Some(("/s/x", "")));
        assert!(fix.ends_with("its cgroup.subtree_control"), "{fix}");
        let (_, fix) = told(Errno::EACCES, Some(("/s/x", "")));
        assert!(fix.starts_with("delegate /s/x to the caller"), "{fix}");
    }

    #[test]
    fn one_that_is_not_has_no_name_and_no_reason_that_takes_one() {
        let (said, fix) = told(Errno::EBUSY, None);
        assert!(
            said.starts_with("the cgroup that it should go into"),
            "{said}"
        );
        assert!(fix.contains("a child of that cgroup,"), "{fix}");
        let (said, _) = told(Errno::ENOENT, None);
        assert!(said.contains("has been removed, or lies outside"), "{said}");
        let (said, _) = told(Errno::ENOENT, Some(("/s/x", "")));
        assert!(!said.contains("removed"), "{said}");
    }
}
