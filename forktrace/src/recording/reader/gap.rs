//! What a damaged frame has lost.

use crate::record::{Record, Session, parse_line};

/// Records are missing from here on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// Lines of frames that are not believed, as far as they could be counted.
    pub lines: u64,
    /// The last session that began among these lines: whose the records behind the gap are. Nothing
    /// says that it is as it was written.
    pub session: Option<Box<Session>>,
}

/// How the line of a session begins.
const SESSION: &[u8] = b"{\"type\":\"session\"";

impl Gap {
    /// Adds what was decompressed of a frame that is not believed.
    pub fn add(&mut self, content: &[u8]) {
        self.lines += memchr::memchr_iter(b'\n', content).count() as u64;
        let from = memchr::memmem::rfind(content, SESSION);
        let line = from.and_then(|from| content[from..].split(|b| *b == b'\n').next());
        if let Some(Record::Session(session)) = line.and_then(parse_line) {
            self.session = Some(session);
        }
    }

    /// Adds what comes after.
    pub fn join(&mut self, later: Self) {
        self.lines += later.lines;
        self.session = later.session.or(self.session.take());
    }
}
