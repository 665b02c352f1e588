//! RLIMIT_NPROC: every process has its own, from its parent on. Who has set it is who first had
//! another than its parent; systemd's and PAM's files say which of them it was.

mod by_program;
mod origin;
mod shared;
mod sources;

use std::path::Path;

pub(crate) use self::shared::shared;
pub use self::sources::{Above, Sources, UnitSays};

use self::by_program::by_itself;
use self::origin::{Container, Origin, origin, own_container, unit, users_manager};
use super::{
    cgroup::{compose_files, in_file, incus, proxmox, service_word},
    later::{Line, edit_beside, edit_later},
    manager::Manager,
    nixos, prlimit,
    target::Target,
};
use crate::{
    cause::{Subject, words::shell_word},
    host::{
        docker::Creator,
        identity,
        lineage::Member,
        pam_limits::{self, Which},
        setter::{self, Runtime, Scheduler, Service},
        unit_files::{self, Assignment},
        unit_limits::UnitPlace,
    },
    model::Operation,
};

/// As units have it.
const NPROC: &str = "LimitNPROC";

/// What to do about it, and what to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Knob {
    pub now: Option<String>,
    pub lasting: String,
    pub notes: Vec<String>,
}

/// The knob of a limit of this value, to be turned to `target`.
pub(crate) fn knob(
    value: Option<u64>,
    target: Target,
    subject: &Subject<'_>,
    sources: &Sources,
) -> Knob {
    let origin = origin(value, subject, sources);
    let hard = hard(&origin, sources);
    let (lasting, known) = of_origin(&origin, (value, hard), target, subject, sources);
    let mut notes = Vec::from_iter(known);
    // systemd and Docker take one number for both limits.
    let sets_both = [
        format!("{NPROC}={target}"),
        format!("--ulimit nproc={target}"),
        format!("--ulimit-add nproc={target}"),
    ]
    .iter()
    .any(|text| lasting.contains(text));
    if hard.is_none() && sets_both {
        notes.push(
            "one number is the hard limit as well, and which that was isn't known: SOFT:HARD leaves it"
                .to_owned(),
        );
    }
    let is_meant = value.is_some_and(|value| value <= FORBIDS);
    if is_meant {
        notes.push(
            "so low a limit is how a program or a unit is kept from starting anything: ask why it tries \
             before changing it"
                .to_owned(),
        );
    }
    Knob {
        now: now(value, target, subject, sources).filter(|_| !is_meant),
        lasting,
        notes,
    }
}

/// Nobody sets so few for what is to start something: sandboxes of OpenSSH and vsftpd have 0.
const FORBIDS: u64 = 1;

