//! What every output is: a way to print one kind of thing.

use std::{
    fmt,
    io::{self, Write},
    time::Instant,
};

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Failures only.
    Quiet,
    /// Failures, and the numbers of the limit that refused.
    Normal,
    /// Every candidate.
    Verbose,
}

/// How an output looks, where it is for people.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Whether colours and other marks of a terminal are used.
    pub colours: bool,
    /// In columns.
    pub width: usize,
    /// How much is said.
    pub verbosity: Verbosity,
    /// It gets the records alone that a filter of the reader's lets through.
    pub chosen: bool,
    /// What it gets was recorded, and does not happen now.
    pub recorded: bool,
    /// Things are shown as they happen: time passes between them.
    pub live: bool,
    /// Lines can be printed over: a terminal.
    pub moves: bool,
    /// Nothing is put together that says the same.
    pub each: bool,
}

impl Look {
    /// For what is no terminal.
    pub const PLAIN: Self = Self {
        colours: false,
        width: 80,
        verbosity: Verbosity::Normal,
        chosen: false,
        recorded: false,
        live: false,
        moves: false,
        each: false,
    };
}

/// Prints things of one kind, one after the other.
pub trait Output<T: ?Sized> {
    /// Prints the next one. What can be waited for is flushed.
    ///
    /// # Errors
    ///
    /// It could not be written.
    fn show(&mut self, item: &T) -> io::Result<()>;

    /// When it has something to print though nothing comes, see [`Self::pass`].
    fn due(&self) -> Option<Instant> {
        None
    }

    /// Prints what is due.
    ///
    /// # Errors
    ///
    /// It could not be written.
    fn pass(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Prints what was held back; more may follow.
    ///
    /// # Errors
    ///
    /// It could not be written.
    fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What an output writes to.
pub type Out<'a> = Box<dyn Write + 'a>;

/// A format of a command: a name for `--format`, and what prints so.
pub struct Format<T: ?Sized> {
    /// As `--format` takes it.
    pub name: &'static str,
    /// In `--help`.
    pub about: &'static str,
    /// For people to read as it comes; else lines for programs, which nothing may be put between.
    pub for_people: bool,
    /// What prints it.
    pub how: How<T>,
}

/// How a format prints.
pub enum How<T: ?Sized> {
    /// Things as they come.
    Stream(for<'a> fn(Out<'a>, Look) -> Box<dyn Output<T> + 'a>),
    /// Each as a text of its own.
    Document(fn(&T, Look) -> String),
}

impl<T: ?Sized + 'static> Format<T> {
    /// An output that writes there.
    pub fn open<'a>(&self, out: Out<'a>, look: Look) -> Box<dyn Output<T> + 'a> {
        match self.how {
            How::Stream(open) => open(out, look),
            How::Document(render) => Box::new(Document { render, look, out }),
        }
    }

    /// One thing, printed.
    ///
    /// # Errors
    ///
    /// It can't be written in this format.
    pub fn render(&self, item: &T, look: Look) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut output = self.open(Box::new(&mut bytes), look);
        output.show(item)?;
        output.settle()?;
        drop(output);
        Ok(bytes)
    }
}

impl<T: ?Sized> fmt::Debug for Format<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

struct Document<'a, T: ?Sized> {
    render: fn(&T, Look) -> String,
    look: Look,
    out: Out<'a>,
}

impl<T: ?Sized> Output<T> for Document<'_, T> {
    fn show(&mut self, item: &T) -> io::Result<()> {
        self.out
            .write_all((self.render)(item, self.look).as_bytes())?;
        self.out.flush()
    }
}
