//! What the architecture decides: sizes, names, numbers, forms of instructions. Each is a folder with
//! the same items, of which one is chosen here.

#[cfg(any(test, target_arch = "aarch64"))]
#[cfg_attr(
    not(target_arch = "aarch64"),
    allow(
        dead_code,
        unreachable_pub,
        unused_imports,
        reason = "what it looks for in code is tested on any machine"
    )
)]
mod aarch64;
mod given_back;
mod page;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
use aarch64 as here;
#[cfg(target_arch = "x86_64")]
use x86_64 as here;

pub use given_back::GivenBack;
pub use here::{
    AUDIT, CREATIONS, HAS_COMPAT_STATUS, NO_TRAMPOLINES, calls, instructions, symbols, syscall_name,
};
pub use page::Page;

/// What the BPF programs have to know of the machine that this runs on.
pub fn machine() -> forktrace_common::machine::Machine {
    here::machine(Page::here())
}

/// Addresses that this process has, and so any other 64-bit one (TASK_SIZE, which mmap keeps to
/// unless it is asked for more).
pub fn addresses() -> u64 {
    // The first stack is at the end of them; the kernel puts the program's name on top of it. That name
    // isn't had everywhere, and the caller may be on another stack: the higher of the two counts.
    let local = 0_u8;
    let name = rustix::param::linux_execfn().as_ptr().addr();
    let top = name.max((&raw const local).addr());
    addresses_below(top as u64, Page::here())
}

/// Of a process with something near the end of its addresses: how far ahead of it the stack begins is
/// random, and far less than half of them (mm/util.c `randomize_stack_top`).
fn addresses_below(top: u64, page: Page) -> u64 {
    let end = top.checked_next_power_of_two().unwrap_or(u64::MAX);
    end.saturating_sub(page.times(here::PAGES_AT_THE_END))
}

#[cfg(test)]
mod tests {
    use super::{Page, addresses, addresses_below};

    #[test]
    fn the_stack_shows_how_many_addresses_there_are() {
        let spared = |page: Page| page.times(super::here::PAGES_AT_THE_END);
        for (top, bits) in [
            (0x7ffc_1234_5fe8, 47),
            (0x7ff0_0000_0000, 47),
            (0xffff_c8b7_1fe8, 48),
            (0x7f_fff1_0000, 39),
        ] {
            for page in [Page::KIB_4, Page::KIB_64] {
                assert_eq!(addresses_below(top, page), (1 << bits) - spared(page));
            }
        }
        let here = addresses() + spared(Page::here());
        assert!(here.is_power_of_two() && here >= 1 << 38, "{here:#x}");
    }
}
