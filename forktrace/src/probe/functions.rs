//! The kernel functions that forktrace hooks, and what they have to look like.
//!
//! A hook reads parameters and return values by position. Where two functions
//! of one kernel share a name, BTF can have the types of the one and kallsyms
//! the address of the other: a hook would give wrong evidence, or read memory
//! that isn't there. So nothing is attached to a function whose prototype
//! differs from the table.
//!
//! The versions say where BTF is expected to have the function, for
//! [`super::drift`]; whether one is hooked doesn't depend on them.

use std::fmt;

use super::versions::Versions;
use crate::arch::symbols;
use crate::btf::{Btf, Param, Prototype, ValueKind};

/// What a parameter has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A pointer to the struct of this name.
    Struct(&'static str),
    /// An integer or enum. Compilers disagree about the words for these
    /// (`unsigned long`, `long unsigned int`), versions about their widths.
    Integer,
    /// A pointer to text, `const char *`.
    Text,
}

/// What a function has to return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// Nothing.
    Void,
    /// `bool`.
    Bool,
    /// `int`: an errno, negative, or 0.
    Int,
    /// `long` or `unsigned long`: what a system call answers, an address or a
    /// negative errno.
    Long,
    /// A pointer to the struct of this name, or an errno in its place.
    Struct(&'static str),
}

/// A function that forktrace hooks.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// The kernel's name.
    pub name: &'static str,
    /// Every parameter, by name and type.
    pub params: &'static [(&'static str, Expected)],
    /// The return value.
    pub returns: Returns,
    /// Where BTF is expected to describe it so, on kernels as distributions
    /// configure them.
    pub versions: Versions,
}

