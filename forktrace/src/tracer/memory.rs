//! Which verdicts have to be read with the host's memory in view.

use crate::{
    cause::{Cause, Verdict},
    host::memory::AtVerdicts,
    record::{Errno, Memory},
};

/// The host's memory, for a verdict about memory, and where ENOMEM's reason isn't known: memory
/// may then be what it was.
pub fn context(verdict: &Verdict, errno: Errno, memory: &mut AtVerdicts) -> Option<Memory> {
    let about_memory = match verdict.cause {
        Cause::Overcommit
        | Cause::CgroupMemoryMax
        | Cause::CgroupKernelMemoryMax
        | Cause::KernelMemory => true,
        Cause::Unknown => errno == Errno::ENOMEM,
        _ => false,
    };
    let limit = verdict.limit.as_ref();
    let key = limit.map_or((verdict.cause.id(), "host"), |l| (&l.name, &l.scope));
    about_memory.then(|| memory.read(key.0, key.1)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Certainty;

    #[test]
    fn memory_is_told_where_it_may_matter() {
        let told = |cause, errno| {
            let verdict = Verdict {
                cause,
                certainty: Certainty::Unknown,
                limit: None,
                candidates: Vec::new(),
            };
            context(&verdict, errno, &mut AtVerdicts::new()).is_some()
        };
        assert!(told(Cause::Overcommit, Errno::ENOMEM));
        assert!(told(Cause::CgroupKernelMemoryMax, Errno::ENOMEM));
        assert!(told(Cause::Unknown, Errno::ENOMEM));
        assert!(!told(Cause::Unknown, Errno::EAGAIN));
        assert!(!told(Cause::PidNamespaceDead, Errno::ENOMEM));
        assert!(!told(Cause::CgroupPidsMax, Errno::EAGAIN));
    }
}
