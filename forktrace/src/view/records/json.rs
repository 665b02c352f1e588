//! Records as they are written to files. Quiet, it leaves out the first and the last line.

use std::io;

use crate::{
    record::Record,
    view::{
        json::Lines,
        output::{Format, How, Look, Out, Output, Verbosity},
    },
};

pub(crate) const FORMAT: Format<Record> = Format {
    name: "json",
    about: "One JSON object a line",
    for_people: false,
    how: How::Stream(open),
};

fn open<'a>(out: Out<'a>, look: Look) -> Box<dyn Output<Record> + 'a> {
    Box::new(Json {
        lines: Lines::new(out),
        quiet: look.verbosity == Verbosity::Quiet,
    })
}

struct Json<'a> {
    lines: Lines<'a>,
    quiet: bool,
}

impl Output<Record> for Json<'_> {
    fn show(&mut self, record: &Record) -> io::Result<()> {
        if self.quiet && matches!(record, Record::Session(_) | Record::Summary(_)) {
            return Ok(());
        }
        self.lines.show(record)
    }
}
