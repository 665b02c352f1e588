//! What is around the limits: the process, memory, the kernel's log, changes.

use super::Text;
use crate::{
    headroom::SubjectKind,
    model::Cause,
    view::{
        memory,
        times::{clock, with_offset},
    },
};

/// Lines of the kernel's log: the last ones.
const LINES: usize = 10;

impl Text<'_> {
    pub(super) fn process(&mut self) {
        let h = self.h;
        let Some(p) = &h.process else {
            if matches!(h.of.kind, SubjectKind::Unit | SubjectKind::Cgroup) {
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
        // Where it can't be asked whether that is so, or for some threads only.
        let told = h.blocked.iter().any(|b| b.cause == Cause::of_deadline());
        if p.deadline && !told {
            self.line(
                "its policy is SCHED_DEADLINE: every fork of it is refused, unless it is reset on \
                 fork (forktrace explain sched_deadline)",
            );
        }
    }

    pub(super) fn memory(&mut self) {
        let m = &self.h.memory;
        self.head("Memory");
        let all = memory::available(m).into_iter().chain(memory::promises(m));
        for line in all {
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
            self.labelled(&format!("  {}  ", clock(&line.time)), &line.text);
        }
    }

    /// That more is known of what came before.
    pub(super) fn earlier(&mut self) {
        let Some(earlier) = &self.h.earlier else {
            return;
        };
        let refused = counted(earlier.refused, "task", "tasks");
        let cgroups = counted(earlier.cgroups, "cgroup counts", "cgroups count");
        self.head("Before");
        self.line(&format!(
            "{cgroups} {refused} refused since they were made; whose, and what that proves: forktrace check --past"
        ));
    }

    pub(super) fn drift(&mut self) {
        let Some(drift) = &self.h.drift else {
            return;
        };
        self.head(&format!("Changed since {}", with_offset(&drift.since)));
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
