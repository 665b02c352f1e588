//! Whole answers, explanations and help, as texts on top of everything.

use super::{Overlay, failures::Group, limits::Line, plain};
use crate::{
    cause::pages,
    model::Cause,
    view::{Explained, Look, explain, holders, records::text::in_full},
};

/// Columns of a text.
const WIDTH: usize = 76;

const HELP: &str = "\
Enter     the whole answer: who was refused, by what, who fills it, what helps
e         explain the cause
Tab       limits or failures
up, down  choose (also k, j, Page Up, Page Down, Home, End)
/         filter: what contains all the words stays; Esc ends it
s         sort by something else
p, space  pause what is shown; nothing is missed meanwhile
+ - n     of a recording: faster, slower, on to the next failure
?         this
q, Esc    quit

Limits: how full each is, what is in use of how much, and how it changes.
\"full in\" is said of growth that is steady, for what is seen of it.
Failures: how many a second, by which limit, and whose.";

pub(super) fn help() -> Overlay {
    Overlay {
        title: "Keys".to_owned(),
        lines: HELP.lines().map(str::to_owned).collect(),
        ..Overlay::default()
    }
}

/// A failure as `live` prints it.
pub(super) fn of_failure(group: &Group) -> Overlay {
    Overlay {
        title: group.title.clone(),
        lines: lines(&in_full(&group.last, WIDTH)),
        from: 0,
        cause: Some(group.last.cause),
    }
}

/// All that is known of a limit.
pub(super) fn of_limit(line: &Line) -> Overlay {
    let mut lines = vec![format!(
        "{:.1} % full, {} in use",
        line.percent,
        line.used()
    )];
    let mut say = |label: &str, text: &str| lines.push(format!("{label:<9}{text}"));
    let trend = line.trend();
    if !trend.is_empty() {
        say("trend", &trend);
    }
    if let Some(owner) = &line.owner {
        say("owner", owner);
    }
    if let Some(file) = &line.limit.file {
        say("file", &plain(file));
    }
    let held = holders::line(&line.holders);
    if !held.is_empty() {
        say("held by", &plain(&held));
    }
    if let Some(row) = &line.row {
        for text in row
            .exempt
            .iter()
            .map(|why| format!("does not apply: {why}"))
        {
            say("note", &plain(&text));
        }
        for note in &row.notes {
            say("note", &plain(note));
        }
    }
    say("cause", line.cause.id());
    Overlay {
        title: line.title.clone(),
        lines,
        from: 0,
        cause: Some(line.cause),
    }
}

/// `None` of a cause without a page.
pub(super) fn explanation(cause: Cause) -> Option<Overlay> {
    let page = pages().find(|page| page.cause == cause)?;
    let look = Look {
        width: WIDTH,
        ..Look::PLAIN
    };
    let text = explain::text::FORMAT.render(&Explained::One(page), look);
    Some(Overlay {
        title: cause.id().to_owned(),
        lines: lines(&String::from_utf8_lossy(&text.unwrap_or_default())),
        from: 0,
        cause: None,
    })
}

fn lines(text: &str) -> Vec<String> {
    let text = text.trim_matches('\n');
    text.lines().map(plain).collect()
}
