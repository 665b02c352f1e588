//! What this kernel allows, as one JSON object over several lines.

use serde_json::json;

use super::Probes;
use crate::view::output::{Format, How};

pub(crate) const FORMAT: Format<Probes> = Format {
    name: "json",
    about: "One JSON object a line",
    for_people: false,
    how: How::Document(|probes, _| object(probes)),
};

fn object(probes: &Probes) -> String {
    let attached = probes
        .attached
        .iter()
        .map(|(target, style)| json!({"target": target, "style": style}));
    let refused = probes
        .refused
        .iter()
        .map(|r| json!({"target": r.target, "style": r.style, "why": r.why}));
    let all = json!({
        "attach": probes.style,
        "attached": attached.collect::<Vec<_>>(),
        "refused": refused.collect::<Vec<_>>(),
        "absent": probes.absent,
        "holders": {"by": probes.holders_by, "why": probes.holders_why},
    });
    format!("{all:#}\n")
}
