//! Records as text for people: one headline a failure, and a few aligned lines
//! under it that answer who, why, whose limit, how full, what to do. Of one limit that is printed
//! once, and what follows is a line or a count (`text/group.rs`).

mod group;
mod groups;
mod moving;
mod rest;
#[cfg(test)]
mod screen_tests;
mod tally;
#[cfg(test)]
mod tests;
mod time;
mod words;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Write},
    time::Instant,
};

use anstyle::Style;

use self::{
    group::{Line, Telling},
    groups::Groups,
    moving::Moving,
    time::{Time, milliseconds},
    words::{candidate, limit_line, name, oom_line, what, who, who_it_is},
};

use crate::{
    model::{Certainty, Fix, LossReason, clean},
    order::Order as _,
    record::{self, Failure, Inside, Loss, OomKill, Record, Repeat, Session, Summary},
    view::{
        colours::Colours,
        count, holders, memory, oom_kills,
        output::{Format, How, Look, Out, Output, Verbosity},
        times::{Day, clock, day, moment, rfc3339, with_offset},
        wrap::wrap,
    },
};

pub(crate) const FORMAT: Format<Record> = Format {
    name: "text",
    about: "For people",
    for_people: true,
    how: How::Stream(open),
};

/// A failure with its whole answer, in lines of this width, as `replay --each -v` prints it.
pub(in crate::view) fn in_full(failure: &Failure, width: usize) -> String {
    let look = Look {
        width,
        verbosity: Verbosity::Verbose,
        each: true,
        recorded: true,
        ..Look::PLAIN
    };
    let record = Record::Failure(Box::new(failure.clone()));
    let text = FORMAT.render(&record, look).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

fn open<'a>(out: Out<'a>, look: Look) -> Box<dyn Output<Record> + 'a> {
    Box::new(Screen {
        chosen: look.chosen,
        recorded: look.recorded,
        each: look.each || look.verbosity == Verbosity::Verbose,
        time: Time::new(look.live),
        moving: look.moves.then(|| Moving::new(look.width)),
        groups: match look.moves {
            true => Groups::in_place(),
            false => Groups::default(),
        },
        ..Screen::new(out, look.colours, look.verbosity, look.width)
    })
}

impl<W: Write> Output<Record> for Screen<W> {
    fn show(&mut self, record: &Record) -> io::Result<()> {
        Self::show(self, record)
    }

    fn due(&self) -> Option<Instant> {
        let count = self.groups.due().and_then(|at| self.time.instant(at));
        let moving = self.moving.as_ref().and_then(Moving::due);
        count.into_iter().chain(moving).min()
    }

    fn pass(&mut self) -> io::Result<()> {
        self.counts_due(self.time.now())?;
        self.move_counts()
    }

    fn settle(&mut self) -> io::Result<()> {
        Self::settle(self)
    }
}

/// What a namespace that forktrace is in means for what it prints.
fn from_inside(inside: Inside) -> &'static str {
    match inside {
        Inside::PidNamespace => {
            "inside a pid namespace: pids, in commands too, are the host's; executables and holders stay unknown"
        }
        Inside::CgroupNamespace => {
            "inside a cgroup namespace: cgroup paths are the host's; files of limits stay unknown"
        }
    }
}

/// Prints records.
pub struct Screen<W> {
    out: W,
    colours: Colours,
    verbosity: Verbosity,
    /// Columns at which text is wrapped.
    width: usize,
    /// What has been told of each limit.
    groups: Groups,
    /// Every failure in full.
    each: bool,
    /// The latest that was, with [`Self::each`].
    latest: u64,
    time: Time,
    /// On a terminal, the counts that move.
    moving: Option<Moving>,
    /// Whose records are shown.
    session: Option<Session>,
    /// Whether threads' stacks are not looked at, where the session says so.
    no_stacks: bool,
    /// Whether the reader of the recording has left records out.
    chosen: bool,
    /// What is shown happened before: nothing that is typed ends it.
    recorded: bool,
    /// The day that the lines are of.
    day: Option<Day>,
    /// A minute of it.
    minute: Option<[u8; 16]>,
}

