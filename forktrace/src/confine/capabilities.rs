//! The capability sets of this thread, capabilities(7).

use std::{ffi::CString, fs, io, os::unix::ffi::OsStrExt as _, path::Path};

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

use super::Needs;

/// To read the executables and namespaces of others' processes takes the right to trace them
/// (fs/proc/base.c `proc_pid_get_link`, `PTRACE_MODE_READ`), and so does /proc with `hidepid`.
/// The owner of a delegated cgroup can close its folder to others, and hide in there.
const NAMES: CapabilitySet = CapabilitySet::SYS_PTRACE.union(CapabilitySet::DAC_READ_SEARCH);

/// Has it the value 0, or can't be read, bpf(2) may be closed to us later (see [`needed`]).
const UNPRIVILEGED_BPF: &str = "/proc/sys/kernel/unprivileged_bpf_disabled";

/// Capabilities in effect; none when the kernel doesn't say.
pub(super) fn effective() -> CapabilitySet {
    capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective)
}

/// What of the permitted capabilities goes on being needed. Found out by trying without, so that
/// what is in effect is what is permitted afterwards.
pub(super) fn needed(needs: &Needs<'_>) -> CapabilitySet {
    let Ok(before) = capabilities(None) else {
        return CapabilitySet::all();
    };
    let mut keep = NAMES;
    if needs.real_time {
        keep |= CapabilitySet::SYS_NICE;
    }
    if needs.signals {
        keep |= CapabilitySet::KILL;
    }
    // Before Linux 5.19 everything that bpf(2) does takes CAP_BPF where unprivileged use is
    // disabled, which an administrator can do later too; since then only loading programs and
    // making maps does (kernel/bpf/syscall.c `__sys_bpf`).
    let with = |more: CapabilitySet, works: &dyn Fn() -> bool| {
        let effective = (keep | more) & before.permitted;
        in_effect(before, effective) && works()
    };
    let disabled = fs::read_to_string(UNPRIVILEGED_BPF).is_ok_and(|text| text.trim() != "0");
    let mut more = CapabilitySet::empty();
    if !disabled || !with(CapabilitySet::empty(), needs.maps_readable) {
        more |= CapabilitySet::BPF;
    }
    if !needs.folders.is_empty() {
        let works = || needs.folders.iter().all(|folder| may_change(folder));
        let with_it = || with(CapabilitySet::DAC_OVERRIDE, &works);
        if !with(CapabilitySet::empty(), &works) && with_it() {
            more |= CapabilitySet::DAC_OVERRIDE;
        }
    }
    in_effect(before, before.permitted);
    (keep | more) & before.permitted
}

fn in_effect(sets: CapabilitySets, effective: CapabilitySet) -> bool {
    set_capabilities(None, CapabilitySets { effective, ..sets }).is_ok()
}

/// Whether files can be made and removed there, by what is in effect. Not access(2), which asks
/// for the real user and what is permitted.
fn may_change(folder: &Path) -> bool {
    let Ok(path) = CString::new(folder.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: a string that outlives the call, and numbers.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_faccessat2,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::W_OK | libc::X_OK,
            libc::AT_EACCESS,
        )
    };
    answer == 0
}

/// Empties the bounding set: nothing is going to be executed. EPERM without CAP_SETPCAP.
pub(super) fn drop_bounding() -> io::Result<()> {
    for number in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << number);
        match remove_capability_from_bounding_set(one) {
            Ok(()) => {}
            // Behind the last that this kernel has.
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Leaves these in the permitted and effective sets, and none in the inheritable and ambient ones.
pub(super) fn keep_only(keep: CapabilitySet) -> io::Result<()> {
    let ambient = clear_ambient_capability_set();
    set_capabilities(
        None,
        CapabilitySets {
            effective: keep,
            permitted: keep,
            inheritable: CapabilitySet::empty(),
        },
    )?;
    Ok(ambient?)
}

/// `CAP_SYS_PTRACE`, and a number for what has no name here.
pub(super) fn names(set: CapabilitySet) -> Vec<String> {
    let number = |flags: CapabilitySet| flags.bits().trailing_zeros();
    let each = (0..u64::BITS).map(|n| CapabilitySet::from_bits_retain(1 << n));
    each.filter(|one| set.contains(*one))
        .map(|one| match one.iter_names().next() {
            Some((name, _)) => format!("CAP_{name}"),
            None => format!("capability {}", number(one)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_kernels() {
        let set = CapabilitySet::SYS_PTRACE | CapabilitySet::from_bits_retain(1 << 50);
        assert_eq!(names(set), ["CAP_SYS_PTRACE", "capability 50"]);
        assert!(names(CapabilitySet::empty()).is_empty());
    }
}
