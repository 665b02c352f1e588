//! From what the programs noted to the stage that refused.

use forktrace_common::{
    clone,
    event::{CgroupLimit, FailureEvent, Stage as Noted, flag, style},
    facts::fact,
};

use super::{outcome::Outcome, skips::Spot, style::Role};
use crate::evidence::{Sign, Signs, Stage};

/// Whether the event is a creation's, which the stages note.
pub(super) fn is_creation(event: &FailureEvent) -> bool {
    !matches!(
        Noted::from_u8(event.stage),
        Noted::Exec
            | Noted::ExecUnseen
            | Noted::Filtered
            | Noted::NotEntered
            | Noted::StackMmap
            | Noted::StackMprotect
            | Noted::OomKill
    )
}

/// Whether the probed instructions were skipped, though nothing counted it: every creation that
/// EAGAIN refuses gives its child's credentials back, or (5.10) was asked for its capabilities. But
/// for one that `copy_creds` itself refused, where it was to make a user namespace.
pub(super) fn was_skipped(event: &FailureEvent, probes: &Outcome) -> bool {
    let by_function = matches!(event.style, style::FEXIT | style::KPROBE);
    let by_copy_creds = event.clone_flags & clone::NEWUSER != 0
        && event.stage == Noted::Unseen as u8
        && !probes.silence_is_doubtful;
    by_function
        && is_creation(event)
        && event.ret == -libc::EAGAIN
        && probes.has(Role::Child)
        && !by_copy_creds
        && event.facts.bits & (fact::CHILD_SEEN | fact::NPROC_ASKED) == 0
}

/// Takes out what the stages noted: what is left was read at the return. Where a stage had noted whose limit it was,
/// the return has left that as it was, and it can be an earlier creation's: those that are full now take its place.
pub(super) fn forget(event: &mut FailureEvent) {
    let noted = event.facts.bits;
    event.stage = Noted::Unseen as u8;
    event.facts.bits &= !NOTED;
    event.memcg_oom = CgroupLimit::default();
    if noted & fact::PIDS_SEEN != 0 {
        event.facts.pids = full_pids(event);
    }
    if noted & (fact::NPROC_ASKED | fact::CAP_DENIED) != 0 {
        nproc_at_return(event);
    }
}

/// The first cgroup on the way up that had no room for a task at the return.
fn full_pids(event: &FailureEvent) -> CgroupLimit {
    let way = event.pids.iter().take(usize::from(event.pids_len));
    let full = way.copied().find(|limit| limit.usage >= limit.limit);
    full.unwrap_or_default()
}

/// The first level of RLIMIT_NPROC that had no room at the return, as `forktrace-ebpf/src/facts.rs` `of_nproc` finds it.
fn nproc_at_return(event: &mut FailureEvent) {
    event.facts.bits &= !(fact::NPROC_FULL | fact::NEW_USER_NS);
    // The way begins with the effective user, whose counts are not at hand.
    if event.clone_flags & clone::NEWUSER != 0 && event.euid != event.uid {
        return;
    }
    let levels = event.user_ns.iter().take(usize::from(event.user_ns_len));
    // As numbers without sign: "no limit" is the largest.
    let full = levels
        .copied()
        .enumerate()
        .find(|(_, level)| level.usage as u64 >= level.limit as u64);
    let Some((at, level)) = full else {
        return;
    };
    let facts = &mut event.facts;
    facts.bits |= fact::NPROC_FULL;
    facts.nproc_level = at as u8;
    facts.nproc_usage = level.usage;
    facts.nproc_limit = level.limit;
    facts.nproc_uid = level.uid;
    facts.nproc_limit_ns = level.limit_ns;
}

/// What stages note, and not the failing return.
const NOTED: u32 = fact::NPROC_ASKED
    | fact::CHILD_SEEN
    | fact::SCHED_REACHED
    | fact::SECURITY_PASSED
    | fact::OVERCOMMIT_REFUSED
    | fact::PIDS_SEEN
    | fact::MEMCG_SEEN
    | fact::CAP_DENIED;

