//! What is around the limits: the process, memory, the kernel's log, changes.

use super::Text;
use crate::{cause::bytes, headroom::Memory};

/// Lines of the kernel's log: the last ones.
const LINES: usize = 10;

impl Text<'_> {
    pub(super) fn process(&mut self) {
        let h = self.h;
        let Some(p) = &h.process else {
            if matches!(&*h.of.kind, "unit" | "cgroup") {
                self.head("Process");
                self.line("none is in this cgroup");
            }
            return;
        };
        self.head("Process");
        let alive = match p.alive {
            true => format!("alive ({})", p.state),
            false => format!("has ended; process {} has not reaped it", p.parent),
        };
        let user = match &p.user {
            Some(name) => format!("uid {} ({name})", p.uid),
            None => format!("uid {}", p.uid),
        };
        let mut text = format!("{} (pid {}) {alive}, {user}", p.comm, p.pid);
        text.push_str(&format!(
            "; {}, {}",
            counted(p.threads, "thread", "threads"),
            counted(p.children, "child", "children")
        ));
        if p.zombies > 0 {
            text.push_str(&format!(
                ", {} of them ended and not reaped by it (they hold their place in every limit)",
                p.zombies
            ));
        }
        self.line(&text);
        if let Some(path) = &p.cgroup {
            let unit = p.unit.as_deref().filter(|unit| !path.ends_with(unit));
            match unit {
                Some(unit) => self.line(&format!("cgroup {path} ({unit})")),
                None => self.line(&format!("cgroup {path}")),
            }
        }
        if p.deadline {
            self.line(
                "its policy is SCHED_DEADLINE: every fork of it is refused, unless it is reset on \
                 fork (forktrace explain sched_deadline)",
            );
        }
    }

    pub(super) fn memory(&mut self) {
        let m = &self.h.memory;
        self.head("Memory");
        if let (Some(available), Some(total)) = (m.available, m.total) {
            let swap = match (m.swap_free, m.swap_total) {
                (_, Some(0)) => "no swap".to_owned(),
                (Some(free), Some(total)) => {
                    format!("{} of {} swap free", bytes(free), bytes(total))
                }
                _ => "swap unknown".to_owned(),
            };
            self.line(&format!(
                "{} of {} available, {swap}",
                bytes(available),
                bytes(total)
            ));
        }
        for line in promises(m) {
            self.line(&line);
        }
    }

    pub(super) fn log(&mut self) {
        let log = &self.h.log;
        self.head("Kernel log, last hour: OOM kills, refused forks");
        if let Some(why) = &log.unreadable {
            return self.line(&format!("can't be read: {why}"));
        }
        if log.lines.is_empty() {
            return self.line("none");
        }
        let left_out = log.lines.len().saturating_sub(LINES);
        match log.more + left_out as u64 {
            0 => {}
            1 => self.line("… 1 line before these"),
            n => self.line(&format!("… {n} lines before these")),
        }
        for line in log.lines.iter().skip(left_out) {
            // RFC 3339: the time of day is behind the T.
            let time = line.time.get(11..19).unwrap_or(&line.time);
            self.labelled(&format!("  {time} UTC  "), &line.text);
        }
    }

    pub(super) fn drift(&mut self) {
        let Some(drift) = &self.h.drift else {
            return;
        };
        self.head(&format!("Changed since {}", drift.since));
        if let Some(host) = &drift.host {
            self.line(&format!("the baseline is of another host, {host}"));
        }
        if let Some(kernel) = &drift.kernel {
            self.line(&format!("the kernel was Linux {kernel}"));
        }
        if drift.changes.is_empty() {
            return self.line(&format!("nothing, of {} settings", drift.compared));
        }
        for change in &drift.changes {
            self.labelled("  - ", &change.text);
        }
    }

    pub(super) fn unreadable(&mut self) {
        if self.h.unreadable.is_empty() {
            return;
        }
        self.head("Could refuse as well, and can't be read");
        for one in &self.h.unreadable {
            self.labelled("  - ", &format!("{}: {}", one.what, one.why));
        }
    }
}

fn counted(n: u64, one: &str, many: &str) -> String {
    match n {
        0 => format!("no {many}"),
        1 => format!("1 {one}"),
        n => format!("{n} {many}"),
    }
}

/// The overcommit policy, what is promised, and how the limit is made up
/// (mm/util.c `vm_commit_limit`).
fn promises(m: &Memory) -> Vec<String> {
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
    let (Some(limit), Some(committed)) = (m.commit_limit, m.committed) else {
        return lines;
    };
    let binding = match mode {
        2 => "",
        _ => " (a limit in mode 2 only)",
    };
    lines.push(format!(
        "{} promised (Committed_AS), CommitLimit {}{binding}",
        bytes(committed),
        bytes(limit)
    ));
    let swap = bytes(m.swap_total.unwrap_or(0));
    let made_of = match (m.overcommit_kbytes, m.overcommit_ratio, m.total) {
        (Some(kb), _, _) if kb > 0 => format!(
            "CommitLimit = vm.overcommit_kbytes {} + swap {swap}",
            bytes(kb.saturating_mul(1024))
        ),
        (_, Some(ratio), Some(total)) => format!(
            "CommitLimit = (RAM {} - huge pages {}) x vm.overcommit_ratio {ratio} % + swap {swap}",
            bytes(total),
            bytes(m.huge_pages.unwrap_or(0))
        ),
        _ => return lines,
    };
    lines.push(made_of);
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
