//! What a run of the tests was asked for, and what it knows.

use crate::brief::Provoked;
use crate::report::Report;
use crate::scenario::Place;
use crate::tracer::Scratch;

/// Where the tests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// A machine of their own: everything is allowed.
    TestMachine,
    /// Somebody's host: it has to stay as it was.
    Host,
}

/// The kinds of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Everything provoked under one forktrace, its recording compared
    Sessions,
    /// Behaviour that comes out differently on each kernel
    Kernel,
    /// Behaviour that doesn't depend on the kernel: arguments, exit statuses,
    /// signals, full disks
    Commands,
}

/// What to run; an empty list is all of its kind.
#[derive(Default)]
pub(crate) struct Choice {
    pub styles: Vec<String>,
    pub only: Vec<String>,
    /// Nothing of these.
    pub except: Vec<String>,
    pub kinds: Vec<Kind>,
    /// Of the sessions a few scenarios, which provoke every cause.
    pub brief: bool,
}

impl Choice {
    /// Whether a case of this name was asked for.
    fn has(&self, name: &str) -> bool {
        let among = |parts: &[String]| parts.iter().any(|part| name.contains(part.as_str()));
        (self.only.is_empty() || among(&self.only)) && !among(&self.except)
    }

    /// Whether a behaviour of this name is one of the styles' that were asked
    /// for. One without a style in its name is of what people get.
    pub(crate) fn is_of_style(&self, name: &str) -> bool {
        let of = |style: &&&str| name.ends_with(&format!("_{style}"));
        let wanted: &[&str] = match STYLES.iter().find(of) {
            None | Some(&"auto") => &["auto", "fexit"],
            Some(style) => &[style],
        };
        self.styles.is_empty() || self.styles.iter().any(|s| wanted.contains(&s.as_str()))
    }

    pub(crate) fn has_kind(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// `auto` is the first in a test machine as it is on a host: what users have.
pub(super) const STYLES: [&str; 4] = ["auto", "fexit", "kprobe", "tracepoint"];

/// What one run knows.
pub(crate) struct Tests {
    pub place: Place,
    pub at: Where,
    pub scratch: Scratch,
    pub binary: std::path::PathBuf,
    pub choice: Choice,
    pub report: Report,
    pub provoked: Provoked,
    /// forktrace does not even come up: the rest would only wait for it.
    pub broken: bool,
}

impl Tests {
    /// Whether a case of this name was asked for.
    pub(crate) fn wanted(&self, name: &str) -> bool {
        self.choice.has(name)
    }
}
