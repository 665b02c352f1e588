//! `check` as text: the nearest limit first, so that somebody in a hurry need
//! read no further.

mod around;
pub(super) mod openmetrics;
pub(super) mod past;
mod rows;
pub(super) mod short;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use super::{
    clean,
    colours::Colours,
    output::{Format, How},
    wrap::wrap,
};
use crate::headroom::Headroom;

pub(super) const FORMAT: Format<Headroom> = Format {
    name: "text",
    about: "For people",
    for_people: true,
    how: How::Document(|headroom, look| check_text(headroom, look.colours, look.width)),
};

/// Every limit, each with a bar.
pub(super) const ALL: Format<Headroom> = Format {
    name: "all",
    about: "Every limit, each with a bar",
    for_people: true,
    how: How::Document(|headroom, look| all_text(headroom, look.colours, look.width)),
};

/// Beyond this, lines are long rather than readable.
const WIDEST: usize = 120;

fn all_text(headroom: &Headroom, colours: bool, width: usize) -> String {
    let mut text = Text::new(headroom, colours, width);
    text.opening();
    text.would();
    text.bars();
    text.unreadable();
    text.out
}

/// `width` in columns; from 60 to 120 are used.
fn check_text(headroom: &Headroom, colours: bool, width: usize) -> String {
    let mut text = Text::new(headroom, colours, width);
    text.opening();
    text.would();
    text.limits();
    text.process();
    text.memory();
    text.log();
    text.earlier();
    text.drift();
    text.unreadable();
    text.out
}

struct Text<'a> {
    h: &'a Headroom,
    out: String,
    colours: Colours,
    width: usize,
    /// In columns; the table uses them all.
    room: usize,
}

impl<'a> Text<'a> {
    fn new(headroom: &'a Headroom, colours: bool, width: usize) -> Self {
        Self {
            h: headroom,
            out: String::new(),
            colours: Colours::new(colours),
            width: width.clamp(60, WIDEST),
            room: width.max(60),
        }
    }
}

impl Text<'_> {
    fn head(&mut self, text: &str) {
        let bold = self.colours.bold;
        let _ = writeln!(self.out, "\n{bold}{text}{bold:#}");
    }

    /// Foreign text is made harmless here.
    fn line(&mut self, text: &str) {
        self.labelled("  ", text);
    }

    /// With a label before the first line, and room for it before the others.
    fn labelled(&mut self, label: &str, text: &str) {
        let indent = textwrap::core::display_width(label);
        let room = self.width.saturating_sub(indent);
        let mut label = label.to_owned();
        for line in wrap(&clean(text), room) {
            let _ = writeln!(self.out, "{label}{line}");
            label = " ".repeat(indent);
        }
    }
}
