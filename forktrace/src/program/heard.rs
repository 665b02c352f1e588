//! What logs have said, summed up: one entry for each message, however often it stands there.

use std::io::{self, Read};

use serde::Serialize;

use super::{Matcher, Said, Source, after, likely, line, matcher::Above};
use crate::{
    model::{Cause, Errno},
    order::Order as _,
};

/// The longest line that is read as one; of a longer one, pieces of this length.
const LONGEST: usize = 1 << 20;

/// Of a line, what is kept to be shown.
const SHOWN: usize = 300;

/// Of what stands above a line, what is looked at: lines, and their bytes.
const ABOVE: usize = 4;
const ABOVE_BYTES: usize = 16 << 10;

/// One line of `forktrace explain --format json` about logs.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Answer {
    /// A message, and what it means.
    Said(Box<Telling>),
    /// Last line: what was read.
    Logs(Totals),
}

/// A message of a program, and what it means.
///
/// Fields are only ever added, as in records.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Telling {
    /// Id of the program in the catalogue.
    pub program: String,
    /// The program's name, as it writes itself.
    pub name: String,
    /// Programs hand on what a library says: any of them may have spoken.
    pub library: bool,
    /// Others that say the same.
    pub also: Vec<String>,
    /// What it wanted.
    pub wish: String,
    /// What the message means.
    #[serde(flatten)]
    pub message: Meaning,
    /// What can have refused it, the most usual first; what is known to be full now before the rest.
    pub causes: Vec<Behind>,
    /// Where this is known from.
    pub sources: Vec<Source>,
    /// How many lines say so.
    pub count: u64,
    /// Where it stands first.
    pub first: Place,
    /// Where it stands last.
    pub last: Place,
}

/// What a message means.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Meaning {
    /// The system call that was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// The errno that the message names.
    pub errno: Option<Errno>,
    /// What the kernel may have answered.
    pub answered: Vec<Errno>,
    /// Whether the message can be trusted.
    pub trust: String,
    /// Why nothing need have been refused; absent where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
    /// How often the program asks, and what comes then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What it takes once there is room again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heals: Option<String>,
}

/// A cause that can stand behind a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Behind {
    /// Which check can have refused.
    pub cause: Cause,
    /// Its limit as it is now, where that was asked for and is near.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Place {
    /// The file; `null` for what was given on the command line.
    pub file: Option<String>,
    /// Number of the line in the file, counted from 1.
    pub line: u64,
    /// The first of its text.
    pub text: String,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Totals {
    /// All lines.
    pub lines: u64,
    /// All bytes, newlines included.
    pub bytes: u64,
    /// Lines that say that something was refused.
    pub said: u64,
    /// Lines that may say so, and may be about something else.
    pub doubted: u64,
}

/// Sums up what logs say. Bounded by the catalogue: a message and an errno are one entry.
pub struct Heard {
    matcher: Matcher,
    entries: Vec<Entry>,
    /// The end of the piece before this one.
    above: Vec<u8>,
    /// How much was read so far.
    pub totals: Totals,
}

struct Entry {
    said: Vec<Said>,
    count: u64,
    first: Place,
    last: Place,
}

impl Heard {
    /// Nothing yet.
    pub fn new(matcher: Matcher) -> Self {
        Self {
            matcher,
            entries: Vec::new(),
            above: Vec::new(),
            totals: Totals::default(),
        }
    }

