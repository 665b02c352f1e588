//! `explain`: the catalogue of causes, from the program itself; and what lines of logs mean.

mod logs;

use std::{
    ffi::OsStr,
    io::{self, Cursor, Write as _},
};

use forktrace::{
    cause::{Cause, Lookup, lookup, named, pages},
    program::{self, Heard, Matcher},
    view::{Explained, Format, formats},
};

use super::terminal;
use crate::{
    cli::{ExplainArgs, values::no_page},
    exit::{Exit, UsageError},
};

/// Of a line that no program is known to say.
const BY_ERRNO: &str = "no program of the catalogue is known to say this, and any call can be answered with its errno; where that \
                        was the creation of a process or thread, it was one of these";

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
            if let Some(found) = named(&text) {
                explained(&text, found)?
            } else if let Some(each) = each_named(args.words()) {
                each
            } else if let Some(heard) = heard(line)? {
                return logs::of_line(args, &heard);
            } else {
                let found = lookup(&text);
                if matches!(found, Lookup::Several(_)) {
                    let _ = writeln!(io::stderr(), "forktrace: {BY_ERRNO}");
                }
                explained(&text, found)?
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

fn explained(text: &str, found: Lookup) -> Result<Explained, UsageError> {
    match found {
        Lookup::One(page) => Ok(Explained::One(page)),
        Lookup::Several(pages) => Ok(Explained::Several(pages)),
        Lookup::Nothing(near) => Err(UsageError(no_page(text, &near))),
    }
}

/// The pages of several words, where each names some; `None` where they are a text.
fn each_named<'a>(words: impl Iterator<Item = &'a OsStr>) -> Option<Explained> {
    let found = words.map(|word| named(&word.to_string_lossy()));
    let found = found.collect::<Option<Vec<Lookup>>>()?;
    let alone = found.iter().all(|found| matches!(found, Lookup::One(_)));
    let meant = found.into_iter().flat_map(|found| match found {
        Lookup::One(page) => vec![page],
        Lookup::Several(pages) => pages,
        Lookup::Nothing(_) => Vec::new(),
    });
    let meant: Vec<Cause> = meant.map(|page| page.cause).collect();
    let pages = pages().filter(|page| meant.contains(&page.cause)).collect();
    Some(match alone {
        true => Explained::Each(pages),
        false => Explained::Several(pages),
    })
}

/// What a line says, where the catalogue of programs knows it.
fn heard(line: &OsStr) -> anyhow::Result<Option<Heard>> {
    let mut heard = listener()?;
    heard.read(None, &mut Cursor::new(line.as_encoded_bytes()))?;
    Ok((heard.totals.said + heard.totals.doubted > 0).then_some(heard))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_names_have_the_pages_of_all() {
        let of = |words: &[&str]| match each_named(words.iter().map(OsStr::new)) {
            Some(Explained::Each(pages) | Explained::Several(pages)) => {
                pages.iter().map(|page| page.cause.id()).collect()
            }
            _ => Vec::new(),
        };
        let both = ["pid_max", "cgroup_pids_max"];
        assert_eq!(of(&["cgroup_pids_max", "pid_max"]), both);
        assert_eq!(of(&["TasksMax", "kernel.pid_max", "pids.max"]), both);
        let errnos = of(&["EAGAIN", "max_map_count"]);
        assert!(errnos.contains(&"threads_max") && errnos.contains(&"max_map_count"));
        assert!(of(&["pid_max", "of", "nginx"]).is_empty());
    }
}