/// What the probed instructions say of this creation: nothing where one can have been
/// skipped, or is no creation.
pub(super) fn signs(event: &FailureEvent, probes: &Outcome, doubted: bool) -> Signs {
    let bits = event.facts.bits;
    let watched = !doubted && is_creation(event) && event.style != style::TRACEPOINT;
    let sign = |role: Role, bit: u32| match (watched && probes.has(role), bits & bit != 0) {
        (false, _) => Sign::Unwatched,
        (true, true) => Sign::Seen,
        (true, false) if probes.silence_is_doubtful => Sign::Unwatched,
        (true, false) => Sign::NotSeen,
    };
    let child = bits & fact::CHILD_SEEN != 0;
    Signs {
        nproc_asked: sign(Role::Nproc, fact::NPROC_ASKED),
        // Debian's kernels ask for CAP_SYS_ADMIN before CLONE_NEWUSER as well
        // (kernel.unprivileged_userns_clone), of callers whose RLIMIT_NPROC has room.
        capability_denied: bits & fact::CAP_DENIED != 0 && bits & fact::NPROC_FULL != 0,
        child: sign(Role::Child, fact::CHILD_SEEN),
        // Without the child nothing is known of it.
        sched_reached: match sign(Role::Child, fact::SCHED_REACHED) {
            Sign::NotSeen if !child => Sign::Unwatched,
            sign => sign,
        },
        security_passed: sign(Role::Security, fact::SECURITY_PASSED),
        overcommit_refused: sign(Role::Overcommit, fact::OVERCOMMIT_REFUSED),
        pids_refused: sign(Role::Pids, fact::PIDS_SEEN),
        memory_watched: is_creation(event)
            && event.style != style::TRACEPOINT
            && probes.has(Role::MemcgOom),
    }
}

const SECCOMP_MODE_FILTER: i32 = 2; // include/uapi/linux/seccomp.h

/// A missing note means something only where the probe that would have left it
/// is attached, and was not skipped (`doubted`: it can have been).
pub(super) fn stage(event: &FailureEvent, probes: &Outcome, doubted: bool) -> Stage {
    match Noted::from_u8(event.stage) {
        // copy_fs() refuses only who asks to share (CLONE_FS).
        Noted::SecurityToFs if event.clone_flags & clone::FS == 0 => Stage::SecurityToFiles,
        Noted::SecurityToFs => Stage::SecurityToFs,
        Noted::SighandToNamespaces => Stage::SighandToNamespaces,
        Noted::IoToPid => Stage::IoToPid,
        Noted::Cgroups => Stage::Cgroups,
        Noted::AfterCgroups => Stage::AfterCgroups,
        // By a filter that let it pass, or by one that answered: both leave this.
        Noted::NotEntered
            if event.seccomp_mode == SECCOMP_MODE_FILTER
                && event.flags & flag::MAYBE_UNDER_WAY != 0 =>
        {
            Stage::MaybeNotEntered
        }
        // Without a filter the entry was there, and its programs were skipped;
        // where they ever were, that looks like a filter's answer.
        Noted::NotEntered
            if event.seccomp_mode == SECCOMP_MODE_FILTER && probes.skipped(Spot::Entry) == 0 =>
        {
            Stage::NotEntered
        }
        Noted::NotEntered => Stage::Unseen,
        Noted::Filtered => Stage::Filtered,
        Noted::Exec if event.style == style::TRACEPOINT => Stage::ExecReturned,
        Noted::Exec => Stage::Exec,
        Noted::ExecUnseen => Stage::ExecUnseen,
        Noted::Early => Stage::Early,
        Noted::StackMmap | Noted::StackMprotect if event.style != style::TRACEPOINT => {
            Stage::ThreadStack
        }
        Noted::StackMmap | Noted::StackMprotect => Stage::Unseen,
        // No failure, and asked about by nobody.
        Noted::OomKill => Stage::Unseen,
        Noted::Unseen if doubted => Stage::Unseen,
        Noted::Unseen => no_note(event, probes),
    }
}

fn no_note(event: &FailureEvent, probes: &Outcome) -> Stage {
    if event.style == style::TRACEPOINT || !probes.has(Role::Cleanup) {
        return Stage::Unseen;
    }
    // What was seen stands: these refuse before there is a half-made child as well.
    let seen = event.facts.bits & (fact::MEMCG_SEEN | fact::NPROC_ASKED) != 0;
    if probes.silence_is_doubtful && probes.is_by_kprobe(Role::Cleanup) && !seen {
        return Stage::Unseen;
    }
    Stage::Early
}

#[cfg(test)]
mod tests {
    use forktrace_common::event::UserNsLimit;

    use super::*;
    use crate::probe::{decode::event_of, outcome::Attached, style::Style};