/// The functions, as BTF has them on 5.10, 6.1, 6.12, 6.18 and 7.3 unless
/// said. One that is listed twice may look either way.
pub const FUNCTIONS: &[Function] = &[
    // kernel/fork.c: creates every task. The same on all.
    Function {
        name: "copy_process",
        params: &[
            ("pid", Expected::Struct("pid")),
            ("trace", Expected::Integer),
            ("node", Expected::Integer),
            ("args", Expected::Struct("kernel_clone_args")),
        ],
        returns: Returns::Struct("task_struct"),
        versions: Versions::ALL,
    },
    // kernel/capability.c, kernel/cred.c, lib/percpu_counter.c: called on the way out of a
    // refused creation, where the calls are probed (`super::sites`). The same on all; Debian's
    // 5.10 leaves the counter's out of its BTF.
    Function {
        name: "capable",
        params: &[("cap", Expected::Integer)],
        returns: Returns::Bool,
        versions: Versions::ALL,
    },
    Function {
        name: "exit_creds",
        params: &[("tsk", Expected::Struct("task_struct"))],
        returns: Returns::Void,
        versions: Versions::ALL,
    },
    Function {
        name: "percpu_counter_add_batch",
        params: &[
            ("fbc", Expected::Struct("percpu_counter")),
            ("amount", Expected::Integer),
            ("batch", Expected::Integer),
        ],
        returns: Returns::Void,
        versions: Versions::ALL.since(5, 11),
    },
    // kernel/cgroup/pids.c: the pids.max check, which is looked into. The same on all.
    Function {
        name: "pids_can_fork",
        params: &[
            ("task", Expected::Struct("task_struct")),
            ("cset", Expected::Struct("css_set")),
        ],
        returns: Returns::Int,
        versions: Versions::ALL,
    },
    // kernel/events/core.c: the way out of a failed copy_process; none without
    // CONFIG_PERF_EVENTS. Debian's 5.10 has it, and leaves it out of its BTF.
    Function {
        name: "perf_event_free_task",
        params: &[("task", Expected::Struct("task_struct"))],
        returns: Returns::Void,
        versions: Versions::ALL.since(5, 11),
    },
    // kernel/cgroup/cgroup.c. The same on all.
    Function {
        name: "cgroup_cancel_fork",
        params: &[
            ("child", Expected::Struct("task_struct")),
            ("kargs", Expected::Struct("kernel_clone_args")),
        ],
        returns: Returns::Void,
        versions: Versions::ALL,
    },
    // security/security.c. The same on all; none without CONFIG_SECURITY.
    Function {
        name: "security_task_free",
        params: &[("task", Expected::Struct("task_struct"))],
        returns: Returns::Void,
        versions: Versions::ALL,
    },
    // mm/memcontrol.c. The same on all.
    Function {
        name: "mem_cgroup_out_of_memory",
        params: &[
            ("memcg", Expected::Struct("mem_cgroup")),
            ("gfp_mask", Expected::Integer),
            ("order", Expected::Integer),
        ],
        returns: Returns::Bool,
        versions: Versions::ALL,
    },
    // mm/oom_kill.c. The same on all.
    Function {
        name: "oom_kill_process",
        params: &[
            ("oc", Expected::Struct("oom_control")),
            ("message", Expected::Text),
        ],
        returns: Returns::Void,
        versions: Versions::ALL,
    },
    // fs/exec.c, by SYSCALL_DEFINE (arch/*/include/asm/syscall_wrapper.h). The
    // stubs for kernels without a call (kernel/sys_ni.c) name the parameter
    // `__unused`; BTF has either, or both (6.1: execveat), by which one it met.
    syscall(symbols::EXECVE, REGS),
    syscall(symbols::EXECVE, UNUSED),
    syscall(symbols::EXECVEAT, REGS),
    syscall(symbols::EXECVEAT, UNUSED),
    syscall(symbols::COMPAT_EXECVE, REGS),
    syscall(symbols::COMPAT_EXECVE, UNUSED),
    syscall(symbols::COMPAT_EXECVEAT, REGS),
    syscall(symbols::COMPAT_EXECVEAT, UNUSED),
    // kernel/seccomp.c: -1 when the call is to be skipped. It lost its parameter
    // between 6.12 and 6.18, and its name for another between 6.18 and 7.3.
    Function {
        name: "__secure_computing",
        params: &[("sd", Expected::Struct("seccomp_data"))],
        returns: Returns::Int,
        versions: Versions::ALL.until(6, 14),
    },
    Function {
        name: "__secure_computing",
        params: &[],
        returns: Returns::Int,
        versions: Versions::ALL.since(6, 15).until(7, 2),
    },
    // False when the call is to be skipped.
    Function {
        name: "__seccomp_permit_syscall",
        params: &[],
        returns: Returns::Bool,
        versions: Versions::ALL.since(7, 3),
    },
    // mm/util.c: every mmap(2). The same on all.
    Function {
        name: "vm_mmap_pgoff",
        params: &[
            ("file", Expected::Struct("file")),
            ("addr", Expected::Integer),
            ("len", Expected::Integer),
            ("prot", Expected::Integer),
            ("flag", Expected::Integer),
            ("pgoff", Expected::Integer),
        ],
        returns: Returns::Long,
        versions: Versions::ALL,
    },
    syscall(symbols::MPROTECT, REGS),
    syscall(symbols::MPROTECT, UNUSED),
    // mm/mprotect.c: mprotect(2) and pkey_mprotect(2). The same on all.
    Function {
        name: "do_mprotect_pkey",
        params: &[
            ("start", Expected::Integer),
            ("len", Expected::Integer),
            ("prot", Expected::Integer),
            ("pkey", Expected::Integer),
        ],
        returns: Returns::Int,
        versions: Versions::ALL,
    },
];

const REGS: &[(&str, Expected)] = &[("regs", Expected::Struct("pt_regs"))];
const UNUSED: &[(&str, Expected)] = &[("__unused", Expected::Struct("pt_regs"))];

