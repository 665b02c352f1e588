//! Privilege: what is missing, and how to get it.

use std::{os::unix::fs::MetadataExt as _, path::Path};

use aya::EbpfError;

use super::StartError;
use crate::{
    model::{initial, without_numbers},
    probe::{
        kernel::Kernel,
        outcome::Outcome,
        style::{Role, Style},
    },
};

const CAP_DAC_READ_SEARCH: u32 = 2;
const CAP_SYS_PTRACE: u32 = 19;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// Capabilities that tracing needs and this process lacks. CAP_SYS_ADMIN
/// stands for the other two (include/linux/capability.h `bpf_capable`).
pub fn missing_capabilities() -> Vec<&'static str> {
    let effective = effective_capabilities();
    let has = |cap: u32| effective & (1 << cap) != 0;
    if has(CAP_SYS_ADMIN) {
        return Vec::new();
    }
    [(CAP_BPF, "CAP_BPF"), (CAP_PERFMON, "CAP_PERFMON")]
        .into_iter()
        .filter(|(cap, _)| !has(*cap))
        .map(|(_, name)| name)
        .collect()
}

/// What of others' processes can't be read for want of privilege, one sentence
/// each.
pub(super) fn unreadable() -> Vec<String> {
    let effective = effective_capabilities();
    [
        (
            CAP_SYS_PTRACE,
            "without CAP_SYS_PTRACE: other users' executables, and which user and pid namespace their processes are in, stay unknown",
        ),
        (
            CAP_DAC_READ_SEARCH,
            "without CAP_DAC_READ_SEARCH: cgroups whose folder is closed to others are not counted",
        ),
    ]
    .into_iter()
    .filter(|(cap, _)| effective & (1 << cap) == 0)
    .map(|(_, lost)| lost.to_owned())
    .collect()
}

fn effective_capabilities() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0)
}

const HOW: &str = "run it as root (sudo forktrace …), or give the binary the capabilities:\n  \
    setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search,cap_syslog,cap_sys_nice+ep /path/to/forktrace\n\
    (the tracepoint style needs CAP_SYS_ADMIN for a private tracefs)";

/// kernel/bpf/syscall.c asks `capable`, not `ns_capable`: the host's capabilities count (BPF tokens,
/// since 6.9, aside).
const IN_USER_NAMESPACE: &str = "tracing needs CAP_BPF and CAP_PERFMON of the host, and this process is in a user namespace, \
    whose root has none of the host's capabilities.\n\
    run it on the host, which sees this container as well; here, `forktrace check` shows how near the limits are";

/// Whether this process is in another user namespace than the initial one.
fn in_user_namespace(proc: &Path) -> bool {
    let own = std::fs::metadata(proc.join("self/ns/user"));
    own.is_ok_and(|own| own.ino() != u64::from(initial::USER))
}

/// What privilege is missing, and how to get it; `None` when none is.
pub(super) fn lacking() -> Option<StartError> {
    let missing = missing_capabilities();
    if in_user_namespace(Path::new("/proc")) {
        return Some(StartError::Privilege(IN_USER_NAMESPACE.to_owned()));
    }
    if missing.is_empty() {
        return None;
    }
    Some(StartError::Privilege(format!(
        "tracing needs privilege that this process lacks: {}.\n{HOW}",
        missing.join(" and ")
    )))
}

/// Says why the object's maps could not be made.
pub(super) fn explain_load(error: &EbpfError) -> StartError {
    if let Some(privilege) = lacking() {
        return privilege;
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(e) = source {
        text.push_str(": ");
        text.push_str(&e.to_string());
        source = e.source();
    }
    let text = without_numbers(&text);
    if text.contains("Operation not permitted") {
        return StartError::Privilege(format!(
            "the kernel refused to create BPF maps ({text}); a container's seccomp filter, or \
             RLIMIT_MEMLOCK before Linux 5.11 (needs CAP_SYS_RESOURCE), does that"
        ));
    }
    StartError::Load(text)
}

/// Says why no probe could be attached.
pub(super) fn explain_refusals(probes: &Outcome, wanted: Option<Style>) -> StartError {
    if let Some(privilege) = lacking() {
        return privilege;
    }
    let mut text = match wanted {
        Some(style) => {
            format!("this kernel accepts no probe in the style {style} that was asked for")
        }
        None => "this kernel accepts no probe".to_owned(),
    };
    for refused in &probes.refused {
        text.push_str(&format!(
            "\n  {} {}: {}",
            refused.style, refused.target, refused.why
        ));
    }
    text.push_str("\n`forktrace probes` shows what this kernel allows");
    StartError::Unsupported(text)
}

/// Says why threads' stacks can't be traced here.
pub(super) fn explain_stacks(kernel: &Kernel, probes: &Outcome) -> StartError {
    let mut text = "--thread-stacks: mmap and mprotect could not be hooked".to_owned();
    if !kernel.has_types() {
        text.push_str("; it needs the kernel's types (/sys/kernel/btf/vmlinux, or --btf FILE)");
    }
    let refused = probes.refused.iter().filter(|r| {
        matches!(r.role, Some(Role::StackMmap | Role::StackMprotect)) || r.role.is_none()
    });
    for refused in refused {
        text.push_str(&format!(
            "\n  {} {}: {}",
            refused.style, refused.target, refused.why
        ));
    }
    text.push_str("\nwithout this option everything else is traced; --attach tries another style");
    StartError::Unsupported(text)
}
