//! What test machines run, each by itself: the parts of a full run, and the brief ones of a short run.

use crate::guest::Cgroup;

/// What one machine runs. Each attach style has a boot of its own, because the emulator can break
/// one at any moment (see `guest::Boot::run`), and what was run is run again.
#[derive(Clone, Copy)]
pub(super) struct Part {
    /// What has to be seen with two has them in one style on one kernel of each kind of preemption.
    /// With one the emulator can't break the machine, because no other runs the code that is being
    /// patched.
    pub processors: u32,
    pub layout: Cgroup,
    pub name: &'static str,
    pub options: &'static [&'static str],
    pub on: On,
    /// More for the kernel's command line.
    pub append: &'static str,
    /// With a PostgreSQL server in it.
    pub postgres: bool,
}

/// The kernels that a part is for, by their names.
#[derive(Clone, Copy)]
pub(super) enum On {
    All,
    Only(&'static [&'static str]),
    AllBut(&'static [&'static str]),
}

impl Part {
    /// Without what behaves in a style's own way.
    pub(super) fn sessions_only(self) -> Self {
        let options = self.options.strip_suffix(&["--kind", "kernel"]);
        Self {
            options: options.unwrap_or(self.options),
            ..self
        }
    }

    /// All sessions of a style, and what behaves in its own way in it.
    pub(super) fn is_of_a_style(&self) -> bool {
        let style = ["fexit", "kprobe", "tracepoint"];
        style.iter().any(|style| self.name.ends_with(style))
    }
}

impl On {
    pub(super) fn contains(self, kernel: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(&kernel),
            Self::AllBut(names) => !names.contains(&kernel),
        }
    }
}

/// One that doesn't preempt itself, and one that does (`/sys/kernel/debug/sched/preempt`: lazy).
const WITH_TWO_PROCESSORS: &[&str] = &["5.10", "6.18"];

/// Built with PREEMPT_RT: nearly everything can be preempted, and spinlocks sleep.
pub(super) const REAL_TIME: &[&str] = &["6.1-rt", "6.12-rt"];

/// The kernel that is booted with [`FULL`] as well.
const WITH_FULL_PREEMPTION: &[&str] = &["6.18"];

