//! What programs do and say when a creation of theirs is refused: a catalogue as data, one file of
//! TOML a program or library (`catalogue/`), held by the types of [`entry`] and by the tests.
//!
//! A new program is a file there and nothing else: `build.rs` embeds what the folder holds. What a
//! file says was run or read; what isn't known is absent. [`matcher`] finds the messages in log
//! lines, [`after`] says in sentences what comes next.

pub mod after;
mod catalogue;
mod entry;
mod errno_text;
mod heard;
mod likely;
mod line;
mod matcher;
mod scan;
mod template;
#[cfg(test)]
mod tests;

pub use catalogue::{all, by_id, of_caller};
pub use entry::{Afterwards, How, Message, Program, Source, Told, Wish};
pub use heard::{Answer, Behind, Heard, Meaning, Place, Telling, Totals, json_schema};
pub use likely::likely;
pub use matcher::{Matcher, Said};
