//! Finds the catalogue's messages in lines of logs: one automaton looks for what each message has
//! for certain, and only a line that has it is read as a whole.

use std::{cell::OnceCell, ops::Range};

use regex::bytes::Regex;

use super::{Message, Program, Told, Wish, all, errno_text, line, scan::Scan, template};
use crate::{model::Errno, order::Order as _};

/// A message of the catalogue in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Whose message it is.
    pub program: &'static Program,
    /// What the program wanted.
    pub wish: &'static Wish,
    /// The message.
    pub message: &'static Message,
    /// The errno that the message names.
    pub errno: Option<Errno>,
    /// The line names the program.
    pub named: bool,
    /// The wish is known to end so with this errno; else what comes next isn't known.
    pub fits: bool,
    /// Something else may be meant, and nothing has been refused: see [`Message::doubt`].
    pub doubted: bool,
    /// Bytes of the message that are text and no places for it.
    weight: usize,
    /// Where it stands in the line's text.
    range: Range<usize>,
}

impl Said {
    /// Whether the other's words are part of this message: a program's, in those of its interpreter.
    fn covers(&self, other: &Self) -> bool {
        self.weight > other.weight
            && self.range.start <= other.range.start
            && self.range.end >= other.range.end
    }
}

/// The lines above one, where somebody asks for them.
pub(super) type Above<'a> = &'a dyn Fn() -> Vec<u8>;

/// A message, and what finds it.
struct Known {
    program: &'static Program,
    wish: &'static Wish,
    message: &'static Message,
    weight: usize,
    /// Made when its literal is first met: an errno in all languages is a long expression.
    expression: OnceCell<Option<Regex>>,
}

/// What looks for messages.
pub struct Matcher {
    known: Vec<Known>,
    literals: Scan,
    names: Vec<OnceCell<Names>>,
}

/// What finds a program's names.
#[derive(Default)]
struct Names {
    /// Anywhere in a line.
    words: Vec<Regex>,
    /// As who speaks.
    speakers: Vec<Regex>,
}

impl Matcher {
    /// Of the whole catalogue. `None` where a text of it can't be looked for, which a test holds.
    pub fn new() -> Option<Self> {
        let wishes = all()
            .iter()
            .flat_map(|program| program.wishes.iter().map(move |wish| (program, wish)));
        let known: Vec<Known> = wishes
            .flat_map(|(program, wish)| {
                wish.messages.iter().map(move |message| Known {
                    program,
                    wish,
                    message,
                    weight: template::weight(&message.text),
                    expression: OnceCell::new(),
                })
            })
            .collect();
        let literals = known
            .iter()
            .map(|known| template::literal(&known.message.text))
            .chain(line::WRAPPED);
        Some(Self {
            literals: Scan::new(literals)?,
            names: all().iter().map(|_| OnceCell::new()).collect(),
            known,
        })
    }

    /// Where the next line of the text may be that says something: what stands before it doesn't.
    pub fn next(&self, text: &[u8]) -> Option<Range<usize>> {
        self.literals.first(text)
    }

    /// What a line says; the likeliest first, each program once.
    pub fn said(&self, line: &[u8]) -> Vec<Said> {
        self.said_below(&Vec::new, line)
    }

    /// The same of a line that others stand above, of which a traceback's tell what it is about.
    pub(super) fn said_below(&self, above: Above<'_>, line: &[u8]) -> Vec<Said> {
        let readable = line::readable(line);
        let text = &*readable.text;
        let mut met: Vec<usize> = self
            .literals
            .all(text)
            .map(|found| found.pattern().as_usize())
            .filter(|at| *at < self.known.len())
            .collect();
        met.sort_unstable();
        met.dedup();
        let mut said: Vec<Said> = met
            .into_iter()
            .filter_map(|at| self.read(&self.known[at], above, text, &readable.speaker))
            .collect();
        // A library's answer is everybody's: who is known to say it comes first.
        said.order_by_key(|said| {
            (
                said.doubted,
                said.program.library,
                !said.fits,
                !said.named,
                std::cmp::Reverse(said.weight),
            )
        });
        // What stands within another's message is that one's: a program's, in the words of its interpreter.
        let all = said.clone();
        said.retain(|said| {
            let part = |other: &Said| !other.program.library && other.covers(said);
            said.program.library || !all.iter().any(part)
        });
        let mut programs: Vec<&str> = Vec::new();
        said.retain(|said| {
            let first = !programs.contains(&said.program.id.as_str());
            programs.push(&said.program.id);
            first
        });
        said
    }

    fn read(&self, known: &Known, above: Above<'_>, text: &[u8], speaker: &str) -> Option<Said> {
        let message = known.message;
        let make = || match message.alone {
            true => template::alone(&message.text).ok(),
            false if known.program.library => template::anywhere_at_an_end(&message.text).ok(),
            false => template::anywhere(&message.text).ok(),
        };
        let found = known
            .expression
            .get_or_init(make)
            .as_ref()?
            .captures(text)?;
        let range = found.get(0)?.range();
        let before = text.get(..range.start)?;
        let is_any = |names: &[Regex], text: &[u8]| names.iter().any(|name| name.is_match(text));
        let names = self.names_of(known.program)?;
        let apart = is_any(&names.words, speaker.as_bytes());
        // Whom a line is about need not be who has written it.
        if message.beside_name && !apart && !is_any(&names.speakers, before) {
            return None;
        }
        let mut texts = [before, message.text.as_bytes()].into_iter();
        let named = apart || texts.any(|text| is_any(&names.words, text));
        let errno = match found.name("errno") {
            Some(errno) => {
                Some(errno_text::parse(errno.as_bytes()).filter(|e| message.may_be_of(*e))?)
            }
            None => None,
        };
        let after = |text: &[u8]| {
            let mut after = message.sure_after.iter();
            after.any(|after| memchr::memmem::find(text, after.as_bytes()).is_some())
        };
        let sure = || !message.sure_after.is_empty() && (after(before) || after(&above()));
        let of_wish = |errno| known.wish.errno.is_empty() || known.wish.errno.contains(&errno);
        Some(Said {
            // EPERM isn't what it was run with: pthread_create(3) isn't called again then, as it may be at EAGAIN.
            fits: match message.told {
                Told::True => errno.is_none_or(of_wish),
                _ => errno != Some(Errno::EPERM),
            },
            program: known.program,
            wish: known.wish,
            message,
            errno,
            doubted: message.doubt.is_some() && !sure(),
            named,
            weight: known.weight,
            range,
        })
    }

    fn names_of(&self, program: &'static Program) -> Option<&Names> {
        let at = all().iter().position(|one| one.id == program.id)?;
        let make = |expression: fn(&str) -> Result<Regex, regex::Error>| {
            let names = program.exe.iter().chain(&program.process);
            names.filter_map(|name| expression(name).ok()).collect()
        };
        Some(self.names[at].get_or_init(|| Names {
            words: make(template::word),
            speakers: make(template::speaker),
        }))
    }
}
