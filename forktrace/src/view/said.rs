//! What lines of logs mean, as text for people.

use std::fmt::Write as _;

use super::{
    colours::Colours,
    output::{Format, How, Look},
    wrap::wrap,
};
use crate::{
    model::clean,
    program::{Answer, Place, Telling, Totals},
};

pub(super) const FORMAT: Format<Answer> = Format {
    name: "text",
    about: "For people",
    for_people: true,
    how: How::Document(|answer, look| match answer {
        Answer::Said(telling) => said(telling, look),
        Answer::Logs(totals) => end(totals, look),
    }),
};

/// Beyond this, lines are long rather than readable.
const WIDEST: usize = 100;
/// Where the text of a row begins.
const INDENT: usize = 12;
/// Causes that are told in a line each.
const CAUSES: usize = 5;

struct Text {
    out: String,
    colours: Colours,
    width: usize,
}

impl Text {
    fn new(look: Look) -> Self {
        Self {
            out: String::new(),
            colours: Colours::new(look.colours),
            width: look.width.clamp(40, WIDEST),
        }
    }

    fn row(&mut self, label: &str, text: &str) {
        let dim = self.colours.dim;
        let mut label = label;
        for line in wrap(&clean(text), self.width - INDENT) {
            let _ = writeln!(self.out, "  {dim}{label:<10}{dim:#}{line}");
            label = "";
        }
    }
}

fn said(telling: &Telling, look: Look) -> String {
    let mut text = Text::new(look);
    let bold = text.colours.bold;
    let _ = writeln!(text.out, "{bold}{}{bold:#}", clean(&telling.first.text));
    if telling.first.file.is_some() || telling.count > 1 {
        let lines = match telling.count {
            1 => at(&telling.first),
            count => format!(
                "{count} lines, {} to {}",
                at(&telling.first),
                at(&telling.last)
            ),
        };
        text.row("where", &lines);
    }
    let message = &telling.message;
    let by = match telling.library {
        true => "any program, by ",
        false => "",
    };
    let refused = match message.doubt {
        Some(_) => "may have been refused",
        None => "refused",
    };
    text.row(
        "said by",
        &format!("{by}{}, {refused} {}", telling.name, telling.wish),
    );
    if let Some(doubt) = &message.doubt {
        text.row("or else", &format!("{doubt}."));
    }
    if !telling.also.is_empty() {
        text.row("or by", &telling.also.join(", "));
    }
    text.row("errno", &message.trust);
    if let Some(call) = &message.call {
        let errnos: Vec<String> = message.answered.iter().map(ToString::to_string).collect();
        let was = match message.doubt {
            Some(_) => "would have been",
            None => "was",
        };
        text.row(
            "kernel",
            &format!("{call} {was} answered {}.", alternatives(&errnos)),
        );
    }
    if let Some(next) = &message.next {
        text.row("then", next);
    }
    if let Some(heals) = &message.heals {
        text.row("to heal", heals);
    }
    causes(&mut text, telling);
    for source in &telling.sources {
        let how = match source.how {
            crate::program::How::Run => "run",
            crate::program::How::Read => "read",
        };
        text.row("known", &format!("{how}: {}", source.what));
    }
    text.out.push('\n');
    text.out
}

/// `a, b or c`.
fn alternatives(all: &[String]) -> String {
    let commas = all.len().saturating_sub(2);
    all.join(" or ").replacen(" or ", ", ", commas)
}

fn at(place: &Place) -> String {
    match &place.file {
        Some(file) => format!("{file}:{}", place.line),
        None => format!("line {}", place.line),
    }
}

fn causes(text: &mut Text, telling: &Telling) {
    let bad = text.colours.bad;
    let mut label = "causes";
    for behind in telling.causes.iter().take(CAUSES) {
        let id = behind.cause.id();
        let about = behind.cause.page().summary;
        text.row(label, &format!("{id}: {about}"));
        label = "";
        if let Some(now) = &behind.now {
            let _ = writeln!(text.out, "{:INDENT$}{bad}now {}{bad:#}", "", clean(now));
        }
    }
    let more: Vec<&str> = telling
        .causes
        .iter()
        .skip(CAUSES)
        .map(|b| b.cause.id())
        .collect();
    if !more.is_empty() {
        text.row(label, &format!("seldom {}", more.join(", ")));
    }
}

