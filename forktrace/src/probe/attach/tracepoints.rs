//! Attaching to tracepoints, by a tracefs of one's own.

use std::os::fd::{AsFd as _, OwnedFd};

use aya::{
    maps::Array,
    programs::{Program, TracePoint},
};

use super::{Attacher, program};
use crate::host::clock::Clock;
use crate::probe::why::Why;
use crate::probe::{
    oom, perf,
    skips::Spot,
    stacks,
    style::{Role, Style, TRACEPOINTS, Tracepoints},
    tracefs::Tracefs,
};

impl Attacher<'_> {
    /// The OOM killer's victims. `raw`: raw tracepoints may be tried, which are no other style's.
    pub(super) fn oom_kills(&mut self, raw: bool) {
        let target = format!("{}:{}", oom::CATEGORY, oom::NAME);
        let attached = match raw.then(|| oom::attach_raw(self.ebpf)) {
            Some(Ok(())) => Ok(()),
            _ => Tracefs::open()
                .map_err(|e| Why::io("mounting a private tracefs", &e))
                .and_then(|fs| self.tracepoint(&fs, oom::TRACEPOINT, oom::CATEGORY, oom::NAME))
                .map(|link| self.outcome.tracepoints.push(link)),
        };
        self.note(Some(Role::OomVictim), target, Style::Tracepoint, attached);
    }

    fn stack_tracepoints(&mut self, tracefs: &Tracefs) {
        for (name, program) in stacks::TRACEPOINTS {
            let attached = self
                .tracepoint(tracefs, program, "syscalls", name)
                .map(|link| self.outcome.tracepoints.push(link));
            if attached.is_ok() && self.plan.preemptible {
                self.pair(Spot::Return, &[program, program]);
            }
            self.note(
                None,
                format!("syscalls:{name}"),
                Style::Tracepoint,
                attached,
            );
        }
    }

    pub(super) fn tracepoints(&mut self) {
        let tracefs = match Tracefs::open() {
            Ok(tracefs) => tracefs,
            Err(error) => {
                let why = Why::io("mounting a private tracefs", &error);
                self.note(None, "syscalls".to_owned(), Style::Tracepoint, Err(why));
                return;
            }
        };
        for group in TRACEPOINTS {
            self.tracepoints_of(&tracefs, group);
        }
        if self.plan.thread_stacks && self.kernel.has_types() {
            self.stack_tracepoints(&tracefs);
        }
    }

    fn tracepoints_of(&mut self, tracefs: &Tracefs, group: &Tracepoints) {
        // Enter first, so that no return is seen whose entry was not, but of calls that are under way.
        // The second of each is for what the first is skipped for.
        let several = if self.plan.two_tracepoints { 2 } else { 1 };
        for (spot, programs, prefix) in [
            (Spot::Entry, &group.enter[..several], "sys_enter_"),
            (Spot::Return, &group.exit[..several], "sys_exit_"),
        ] {
            for call in group.calls {
                let name = format!("{prefix}{call}");
                let links: Result<Vec<_>, _> = programs
                    .iter()
                    .map(|program| self.tracepoint(tracefs, program, "syscalls", &name))
                    .collect();
                let attached = links.map(|links| self.outcome.tracepoints.extend(links));
                self.note(
                    None,
                    format!("syscalls:{name}"),
                    Style::Tracepoint,
                    attached,
                );
            }
            if spot == Spot::Entry {
                self.entries_are_seen();
            }
            match programs {
                // Skipped where somebody's call on a map is preempted.
                [only] if self.plan.preemptible => self.pair(spot, &[only, only]),
                _ => self.pair(spot, programs),
            }
        }
    }

    /// Tells the returns from when on a call without an entry had none. Where that can't be told, they hold each for
    /// one that may have been under way.
    fn entries_are_seen(&mut self) {
        let map = self.ebpf.map_mut("ENTRIES_SINCE");
        if let Some(mut map) = map.and_then(|map| Array::<_, u64>::try_from(map).ok()) {
            let _ = map.set(0, Clock::now().monotonic_ns(), 0);
        }
    }

    fn tracepoint(
        &mut self,
        fs: &Tracefs,
        program_name: &str,
        category: &str,
        name: &str,
    ) -> Result<OwnedFd, Why> {
        let Program::TracePoint(p) = program(self.ebpf, program_name)? else {
            return Err(Why::text("is no tracepoint program"));
        };
        let p: &mut TracePoint = p;
        if p.fd().is_err() {
            p.load()?;
        }
        let id = fs
            .tracepoint_id(category, name)
            .map_err(|e| Why::io("reading its id", &e))?;
        perf::attach_tracepoint(id, p.fd()?.as_fd()).map_err(|e| Why::io("attaching", &e))
    }
}
