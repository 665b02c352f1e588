//! The host's memory in words.

use crate::model::{Memory, bytes};

/// "21.7 GiB of 23.5 GiB available, no swap".
pub(super) fn available(m: &Memory) -> Option<String> {
    let (available, total) = (m.available?, m.total?);
    let swap = match (m.swap_free, m.swap_total) {
        (_, Some(0)) => "no swap".to_owned(),
        (Some(free), Some(total)) => format!("{} of {} swap free", bytes(free), bytes(total)),
        _ => "swap unknown".to_owned(),
    };
    Some(format!(
        "{} of {} available, {swap}",
        bytes(available),
        bytes(total)
    ))
}

/// The overcommit policy, what is promised, and how the limit is made up.
pub(super) fn promises(m: &Memory) -> Vec<String> {
    let Some(mode) = m.overcommit_memory else {
        return Vec::new();
    };
    let policy = match mode {
        0 => "heuristic: refuses a single mapping larger than RAM and swap, nothing else",
        1 => "refuses nothing",
        2 => "strict: refuses what takes the promises over CommitLimit",
        _ => "unknown",
    };
    let mut lines = vec![format!("vm.overcommit_memory = {mode}, {policy}")];
    let Some(promised) = promised(m) else {
        return lines;
    };
    lines.push(match mode {
        2 => promised,
        _ => promised + " (a limit in mode 2 only)",
    });
    lines.extend(made_of(m));
    if let (Some(admin), Some(user)) = (m.admin_reserve, m.user_reserve) {
        lines.push(format!(
            "of it {} are kept for CAP_SYS_ADMIN, and up to {} for each process's user \
             (vm.admin_reserve_kbytes, vm.user_reserve_kbytes)",
            bytes(admin),
            bytes(user)
        ));
    }
    lines
}

/// For a verdict: one line, and a second where CommitLimit is a limit.
pub(super) fn short(m: &Memory) -> Vec<String> {
    let Some(mut first) = available(m) else {
        return Vec::new();
    };
    match m.overcommit_memory {
        Some(2) => first.extend(promised(m).map(|promised| format!("; {promised}"))),
        Some(mode) => first.push_str(&format!("; vm.overcommit_memory = {mode}")),
        None => {}
    }
    let mut lines = vec![first];
    if m.overcommit_memory == Some(2)
        && let Some(mut second) = made_of(m)
    {
        if let (Some(admin), Some(user)) = (m.admin_reserve, m.user_reserve) {
            second.push_str(&format!(
                ", of it kept: {} for CAP_SYS_ADMIN, up to {} for the user",
                bytes(admin),
                bytes(user)
            ));
        }
        lines.push(second);
    }
    lines
}

fn promised(m: &Memory) -> Option<String> {
    Some(format!(
        "{} promised (Committed_AS), CommitLimit {}",
        bytes(m.committed?),
        bytes(m.commit_limit?)
    ))
}

/// mm/util.c `vm_commit_limit`.
fn made_of(m: &Memory) -> Option<String> {
    let swap = bytes(m.swap_total.unwrap_or(0));
    match (m.overcommit_kbytes, m.overcommit_ratio, m.total) {
        (Some(kb), _, _) if kb > 0 => Some(format!(
            "CommitLimit = vm.overcommit_kbytes {} + swap {swap}",
            bytes(kb.saturating_mul(1024))
        )),
        (_, Some(ratio), Some(total)) => Some(format!(
            "CommitLimit = (RAM {} - huge pages {}) x vm.overcommit_ratio {ratio} % + swap {swap}",
            bytes(total),
            bytes(m.huge_pages.unwrap_or(0))
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(mode: u64) -> Memory {
        Memory {
            total: Some(8 << 30),
            available: Some(5 << 30),
            swap_total: Some(2 << 30),
            swap_free: Some(1 << 30),
            overcommit_memory: Some(mode),
            overcommit_ratio: Some(50),
            overcommit_kbytes: Some(0),
            commit_limit: Some(6 << 30),
            committed: Some(4 << 30),
            huge_pages: Some(0),
            admin_reserve: Some(8 << 20),
            user_reserve: Some(128 << 20),
        }
    }

    #[test]
    fn a_verdict_has_one_line_and_two_in_strict_overcommit() {
        assert_eq!(
            short(&memory(0)),
            [
                "5.0 GiB of 8.0 GiB available, 1.0 GiB of 2.0 GiB swap free; vm.overcommit_memory = 0"
            ]
        );
        assert_eq!(
            short(&memory(2)),
            [
                "5.0 GiB of 8.0 GiB available, 1.0 GiB of 2.0 GiB swap free; 4.0 GiB promised \
                 (Committed_AS), CommitLimit 6.0 GiB",
                "CommitLimit = (RAM 8.0 GiB - huge pages 0 B) x vm.overcommit_ratio 50 % + swap \
                 2.0 GiB, of it kept: 8.0 MiB for CAP_SYS_ADMIN, up to 128 MiB for the user"
            ]
        );
        let mut kbytes = memory(2);
        kbytes.overcommit_kbytes = Some(4 << 20);
        assert!(
            short(&kbytes)[1].starts_with(
                "CommitLimit = vm.overcommit_kbytes 4.0 GiB + swap 2.0 GiB, of it kept"
            )
        );
        assert!(short(&Memory::default()).is_empty());
    }

    #[test]
    fn check_prints_all_of_it() {
        assert_eq!(promises(&memory(2)).len(), 4);
        assert!(promises(&memory(0))[1].ends_with("CommitLimit 6.0 GiB (a limit in mode 2 only)"));
        assert!(promises(&Memory::default()).is_empty());
    }
}
