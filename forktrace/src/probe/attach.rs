//! Attaching: each probe in the best style that this kernel accepts, found out
//! by trying.

mod sites;
mod tracepoints;

use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};

use aya::{
    Btf, Ebpf,
    programs::{FEntry, FExit, KProbe, Program},
};

use super::{
    kernel::Kernel,
    oom,
    outcome::{Attached, Outcome, Refused},
    perf,
    skips::{Pair, Spot},
    stacks,
    style::{HOOKS, Hook, Role, SECCOMP, Style, Trampoline},
    why::Why,
};

/// What to attach.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// `None`: the best that the kernel accepts.
    pub style: Option<Style>,
    /// The kernel preempts itself: two programs are attached to the failing
    /// return, as trampolines.
    pub preemptible: bool,
    /// Two programs are attached to each system-call tracepoint.
    pub two_tracepoints: bool,
    /// What filters refuse, too (the tracepoint style shows it anyway).
    pub seccomp: bool,
    /// mmap and mprotect are hooked as well.
    pub thread_stacks: bool,
}

impl Plan {
    /// For the failing return, and what runs on what succeeds as well; better first.
    const fn styles(&self) -> &'static [Style] {
        match self.style {
            None => &[Style::Fexit, Style::Kprobe],
            Some(Style::Fexit) => &[Style::Fexit],
            Some(Style::Kprobe) => &[Style::Kprobe],
            Some(Style::Tracepoint) => &[],
        }
    }

    /// For the stages, where the failing return is seen in that style; better first. Their functions
    /// run on error paths alone, so a kprobe costs a successful creation nothing, and it is never
    /// skipped.
    fn stages(&self, of_return: Option<Style>) -> &'static [Style] {
        match self.style {
            None if self.preemptible && of_return == Some(Style::Fexit) => {
                &[Style::Kprobe, Style::Fexit]
            }
            _ => self.styles(),
        }
    }

    /// Whether tracepoints serve where none of [`Self::styles`] does.
    fn falls_back(&self) -> bool {
        self.style.is_none_or(|style| style == Style::Tracepoint)
    }
}

/// Every function that a trampoline may be attached to.
pub fn hooked_functions() -> impl Iterator<Item = &'static str> {
    HOOKS
        .iter()
        .chain(stacks::HOOKS)
        .chain([&SECCOMP, &oom::CHOICE])
        .filter(|hook| hook.trampoline.is_some())
        .flat_map(|hook| hook.targets.iter().copied())
}

/// kernel/kprobes.c `register_kretprobe`.
const FEW_INSTANCES: &str = "execve, and with --seccomp the filters, are seen by kretprobes, which serve few calls at once: while more of them sleep, a refusal can go unseen; how many did";

/// kernel/kallsyms.c `kallsyms_show_value`: kernel.kptr_restrict, and CAP_SYSLOG.
const CREATION_HIDDEN: &str = "/proc/kallsyms doesn't show where copy_process lies (kernel.kptr_restrict, CAP_SYSLOG): a memory cgroup that refuses is not seen";

/// Attaches what can be attached.
///
/// The programs stay attached as long as `ebpf` and the outcome live, and no
/// longer than this process, however it ends.
pub fn attach(ebpf: &mut Ebpf, kernel_btf: Option<&Btf>, kernel: &Kernel, plan: Plan) -> Outcome {
    let mut outcome = Outcome::default();
    let styles = plan.styles();
    let mut attacher = Attacher {
        ebpf,
        kernel_btf,
        kernel,
        plan,
        outcome: &mut outcome,
        kretprobes: Vec::new(),
    };
    let sites = attacher.sites(styles);
    // The stages are worth nothing without the return.
    if !styles.is_empty() && attacher.creations(styles, &sites.returns) {
        attacher.errors(&sites);
        let stages = plan.stages(attacher.outcome.style());
        for hook in HOOKS[1..].iter().chain(plan.seccomp.then_some(&SECCOMP)) {
            // What is no stage runs on what succeeds as well, and a kretprobe
            // can run out: trampolines are better there.
            let styles = if hook.role.reports() { styles } else { stages };
            attacher.hook(hook, styles);
        }
        if plan.thread_stacks {
            attacher.stacks(styles);
        }
        if attacher.kernel.has_types() {
            // First, so that no victim is seen whose choice was not.
            attacher.hook(&oom::CHOICE, stages);
            attacher.oom_kills(true);
        }
        attacher.doubt_silence();
        attacher.count_missed_returns();
        if kernel.symbols.copy_process == 0 {
            outcome.creation_hidden = true;
            outcome.absent.push(CREATION_HIDDEN.to_owned());
        }
        return outcome;
    }
    if plan.falls_back() {
        attacher.tracepoints();
        if attacher.kernel.has_types() {
            attacher.oom_kills(false);
        }
    }
    outcome
}

