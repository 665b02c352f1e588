//! The screen.

use ratatui_core::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier, Style},
};
use textwrap::core::display_width;

use super::{Overlay, Top, keys::Panel, limits::Line};
use crate::view::{
    report::{duration, table::fit},
    wrap::wrap,
};

/// Below these, lines have fewer parts.
const NARROW: u16 = 60;
const WIDE: u16 = 120;
/// From this percentage on a limit is near, and from this it presses.
const NEAR: f64 = 90.0;
const PRESSES: f64 = 70.0;

const EIGHTHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const PARTS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

impl Top {
    /// Draws everything.
    pub fn draw(&self, buffer: &mut Buffer) {
        let area = buffer.area;
        if area.width < 20 || area.height < 5 {
            buffer.set_stringn(area.x, area.y, "too small", area.width.into(), Style::new());
            return;
        }
        let mut screen = Screen {
            buffer,
            colours: self.colours,
        };
        self.head(&mut screen, area);
        let rooms = area.height - 2;
        let lines = self.lines();
        let groups = self.groups();
        // Failures need a head, a rate and as many rows as there are; limits get the rest, and half at least.
        let wanted = 3 + groups.len().max(1) as u16;
        let below = wanted.min(rooms / 2).max(rooms.min(3));
        let above = rooms - below;
        let limits = Rect::new(area.x, area.y + 1, area.width, above);
        self.limits(&mut screen, limits, &lines);
        let failures = Rect::new(area.x, area.y + 1 + above, area.width, below);
        self.failures(&mut screen, failures);
        self.foot(&mut screen, area);
        if let Some(overlay) = &self.overlay {
            show(&mut screen, area, overlay);
        }
    }

    fn head(&self, screen: &mut Screen<'_>, area: Rect) {
        let paused = if self.is_paused() { " paused" } else { "" };
        let right = format!("{paused} {}", self.clock);
        let room = usize::from(area.width).saturating_sub(display_width(&right));
        let bold = Style::new().add_modifier(Modifier::BOLD);
        screen.text(area.x, area.y, &fit(&self.title, room), bold);
        let at = area.x + area.width - display_width(&right).min(area.width.into()) as u16;
        screen.text(at, area.y, &right, screen.dim());
    }

    fn limits(&self, screen: &mut Screen<'_>, area: Rect, lines: &[&Line]) {
        let here = self.panel == Panel::Limits;
        let head = format!("Limits ({}), {}", lines.len(), self.sorts.limits.name());
        screen.heading(area, &head, here);
        let rows = usize::from(area.height.saturating_sub(1));
        let marked = self.place(Panel::Limits, lines.len());
        let from = (marked + 1).saturating_sub(rows);
        if lines.is_empty() {
            let why = match self.filter.is_empty() {
                true => "none known yet",
                false => "none that the filter lets through",
            };
            screen.text(area.x + 2, area.y + 1, why, screen.dim());
        }
        let columns = Columns::of(lines.iter().skip(from).take(rows), area.width);
        for (n, line) in lines.iter().enumerate().skip(from).take(rows) {
            let y = area.y + 1 + (n - from) as u16;
            let row = Rect::new(area.x, y, area.width, 1);
            limit(screen, row, columns, line);
            if here && n == marked {
                screen.mark(row);
            }
        }
    }

    fn failures(&self, screen: &mut Screen<'_>, area: Rect) {
        let data = &self.shown().failures;
        let here = self.panel == Panel::Failures;
        if let Some(why) = &self.blind {
            screen.heading(area, "Failures: not seen", here);
            let lines = wrap(why, usize::from(area.width).saturating_sub(2).max(20));
            for (n, line) in lines
                .iter()
                .enumerate()
                .take(area.height.saturating_sub(1).into())
            {
                screen.text(area.x + 2, area.y + 1 + n as u16, line, screen.dim());
            }
            return;
        }
        let groups = self.groups();
        let mut head = format!("Failures: {}", data.total);
        if data.lost > 0 {
            head.push_str(&format!(", {} lost in detail", data.lost));
        }
        if data.oom_kills > 0 {
            head.push_str(&format!(", {}", crate::view::oom_kills(data.oom_kills)));
        }
        head.push_str(&format!("; {}", self.sorts.failures.name()));
        screen.heading(area, &head, here);
        if area.height < 2 {
            return;
        }
        self.rate(screen, Rect::new(area.x, area.y + 1, area.width, 1));
        let rows = usize::from(area.height - 2);
        let marked = self.place(Panel::Failures, groups.len());
        let from = (marked + 1).saturating_sub(rows);
        for (n, group) in groups.iter().enumerate().skip(from).take(rows) {
            let y = area.y + 2 + (n - from) as u16;
            let row = Rect::new(area.x, y, area.width, 1);
            let ago = duration(data.now().saturating_sub(group.second).max(0) as u64);
            let mut text = format!("{:>9}  ", group.count);
            if area.width >= NARROW {
                text.push_str(&format!("{:>7} ago  {:<7}", ago, group.last.errno.name()));
            }
            screen.text(row.x, y, &text, Style::new());
            let at = row.x + display_width(&text) as u16;
            let room = usize::from(row.x + row.width - at.min(row.x + row.width));
            let caller = match area.width {
                NARROW.. => room * 2 / 5,
                _ => 0,
            };
            let wide = usize::min(display_width(&group.caller), caller);
            let title = fit(&group.title, room.saturating_sub(wide + 2));
            screen.text(at, y, &title, screen.bold());
            let next = at + display_width(&title) as u16 + 2;
            screen.text(next, y, &fit(&group.caller, wide), Style::new());
            if here && n == marked {
                screen.mark(row);
            }
        }
    }

