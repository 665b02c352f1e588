//! Takes lines, and counts.

use std::hash::Hash;

use jiff::Timestamp;

use super::{
    ahead,
    bursts::Bursts,
    counts::{Counts, Kind, add},
    distinct::Distinct,
    line::{self, Entry, Refusal},
    once::Once,
    oom::OomKills,
    rollup::{Happened, Rollup},
    rows::{CallerState, CgroupState, KeyMaker, LimitState},
    session::{Counted, Known, Sessions, Waiting},
    table::Table,
    timeline::Timeline,
    when::When,
};
use crate::{
    model::{Cause, LossReason, time::timestamp},
    record::{Alike, Loss, OomKill, Record, Repeat, Session, Summary},
    recording::{Damage, Gap, LeftOut, Piece, ReadError, Reader, Unmet, Wanted, lines_of},
};

/// Rows that each table keeps at least.
const ROWS: usize = 1024;
/// Rows that each table of a digest keeps at least: forktrace sums it up while it traces, and has
/// to stay small.
const DIGEST_ROWS: usize = 64;

/// Sums lines of recordings up, in constant memory.
#[derive(Clone)]
pub struct Aggregator {
    pub(super) wanted: Wanted,
    pub(super) files: u64,
    pub(super) damage: Damage,
    pub(super) sessions: Sessions,
    /// The session whose records are being read.
    current: Option<usize>,
    /// What has been read of it, in this file.
    so_far: SoFar,
    pub(super) counts: Counts,
    pub(super) limits: Table<LimitState>,
    pub(super) callers: Table<CallerState>,
    pub(super) cgroups: Table<CgroupState>,
    pub(super) timeline: Timeline<Option<Cause>>,
    pub(super) rollup: Rollup,
    pub(super) distinct: Distinct,
    pub(super) bursts: Bursts,
    pub(super) oom: OomKills,
    pub(super) left_out: LeftOut,
    /// Failures that stand in the files again.
    pub(super) again: u64,
    /// `None`: each record comes once.
    pub(super) once: Option<Once>,
    /// Keeps what a page shows beside sums.
    page: bool,
    /// Whether the record that was taken last is one that has not been counted before.
    new: bool,
    keys: KeyMaker,
}

/// What lines were.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    pub records: u64,
    pub unreadable: u64,
}

/// Where the records of a file stand that grows.
#[derive(Clone, Copy, Default)]
pub struct Standing {
    current: Option<usize>,
    so_far: SoFar,
}

/// What tells the records of a session from those of another, where some are missing.
#[derive(Clone, Copy, Default)]
struct SoFar {
    /// Of the last failure.
    seq: u64,
    /// Its summary has come.
    ended: bool,
    /// Of its latest failure, or repeat of one.
    latest: Option<Timestamp>,
    /// Records are missing since.
    gap: bool,
}

impl Aggregator {
    /// Counts only what is wanted.
    pub fn new(wanted: Wanted) -> Self {
        Self::with_rows(wanted, ROWS)
    }

    /// Keeps single failures, too, and how full each limit was over time.
    #[must_use]
    pub fn for_page(mut self) -> Self {
        self.page = true;
        self
    }

    /// For a digest: counts everything, with smaller tables.
    pub fn for_digest() -> Self {
        Self {
            sessions: Sessions::in_order(),
            once: None,
            ..Self::with_rows(Wanted::default(), DIGEST_ROWS)
        }
    }

    pub(super) fn with_rows(wanted: Wanted, rows: usize) -> Self {
        Self {
            wanted,
            files: 0,
            damage: Damage::default(),
            sessions: Sessions::default(),
            current: None,
            so_far: SoFar::default(),
            counts: Counts::default(),
            limits: Table::new(rows),
            callers: Table::new(rows),
            cgroups: Table::new(rows),
            timeline: Timeline::default(),
            rollup: Rollup::new(rows),
            distinct: Distinct::default(),
            bursts: Bursts::default(),
            oom: OomKills::new(rows),
            left_out: LeftOut::default(),
            again: 0,
            once: Some(Once::default()),
            page: false,
            new: true,
            keys: KeyMaker::default(),
        }
    }

    /// The lines that follow are another file's.
    pub fn begin_file(&mut self) {
        self.files += 1;
        self.current = None;
        self.so_far = SoFar::default();
    }

