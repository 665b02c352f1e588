//! Limits of this process, changed for a while.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A limit that is another one as long as this lives, and what it was afterwards.
#[must_use]
pub struct ChangedLimit {
    resource: Resource,
    before: Option<Rlimit>,
}

impl ChangedLimit {
    /// RLIMIT_MEMLOCK lifted: BPF memory counts against it before Linux 5.11, when
    /// it is taken. Put back, because a command that is run under forktrace
    /// inherits it. Stays as it is without CAP_SYS_RESOURCE.
    pub fn lifted_memlock() -> Self {
        let all = |_: Rlimit| Rlimit {
            current: None,
            maximum: None,
        };
        Self::change(Resource::Memlock, all)
    }

    /// This process can open no file; its open ones stay usable.
    pub fn no_new_files() -> Self {
        let none = |before: Rlimit| Rlimit {
            current: Some(0),
            ..before
        };
        Self::change(Resource::Nofile, none)
    }

    fn change(resource: Resource, to: impl FnOnce(Rlimit) -> Rlimit) -> Self {
        let before = getrlimit(resource);
        let changed = setrlimit(resource, to(before)).is_ok();
        Self {
            resource,
            before: changed.then_some(before),
        }
    }
}

impl Drop for ChangedLimit {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            // Lowering is always allowed, and raising up to the hard limit.
            let _ = setrlimit(self.resource, before);
        }
    }
}
