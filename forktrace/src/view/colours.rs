//! The few styles of all views.

use anstyle::{AnsiColor, Style};

/// Styles by what they say; all plain where colours are off.
#[derive(Clone, Copy)]
pub(super) struct Colours {
    pub(super) bad: Style,
    pub(super) good: Style,
    pub(super) dim: Style,
    pub(super) bold: Style,
}

impl Colours {
    pub(super) fn new(on: bool) -> Self {
        if !on {
            let plain = Style::new();
            return Self {
                bad: plain,
                good: plain,
                dim: plain,
                bold: plain,
            };
        }
        Self {
            bad: AnsiColor::Red.on_default().bold(),
            good: AnsiColor::Green.on_default(),
            dim: Style::new().dimmed(),
            bold: Style::new().bold(),
        }
    }
}
