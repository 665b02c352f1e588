//! Single instructions to probe, found in the kernel's machine code.
//!
//! Where the kernel refuses without calling a function that could be hooked, it
//! still calls *something* there, for this alone. `copy_process` calls `capable`
//! for CAP_SYS_RESOURCE only of a task that is over RLIMIT_NPROC; it calls
//! `exit_creds` only to give up a child, whose state says whether `sched_fork` was
//! reached; `security_task_free` only when the security modules had agreed;
//! `pids_can_fork` decrements the refusing cgroup's counter last;
//! `__vm_enough_memory` takes a promise back only when it refuses. A kprobe on that
//! instruction costs a successful creation nothing, and says what no number can:
//! that this check refused, whatever limits have become since. It is attached in
//! the styles `fexit` and `kprobe`.
//!
//! A call of `copy_process` is followed by an instruction at which its answer is in
//! a register; a kprobe there costs as much as a kretprobe, and never runs out of
//! instances. The style `kprobe` sees the failing return by it.
//!
//! The code is read by a BPF program that is run for that (forktrace-ebpf
//! `text.rs`). Calls are found by their targets, the rest by a few forms of
//! instructions (`arch/`); prototypes of what is called are compared first, and the
//! kernel itself refuses a probe in the midst of an instruction. What isn't found is
//! not probed, and said to be absent: the numbers then decide, and the verdict is
//! `inferred`.

mod text;

use std::{collections::BTreeMap, ops::Range, time::Duration};

use aya::Ebpf;
use forktrace_common::{offsets::Offsets, text::Uncharge};

use super::style::Role;
use crate::arch::{GivenBack, instructions};
pub use text::TextError;

/// An instruction, and the program for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// What the program is for.
    pub role: Role,
    /// The function that the instruction lies in.
    pub function: &'static str,
    /// Bytes from the function's first.
    pub offset: u64,
    /// Name of the BPF program.
    pub program: &'static str,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sites {
    /// On the way out of a refused creation.
    pub errors: Vec<Site>,
    /// Behind each call of `copy_process`; empty where not all were found.
    pub returns: Vec<Site>,
    /// How to read what [`Role::Pids`] is about.
    pub uncharge: Uncharge,
    /// Of what [`Role::Pids`] goes by one half is there: somebody else's probe can hide the other.
    pub is_half_hidden: bool,
}

/// The evidence of a site that wasn't found, one phrase each.
pub fn lost(role: Role) -> &'static str {
    match role {
        Role::Nproc => {
            "RLIMIT_NPROC is distinguished from kernel.threads-max by their numbers only"
        }
        Role::Child => {
            "SCHED_DEADLINE is distinguished from kernel.threads-max by the numbers only"
        }
        Role::Security => "a security module is not distinguished from an execve in another thread",
        Role::Pids => "whose pids.max refused is concluded from the numbers",
        Role::Overcommit => "overcommit is concluded from the numbers",
        _ => "the failing return is seen by a kretprobe, which has few instances",
    }
}

/// Every role that [`Sites::errors`] can have.
pub const ROLES: [Role; 5] = [
    Role::Nproc,
    Role::Child,
    Role::Security,
    Role::Pids,
    Role::Overcommit,
];

/// Functions by whose prototype it is known that an instruction means what it is taken
/// for: what is called there, or what it lies in.
pub const KNOWN_BY: [(&str, Role); 4] = [
    ("capable", Role::Nproc),
    ("exit_creds", Role::Child),
    ("pids_can_fork", Role::Pids),
    ("percpu_counter_add_batch", Role::Overcommit),
];

/// Addresses of functions by name, each with where the next one begins.
pub type Functions = BTreeMap<&'static str, Range<u64>>;

/// Looks for all of them.
///
/// # Errors
/// The code can't be read.
pub fn find(ebpf: &mut Ebpf, functions: &Functions, offsets: &Offsets) -> Result<Sites, TextError> {
    let mut text = text::Reader::open(ebpf)?;
    let mut readings = 0;
    loop {
        let mut code = BTreeMap::new();
        for name in SEARCHED {
            if let Some(range) = functions.get(name) {
                code.insert(*name, text.read(range)?);
            }
        }
        let found = search(functions, &code, offsets);
        readings += 1;
        if readings == READINGS || !found.is_half_hidden {
            return Ok(found);
        }
        std::thread::sleep(PAUSE);
    }
}

/// The kernel takes its time to take the probes of a session out that has just ended.
const READINGS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);

/// The functions whose code is read.
const SEARCHED: &[&str] = &[
    "copy_process",
    "kernel_clone",
    "create_io_thread",
    "vhost_task_create",
    "pids_can_fork",
    "pids_try_charge",
    "__vm_enough_memory",
];

