//! RLIMIT_NPROC: the tasks of one real uid (5.14+: in one user namespace, and
//! of each ancestor namespace's creator).
//!
//! kernel/fork.c `copy_process`, kernel/ucount.c `is_rlimit_overlimit` (5.14+).
//! Exempt: real uid 0 of the initial user namespace, and CAP_SYS_RESOURCE or
//! CAP_SYS_ADMIN there; root of another user namespace is not.

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        knob::{nproc, target},
        limits, nproc_at_exec,
        page::{Page, check, myth, remedy, step},
        words::{fix, numbers},
    },
    evidence::{Evidence, Sign, Stage},
    model::{Errno, Fix, LimitKind, Operation, Owner},
};

pub(super) const ENTRY: Entry = Entry {
    seen,
    exhausted,
    fix: fixes,
    summary,
    limits: &[LimitKind::RlimitNproc],
    ..Entry::of_creations(&PAGE)
};

fn seen(e: &Evidence) -> Option<Finding> {
    if e.operation == Operation::Exec {
        return nproc_at_exec::seen(e);
    }
    if e.stage != Stage::Early || e.errno != Errno::EAGAIN {
        return None;
    }
    let limit = e.nproc_full.as_ref().map(limits::nproc);
    match e.signs.nproc_asked {
        Sign::Seen => Finding::observed(limit),
        // A capability that the caller has was denied: by a security module, and then
        // this check refuses, unless the second capability was granted.
        // The scheduler is asked behind it: there it was granted.
        _ if e.signs.capability_denied
            && e.signs.sched_reached != Sign::Seen
            && !e.threads_full() =>
        {
            Finding::inferred(limit)
        }
        Sign::NotSeen
            if e.admin_may_have_been_denied() && e.signs.sched_reached == Sign::NotSeen =>
        {
            Finding::inferred(limit)
        }
        Sign::NotSeen => None,
        // By the numbers. What is full stops the creation first.
        Sign::Unwatched => Finding::inferred(limits::nproc(e.full_nproc()?)),
    }
}

fn exhausted(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::EAGAIN {
        return None;
    }
    Finding::inferred(limits::nproc(e.full_nproc()?))
}

fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    if subject.operation == Operation::Exec {
        return nproc_at_exec::summary(v, subject);
    }
    let Some(limit) = &v.limit else {
        return format!(
            "{}{} is at its RLIMIT_NPROC",
            subject.opening(),
            subject.user()
        );
    };
    let allowed = if limit.usage.is_some() {
        format!("has {} that", numbers(limit))
    } else {
        "has as many tasks as".to_owned()
    };
    let opening = subject.opening();
    let counted = match limit.nested_within() {
        Some(within) => format!(", counted in {within}"),
        None => String::new(),
    };
    match &limit.owner {
        owner if *owner == Owner::user(subject.caller.uid) => format!(
            "{opening}{} {allowed} RLIMIT_NPROC allows{counted}",
            subject.user()
        ),
        user @ Owner::User { .. } => {
            format!("{opening}{user} {allowed} RLIMIT_NPROC allows{counted}")
        }
        owner => {
            let creator = match creator(owner) {
                Some(uid) => format!("uid {uid}, who created {owner},"),
                None => format!("the creator of {owner}"),
            };
            format!("{opening}{creator} {allowed} its RLIMIT_NPROC allows{counted}")
        }
    }
}

fn fixes(v: &Verdict, subject: &Subject<'_>, context: &Context) -> Vec<Fix> {
    let target = target::wanted(v.limit.as_ref(), context);
    let owner = v.limit.as_ref().map(|limit| &limit.owner);
    if let Some(owner) = owner.filter(|owner| !matches!(owner, Owner::User { .. })) {
        let whose = match creator(owner) {
            Some(uid) => format!("uid {uid}, who creates the user namespace,"),
            None => "whoever creates the user namespace".to_owned(),
        };
        return vec![fix(
            None,
            format!("raise RLIMIT_NPROC of {whose} to {target}, before it is created"),
            "the limit was fixed when the user namespace was created (Linux 5.14+)".to_owned(),
        )];
    }
    let value = v.limit.as_ref().and_then(|l| l.value);
    let knob = nproc::knob(value, target, subject, &context.sources);
    let counted = match subject.operation {
        Operation::Exec => nproc_at_exec::BROUGHT,
        _ => COUNTED,
    };
    let mut fixes = vec![fix(knob.now, knob.lasting, counted.to_owned())];
    let notes = knob.notes.into_iter();
    // Where it is counted in a user namespace, those that the user has created count.
    let created = v.limit.as_ref().is_some_and(|limit| limit.within.is_some());
    let notes = notes.chain(nproc::shared(subject, &context.holders, created));
    fixes.extend(notes.map(|note| fix(None, None, note)));
    fixes
}

/// Whose tasks a limit that was left in a user namespace counts, by the host's number.
fn creator(owner: &Owner) -> Option<u32> {
    match owner {
        Owner::UserNamespace(namespace) => namespace.counted,
        _ => None,
    }
}

