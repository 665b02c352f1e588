//! From an event to what refuses with other errnos than EAGAIN and ENOMEM.

use forktrace_common::{
    clone,
    event::{self, FailureEvent, flag, ns_kind},
};

use crate::{
    evidence::{NsKind, NsLimit, OtherErrnos},
    host::{limits::Files, open_files, process},
};

/// `None` where the programs were not asked for it. `proc_is_hosts`: whether /proc numbers processes
/// as events do.
pub(super) fn of(
    event: &FailureEvent,
    files: &mut Files,
    proc_is_hosts: bool,
) -> Option<OtherErrnos> {
    let on = |bit: u32| event.flags & bit != 0;
    if !on(flag::HAVE_OTHER_ERRNOS) {
        return None;
    }
    let asks_for_userns = event.clone_flags & clone::NEWUSER != 0;
    let chrooted = event.ret == -libc::EPERM
        && asks_for_userns
        && (on(flag::CHROOTED) || (proc_is_hosts && process::is_chrooted(event.tgid)));
    let c = &event.other_errnos;
    let set_tid_size = c.set_tid_size as usize;
    Some(OtherErrnos {
        user_full: limit(&c.user_full),
        other_full: limit(&c.other_full),
        others_full: c.others_full,
        user_ns_level: u32::try_from(c.user_ns_level).unwrap_or(0),
        own_sys_admin: on(flag::OWN_SYS_ADMIN),
        init: on(flag::UNKILLABLE),
        other_pid_ns: on(flag::OTHER_PID_NS),
        other_time_ns: on(flag::OTHER_TIME_NS),
        // 0: the field could not be read, or nothing can be opened at all.
        nofile: Some(c.nofile).filter(|&n| n != u64::MAX),
        nr_open: sysctl("fs/nr_open"),
        open_files: (event.ret == -libc::ENFILE)
            .then(|| open_files::now(files))
            .flatten(),
        chrooted,
        fd_slots: u64::from(c.fd_slots),
        set_tid_size,
        set_tid: c.set_tid.iter().copied().take(set_tid_size).collect(),
        userns_clone_off: sysctl("kernel/unprivileged_userns_clone") == Some(0),
    })
}

fn limit(l: &event::NsLimit) -> Option<NsLimit> {
    let kind = match l.kind.checked_sub(1)? {
        ns_kind::USER => NsKind::User,
        ns_kind::PID => NsKind::Pid,
        ns_kind::UTS => NsKind::Uts,
        ns_kind::IPC => NsKind::Ipc,
        ns_kind::NET => NsKind::Net,
        ns_kind::MNT => NsKind::Mnt,
        ns_kind::CGROUP => NsKind::Cgroup,
        ns_kind::TIME => NsKind::Time,
        _ => return None,
    };
    Some(NsLimit {
        kind,
        usage: l.usage.max(0) as u64,
        limit: l.limit.max(0) as u64,
        uid: l.uid,
        userns: l.inum,
        level: u32::try_from(l.level).unwrap_or(0),
    })
}

fn sysctl(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
    text.trim().parse().ok()
}
