//! The first half of a start: the kernel's types, the object, the probes.

use aya::Ebpf;

use super::{Options, StartError, StartTimes, log::KernelLog, privilege};
use crate::{
    host::holders::Holders,
    probe::{
        attach::{self, Plan},
        kernel::Kernel,
        object,
        outcome::Outcome,
        preempt,
        rlimit::ChangedLimit,
        task_iter::{self, TaskIter},
    },
};

/// What kernel and probes came to, before anything is traced.
pub struct Attached {
    /// The running kernel: its types, offsets and addresses.
    pub kernel: Kernel,
    /// Which probes are in place, and which the kernel refused.
    pub probes: Outcome,
    /// The loaded BPF object.
    pub ebpf: Ebpf,
    /// Programs that log use its map: it lives as long as they.
    pub log: KernelLog,
    /// How long each part of the start took.
    pub times: StartTimes,
    /// The iterator that counts tasks, or why the kernel doesn't take it: /proc serves then.
    pub tasks: Result<TaskIter, String>,
}

/// Loads the object and attaches what can be attached.
pub fn attach_probes(options: &Options) -> Result<Attached, StartError> {
    let mut times = StartTimes::begin();
    let _lifted = ChangedLimit::lifted_memlock();
    let kernel = Kernel::discover(options.btf.as_deref()).map_err(|why| StartError::Types {
        path: options.btf.clone().unwrap_or_default(),
        why,
    })?;
    let numbered: Vec<&str> = attach::hooked_functions()
        .chain([task_iter::FUNCTION])
        .collect();
    let own_btf = kernel.types_of_aya(&numbered);
    times.end("kernel types and symbols");
    let mut settings = options.settings;
    if !kernel.has_types() {
        // User space looks in its place, see `Tracer::start`.
        settings.tgid = 0;
    }
    settings.have_task_pt_regs = u32::from(kernel.has_task_pt_regs());
    let preemptible = preempt::possible();
    let two_tracepoints = preemptible && kernel.preempts_tracepoints();
    settings.two_programs = u32::from(preemptible);
    settings.two_tracepoints = u32::from(two_tracepoints);
    settings.seccomp_return = kernel.seccomp_return();
    let mut ebpf = object::create(
        kernel.object(),
        &kernel.offsets,
        &kernel.symbols,
        &settings,
        options.ring_bytes,
        options.debug,
    )
    .map_err(|error| privilege::explain_load(&error))?;
    let log = KernelLog::new(&mut ebpf, options.debug).map_err(StartError::Load)?;
    times.end("object and maps");
    let probes = attach::attach(
        &mut ebpf,
        own_btf.as_ref(),
        &kernel,
        Plan {
            style: options.attach,
            preemptible,
            two_tracepoints,
            seccomp: options.seccomp,
            thread_stacks: settings.thread_stacks != 0,
        },
    );
    let tasks = if Holders::possible() {
        TaskIter::open(&mut ebpf, own_btf.as_ref(), &kernel.offsets)
    } else {
        Err("inside a pid namespace nothing is counted".to_owned())
    };
    times.end("verifying and attaching");
    Ok(Attached {
        kernel,
        probes,
        ebpf,
        log,
        tasks,
        times,
    })
}
