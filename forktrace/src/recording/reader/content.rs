//! What is in a recording's file, decompressed: plain lines, and zstd frames (RFC 8878) one after the
//! other, in any order.
//!
//! **A frame is believed when its checksum holds, and nothing of it is given before.** forktrace's own
//! frames hold some 256 KiB and wait in memory. A frame of another program can hold everything: beyond
//! [`HELD`] it is decompressed twice, the first time to check it, which costs time and neither memory
//! nor disk. A pipe can't be read twice: [`Tape`] keeps its compressed bytes for so long.
//!
//! Believed at once is what has no checksum: a frame that another program made without one, the frame
//! at the end that is still being written or that a crash has cut off (also where somebody appended to
//! that later), and, while a file is followed, what has just been written to it.
//!
//! **Damage costs a frame.** Reading goes on behind it where its blocks still lead to its end, else at
//! the next four bytes that begin a frame: no text holds these, for they are no UTF-8.

use std::{io, sync::LazyLock};

use memchr::memmem::Finder;

use super::{
    Damage,
    frame::{self, Header, LARGEST_WINDOW, LONGEST_HEADER, MAGIC, Walk, walk},
    gap::Gap,
    place::Place,
    source::NothingYet,
    tape::Tape,
    unpack::{Step, Unpacker},
};
use crate::model::Foreign;

/// Bytes of a frame's content that wait for its checksum in memory.
const HELD: usize = 1 << 20;

/// What is looked at to tell text from other bytes.
const SAMPLE: usize = 1024;

/// With it lines begin again among other bytes.
const LINE: &[u8] = b"\n{\"type\":\"";

static MAGIC_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(&MAGIC));
static LINE_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(LINE));

