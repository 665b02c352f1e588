//! `explain`: the catalogue of causes, from the program itself.

use std::io;

use forktrace::{
    cause::{Lookup, lookup},
    view::Explained,
};

use super::terminal;
use crate::{
    cli::{ExplainArgs, values::no_page},
    exit::{Exit, UsageError},
};

pub fn run(args: &ExplainArgs) -> anyhow::Result<Exit> {
    let what = args.what.join(" ");
    let explained = match what.is_empty() {
        true => Explained::All,
        false => match lookup(&what) {
            Lookup::One(page) => Explained::One(page),
            Lookup::Several(pages) => Explained::Several(pages),
            Lookup::Nothing(near) => return Err(UsageError(no_page(&what, &near)).into()),
        },
    };
    let look = terminal::look(args.color);
    // A closed pipe is an error here, and status 0 in the end.
    let mut output = args.format.open(Box::new(io::stdout()), look);
    output.show(&explained)?;
    Ok(Exit::Done)
}