fn search(functions: &Functions, code: &BTreeMap<&'static str, Vec<u8>>, o: &Offsets) -> Sites {
    let of = Search { functions, code };
    let mut sites = Sites::default();
    for (role, callee, program) in [
        (Role::Nproc, "capable", "kprobe_capability_asked"),
        (Role::Child, "exit_creds", "kprobe_child_seen"),
        (
            Role::Security,
            "security_task_free",
            "kprobe_security_passed",
        ),
    ] {
        if role == Role::Nproc && !of.asks_for_capabilities() {
            continue;
        }
        for offset in of.calls("copy_process", callee) {
            sites.errors.push(Site {
                role,
                function: "copy_process",
                offset,
                program,
            });
        }
    }
    let taken_back = of
        .calls("__vm_enough_memory", "percpu_counter_add_batch")
        .into_iter()
        .filter(|offset| of.negates_before("__vm_enough_memory", *offset));
    sites.errors.extend(taken_back.map(|offset| Site {
        role: Role::Overcommit,
        function: "__vm_enough_memory",
        offset,
        program: "kprobe_overcommit_refused",
    }));
    match of.uncharge(o) {
        Form::Whole(uncharge, site) => {
            sites.uncharge = uncharge;
            sites.errors.push(site);
        }
        Form::Half => sites.is_half_hidden = true,
        Form::None => {}
    }
    sites.returns = of.returns();
    sites
}

struct Search<'a> {
    functions: &'a Functions,
    code: &'a BTreeMap<&'static str, Vec<u8>>,
}

impl Search<'_> {
    fn calls(&self, function: &str, callee: &str) -> Vec<u64> {
        match (
            self.code.get(function),
            self.functions.get(function),
            self.functions.get(callee),
        ) {
            (Some(code), Some(at), Some(callee)) => {
                instructions::calls(code, at.start, callee.start)
            }
            _ => Vec::new(),
        }
    }

    /// Whether the question for CAP_SYS_RESOURCE is among the calls of `capable`: it is the
    /// one that only RLIMIT_NPROC leads to.
    fn asks_for_capabilities(&self) -> bool {
        const CAP_SYS_RESOURCE: u32 = 24; // include/uapi/linux/capability.h
        let calls = self.calls("copy_process", "capable");
        let code = self.code.get("copy_process");
        code.is_some_and(|code| {
            let mut calls = calls.iter();
            calls.any(|&offset| instructions::passes_number(code, offset, CAP_SYS_RESOURCE))
        })
    }

    fn negates_before(&self, function: &str, offset: u64) -> bool {
        self.code
            .get(function)
            .is_some_and(|code| instructions::negates_before(code, offset))
    }

    /// All callers that the kernel has; a caller in which no call is found is one
    /// whose refusals would go unseen.
    fn returns(&self) -> Vec<Site> {
        let mut found = Vec::new();
        for function in ["kernel_clone", "create_io_thread", "vhost_task_create"] {
            if !self.functions.contains_key(function) {
                if function == "kernel_clone" {
                    return Vec::new();
                }
                continue;
            }
            let calls = self.calls(function, "copy_process");
            if calls.is_empty() {
                return Vec::new();
            }
            found.extend(calls.into_iter().map(|offset| Site {
                role: Role::Return,
                function,
                offset: offset + instructions::CALL,
                program: "kprobe_copy_process_returned",
            }));
        }
        found
    }

    /// Where `pids_try_charge` (inlined in `pids_can_fork` as a rule) gives charges back.
    fn uncharge(&self, o: &Offsets) -> Form {
        let mut form = Form::None;
        for function in ["pids_can_fork", "pids_try_charge"] {
            let Some(code) = self.code.get(function) else {
                continue;
            };
            match instructions::given_back(code, o.pids_counter) {
                GivenBack::Nothing => {}
                GivenBack::Half => form = Form::Half,
                GivenBack::Found {
                    offset,
                    register,
                    displacement,
                } => {
                    let uncharge = Uncharge {
                        register,
                        displacement,
                    };
                    let site = Site {
                        role: Role::Pids,
                        function,
                        offset,
                        program: "kprobe_pids_uncharged",
                    };
                    return Form::Whole(uncharge, site);
                }
            }
        }
        form
    }
}

/// What was found of the two instructions that give charges back.
enum Form {
    Whole(Uncharge, Site),
    Half,
    None,
}

// Of x86-64's machine code.
#[cfg(all(test, target_arch = "x86_64"))]
mod tests;
