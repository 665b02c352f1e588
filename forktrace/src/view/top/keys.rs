//! What keys do.

use super::{Mark, Overlay, Top, answer, failures, limits};

/// A key.
#[expect(missing_docs, reason = "each is what stands on it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Char(char),
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Escape,
    Tab,
    Backspace,
    /// Ctrl-C, where the terminal makes no signal of it.
    Interrupt,
}

/// What a key asks of whoever runs this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It was dealt with.
    Nothing,
    /// End.
    Quit,
    /// Count who fills the limit that is marked, and show it ([`Top::show_limit`]).
    Holders,
    /// Of a recording: faster.
    Faster,
    /// Of a recording: slower.
    Slower,
    /// Of a recording: on to the next failure.
    Next,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Panel {
    #[default]
    Limits,
    Failures,
}

/// By what each panel is sorted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sorts {
    pub limits: limits::Sort,
    pub failures: failures::Sort,
}

const PAGE: usize = 10;

impl Top {
    /// Takes a key.
    pub fn key(&mut self, key: Key) -> Asked {
        if key == Key::Interrupt {
            return Asked::Quit;
        }
        if self.typing {
            self.type_filter(key);
            return Asked::Nothing;
        }
        if self.overlay.is_some() {
            self.in_overlay(key);
            return Asked::Nothing;
        }
        match key {
            Key::Char('q') => return Asked::Quit,
            Key::Escape if self.filter.is_empty() => return Asked::Quit,
            Key::Escape => self.filter.clear(),
            Key::Char('/') => self.typing = true,
            Key::Char('p' | ' ') => self.pause(),
            Key::Char('s') => self.sort(),
            Key::Char('?' | 'h') => self.overlay = Some(answer::help()),
            Key::Char('e') => self.explain(),
            Key::Tab => self.panel = self.other_panel(),
            Key::Enter => return self.enter(),
            Key::Char('+') => return Asked::Faster,
            Key::Char('-') => return Asked::Slower,
            Key::Char('n') => return Asked::Next,
            Key::Up | Key::Char('k') => self.step(-1),
            Key::Down | Key::Char('j') => self.step(1),
            Key::PageUp => self.step(-(PAGE as isize)),
            Key::PageDown => self.step(PAGE as isize),
            Key::Home => self.step(isize::MIN),
            Key::End => self.step(isize::MAX),
            _ => {}
        }
        Asked::Nothing
    }

    fn type_filter(&mut self, key: Key) {
        const LONGEST: usize = 200;
        match key {
            Key::Char(c) if self.filter.len() < LONGEST && !c.is_control() => self.filter.push(c),
            Key::Backspace => {
                self.filter.pop();
            }
            Key::Escape => {
                self.filter.clear();
                self.typing = false;
            }
            Key::Enter | Key::Tab => self.typing = false,
            _ => {}
        }
    }

    fn in_overlay(&mut self, key: Key) {
        let Some(overlay) = &mut self.overlay else {
            return;
        };
        let most = overlay.lines.len().saturating_sub(1);
        let to = match key {
            Key::Up | Key::Char('k') => overlay.from.saturating_sub(1),
            Key::Down | Key::Char('j') => overlay.from + 1,
            Key::PageUp => overlay.from.saturating_sub(PAGE),
            Key::PageDown | Key::Char(' ') => overlay.from + PAGE,
            Key::Home => 0,
            Key::End => most,
            Key::Char('e') => {
                if let Some(cause) = overlay.cause {
                    self.overlay = answer::explanation(cause);
                }
                return;
            }
            _ => {
                self.overlay = None;
                return;
            }
        };
        overlay.from = to.min(most);
    }

    fn pause(&mut self) {
        self.frozen = match self.frozen {
            Some(_) => None,
            None => Some(Box::new(self.data.clone())),
        };
    }

    fn sort(&mut self) {
        match self.panel {
            Panel::Limits => self.sorts.limits = self.sorts.limits.next(),
            Panel::Failures => self.sorts.failures = self.sorts.failures.next(),
        }
    }

    fn other_panel(&self) -> Panel {
        match self.panel {
            Panel::Limits => Panel::Failures,
            Panel::Failures => Panel::Limits,
        }
    }

    fn step(&mut self, by: isize) {
        let panel = self.panel;
        let keys: Vec<String> = match panel {
            Panel::Limits => self.lines().iter().map(|line| line.title.clone()).collect(),
            Panel::Failures => self
                .groups()
                .iter()
                .map(|group| group.key.clone())
                .collect(),
        };
        let at = self.place(panel, keys.len());
        let to = at
            .saturating_add_signed(by)
            .min(keys.len().saturating_sub(1));
        self.marked[panel as usize] = Mark {
            key: keys.get(to).cloned(),
            at: to,
        };
    }

    fn enter(&mut self) -> Asked {
        match self.panel {
            Panel::Limits => {
                if self.marked_limit().is_some() {
                    return Asked::Holders;
                }
                let lines = self.lines();
                let at = self.place(Panel::Limits, lines.len());
                let shown = lines.get(at).map(|line| answer::of_limit(line));
                self.overlay = shown;
            }
            Panel::Failures => {
                let groups = self.groups();
                let at = self.place(Panel::Failures, groups.len());
                let shown = groups.get(at).map(|group| answer::of_failure(group));
                self.overlay = shown;
            }
        }
        Asked::Nothing
    }

    fn explain(&mut self) {
        let cause = match self.panel {
            Panel::Limits => {
                let lines = self.lines();
                let line = lines.get(self.place(Panel::Limits, lines.len()));
                line.map(|line| line.cause)
            }
            Panel::Failures => {
                let groups = self.groups();
                let group = groups.get(self.place(Panel::Failures, groups.len()));
                group.map(|group| group.last.cause)
            }
        };
        let shown: Option<Overlay> = cause.and_then(answer::explanation);
        self.overlay = shown;
    }
}
