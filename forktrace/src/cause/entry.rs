//! What the catalogue has of each cause.

use super::{Cause, Context, Page, Subject, Verdict};
use crate::{
    evidence::Evidence,
    model::{Certainty, Fix, Limit, LimitKind},
};

/// That a cause is the one, and how sure that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `Observed` for a check that was seen to refuse, `Inferred` for what numbers show.
    pub certainty: Certainty,
    /// The limit that refused; `None` for a cause that is none.
    pub limit: Option<Limit>,
}

impl Finding {
    pub(super) fn observed(limit: impl Into<Option<Limit>>) -> Option<Self> {
        Some(Self {
            certainty: Certainty::Observed,
            limit: limit.into(),
        })
    }

    pub(super) fn inferred(limit: impl Into<Option<Limit>>) -> Option<Self> {
        Some(Self {
            certainty: Certainty::Inferred,
            limit: limit.into(),
        })
    }
}

/// What is refused for a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Creations.
    Creations,
    /// Threads' stacks (`--thread-stacks`).
    Stacks,
    /// Both.
    CreationsAndStacks,
    /// What is left when no other cause is concluded: `unknown`.
    Rest,
    /// Nothing that a verdict concludes yet: the cause is only explained.
    Nothing,
}

/// Whether a refusal has to be read with the host's memory in view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AboutMemory {
    Never,
    /// Where it was ENOMEM: memory may be what was short.
    WithEnomem,
    Always,
}

/// One cause of the catalogue. Facts that other rooms ask for are fields of it, so that none of them
/// has a list of causes of its own.
pub struct Entry {
    /// Which cause, and what `forktrace explain` prints of it.
    pub page: &'static Page,
    /// What is refused for it.
    pub of: Of,
    /// Looks at what the stages saw: the refusing check was seen.
    pub seen: fn(&Evidence) -> Option<Finding>,
    /// Looks at the snapshot alone: this limit was exhausted at the return.
    pub exhausted: fn(&Evidence) -> Option<Finding>,
    /// The limits that it is a refusal by; empty for a cause that is none.
    pub limits: &'static [LimitKind],
    /// Whether and how the cause is about memory.
    pub memory: AboutMemory,
    /// The caller was being killed: it never sees the errno.
    pub caller_killed: bool,
    /// A way out is turned in the caller itself, if that lives long enough, though no limit of its own
    /// refused.
    pub turned_in_caller: bool,
    /// One sentence: who was refused what, by whose limit, how full.
    pub summary: fn(&Verdict, &Subject<'_>) -> String,
    /// What to do about it.
    pub fix: fn(&Verdict, &Subject<'_>, &Context) -> Vec<Fix>,
}

impl Entry {
    /// Which cause it is.
    pub fn cause(&self) -> Cause {
        self.page.cause
    }

    /// A cause of refused creations, of which an entry has to say the rest.
    pub(super) const fn of_creations(page: &'static Page) -> Self {
        Self {
            of: Of::Creations,
            ..Self::explained(page)
        }
    }

    /// A cause of refused threads' stacks, of which an entry has to say the rest.
    pub(super) const fn of_stacks(page: &'static Page) -> Self {
        Self {
            of: Of::Stacks,
            ..Self::explained(page)
        }
    }

    /// A cause that is explained and not concluded.
    pub(super) const fn explained(page: &'static Page) -> Self {
        Self {
            page,
            of: Of::Nothing,
            seen: |_| None,
            exhausted: |_| None,
            limits: &[],
            memory: AboutMemory::Never,
            caller_killed: false,
            turned_in_caller: false,
            summary: |_, subject| subject.opening(),
            fix: |_, _, _| Vec::new(),
        }
    }
}
