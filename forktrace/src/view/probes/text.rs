//! What this kernel allows, as text for people.

use std::fmt::Write as _;

use super::Probes;
use crate::{
    record::TASK_ITER,
    view::{
        clean,
        output::{Format, How},
    },
};

pub(crate) const FORMAT: Format<Probes> = Format {
    name: "text",
    about: "For people",
    for_people: true,
    how: How::Document(|probes, _| text(probes)),
};

fn text(probes: &Probes) -> String {
    let mut out = match probes.style {
        Some(style) => format!("Failing returns are seen by {style}.\n\n"),
        None => "No probe could be attached.\n\n".to_owned(),
    };
    for (target, style) in &probes.attached {
        let _ = writeln!(out, "  {target:<28} {style}");
    }
    let by = probes.holders_by.unwrap_or("nobody");
    let _ = write!(out, "\nHolders of a limit on tasks are counted by {by}");
    let _ = match &probes.holders_why {
        None => writeln!(out, "."),
        Some(why) => writeln!(out, ": {TASK_ITER}: {}", clean(why)),
    };
    if !probes.refused.is_empty() {
        out.push_str("\nTried and refused by this kernel:\n");
        for refused in &probes.refused {
            let (target, style) = (&refused.target, refused.style);
            let _ = writeln!(out, "  {target:<28} {style}: {}", clean(&refused.why));
        }
    }
    if !probes.lost.is_empty() || !probes.absent.is_empty() {
        out.push_str("\nEvidence that is absent:\n");
        for line in probes.lost.iter().chain(&probes.absent) {
            let _ = writeln!(out, "  {}", clean(line));
        }
    }
    out
}
