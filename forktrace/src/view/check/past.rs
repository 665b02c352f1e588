//! `check --past` as text.

use std::fmt::Write as _;

use crate::{
    headroom::Before,
    view::{
        clean,
        colours::Colours,
        output::{Format, How, Look},
        times::{moment, with_offset},
        wrap::wrap,
    },
};

pub(crate) const FORMAT: Format<Before> = Format {
    name: "text",
    about: "For people",
    for_people: true,
    how: How::Document(text),
};

/// Beyond this, lines are long rather than readable.
const WIDEST: usize = 120;

fn text(before: &Before, look: Look) -> String {
    let Colours { bold, dim, .. } = Colours::new(look.colours);
    let width = look.width.clamp(60, WIDEST);
    let mut out = String::new();
    let paragraph = |out: &mut String, text: &str| {
        for line in wrap(&clean(text), width - 4) {
            let _ = writeln!(out, "    {line}");
        }
    };
    let (host, kernel) = (clean(&before.host), clean(&before.kernel));
    let _ = writeln!(
        out,
        "{bold}Before {}{bold:#} on {host}, Linux {kernel}",
        with_offset(&before.time)
    );
    if let Some(against) = &before.against {
        let _ = writeln!(out, "New since {}", with_offset(against));
    }
    for fact in &before.facts {
        let whose = fact.cgroup.as_deref().map_or("the host".into(), clean);
        let count = match fact.new {
            Some(new) => format!("+{new}"),
            None => fact.count.to_string(),
        };
        let _ = writeln!(
            out,
            "\n{bold}{count:>8}{bold:#}  {whose}  {dim}{}{dim:#}",
            clean(&fact.counter)
        );
        paragraph(&mut out, &fact.proves);
        paragraph(&mut out, &format!("Left open: {}", fact.leaves_open));
    }
    if before.against.is_some() && before.is_empty() {
        out.push_str("\nNothing is new.\n");
    } else if before.against.is_none() && before.facts.is_empty() {
        out.push_str("\nNo cgroup counts a refused task or an OOM kill.\n");
        paragraph(
            &mut out,
            "That rules out pids.max for the cgroups that are there now; other limits count nothing.",
        );
    }
    for unit in &before.units {
        let (name, result) = (clean(&unit.unit), clean(&unit.result));
        let _ = writeln!(out, "\n{bold}{name}{bold:#}  {dim}{result}{dim:#}");
        let since = unit.since.as_ref().map(|since| format!("Since {since}. "));
        paragraph(
            &mut out,
            &format!("{}{}", since.unwrap_or_default(), unit.proves),
        );
        paragraph(&mut out, &format!("Left open: {}", unit.leaves_open));
    }
    let journal = before.journal.as_ref().map(|log| ("The journal", log));
    let logs = [Some(("The kernel's log", &before.log)), journal];
    let logs: Vec<_> = logs.into_iter().flatten().collect();
    for (name, log) in logs.iter().filter(|(_, log)| !log.lines.is_empty()) {
        let _ = writeln!(out, "\n{bold}{name}{bold:#}");
        if log.more > 0 {
            paragraph(&mut out, &format!("… {} lines before these", log.more));
        }
        for line in &log.lines {
            paragraph(&mut out, &format!("{} {}", moment(&line.time), line.text));
        }
    }
    if logs.iter().any(|(_, log)| !log.lines.is_empty()) {
        let _ = writeln!(out);
        paragraph(
            &mut out,
            "A cgroup that is refused is logged the first time only, and it is the one that forked, not the limit's.",
        );
    }
    for missing in before.log.unreadable.iter().chain(&before.unreadable) {
        let _ = writeln!(out);
        paragraph(&mut out, missing);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headroom::Fact;

    #[test]
    fn each_fact_says_what_it_proves_and_what_it_leaves_open() {
        let before = Before {
            facts: vec![Fact {
                cgroup: Some("/a\x1b[31m".to_owned()),
                counter: "max of pids.events".to_owned(),
                count: 7,
                new: None,
                proves: "It was refused.".to_owned(),
                leaves_open: "When.".to_owned(),
            }],
            ..Before::default()
        };
        let told = text(&before, Look::PLAIN);
        for part in ["7  /a\\u{1b}[31m", "It was refused.", "Left open: When."] {
            assert!(told.contains(part), "{told}");
        }
        assert!(text(&Before::default(), Look::PLAIN).contains("No cgroup counts"));
        let mut later = before.clone();
        later.facts[0].count = 9;
        let mut same = before.clone();
        for reading in [&mut later, &mut same] {
            reading.boot_id = "b".to_owned();
            reading.since(&Before {
                boot_id: "b".to_owned(),
                time: "2026-11-29T10:00:00Z".to_owned(),
                ..before.clone()
            });
        }
        let told = text(&later, Look::PLAIN);
        assert!(
            told.contains("      +2  /a") && told.contains("New since"),
            "{told}"
        );
        assert!(text(&same, Look::PLAIN).contains("Nothing is new."));
    }

    #[test]
    fn failed_units_and_the_journal_are_told() {
        use crate::headroom::{Log, LogKind, LogLine, UnitFact};
        let before = Before {
            units: vec![UnitFact {
                unit: "a.service".to_owned(),
                result: "resources".to_owned(),
                since: Some("Sun 2026-11-29 10:00:00 UTC".to_owned()),
                proves: "It lacked something.".to_owned(),
                leaves_open: "What.".to_owned(),
            }],
            journal: Some(Log {
                lines: vec![LogLine {
                    time: "2026-11-20T10:00:00Z".to_owned(),
                    kind: LogKind::ForkRefused,
                    text: "cgroup: fork rejected".to_owned(),
                }],
                more: 3,
                ..Log::default()
            }),
            ..Before::default()
        };
        let told = text(&before, Look::PLAIN);
        for part in [
            "a.service  resources",
            "Since Sun 2026-11-29 10:00:00 UTC. It lacked something.",
            "The journal",
            "… 3 lines before these",
            "2026-11-20 10:00:00 cgroup: fork rejected",
        ] {
            assert!(told.contains(part), "{told}");
        }
    }
}
