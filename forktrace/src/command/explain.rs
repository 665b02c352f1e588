//! `explain`: the catalogue of causes, from the program itself; and what lines of logs mean.

mod logs;

use std::{
    ffi::OsStr,
    io::{self, Cursor},
};

use forktrace::{
    cause::{Lookup, lookup, named},
    program::{self, Heard, Matcher},
    view::{Explained, Format, formats},
};

use super::terminal;
use crate::{
    cli::{ExplainArgs, values::no_page},
    exit::{Exit, UsageError},
};

pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<Exit> {
    let look = terminal::look(args.color);
    if args.programs {
        let format = of_name(args, formats::PROGRAMS)?;
        // A closed pipe is an error here, and status 0 in the end.
        format
            .open(Box::new(io::stdout()), look)
            .show(program::all())?;
        return Ok(Exit::Done);
    }
    let what = args.what();
    let is_log = !args.log.is_empty() || args.journal.is_some();
    if is_log || what.as_deref() == Some(OsStr::new("-")) {
        return logs::run(args);
    }
    let explained = match &what {
        None => Explained::All,
        Some(line) => {
            let text = line.to_string_lossy();
            // What names a cause or a limit is that, whatever programs say.
            let found = match named(&text) {
                Some(found) => found,
                None => match heard(line)? {
                    Some(heard) => return logs::of_line(args, &heard),
                    None => lookup(&text),
                },
            };
            match found {
                Lookup::One(page) => Explained::One(page),
                Lookup::Several(pages) => Explained::Several(pages),
                Lookup::Nothing(near) => return Err(UsageError(no_page(&text, &near)).into()),
            }
        }
    };
    if args.of.is_given() {
        let text = "--pid, --cgroup, --unit and --user go with a line of a log; of limits alone, ask check";
        return Err(UsageError(text.to_owned()).into());
    }
    let mut output = args.format.open(Box::new(io::stdout()), look);
    output.show(&explained)?;
    Ok(Exit::Done)
}

/// What a line says, where the catalogue of programs knows it.
fn heard(line: &OsStr) -> anyhow::Result<Option<Heard>> {
    let mut heard = listener()?;
    heard.read(None, &mut Cursor::new(line.as_encoded_bytes()), |_| {})?;
    Ok((heard.totals.said > 0).then_some(heard))
}

fn listener() -> anyhow::Result<Heard> {
    let matcher = Matcher::new();
    let matcher = matcher.ok_or_else(|| anyhow::anyhow!("the catalogue can't be looked for"))?;
    Ok(Heard::new(matcher))
}

/// The format of the name that was asked for, among those of another kind of thing.
fn of_name<T: ?Sized>(
    args: &ExplainArgs,
    formats: &'static [Format<T>],
) -> Result<&'static Format<T>, UsageError> {
    let name = args.format.name;
    let found = formats.iter().find(|format| format.name == name);
    found.ok_or_else(|| UsageError(format!("lines of logs can't be printed as {name}")))
}