/// The function of a system call.
const fn syscall(name: &'static str, params: &'static [(&'static str, Expected)]) -> Function {
    Function {
        name,
        params,
        returns: Returns::Long,
        versions: Versions::ALL,
    }
}

/// A function of which all that matters is whether the kernel has it.
pub struct Presence {
    /// Its name in kallsyms.
    pub name: &'static str,
    /// Where it is expected.
    pub versions: Versions,
    /// What is concluded from its absence.
    pub without: &'static str,
}

/// Functions of which all that matters is whether the kernel has them.
pub const PRESENCES: [&Presence; 3] = [&TASK_PT_REGS, &BPF_LOOP, &FAULTABLE_TRACEPOINTS];

/// The BPF helper, kernel/trace/bpf_trace.c, since dd6e10fbd9fb. It came after
/// bpf_get_current_task_btf (3ca1032ab7ab, 5.11), which is used with it.
pub const TASK_PT_REGS: Presence = Presence {
    name: "bpf_task_pt_regs",
    versions: Versions::ALL.since(5, 15),
    without: "which system call asked is read from where the kernel's stack ends",
};

/// The BPF helper, kernel/bpf/bpf_iter.c, since e6f2dd0f8067.
pub const BPF_LOOP: Presence = Presence {
    name: "bpf_loop",
    versions: Versions::ALL.since(5, 17),
    without: "the programs are those with loops, which take three times as long to verify",
};

/// kernel/trace/bpf_trace.c: runs the programs of system-call tracepoints
/// without holding preemption off, so that each is skipped by itself. Seen in
/// 7.3, not in 6.18.
pub const FAULTABLE_TRACEPOINTS: Presence = Presence {
    name: "trace_call_bpf_faultable",
    versions: Versions::ALL.since(7, 0),
    without: "one program sits on each system-call tracepoint, because none can be preempted",
};

/// Why a function can't be hooked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureMismatch {
    /// The kernel doesn't have it, or inlined it everywhere.
    #[error("this kernel has no function {function}")]
    Absent {
        /// The function.
        function: &'static str,
    },
    /// The function takes or returns something else.
    #[error("{function} is {found} in this kernel, known is {expected}")]
    Differs {
        /// The function.
        function: &'static str,
        /// Its prototypes in BTF.
        found: String,
        /// The one that forktrace knows.
        expected: String,
    },
    /// Not in [`FUNCTIONS`].
    #[error("forktrace knows no prototype of {function}")]
    Unlisted {
        /// The function.
        function: String,
    },
}

/// The entries of [`FUNCTIONS`] with this name.
pub fn known(name: &str) -> impl Iterator<Item = &'static Function> {
    FUNCTIONS
        .iter()
        .filter(move |function| function.name == name)
}

/// Whether a function of [`FUNCTIONS`] can be hooked on this kernel.
pub fn check_function(btf: &Btf, name: &str) -> Result<(), SignatureMismatch> {
    let known = || known(name);
    let Some(function) = known().next() else {
        return Err(SignatureMismatch::Unlisted {
            function: name.to_owned(),
        });
    };
    let found = btf.functions(name);
    if found.is_empty() {
        return Err(SignatureMismatch::Absent {
            function: function.name,
        });
    }
    // All of them: which one the address belongs to isn't known.
    if found
        .iter()
        .all(|prototype| known().any(|function| function.matches(prototype)))
    {
        return Ok(());
    }
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    Err(SignatureMismatch::Differs {
        function: function.name,
        found: found.join(" or "),
        expected: function.to_string(),
    })
}

impl Function {
    /// Whether BTF describes it so.
    pub fn matches(&self, found: &Prototype) -> bool {
        let returns = &found.returns;
        let returns = match self.returns {
            Returns::Void => returns.kind == ValueKind::Void,
            Returns::Bool => returns.kind == ValueKind::Bool,
            Returns::Int => returns.kind == ValueKind::Integer && returns.size == Some(4),
            Returns::Long => returns.kind == ValueKind::Integer && returns.size == Some(8),
            Returns::Struct(name) => {
                returns.kind == ValueKind::Pointer && points_to(&returns.text, name)
            }
        };
        returns
            && self.params.len() == found.params.len()
            && self
                .params
                .iter()
                .zip(&found.params)
                .all(|(expected, found)| matches_param(expected, found))
    }
}

fn matches_param((name, expected): &(&str, Expected), found: &Param) -> bool {
    let ty = match expected {
        Expected::Integer => found.ty.kind == ValueKind::Integer,
        Expected::Struct(name) => {
            found.ty.kind == ValueKind::Pointer && points_to(&found.ty.text, name)
        }
        Expected::Text => {
            let words = found.ty.text.split_whitespace();
            found.ty.kind == ValueKind::Pointer
                && words.filter(|word| *word != "const").eq(["char", "*"])
        }
    };
    // Encoders may leave names out.
    ty && (found.name == *name || found.name.is_empty())
}

