//! The catalogue of programs as a page of the documentation, `docs/programs.md`.

use std::fmt::Write as _;

use super::{attempts, heals, told};
use crate::{
    program::{How as Known, Program, Wish},
    view::output::{Format, How},
};

pub(crate) const FORMAT: Format<[Program]> = Format {
    name: "markdown",
    about: "The documentation's page",
    for_people: false,
    how: How::Document(|programs, _| document(programs)),
};

const OPENING: &str = "\
<!-- Generated: forktrace explain --programs --format markdown > docs/programs.md -->

# What programs say when the kernel refuses them a process or thread

What each program of forktrace's catalogue prints, whether the errno in it is what the kernel answered, how often it asks, and
what brings it back once there is room again. `forktrace explain 'a line of a log'` finds a line's message here and says which
causes can stand behind it.

`run`: the program was run and refused, and what it said was compared with what the kernel had answered; `read`: its source or
documentation says so. An empty cell isn't known. In messages, `{errno}` stands for the errno's text in any language, `{lower}`
for it with a small first letter, `{code}` for its name or its number, `{n}` for a number, `{word}` for a word, `{*}` for anything.

| errno in the message | |
|---|---|
| true | it is what the kernel answered |
| not always | the kernel may have answered another |
| misleads | there is none, and something else is blamed |
| not told | there is none |

";

fn document(programs: &[Program]) -> String {
    let mut out = OPENING.to_owned();
    out.push_str("| program | who doesn't heal when the limit is raised |\n|---|---|\n");
    for program in programs {
        let stuck = program.wishes.iter().filter(|wish| {
            let after = wish.afterwards;
            after.is_some_and(|after| !after.heals()) && heals(wish) != "has ended: start it"
        });
        for wish in stuck {
            let _ = writeln!(
                out,
                "| [{}](#{}) | {}: {} |",
                program.name,
                program.id,
                wish.what,
                heals(wish)
            );
        }
    }
    for program in programs {
        section(&mut out, program);
    }
    out
}

fn section(out: &mut String, program: &Program) {
    let _ = writeln!(
        out,
        "\n<a id=\"{}\"></a>\n\n## {}\n",
        program.id, program.name
    );
    for source in &program.sources {
        let _ = writeln!(out, "- **{}**: {}", known(source.how), source.what);
    }
    for wish in &program.wishes {
        self::wish(out, wish);
    }
}

fn known(how: Known) -> &'static str {
    match how {
        Known::Run => "run",
        Known::Read => "read",
    }
}

fn wish(out: &mut String, wish: &Wish) {
    let errnos: Vec<String> = wish.errno.iter().map(ToString::to_string).collect();
    let call = wish.call.as_deref().map(|call| format!(" ({call})"));
    let given = match errnos.is_empty() {
        true => String::new(),
        false => format!(", {}", errnos.join(" or ")),
    };
    let _ = writeln!(
        out,
        "\n**{}**{}{given}, {}\n",
        wish.what,
        call.unwrap_or_default(),
        known(wish.how)
    );
    for message in &wish.messages {
        let because = message
            .because
            .as_deref()
            .map(|because| format!(": {because}"));
        let doubt = message.doubt.as_deref();
        let doubt = doubt.map(|doubt| format!("  \n  or else: {doubt}"));
        let alone = |label: &str, words: Vec<String>| match words.is_empty() {
            true => String::new(),
            false => format!("  \n  {label}: {}", words.join(" or ")),
        };
        let answers = message.answers.iter().map(ToString::to_string);
        let causes = message.causes.iter().map(|cause| cause.id().to_owned());
        let _ = writeln!(
            out,
            "- `{}`  \n  errno: {}{}{}{}{}",
            message.text,
            told(message.told),
            because.unwrap_or_default(),
            alone("only after", answers.collect()),
            alone("only by", causes.collect()),
            doubt.unwrap_or_default()
        );
    }
    if wish.silent {
        out.push_str("- It says nothing.\n");
    }
    let asks = attempts(wish);
    if !asks.is_empty() {
        let _ = writeln!(out, "- attempts: {asks}");
    }
    if let Some(then) = &wish.then {
        let _ = writeln!(out, "- then: {then}");
    }
    if !heals(wish).is_empty() {
        let _ = writeln!(out, "- heals: {}", heals(wish));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::all;

    #[test]
    fn the_committed_page_is_what_the_program_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/programs.md");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == document(all()),
            "docs/programs.md is stale; make it again with\n  \
             cargo run -p forktrace -- explain --programs --format markdown > docs/programs.md"
        );
    }
}