/// What lasts, by who has set it, and how that is known.
fn of_origin(
    origin: &Origin<'_>,
    (value, hard): (Option<u64>, Option<Option<u64>>),
    target: Target,
    subject: &Subject<'_>,
    sources: &Sources,
) -> (String, Option<String>) {
    let edit_unit = || edit_unit(subject, NPROC, target, hard, sources).unwrap_or_default();
    match origin {
        Origin::Pam(line, all) => {
            let (text, note) = pam(line, subject, all, target, sources.nixos);
            (text, Some(note))
        }
        Origin::Unit(set) => {
            let file = set.file.display();
            let note = format!("LimitNPROC={} stands in {file}", set.value);
            let service = unit(subject);
            let known = known(sources);
            let own = service.and_then(|service| edit_file(set, &service, target, hard, known));
            let edit = own.unwrap_or_else(|| match unit_files::is_transient(&set.file) {
                true => {
                    let value = prlimit::with_hard(target, hard);
                    started_anew(subject, NPROC, &value).unwrap_or_default()
                }
                false => edit_unit(),
            });
            (edit, Some(note))
        }
        Origin::Manager(set) => {
            let note = format!(
                "it is DefaultLimitNPROC={} in {}, which each unit without LimitNPROC= has",
                set.value,
                set.file.display()
            );
            (edit_unit(), Some(note))
        }
        Origin::UnitPerhaps => {
            let note =
                "where the unit has no LimitNPROC=, a program in it has set the limit itself";
            (edit_unit(), Some(note.to_owned()))
        }
        Origin::Above(service, set) => {
            let (text, note) = from_above(service, set, subject, target, hard, sources);
            (text, Some(note))
        }
        Origin::OpenRc(service, set) => {
            let note = format!(
                "rc_ulimit in {} has `-u {}`{}",
                set.file.display(),
                set.value,
                match set.file.ends_with("etc/rc.conf") {
                    true => ", for each service without an rc_ulimit of its own",
                    false => "",
                }
            );
            (rc_ulimit(&service.name, target, hard), Some(note))
        }
        Origin::Shell(line) => {
            let file = line.file.display();
            let note = format!(
                "{file} has `{}`, which a shell that reads it sets for itself and all that it starts",
                line.text
            );
            let edit = format!(
                "{file}: `ulimit -u {target}` in its line, for shells that are started then"
            );
            (edit, Some(note))
        }
        Origin::Process(setter, parent) => (by_itself(setter, *parent, subject, sources), None),
        Origin::SomeProgram => {
            let text = "where a program of the unit sets the limit itself: no file of the unit has LimitNPROC=";
            (text.to_owned(), None)
        }
        Origin::Runtime(container) => (of_container(container, target, hard, sources), None),
        Origin::Outside(setter, container) => {
            let note = format!(
                "the container has it from {} (pid {}), which is outside of it",
                setter.comm, setter.pid
            );
            (of_container(container, target, hard, sources), Some(note))
        }
        Origin::Slurm => {
            let text = "slurm.conf: PropagateResourceLimitsExcept=NPROC (it is the limit of whoever submits, on \
                 the host where that is)";
            (text.to_owned(), pam_of_slurm(value, sources))
        }
        Origin::Slurmd => {
            let text = format!(
                "systemctl edit slurmd.service: [Service] {NPROC}={}, for its next start, and slurm.conf: \
                 PropagateResourceLimitsExcept=NPROC (slurmd has this limit as well: jobs have theirs from \
                 it, or from who has submitted them)",
                prlimit::with_hard(target, hard)
            );
            (text, pam_of_slurm(value, sources))
        }
        Origin::Kernel => (inherited(subject, target, hard, sources), None),
        Origin::Unknown => (where_started(subject), None),
    }
}

/// The hard limit beside it; `None` where that isn't known.
fn hard(origin: &Origin<'_>, sources: &Sources) -> Option<Option<u64>> {
    let own = sources.process().filter(|_| !sources.ended);
    if let Some(own) = own {
        return Some(own.bounds.hard);
    }
    // What a process has inherited with its soft limit.
    let alike = sources.lineage.get(1).filter(|parent| {
        let own = sources.process();
        own.is_some_and(|own| own.bounds.soft == parent.bounds.soft)
    });
    match origin {
        Origin::Unit(set) | Origin::Manager(set) | Origin::Above(_, set) => {
            match hard_part(&set.value) {
                "infinity" => Some(None),
                number => Some(Some(number.parse().ok()?)),
            }
        }
        Origin::Kernel => sources.init.map(|init| init.hard),
        _ => alike.map(|parent| parent.bounds.hard),
    }
}

/// The hard part of systemd's `soft:hard`; one alone is both.
fn hard_part(text: &str) -> &str {
    text.rsplit(':').next().unwrap_or(text).trim()
}

/// The soft part of systemd's `soft:hard`.
pub(crate) fn soft(text: &str) -> Option<u64> {
    text.split(':').next()?.trim().parse().ok()
}