const COUNTED: &str = "it counts threads too, of this uid in every session and container of the host (since Linux 5.14 in its user namespace, and with them all tasks of user namespaces that it has created, whatever their uids)";

const PAGE: Page = Page {
    cause: Cause::RlimitNproc,
    known_as: &[
        "RLIMIT_NPROC",
        "ulimit -u",
        "nproc",
        "LimitNPROC",
        "DefaultLimitNPROC",
        "max user processes",
        "Max processes",
        "limits.conf",
        "lxc.prlimit.nproc",
        "rc_ulimit",
    ],
    errno: &["EAGAIN"],
    errno_note: Some(
        "From fork and clone, and from execve when the user went over the limit in setuid before.",
    ),
    scope: "a user, or a user ns's creator",
    summary: "the user has as many tasks as RLIMIT_NPROC allows",
    about: &[
        "RLIMIT_NPROC (`ulimit -u`) bounds the tasks of one real uid: processes and threads, in \
         every session and container of the host together. The limit belongs to the process that \
         forks, the count to the user: of two processes of one user, one may fork while the other \
         may not.",
        "Since 5.14 the count is kept for each user namespace by itself, and is charged to the \
         creator of each namespace above as well. A user namespace keeps the soft RLIMIT_NPROC \
         that its creator had at that moment; that limit can refuse with one's own far away.",
        "At execve (`Failed at step EXEC`, `Resource temporarily unavailable`): setuid to a user \
         who is over the limit succeeds, and the next execve of that process fails. The limit is \
         the one that the process brought along, not one that the user has. The caller is counted \
         by then, so it fails at more tasks than the limit. Until 5.16 setuid marks the process \
         when the user is at the limit, since then only beyond it.",
    ],
    checks: &[
        check(
            "kernel/fork.c",
            "copy_process",
            "5.10 to 5.13",
            "Inline: the tasks of the user on the whole host against the caller's limit.",
        ),
        check(
            "kernel/ucount.c",
            "is_rlimit_overlimit",
            "5.14+",
            "Called by `copy_process`: the count of the user in its namespace, then of each \
             creator above it. Its name was `is_ucounts_overlimit` before 5.19.",
        ),
        check(
            "fs/exec.c",
            "do_execveat_common",
            "5.10 to 7.3",
            "For a process that setuid marked (PF_NPROC_EXCEEDED), if the user is still over, as a \
             creator of a namespace may be. Before the program is looked for.",
        ),
    ],
    exempt: "Real uid 0 of the host, and CAP_SYS_RESOURCE or CAP_SYS_ADMIN in the initial user \
             namespace. Root of another user namespace (a rootless container) is not exempt. From \
             the check at execve, uid 0 alone is.",
    confirm: &[
        step(
            "Compare the limit of the process with the tasks of its user.",
            &[
                "grep 'Max processes' /proc/$PID/limits",
                "uid=$(awk '/^Uid:/ {print $2}' /proc/$PID/status)",
                "ps -L -U $uid --no-headers | wc -l",
            ],
        ),
        step(
            "At execve: a `Failed at step EXEC` with status 203 in a unit's log, of a unit with \
             User= and a low limit.",
            &["systemctl show -p User -p LimitNPROC $UNIT"],
        ),
        step(
            "See what the user runs, most threads first.",
            &["ps -U $uid -o nlwp,pid,stat,comm --sort=-nlwp | head"],
        ),
        step(
            "The same user namespace twice: it is the user's own limit. Two different ones: the \
             limit of the namespace's creator can have refused (5.14+), and no file shows that \
             count.",
            &["readlink /proc/$PID/ns/user /proc/1/ns/user"],
        ),
    ],
    fix_now: &[step(
        "Raise the limit of the very process that forks; its children inherit it. The colon leaves the \
         hard limit, which bounds it: without it a lower one is set as well, and can't be raised again \
         by who isn't root.",
        &["prlimit --pid $PID --nproc=$N:"],
    )],
    fix_for_good: &[
        remedy(
            "systemd unit",
            "`systemctl edit` the unit, then restart it. Of an instance (`x@1.service`) that hides the \
             template's own `override.conf`, with all that it says: `--drop-in=zz-nproc` (systemd 253+) \
             gives it another name. Units that run as one user share the count, not the limit; TasksMax= \
             bounds each by itself.",
        )
        .lines(&["[Service]", "LimitNPROC=infinity"]),
        remedy(
            "systemd, all units",
            "In `/etc/systemd/system.conf.d/90-nproc.conf`, for units that say nothing of their \
             own; then `systemctl daemon-reexec`, and start them again.",
        )
        .lines(&["[Manager]", "DefaultLimitNPROC=infinity"]),
        remedy(
            "limits.conf",
            "In `/etc/security/limits.d/90-nproc.conf`, for logins (PAM) only: services started \
             by systemd don't read it, and without PAM (Alpine) nobody does. A user's own line counts before those of groups and of all, \
             whichever file has it; of users of a directory service `:UID` is one.",
        )
        .lines(&["alice - nproc unlimited"]),
        remedy(
            "shell",
            "`ulimit -u` in `/etc/profile`, `/etc/profile.d`, `/etc/bashrc` or a user's own files \
             counts after limits.conf: cPanel's protection against fork bombs is such a line.",
        ),
        remedy(
            "OpenRC",
            "`rc_ulimit` in `/etc/conf.d/NAME`, in place of that for all in `/etc/rc.conf`; for \
             the service's next start.",
        )
        .lines(&["rc_ulimit=\"-u $N\""]),
        remedy(
            "container runtime",
            "Docker and Podman: `--ulimit nproc=-1:-1`, `ulimits` in a Compose file, `Ulimit=` in a \
             quadlet; for all, `default-ulimits` in Docker's daemon.json, `default_ulimits` in \
             containers.conf. Better, give each \
             container a uid of its own: containers with one uid share one count.",
        ),
        remedy(
            "LXC, Incus",
            "Without Incus: `lxc.prlimit.nproc` in the container's configuration. Containers with \
             id ranges of their own don't share a count.",
        )
        .run(&["incus config set $CONTAINER limits.kernel.nproc $N"]),
        remedy(
            "Kubernetes",
            "A pod has no field for it. Containers have the limit that the node's runtime gives \
             them: LimitNPROC= of containerd's or CRI-O's unit, `default_ulimits` of CRI-O. Raise \
             it there, or run pods under different uids (`runAsUser`).",
        ),
        remedy(
            "Nomad, ECS",
            "Nomad: `ulimit` in `config` of a task. ECS: `ulimits` of a container in the task definition.",
        ),
        remedy(
            "NixOS",
            "In the host's configuration, of which the files in /etc are made; of a unit, \
             `systemd.services.NAME.serviceConfig.LimitNPROC`.",
        )
        .lines(&[
            "security.pam.loginLimits = [",
            "  { domain = \"alice\"; type = \"-\"; item = \"nproc\"; value = \"unlimited\"; }",
            "];",
        ]),
        remedy(
            "Slurm",
            "Jobs get the limits of the shell that submitted them; this in slurm.conf leaves \
             them slurmd's.",
        )
        .lines(&["PropagateResourceLimitsExcept=NPROC"]),
        remedy(
            "user namespace",
            "Raise RLIMIT_NPROC of whoever creates the namespace, before it is created.",
        ),
        remedy(
            "program",
            "Some lower the limit themselves, down to 0 so as to never fork: /proc/PID/limits \
             shows it, and raising it where the program is started changes nothing. Others do so for \
             what they start: Apache's RLimitNPROC, LiteSpeed's Process Soft Limit, `chpst -p` in a run \
             script.",
        ),
    ],
    folklore: &[
        myth(
            "It counts processes.",
            "It counts tasks: every thread, and zombies until they are reaped.",
        ),
        myth(
            "Root is never limited.",
            "Not by this limit; by every other one, yes. Root of a user namespace is bound by \
             this one too.",
        ),
        myth(
            "A low nproc gives `Cannot allocate memory`.",
            "It gives EAGAIN, `Resource temporarily unavailable`, on every version.",
        ),
        myth(
            "/proc/PID/limits shows the limit that systemd sets.",
            "It shows LimitNPROC. TasksMax is pids.max of the unit's cgroup, see cgroup_pids_max.",
        ),
    ],
    related: &[Cause::CgroupPidsMax, Cause::ThreadsMax, Cause::PidMax],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cause::answer,
        model::{Certainty, Cgroup, Limit, Unit, UserNamespaceOwner, caller::tests::caller},
    };

    #[test]
    fn who_created_a_user_namespace_is_named_where_that_is_known() {
        let of = |counted| {
            let owner = Owner::UserNamespace(UserNamespaceOwner { inum: 77, counted });
            let verdict = Verdict {
                cause: Cause::RlimitNproc,
                certainty: Certainty::Observed,
                limit: Some(Limit {
                    value: Some(9),
                    usage: Some(9),
                    ..Limit::new(LimitKind::RlimitNproc, owner, Unit::Tasks)
                }),
                candidates: Vec::new(),
            };
            let subject = Subject {
                caller: &caller(),
                cgroup: &Cgroup::default(),
                operation: Operation::Process,
                errno: Errno::EAGAIN,
                target: None,
            };
            let answer = answer(&verdict, &subject, &Context::default());
            (answer.summary, answer.fix[0].persistent.clone().unwrap())
        };
        let (summary, lasting) = of(Some(1000));
        assert!(
            summary.contains("uid 1000, who created user namespace 77, has 9 of 9 tasks"),
            "{summary}"
        );
        assert!(
            lasting.starts_with(
                "raise RLIMIT_NPROC of uid 1000, who creates the user namespace, to 26"
            ),
            "{lasting}"
        );
        let (summary, lasting) = of(None);
        assert!(
            summary.contains("the creator of user namespace 77 has"),
            "{summary}"
        );
        assert!(
            lasting.contains("whoever creates the user namespace"),
            "{lasting}"
        );
    }
}