fn end(totals: &Totals, look: Look) -> String {
    let mut text = Text::new(look);
    let (said, lines) = (totals.said, totals.lines);
    let says = if said == 1 { "says" } else { "say" };
    let s = if lines == 1 { "" } else { "s" };
    let may = match totals.doubted {
        0 => String::new(),
        1 => "; 1 more may be about that, or about something else".to_owned(),
        n => format!("; {n} more may be about that, or about something else"),
    };
    let sum = format!("{said} of {lines} line{s} {says} that something was refused{may}.");
    for line in wrap(&sum, text.width) {
        let _ = writeln!(text.out, "{line}");
    }
    let advice: &[&str] = match said + totals.doubted {
        0 => &[
            "No message of the catalogue is among them (forktrace explain --programs lists it). That doesn't mean that nothing \
             was refused: some programs say nothing at all.",
            "To see what the kernel answers, while it happens: forktrace live",
            "How near the limits are now: forktrace check",
        ],
        _ => &[
            "Which limit it is now: forktrace check --unit NAME, or --pid PID; with either, explain tells it beside the causes.",
            "To see what the kernel answers, while it happens: forktrace live",
        ],
    };
    for advice in advice {
        for line in wrap(advice, text.width) {
            let _ = writeln!(text.out, "{line}");
        }
    }
    text.out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{Heard, Matcher};

    fn text(log: &[u8], file: Option<&str>) -> String {
        let mut heard = Heard::new(Matcher::new().unwrap());
        heard.read(file, &mut &*log).unwrap();
        let tellings = heard.tellings().into_iter();
        let all = tellings.map(|telling| said(&telling, Look::PLAIN));
        all.collect::<String>() + &end(&heard.totals, Look::PLAIN)
    }

    #[test]
    fn a_line_is_told_with_what_to_trust_and_what_comes_next() {
        let copy = b"ERROR:  could not execute command \"gzip\": Cannot allocate memory";
        let told = text(copy, None);
        for part in [
            "PostgreSQL, refused the command of COPY",
            "ENOMEM may not be the truth: popen(3)",
            "answered EAGAIN or ENOMEM",
            "raising the limit is enough",
            "cgroup_pids_max",
            "run: PostgreSQL 15",
            "1 of 1 line says that",
        ] {
            assert!(told.contains(part), "{part} isn't in:\n{told}");
        }
        assert!(
            told.lines().all(|line| line.chars().count() <= 80),
            "{told}"
        );
    }

    #[test]
    fn several_errnos_are_a_sentence() {
        let told = text(b"RuntimeError: can't start new thread", None);
        assert!(
            told.contains("clone3 was answered EAGAIN, ENOMEM or EPERM."),
            "{told}"
        );
    }

    #[test]
    fn what_may_be_of_something_else_is_told_as_that() {
        let killed = b"[ERROR] Worker (pid:813) was sent SIGKILL! Perhaps out of memory?";
        let told = text(killed, None);
        for part in [
            "gunicorn, may have been refused a worker process",
            "or else   a worker that ran into its timeout",
            "would have been answered EAGAIN",
            "0 of 1 line say that something was refused; 1 more may be",
        ] {
            assert!(told.contains(part), "{part} isn't in:\n{told}");
        }
    }

    #[test]
    fn what_nobody_says_is_told_with_what_to_do() {
        let told = text(b"all is well", None);
        assert!(told.contains("No message of the catalogue"), "{told}");
        assert!(told.contains("forktrace live"), "{told}");
    }

    #[test]
    fn hostile_text_is_harmless() {
        let log = "\x1b]0;x\x07sshd[1]: fork of unprivileged child failed \u{202e}";
        let told = text(log.as_bytes(), Some("a\x1b[31mb\n"));
        assert!(!told.contains(['\x1b', '\x07', '\u{202e}']), "{told}");
        assert!(told.contains("sshd of OpenSSH"), "{told}");
    }
}