/// A service's own drop-in with a limit of its processes; `None` outside of services.
pub(crate) fn edit_unit(
    subject: &Subject<'_>,
    setting: &str,
    target: Target,
    hard: Option<Option<u64>>,
    sources: &Sources,
) -> Option<String> {
    let service = unit(subject)?;
    let known = known(sources);
    let is_transient = known.place.is_some_and(|place| place.is_transient);
    // Gone when it ends, and its drop-ins with it, but for those of its template.
    if is_transient || setter::is_of_systemd_run(&service.name) {
        let value = prlimit::with_hard(target, hard);
        let template = unit_files::template(&service.name).filter(|_| is_transient);
        let drop_in = template
            .and_then(|template| manager(&service, known).drop_in(&template, setting, &value));
        return match drop_in {
            Some(drop_in) => Some(format!("{drop_in}, for what is started then")),
            None => started_anew(subject, setting, &value),
        };
    }
    edit(&service, setting, target, hard, known)
}

/// What is known of a service of the host.
#[derive(Clone, Copy)]
struct Known<'a> {
    /// What `systemctl edit` would hide.
    hidden: Option<&'a Path>,
    place: Option<&'a UnitPlace>,
    nixos: bool,
}

/// Of the caller's own.
fn known(sources: &Sources) -> Known<'_> {
    let says = sources.unit.as_ref();
    Known {
        hidden: says.and_then(|says| says.hidden.as_deref()),
        place: says.map(|says| &says.place),
        nixos: sources.nixos,
    }
}

/// The systemd that has a service.
fn manager<'a>(service: &Service, known: Known<'a>) -> Manager<'a> {
    let in_container = service.container.is_some();
    Manager {
        user: service.user,
        home: known.place.and_then(|place| place.home.as_deref()),
        in_container,
        nixos: known.nixos && !in_container,
    }
}

fn edit(
    service: &Service,
    setting: &str,
    target: Target,
    hard: Option<Option<u64>>,
    known: Known<'_>,
) -> Option<String> {
    let Service {
        name,
        user,
        container,
    } = service;
    let manager = manager(service, known);
    let value = prlimit::with_hard(target, hard);
    // Of one connection's service nothing is read again.
    let template = setter::of_connection(name);
    let name = template.as_ref().unwrap_or(name);
    let line = Line {
        unit: name,
        manager,
        setting,
        value: value.clone(),
    };
    if manager.nixos
        && let Some(text) = nixos::unit(name, *user, setting, &value)
    {
        return Some(text);
    }
    let hidden = known.hidden.filter(|_| !manager.in_container);
    if let Some(text) = hidden.and_then(|hidden| edit_beside(hidden, &line)) {
        return Some(text);
    }
    let word = shell_word(name)?;
    let when = line.when();
    // A restart that ends a user's session, or that needs the user's manager again, isn't proposed.
    let restart = template.is_none() && user.is_none() && identity::user_manager(name).is_none();
    let most =
        user.map(|uid| format!("more than the hard limit of user@{uid}.service it can't have"));
    let restart = restart.then(|| format!("systemctl restart {word}"));
    let notes: Vec<String> = manager
        .caller()
        .into_iter()
        .chain(most)
        .chain(restart)
        .collect();
    let notes = match notes.is_empty() {
        true => String::new(),
        false => format!(" ({})", notes.join("; ")),
    };
    let systemctl = manager.systemctl();
    let edit = format!("{systemctl} edit {word}: [Service] {setting}={value}{when}{notes}");
    Some(match container {
        Some(container) => format!("in container {container}: {edit}"),
        None => edit,
    })
}

/// A transient unit: what starts it asks for its limits.
fn started_anew(subject: &Subject<'_>, setting: &str, value: &str) -> Option<String> {
    let Service {
        name,
        user,
        container,
    } = unit(subject)?;
    let whose = if user.is_some() { "--user " } else { "" };
    let start =
        format!("what starts {name} anew asks for it: systemd-run {whose}-p {setting}={value}");
    Some(match container {
        Some(container) => format!("in container {container}: {start}"),
        None => start,
    })
}

