//! The kernel's side: its types and variables, the BPF object, attaching, and
//! the stream of failing returns as [`crate::evidence`].

pub mod attach;
pub mod batch;
mod bpf;
pub mod decode;
pub mod drift;
mod fdinfo;
pub mod functions;
mod instances;
pub mod kallsyms;
pub mod kernel;
mod let_go;
mod lookup;
pub mod object;
pub mod offsets;
pub mod oom;
mod other_errnos;
pub mod outcome;
pub mod own_id;
mod perf;
pub mod place;
pub mod preempt;
pub mod rlimit;
pub mod sites;
pub mod skips;
pub mod stacks;
mod stage;
pub mod style;
pub mod task_iter;
mod tracefs;
pub mod uninterrupted;
pub mod versions;
mod why;
