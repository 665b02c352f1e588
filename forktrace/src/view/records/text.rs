//! Records as text for people: one headline a failure, and a few aligned lines
//! under it that answer who, why, whose limit, how full, what to do. Of one limit that is printed
//! once, and what follows is a line or a count (`text/group.rs`).

mod group;
mod moving;
#[cfg(test)]
mod screen_tests;
mod tally;
mod time;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Write},
    time::Instant,
};

use anstyle::Style;

use self::{
    group::{Groups, Line, Telling},
    moving::Moving,
    time::Time,
};

use crate::{
    model::{Certainty, Fix, Limit, LossReason, Operation, amount, clean, program_and_thread},
    record::{self, Failure, Inside, Loss, OomKill, Record, Repeat, Session, Summary},
    view::{
        colours::Colours,
        holders, memory, oom_kills,
        output::{Format, How, Look, Out, Output, Verbosity},
        times::{Day, clock, day, moment, rfc3339, with_offset},
        wrap::wrap,
    },
};

pub const FORMAT: Format<Record> = Format {
    name: "text",
    about: "For people",
    for_people: true,
    how: How::Stream(open),
};

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
    /// Of the session.
    filters: BTreeMap<String, String>,
    /// Whether threads' stacks are not looked at, where the session says so.
    no_stacks: bool,
    /// Whether the reader of the recording has left records out.
    chosen: bool,
    /// What is shown happened before: nothing that is typed ends it.
    recorded: bool,
    /// The day that the lines are of.
    day: Option<Day>,
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
            filters: BTreeMap::new(),
            no_stacks: false,
            chosen: false,
            recorded: false,
            day: None,
        }
    }

    /// Prints one record.
    pub fn show(&mut self, record: &Record) -> io::Result<()> {
        if matches!(record, Record::Session(_)) {
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
        self.groups.clear();
        self.filters = s.filters.clone();
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
        let (now, at) = (self.time.now(), time::milliseconds(&f.time));
        let telling = self.groups.take(f, &group_title(f), now, at.unwrap_or(now));
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
        let at = |time: &str| time::milliseconds(time).unwrap_or(now);
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
            let nothing = nothing(&self.filters, self.chosen, s.other_errnos);
            writeln!(self.out, "{dim}{nothing}{dim:#}")?;
            if self.no_stacks && !self.chosen {
                writeln!(self.out, "{dim}{STACKS}{dim:#}")?;
            }
            return Ok(());
        }
        let mut causes: Vec<_> = s.causes.iter().collect();
        causes.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
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
            let them = other_errnos(others);
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
            other_errnos(others)
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

/// "3 creations".
fn other_errnos(count: u64) -> String {
    match count {
        1 => "1 creation".to_owned(),
        n => format!("{n} creations"),
    }
}

/// "java (http-nio-8080-e)[812]".
fn name(f: &Failure) -> String {
    let name = program_and_thread(f.caller.program(), &f.caller.comm);
    format!("{}[{}]", clean(&name), f.caller.pid)
}

/// What failures of one group have in common: the limit, or the cause and where.
fn group_title(f: &Failure) -> String {
    match (&f.limit, &f.cgroup.path) {
        (Some(limit), _) => title(limit),
        (None, Some(path)) if f.cause.is_unknown() => {
            format!("cause unknown, in {}", clean(path))
        }
        (None, Some(path)) => format!("{} in {}", f.cause.id(), clean(path)),
        (None, None) => f.cause.id().to_owned(),
    }
}

fn what(f: &Failure) -> String {
    let operation = match f.operation {
        Operation::Process => "process",
        Operation::Thread => "thread",
        // By a call of another name: one bracket holds both.
        Operation::Vfork => match &f.syscall {
            Some(call) if call != "vfork" => return format!("process (vfork, {call})"),
            _ => "process (vfork)",
        },
        Operation::Exec => "program",
        Operation::KernelThread => "kernel thread",
        Operation::IoWorker => "io_uring worker",
        Operation::ThreadStack => "thread stack",
    };
    match &f.syscall {
        Some(call) if call != "vfork" => format!("{operation} ({call})"),
        _ => operation.to_owned(),
    }
}

/// "postgres (uid 112)".
fn who_it_is(f: &Failure) -> String {
    let c = &f.caller;
    match &c.user {
        Some(user) => format!("{} (uid {})", clean(user), c.uid),
        None => format!("uid {}", c.uid),
    }
}

fn who(f: &Failure) -> String {
    let c = &f.caller;
    let mut who = who_it_is(f);
    if c.tid != c.pid {
        let _ = write!(who, ", thread {}", c.tid);
    }
    let _ = write!(who, ", child of {}", c.ppid);
    if let Some(exe) = &c.exe {
        let _ = write!(who, ", {}", clean(exe));
    }
    if let Some(unit) = &f.cgroup.unit {
        let _ = write!(who, ", unit {}", clean(unit));
    }
    if let Some(container) = &f.cgroup.container {
        let short: String = container.chars().take(12).collect();
        let _ = write!(who, ", container {}", clean(&short));
    }
    if let Some(pod) = &f.cgroup.pod {
        let _ = write!(who, ", pod {}", clean(pod));
        if let Some(qos) = f.cgroup.qos {
            let _ = write!(who, " ({qos:?})");
        }
    }
    who
}

/// "postgres (pid 812) in /x, by memory.max of /x (64 MiB, in use 64 MiB)".
fn oom_line(k: &OomKill) -> String {
    let mut line = format!("{} (pid {})", clean(&k.victim.comm), k.victim.pid);
    if let Some(path) = &k.cgroup.path {
        let _ = write!(line, " in {}", clean(path));
    }
    match (&k.constraint, &k.limit) {
        (_, Some(limit)) => {
            let _ = write!(line, ", by {}", title(limit));
            if let (Some(value), Some(usage)) = (limit.value, limit.usage) {
                let (value, usage) = (amount(value, limit.unit), amount(usage, limit.unit));
                let _ = write!(line, " ({value}, in use {usage})");
            }
        }
        (Some(_), None) => {
            let _ = write!(line, ": {}", k.reason());
        }
        (None, None) => {}
    }
    if k.already_dying == Some(true) {
        line.push_str("; it was dying already");
    }
    line
}

/// "pids.max of /a".
fn title(limit: &Limit) -> String {
    clean(&limit.title()).into_owned()
}

fn limit_line(l: &Limit) -> String {
    let mut line = title(l);
    if let Some(value) = l.value {
        let _ = write!(line, " = {}", amount(value, l.unit));
    }
    if let Some(usage) = l.usage {
        let _ = write!(line, ", in use {}", amount(usage, l.unit));
    }
    if let Some(requested) = l.requested {
        let _ = write!(line, ", asked for {}", amount(requested, l.unit));
    }
    line
}

fn candidate(c: &Limit) -> String {
    let numbers = how_full(c).unwrap_or_else(|| "?".to_owned());
    format!("{}: {numbers}", title(c))
}

/// "60 of 60".
fn how_full(c: &Limit) -> Option<String> {
    let (usage, bound) = (c.usage?, c.bound()?);
    Some(format!(
        "{} of {}",
        amount(usage, c.unit),
        amount(bound, c.unit)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Constraint, oom_kill::tests::kill};

    #[test]
    fn what_failures_have_in_common_is_called_by_its_name() {
        let mut f = crate::report::tests::failure(1, "2026-01-01T08:35:40Z");
        f.limit = None;
        f.cgroup.path = Some("/".to_owned());
        f.cause = crate::model::Cause::Unknown;
        assert_eq!(group_title(&f), "cause unknown, in /");
        f.cause = crate::model::Cause::Lsm;
        assert_eq!(group_title(&f), "lsm in /");
    }

    fn shown(kill: OomKill, verbosity: Verbosity) -> String {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, false, verbosity, 80);
        screen.show(&Record::OomKill(Box::new(kill))).unwrap();
        drop(screen);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_oom_kill_is_one_calm_line() {
        let at = "2026-01-01T13:14:15Z";
        assert_eq!(
            shown(kill(at), Verbosity::Normal),
            "— 2026-01-01, times are UTC —\n13:14:15 OOM kill: postgres (pid 812) in /x/y.service, by \
             memory.max of /x (64.0 MiB, in use 64.0 MiB)\n"
        );
        let mut other = kill(at);
        other.limit = None;
        other.constraint = Some(Constraint::None);
        other.victim.comm = "a\nb".to_owned();
        other.already_dying = Some(true);
        assert_eq!(
            shown(other, Verbosity::Normal),
            "— 2026-01-01, times are UTC —\n13:14:15 OOM kill: a\\u{a}b (pid 812) in /x/y.service: the \
             host had none left, or sysrq asked for it; it was dying already\n"
        );
        assert_eq!(shown(kill(at), Verbosity::Quiet), "");
    }

    fn session(started: &str) -> Session {
        serde_json::from_value(serde_json::json!({
            "schema": 1, "version": "0.1.0", "host": "web-1", "kernel": "6.12.0", "attach": "fexit",
            "probes": [], "absent": [], "limits": {}, "started": started,
            "filters": {"cause": "lsm"},
        }))
        .unwrap()
    }

    fn printed(records: &[Record], verbosity: Verbosity, recorded: bool) -> String {
        let mut out = Vec::new();
        let mut screen = Screen {
            recorded,
            ..Screen::new(&mut out, false, verbosity, 80)
        };
        for record in records {
            screen.show(record).unwrap();
        }
        drop(screen);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_session_line_has_the_offset_the_filters_and_whole_words() {
        let session = Record::Session(Box::new(session("2026-01-01T13:14:15.5Z")));
        assert_eq!(
            printed(std::slice::from_ref(&session), Verbosity::Normal, false),
            "forktrace 0.1.0 on web-1 (Linux 6.12.0), attached by fexit, 2026-01-01 13:14:15\nUTC; \
             only cause=lsm. Ctrl-C ends.\n"
        );
        // Nothing typed ends what was.
        let recorded = printed(&[session], Verbosity::Normal, true);
        assert!(recorded.ends_with("cause=lsm.\n"), "{recorded}");
    }

    #[test]
    fn each_day_is_said_once() {
        let kills = |times: &[&str]| -> Vec<Record> {
            let kill = |at: &&str| Record::OomKill(Box::new(kill(at)));
            let begin = Record::Session(Box::new(session("2026-01-01T23:59:00Z")));
            std::iter::once(begin)
                .chain(times.iter().map(kill))
                .collect()
        };
        let records = kills(&[
            "2026-01-01T23:59:59Z",
            "2026-01-02T00:00:00Z",
            "2026-01-02T09:00:00Z",
            "2026-01-05T09:00:00Z",
        ]);
        let text = printed(&records, Verbosity::Normal, true);
        let starts: Vec<&str> = text
            .lines()
            .skip(2)
            .map(|line| line.split(" OOM").next().unwrap())
            .collect();
        assert_eq!(
            starts,
            [
                "23:59:59",
                "— 2026-01-02 —",
                "00:00:00",
                "09:00:00",
                "— 2026-01-05 —",
                "09:00:00"
            ]
        );
        let verbose = printed(&records, Verbosity::Verbose, true);
        assert!(!verbose.contains('—'), "{verbose}");
        assert!(
            verbose.contains("\n2026-01-05T09:00:00.000000+00:00 OOM"),
            "{verbose}"
        );
    }

    #[test]
    fn a_quiet_screen_says_which_zone_its_times_are_of() {
        let day = |offset: &str| Day {
            date: "2026-01-01".to_owned(),
            offset: offset.to_owned(),
        };
        assert!(says_day(Verbosity::Quiet, None, &day("+02:00")));
        assert!(!says_day(Verbosity::Quiet, None, &day("UTC")));
        assert!(says_day(
            Verbosity::Quiet,
            Some(&day("UTC")),
            &day("+02:00")
        ));
        assert!(says_day(Verbosity::Normal, None, &day("UTC")));
        assert!(!says_day(Verbosity::Verbose, None, &day("+02:00")));
    }

    #[test]
    fn nothing_is_said_of_what_was_looked_for_alone() {
        let of = |filters: &[(&str, &str)]| {
            let filters = filters
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
            nothing(&filters.collect(), false, None)
        };
        let counted = |others| nothing(&BTreeMap::new(), false, Some(others));
        assert_eq!(
            counted(3),
            "No failed creation with EAGAIN or ENOMEM, but 3 creations with other errnos: --errno all."
        );
        assert_eq!(counted(0), "No failed creation, whatever the errno.");
        assert!(of(&[]).contains("EAGAIN or ENOMEM (other errnos: --errno all)"));
        assert!(nothing(&BTreeMap::new(), true, None).contains("the filters given"));
        assert_eq!(of(&[("errno", "all")]), "No failed creation.");
        assert_eq!(
            of(&[("errno", "EBUSY"), ("uid", "7")]),
            "No failed creation with EBUSY (other errnos: --errno all), of those that uid=7 lets through."
        );
        let command = of(&[("command", "sh -c 'exit 3'")]);
        assert!(
            command.ends_with("--errno all), by `sh -c 'exit 3'` or its descendants."),
            "{command}"
        );
    }

    #[test]
    fn the_summary_counts_them_apart() {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, false, Verbosity::Normal, 80);
        let end = Summary {
            oom_kills: 2,
            ..Summary::default()
        };
        screen.show(&Record::Summary(end)).unwrap();
        drop(screen);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "2 OOM kills\nNo failed creation with EAGAIN or ENOMEM (other errnos: --errno all).\n"
        );
    }
}