    /// Failures a second, the last minutes, and whose.
    fn rate(&self, screen: &mut Screen<'_>, row: Rect) {
        let data = &self.shown().failures;
        let now = format!("{:>7}/s ", data.per_second());
        screen.text(row.x, row.y, &now, screen.bold());
        let bars = usize::from(row.width.saturating_sub(10)).min(match row.width {
            width if width < NARROW => 20,
            width if width < WIDE => 30,
            _ => 60,
        });
        let rate = data.rate(bars);
        let most = rate.iter().copied().max().unwrap_or(0).max(1);
        let plot: String = rate.iter().map(|n| eighth(*n, most)).collect();
        let at = row.x + 10 + (bars - rate.len()) as u16;
        screen.text(at, row.y, &plot, screen.coloured(Color::Yellow));
        let at = row.x + 11 + bars as u16;
        let mut room = usize::from((row.x + row.width).saturating_sub(at));
        let mut x = at;
        for (name, n) in data.callers().into_iter().take(5) {
            let text = format!("{} {n}  ", fit(name, 40));
            let wide = display_width(&text);
            if wide > room + 2 {
                break;
            }
            screen.text(x, row.y, &text, screen.dim());
            x += wide as u16;
            room = room.saturating_sub(wide);
        }
    }

    fn foot(&self, screen: &mut Screen<'_>, area: Rect) {
        let y = area.y + area.height - 1;
        let text = match (self.typing, self.filter.is_empty()) {
            (true, _) => format!("/{}_", super::plain(&self.filter)),
            (false, false) => format!("/{}   Esc: all", super::plain(&self.filter)),
            (false, true) if area.width < NARROW => "Enter e / s p Tab ? q".to_owned(),
            (false, true) => {
                "Enter answer  e explain  / filter  s sort  p pause  Tab panel  ? help  q quit"
                    .to_owned()
            }
        };
        let text = fit(&text, area.width.into());
        screen.text(area.x, y, &text, screen.dim());
    }
}

/// What the columns of limits take, the space behind them included: no more than they need, for what tells
/// limits apart stands behind them.
#[derive(Clone, Copy)]
struct Columns {
    used: usize,
    trend: usize,
}

impl Columns {
    /// Of the lines that are seen.
    fn of<'a>(lines: impl Iterator<Item = &'a &'a Line>, width: u16) -> Self {
        let (mut used, mut trend) = (0, 0);
        for line in lines {
            used = used.max(display_width(&line.used()));
            trend = trend.max(display_width(&trend_of(line, width)));
        }
        let behind = |wide: usize, most: usize| match wide.min(most) {
            0 => 0,
            wide => wide + 1,
        };
        Self {
            used: if width >= NARROW { behind(used, 17) } else { 0 },
            trend: behind(trend, if width >= NARROW { 15 } else { 9 }),
        }
    }
}

/// What is said of its growth in so many columns.
fn trend_of(line: &Line, width: u16) -> String {
    let trend = line.trend();
    match width {
        80.. => trend,
        _ if !line.fills() => String::new(),
        NARROW.. => trend,
        _ => trend.trim_start_matches("full ").to_owned(),
    }
}

/// A limit's line.
fn limit(screen: &mut Screen<'_>, row: Rect, columns: Columns, line: &Line) {
    let bar = match row.width {
        width if width < NARROW => 8,
        width if width < WIDE => 14,
        _ => 24,
    };
    let colour = match line.percent {
        _ if line.exempt => Color::DarkGray,
        NEAR.. => Color::Red,
        PRESSES.. => Color::Yellow,
        _ => Color::Green,
    };
    let style = screen.coloured(colour);
    screen.text(row.x, row.y, &filled(line.percent, bar), style);
    let mut x = row.x + bar as u16;
    let percent = format!("{:>6.1}%", line.percent.min(9999.0));
    let urgent = if line.percent >= NEAR && !line.exempt {
        style.add_modifier(Modifier::BOLD)
    } else {
        Style::new()
    };
    screen.text(x, row.y, &percent, urgent);
    x += percent.len() as u16 + 1;
    if let Some(room) = columns.used.checked_sub(1) {
        let used = fit(&line.used(), room);
        screen.text(x, row.y, &format!("{used:>room$}"), Style::new());
        x += columns.used as u16;
    }
    if let Some(room) = columns.trend.checked_sub(1) {
        let text = trend_of(line, row.width);
        let style = match line.fills() {
            true => screen.coloured(Color::Magenta).add_modifier(Modifier::BOLD),
            false => screen.dim(),
        };
        screen.text(x, row.y, &fit(&text, room), style);
        x += columns.trend as u16;
    }
    let room = usize::from((row.x + row.width).saturating_sub(x));
    let owner = line.owner.as_deref().filter(|_| row.width >= WIDE);
    let wide = owner.map_or(0, |owner| display_width(owner).min(room / 3));
    let title = fit(
        &line.title,
        room.saturating_sub(wide + 2 * usize::from(wide > 0)),
    );
    screen.text(
        x,
        row.y,
        &title,
        if line.exempt {
            screen.dim()
        } else {
            Style::new()
        },
    );
    if let Some(owner) = owner {
        let at = x + display_width(&title) as u16 + 2;
        screen.text(at, row.y, &fit(owner, wide), screen.dim());
    }
}