    /// Records are missing here. Whose those are that follow is not always known: what comes behind
    /// the end of a session, or with a number that the session has given before, is of another.
    pub fn lose(&mut self, gap: &Gap) {
        self.so_far.gap = true;
        if let Some(about) = &gap.session {
            let found = self.sessions.find_unsure(about);
            self.so_far = SoFar::default();
            self.go_on_with(found);
        }
        if gap.lines > 0 {
            let at = self.session();
            add(&mut self.sessions.all[at].lost_lines, gap.lines);
        }
    }

    /// Before a record of the session is taken: whether it still is that session's.
    fn go_on(&mut self, seq: Option<u64>) {
        let so_far = &mut self.so_far;
        let another = so_far.ended || seq.is_some_and(|seq| seq <= so_far.seq);
        if std::mem::take(&mut so_far.gap) && another {
            *so_far = SoFar::default();
            self.current = None;
        }
        self.so_far.seq = seq.unwrap_or(self.so_far.seq);
    }

    /// What was passed over in a file.
    pub fn add_damage(&mut self, damage: Damage) {
        self.damage.add(damage);
    }

    /// Takes a file: what of it could be read, in its order.
    pub fn read(&mut self, reader: &mut Reader) -> Result<(), ReadError> {
        self.read_with(reader, ahead::workers())
    }

    /// Takes what has come to a file since it was read last; `None`: it has not been read. Where it stands
    /// then.
    pub fn read_on(
        &mut self,
        reader: &mut Reader,
        standing: Option<Standing>,
    ) -> Result<Standing, ReadError> {
        match standing {
            Some(Standing { current, so_far }) => {
                self.current = current;
                self.so_far = so_far;
            }
            None => self.begin_file(),
        }
        let mut read = self.read_lines(reader, ahead::workers());
        if standing.is_none() && read.is_ok() {
            read = reader.end();
            // What is none of ours is no file of these.
            self.files -= u64::from(read.is_err());
        }
        if read.is_ok() {
            self.damage.add(reader.damage());
        }
        read.map(|()| Standing {
            current: self.current,
            so_far: self.so_far,
        })
    }

    /// The same, with so many threads that make out lines.
    pub(super) fn read_with(
        &mut self,
        reader: &mut Reader,
        workers: usize,
    ) -> Result<(), ReadError> {
        self.begin_file();
        let read = self.read_lines(reader, workers);
        let read = read.and_then(|()| reader.end());
        self.damage.add(reader.damage());
        read
    }

    fn read_lines(&mut self, reader: &mut Reader, workers: usize) -> Result<(), ReadError> {
        let quick = self.takes_all();
        let (mut bytes, mut alone) = (0, false);
        while let Some(piece) = reader.next_piece()? {
            match piece {
                Piece::Gap(gap) => self.lose(&gap),
                Piece::Lines(lines) => {
                    bytes += lines.len();
                    let mut tally = Tally::default();
                    for line in lines_of(lines) {
                        let entry = line.map_or(Entry::Strange, |line| line::entry(line, quick));
                        self.take_entry(&entry, &mut tally);
                    }
                    reader.judged(tally.records, tally.unreadable);
                }
            }
            if bytes > ahead::WORTH && !alone {
                if ahead::read(self, reader, workers)? {
                    break;
                }
                alone = true;
            }
        }
        Ok(())
    }

    /// Whether nothing is asked of failures that a report itself doesn't need.
    pub(super) fn takes_all(&self) -> bool {
        !self.wanted.is_active()
    }

    /// Takes what a line is.
    pub(super) fn take_entry(&mut self, entry: &Entry<'_>, tally: &mut Tally) {
        match entry {
            Entry::Refusal(refusal, line) => {
                self.go_on(Some(refusal.seq));
                let new = self.is_new(refusal.seq);
                self.failure(refusal, new, Some(line));
            }
            Entry::Record(record, line) => self.take_parsed(record, Some(line)),
            Entry::Strange => {
                tally.unreadable += 1;
                self.lose(&Gap::default());
                return;
            }
        }
        tally.records += 1;
    }