fn pam(
    line: &pam_limits::Line,
    subject: &Subject<'_>,
    all: &pam_limits::Nproc,
    target: Target,
    nixos: bool,
) -> (String, String) {
    let hard = all.hard.as_ref().map(|hard| hard.value);
    let which = match hard {
        // Only where the hard limit has room, or goes up with it.
        Some(Some(hard)) if target.is_above(hard) => Which::Both,
        Some(_) if line.which == Which::Both => Which::Both,
        _ => Which::Soft,
    };
    // A line of the user's own counts before those of groups and of all.
    let caller = subject.caller;
    let by_number = format!(":{}", caller.uid);
    let domain = caller.user.as_deref().unwrap_or(&by_number);
    // A vendor's file is written anew by the next package; one of its name in /etc takes all of it away.
    let file = match line.file.starts_with("/usr") {
        true => "/etc/security/limits.d/, a file of another name".to_owned(),
        false => line.file.display().to_string(),
    };
    let alone = match caller.user {
        Some(_) => "",
        None => " (of that uid alone)",
    };
    let text = match nixos {
        true => nixos::nproc(domain, which, target),
        false => format!("{file}: {domain} {} nproc {target}{alone}", which.word()),
    };
    let whose = match line.domain.strip_prefix('@') {
        _ if line.domain == domain => String::new(),
        Some(group) => format!(", for every member of {group}"),
        None if line.domain == "*" => ", for every user but root".to_owned(),
        None => format!(", for the uids {}", line.domain),
    };
    let note = format!(
        "{} has `{line}`{whose}: {}",
        line.file.display(),
        from_when(subject)
    );
    (text, note)
}

/// From when on a line of limits.conf counts. A user's manager has its session of PAM's since it was started
/// (user@.service: PAMName=systemd-user), and each unit of it has its limits from the manager.
fn from_when(subject: &Subject<'_>) -> String {
    let uid = subject.caller.uid;
    if users_manager(subject) != Some(uid) {
        return "it counts from the next login or PAM session (su, cron) on".to_owned();
    }
    let own = unit(subject).filter(|service| service.user.is_some());
    let own = own.map_or_else(String::new, |service| {
        format!(
            "; {NPROC}= of {}, up to the hard limit, counts from its next start on",
            service.name
        )
    });
    format!("it counts when user@{uid}.service is started again, which ends all that it runs{own}")
}

/// A job's limit can be that of a login on its own host.
fn pam_of_slurm(value: Option<u64>, sources: &Sources) -> Option<String> {
    let mut lines = sources.pam.iter().filter_map(pam_limits::Nproc::counts);
    let line = lines.find(|line| value.is_some() && line.value == value)?;
    Some(format!(
        "{} of this host has `{line}`, which jobs get where slurm.conf has UsePAM=1",
        line.file.display()
    ))
}

/// OpenRC's `ulimit -u` sets both limits, with -S the soft one alone.
fn rc_ulimit(name: &str, target: Target, hard: Option<Option<u64>>) -> String {
    let option = match hard {
        Some(Some(hard)) if !target.is_above(hard) => "-Su",
        Some(None) => "-Su",
        _ => "-u",
    };
    format!(
        "OpenRC, /etc/conf.d/{name}: `{option} {target}` in rc_ulimit, which takes the place of that in \
         rc.conf, for its next start"
    )
}

