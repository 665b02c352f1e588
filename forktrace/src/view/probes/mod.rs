//! What this kernel allows, as `probes` prints it.

pub(super) mod json;
pub(super) mod text;

/// What attaching came to.
#[derive(Clone, Debug, Default)]
pub struct Probes {
    /// The style that sees failing returns; `None`: no probe could be attached.
    pub style: Option<&'static str>,
    /// Target and style of each probe in place.
    pub attached: Vec<(String, &'static str)>,
    /// The probes that the kernel refused, in each style that was tried.
    pub refused: Vec<RefusedProbe>,
    /// Evidence that this kernel doesn't give, one sentence each.
    pub absent: Vec<String>,
    /// Evidence that is lost with probes that were refused.
    pub lost: Vec<String>,
    /// What counts the holders of a limit on tasks; `None`: nothing does.
    pub holders_by: Option<&'static str>,
    /// Why it isn't the task iterator.
    pub holders_why: Option<String>,
}

/// A probe that could not be attached in one style.
#[derive(Clone, Debug)]
pub struct RefusedProbe {
    /// Kernel function, or `category:name` of a tracepoint.
    pub target: String,
    /// The style that was tried.
    pub style: &'static str,
    /// What the kernel answered.
    pub why: String,
}
