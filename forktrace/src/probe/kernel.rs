//! What this kernel is like: its types, and where its variables are.

use std::path::Path;

use forktrace_common::{
    offsets::{Offsets, Symbols},
    settings::seccomp_return,
};

use super::{
    functions::{self, SignatureMismatch},
    kallsyms,
    object::Object,
    offsets, perf,
    sites::Functions,
    style::Style,
};
use crate::btf::{Btf, BtfError};

/// Types, offsets and addresses of the running kernel.
pub struct Kernel {
    btf: Option<Btf>,
    /// They are the running kernel's, and not a file's.
    own_types: bool,
    /// Where the fields of the kernel's structs lie.
    pub offsets: Offsets,
    /// Addresses of its functions and variables.
    pub symbols: Symbols,
    /// Where the functions lie that [`super::sites`] looks into.
    pub functions: Functions,
    /// Evidence that this kernel doesn't give, one sentence each.
    pub absent: Vec<String>,
}

impl Kernel {
    /// Asks the running kernel; `btf` names a file to use in place of its own
    /// BTF. Nothing that the kernel lacks is an error: it is said, and its
    /// evidence is absent.
    ///
    /// # Errors
    /// The file that was asked for can't be read or is no BTF.
    pub fn discover(btf: Option<&Path>) -> Result<Self, BtfError> {
        let mut absent = Vec::new();
        let own_types = btf.is_none();
        let parsed = match btf {
            Some(path) => Ok(Btf::from_file(path)?),
            None => Btf::from_sys(),
        };
        let btf = match parsed {
            Ok(btf) => Some(btf),
            Err(error) => {
                absent.push(format!(
                    "no kernel types: {error}; causes are concluded from /proc alone, and most stay unknown"
                ));
                None
            }
        };
        let mut offsets = Offsets::UNKNOWN;
        if let Some(btf) = &btf {
            let resolved = offsets::resolve(btf);
            offsets = resolved.offsets;
            for slot in resolved.lacking() {
                let places: Vec<String> = slot.places.iter().map(ToString::to_string).collect();
                absent.push(format!(
                    "this kernel has no {}; lost: {}",
                    places.join(" or "),
                    slot.lost
                ));
            }
            // A flag has two slots, side by side.
            absent.dedup();
        }
        let (symbols, functions) = symbols(&offsets, btf.is_some(), &mut absent);
        Ok(Self {
            btf,
            own_types,
            offsets,
            symbols,
            functions,
            absent,
        })
    }

    /// The types once more as aya wants them: it asks for nothing but the numbers
    /// of the functions that it is to hook.
    pub fn types_of_aya(&self, functions: &[&str]) -> Option<aya::Btf> {
        match &self.btf {
            Some(btf) if self.own_types => Some(btf.functions_alone(functions)),
            // A file's numbers may be others.
            _ => Some(Btf::from_sys().ok()?.functions_alone(functions)),
        }
    }

    /// Whether the kernel's types are known. Without them the programs can read
    /// neither tasks nor limits, and a note of theirs would be wrong.
    pub fn has_types(&self) -> bool {
        self.btf.is_some()
    }

    /// What the function of [`super::style::SECCOMP`] answers here: one of
    /// [`seccomp_return`]. Without BTF, what the oldest kernels have.
    pub fn seccomp_return(&self) -> u32 {
        let Some(btf) = &self.btf else {
            return seccomp_return::INT_OF_DATA;
        };
        if btf.function("__seccomp_permit_syscall").is_some() {
            return seccomp_return::BOOL;
        }
        match btf.function("__secure_computing") {
            Some(prototype) if prototype.params.is_empty() => seccomp_return::INT,
            _ => seccomp_return::INT_OF_DATA,
        }
    }

    /// Whether programs on system-call tracepoints can be preempted, where the
    /// kernel is. True also where that isn't known.
    pub fn preempts_tracepoints(&self) -> bool {
        let name = functions::FAULTABLE_TRACEPOINTS.name;
        self.btf
            .as_ref()
            .is_none_or(|btf| btf.function(name).is_some())
    }

    /// Whether the kernel counts the runs of kprobes' programs that it skips: since 6.7
    /// (dd8657894c11), with the series that has missed probes in a link's information.
    pub fn counts_skipped_kprobes(&self) -> bool {
        self.btf.as_ref().is_some_and(|btf| {
            btf.field("bpf_link_info", "perf_event.kprobe.missed")
                .is_some()
        })
    }

    /// The object that suits the kernel. Its types say whether it has the helper:
    /// a program that is refused would say no more than that it was.
    pub fn object(&self) -> Object {
        let name = functions::BPF_LOOP.name;
        match &self.btf {
            Some(btf) if btf.function(name).is_some() => Object::BpfLoop,
            _ => Object::BoundedLoops,
        }
    }

    /// Whether bpf_task_pt_regs and bpf_get_current_task_btf exist: the
    /// kernel's BTF has the prototypes of its helpers.
    pub fn has_task_pt_regs(&self) -> bool {
        self.btf
            .as_ref()
            .is_some_and(|btf| btf.function(functions::TASK_PT_REGS.name).is_some())
    }

    /// Whether a function may be hooked in a style: its prototype has to be
    /// the known one. A kprobe changes no arguments, so for it a function that
    /// BTF leaves out (5.10: perf_event_free_task) will do.
    pub fn check(&self, function: &str, style: Style) -> Result<(), String> {
        let Some(btf) = &self.btf else {
            return Ok(());
        };
        match functions::check_function(btf, function) {
            Ok(()) => Ok(()),
            Err(SignatureMismatch::Absent { .. }) if style == Style::Kprobe => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The addresses that /proc/kallsyms shows; `absent` gets a sentence on those it doesn't.
fn symbols(offsets: &Offsets, has_types: bool, absent: &mut Vec<String>) -> (Symbols, Functions) {
    // Functions are of use for kprobes, and for what trampolines see within copy_process.
    match kallsyms::resolve(has_types || perf::has_kprobes().is_ok()) {
        Ok(found) => {
            // Per pid namespace since 6.14, and no variable any more.
            let per_namespace = offsets.pidns_pid_max != forktrace_common::offsets::MISSING;
            let lacking: Vec<&str> = found
                .absent
                .iter()
                .map(|(name, _)| *name)
                .filter(|name| !(per_namespace && *name == "pid_max"))
                // Of use for `--errno` alone, and there for few callers.
                .filter(|name| *name != "ucounts_hashtable")
                .collect();
            if !lacking.is_empty() {
                absent.push(format!(
                    "/proc/kallsyms doesn't show {}: read from /proc just after the failure instead",
                    lacking.join(", ")
                ));
            }
            (found.symbols, found.functions)
        }
        Err(error) => {
            absent.push(format!(
                "reading /proc/kallsyms: {error}; threads-max and overcommit are read from /proc just after the failure instead"
            ));
            (Symbols::default(), Functions::new())
        }
    }
}
