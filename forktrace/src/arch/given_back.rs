//! What is found of the instructions by which a counter is given back what it had taken.

/// Charges of a cgroup and of those below it, which `pids_try_charge` gives back when it refuses: in a
/// loop those below, and behind it that cgroup's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenBack {
    /// The instruction at which the refusing cgroup's counter is at hand.
    Found {
        /// Where it begins.
        offset: u64,
        /// The register that leads to the counter: its offset in `struct pt_regs`.
        register: u32,
        /// Bytes from where the register points to the counter.
        displacement: i32,
    },
    /// One of the two places is there: somebody's probe can hide the other.
    Half,
    /// Neither is.
    Nothing,
}
