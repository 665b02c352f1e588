//! Whatever is in a file: reading it ends, nothing panics, every whole line that
//! is a record is read, and what is printed of it holds nothing that a terminal
//! acts upon.
#![no_main]

#[path = "../src/reader.rs"]
mod reader;

libfuzzer_sys::fuzz_target!(|data: &[u8]| reader::take(data));
