//! System calls that a tracer never makes, of those that not every machine has: arm64 has none of old.

/// Whatever the arguments.
pub const NEVER: &[libc::c_long] = &[];

/// Of files that it has begun.
pub const OF_FILES: &[libc::c_long] = &[];

/// Calls that open a file, and which argument has the flags.
pub const OPENING: &[(libc::c_long, u8)] = &[];
