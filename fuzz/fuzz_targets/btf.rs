//! Whatever claims to be a kernel's types (`--btf FILE`): reading it ends, nothing panics, and what
//! is found lies where a field can lie.
#![no_main]

#[path = "../src/btf.rs"]
mod btf;

libfuzzer_sys::fuzz_target!(|data: &[u8]| btf::take(data));
