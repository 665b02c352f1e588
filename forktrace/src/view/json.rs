//! One JSON object a line, of whatever a command prints.

use std::io;

use serde::Serialize;

use super::output::{Format, How, Look, Out, Output};
use crate::record::write_line;

/// Of things that are one object each, of which a command prints so many as `about` says.
pub(super) const fn format<T: Serialize + 'static>(about: &'static str) -> Format<T> {
    Format {
        name: "json",
        about,
        for_people: false,
        how: How::Stream(open),
    }
}

fn open<'a, T: Serialize>(out: Out<'a>, _: Look) -> Box<dyn Output<T> + 'a> {
    Box::new(Lines::new(out))
}

/// Writes lines.
pub(super) struct Lines<'a> {
    out: Out<'a>,
    line: Vec<u8>,
}

impl<'a> Lines<'a> {
    /// To there.
    pub(super) fn new(out: Out<'a>) -> Self {
        Self {
            out,
            line: Vec::new(),
        }
    }
}

impl<T: Serialize> Output<T> for Lines<'_> {
    fn show(&mut self, item: &T) -> io::Result<()> {
        self.line.clear();
        write_line(&mut self.line, item)?;
        self.out.write_all(&self.line)?;
        self.out.flush()
    }
}