    fn event(noted: Noted) -> Box<FailureEvent> {
        let mut event = event_of(&[0; size_of::<FailureEvent>()]).unwrap();
        event.style = style::FEXIT;
        event.stage = noted as u8;
        event.ret = -libc::EAGAIN;
        event
    }

    fn probes(roles: &[Role]) -> Outcome {
        let attached = |role: &Role| Attached {
            role: Some(*role),
            target: String::new(),
            style: Style::Kprobe,
        };
        Outcome {
            attached: roles.iter().map(attached).collect(),
            ..Outcome::default()
        }
    }

    #[test]
    fn each_note_has_its_stage() {
        let none = probes(&[]);
        for (noted, expected) in [
            (Noted::Early, Stage::Early),
            (Noted::SighandToNamespaces, Stage::SighandToNamespaces),
            (Noted::IoToPid, Stage::IoToPid),
            (Noted::Cgroups, Stage::Cgroups),
            (Noted::AfterCgroups, Stage::AfterCgroups),
            (Noted::Filtered, Stage::Filtered),
            (Noted::Exec, Stage::Exec),
            (Noted::ExecUnseen, Stage::ExecUnseen),
            (Noted::StackMmap, Stage::ThreadStack),
            (Noted::StackMprotect, Stage::ThreadStack),
            (Noted::OomKill, Stage::Unseen),
        ] {
            assert_eq!(stage(&event(noted), &none, false), expected, "{noted:?}");
        }
        // It refuses only who asks to share.
        let mut shares = event(Noted::SecurityToFs);
        assert_eq!(stage(&shares, &none, false), Stage::SecurityToFiles);
        shares.clone_flags = clone::FS;
        assert_eq!(stage(&shares, &none, false), Stage::SecurityToFs);
    }

    #[test]
    fn the_tracepoint_style_sees_less() {
        let none = probes(&[]);
        for (noted, expected) in [
            (Noted::Exec, Stage::ExecReturned),
            (Noted::StackMmap, Stage::Unseen),
            (Noted::StackMprotect, Stage::Unseen),
            (Noted::Unseen, Stage::Unseen),
        ] {
            let mut event = event(noted);
            event.style = style::TRACEPOINT;
            assert_eq!(stage(&event, &none, false), expected, "{noted:?}");
        }
        // Only a filter answers in a call's place.
        let mut event = event(Noted::NotEntered);
        assert_eq!(stage(&event, &none, false), Stage::Unseen);
        event.seccomp_mode = SECCOMP_MODE_FILTER;
        assert_eq!(stage(&event, &none, false), Stage::NotEntered);
        // It has passed many a call that was under way when the entries began to be seen.
        event.flags |= flag::MAYBE_UNDER_WAY;
        assert_eq!(stage(&event, &none, false), Stage::MaybeNotEntered);
        event.seccomp_mode = 0;
        assert_eq!(stage(&event, &none, false), Stage::Unseen);
    }

    #[test]
    fn silence_means_an_early_check_where_the_probe_would_have_spoken() {
        let unseen = event(Noted::Unseen);
        let watched = probes(&[Role::Cleanup]);
        assert_eq!(stage(&unseen, &watched, false), Stage::Early);
        assert_eq!(stage(&unseen, &watched, true), Stage::Unseen);
        assert_eq!(stage(&unseen, &probes(&[]), false), Stage::Unseen);

        let doubtful = Outcome {
            silence_is_doubtful: true,
            ..watched
        };
        assert_eq!(stage(&unseen, &doubtful, false), Stage::Unseen);
        let mut seen = unseen;
        seen.facts.bits = fact::NPROC_ASKED;
        assert_eq!(stage(&seen, &doubtful, false), Stage::Early);
    }

    #[test]
    fn each_sign_is_of_its_own_probe() {
        for (role, bit, sign) in [
            (Role::Nproc, fact::NPROC_ASKED, Sign::Seen),
            (Role::Child, fact::CHILD_SEEN, Sign::Seen),
            (Role::Security, fact::SECURITY_PASSED, Sign::Seen),
            (Role::Overcommit, fact::OVERCOMMIT_REFUSED, Sign::Seen),
            (Role::Pids, fact::PIDS_SEEN, Sign::Seen),
        ] {
            let of = |signs: Signs| match role {
                Role::Nproc => signs.nproc_asked,
                Role::Child => signs.child,
                Role::Security => signs.security_passed,
                Role::Overcommit => signs.overcommit_refused,
                _ => signs.pids_refused,
            };
            let mut event = event(Noted::Early);
            let watched = probes(&[role]);
            assert_eq!(of(signs(&event, &watched, false)), Sign::NotSeen);
            event.facts.bits = bit;
            assert_eq!(of(signs(&event, &watched, false)), sign);
            assert_eq!(of(signs(&event, &watched, true)), Sign::Unwatched);
            assert_eq!(of(signs(&event, &probes(&[]), false)), Sign::Unwatched);
        }
    }