    /// Takes a line, without its newline; `None`: it is no record.
    pub fn take(&mut self, line: &[u8]) -> Option<()> {
        match line::entry(line, self.takes_all()) {
            Entry::Strange => None,
            entry => {
                self.take_entry(&entry, &mut Tally::default());
                Some(())
            }
        }
    }

    /// Takes a record.
    pub fn take_record(&mut self, record: &Record) {
        self.take_parsed(record, None);
    }

    /// `line`: what it was read from.
    fn take_parsed(&mut self, record: &Record, line: Option<&[u8]>) {
        self.new = true;
        match record {
            Record::Session(_) => self.so_far = SoFar::default(),
            Record::Failure(failure) => self.go_on(Some(failure.seq)),
            Record::Summary(_) => {
                self.go_on(None);
                self.so_far.ended = true;
            }
            Record::Repeat(_) | Record::Loss(_) | Record::OomKill(_) => self.go_on(None),
        }
        match record {
            Record::Failure(failure) => {
                let new = self.is_new(failure.seq);
                self.so_far.latest = timestamp(&failure.time).or(self.so_far.latest);
                // The order of the files must not matter, so what is chosen is
                // remembered whether its time is wanted or not.
                if new && self.wanted.is_active() && !self.wanted.wants(failure) {
                    self.left_out.add(&self.wanted, failure);
                }
                if self.wanted.chosen(failure) {
                    let counted = new && self.wanted.in_time(&failure.time, &failure.time);
                    self.failure(&Refusal::of(failure), counted, line);
                } else {
                    let unmet = self.wanted.unmet(failure);
                    self.remember(failure.seq, Known::Unwanted(unmet));
                }
            }
            Record::Session(about) => {
                let found = self.sessions.find(about);
                self.go_on_with(found);
            }
            Record::Repeat(repeat) => self.repeat(repeat),
            Record::Loss(loss) => self.loss(loss),
            Record::OomKill(kill) => self.oom_kill(kill),
            Record::Summary(summary) => self.summary(summary),
        }
    }

    /// Whether no file before had this failure of the session.
    fn is_new(&mut self, seq: u64) -> bool {
        let at = self.session();
        let new = match &mut self.once {
            Some(once) if !self.sessions.is_shared(at) => once.failure(at, seq),
            _ => true,
        };
        add(&mut self.again, u64::from(!new));
        self.new = new;
        new
    }

    /// The same, of records without a number.
    fn is_new_record(&mut self, says: impl Hash) -> bool {
        let at = self.session();
        self.new = match &mut self.once {
            Some(once) if !self.sessions.is_shared(at) => once.other(at, says),
            _ => true,
        };
        self.new
    }

    /// Whether the record that was taken last is one that has not been counted before.
    pub(crate) fn was_new(&self) -> bool {
        self.new
    }

    /// Which session it is of: the place that it has among the sessions, or the one that all beyond
    /// the bound have.
    pub(crate) fn place_of_session(&mut self) -> usize {
        self.session()
    }

    /// The session at that place, where undamaged data says which it is.
    pub(crate) fn known_session(&mut self) -> Option<&Session> {
        let at = self.session();
        let session = &self.sessions.all[at];
        let is_sure = !session.unsure && !self.sessions.is_shared(at);
        session.about.as_ref().filter(|_| is_sure)
    }

    /// Whether that place is one of many.
    pub(crate) fn is_place_shared(&mut self) -> bool {
        let at = self.session();
        self.sessions.is_shared(at)
    }