/// Why there is nothing to give right now.
#[derive(Debug)]
pub(super) enum Stop {
    /// What was given before and what comes next are not one line.
    Break,
    Failed(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// The content of a file.
pub(super) struct Content {
    tape: Tape,
    unpacker: Unpacker,
    state: State,
    /// Decompressed, and how much of it was taken.
    out: Vec<u8>,
    taken: usize,
    /// Of the frame, what was given before.
    passed: u64,
    /// Of the frame, what was given when it was read the last time.
    skip: u64,
    /// Where the line begins that is being given.
    line: Place,
    /// Bytes at hand that are known to be plain.
    plain: usize,
    /// What comes next begins a line, though what was given may not have ended one.
    apart: bool,
    /// Where the frame begins that is being read.
    frame: u64,
    /// Something has been read: lines, or a frame.
    begun: bool,
    has_frames: bool,
    /// What the file is, where it begins as another's.
    foreign: Option<Foreign>,
    damage: Damage,
    gap: Option<Gap>,
}

#[derive(Clone, Copy)]
enum State {
    /// Before a frame or a line.
    Between,
    /// In plain lines.
    Plain,
    /// In a frame that is given as it is decompressed.
    Giving(Giving),
    /// Where nothing is known of the bytes.
    Lost,
}

#[derive(Clone, Copy)]
struct Giving {
    header: Header,
    /// Where it was cut off, if that is known.
    limit: Option<u64>,
}

impl Content {
    pub(super) fn new(tape: Tape) -> io::Result<Self> {
        Ok(Self {
            tape,
            unpacker: Unpacker::new()?,
            state: State::Between,
            out: Vec::new(),
            taken: 0,
            passed: 0,
            skip: 0,
            line: Place::default(),
            plain: 0,
            apart: false,
            frame: 0,
            begun: false,
            has_frames: false,
            foreign: None,
            damage: Damage::default(),
            gap: None,
        })
    }

    /// What has been given of the frame with which it begins is not given again.
    pub(super) fn skip(&mut self, bytes: u64) {
        self.skip = bytes;
        self.line.skip = bytes;
    }

    /// Where the line begins that is being given.
    pub(super) fn line(&self) -> Place {
        self.line
    }

    /// Where the bytes end that have been read.
    pub(super) fn seen(&self) -> u64 {
        self.tape.end()
    }

    /// A line begins behind what was taken.
    pub(super) fn begin_line(&mut self) {
        let given = self.taken == self.out.len();
        self.line = match self.state {
            State::Plain | State::Lost | State::Between if given => Place {
                at: self.tape.at(),
                skip: 0,
            },
            _ => Place {
                at: self.frame,
                skip: self.passed + self.taken as u64,
            },
        };
    }

    /// What could not be read so far.
    pub(super) fn damage(&self) -> Damage {
        self.damage
    }

    /// What was lost since the last time, if anything was.
    pub(super) fn gap(&mut self) -> Option<Gap> {
        self.gap.take()
    }

    /// Whether any frame was found.
    pub(super) fn has_frames(&self) -> bool {
        self.has_frames
    }

    /// What it is, where it is no recording.
    pub(super) fn foreign(&self) -> Option<Foreign> {
        self.foreign
    }

    /// Takes bytes that [`Self::fill`] gave.
    pub(super) fn consume(&mut self, bytes: usize) {
        match self.taken < self.out.len() {
            true => self.taken += bytes,
            false => {
                self.plain -= bytes;
                self.tape.consume(bytes);
            }
        }
    }

    /// Waits until there may be more in a file that is followed.
    pub(super) fn wait(&mut self, damage: Damage) {
        self.tape.wait(damage);
    }

    /// The bytes that come next; none at the end. Without [`Self::consume`] in between, the same.
    pub(super) fn fill(&mut self) -> Result<&[u8], Stop> {
        while self.taken == self.out.len() {
            self.passed += self.out.len() as u64;
            self.out.clear();
            self.taken = 0;
            match self.state {
                State::Plain => {
                    if self.plain == 0 {
                        self.plain = plain(&mut self.tape)?;
                    }
                    if self.plain > 0 || self.tape.at_hand().is_empty() {
                        return Ok(&self.tape.at_hand()[..self.plain]);
                    }
                    self.state = State::Between;
                    return Err(Stop::Break);
                }
                State::Giving(giving) => self.give(giving)?,
                State::Lost => {
                    if !self.search()? {
                        return Ok(&[]);
                    }
                }
                State::Between => {
                    if std::mem::take(&mut self.apart) {
                        return Err(Stop::Break);
                    }
                    self.tape.unmark();
                    if !self.begin()? {
                        return Ok(&[]);
                    }
                }
            }
            self.pass_by();
        }
        Ok(&self.out[self.taken..])
    }

    /// Leaves out what was given the last time.
    fn pass_by(&mut self) {
        let here = (self.out.len() - self.taken) as u64;
        let known = here.min(self.skip);
        self.skip -= known;
        self.taken += known as usize;
    }

    /// Begins with what is here. False at the end.
    fn begin(&mut self) -> Result<bool, Stop> {
        let head = self.tape.peek(MAGIC.len())?;
        if head.is_empty() {
            return Ok(false);
        }
        if head.starts_with(&MAGIC) {
            self.has_frames = true;
            self.frame()?;
            self.begun = true;
            return Ok(true);
        }
        if head.len() < MAGIC.len() && self.has_frames && MAGIC.starts_with(head) {
            // A frame of which hardly anything is there.
            let bytes = head.len();
            self.tape.consume(bytes);
            self.damage.bad_frames += 1;
            return Err(Stop::Break);
        }
        if frame::is_skippable(head) {
            return Ok(self.pass_over()?);
        }
        let at = self.tape.at();
        let sample = self.tape.peek_now(SAMPLE)?;
        if at == 0 {
            self.foreign = Foreign::of(sample);
        }
        let is_text = is_text(sample);
        // Without the break the rest of a line of the last frame would go on here.
        let apart = std::mem::replace(&mut self.begun, true);
        self.state = State::Plain;
        if !is_text {
            self.state = State::Lost;
            self.damage.bad_frames += 1;
            self.gap.get_or_insert_default();
        }
        match apart || !is_text {
            true => Err(Stop::Break),
            false => Ok(true),
        }
    }

    /// Something that holds no content. False where the end came first.
    fn pass_over(&mut self) -> io::Result<bool> {
        self.tape.mark();
        self.frame = self.tape.at();
        let head = self.tape.peek(8)?;
        let size = head.get(4..8).map(|size| {
            let size = [size[0], size[1], size[2], size[3]];
            u64::from(u32::from_le_bytes(size))
        });
        let whole = match size {
            Some(size) => self.or_back(|tape| frame::skip(tape, 8 + size, u64::MAX))?,
            None => false,
        };
        if !whole {
            // Either it was cut off, or its size is damaged and frames follow.
            self.damage.bad_frames += 1;
            self.lose_the_way(Gap::default())?;
        }
        Ok(true)
    }

    /// Does something, and goes back to the frame's beginning when that has to wait.
    fn or_back<T>(&mut self, work: impl FnOnce(&mut Tape) -> io::Result<T>) -> io::Result<T> {
        let result = work(&mut self.tape);
        if result.is_err() {
            self.tape.rewind(self.frame)?;
        }
        result
    }

    /// A frame begins here: it is checked, if that can be done.
    fn frame(&mut self) -> Result<(), Stop> {
        self.frame = self.tape.at();
        self.passed = 0;
        if self.frame > 0 {
            self.skip = 0;
        }
        self.tape.mark();
        let bytes = self.tape.peek(LONGEST_HEADER)?;
        let Some(header) = Header::parse(bytes) else {
            let cut = bytes.len() < LONGEST_HEADER;
            self.damage.bad_frames += 1;
            if cut && MAGIC_FINDER.find(&bytes[1..]).is_none() {
                let all = bytes.len();
                self.tape.consume(all);
                self.gap.get_or_insert_default();
                return Err(Stop::Break);
            }
            self.lose_the_way(Gap::default())?;
            return Err(Stop::Break);
        };
        if header.window > LARGEST_WINDOW {
            return self.refuse(header);
        }
        self.unpacker.begin()?;
        if !header.checksum {
            // Nothing is read twice: of a pipe, nothing is kept.
            self.tape.unmark();
            self.state = State::Giving(Giving {
                header,
                limit: None,
            });
            return Ok(());
        }
        match self.check(header, None) {
            Ok(()) => Ok(()),
            Err(Stop::Failed(error)) if NothingYet::is(&error) => {
                self.out.clear();
                self.restart(Giving {
                    header,
                    limit: None,
                })?;
                Ok(())
            }
            Err(other) => Err(other),
        }
    }

    /// From the frame's beginning, as it is decompressed.
    fn restart(&mut self, giving: Giving) -> io::Result<()> {
        self.tape.rewind(self.frame)?;
        self.unpacker.begin()?;
        self.passed = 0;
        self.state = State::Giving(giving);
        Ok(())
    }

    /// Decompresses the frame, and gives it if it may be believed.
    fn check(&mut self, header: Header, limit: Option<u64>) -> Result<(), Stop> {
        let mut gap = Gap::default();
        let mut whole = true;
        let step = loop {
            let step = self.unpacker.step(&mut self.tape, limit, &mut self.out)?;
            if step != Step::On {
                break step;
            }
            if self.out.len() > HELD {
                whole = false;
                gap.add(&self.out);
                self.out.clear();
            }
        };
        match step {
            Step::On | Step::End => {}
            Step::Cut => {
                // What follows may be another frame, begun where this one was cut off.
                if limit.is_none()
                    && let Some(next) = self.next_frame(self.tape.at())?
                {
                    return self.check_until(header, next);
                }
                if whole {
                    self.cut_off(header, limit)?;
                }
            }
            Step::Bad(end) => {
                gap.add(&self.out);
                if limit.is_none()
                    && let Some(next) = self.next_frame(end)?
                {
                    return self.check_until(header, next);
                }
                return self.lose(header, gap, limit);
            }
        }
        if whole {
            return Ok(());
        }
        self.out.clear();
        self.restart(Giving { header, limit })?;
        Ok(())
    }

    /// The same, of a frame that another one follows before it has ended.
    fn check_until(&mut self, header: Header, limit: u64) -> Result<(), Stop> {
        self.out.clear();
        self.tape.rewind(self.frame)?;
        self.unpacker.begin()?;
        self.check(header, Some(limit))
    }

    /// Where the next frame begins within this one, before `end`.
    fn next_frame(&mut self, end: u64) -> io::Result<Option<u64>> {
        let back = self.tape.at();
        self.tape.rewind(self.frame + MAGIC.len() as u64)?;
        let mut found = None;
        while self.tape.at() < end {
            let here = self.tape.at();
            let bytes = self.tape.peek_now(SAMPLE)?;
            if bytes.len() < MAGIC.len() {
                break;
            }
            if let Some(place) = MAGIC_FINDER.find(bytes) {
                found = Some(here + place as u64).filter(|place| *place < end);
                break;
            }
            let done = bytes.len() - (MAGIC.len() - 1);
            self.tape.consume(done);
        }
        self.tape.rewind(back)?;
        Ok(found)
    }

    /// A frame that is not believed.
    fn lose(&mut self, header: Header, gap: Gap, limit: Option<u64>) -> Result<(), Stop> {
        self.out.clear();
        self.damage.bad_frames += 1;
        self.damage.lost_lines += gap.lines;
        self.state = State::Between;
        match limit {
            Some(next) => {
                self.tape.rewind(next)?;
                self.note(gap);
            }
            None => self.go_on_behind(header, gap)?,
        }
        Err(Stop::Break)
    }

    fn note(&mut self, gap: Gap) {
        self.gap.get_or_insert_default().join(gap);
    }

    /// Behind the damaged frame, if its blocks lead there; else where anything can be found.
    fn go_on_behind(&mut self, header: Header, gap: Gap) -> io::Result<()> {
        self.tape.rewind(self.frame)?;
        let end = match self.or_back(|tape| walk(tape, header, None)) {
            Err(error) if NothingYet::is(&error) => Walk::Lost,
            end => end?,
        };
        if end == Walk::End {
            let next = self.tape.peek_now(SAMPLE)?;
            if next.is_empty()
                || next.starts_with(&MAGIC)
                || frame::is_skippable(next)
                || is_text(next)
            {
                self.state = State::Between;
                self.note(gap);
                return Ok(());
            }
        }
        self.lose_the_way(gap)
    }

    /// From behind the first bytes of the frame on.
    fn lose_the_way(&mut self, gap: Gap) -> io::Result<()> {
        self.tape.rewind(self.frame)?;
        let magic = self.tape.peek(MAGIC.len())?.len().min(MAGIC.len());
        self.tape.consume(magic);
        self.state = State::Lost;
        self.note(gap);
        Ok(())
    }

    /// A frame that asks for more memory than it gets.
    fn refuse(&mut self, header: Header) -> Result<(), Stop> {
        let end = self.or_back(|tape| walk(tape, header, None))?;
        if end == Walk::Lost {
            self.damage.bad_frames += 1;
            self.lose_the_way(Gap::default())?;
            return Err(Stop::Break);
        }
        self.damage.refused_frames += 1;
        self.damage.largest_window = self.damage.largest_window.max(header.window);
        match end {
            Walk::End => self.note(Gap::default()),
            _ => self.lose_the_way(Gap::default())?,
        }
        Err(Stop::Break)
    }

    /// The frame has no end. Whether that has cut a block is seen by its blocks.
    fn cut_off(&mut self, header: Header, limit: Option<u64>) -> io::Result<()> {
        self.apart = true;
        let end = self.tape.at();
        let mut walked = Walk::Cut;
        if self.tape.reaches(self.frame) {
            self.tape.rewind(self.frame)?;
            walked = self.or_back(|tape| walk(tape, header, limit))?;
            self.tape.rewind(end)?;
        }
        match walked {
            Walk::Open => self.damage.open_frames += 1,
            _ => {
                self.damage.bad_frames += 1;
                self.note(Gap::default());
            }
        }
        Ok(())
    }

    /// Decompresses more of a frame that is given at once.
    fn give(&mut self, giving: Giving) -> Result<(), Stop> {
        let Giving { header, limit, .. } = giving;
        match self.unpacker.step(&mut self.tape, limit, &mut self.out)? {
            Step::On => {}
            Step::End => self.state = State::Between,
            Step::Cut => {
                self.state = State::Between;
                self.cut_off(header, limit)?;
            }
            // What was given was believed too early, or the file has changed since it was checked.
            Step::Bad(end) => {
                self.damage.bad_frames += 1;
                self.out.clear();
                self.state = State::Between;
                if !self.tape.reaches(self.frame) {
                    self.state = State::Lost;
                    self.note(Gap::default());
                    return Err(Stop::Break);
                }
                match self.next_frame(end)? {
                    Some(next) => {
                        self.tape.rewind(next)?;
                        self.note(Gap::default());
                    }
                    None => self.go_on_behind(header, Gap::default())?,
                }
                return Err(Stop::Break);
            }
        }
        Ok(())
    }

    /// Searches for a frame, or for lines. False at the end.
    fn search(&mut self) -> Result<bool, Stop> {
        let bytes = self.tape.peek_now(SAMPLE)?;
        let frame = MAGIC_FINDER.find(bytes);
        let line = LINE_FINDER.find(bytes);
        let line = line.filter(|line| frame.is_none_or(|frame| *line < frame));
        if let Some(line) = line {
            let begin = line + 1;
            let bytes = self.tape.peek_now(begin + SAMPLE)?;
            let sample = &bytes[begin..bytes.len().min(begin + SAMPLE)];
            let sample = MAGIC_FINDER
                .find(sample)
                .map_or(sample, |end| &sample[..end]);
            // A line within compressed data is no line of text.
            let is_text = text_share(sample) == 100;
            self.tape.consume(begin);
            if is_text {
                self.state = State::Plain;
            }
            return Ok(true);
        }
        if let Some(frame) = frame {
            self.tape.consume(frame);
            self.state = State::Between;
            return Ok(true);
        }
        // Where either may begin that is not all there yet is looked at again.
        let bytes = self.tape.peek(SAMPLE)?.len();
        let done = match bytes < SAMPLE {
            true => bytes,
            false => bytes - (LINE.len() - 1),
        };
        self.tape.consume(done);
        Ok(bytes > 0)
    }
}

/// Bytes at hand that are plain: none where a frame begins, and at the end.
fn plain(tape: &mut Tape) -> io::Result<usize> {
    let bytes = tape.fill()?;
    match MAGIC_FINDER.find(bytes) {
        Some(frame) => Ok(frame),
        None => {
            let tail = (1..MAGIC.len()).rfind(|n| bytes.ends_with(&MAGIC[..*n]));
            let tail = tail.unwrap_or(0);
            if tail < bytes.len() || tail == 0 {
                return Ok(bytes.len() - tail);
            }
            let bytes = tape.peek(MAGIC.len())?;
            Ok(match MAGIC_FINDER.find(bytes) {
                Some(frame) => frame,
                // They were no frame's, and end before the next that may be.
                None => tail,
            })
        }
    }
}

/// Whether lines begin here. One that is damaged still is text, mostly.
fn is_text(bytes: &[u8]) -> bool {
    let bytes = &bytes[..bytes.len().min(SAMPLE)];
    let end = MAGIC_FINDER.find(bytes);
    let before = &bytes[..end.unwrap_or(bytes.len())];
    let line = before.strip_prefix("\u{feff}".as_bytes()).unwrap_or(before);
    match line.trim_ascii_start().first() {
        None | Some(b'{') => true,
        // What has a frame so near is one whose beginning is damaged.
        Some(_) => end.is_none() && text_share(before) >= 90,
    }
}

/// How many of a hundred bytes are text.
fn text_share(bytes: &[u8]) -> usize {
    let is_text = |b: &&u8| matches!(**b, b' '..=b'~' | b'\n' | b'\r' | b'\t');
    let ascii = bytes.iter().filter(is_text).count();
    let other: usize = bytes
        .utf8_chunks()
        .map(|chunk| chunk.valid().bytes().filter(|b| *b >= 0x80).count())
        .sum();
    (ascii + other) * 100 / bytes.len().max(1)
}
