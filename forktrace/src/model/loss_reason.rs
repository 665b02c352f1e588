//! Why detail was lost.

use super::words;

words! {
    /// Why refusals, or OOM kills, are counted without detail.
    pub enum LossReason {
        /// The ring buffer had no room.
        RingFull = "ring_full",
        /// The map of counts had no room.
        KeysFull = "keys_full",
        /// A refusal was noted, and its return not seen.
        ReturnMissed = "return_missed",
        /// Counted together with failures of several causes or owners, or of none that was reported.
        Undecided = "undecided",
        /// Not recorded: the disk had less room than `--min-free`.
        NoSpace = "no_space",
        /// The kernel ran no program on some returns, failing or not.
        Skipped = "skipped",
        /// OOM kills that could not be reported; no failures.
        OomKill = "oom_kill",
    }
}

impl LossReason {
    /// Whether the loss is of failures that are counted: neither of those that the kernel can have kept
    /// from forktrace, of which only an upper bound is known, nor of OOM kills.
    pub fn is_of_failures(&self) -> bool {
        !matches!(self, Self::Skipped | Self::OomKill)
    }
}
