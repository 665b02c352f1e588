//! `--thread-stacks`: pthread_create(3) answers EAGAIN, because the stack of
//! the new thread can't be mapped, or not be made accessible. No thread is
//! ever asked for.

mod caller;
mod host;
mod process;
mod quiet;

use super::{Reach, Scenario};
use crate::attempt::Kind;

/// Provoked while forktrace runs with `--thread-stacks`.
pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "stack_as",
        reach: Reach::Own,
        run: process::address_space,
    },
    Scenario {
        name: "stack_storm",
        reach: Reach::Own,
        run: process::storm,
    },
    Scenario {
        name: "stack_data",
        reach: Reach::Own,
        run: process::data,
    },
    Scenario {
        name: "stack_memlock",
        reach: Reach::Own,
        run: process::memlock,
    },
    Scenario {
        name: "stack_maps_mmap",
        reach: Reach::Host,
        run: |place| host::maps(place, "stmap", Kind::StackMmap, None),
    },
    Scenario {
        name: "stack_maps_mprotect",
        reach: Reach::Host,
        run: |place| host::maps(place, "stspl", Kind::StackMprotect, None),
    },
    Scenario {
        name: "stack_overcommit_never",
        reach: Reach::Host,
        run: host::never,
    },
    Scenario {
        name: "stack_overcommit_heuristic",
        reach: Reach::Own,
        run: host::heuristic,
    },
    Scenario {
        name: "stack_first_maps",
        reach: Reach::Host,
        run: |place| host::maps(place, "st1st", Kind::StackMmap, Some(3 * caller::MIB)),
    },
    Scenario {
        name: "stack_first_memlock",
        reach: Reach::Own,
        run: process::first_memlock,
    },
    Scenario {
        name: "stack_first_as",
        reach: Reach::Own,
        run: process::first_address_space,
    },
    Scenario {
        name: "stack_first_data",
        reach: Reach::Own,
        run: process::first_data,
    },
    Scenario {
        name: "stack_quiet_success",
        reach: Reach::Own,
        run: quiet::success,
    },
    Scenario {
        name: "stack_quiet_data_unasked",
        reach: Reach::Own,
        run: quiet::data_unasked,
    },
    Scenario {
        name: "stack_quiet_ordinary",
        reach: Reach::Own,
        run: quiet::ordinary,
    },
];

/// Provoked while forktrace runs without the option.
pub(super) const UNTOLD: &[Scenario] = &[Scenario {
    name: "quiet_stack_without_option",
    reach: Reach::Own,
    run: quiet::without_option,
}];
