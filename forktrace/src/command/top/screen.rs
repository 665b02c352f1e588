//! The terminal: raw, on the alternate screen, and as it was before in the end, however that comes.

use std::{
    io::{self, Write as _},
    os::fd::AsFd as _,
    panic,
    sync::{Mutex, PoisonError},
};

use forktrace::view::top::Top;
use ratatui_core::{
    backend::{Backend, ClearType, WindowSize},
    buffer::Cell,
    layout::{Position, Size},
    style::{Color, Style},
    terminal::Terminal,
};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// The alternate screen without a cursor and without wrapping; and back.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H\x1b[2J";
const LEAVE: &[u8] = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

/// How the terminal was, while it is not.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The terminal, until it is dropped.
pub(super) struct Screen {
    terminal: Terminal<Ansi>,
    _taken: Taken,
}

impl Screen {
    /// Takes the terminal.
    pub(super) fn enter() -> io::Result<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(stdin.as_fd())?;
        let mut raw = before.clone();
        raw.make_raw();
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        // A message would be lost with the screen that it is on.
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |about| {
            leave();
            previous(about);
        }));
        tcsetattr(stdin.as_fd(), OptionalActions::Flush, &raw)?;
        let taken = Taken;
        let mut out = io::stdout();
        out.write_all(ENTER)?;
        out.flush()?;
        let terminal = Terminal::new(Ansi::default())?;
        Ok(Self {
            terminal,
            _taken: taken,
        })
    }

    /// Draws what has changed.
    pub(super) fn draw(&mut self, top: &Top) -> io::Result<()> {
        self.terminal.draw(|frame| top.draw(frame.buffer_mut()))?;
        Ok(())
    }

    /// All of it anew, in the size that it has now.
    pub(super) fn redraw(&mut self, top: &Top) -> io::Result<()> {
        self.terminal.clear()?;
        self.draw(top)
    }
}

/// Gives it back when dropped.
struct Taken;

impl Drop for Taken {
    fn drop(&mut self) {
        leave();
    }
}

/// Gives the terminal back, once.
fn leave() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(before) = before else {
        return;
    };
    // Past the buffer, which may be in use where this comes by a panic.
    let _ = rustix::io::write(io::stdout(), LEAVE);
    let _ = tcsetattr(io::stdin().as_fd(), OptionalActions::Flush, &before);
}

/// Writes cells as ANSI sequences. crossterm would, too, with 19 crates, and asks the terminal's size of
/// `tput` where the kernel doesn't know it: a process.
#[derive(Default)]
struct Ansi {
    out: Vec<u8>,
    /// The style that the terminal is set to.
    style: Style,
    /// Where its cursor is.
    at: Option<Position>,
}

impl Ansi {
    fn go_to(&mut self, to: Position) {
        if self.at != Some(to) {
            let _ = write!(self.out, "\x1b[{};{}H", to.y + 1, to.x + 1);
        }
        self.at = Some(to);
    }
}

impl Backend for Ansi {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        for (x, y, cell) in content {
            self.go_to(Position { x, y });
            // The terminal's own colours are none, and anstyle has no word for them.
            let mut style = cell.style();
            style.fg = style.fg.filter(|colour| *colour != Color::Reset);
            style.bg = style.bg.filter(|colour| *colour != Color::Reset);
            if style != self.style {
                let ansi = anstyle::Style::from(style);
                let _ = write!(self.out, "\x1b[0m{ansi}");
                self.style = style;
            }
            self.out.extend_from_slice(cell.symbol().as_bytes());
            // A wide character moves it by two; where to, nobody needs to know.
            self.at = match cell.symbol().is_ascii() {
                true => Some(Position { x: x + 1, y }),
                false => None,
            };
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.at.unwrap_or_default())
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.go_to(position.into());
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, what: ClearType) -> io::Result<()> {
        self.style = Style::default();
        self.out.extend_from_slice(match what {
            ClearType::All => b"\x1b[0m\x1b[2J".as_slice(),
            ClearType::AfterCursor => b"\x1b[0m\x1b[J",
            ClearType::BeforeCursor => b"\x1b[0m\x1b[1J",
            ClearType::CurrentLine => b"\x1b[0m\x1b[2K",
            ClearType::UntilNewLine => b"\x1b[0m\x1b[K",
        });
        Ok(())
    }

    /// As the kernel knows it; where it doesn't, as terminals were.
    fn size(&self) -> io::Result<Size> {
        let size = tcgetwinsize(io::stdout().as_fd());
        let size = size.ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        // More than a thousand columns is nobody's terminal.
        Ok(size.map_or(Size::new(80, 24), |size| {
            Size::new(size.ws_col.min(1000), size.ws_row.min(500))
        }))
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize {
            columns_rows: self.size()?,
            pixels: Size::default(),
        })
    }

    /// All at once: a terminal that is slow shows no half.
    fn flush(&mut self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(&self.out)?;
        self.out.clear();
        out.flush()
    }
}
