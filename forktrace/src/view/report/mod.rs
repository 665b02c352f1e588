//! A report, as text and as a page.

pub(super) mod html;
mod oom;
mod plot;
pub(super) mod table;
#[cfg(test)]
mod tests;
pub(super) mod text;
mod words;

pub use html::page as report_page;
pub use text::{digest as report_digest, text as report_text};
pub(super) use words::{duration, moment};