    fn failure(&mut self, r: &Refusal<'_>, counted: bool, line: Option<&[u8]>) {
        let at = self.session();
        let session = &mut self.sessions.all[at];
        let (host, host_id) = (&session.host, session.host_id);
        let when = if counted {
            When::parse(&r.time, &r.time)
        } else {
            When::default()
        };
        if let Some((_, at)) = when.get() {
            self.so_far.latest = Some(at);
        }
        let count = u64::from(counted);
        let happened = Happened {
            host: host_id,
            count,
            when,
            cause: Some(r.cause),
        };
        let key = self.keys.limit(host_id, r);
        let short = || self.distinct.short(key);
        let new = || LimitState::new(host, r, short());
        let (limit, row) = self.limits.add(key, count, new);
        let value = row
            .values
            .place(r.limit.as_ref().and_then(|limit| limit.value));
        if counted {
            if self.page {
                row.fill.get_or_insert_default();
            }
            row.take(when, r);
            row.values.add(value, 1);
        }
        let untold = row.untold.take_if(|_| counted);
        let first = untold.is_some_and(|short| self.distinct.is_new(short));
        if let Some(kind) = self.rollup.limit(Some(row), true, happened)
            && counted
        {
            let limit = r.limit.as_ref();
            let usage = limit.and_then(|limit| limit.usage);
            kind.take_limit(first, limit.and_then(|limit| limit.value), usage);
            if let (true, Some(line)) = (self.page, line) {
                let samples = kind.samples.get_or_insert_default();
                samples.take(when, usage, host, line);
            }
        }
        let key = self.keys.caller(host_id, r);
        let (caller, row) = self.callers.add(key, count, || CallerState::new(host, r));
        if counted {
            row.take(when, r);
        }
        self.rollup.caller(Some(row), Alike::Process, happened);
        let key = self.keys.cgroup(host_id, r);
        let (cgroup, row) = self.cgroups.add(key, count, || CgroupState::new(host, r));
        row.take(when, r);
        self.rollup.cgroup(Some(row), true, happened);
        let kind = Kind {
            cause: r.cause,
            errno: r.errno,
            operation: r.operation,
            certainty: r.certainty,
        };
        if counted {
            self.counts.in_full += 1;
            self.counts.add(kind, 1, when);
            self.place(at, when, Some(kind.cause), 1);
        }
        let known = Known::Counted(Counted {
            kind,
            limit,
            value,
            caller,
            pid: r.caller.pid,
            cgroup,
        });
        self.remember(r.seq, known);
    }

    fn remember(&mut self, seq: u64, known: Known) {
        let at = self.session();
        let waited = self.sessions.remember(at, seq, known);
        match (waited, known) {
            (Some(waiting), Known::Counted(counted)) => self.repeats(at, counted, waiting),
            (Some(waiting), Known::Unwanted(unmet)) => {
                let repeat = Repeat {
                    of: seq,
                    count: waiting.count,
                    first: waiting.when.first().unwrap_or_default(),
                    last: waiting.when.last().unwrap_or_default(),
                    alike: waiting.alike,
                };
                self.unwanted(unmet, &repeat);
            }
            (None, _) => {}
        }
    }

    /// Repeats of a failure that the filters left out.
    fn unwanted(&mut self, unmet: Unmet, repeat: &Repeat) {
        if !self.left_out.add_repeats(&self.wanted, unmet, repeat) {
            add(&mut self.counts.unjudged, repeat.count);
        }
    }

    fn repeat(&mut self, repeat: &Repeat) {
        let Repeat {
            of,
            count,
            first,
            last,
            alike,
        } = repeat;
        if !self.is_new_record((of, count, first, last, *alike as u8)) {
            return add(&mut self.again, *count);
        }
        let at = self.session();
        let latest = timestamp(&repeat.last).max(self.so_far.latest);
        self.so_far.latest = latest;
        if !self.wanted.in_time(&repeat.first, &repeat.last) {
            let unmet = match self.sessions.recall(at, repeat.of) {
                Some(Known::Unwanted(unmet)) => unmet,
                _ => Unmet::default(),
            };
            return self.unwanted(unmet, repeat);
        }
        let repeats = Waiting {
            count: repeat.count,
            when: When::parse(&repeat.first, &repeat.last),
            alike: repeat.alike,
        };
        match self.sessions.recall(at, repeat.of) {
            Some(Known::Counted(counted)) => self.repeats(at, counted, repeats),
            Some(Known::Unwanted(unmet)) => self.unwanted(unmet, repeat),
            None => {
                if let Some(back) = self.sessions.wait(at, repeat.of, repeats) {
                    self.unknown(at, back);
                }
            }
        }
    }

