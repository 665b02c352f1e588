//! Links between documents: each names a file that is there, and a heading or an anchor that it has.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// Fails with all that lead nowhere.
pub(super) fn check(documents: &[PathBuf]) -> Result<()> {
    let mut lost = Vec::new();
    for document in documents {
        let text = fs::read_to_string(document)
            .with_context(|| format!("reading {}", document.display()))?;
        for link in links(&text) {
            if !leads_somewhere(document, &text, link) {
                lost.push(format!("{}: {link}", document.display()));
            }
        }
    }
    ensure!(
        lost.is_empty(),
        "links that lead nowhere: {}",
        lost.join(", ")
    );
    Ok(())
}

/// Targets of `[text](target)` that are no addresses, outside of blocks.
fn links(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        }
        if in_block {
            continue;
        }
        let targets = line.split("](").skip(1);
        let targets = targets.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
        all.extend(targets.filter(|target| !target.contains("://")));
    }
    all
}

fn leads_somewhere(document: &Path, text: &str, link: &str) -> bool {
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let path = document.with_file_name(file);
    let other;
    let text = if file.is_empty() {
        text
    } else if !path.exists() {
        return false;
    } else if heading.is_empty() {
        return true;
    } else {
        other = fs::read_to_string(path).unwrap_or_default();
        &other
    };
    let anchor = format!("<a id=\"{heading}\"></a>");
    headings(text).any(|known| known == heading) || text.lines().any(|line| line == anchor)
}

/// As pages make anchors of them.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().filter(|line| line.starts_with('#'));
    lines.map(|line| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c => c.is_alphanumeric().then_some(c),
        });
        kept.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::{headings, leads_somewhere, links};
    use std::path::Path;

    #[test]
    fn headings_and_anchors_are_led_to() {
        let text = "<a id=\"sh\"></a>\n\n## dash\n";
        for (link, known) in [("#sh", true), ("#dash", true), ("#bash", false)] {
            assert_eq!(
                leads_somewhere(Path::new("docs/x.md"), text, link),
                known,
                "{link}"
            );
        }
    }

    #[test]
    fn finds_links_and_headings() {
        let text =
            "# Who fills `it`?\n[a](b.md#c) and [d](https://e) ![f](g.svg)\n```\n[x](y)\n```\n";
        assert_eq!(links(text), ["b.md#c", "g.svg"]);
        assert_eq!(headings(text).collect::<Vec<_>>(), ["who-fills-it"]);
    }
}