fn of_container(
    container: &Container,
    target: Target,
    hard: Option<Option<u64>>,
    sources: &Sources,
) -> String {
    let Container {
        name,
        in_pod,
        scheduler,
        ..
    } = container;
    let both = prlimit::with_hard(target, hard);
    // As Docker, Podman and CRI-O write that there is no limit.
    let ulimit = both.replace("infinity", "-1");
    match container.runtime {
        Runtime::Lxc => {
            let both = both.replace("infinity", "unlimited");
            let manager = match proxmox(name) {
                Some(file) => Some(in_file(&file)),
                None => incus(name, "limits.kernel.nproc", &both),
            };
            let manager = manager.map_or_else(String::new, |manager| format!(" ({manager})"));
            format!(
                "configuration of container {name}: lxc.prlimit.nproc = {both}{manager}, or an id \
                 range of its own"
            )
        }
        Runtime::Nspawn => format!("nspawn's settings of {name}: [Exec] LimitNPROC={both}"),
        Runtime::CriO => format!(
            "CRI-O, crio.conf: [crio.runtime] default_ulimits = [\"nproc={ulimit}\"], for each \
             container of the node that is started then"
        ),
        Runtime::Podman => format!(
            "--ulimit nproc={ulimit} when container {name} is created (Ulimit=nproc={ulimit} in a quadlet; \
             Podman's default: default_ulimits in containers.conf)"
        ),
        Runtime::BuildKit => format!(
            "--ulimit nproc={ulimit} when the image is built (docker buildx build), or LimitNPROC={both} of \
             the service that builds (docker, buildkit)"
        ),
        _ if *in_pod => format!(
            "LimitNPROC={both} of the service that runs the node's containers (containerd, docker), for \
             those that are started then: a pod's specification has no setting for it"
        ),
        _ => match scheduler {
            Some(Scheduler::Nomad) => format!(
                "Nomad, specification of the job: config {{ ulimit {{ nproc = \"{ulimit}\" }} }} of the task \
                 of container {name}"
            ),
            Some(Scheduler::Ecs) => format!(
                "ECS, task definition: ulimits of container {name}, name nproc, softLimit and hardLimit \
                 {ulimit}"
            ),
            None => sources
                .creator
                .as_ref()
                .and_then(|creator| by_creator(creator, name, &ulimit))
                .unwrap_or_else(|| {
                    format!(
                        "--ulimit nproc={ulimit} when container {name} is created (ulimits, nproc in a \
                         Compose file; Docker's default: default-ulimits in daemon.json)"
                    )
                }),
        },
    }
}

/// `None` where its labels have a name that no command could have. `ulimit`: as Docker takes it.
fn by_creator(creator: &Creator, name: &str, ulimit: &str) -> Option<String> {
    Some(match creator {
        Creator::Swarm { service, of_stack } => {
            let service = service_word(service)?;
            let stack = match of_stack {
                true => {
                    "; ulimits, nproc in the stack's file, or the next docker stack deploy takes that back"
                }
                false => "",
            };
            format!(
                "docker service update --ulimit-add nproc={ulimit} {service} on a manager of the swarm, which \
                 replaces the service's containers{stack}"
            )
        }
        Creator::Compose { service, files } => {
            let word = service_word(service)?;
            let value = match ulimit.split_once(':') {
                Some((soft, hard)) => format!("{{ soft: {soft}, hard: {hard} }}"),
                None => ulimit.to_owned(),
            };
            format!(
                "ulimits, nproc: {value} of service {service} in {}, then docker compose up -d {word}",
                compose_files(files.as_deref())
            )
        }
        Creator::GitLabRunner { .. } => format!(
            "GitLab Runner, config.toml: nproc = \"{ulimit}\" in [runners.docker.ulimit] (container {name})"
        ),
    })
}

/// Another service has it, and what has come of it.
fn from_above(
    service: &Service,
    set: &Assignment,
    subject: &Subject<'_>,
    target: Target,
    hard: Option<Option<u64>>,
    sources: &Sources,
) -> (String, String) {
    let Service { name, .. } = service;
    let has = format!("{name}, which has {}={}", setting(set), set.value);
    if let Some(container) = own_container(subject) {
        let note = format!(
            "the container has it from {has} in {}, as all have that are started there without a limit \
             of their own",
            set.file.display()
        );
        return (of_container(&container, target, hard, sources), note);
    }
    let note = format!(
        "it is inherited from {has} in {}: all that it starts has the same",
        set.file.display()
    );
    let above = sources.above.as_ref();
    let known = Known {
        hidden: above.and_then(|above| above.hidden.as_deref()),
        place: above.map(|above| &above.place),
        nixos: sources.nixos,
    };
    let own = edit_file(set, service, target, hard, known);
    let edit = own.or_else(|| edit(service, NPROC, target, hard, known));
    (edit.unwrap_or_default(), note)
}

