//! Pictures of what a terminal shows, made from recordings by anstyle-svg: text in SVG.

use super::examples::Tools;
use crate::paths;
use anstyle::{Color, RgbColor};
use anstyle_svg::{Term, WIN10_CONSOLE};
use anyhow::{Result, ensure};
use std::fs;
use std::path::PathBuf;

/// Each picture's file, the command that it shows, and what makes the same of a recording.
const PICTURES: [(&str, &str, &str); 2] = [
    (
        "live.svg",
        "forktrace",
        "forktrace replay --color always web1.ndjson",
    ),
    (
        "report.svg",
        "forktrace report web1.ndjson",
        "forktrace report --color always web1.ndjson",
    ),
];

const LIGHT: Color = Color::Rgb(RgbColor(0xdd, 0xdd, 0xdd));

/// All of them, with their files.
pub(super) fn draw(tools: &Tools) -> Result<Vec<(PathBuf, String)>> {
    let folder = paths::root().join("docs/pictures");
    fs::create_dir_all(&folder)?;
    let mut all = Vec::new();
    for (file, shown, command) in PICTURES {
        let text = format!("# {shown}\n{}", tools.print(command)?);
        // Lines end in spaces where a table does.
        let term = Term::new().palette(WIN10_CONSOLE).fg_color(LIGHT);
        // What is dim has to be readable as well.
        let svg = term
            .render_svg(&text)
            .replace("opacity: 0.4", "opacity: 0.7");
        let svg: Vec<&str> = svg.lines().map(str::trim_end).collect();
        all.push((folder.join(file), svg.join("\n") + "\n"));
    }
    Ok(all)
}

/// Compares them with the files.
pub(super) fn check(tools: &Tools) -> Result<()> {
    for (path, picture) in draw(tools)? {
        ensure!(
            fs::read_to_string(&path).is_ok_and(|old| old == picture),
            "{} isn't what forktrace prints now: cargo xtask docs",
            path.display()
        );
    }
    Ok(())
}