/// So many columns, filled by a percentage.
fn filled(percent: f64, columns: usize) -> String {
    let eighths = (percent.clamp(0.0, 100.0) / 100.0 * columns as f64 * 8.0).round() as usize;
    let mut bar: String = std::iter::repeat_n('█', eighths / 8).collect();
    if bar.chars().count() < columns {
        bar.push(PARTS[eighths % 8]);
    }
    let missing = columns - bar.chars().count().min(columns);
    bar.extend(std::iter::repeat_n('·', missing));
    bar
}

fn eighth(n: u64, most: u64) -> char {
    match n {
        0 => ' ',
        _ => EIGHTHS[((n as f64 / most as f64 * 8.0).ceil() as usize).clamp(1, 8) - 1],
    }
}

/// A text on top.
fn show(screen: &mut Screen<'_>, area: Rect, overlay: &Overlay) {
    let width = area.width.min(80);
    let inner = usize::from(width - 4);
    // Folded, so that nothing is out of sight.
    let mut lines = Vec::new();
    for line in &overlay.lines {
        if display_width(line) <= inner {
            lines.push(line.clone());
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        // What goes on is two columns further in.
        let room = inner.saturating_sub(indent + 2).max(16);
        for (n, part) in wrap(line.trim_start(), room).iter().enumerate() {
            let more = if n > 0 { 2 } else { 0 };
            lines.push(format!("{}{part}", " ".repeat(indent + more)));
        }
    }
    let height = area.height.min(lines.len() as u16 + 2).max(3);
    let x = area.x + (area.width - width) / 2;
    let y = area.y + (area.height - height) / 2;
    let rows = usize::from(height - 2);
    let from = overlay.from.min(lines.len().saturating_sub(rows));
    let edge = |left: char, title: &str, right: char| {
        let room = usize::from(width) - 4;
        let title = match title {
            "" => String::new(),
            title => format!(" {} ", fit(title, room.saturating_sub(2))),
        };
        let line = "─".repeat(room - display_width(&title));
        format!("{left}─{title}{line}─{right}")
    };
    let more = lines.len() > from + rows;
    let below = match (more, overlay.cause.is_some()) {
        (true, true) => "down: more, e explains",
        (true, false) => "down: more",
        (false, true) => "e explains",
        (false, false) => "",
    };
    screen.text(x, y, &edge('┌', &overlay.title, '┐'), screen.bold());
    for n in 0..rows {
        let line = lines.get(from + n).map_or("", String::as_str);
        let text = fit(line, inner);
        let space = " ".repeat(inner - display_width(&text));
        screen.text(
            x,
            y + 1 + n as u16,
            &format!("│ {text}{space} │"),
            Style::new(),
        );
    }
    screen.text(x, y + height - 1, &edge('└', below, '┘'), screen.bold());
}

/// What is drawn on.
struct Screen<'a> {
    buffer: &'a mut Buffer,
    colours: bool,
}

impl Screen<'_> {
    fn text(&mut self, x: u16, y: u16, text: &str, style: Style) {
        let area = self.buffer.area;
        if y >= area.bottom() || x >= area.right() {
            return;
        }
        let room = usize::from(area.right() - x);
        // What was below doesn't shine through.
        let wide = display_width(text).min(room) as u16;
        for at in x..x + wide {
            self.buffer[(at, y)].reset();
        }
        self.buffer.set_stringn(x, y, text, room, style);
    }

    fn heading(&mut self, area: Rect, text: &str, here: bool) {
        let mark = if here { '▸' } else { ' ' };
        let text = fit(&format!("{mark}{text}"), area.width.into());
        self.text(area.x, area.y, &text, self.bold());
    }

    /// The row that is chosen.
    fn mark(&mut self, row: Rect) {
        self.buffer
            .set_style(row, Style::new().add_modifier(Modifier::REVERSED));
    }

    fn coloured(&self, colour: Color) -> Style {
        match self.colours {
            true => Style::new().fg(colour),
            false => Style::new(),
        }
    }

    fn dim(&self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    fn bold(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }
}