    /// Its note had been left by a creation that another limit refused.
    #[test]
    fn what_is_doubted_is_judged_by_the_limits_of_the_return() {
        let limit = |id, usage| CgroupLimit {
            id,
            usage,
            limit: 5,
            ..CgroupLimit::default()
        };
        let of_user = |usage, limit, limit_ns| UserNsLimit {
            usage,
            limit,
            limit_ns,
            uid: 1000,
            ..UserNsLimit::default()
        };
        let doubted = |above: i64, own: i64| {
            let mut event = event(Noted::Cgroups);
            event.facts.bits = fact::PIDS_SEEN | fact::NPROC_ASKED | fact::NPROC_FULL;
            event.facts.pids = limit(7, 5);
            event.facts.nproc_usage = 3;
            event.facts.nproc_limit = 3;
            event.pids[0] = limit(7, 4);
            event.pids[1] = limit(8, above);
            event.pids_len = 2;
            event.user_ns[0] = of_user(own, 9, 0);
            event.user_ns[1] = of_user(400, -1, 77);
            event.user_ns_len = 2;
            forget(&mut event);
            event
        };
        let full = doubted(6, 9);
        assert_eq!((full.facts.pids.id, full.facts.pids.usage), (8, 6));
        assert_eq!(full.facts.bits, fact::NPROC_FULL);
        let nproc = (full.facts.nproc_usage, full.facts.nproc_limit);
        assert_eq!(nproc, (9, 9));
        assert_eq!(full.facts.nproc_uid, 1000);
        let roomy = doubted(4, 8);
        assert_eq!((roomy.facts.pids.id, roomy.facts.bits), (0, 0));
    }

    /// Debian's kernels ask for CAP_SYS_ADMIN before CLONE_NEWUSER too, and are given it.
    #[test]
    fn no_capability_is_denied_to_whom_rlimit_nproc_has_room_for() {
        let denied = |bits: u32| {
            let mut event = event(Noted::Early);
            event.facts.bits = bits;
            signs(&event, &probes(&[Role::Nproc]), false).capability_denied
        };
        assert!(denied(fact::CAP_DENIED | fact::NPROC_FULL));
        assert!(!denied(fact::CAP_DENIED) && !denied(fact::NPROC_FULL));
    }

    #[test]
    fn of_the_scheduler_only_the_child_speaks() {
        let watched = probes(&[Role::Child]);
        let reached = |bits: u32| {
            let mut event = event(Noted::Early);
            event.facts.bits = bits;
            signs(&event, &watched, false).sched_reached
        };
        assert_eq!(reached(0), Sign::Unwatched);
        assert_eq!(reached(fact::CHILD_SEEN), Sign::NotSeen);
        assert_eq!(reached(fact::CHILD_SEEN | fact::SCHED_REACHED), Sign::Seen);
    }

    #[test]
    fn what_has_left_neither_child_nor_question_was_skipped() {
        let watched = probes(&[Role::Child]);
        let mut event = event(Noted::Early);
        assert!(was_skipped(&event, &watched));
        assert!(!was_skipped(&event, &probes(&[])));
        for bit in [fact::CHILD_SEEN, fact::NPROC_ASKED] {
            event.facts.bits = bit;
            assert!(!was_skipped(&event, &watched));
        }
        event.facts.bits = 0;
        event.ret = -libc::ENOMEM;
        assert!(!was_skipped(&event, &watched));
        event.ret = -libc::EAGAIN;
        // `copy_creds` may have refused.
        event.stage = Noted::Unseen as u8;
        event.clone_flags = clone::NEWUSER;
        assert!(!was_skipped(&event, &watched));
        event.clone_flags = 0;
        event.stage = Noted::Exec as u8;
        assert!(!was_skipped(&event, &watched));
    }
}
