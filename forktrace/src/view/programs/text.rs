//! The catalogue of programs as text for people.

use std::fmt::Write as _;

use super::{heals, told};
use crate::{
    program::Program,
    view::{
        colours::Colours,
        output::{Format, How, Look},
    },
};

pub(crate) const FORMAT: Format<[Program]> = Format {
    name: "text",
    about: "For people",
    for_people: true,
    how: How::Document(list),
};

/// Each program, what it says, and what heals it.
fn list(programs: &[Program], look: Look) -> String {
    let Colours { bold, dim, .. } = Colours::new(look.colours);
    let mut out = String::new();
    for program in programs {
        let _ = writeln!(out, "{bold}{}{bold:#}", program.name);
        for wish in &program.wishes {
            let heals = heals(wish);
            let heals = if heals.is_empty() { "not known" } else { heals };
            let _ = writeln!(out, "  {}  {dim}({heals}){dim:#}", wish.what);
            for message in &wish.messages {
                let doubt = message
                    .doubt
                    .as_ref()
                    .map(|_| "; said of other things, too");
                let _ = writeln!(
                    out,
                    "    {} {dim}[errno: {}{}]{dim:#}",
                    message.text,
                    told(message.told),
                    doubt.unwrap_or_default()
                );
            }
            if wish.silent {
                let _ = writeln!(out, "    {dim}says nothing{dim:#}");
            }
        }
    }
    out.push_str("\n`forktrace explain 'a line of a log'` says what it means.\n");
    out
}
