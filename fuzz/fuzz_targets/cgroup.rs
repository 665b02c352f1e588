//! Whatever mounts and cgroups are called: parsing ends, nothing panics, no name leads out of a
//! hierarchy, and no path is taken for a unit or a container that it can't be.
#![no_main]

#[path = "../src/cgroup.rs"]
mod cgroup;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cgroup::take(data));
