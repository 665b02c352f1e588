use super::*;
use crate::btf::builder::*;

/// A kernel with one hooked function and some of the fields.
struct Sample {
    /// The name of task_struct's `exit_state`.
    exit_state: &'static str,
    /// Its size.
    bytes: u32,
    /// The name of percpu_counter_add_batch's second parameter.
    amount: &'static str,
    /// The name of kernfs_node's parent.
    parent: &'static str,
    /// The enumerator that says where the pids controller is.
    pids: &'static str,
}

const KNOWN: Sample = Sample {
    exit_state: "exit_state",
    bytes: 4,
    amount: "amount",
    parent: "__parent",
    pids: "pids_cgrp_id",
};

impl Sample {
    /// What differs, of that which the sample has: everything else is missing
    /// in it, and said to be.
    fn deviations(&self, release: &str) -> Vec<String> {
        let mut b = Builder::new();
        let int = b.int("int", self.bytes, 1);
        let long = b.int("unsigned long", 8, 0);
        b.aggregate(
            STRUCT,
            "task_struct",
            8,
            false,
            &[(self.exit_state, int, 0)],
        );
        let number = b.int("int", 4, 1);
        let counter = b.aggregate(STRUCT, "percpu_counter", 8, false, &[("count", long, 0)]);
        let counter = b.refer(PTR, "", counter);
        b.function(
            "percpu_counter_add_batch",
            &[("fbc", counter), (self.amount, long), ("batch", number)],
            0,
        );
        b.aggregate(STRUCT, "kernfs_node", 8, false, &[(self.parent, long, 0)]);
        b.enumeration(ENUM, "cgroup_subsys_id", &[(self.pids, 1)]);
        let subsystems = b.array(long, 4);
        b.aggregate(STRUCT, "css_set", 32, false, &[("subsys", subsystems, 0)]);
        let btf = Btf::parse(b.bytes()).unwrap();
        let about = [
            "percpu_counter_add_batch",
            "task_struct.exit_state",
            "kernfs_node.parent",
            "kernfs_node.__parent",
            "css_set.subsys[cgroup_subsys_id::pids_cgrp_id]",
        ];
        deviations(&btf, release.parse().unwrap())
            .into_iter()
            .filter(|text| text.split(' ').any(|word| about.contains(&word)))
            .collect()
    }
}

#[test]
fn nothing_differs() {
    assert_eq!(KNOWN.deviations("7.3"), [""; 0]);
    assert_eq!(KNOWN.deviations("99.0"), [""; 0]);
}

#[test]
fn a_renamed_field() {
    let renamed = Sample {
        exit_state: "__exit_state",
        ..KNOWN
    };
    assert_eq!(
        renamed.deviations("7.4"),
        [
            "struct path task_struct.exit_state is gone (expected on every version); evidence \
             lost: how far a failed creation came; see probe/offsets.rs"
        ]
    );
}

#[test]
fn a_field_of_another_size() {
    let wider = Sample { bytes: 8, ..KNOWN };
    assert_eq!(
        wider.deviations("7.4"),
        [
            "struct path task_struct.exit_state has 8 bytes where 4 are read (expected on every \
             version); evidence lost: how far a failed creation came; see probe/offsets.rs"
        ]
    );
}

#[test]
fn a_changed_prototype() {
    let changed = Sample {
        amount: "delta",
        ..KNOWN
    };
    assert_eq!(
        changed.deviations("7.4"),
        [
            "function percpu_counter_add_batch is now (struct percpu_counter * fbc, unsigned long \
             delta, int batch) -> void, known is (struct percpu_counter * fbc, integer amount, \
             integer batch) -> void; it isn't hooked like this; evidence lost: overcommit is \
             concluded from the numbers; see probe/functions.rs"
        ]
    );
}

#[test]
fn an_enumerator_that_is_gone() {
    let gone = Sample {
        pids: "tasks_cgrp_id",
        ..KNOWN
    };
    assert_eq!(
        gone.deviations("7.4"),
        [
            "struct path css_set.subsys[cgroup_subsys_id::pids_cgrp_id] is gone with the \
             enumerator pids_cgrp_id of enum cgroup_subsys_id (expected on every version); \
             evidence lost: cgroup_pids_max; see probe/offsets.rs"
        ]
    );
}

/// A table that is wrong about a version is reported both ways.
#[test]
fn another_version_than_expected() {
    assert_eq!(
        KNOWN.deviations("6.12"),
        [
            "struct path kernfs_node.__parent is there (expected since 6.15); its versions are \
             wrong in probe/offsets.rs",
            "struct path kernfs_node.parent is gone (expected up to 6.14); evidence lost: the \
             caller's cgroup; see probe/offsets.rs"
        ]
    );
}

/// Functions that a kernel has none of.
#[test]
fn no_function_at_all() {
    let btf = Btf::parse(Builder::new().bytes()).unwrap();
    let of = |release: &str| deviations(&btf, release.parse().unwrap());
    let gone = of("6.1");
    let starts = |all: &[String], with: &str| all.iter().any(|text| text.starts_with(with));
    assert!(starts(
        &gone,
        "function capable is gone (expected on every version); evidence lost: RLIMIT_NPROC"
    ));
    assert!(starts(
        &gone,
        "function bpf_task_pt_regs is gone (expected since 5.15)"
    ));
    assert!(gone.iter().any(
        |text| text.starts_with("function perf_event_free_task is gone")
            && text.contains(", unless security_task_free serves;")
    ));
    let gone = of("5.10");
    assert!(!starts(
        &gone,
        "function bpf_task_pt_regs is gone (expected since 5.16)"
    ));
    assert!(!starts(&gone, "function perf_event_free_task"));
    assert!(!starts(&gone, "function bpf_task_pt_regs"));
    assert!(!starts(&gone, "function trace_call_bpf_faultable"));
    assert!(starts(
        &of("7.3"),
        "function trace_call_bpf_faultable is gone (expected since 7.0)"
    ));
}

/// A field from 6.14 in a kernel that calls itself 5.10: everything since then
/// would be said to be missing.
#[test]
fn a_kernel_that_looks_newer() {
    let mut b = Builder::new();
    let int = b.int("int", 4, 1);
    b.aggregate(STRUCT, "pid_namespace", 4, false, &[("pid_max", int, 0)]);
    let btf = Btf::parse(b.bytes()).unwrap();
    let all = deviations(&btf, "5.10".parse().unwrap());
    assert!(
        all.iter()
            .any(|text| text.starts_with("forktrace would say that ucounts_nproc"))
    );
    assert!(
        !all.iter()
            .any(|text| text.starts_with("forktrace would say that task_pid"))
    );
}

/// A function without a prototype in the table would never be attached.
#[test]
fn every_target_is_known() {
    let hooks = HOOKS.iter().chain([&SECCOMP]);
    for target in hooks.flat_map(|hook| hook.targets) {
        assert!(functions::known(target).next().is_some(), "{target}");
    }
}