    fn repeats(&mut self, at: usize, of: Counted, Waiting { count, when, alike }: Waiting) {
        if !self.wanted.can_judge(alike) {
            add(&mut self.counts.unjudged, count);
            return;
        }
        add(&mut self.counts.repeated, count);
        self.counts.add(of.kind, count, when);
        let same_cgroup = alike.is_of_cgroup();
        let happened = Happened {
            host: self.sessions.all[at].host_id,
            count,
            when,
            cause: Some(of.kind.cause),
        };
        let mut first = false;
        if let Some(row) = self.limits.again_if(same_cgroup, of.limit, count) {
            row.when.cover(when);
            row.values.add(of.value, count);
            let untold = row.untold.take();
            first = untold.is_some_and(|short| self.distinct.is_new(short));
        }
        if let Some(row) = self.callers.again_if(alike.is_process(), of.caller, count) {
            row.again(of.pid, count, when);
        }
        if let Some(row) = self.cgroups.again_if(same_cgroup, of.cgroup, count) {
            row.when.cover(when);
        }
        let limit = self.limits.row_mut(of.limit);
        if let Some(kind) = self.rollup.limit(limit, same_cgroup, happened) {
            kind.take_limit(first, None, None);
        }
        let caller = self.callers.row_mut(of.caller);
        self.rollup.caller(caller, alike, happened);
        let cgroup = self.cgroups.row_mut(of.cgroup);
        self.rollup.cgroup(cgroup, same_cgroup, happened);
        self.place(at, when, Some(of.kind.cause), count);
    }

    /// Counts repeats whose failure is in none of the files.
    pub(super) fn unknown(&mut self, at: usize, Waiting { count, when, .. }: Waiting) {
        if self.wanted.chooses() {
            add(&mut self.counts.unjudged, count);
            return;
        }
        self.counts.of_unknown.add(count, when);
        self.place(at, when, None, count);
    }

    fn loss(&mut self, loss: &Loss) {
        if !self.is_new_record((loss.count, &loss.since, loss.reason.name())) {
            return;
        }
        // Its beginning may be long before the first failure that it is about.
        let at = timestamp(&loss.since).max(self.so_far.latest);
        let at = at.map_or_else(|| loss.since.clone(), |at| at.to_string());
        if !self.wanted.in_time(&at, &at) {
            return self.left_out.add_loss(&self.wanted, loss, &at);
        }
        let when = When::parse(&at, &at);
        match loss.reason {
            LossReason::OomKill => return add(&mut self.oom.lost, loss.count),
            LossReason::Skipped => return add(&mut self.counts.skipped, loss.count),
            _ => {}
        }
        if self.wanted.chooses() {
            add(&mut self.counts.unjudged, loss.count);
            return;
        }
        let at = self.session();
        self.counts.lose(loss.reason.name(), loss.count);
        self.counts.lost.add(loss.count, when);
        add(&mut self.sessions.all[at].lost, loss.count);
        self.place(at, when, None, loss.count);
    }

    fn oom_kill(&mut self, kill: &OomKill) {
        if self.is_new_record((&kill.time, kill.victim.pid)) && self.wanted.wants_kill(kill) {
            let at = self.session();
            let session = &self.sessions.all[at];
            self.oom.add(session.host_id, &session.host, kill);
        }
    }

    fn summary(&mut self, summary: &Summary) {
        let at = self.session();
        self.sessions.all[at].summary = Some(Summary {
            ended: summary.ended.clone(),
            // Nobody but forktrace says by how much the causes may be many.
            causes: Default::default(),
            ..*summary
        });
    }

    /// Puts failures at their session and their time.
    fn place(&mut self, at: usize, when: When, cause: Option<Cause>, count: u64) {
        let session = &mut self.sessions.all[at];
        add(&mut session.failures, count);
        session.when.cover(when);
        if cause.is_some_and(Cause::is_about_memory) {
            self.oom.refused(session.host_id, when, count);
        }
        self.bursts.add(session.host_id, when, cause, count);
        self.timeline.add(when, cause, count);
        let happened = Happened {
            host: session.host_id,
            count,
            when,
            cause,
        };
        self.rollup.place(&session.host, happened);
    }

    /// The one that the records belong to.
    fn session(&mut self) -> usize {
        if let Some(at) = self.current {
            return at;
        }
        let found = self.sessions.nameless();
        self.go_on_with(found)
    }

    /// With what others have left at its place.
    fn go_on_with(&mut self, (at, given_up): (usize, Option<Waiting>)) -> usize {
        self.current = Some(at);
        if let Some(waiting) = given_up {
            self.unknown(at, waiting);
        }
        at
    }
}
