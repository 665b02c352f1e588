//! Where reading a file that grows goes on.

/// The beginning of the first line that has not been given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Where it stands, or where the frame begins that it is in.
    pub(super) at: u64,
    /// Bytes of that frame's content before it.
    pub(super) skip: u64,
}
