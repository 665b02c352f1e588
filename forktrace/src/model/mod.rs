//! The vocabulary of all rooms: causes, limits and their owners, what was asked for and by whom,
//! amounts, escaping. Types and their texts; nothing here reads a file, judges or prints, and it
//! uses no other room.

mod amount;
mod by_text;
pub mod caller;
mod cause;
mod creation;
mod errno;
mod escape;
mod fix;
mod foreign;
mod holder;
pub mod initial;
mod io_words;
mod kin;
mod limit;
mod limit_kind;
mod loss_reason;
mod memory;
mod owner;
mod packed;
mod path;
pub(crate) mod published;
pub(crate) mod time;
mod word;
pub mod zone;

pub use amount::{amount, bytes};
pub use caller::{Caller, Cgroup, Containers, Qos, program, program_and_thread};
pub use cause::Cause;
pub use creation::{Certainty, Operation};
pub use errno::{Errno, NoErrno};
pub use escape::{clean, is_harmful, quoted};
pub use fix::Fix;
pub use foreign::Foreign;
pub use holder::{Holder, HolderKind};
pub use io_words::{in_words, without_numbers};
pub use kin::is_of_systemd_run;
pub use limit::{Candidate, Limit, Unit, kin_within, owner_within, title as limit_title};
pub use limit_kind::LimitKind;
pub use loss_reason::LossReason;
pub use memory::Memory;
pub use owner::{CgroupOwner, Owner, UserNamespaceOwner};
pub use path::shown;

pub(crate) use by_text::by_text;
pub(crate) use fix::wording;
pub(crate) use packed::unpack;
pub(crate) use word::words;
