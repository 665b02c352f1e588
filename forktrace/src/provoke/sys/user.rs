//! Who the calling process is. Its only thread: rustix changes that one alone.

use std::fs;

use rustix::{
    process::DumpableBehavior,
    thread::{CapabilitySet, CapabilitySets},
};

use super::process::die_with_parent;
use crate::provoke::trouble::Trouble;

/// Real, effective and saved uid and gid, and no other group; ends all capabilities when not 0.
///
/// # Errors
/// It was refused.
pub fn become_uid(uid: u32) -> Result<(), Trouble> {
    become_user(uid, uid)?;
    // The kernel forgets this with the uid.
    die_with_parent();
    Ok(())
}

/// The same with a group of another number, and without dying with the parent.
///
/// # Errors
/// It was refused.
pub fn become_user(uid: u32, gid: u32) -> Result<(), Trouble> {
    no_groups()?;
    let gid = rustix::process::Gid::from_raw(gid);
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(Trouble::at("setresgid"))?;
    let uid = rustix::process::Uid::from_raw(uid);
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(Trouble::at("setresuid"))
}

/// No supplementary group.
///
/// # Errors
/// It was refused.
pub fn no_groups() -> Result<(), Trouble> {
    rustix::thread::set_thread_groups(&[]).map_err(Trouble::at("setgroups"))
}

/// The three uids, each by itself: a set-uid program has its owner's as effective and saved one.
///
/// # Errors
/// It was refused.
pub fn become_uids(real: u32, effective: u32, saved: u32) -> Result<(), Trouble> {
    let [real, effective, saved] = [real, effective, saved].map(rustix::process::Uid::from_raw);
    rustix::thread::set_thread_res_uid(real, effective, saved).map_err(Trouble::at("setresuid"))?;
    die_with_parent();
    Ok(())
}

/// The real uid of the calling thread alone.
///
/// # Errors
/// It was refused.
pub fn become_real_uid(uid: u32) -> Result<(), Trouble> {
    let uid = rustix::process::Uid::from_raw(uid);
    rustix::thread::set_thread_res_uid(uid, None, None)
        .map_err(Trouble::at("setresuid of a thread"))
}

/// Becomes `uid` with every capability that it has now but `without`; they
/// outlast an exec (as ambient ones).
///
/// # Errors
/// A step of it was refused.
pub fn become_uid_with_capabilities(uid: u32, without: &[u32]) -> Result<(), Trouble> {
    let permitted = capabilities()?;
    let lost = without.iter().fold(0, |all, cap| all | 1 << cap);
    become_uid_keeping(
        uid,
        permitted.difference(CapabilitySet::from_bits_retain(lost)),
    )
}

/// Becomes `uid` with these capabilities (a set of bits) and no others.
///
/// # Errors
/// A step of it was refused.
pub fn become_uid_with_only(uid: u32, capabilities: u64) -> Result<(), Trouble> {
    let kept = CapabilitySet::from_bits_retain(capabilities);
    become_uid_keeping(uid, self::capabilities()?.intersection(kept))
}

fn capabilities() -> Result<CapabilitySet, Trouble> {
    let sets = rustix::thread::capabilities(None).map_err(Trouble::at("capget"))?;
    Ok(sets.permitted)
}

fn become_uid_keeping(uid: u32, kept: CapabilitySet) -> Result<(), Trouble> {
    rustix::thread::set_keep_capabilities(true).map_err(Trouble::at("prctl(PR_SET_KEEPCAPS)"))?;
    become_uid(uid)?;
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: kept,
    };
    rustix::thread::set_capabilities(None, sets).map_err(Trouble::at("capset"))?;
    for bit in (0..64).map(|cap| 1 << cap) {
        let one = CapabilitySet::from_bits_retain(bit);
        if kept.contains(one) {
            rustix::thread::configure_capability_in_ambient_set(one, true)
                .map_err(Trouble::at("prctl(PR_CAP_AMBIENT_RAISE)"))?;
        }
    }
    Ok(())
}

/// Who has changed its user owns its files in /proc again.
pub fn own_proc_files() {
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable);
}

/// In a user namespace of the caller's making: it is who it was outside, its user and group having
/// the same number.
///
/// # Errors
/// A step of it was refused.
pub fn map_own_ids(id: u32) -> Result<(), Trouble> {
    own_proc_files();
    let ids = format!("{id} {id} 1");
    for (file, text) in [
        ("uid_map", &*ids),
        // Before an unprivileged gid_map (user_namespaces(7)).
        ("setgroups", "deny"),
        ("gid_map", &*ids),
    ] {
        let path = format!("/proc/self/{file}");
        fs::write(&path, text).map_err(Trouble::at(format!("writing {text:?} to {path}")))?;
    }
    Ok(())
}