/// A style's sessions, and those behaviours that are its own.
const fn of_style(name: &'static str, options: &'static [&'static str]) -> Part {
    Part {
        processors: 1,
        layout: Cgroup::V2,
        name,
        options,
        on: On::All,
        append: "",
        postgres: false,
    }
}

const FEXIT: Part = of_style(
    "fexit",
    &["--style", "fexit", "--kind", "sessions", "--kind", "kernel"],
);

const KPROBE: Part = of_style(
    "kprobe",
    &[
        "--style", "kprobe", "--kind", "sessions", "--kind", "kernel",
    ],
);

/// One of two CPUs goes and comes.
const TWO_PROCESSORS: Part = Part {
    processors: 2,
    layout: Cgroup::V2,
    name: "processors",
    options: &["--style", "auto", "--only", "fault_cpu"],
    on: On::Only(&["6.12"]),
    append: "",
    postgres: false,
};

/// More CPUs than entries of a map of 1024 make lists for (kernel/bpf/bpf_lru_list.c); 6.1 makes them by 128.
const MANY_PROCESSORS: Part = Part {
    processors: 10,
    layout: Cgroup::V2,
    name: "many-processors",
    options: &[
        "--style",
        "fexit",
        "--kind",
        "sessions",
        "--only",
        "pids_on_many",
    ],
    on: On::Only(&["6.1"]),
    append: "",
    postgres: false,
};

/// A server whose forks strict overcommit refuses.
const POSTGRES: Part = Part {
    processors: 1,
    layout: Cgroup::V2,
    name: "postgres",
    options: &["--style", "auto", "--only", "postgres_strict"],
    on: On::Only(&["6.12"]),
    append: "",
    postgres: true,
};

/// Preempts itself wherever it may, which no kernel does as Debian configures it.
const FULL: &str = "preempt=full";

/// Everything on v2, on each kernel; with v1 hierarchies only what concerns the pids controller;
/// the commands' behaviour, which doesn't depend on the kernel, on one kernel (and natively).
/// What preemption changes is in the styles that hook the kernel's functions, so that kernels built
/// or booted for it have these two alone.
pub(super) const PARTS: [Part; 11] = [
    Part {
        processors: 2,
        on: On::Only(WITH_TWO_PROCESSORS),
        ..FEXIT
    },
    Part {
        on: On::AllBut(WITH_TWO_PROCESSORS),
        ..FEXIT
    },
    // It skips kprobes without counting it (before 6.7), so that refusals go unrecorded.
    Part {
        on: On::AllBut(&["6.1-rt"]),
        ..KPROBE
    },
    Part {
        on: On::AllBut(REAL_TIME),
        ..of_style(
            "tracepoint",
            &[
                "--style",
                "tracepoint",
                "--kind",
                "sessions",
                "--kind",
                "kernel",
            ],
        )
    },
    Part {
        name: "full-fexit",
        on: On::Only(WITH_FULL_PREEMPTION),
        append: FULL,
        ..FEXIT
    },
    Part {
        name: "full-kprobe",
        on: On::Only(WITH_FULL_PREEMPTION),
        append: FULL,
        ..KPROBE
    },
    TWO_PROCESSORS,
    MANY_PROCESSORS,
    Part {
        processors: 1,
        layout: Cgroup::V2,
        name: "auto",
        options: &[
            "--style", "auto", "--kind", "sessions", "--kind", "commands",
        ],
        on: On::Only(&["6.12"]),
        append: "",
        postgres: false,
    },
    POSTGRES,
    Part {
        processors: 1,
        layout: Cgroup::V1,
        name: "pids",
        options: &[
            "--style",
            "fexit",
            "--style",
            "tracepoint",
            "--only",
            "pids",
            "--only",
            "v1",
            "--kind",
            "sessions",
            "--kind",
            "kernel",
        ],
        on: On::AllBut(REAL_TIME),
        append: "",
        postgres: false,
    },
];

/// A style's scenarios that provoke every cause, in two sessions.
const fn brief(name: &'static str, options: &'static [&'static str], on: On) -> Part {
    Part {
        on,
        ..of_style(name, options)
    }
}

const BRIEF_FEXIT: Part = brief(
    "fexit-brief",
    &["--style", "fexit", "--kind", "sessions", "--brief"],
    On::All,
);

const BRIEF_KPROBE: Part = brief(
    "kprobe-brief",
    &["--style", "kprobe", "--kind", "sessions", "--brief"],
    On::AllBut(&["6.1-rt"]),
);

/// Of a short run: where [`PARTS`] has all scenarios, those that provoke every cause; of the commands'
/// behaviour, what this machine's own kernel or its owner may not bear; and the parts that are short
/// as they are. None with preempt=full: kernels of PREEMPT_RT preempt themselves as much, in both styles.
pub(super) const BRIEF: [Part; 7] = [
    // First: it takes longest.
    brief(
        "host",
        &[
            "--kind",
            "commands",
            "--kind",
            "kernel",
            "--only",
            "starved_at_",
            "--only",
            "starved_over_nproc_capabilities",
            "--only",
            "selftest_names_a_difference",
            // SIGTERM goes the way of SIGINT; SIGKILL is met in the middle of what changes the host.
            "--only",
            "selftest_sigint_restores",
            "--only",
            "selftest_sigkill_restores",
            // The style that leaves most behind it in the kernel.
            "--only",
            "fault_killed_in_a_storm_kprobe",
            "--only",
            "half_attached_kprobe",
            "--only",
            "fault_short_of_memory",
            "--only",
            "fault_clock_steps",
            "--only",
            "check_pid_max_95_percent",
            "--only",
            "check_strict_overcommit",
        ],
        On::Only(&["6.12"]),
    ),
    BRIEF_FEXIT,
    BRIEF_KPROBE,
    brief(
        "tracepoint-brief",
        &["--style", "tracepoint", "--kind", "sessions", "--brief"],
        On::AllBut(REAL_TIME),
    ),
    Part {
        layout: Cgroup::V1,
        ..brief(
            "pids-brief",
            &[
                "--style", "fexit", "--kind", "sessions", "--brief", "--only", "pids", "--only",
                "v1",
            ],
            On::Only(&["5.10", "6.12", "newest"]),
        )
    },
    TWO_PROCESSORS,
    POSTGRES,
];
