//! A large recording with several threads: this one reads and decompresses, others make out the lines,
//! and one counts them in the order in which they stand.
//!
//! Only a command that reads recordings does this, and it does without where the host gives no thread:
//! that is what it may be looking into.

use std::{
    io, iter,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, Scope},
};

use self_cell::self_cell;

use super::{
    aggregate::{Aggregator, Tally},
    line::{self, Entry},
};
use crate::recording::{Gap, Piece, ReadError, Reader, lines_of};

/// Bytes of lines that are handed on together.
const BLOCK: usize = 256 << 10;
/// Bytes of a line: most have more.
const SHORT: usize = 512;
/// Blocks that wait before each thread, and behind it.
const WAITING: usize = 2;
/// Threads that make out lines; one that counts has no more to do.
const MOST: usize = 3;

/// Bytes after which the threads are worth their start.
pub(super) const WORTH: usize = 1 << 20;

type Entries<'a> = Vec<Entry<'a>>;

self_cell!(
    /// Lines, and what they are.
    struct Block {
        owner: Vec<u8>,
        #[covariant]
        dependent: Entries,
    }
);

/// What is handed on.
enum Part<L> {
    Lines(L),
    Gap(Gap),
}

/// Threads that make out lines, by what there are of processors; none where there is one.
pub(super) fn workers() -> usize {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    (processors - 1).min(MOST)
}

/// Reads the rest of a recording. `Ok(false)`: there are no threads to be had, and nothing was read.
pub(super) fn read(
    report: &mut Aggregator,
    reader: &mut Reader,
    workers: usize,
) -> Result<bool, ReadError> {
    if workers == 0 {
        return Ok(false);
    }
    thread::scope(|scope| {
        let (give_back, empty) = sync_channel(workers * 3 * WAITING);
        let Ok((to, from)) = start(scope, workers, report.takes_all()) else {
            return Ok(false);
        };
        let report = &mut *report;
        let count = move || count(report, &from, &give_back);
        let Ok(counting) = thread::Builder::new().spawn_scoped(scope, count) else {
            return Ok(false);
        };
        let read = hand_on(reader, &to, &empty);
        // That ends the others.
        drop(to);
        let tally = counting
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        reader.judged(tally.records, tally.unreadable);
        read.map(|()| true)
    })
}

/// Where each of these threads takes blocks, and where it gives them.
type Ways = (Vec<SyncSender<Part<Vec<u8>>>>, Vec<Receiver<Part<Block>>>);

/// Starts the threads that make out lines.
fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    workers: usize,
    quick: bool,
) -> io::Result<Ways> {
    let each = iter::repeat_with(|| {
        let (to, taken) = sync_channel(WAITING);
        let (given, from) = sync_channel(WAITING);
        thread::Builder::new().spawn_scoped(scope, move || make_out(&taken, &given, quick))?;
        Ok((to, from))
    });
    each.take(workers).collect()
}

/// What a thread does that makes out lines.
fn make_out(taken: &Receiver<Part<Vec<u8>>>, given: &SyncSender<Part<Block>>, quick: bool) {
    for part in taken {
        let part = match part {
            Part::Gap(gap) => Part::Gap(gap),
            Part::Lines(lines) => Part::Lines(Block::new(lines, |lines| {
                let entry =
                    |line: Option<_>| line.map_or(Entry::Strange, |l| line::entry(l, quick));
                let mut entries = Vec::with_capacity(lines.len() / SHORT);
                entries.extend(lines_of(lines).map(entry));
                entries
            })),
        };
        if given.send(part).is_err() {
            return;
        }
    }
}

/// What the thread does that counts.
fn count(
    report: &mut Aggregator,
    from: &[Receiver<Part<Block>>],
    give_back: &SyncSender<Vec<u8>>,
) -> Tally {
    let mut tally = Tally::default();
    for from in from.iter().cycle() {
        match from.recv() {
            Ok(Part::Gap(gap)) => report.lose(&gap),
            Ok(Part::Lines(block)) => {
                for entry in block.borrow_dependent() {
                    report.take_entry(entry, &mut tally);
                }
                // Where nobody wants it, it goes.
                let _ = give_back.try_send(block.into_owner());
            }
            Err(_) => break,
        }
    }
    tally
}

/// Reads to the end, and hands each block to the next thread.
fn hand_on(
    reader: &mut Reader,
    to: &[SyncSender<Part<Vec<u8>>>],
    empty: &Receiver<Vec<u8>>,
) -> Result<(), ReadError> {
    let mut turn = to.iter().cycle();
    // A thread that has gone ends all by its panic.
    let mut send = |part| turn.next().is_some_and(|to| to.send(part).is_ok());
    let mut block = Vec::with_capacity(BLOCK);
    let end = loop {
        match reader.next_piece() {
            Ok(Some(Piece::Lines(lines))) => {
                if block.len() + lines.len() > BLOCK && !block.is_empty() {
                    let mut next = empty.try_recv().unwrap_or_default();
                    next.clear();
                    if !send(Part::Lines(std::mem::replace(&mut block, next))) {
                        return Ok(());
                    }
                }
                block.extend_from_slice(lines);
                if block.last() != Some(&b'\n') {
                    block.push(b'\n');
                }
            }
            Ok(Some(Piece::Gap(gap))) => {
                if !send(Part::Lines(std::mem::take(&mut block))) || !send(Part::Gap(gap)) {
                    return Ok(());
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    send(Part::Lines(block));
    end
}
