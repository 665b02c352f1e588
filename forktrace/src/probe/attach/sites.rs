//! Attaching to single instructions ([`crate::probe::sites`]), and what it means that
//! they stay silent.

use aya::{
    maps::Array,
    programs::{KProbe, Program},
};
use forktrace_common::text::Uncharge;

use super::{Attacher, program, unload};
use crate::probe::why::Why;
use crate::probe::{
    perf,
    sites::{self, Site, Sites},
    skips::Spot,
    style::{HOOKS, Role, Style},
};

/// kernel/trace/bpf_trace.c `trace_call_bpf`.
const UNCOUNTED: &str = "this kernel preempts itself, and skips kprobes while a bpf() call on a map is preempted, without a count: what a kprobe didn't see is concluded from the numbers, and a refusal that only kprobes see can go unseen";

/// The name of an instruction, as the kernel writes it.
fn named(site: &Site) -> String {
    format!("{}+{:#x}", site.function, site.offset)
}

impl Attacher<'_> {
    /// The single instructions that can be probed, in both styles: a kprobe there
    /// costs a successful creation nothing, whatever sees the failing return.
    pub(super) fn sites(&mut self, styles: &[Style]) -> Sites {
        // Without the kernel's types there is nothing to note.
        if styles.is_empty() || !self.kernel.has_types() || perf::has_kprobes().is_err() {
            return Sites::default();
        }
        if self.kernel.functions.is_empty() {
            self.outcome
                .absent
                .push("/proc/kallsyms doesn't show where functions are: none is looked into, and what no function shows is concluded from the numbers".to_owned());
            return Sites::default();
        }
        match sites::find(self.ebpf, &self.kernel.functions, &self.kernel.offsets) {
            Ok(sites) => sites,
            Err(error) => {
                self.outcome.absent.push(format!(
                    "reading the kernel's machine code: {error}; what no function shows is concluded from the numbers"
                ));
                Sites::default()
            }
        }
    }

    /// The failing return: a trampoline, or kprobes behind the calls of
    /// `copy_process`, or a kretprobe.
    pub(super) fn creations(&mut self, styles: &[Style], returns: &[Site]) -> bool {
        let [hook, ..] = HOOKS else { return false };
        for style in styles {
            let behind_calls = *style == Style::Kprobe && !returns.is_empty();
            if behind_calls && self.all_sites(returns) {
                return true;
            }
            if self.hook(hook, &[*style]) {
                if *style == Style::Kprobe {
                    self.outcome.absent.push(sites::lost(hook.role).to_owned());
                }
                return true;
            }
        }
        false
    }

    /// Where the kernel preempts itself, skips kprobes, and doesn't count it.
    pub(super) fn doubt_silence(&mut self) {
        if self.outcome.kprobes.is_any() && !self.kernel.counts_skipped_kprobes() {
            self.outcome.silence_is_doubtful = true;
            self.outcome.absent.push(UNCOUNTED.to_owned());
        }
    }

    /// Sites of one role, of use only whole.
    fn all_sites(&mut self, sites: &[Site]) -> bool {
        for site in sites {
            let came = self.site(site);
            if !self.note(Some(site.role), named(site), Style::Kprobe, came) {
                unload(self.ebpf, site.program);
                self.outcome.attached.retain(|a| a.role != Some(site.role));
                return false;
            }
        }
        true
    }

    /// The error path.
    pub(super) fn errors(&mut self, found: &Sites) {
        if let Err(error) = self.how_to_uncharge(found) {
            self.outcome.absent.push(error);
        }
        let looked_into = !found.errors.is_empty();
        for role in sites::ROLES {
            let of_role: Vec<Site> = found
                .errors
                .iter()
                .copied()
                .filter(|site| site.role == role)
                .collect();
            if (of_role.is_empty() || !self.all_sites(&of_role)) && looked_into {
                self.outcome.absent.push(sites::lost(role).to_owned());
            }
        }
    }

    /// Gives the program the place of the address that it reads.
    fn how_to_uncharge(&mut self, found: &Sites) -> Result<(), String> {
        let error = |what: String| format!("writing the map UNCHARGE: {what}");
        let map = self
            .ebpf
            .map_mut("UNCHARGE")
            .ok_or_else(|| error("the BPF object lacks it".to_owned()))?;
        let mut map: Array<_, Uncharge> = Array::try_from(map).map_err(|e| error(e.to_string()))?;
        map.set(0, found.uncharge, 0)
            .map_err(|e| error(e.to_string()))
    }

    fn site(&mut self, site: &Site) -> Result<(), Why> {
        let known_by = sites::KNOWN_BY
            .iter()
            .filter(|(_, role)| *role == site.role);
        for (function, _) in known_by {
            self.kernel
                .check(function, Style::Kprobe)
                .map_err(Why::text)?;
        }
        let Program::KProbe(p) = program(self.ebpf, site.program)? else {
            return Err(Why::text("is no kprobe program"));
        };
        let p: &mut KProbe = p;
        if p.fd().is_err() {
            p.load()?;
        }
        p.attach(site.function, site.offset)?;
        if self.plan.preemptible
            && let Some(program) = self.descriptor(site.program)
        {
            self.outcome.kprobes.add(program);
            if site.role == Role::Return {
                self.pair(Spot::Return, &[site.program, site.program]);
            }
        }
        Ok(())
    }
}