    /// Reads a log to its end, in constant memory.
    ///
    /// # Errors
    ///
    /// It can't be read further; what came before is kept.
    pub fn read(&mut self, file: Option<&str>, log: &mut dyn Read) -> io::Result<()> {
        self.above.clear();
        let mut buffer = vec![0; LONGEST];
        let (mut filled, mut line) = (0, 1);
        loop {
            let read = match log.read(&mut buffer[filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            filled += read;
            let whole = match memchr::memrchr(b'\n', &buffer[..filled]) {
                _ if read == 0 || filled == buffer.len() => filled,
                Some(at) => at + 1,
                None => 0,
            };
            // Of a full buffer, up to its last line, if it has more than one.
            let whole = match memchr::memrchr(b'\n', &buffer[..whole]) {
                Some(at) if read > 0 => at + 1,
                _ => whole,
            };
            line = self.piece(file, &buffer[..whole], line);
            buffer.copy_within(whole..filled, 0);
            filled -= whole;
            if read == 0 {
                return Ok(());
            }
        }
    }

    /// Looks through a piece that begins with this line; answers the number of the next.
    fn piece(&mut self, file: Option<&str>, piece: &[u8], mut line: u64) -> u64 {
        self.totals.bytes += piece.len() as u64;
        let newlines = |part: &[u8]| memchr::memchr_iter(b'\n', part).count() as u64;
        let (mut from, mut counted) = (0, 0);
        let before = std::mem::take(&mut self.above);
        while let Some(found) = self.matcher.next(&piece[from..]) {
            let at = from + found.start;
            let begins = memchr::memrchr(b'\n', &piece[..at]).map_or(0, |at| at + 1);
            let ends = memchr::memchr(b'\n', &piece[at..]).map_or(piece.len(), |n| at + n);
            line += newlines(&piece[counted..begins]);
            counted = begins;
            let above = || last_lines(&before, &piece[..begins]);
            self.line(file, &above, &piece[begins..ends], line);
            from = (ends + 1).min(piece.len());
        }
        self.above = last_lines(&before, piece);
        let last = line + newlines(&piece[counted..]);
        let open = !piece.is_empty() && piece.last() != Some(&b'\n');
        self.totals.lines += newlines(piece) + u64::from(open);
        last
    }

    fn line(&mut self, file: Option<&str>, above: Above<'_>, text: &[u8], line: u64) {
        let said = self.matcher.said_below(above, text);
        let Some(first) = said.first() else {
            return;
        };
        match first.doubted {
            true => self.totals.doubted += 1,
            false => self.totals.said += 1,
        }
        let same = |entry: &&mut Entry| {
            let known = &entry.said[0];
            std::ptr::eq(known.message, first.message)
                && (known.errno, known.doubted) == (first.errno, first.doubted)
        };
        if let Some(entry) = self.entries.iter_mut().find(same) {
            entry.count += 1;
            entry.last = place(file, text, line);
            return;
        }
        let place = place(file, text, line);
        self.entries.push(Entry {
            said,
            count: 1,
            first: place.clone(),
            last: place,
        });
    }

    /// What was said, the most frequent first; last what may be about something else.
    pub fn tellings(&self) -> Vec<Telling> {
        let mut entries: Vec<&Entry> = self.entries.iter().collect();
        entries.order_by_key(|entry| (entry.said[0].doubted, std::cmp::Reverse(entry.count)));
        entries.into_iter().map(telling).collect()
    }
}

/// The last lines of what has been read: of this, and of what came before it.
fn last_lines(before: &[u8], piece: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    if piece.len() < ABOVE_BYTES {
        all.extend_from_slice(before);
    }
    all.extend_from_slice(&piece[piece.len().saturating_sub(ABOVE_BYTES)..]);
    // The line that it ends with has its end.
    let mut ends = memchr::memrchr_iter(b'\n', &all).skip(ABOVE);
    let from = ends.next().map_or(0, |at| at + 1);
    let from = from.max(all.len().saturating_sub(ABOVE_BYTES));
    all.drain(..from);
    all
}

fn place(file: Option<&str>, text: &[u8], line: u64) -> Place {
    let readable = line::readable(text);
    let shown = readable.text.get(..SHOWN).unwrap_or(&readable.text);
    Place {
        file: file.map(str::to_owned),
        line,
        text: String::from_utf8_lossy(shown).trim().to_owned(),
    }
}

fn telling(entry: &Entry) -> Telling {
    let said = &entry.said[0];
    let answered = after::answered(said);
    let causes = match said.message.causes.is_empty() {
        true => likely(&answered, said.wish.operation),
        false => said.message.causes.clone(),
    };
    let others = entry.said[1..]
        .iter()
        .filter(|other| !other.program.library);
    Telling {
        program: said.program.id.clone(),
        name: said.program.name.clone(),
        library: said.program.library,
        also: others.map(|other| other.program.name.clone()).collect(),
        wish: said.wish.what.clone(),
        message: Meaning {
            call: said.wish.call.clone(),
            errno: said.errno,
            trust: after::trust(said),
            doubt: said.message.doubt.clone().filter(|_| said.doubted),
            next: after::next(said.wish).filter(|_| said.fits),
            // No limit answers EPERM.
            heals: said
                .wish
                .afterwards
                .filter(|_| said.fits && said.errno != Some(Errno::EPERM))
                .map(|after| after.sentence().to_owned()),
            answered,
        },
        causes: causes
            .into_iter()
            .map(|cause| Behind { cause, now: None })
            .collect(),
        sources: said
            .program
            .sources
            .iter()
            .filter(|source| source.how == said.wish.how)
            .cloned()
            .collect(),
        count: entry.count,
        first: entry.first.clone(),
        last: entry.last.clone(),
    }
}

/// The JSON Schema of what `forktrace explain --format json` prints about logs.
pub fn json_schema() -> serde_json::Value {
    crate::model::published::LOG_LINES.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_schema_is_that_of_the_types() {
        crate::model::published::LOG_LINES.is_of(schemars::schema_for!(Answer));
    }

    const FORK: &str = "LOG:  could not fork new process for connection: ";
    const EAGAIN: &str = "Resource temporarily unavailable";
    const ENOMEM: &str = "Cannot allocate memory";

    fn heard(text: &[u8]) -> Heard {
        let mut heard = Heard::new(Matcher::new().unwrap());
        heard.read(Some("log"), &mut &*text).unwrap();
        heard
    }

    #[test]
    fn lines_are_numbered_and_counted() {
        let log = format!("a\n{FORK}{EAGAIN}\n\n{FORK}{EAGAIN}\n{FORK}{ENOMEM}\nb");
        let heard = heard(log.as_bytes());
        let totals = Totals {
            lines: 6,
            bytes: log.len() as u64,
            said: 3,
            doubted: 0,
        };
        assert_eq!(heard.totals, totals);
        let told = heard.tellings();
        assert_eq!(told.len(), 2);
        assert_eq!(
            (told[0].count, told[0].first.line, told[0].last.line),
            (2, 2, 4)
        );
        assert_eq!((told[1].count, told[1].first.line), (1, 5));
        assert_eq!(told[1].message.answered, [Errno::ENOMEM]);
        assert_eq!(told[1].causes[0].cause.id(), "overcommit");
    }

    #[test]
    fn a_log_of_any_size_comes_in_pieces() {
        // Lines beyond what is read at once, with the message at each end of a piece.
        for before in [LONGEST - 10, LONGEST, LONGEST + 10, 3 * LONGEST] {
            let mut log = vec![b'x'; before];
            for (at, byte) in log.iter_mut().enumerate() {
                if at % 100 == 99 {
                    *byte = b'\n';
                }
            }
            log.extend(format!("\n{FORK}{EAGAIN}\n").into_bytes());
            let heard = heard(&log);
            assert_eq!(heard.totals.said, 1, "{before}");
            let line = log.iter().filter(|byte| **byte == b'\n').count() as u64;
            assert_eq!(heard.tellings()[0].first.line, line, "{before}");
            assert_eq!(heard.totals.lines, line);
            assert_eq!(heard.totals.bytes, log.len() as u64);
        }
        // One line of many pieces.
        let mut log = vec![b'x'; 2 * LONGEST + 7];
        log.extend(format!(" {FORK}{EAGAIN}").into_bytes());
        let heard = heard(&log);
        assert_eq!(heard.totals.said, 1);
        assert!(heard.tellings()[0].first.text.len() <= SHOWN);
    }

    #[test]
    fn a_tracebacks_lines_tell_what_its_last_one_is_about() {
        let error = "BlockingIOError: [Errno 11] Resource temporarily unavailable\n";
        let refused = format!("Traceback (most recent call last):\n    pid = os.fork()\n{error}");
        let far = format!("os.fork()\n{}{error}", "x\n".repeat(ABOVE));
        for (log, said, doubted) in [
            (error, 0, 1),
            (&*refused, 1, 0),
            (&*format!("{error}{refused}"), 1, 1),
            (&*far, 0, 1),
        ] {
            let totals = heard(log.as_bytes()).totals;
            assert_eq!((totals.said, totals.doubted), (said, doubted), "{log}");
        }
        // Wherever a piece ends.
        for before in 0..40 {
            let mut log = vec![b'x'; LONGEST - 120 + 4 * before];
            log.push(b'\n');
            log.extend(refused.as_bytes());
            assert_eq!(heard(&log).totals.said, 1, "{before}");
        }
        let both = heard(format!("{error}{error}{FORK}{EAGAIN}\n").as_bytes());
        let told = both.tellings();
        assert_eq!((told[0].message.doubt.is_none(), told[1].count), (true, 2));
        assert!(told[1].message.doubt.is_some());
    }

    /// A log is searched as it is written, before any line is read.
    #[test]
    fn each_message_is_found_in_a_log() {
        let all = crate::program::all().iter();
        let wishes = all.flat_map(|program| &program.wishes);
        let examples: Vec<&str> = wishes
            .flat_map(|wish| &wish.messages)
            .map(|message| &*message.example)
            .collect();
        let totals = heard(examples.join("\n").as_bytes()).totals;
        assert_eq!(totals.said + totals.doubted, examples.len() as u64);
    }

    #[test]
    fn what_can_have_one_cause_alone_has_that() {
        for (line, causes) in [
            (
                "kernel: cgroup: fork rejected by pids controller in /a",
                &["cgroup_pids_max"][..],
            ),
            (
                "max number of threads [1] for user [a] is too low, increase to at least [2]",
                &["rlimit_nproc"],
            ),
            (
                "Node web1 status is now: NodeHasInsufficientPID",
                &["pid_max", "threads_max"],
            ),
        ] {
            let told = heard(line.as_bytes()).tellings();
            let behind: Vec<&str> = told[0].causes.iter().map(|b| b.cause.id()).collect();
            assert_eq!(behind, causes, "{line}");
        }
    }

    /// No limit answers EPERM, and no room heals it.
    #[test]
    fn a_thread_that_is_not_permitted_is_of_a_filter() {
        let causes = |told: &Telling| -> Vec<&str> {
            told.causes.iter().map(|behind| behind.cause.id()).collect()
        };
        for line in [
            "OpenBLAS blas_thread_init: pthread_create failed for thread 1 of 64: Operation not permitted",
            "ThreadError: can't create Thread: Operation not permitted",
            "runtime: failed to create new OS thread (have 2 already; errno=1)",
        ] {
            let told = heard(line.as_bytes()).tellings().remove(0);
            assert_eq!(causes(&told), ["seccomp", "lsm"], "{line}");
            assert_eq!(told.message.heals, None, "{line}");
        }
        let unsaid = heard(b"RuntimeError: can't start new thread")
            .tellings()
            .remove(0);
        let unsaid = causes(&unsaid);
        let at = |id: &str| unsaid.iter().position(|cause| *cause == id).unwrap();
        assert!(at("overcommit") < at("seccomp") && at("seccomp") < at("rlimit_stack"));
    }

    /// Python's subprocess has copied all memory up to 3.9; posix_spawn(3) maps a stack.
    #[test]
    fn memory_is_promised_by_a_spawn_too() {
        let traceback = "    restore_signals, start_new_session, preexec_fn)\n\
                         OSError: [Errno 12] Cannot allocate memory: '/bin/true'\n";
        let told = heard(traceback.as_bytes()).tellings().remove(0);
        assert!(told.message.doubt.is_none() && told.wish.contains("3.4 to 3.7"));
        assert_eq!(told.causes[0].cause.id(), "overcommit");
        let spawn = heard(b"posix_spawn: Cannot allocate memory").tellings();
        let causes = spawn[0].causes.iter().map(|behind| behind.cause.id());
        let causes: Vec<&str> = causes.take(5).collect();
        assert!(causes.contains(&"overcommit") && causes.contains(&"rlimit_as"));
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(heard(b"").totals, Totals::default());
        assert_eq!(heard(b"\n\n").totals.lines, 2);
        assert!(heard(b"fine\n").tellings().is_empty());
    }
}
