//! forktrace: why the kernel refused to create a process or thread.
//!
//! Data flows one way: [`probe`] (the kernel side) → [`evidence`] (what is known) → [`cause`] (the
//! verdict, a pure function of the evidence, and its answer) → [`record`] (the schema) → [`view`]
//! (text, JSON, a page). [`recording`] is files of records, [`report`] sums them up, [`flat`] makes tables
//! of them, [`headroom`] says how near limits are, [`metrics`] makes numbers for monitoring of both, [`journal`] entries of systemd's journal, [`otlp`] OpenTelemetry's logs and metrics, [`program`] what programs say. [`host`] answers questions about this machine, [`tracer`] runs a
//! session, [`confine`] gives up what that no longer needs, [`provoke`] gets tasks refused, and
//! [`selftest`] tries all of it by that. What the two programs have in common is [`reading`] and [`exit`]. [`model`] is the vocabulary of them all, [`btf`] the
//! kernel's types, [`arch`] what the machine decides, [`order`] sorts.

pub mod arch;
pub mod btf;
pub mod cause;
pub mod confine;
pub mod evidence;
pub mod exit;
pub mod flat;
pub mod headroom;
pub mod host;
pub mod journal;
pub mod metrics;
pub mod model;
pub mod order;
pub mod otlp;
pub mod probe;
pub mod program;
pub mod provoke;
pub mod reading;
pub mod record;
pub mod recording;
pub mod report;
pub mod selftest;
pub mod tracer;
pub mod view;
