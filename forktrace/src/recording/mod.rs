//! Recordings: files of records, one a line, plain or compressed. Reading them whatever is in them,
//! choosing among what they hold, writing them so that a crash at any byte costs one line at most.

mod file_id;
mod filter;
mod reader;
pub mod when;
mod whole;
mod writer;

pub use file_id::FileId;
pub use filter::{Filter, LeftOut, Unmet, Wanted};
pub use reader::{
    Damage, Gap, Item, NothingYet, OneWay, Piece, Place, ReadError, Reader, Source, lines_of,
};
pub use whole::{RECORDINGS, Whole, check_name, check_whole, write_whole};
pub use writer::{Existing, Keeping, Recording, Sync, WriteError, earlier_files, next_earlier};
