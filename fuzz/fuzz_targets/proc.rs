//! Whatever is in the files of /proc, where processes choose names and titles: parsing ends, nothing
//! panics, and parsers of one file agree.
#![no_main]

#[path = "../src/proc.rs"]
mod proc;

libfuzzer_sys::fuzz_target!(|data: &[u8]| proc::take(data));
