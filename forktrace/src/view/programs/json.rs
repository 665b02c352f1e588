//! Programs as lines of JSON.

use std::io;

use crate::{
    program::Program,
    view::{
        json::Lines,
        output::{Format, How, Look, Out, Output},
    },
};

pub(crate) const FORMAT: Format<[Program]> = Format {
    name: "json",
    about: "One JSON object a line, one for each program",
    for_people: false,
    how: How::Stream(open),
};

fn open<'a>(out: Out<'a>, _: Look) -> Box<dyn Output<[Program]> + 'a> {
    Box::new(Json(Lines::new(out)))
}

struct Json<'a>(Lines<'a>);

impl Output<[Program]> for Json<'_> {
    fn show(&mut self, programs: &[Program]) -> io::Result<()> {
        programs.iter().try_for_each(|program| self.0.show(program))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::all;

    #[test]
    fn one_object_a_program() {
        let bytes = FORMAT.render(all(), Look::PLAIN).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        for (line, program) in text.lines().zip(all()) {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(value["id"], *program.id);
        }
        assert_eq!(text.lines().count(), all().len());
    }
}