struct Attacher<'a> {
    ebpf: &'a mut Ebpf,
    kernel_btf: Option<&'a Btf>,
    kernel: &'a Kernel,
    plan: Plan,
    outcome: &'a mut Outcome,
    /// Ids of the programs of those kretprobes that see a failing return.
    kretprobes: Vec<u32>,
}

impl Attacher<'_> {
    /// Tries targets (better first) in the styles given (better first).
    fn hook(&mut self, hook: &Hook, styles: &[Style]) -> bool {
        // Without the kernel's types a stage would note what it can't read.
        if !self.kernel.has_types() && hook.role != Role::Return {
            return false;
        }
        for target in hook.targets {
            for &style in styles {
                let came = self.attach(hook, target, style);
                if self.note(Some(hook.role), (*target).to_owned(), style, came) {
                    return true;
                }
            }
        }
        false
    }

    /// Notes what came of a probe, and answers whether it is in place.
    fn note(
        &mut self,
        role: Option<Role>,
        target: String,
        style: Style,
        came: Result<(), Why>,
    ) -> bool {
        match came {
            Ok(()) => self.outcome.attached.push(Attached {
                role,
                target,
                style,
            }),
            Err(why) => {
                self.outcome.refused.push(Refused {
                    role,
                    target,
                    style,
                    why: why.into_text(),
                });
                return false;
            }
        }
        true
    }

    fn attach(&mut self, hook: &Hook, target: &str, style: Style) -> Result<(), Why> {
        self.kernel.check(target, style).map_err(Why::text)?;
        match style {
            Style::Fexit => match &hook.trampoline {
                Some(trampoline) => {
                    let spot = if hook.role.reports() {
                        Spot::Return
                    } else {
                        Spot::Stage
                    };
                    self.trampoline(trampoline, target, spot)
                }
                None => Err(Why::text("is seen by its numbers in this style")),
            },
            Style::Kprobe => {
                // Verifying a program that can't be attached takes long.
                perf::has_kprobes().map_err(Why::text)?;
                self.kprobes(hook.kprobes, target)?;
                if hook.role.reports() {
                    self.remember_kretprobes(hook.kprobes);
                }
                if self.plan.preemptible {
                    self.watch(hook);
                }
                Ok(())
            }
            Style::Tracepoint => Err(Why::text("has no tracepoint")),
        }
    }

    fn trampoline(&mut self, trampoline: &Trampoline, target: &str, spot: Spot) -> Result<(), Why> {
        let Some(btf) = self.kernel_btf else {
            return Err(Why::text("the kernel has no BTF"));
        };
        let (Trampoline::Fentry(names) | Trampoline::Fexit(names)) = trampoline;
        let programs = names
            .iter()
            .filter(|name| self.plan.preemptible || !name.ends_with("_again"));
        for name in programs.clone() {
            if let Err(why) = load_trampoline(self.ebpf, name, target, btf) {
                // Of use only whole: one that stayed would report beside the
                // style that is tried next.
                names.iter().for_each(|name| unload(self.ebpf, name));
                return Err(why);
            }
        }
        let programs: Vec<&str> = programs.copied().collect();
        self.pair(spot, &programs);
        Ok(())
    }

    /// Remembers two programs on one return or entry, to watch what the kernel
    /// skips.
    fn pair(&mut self, spot: Spot, names: &[&str]) {
        if let [one, other] = names
            && let (Some(one), Some(other)) = (self.descriptor(one), self.descriptor(other))
        {
            self.outcome.pairs.push(Pair { spot, one, other });
        }
    }

    /// Remembers kprobes, to watch what the kernel skips.
    fn watch(&mut self, hook: &Hook) {
        if hook.role.reports()
            && let Some(last) = hook.kprobes.last()
        {
            self.pair(Spot::Return, &[last, last]);
        }
        // What is no creation consults no stage.
        let of_creation = hook.role == Role::Return || !hook.role.reports();
        if of_creation && hook.role != Role::OomChoice {
            for name in hook.kprobes {
                if let Some(program) = self.descriptor(name) {
                    self.outcome.kprobes.add(program);
                }
            }
        }
    }

    fn remember_kretprobes(&mut self, names: &[&str]) {
        for name in names.iter().filter(|name| name.starts_with("kretprobe_")) {
            if let Some(Program::KProbe(p)) = self.ebpf.program(name)
                && let Ok(info) = p.info()
            {
                self.kretprobes.push(info.id());
            }
        }
    }

    /// Watches what kretprobes miss, or says that it can't be known.
    fn count_missed_returns(&mut self) {
        if self.kretprobes.is_empty() {
            return;
        }
        let why = if self.kernel.counts_skipped_kprobes() {
            match self.outcome.returns.add(&self.kretprobes) {
                Ok(()) => return,
                Err(error) => format!("can't be read: {error}"),
            }
        } else {
            "this kernel doesn't count them (before 6.7)".to_owned()
        };
        self.outcome.absent.push(format!("{FEW_INSTANCES} {why}"));
    }

    fn descriptor(&self, name: &str) -> Option<RawFd> {
        let program = self.ebpf.program(name)?;
        Some(program.fd().ok()?.as_fd().as_raw_fd())
    }

    fn kprobes(&mut self, names: &[&str], target: &str) -> Result<(), Why> {
        // The return probe first: a note that an entry probe makes must find
        // its reader.
        for name in names.iter().rev() {
            let Program::KProbe(p) = program(self.ebpf, name)? else {
                return Err(Why::text("is no kprobe program"));
            };
            let p: &mut KProbe = p;
            if p.fd().is_err() {
                p.load()?;
            }
            if let Err(error) = p.attach(target, 0) {
                // A pair is of use only whole; one alone may serve elsewhere.
                if names.len() > 1 {
                    names.iter().for_each(|name| unload(self.ebpf, name));
                }
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Threads' stacks. One program on each return: the calls that it is skipped for are
    /// reported, successes included, as that which can have gone unseen.
    fn stacks(&mut self, styles: &[Style]) {
        for hook in stacks::HOOKS {
            self.hook(hook, styles);
            if let (true, Some(Trampoline::Fentry(names) | Trampoline::Fexit(names))) =
                (self.plan.preemptible, &hook.trampoline)
            {
                for name in *names {
                    self.pair(Spot::Return, &[name, name]);
                }
            }
        }
    }
}

fn load_trampoline(ebpf: &mut Ebpf, name: &str, target: &str, btf: &Btf) -> Result<(), Why> {
    match program(ebpf, name)? {
        Program::FEntry(p) => {
            let p: &mut FEntry = p;
            p.load(target, btf)?;
            p.attach()?;
        }
        Program::FExit(p) => {
            let p: &mut FExit = p;
            p.load(target, btf)?;
            p.attach()?;
        }
        _ => return Err(Why::text("is no trampoline program")),
    }
    Ok(())
}

/// Detaches a program, and takes it from the kernel, if it was there.
fn unload(ebpf: &mut Ebpf, name: &str) {
    // Not loaded is the one error, and that is what is asked for.
    let _ = match program(ebpf, name) {
        Ok(Program::FEntry(p)) => p.unload(),
        Ok(Program::FExit(p)) => p.unload(),
        Ok(Program::KProbe(p)) => p.unload(),
        _ => Ok(()),
    };
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Program, Why> {
    ebpf.program_mut(name)
        .ok_or_else(|| Why::text(format!("the BPF object has no program {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Style; 3] = [Style::Fexit, Style::Kprobe, Style::Tracepoint];

    #[test]
    fn what_nobody_chose_is_tried_in_every_style() {
        let plan = Plan::default();
        assert_eq!(plan.styles(), [Style::Fexit, Style::Kprobe]);
        assert!(plan.falls_back());
    }

    #[test]
    fn a_style_that_was_chosen_is_the_only_one() {
        for style in ALL {
            let plan = Plan {
                style: Some(style),
                preemptible: true,
                ..Plan::default()
            };
            let probes: &[Style] = match style {
                Style::Tracepoint => &[],
                _ => &[style],
            };
            assert_eq!(plan.styles(), probes);
            assert_eq!(plan.stages(Some(style)), probes);
            assert_eq!(plan.falls_back(), style == Style::Tracepoint);
        }
    }

    #[test]
    fn where_the_kernel_preempts_itself_stages_are_kprobes_first() {
        let of = |preemptible, of_return| {
            let plan = Plan {
                preemptible,
                ..Plan::default()
            };
            plan.stages(Some(of_return))
        };
        assert_eq!(of(true, Style::Fexit), [Style::Kprobe, Style::Fexit]);
        // Trampolines were refused once.
        assert_eq!(of(true, Style::Kprobe), [Style::Fexit, Style::Kprobe]);
        assert_eq!(of(false, Style::Fexit), [Style::Fexit, Style::Kprobe]);
    }
}
