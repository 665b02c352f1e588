//! What `forktrace top` shows: limits by fullness, failures as they come, and whole answers on top of both.
//!
//! [`Top`] is a state that readings, records and keys change, and that draws itself into a buffer. It
//! reads nothing, waits for nothing and knows no terminal, so that a test sees what a person does.

mod answer;
mod draw;
mod failures;
mod keys;
mod limits;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use keys::{Asked, Key};

use self::{
    failures::Failures,
    keys::{Panel, Sorts},
    limits::Line,
};
use crate::{
    headroom::{Row, Trends},
    model::{Holder, Limit, clean},
    record::Record,
};

/// What is shown, and how.
#[derive(Clone, Debug, Default)]
pub struct Top {
    data: Data,
    /// What was there when it was paused.
    frozen: Option<Box<Data>>,
    trends: Trends,
    panel: Panel,
    /// Of each panel, what is marked.
    marked: [Mark; 2],
    sorts: Sorts,
    filter: String,
    /// The filter is being typed.
    typing: bool,
    overlay: Option<Overlay>,
    /// In colours.
    pub colours: bool,
    /// At the right of the first line.
    pub clock: String,
    /// At its left.
    pub title: String,
    /// Why failures are not seen, where they aren't.
    pub blind: Option<String>,
}

/// What time changes.
#[derive(Clone, Debug, Default)]
struct Data {
    limits: Vec<Line>,
    failures: Failures,
}

/// A row by what it is; by its place where that is gone.
#[derive(Clone, Debug, Default)]
struct Mark {
    key: Option<String>,
    at: usize,
}

/// A text on top of everything.
#[derive(Clone, Debug, Default)]
struct Overlay {
    title: String,
    lines: Vec<String>,
    from: usize,
    /// The cause that `e` explains.
    cause: Option<crate::model::Cause>,
}

impl Top {
    /// Takes a reading of the limits; `at` since watching began.
    pub fn take_limits(&mut self, at: Duration, rows: Vec<Row>) {
        self.trends.take(at, rows.iter().map(|row| &row.limit));
        let trends = &self.trends;
        self.data.limits = rows
            .into_iter()
            .map(|row| {
                let trend = trends.of(&row.limit);
                Line::of(row, trend)
            })
            .collect();
    }

    /// Takes a record; `second` is when, on a clock that goes on evenly.
    pub fn take_record(&mut self, second: i64, record: &Record) {
        self.data.failures.take(second, record);
    }

    /// Takes the limits that a recorded failure names: what is known of a host that isn't here.
    pub fn take_recorded_limits(&mut self, record: &Record) {
        if let Record::Failure(failure) = record {
            limits::take_recorded(&mut self.data.limits, failure);
        }
    }

    /// It is this second.
    pub fn pass(&mut self, second: i64) {
        self.data.failures.pass(second);
    }

    /// Whether what is shown stands still.
    pub fn is_paused(&self) -> bool {
        self.frozen.is_some()
    }

    /// The limit that is marked, whose holders may be asked for.
    pub fn marked_limit(&self) -> Option<&Row> {
        let lines = self.lines();
        let line = lines.get(self.place(Panel::Limits, lines.len()))?;
        line.row.as_deref()
    }

    /// Takes who fills a limit, and shows it whole.
    pub fn show_limit(&mut self, limit: &Limit, holders: Vec<Holder>) {
        let title = limit.title();
        let data = &mut self.data.limits;
        for line in data.iter_mut().filter(|line| line.title == title) {
            line.holders.clone_from(&holders);
        }
        let frozen = self.frozen.as_mut().map(|data| &mut data.limits);
        let mut shown = frozen.unwrap_or(&mut self.data.limits).iter_mut();
        if let Some(line) = shown.find(|line| line.title == title) {
            line.holders = holders;
            self.overlay = Some(answer::of_limit(line));
        }
    }

    fn shown(&self) -> &Data {
        self.frozen.as_deref().unwrap_or(&self.data)
    }

    /// Whether the filter lets a text through: all its words are in it.
    fn lets(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let words = self.filter.to_lowercase();
        words.split_whitespace().all(|word| text.contains(word))
    }

    /// The limits that the filter lets through, sorted.
    fn lines(&self) -> Vec<&Line> {
        let lines = self.shown().limits.iter();
        let mut lines: Vec<_> = lines.filter(|line| self.lets(&line.all_words)).collect();
        limits::sort(&mut lines, self.sorts.limits);
        lines
    }

    /// The same of failures.
    fn groups(&self) -> Vec<&failures::Group> {
        let groups = self.shown().failures.groups();
        let mut groups: Vec<_> = groups.filter(|group| self.lets(&group.all_words)).collect();
        failures::sort(&mut groups, self.sorts.failures);
        groups
    }

    /// Which row of a panel is marked.
    fn place(&self, panel: Panel, rows: usize) -> usize {
        let mark = &self.marked[panel as usize];
        let by_key = mark.key.as_ref().and_then(|key| match panel {
            Panel::Limits => self.lines().iter().position(|line| line.title == *key),
            Panel::Failures => self.groups().iter().position(|group| group.key == *key),
        });
        by_key.unwrap_or(mark.at).min(rows.saturating_sub(1))
    }
}

/// Text of others, made harmless, on one line.
fn plain(text: &str) -> String {
    clean(text).into_owned()
}
