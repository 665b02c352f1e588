//! Tasks of clusters' schedulers, and the containers that these have created.

use super::{MEMORY, Setting, by_whom};
use crate::{cause::knob::target::Target, host::setter::Scheduler};

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

/// How one that is created in its place has more, where the scheduler that has it created says how.
pub(super) fn anew(scheduler: Option<Scheduler>, setting: &Setting, target: Target) -> String {
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
        None => format!(
            "{option} when it is, {compose} in a Compose file, or {deploy} where its service has \
             deploy.resources.limits"
        ),
    }
}