impl<W: Write> Screen<W> {
    /// `width` in columns (at least 40 are used).
    pub fn new(out: W, colours: bool, verbosity: Verbosity, width: usize) -> Self {
        Self {
            out,
            colours: Colours::new(colours),
            verbosity,
            width: width.max(40),
            groups: Groups::default(),
            each: verbosity == Verbosity::Verbose,
            latest: 0,
            time: Time::new(false),
            moving: None,
            session: None,
            no_stacks: false,
            chosen: false,
            recorded: false,
            day: None,
            minute: None,
        }
    }

    /// Prints one record.
    pub fn show(&mut self, record: &Record) -> io::Result<()> {
        // What was counted so far is of the time before.
        if matches!(record, Record::Session(_)) || self.time.is_set_back(record) {
            self.settle()?;
        }
        let now = self.time.at(record);
        self.counts_due(now)?;
        match record {
            Record::Session(session) => self.session(session),
            Record::Failure(failure) => self
                .new_day(&failure.time)
                .and_then(|()| self.failure(failure)),
            Record::Repeat(repeat) => self.repeat(repeat),
            Record::Loss(loss) => self.loss(loss),
            Record::OomKill(kill) => self.oom_kill(kill),
            Record::Summary(summary) => self.not_in_full().and_then(|()| self.summary(summary)),
        }?;
        self.move_counts()?;
        self.out.flush()
    }

    fn session(&mut self, s: &Session) -> io::Result<()> {
        // A recording that goes on in another file repeats its session there.
        if self.session.as_ref() != Some(s) {
            self.groups.clear();
            self.session = Some(s.clone());
        }
        // Each of the hooks has it in its name.
        let stacks = |target: &str| target.contains("mmap");
        self.no_stacks = !s.probes.is_empty() && !s.probes.iter().any(|p| stacks(&p.target));
        if self.verbosity == Verbosity::Quiet {
            return Ok(());
        }
        let Colours { dim, .. } = self.colours;
        let filters: Vec<String> = s
            .filters
            .iter()
            .map(|(name, value)| format!("{}={}", clean(name), clean(value)))
            .collect();
        let mut line = format!(
            "forktrace {} on {} (Linux {}), attached by {}, {}",
            clean(&s.version),
            clean(&s.host),
            clean(&s.kernel),
            clean(&s.attach),
            with_offset(&s.started),
        );
        if !filters.is_empty() {
            line.push_str(&format!("; only {}", filters.join(", ")));
        }
        line.push_str(if self.recorded { "." } else { ". Ctrl-C ends." });
        for line in wrap(&line, self.width) {
            writeln!(self.out, "{dim}{line}{dim:#}")?;
        }
        self.day = day(&s.started);
        self.minute = None;
        for inside in &s.inside {
            writeln!(self.out, "{dim}  {}{dim:#}", from_inside(*inside))?;
        }
        if self.verbosity == Verbosity::Verbose {
            for absent in &s.absent {
                writeln!(self.out, "{dim}  {}{dim:#}", clean(absent))?;
            }
        }
        Ok(())
    }

    /// Says the date where it is another than that of the line before, and the offset where that is.
    fn new_day(&mut self, time: &str) -> io::Result<()> {
        // Days and offsets change with a minute. What is no time of UTC isn't known by its beginning.
        let minute = time
            .as_bytes()
            .first_chunk()
            .filter(|_| time.ends_with('Z'));
        if minute.is_some() && minute == self.minute.as_ref() {
            return Ok(());
        }
        self.minute = minute.copied().filter(|_| milliseconds(time).is_some());
        let Some(day) = day(time).filter(|day| self.day.as_ref() != Some(day)) else {
            return Ok(());
        };
        let before = self.day.replace(day.clone());
        if !says_day(self.verbosity, before.as_ref(), &day) {
            return Ok(());
        }
        self.settle()?;
        let offset = match before {
            Some(before) if before.offset == day.offset => String::new(),
            _ => format!(", times are {}", day.offset),
        };
        let dim = self.colours.dim;
        writeln!(self.out, "{dim}— {}{offset} —{dim:#}", day.date)
    }

