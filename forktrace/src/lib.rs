//! forktrace: why the kernel refused to create a process or thread.
//!
//! [`model`] has the words that all of it uses. Data flows one way: [`probe`] (the kernel side) → [`evidence`] (what is
//! known) → [`cause`] (the verdict, a pure function of the evidence) →
//! [`record`] (the schema) → [`view`] (text or JSON). [`recording`] is their files, [`report`] sums them up,
//! [`headroom`] tells how near limits are. [`host`] answers
//! questions about this machine, [`tracer`] runs a session, [`confine`] gives up what that no
//! longer needs, [`selftest`] tries all of it.

pub mod arch;
pub mod btf;
pub mod cause;
pub mod confine;
pub mod evidence;
pub mod headroom;
pub mod host;
pub mod model;
pub mod probe;
pub mod record;
pub mod recording;
pub mod report;
pub mod selftest;
pub mod tracer;
pub mod view;
