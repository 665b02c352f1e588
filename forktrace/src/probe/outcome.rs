//! What attaching came to: which probes are in place, and what each of those that aren't was refused
//! for.

use super::{
    instances::Returns,
    let_go::Events,
    skips::{Pair, Spot, Watch},
    stacks,
    style::{Role, Style},
};

/// A probe that is in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// `None` for the tracepoints.
    pub role: Option<Role>,
    /// Kernel function, or `category:name` of a tracepoint.
    pub target: String,
    /// How it is attached.
    pub style: Style,
}

/// A probe that could not be attached in one style.
#[derive(Clone, Debug)]
pub struct Refused {
    /// What it was to be for; `None` for the tracepoints.
    pub role: Option<Role>,
    /// Kernel function, or `category:name` of a tracepoint.
    pub target: String,
    /// The style that was tried.
    pub style: Style,
    /// What the kernel answered.
    pub why: String,
}

/// What attaching came to.
#[derive(Default)]
pub struct Outcome {
    /// The probes in place.
    pub attached: Vec<Attached>,
    /// The probes that the kernel refused, in each style that was tried.
    pub refused: Vec<Refused>,
    /// Pairs of programs on one return, of which the kernel can skip one.
    pub pairs: Vec<Pair>,
    /// The kprobes of creations, where the kernel can skip them.
    pub kprobes: Watch,
    /// The kretprobes of what fails, where the kernel counts what they miss.
    pub returns: Returns,
    /// Evidence that can't be had for want of a probe, one sentence each.
    pub absent: Vec<String>,
    /// The kernel can skip kprobes without a count: what they didn't say means nothing.
    pub silence_is_doubtful: bool,
    /// The kernel doesn't show where copy_process lies: of what runs within it, nothing is noted.
    pub creation_hidden: bool,
    /// Tracepoints, attached by hand.
    pub(super) tracepoints: Events,
}

impl Outcome {
    /// The style in which the failing return is seen; `None`: not at all.
    pub fn style(&self) -> Option<Style> {
        self.attached
            .iter()
            .find(|a| match a.role {
                Some(role) => role == Role::Return,
                // Of the tracepoints, one of a creation's return.
                None => a.target == "syscalls:sys_exit_clone",
            })
            .map(|a| a.style)
    }

    /// How often both programs on a spot can have been skipped, at most, or a
    /// kretprobe there had no instance.
    pub fn skipped(&self, spot: Spot) -> u64 {
        let pairs = self.pairs.iter().filter(|pair| pair.spot == spot);
        let missed = match spot {
            Spot::Return => self.returns.missed(),
            Spot::Entry | Spot::Stage => 0,
        };
        pairs.map(Pair::at_most).sum::<u64>() + missed
    }

    /// Whether threads' stacks that can't be mapped are seen, in every style.
    pub fn sees_thread_stacks(&self) -> bool {
        let tracepoint = |name: &str| {
            let target = format!("syscalls:{name}");
            self.attached.iter().any(|a| a.target == target)
        };
        stacks::HOOKS.iter().all(|hook| self.has(hook.role))
            || stacks::TRACEPOINTS.iter().all(|(name, _)| tracepoint(name))
    }

    /// Whether this kernel can skip programs that are attached here.
    pub fn skips_programs(&self) -> bool {
        !self.pairs.is_empty() || self.kprobes.is_any()
    }

    /// Whether it is a kprobe that is in place for this role.
    pub fn is_by_kprobe(&self, role: Role) -> bool {
        let mut all = self.attached.iter();
        all.any(|a| a.role == Some(role) && a.style == Style::Kprobe)
    }

    /// Whether the probe of this role is in place, and notes something.
    pub fn has(&self, role: Role) -> bool {
        let is_blind = self.creation_hidden && matches!(role, Role::MemcgOom | Role::Overcommit);
        !is_blind && self.attached.iter().any(|a| a.role == Some(role))
    }
}
