//! Finds the catalogue's messages in lines of logs: one automaton looks for what each message has
//! for certain, and only a line that has it is read as a whole.

use std::{cell::OnceCell, ops::Range};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::bytes::Regex;

use super::{Message, Program, Wish, all, errno_text, line, template};
use crate::model::Errno;

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
    /// Bytes of the message that are text and no places for it.
    weight: usize,
}

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
    literals: AhoCorasick,
    names: Vec<OnceCell<Vec<Regex>>>,
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
        let literals = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::DFA))
            .build(literals)
            .ok()?;
        Some(Self {
            names: all().iter().map(|_| OnceCell::new()).collect(),
            known,
            literals,
        })
    }

    /// Where the next line of the text may be that says something: what stands before it doesn't.
    pub fn next(&self, text: &[u8]) -> Option<Range<usize>> {
        self.literals.find(text).map(|found| found.range())
    }

    /// What a line says; the likeliest first, each program once.
    pub fn said(&self, line: &[u8]) -> Vec<Said> {
        let readable = line::readable(line);
        let text = &*readable.text;
        let mut met: Vec<usize> = self
            .literals
            .find_overlapping_iter(text)
            .map(|found| found.pattern().as_usize())
            .filter(|at| *at < self.known.len())
            .collect();
        met.sort_unstable();
        met.dedup();
        let mut said: Vec<Said> = met
            .into_iter()
            .filter_map(|at| self.read(&self.known[at], text, &readable.speaker))
            .collect();
        // A library's answer is everybody's: who is known to say it comes first.
        said.sort_by_key(|said| {
            (
                said.program.library,
                !said.named,
                std::cmp::Reverse(said.weight),
            )
        });
        let mut programs: Vec<&str> = Vec::new();
        said.retain(|said| {
            let first = !programs.contains(&said.program.id.as_str());
            programs.push(&said.program.id);
            first
        });
        said
    }

    fn read(&self, known: &Known, text: &[u8], speaker: &str) -> Option<Said> {
        let make = || template::anywhere(&known.message.text).ok();
        let found = known
            .expression
            .get_or_init(make)
            .as_ref()?
            .captures(text)?;
        let begins = found.get(0)?.start();
        let named = self.is_named(known.program, speaker.as_bytes())
            || self.is_named(known.program, text.get(..begins)?)
            || self.is_named(known.program, known.message.text.as_bytes());
        if known.message.beside_name && !named {
            return None;
        }
        Some(Said {
            program: known.program,
            wish: known.wish,
            message: known.message,
            errno: found
                .name("errno")
                .and_then(|errno| errno_text::parse(errno.as_bytes())),
            named,
            weight: known.weight,
        })
    }

    /// Whether the program's name is a word of a text.
    fn is_named(&self, program: &'static Program, text: &[u8]) -> bool {
        let Some(at) = all().iter().position(|one| one.id == program.id) else {
            return false;
        };
        let make = || {
            let names = program.exe.iter().chain(&program.process);
            names.filter_map(|name| template::word(name).ok()).collect()
        };
        let names = self.names[at].get_or_init(make);
        !text.is_empty() && names.iter().any(|name| name.is_match(text))
    }
}
