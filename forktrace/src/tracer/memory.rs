//! Which verdicts have to be read with the host's memory in view.

use crate::{
    cause::{Cause, Verdict},
    host::memory::AtVerdicts,
    model::{Errno, Memory},
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
    about_memory
        .then(|| memory.read(verdict.cause, verdict.limit.as_ref()))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Certainty;

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