    /// A time, as short as can be: with the date where that isn't the day of the lines around.
    fn time<'t>(&self, time: &'t str) -> Cow<'t, str> {
        if self.verbosity == Verbosity::Verbose {
            return rfc3339(time);
        }
        match (&self.day, day(time)) {
            (Some(shown), Some(day)) if *shown != day => Cow::Owned(moment(time)),
            _ => clock(time),
        }
    }

    fn failure(&mut self, f: &Failure) -> io::Result<()> {
        let (now, at) = (self.time.now(), milliseconds(&f.time));
        let telling = self.groups.take(f, now, at.unwrap_or(now));
        match telling {
            _ if self.each => {
                self.latest = f.seq;
                self.in_full(f)
            }
            Telling::Full => {
                if let Some(line) = self.groups.settle_one(f, now) {
                    self.count(&line)?;
                }
                self.in_full(f)
            }
            Telling::Line {
                first,
                user,
                cgroup,
            } => self.on_a_line(f, first, user, cgroup),
            Telling::Counted => Ok(()),
        }
    }

    /// What differs from the one in full, and whose limit it is.
    fn on_a_line(&mut self, f: &Failure, first: bool, user: bool, cgroup: bool) -> io::Result<()> {
        self.still()?;
        let mut text = format!("{} {} {}: ", f.errno.name(), name(f), what(f));
        match &f.limit {
            Some(limit) if first => {
                let _ = write!(text, "{}, {}", f.cause.id(), candidate(limit));
            }
            Some(limit) => text.push_str(&candidate(limit)),
            None => text.push_str(f.cause.id()),
        }
        if user {
            let _ = write!(text, ", {}", who_it_is(f));
        }
        if let Some(path) = f.cgroup.path.as_ref().filter(|_| cgroup) {
            let _ = write!(text, ", in {}", clean(path));
        }
        let time = self.time(&f.time).into_owned();
        self.after_clock(&time, &text)
    }

    /// Text behind a time, continued under itself.
    fn after_clock(&mut self, time: &str, text: &str) -> io::Result<()> {
        let dim = self.colours.dim;
        let indent = time.len() + 1;
        let room = self.width.saturating_sub(indent).max(20);
        for (n, line) in wrap(text, room).iter().enumerate() {
            match n {
                0 => writeln!(self.out, "{dim}{time}{dim:#} {line}")?,
                _ => writeln!(self.out, "{:indent$}{line}", "")?,
            }
        }
        Ok(())
    }

    fn in_full(&mut self, f: &Failure) -> io::Result<()> {
        self.still()?;
        let Colours {
            bad, good, bold, ..
        } = self.colours;
        let headline = format!(
            "{bad}{}{bad:#} {bold}{}{bold:#} {}: {bold}{}{bold:#}{}",
            f.errno.name(),
            name(f),
            what(f),
            f.cause.id(),
            match f.certainty {
                Certainty::Inferred => " (inferred)",
                Certainty::Observed | Certainty::Unknown => "",
            }
        );
        let time = self.time(&f.time).into_owned();
        self.after_clock(&time, &headline)?;
        self.row("why", &clean(&f.summary))?;
        self.row("who", &who(f))?;
        if let Some(path) = &f.cgroup.path {
            self.row("cgroup", &clean(path))?;
        }
        if let Some(limit) = &f.limit {
            self.row("limit", &limit_line(limit))?;
        }
        if !f.holders.is_empty() {
            self.row("held by", &holders::line(&f.holders))?;
        }
        let lines = f.memory.as_ref().map(memory::short).unwrap_or_default();
        for (n, line) in lines.iter().enumerate() {
            self.row(if n == 0 { "memory" } else { "" }, line)?;
        }
        self.candidates(f)?;
        for fix in &f.fix {
            self.fix(fix, good)?;
        }
        Ok(())
    }

    fn candidates(&mut self, f: &Failure) -> io::Result<()> {
        let shown = match self.verbosity {
            Verbosity::Verbose => usize::MAX,
            _ if f.cause.is_unknown() => 6,
            _ => 3,
        };
        let mut others = Vec::new();
        for c in f.candidates.iter().take(shown) {
            others.push(candidate(c));
        }
        if !others.is_empty() {
            self.row("others", &others.join("; "))?;
        }
        Ok(())
    }

    fn fix(&mut self, fix: &Fix, good: Style) -> io::Result<()> {
        if let Some(now) = &fix.now {
            // A command is never wrapped: it is there to be copied.
            writeln!(self.out, "  {:<8}{good}{}{good:#}", "now", clean(now))?;
        }
        if let Some(persistent) = &fix.persistent {
            self.row("lasting", &clean(persistent))?;
        }
        if let Some(note) = &fix.note {
            self.row("note", &clean(note))?;
        }
        Ok(())
    }

    fn repeat(&mut self, r: &Repeat) -> io::Result<()> {
        let now = self.time.now();
        let at = |time: &str| milliseconds(time).unwrap_or(now);
        if !self.each {
            self.groups.repeat(r, now, at(&r.first), at(&r.last));
            return Ok(());
        }
        let alike = match r.alike {
            record::Alike::Process => "",
            record::Alike::UserAndCgroup => ", of any process of this user and cgroup",
            record::Alike::Check => ", by the same check, of any user and cgroup",
        };
        let of = match self.groups.caller(r.of) {
            _ if r.of == self.latest => "this".to_owned(),
            Some((program, pid)) => format!("an earlier one of {}[{pid}]", clean(program)),
            None => "one that is not shown here".to_owned(),
        };
        let dim = self.colours.dim;
        let (count, last) = (r.count, self.time(&r.last));
        writeln!(
            self.out,
            "{dim}  … {count} more like {of} until {last}{alike}{dim:#}"
        )
    }

    /// Prints the counts that are due by a time.
    fn counts_due(&mut self, now: u64) -> io::Result<()> {
        if self.each {
            return Ok(());
        }
        for line in self.groups.lines(now) {
            self.count(&line)?;
        }
        Ok(())
    }

    fn count(&mut self, line: &Line) -> io::Result<()> {
        self.still()?;
        let time = self.time.clock(line.at);
        let text = clean(&line.text).into_owned();
        self.after_clock(&clock(&time), &text)?;
        self.out.flush()
    }

    /// Takes the counts that move off the terminal: something is printed where they stand.
    fn still(&mut self) -> io::Result<()> {
        match &mut self.moving {
            Some(moving) => moving.clear(&mut self.out),
            None => Ok(()),
        }
    }

    fn move_counts(&mut self) -> io::Result<()> {
        match &mut self.moving {
            Some(moving) if !self.each => moving.draw(&mut self.out, || self.groups.moving()),
            _ => Ok(()),
        }
    }

    /// Prints what has not been said of the failures so far.
    pub fn settle(&mut self) -> io::Result<()> {
        self.still()?;
        if !self.each {
            for line in self.groups.settle(self.time.now()) {
                self.count(&line)?;
            }
        }
        self.out.flush()
    }

    /// One calm line: it is no failure, and says what one may have to do with.
    fn oom_kill(&mut self, k: &OomKill) -> io::Result<()> {
        self.still()?;
        if self.verbosity == Verbosity::Quiet {
            return Ok(());
        }
        self.new_day(&k.time)?;
        let Colours { dim, bold, .. } = self.colours;
        writeln!(
            self.out,
            "{dim}{}{dim:#} {bold}OOM kill{bold:#}: {}",
            self.time(&k.time),
            oom_line(k)
        )
    }

    fn loss(&mut self, l: &Loss) -> io::Result<()> {
        self.still()?;
        let bad = self.colours.bad;
        match &l.reason {
            LossReason::OomKill => {
                let kills = oom_kills(l.count);
                writeln!(self.out, "{bad}  … {kills} could not be recorded{bad:#}")
            }
            LossReason::Skipped => writeln!(
                self.out,
                "{bad}  … the kernel skipped forktrace on up to {} returns, failing or not{bad:#}",
                l.count
            ),
            reason => writeln!(
                self.out,
                "{bad}  … {} failures since {} were counted without detail ({}){bad:#}",
                l.count,
                self.time(&l.since),
                clean(reason.name())
            ),
        }
    }

    /// Says that there were limits of which lines and counts are all that has been printed.
    fn not_in_full(&mut self) -> io::Result<()> {
        if self.each || self.verbosity == Verbosity::Quiet {
            return Ok(());
        }
        let Some(text) = self.groups.not_in_full() else {
            return Ok(());
        };
        self.settle()?;
        let dim = self.colours.dim;
        for line in wrap(&text, self.width) {
            writeln!(self.out, "{dim}{line}{dim:#}")?;
        }
        Ok(())
    }

    fn summary(&mut self, s: &Summary) -> io::Result<()> {
        self.settle()?;
        if self.verbosity == Verbosity::Quiet {
            return Ok(());
        }
        let Colours { dim, bold, .. } = self.colours;
        if s.oom_kills > 0 {
            writeln!(self.out, "{}", oom_kills(s.oom_kills))?;
        }
        if s.failures == 0 {
            let filters = self.session.as_ref().map(|session| session.filters.clone());
            let nothing = nothing(&filters.unwrap_or_default(), self.chosen, s.other_errnos);
            writeln!(self.out, "{dim}{nothing}{dim:#}")?;
            if self.no_stacks && !self.chosen {
                writeln!(self.out, "{dim}{STACKS}{dim:#}")?;
            }
            return Ok(());
        }
        let mut causes: Vec<_> = s.causes.iter().collect();
        causes.order_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let causes: Vec<String> = causes
            .iter()
            .map(|(c, n)| format!("{n} {}", clean(c)))
            .collect();
        writeln!(
            self.out,
            "{bold}{} failed creation{}{bold:#}: {}",
            s.failures,
            if s.failures == 1 { "" } else { "s" },
            causes.join(", ")
        )?;
        if let Some(others @ 1..) = s.other_errnos {
            let them = count(others, "creation");
            writeln!(
                self.out,
                "beside these {them} failed with other errnos: --errno all"
            )?;
        }
        if s.lost > 0 {
            writeln!(self.out, "{} of these without detail", s.lost)?;
        }
        if s.skipped > 0 {
            writeln!(
                self.out,
                "up to {} more can have gone unseen: the kernel skipped forktrace (least with --attach kprobe)",
                s.skipped
            )?;
        }
        Ok(())
    }

    /// One labelled line, continued under itself where it is too long.
    fn row(&mut self, label: &str, text: &str) -> io::Result<()> {
        const INDENT: usize = 10;
        let room = self.width.saturating_sub(INDENT).max(20);
        let mut label = label;
        for line in wrap(text, room) {
            let dim = self.colours.dim;
            writeln!(self.out, "  {dim}{label:<8}{dim:#}{line}")?;
            label = "";
        }
        Ok(())
    }
}