/// `struct NAME *`, whatever is const about it.
fn points_to(text: &str, name: &str) -> bool {
    let words = text.split_whitespace().filter(|word| *word != "const");
    words.eq(["struct", name, "*"])
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (i, (name, ty)) in self.params.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            match ty {
                Expected::Struct(of) => write!(f, "{comma}struct {of} * {name}")?,
                Expected::Integer => write!(f, "{comma}integer {name}")?,
                Expected::Text => write!(f, "{comma}const char * {name}")?,
            }
        }
        match self.returns {
            Returns::Void => f.write_str(") -> void"),
            Returns::Bool => f.write_str(") -> bool"),
            Returns::Int => f.write_str(") -> int"),
            Returns::Long => f.write_str(") -> long"),
            Returns::Struct(name) => write!(f, ") -> struct {name} *"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::builder::*;

    /// BTF with one `percpu_counter_add_batch`, of these parameters' names.
    fn add_batch(names: &[&str], returns_pointer: bool) -> Builder {
        let mut b = Builder::new();
        let int = b.int("int", 4, 1);
        let long = b.int("unsigned long", 8, 0);
        let counter = b.aggregate(STRUCT, "percpu_counter", 4, false, &[("batch", int, 0)]);
        let counter = b.refer(PTR, "", counter);
        let types = [counter, long, int, int];
        let params: Vec<(&str, u32)> = names.iter().copied().zip(types).collect();
        b.function(
            "percpu_counter_add_batch",
            &params,
            if returns_pointer { counter } else { 0 },
        );
        b
    }

    fn check(b: &Builder) -> Result<(), SignatureMismatch> {
        check_function(&Btf::parse(b.bytes()).unwrap(), "percpu_counter_add_batch")
    }

    #[test]
    fn as_expected() {
        assert_eq!(
            check(&add_batch(&["fbc", "amount", "batch"], false)),
            Ok(())
        );
        assert_eq!(check(&add_batch(&["fbc", "", ""], false)), Ok(()));
    }

    #[test]
    fn other_prototypes() {
        for (names, pointer) in [
            (&["fbc"][..], false),
            (&["fbc", "amount", "batch", "more"][..], false),
            (&["counter", "amount", "batch"][..], false),
            (&["fbc", "amount", "batch"][..], true),
        ] {
            assert!(
                matches!(
                    check(&add_batch(names, pointer)),
                    Err(SignatureMismatch::Differs { .. })
                ),
                "{names:?}"
            );
        }
        let error = check(&add_batch(&["fbc"], false)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "percpu_counter_add_batch is (struct percpu_counter * fbc) -> void in this kernel, known is \
             (struct percpu_counter * fbc, integer amount, integer batch) -> void"
        );
    }

    /// A name that stands twice, with the types of another function.
    #[test]
    fn two_of_the_same_name() {
        let mut b = add_batch(&["fbc", "amount", "batch"], false);
        b.function("percpu_counter_add_batch", &[], 0);
        assert!(matches!(check(&b), Err(SignatureMismatch::Differs { .. })));
    }

    #[test]
    fn absent_and_unlisted() {
        let btf = Btf::parse(add_batch(&["fbc"], false).bytes()).unwrap();
        assert_eq!(
            check_function(&btf, "copy_process"),
            Err(SignatureMismatch::Absent {
                function: "copy_process"
            })
        );
        assert!(matches!(
            check_function(&btf, "snprintf"),
            Err(SignatureMismatch::Unlisted { .. })
        ));
    }

    /// The kernel that runs the tests need not be one that forktrace knows;
    /// copy_process is the one function that it can't do without.
    #[test]
    fn the_running_kernel() {
        let Ok(btf) = Btf::from_sys() else {
            println!("note: no BTF here, nothing tested");
            return;
        };
        assert_eq!(check_function(&btf, "copy_process"), Ok(()));
    }

    /// Prints what becomes of each function with the BTF in `FORKTRACE_BTF`.
    #[test]
    #[ignore = "prints a table"]
    fn print() {
        let path = std::env::var_os("FORKTRACE_BTF").expect("FORKTRACE_BTF");
        let btf = Btf::from_file(path.as_ref()).unwrap();
        for function in FUNCTIONS {
            match check_function(&btf, function.name) {
                Ok(()) => println!("{}: {}", function.name, btf.functions(function.name)[0]),
                Err(error) => println!("{}: {error}", function.name),
            }
        }
    }
}