/// Where a drop-in counts after what `systemctl edit` writes.
fn edit_file(
    set: &Assignment,
    service: &Service,
    target: Target,
    hard: Option<Option<u64>>,
    known: Known<'_>,
) -> Option<String> {
    let line = Line {
        unit: &service.name,
        manager: manager(service, known),
        setting: NPROC,
        value: prlimit::with_hard(target, hard),
    };
    edit_later(&set.file, "override.conf", "edit", &line)
}

/// A manager's own file has what it gives to all.
fn setting(set: &Assignment) -> String {
    let of_manager = set.file.components().any(|part| {
        let name = part.as_os_str().to_string_lossy();
        name.starts_with("system.conf") || name.starts_with("user.conf")
    });
    format!("{}{NPROC}", if of_manager { "Default" } else { "" })
}

/// Nobody has set another than the kernel's own.
fn inherited(
    subject: &Subject<'_>,
    target: Target,
    hard: Option<Option<u64>>,
    sources: &Sources,
) -> String {
    if let Some(edit) = edit_unit(subject, NPROC, target, hard, sources) {
        return edit;
    }
    // A container's users have their limits from what has made it, whatever the host calls them.
    if let Some(container) = own_container(subject) {
        return of_container(&container, target, hard, sources);
    }
    // `-` sets the hard limit too.
    let which = match hard {
        Some(Some(hard)) if target.is_above(hard) => Which::Both,
        _ => Which::Soft,
    };
    let (domain, alone) = match &subject.caller.user {
        Some(user) => (user.clone(), ""),
        // A directory service's user: no file of this machine has a name.
        None if is_login(subject) => (format!(":{}", subject.caller.uid), " (of that uid alone)"),
        None => return where_started(subject),
    };
    if sources.nixos {
        return nixos::nproc(&domain, which, target);
    }
    if sources.no_pam {
        return format!(
            "raise the limit of what {domain} logs in by, such as sshd (OpenRC: `-u {target}` in rc_ulimit of \
             /etc/conf.d/sshd): no service of PAM's reads /etc/security here"
        );
    }
    format!(
        "/etc/security/limits.d/: {domain} {} nproc {target}{alone}",
        which.word()
    )
}

/// Whether PAM has opened the session that it is in.
fn is_login(subject: &Subject<'_>) -> bool {
    let path = subject.cgroup.path.as_deref().unwrap_or_default();
    path.starts_with("/user.slice/")
}

/// All that is left where nobody is known to have set it.
fn where_started(subject: &Subject<'_>) -> String {
    format!(
        "raise `ulimit -u` where uid {}'s processes are started",
        subject.caller.uid
    )
}

/// Of the refused process if it lives on, else of a parent from which the next ones have it. An
/// execve isn't tried again by the process, and its parent is what starts others' too.
fn now(
    value: Option<u64>,
    target: Target,
    subject: &Subject<'_>,
    sources: &Sources,
) -> Option<String> {
    if subject.operation == Operation::Exec {
        return None;
    }
    let has_it = |member: &&Member| member.bounds.soft == value;
    let target = target.number()?;
    let own = sources.lineage.first().filter(has_it)?;
    if prlimit::lives_on(own) {
        return prlimit::command(Some(own), "nproc", target);
    }
    let parent = sources.lineage.get(1).filter(has_it)?;
    let is_manager = parent.pid <= 1 || parent.uid != own.uid || parent.comm.starts_with("systemd");
    if is_manager {
        return None;
    }
    prlimit::command(Some(parent), "nproc", target)
}

#[cfg(test)]
#[path = "nproc_tests.rs"]
mod tests;
