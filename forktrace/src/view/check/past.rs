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
    for fact in &before.facts {
        let whose = fact.cgroup.as_deref().map_or("the host".into(), clean);
        let _ = writeln!(
            out,
            "\n{bold}{:>8}{bold:#}  {whose}  {dim}{}{dim:#}",
            fact.count, fact.counter
        );
        paragraph(&mut out, &fact.proves);
        paragraph(&mut out, &format!("Left open: {}", fact.leaves_open));
    }
    if before.facts.is_empty() {
        out.push_str("\nNo cgroup counts a refused task or an OOM kill.\n");
        paragraph(
            &mut out,
            "That rules out pids.max for the cgroups that are there now; other limits count nothing.",
        );
    }
    if !before.log.lines.is_empty() {
        let _ = writeln!(out, "\n{bold}The kernel's log{bold:#}");
        for line in &before.log.lines {
            paragraph(&mut out, &format!("{} {}", moment(&line.time), line.text));
        }
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
    }
}
