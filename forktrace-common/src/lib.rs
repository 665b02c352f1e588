//! Types that cross the border between forktrace's BPF programs and its user
//! space. Everything is `repr(C)`, without padding that is not named, so that
//! the bytes of a ring-buffer record can be read back on the other side.
#![no_std]
#![warn(missing_docs, unreachable_pub)]

pub mod clone;
pub mod count;
pub mod event;
pub mod facts;
pub mod left_behind;
pub mod machine;
pub mod note;
pub mod offsets;
pub mod oom;
pub mod settings;
pub mod stack;
pub mod task;
pub mod text;

#[cfg(feature = "user")]
mod pod {
    // SAFETY: all are repr(C), made of integers only, without padding.
    unsafe impl aya::Pod for crate::count::Key {}
    // SAFETY: as above.
    unsafe impl aya::Pod for crate::count::Count {}
    // SAFETY: as above.
    unsafe impl aya::Pod for crate::machine::Machine {}
    // SAFETY: as above.
    unsafe impl aya::Pod for crate::note::Note {}
    // SAFETY: as above.
    unsafe impl aya::Pod for crate::offsets::Offsets {}
    // SAFETY: as above.
    unsafe impl aya::Pod for crate::offsets::Symbols {}
    // SAFETY: as above.
    unsafe impl aya::Pod for crate::settings::Settings {}
    // SAFETY: as above.
    unsafe impl aya::Pod for crate::stack::Request {}
    // SAFETY: as above.
    unsafe impl aya::Pod for crate::task::Query {}
    // SAFETY: as above.
    unsafe impl aya::Pod for crate::task::Task {}
    // SAFETY: as above.
    unsafe impl aya::Pod for crate::text::Wanted {}
    // SAFETY: as above.
    unsafe impl aya::Pod for crate::text::Text {}
    // SAFETY: as above.
    unsafe impl aya::Pod for crate::text::Uncharge {}
}
