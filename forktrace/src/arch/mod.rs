//! What the architecture decides: sizes, names, numbers, forms of instructions. x86-64 is the only
//! one so far; another is a folder beside it with the same items, chosen here.

mod x86_64;

pub use x86_64::{ADDRESSES, PAGE, THREAD_SIZE, instructions, symbols, syscall_name};