/// Whether a day that is another than that of the line before is to be said.
fn says_day(verbosity: Verbosity, before: Option<&Day>, day: &Day) -> bool {
    match verbosity {
        // Each time has its date.
        Verbosity::Verbose => false,
        // The first line, with the day, was not wanted. Of times that are none of UTC the offset is needed.
        Verbosity::Quiet => before.is_some() || !day.is_utc(),
        Verbosity::Normal => true,
    }
}

/// Where "can't start new thread" was the reason to look, it may have failed before clone was called.
const STACKS: &str =
    "Threads whose stack could not be mapped are not among these: --thread-stacks.";

/// That there was nothing, of what was looked for: a failure beside that is no success.
fn nothing(filters: &BTreeMap<String, String>, chosen: bool, others: Option<u64>) -> String {
    if chosen {
        return "No failed creation that the filters given let through.".to_owned();
    }
    let mut text = match (filters.get("errno").map(String::as_str), others) {
        (None, Some(others @ 1..)) => format!(
            "No failed creation with EAGAIN or ENOMEM, but {} with other errnos: --errno all",
            count(others, "creation")
        ),
        (None, Some(0)) => "No failed creation, whatever the errno".to_owned(),
        (None, None) => {
            "No failed creation with EAGAIN or ENOMEM (other errnos: --errno all)".to_owned()
        }
        (Some("all"), _) => "No failed creation".to_owned(),
        (Some(names), _) => format!(
            "No failed creation with {} (other errnos: --errno all)",
            clean(names)
        ),
    };
    let others: Vec<String> = filters
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "errno" | "command"))
        .map(|(name, value)| format!("{}={}", clean(name), clean(value)))
        .collect();
    if !others.is_empty() {
        text.push_str(&format!(
            ", of those that {} lets through",
            others.join(", ")
        ));
    }
    if let Some(command) = filters.get("command") {
        text.push_str(&format!(", by `{}` or its descendants", clean(command)));
    }
    text.push('.');
    text
}
