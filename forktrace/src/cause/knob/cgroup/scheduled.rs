//! Tasks of clusters' schedulers, and the containers that these or other programs have created.

use super::{MEMORY, Setting, by_whom};
use crate::{
    cause::{knob::target::Target, words::shell_word},
    host::{docker::Creator, setter::Scheduler},
};

/// systemd knows of none of these, whatever they are called.
pub(super) fn task(of: Scheduler, name: &str, setting: &Setting, target: Target) -> String {
    let is_memory = setting.property == MEMORY.property;
    match of {
        Scheduler::Nomad if is_memory => {
            format!(
                "Nomad, specification of the job, task {name}: resources {{ memory = {} }} (in MB; or \
                 memory_max, where the cluster allows more than is reserved)",
                mib(target)
            )
        }
        Scheduler::Nomad => by_whom(&format!("Nomad has set up the cgroup of its task {name}")),
        Scheduler::Ecs if is_memory => {
            format!("ECS, task definition: memory of the task (task {name})")
        }
        Scheduler::Ecs => format!(
            "ECS agent, /etc/ecs/ecs.config: ECS_TASK_PIDS_LIMIT={target}, for each task of this machine \
             that is started then"
        ),
    }
}

pub(super) fn mib(target: Target) -> String {
    let mib = target.number().map(|bytes| bytes.div_ceil(1 << 20));
    mib.map_or_else(|| target.to_string(), |mib| mib.to_string())
}

/// How one that is created in its place has more, in the words of what has it created.
pub(super) fn anew(
    scheduler: Option<Scheduler>,
    creator: Option<&Creator>,
    setting: &Setting,
    target: Target,
) -> String {
    let Setting {
        option,
        compose,
        deploy,
        ..
    } = setting;
    let is_memory = setting.property == MEMORY.property;
    match scheduler {
        Some(Scheduler::Nomad) if is_memory => format!(
            "Nomad, specification of the job: resources {{ memory = {} }} of its task, in MB",
            mib(target)
        ),
        Some(Scheduler::Nomad) => format!(
            "Nomad, specification of the job: config {{ pids_limit = {target} }} of its task"
        ),
        Some(Scheduler::Ecs) if is_memory => {
            "ECS, task definition: memory of this container".to_owned()
        }
        Some(Scheduler::Ecs) => "ECS, where a task definition has no setting for it".to_owned(),
        None => creator
            .and_then(|creator| by_creator(creator, setting, target))
            .unwrap_or_else(|| {
                format!(
                    "{option} when it is, {compose} in a Compose file, or {deploy} where its service has \
                     deploy.resources.limits"
                )
            }),
    }
}

/// `None` where its labels have a name that no command could have.
fn by_creator(creator: &Creator, setting: &Setting, target: Target) -> Option<String> {
    let Setting {
        compose, deploy, ..
    } = setting;
    let is_memory = setting.property == MEMORY.property;
    Some(match creator {
        Creator::Swarm { service, of_stack } => {
            let service = service_word(service)?;
            let stack = match of_stack {
                true => format!(
                    "; {deploy} of its deploy.resources.limits in the stack's file, or the next docker stack \
                     deploy takes that back"
                ),
                false => String::new(),
            };
            format!(
                "docker service update --limit-{deploy} {target} {service} on a manager of the swarm, which \
                 replaces the service's containers{stack}"
            )
        }
        Creator::Compose { service, files } => {
            let word = service_word(service)?;
            format!(
                "{compose}: {target} of service {service}, or {deploy} where it has deploy.resources.limits, \
                 in {}, then docker compose up -d {word}",
                compose_files(files.as_deref())
            )
        }
        Creator::GitLabRunner { is_service } if is_memory => {
            let key = match is_service {
                true => "service_memory",
                false => "memory",
            };
            format!("GitLab Runner, config.toml: {key} = \"{target}\" in [runners.docker]")
        }
        // common/config.go `DockerConfig`: of memory and processors only.
        Creator::GitLabRunner { .. } => {
            "GitLab Runner creates one for each job, and has no setting for it".to_owned()
        }
    })
}

/// The name of a service of Docker's, as a word that is no option.
pub(in crate::cause::knob) fn service_word(service: &str) -> Option<String> {
    shell_word(service).filter(|_| !service.starts_with('-'))
}

/// The files of a project, as its label has them.
pub(in crate::cause::knob) fn compose_files(files: Option<&str>) -> String {
    let files = files.filter(|files| !files.is_empty());
    files.map_or_else(
        || "its Compose file".to_owned(),
        |files| files.replace(',', ", "),
    )
}
