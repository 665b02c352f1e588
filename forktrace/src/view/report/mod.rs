//! A report, as text and as a page.

mod axis;
pub(super) mod csv;
mod explained;
mod fullness;
mod grid;
pub(super) mod html;
mod html_tables;
pub(super) mod markdown;
mod oom;
mod plot;
mod samples;
pub(super) mod table;
#[cfg(test)]
mod tests;
pub(super) mod text;
mod words;

pub use html::page as report_page;
pub use text::{digest as report_digest, text as report_text};
pub(super) use words::{duration, moment};
