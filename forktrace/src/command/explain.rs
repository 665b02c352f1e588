//! `explain`: the catalogue of causes, from the program itself.

use std::io;

use forktrace::view::Explained;

use super::terminal;
use crate::{cli::ExplainArgs, exit::Exit};

pub fn run(args: &ExplainArgs) -> anyhow::Result<Exit> {
    let page = args.cause.map(|cause| cause.page());
    let explained = page.map_or(Explained::All, Explained::One);
    let look = terminal::look(args.color);
    // A closed pipe is an error here, and status 0 in the end.
    let mut output = args.format.open(Box::new(io::stdout()), look);
    output.show(&explained)?;
    Ok(Exit::Done)
}
