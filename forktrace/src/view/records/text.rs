//! Records as text for people: one headline a failure, and a few aligned lines
//! under it that answer who, why, whose limit, how full, what to do.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Write},
};

use anstyle::Style;

use crate::{
    model::{Cause, Certainty, Fix, Limit, LimitKind, LossReason, Operation, Owner, amount, clean},
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
        ..Screen::new(out, look.colours, look.verbosity, look.width)
    })
}

impl<W: Write> Output<Record> for Screen<W> {
    fn show(&mut self, record: &Record) -> io::Result<()> {
        Self::show(self, record)
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
    /// What the last failure looked like, and how often it came again: repeats
    /// collapse on screen.
    last: Option<Alike>,
    /// Of the session.
    filters: BTreeMap<String, String>,
    /// Whether the reader of the recording has left records out.
    chosen: bool,
    /// What is shown happened before: nothing that is typed ends it.
    recorded: bool,
    /// The day that the lines are of.
    day: Option<Day>,
}

/// Failures that differ in nothing that a reader would act upon.
#[derive(PartialEq, Eq)]
struct Same {
    pid: u32,
    comm: String,
    operation: Operation,
    cause: Cause,
    certainty: Certainty,
    limit: Option<(LimitKind, Owner, Option<u64>)>,
    cgroup: u64,
}

struct Alike {
    same: Same,
    seq: u64,
    more: u64,
}

impl<W: Write> Screen<W> {
    /// `width` in columns (at least 40 are used).
    pub fn new(out: W, colours: bool, verbosity: Verbosity, width: usize) -> Self {
        Self {
            out,
            colours: Colours::new(colours),
            verbosity,
            width: width.max(40),
            last: None,
            filters: BTreeMap::new(),
            chosen: false,
            recorded: false,
            day: None,
        }
    }

    /// Prints one record.
    pub fn show(&mut self, record: &Record) -> io::Result<()> {
        match record {
            Record::Session(session) => self.session(session),
            Record::Failure(failure) => self
                .new_day(&failure.time)
                .and_then(|()| self.failure(failure)),
            Record::Repeat(repeat) => self.repeat(repeat),
            Record::Loss(loss) => self.loss(loss),
            Record::OomKill(kill) => self.new_day(&kill.time).and_then(|()| self.oom_kill(kill)),
            Record::Summary(summary) => self.summary(summary),
        }?;
        self.out.flush()
    }

    fn session(&mut self, s: &Session) -> io::Result<()> {
        self.filters = s.filters.clone();
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
        match self.verbosity {
            // Each time has its date.
            Verbosity::Verbose => return Ok(()),
            // The first line, with the day, was not wanted.
            Verbosity::Quiet if before.is_none() => return Ok(()),
            Verbosity::Quiet | Verbosity::Normal => {}
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
        let same = Same {
            pid: f.caller.pid,
            comm: f.caller.comm.clone(),
            operation: f.operation,
            cause: f.cause,
            certainty: f.certainty,
            limit: f
                .limit
                .as_ref()
                .map(|l| (l.kind.clone(), l.owner.clone(), l.value)),
            cgroup: f.cgroup.id,
        };
        if let Some(last) = &mut self.last
            && last.same == same
        {
            last.seq = f.seq;
            last.more += 1;
            return Ok(());
        }
        self.settle()?;
        self.last = Some(Alike {
            same,
            seq: f.seq,
            more: 0,
        });
        let Colours {
            bad,
            good,
            bold,
            dim,
        } = self.colours;
        writeln!(
            self.out,
            "{dim}{}{dim:#} {bad}{}{bad:#} {bold}{}[{}]{bold:#} {}: {bold}{}{bold:#}{}",
            self.time(&f.time),
            f.errno.name(),
            clean(&f.caller.comm),
            f.caller.pid,
            what(f),
            f.cause.id(),
            match f.certainty {
                Certainty::Inferred => " (inferred)",
                Certainty::Observed | Certainty::Unknown => "",
            }
        )?;
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
        let others = match r.alike {
            record::Alike::Process => "",
            record::Alike::UserAndCgroup => ", of any process of this user and cgroup",
            record::Alike::Check => ", by the same check, of any user and cgroup",
        };
        if let Some(last) = &mut self.last
            && last.seq == r.of
            && r.alike.is_process()
        {
            last.more += r.count;
            return self.settle();
        }
        let dim = self.colours.dim;
        writeln!(
            self.out,
            "{dim}  … {} more like no. {} until {}{others}{dim:#}",
            r.count,
            r.of,
            self.time(&r.last)
        )
    }

    /// Says how often the last failure came again.
    pub fn settle(&mut self) -> io::Result<()> {
        if let Some(last) = &mut self.last
            && last.more > 0
        {
            let more = std::mem::take(&mut last.more);
            let dim = self.colours.dim;
            writeln!(self.out, "{dim}  … {more} more like this{dim:#}")?;
            self.out.flush()?;
        }
        Ok(())
    }

    /// One calm line: it is no failure, and says what one may have to do with.
    fn oom_kill(&mut self, k: &OomKill) -> io::Result<()> {
        self.settle()?;
        if self.verbosity == Verbosity::Quiet {
            return Ok(());
        }
        let Colours { dim, bold, .. } = self.colours;
        writeln!(
            self.out,
            "{dim}{}{dim:#} {bold}OOM kill{bold:#}: {}",
            self.time(&k.time),
            oom_line(k)
        )
    }

    fn loss(&mut self, l: &Loss) -> io::Result<()> {
        self.settle()?;
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
            let nothing = nothing(&self.filters, self.chosen);
            return writeln!(self.out, "{dim}{nothing}{dim:#}");
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

/// That there was nothing, of what was looked for: a failure beside that is no success.
fn nothing(filters: &BTreeMap<String, String>, chosen: bool) -> String {
    if chosen {
        return "No failed creation that the filters given let through.".to_owned();
    }
    let mut text = match filters.get("errno").map(String::as_str) {
        None => "No failed creation with EAGAIN or ENOMEM (other errnos: --errno all)".to_owned(),
        Some("all") => "No failed creation".to_owned(),
        Some(names) => format!(
            "No failed creation with {} (other errnos: --errno all)",
            clean(names)
        ),
    };
    let others: Vec<String> = filters
        .iter()
        .filter(|(name, _)| *name != "errno")
        .map(|(name, value)| format!("{}={}", clean(name), clean(value)))
        .collect();
    if !others.is_empty() {
        text.push_str(&format!(
            ", of those that {} lets through",
            others.join(", ")
        ));
    }
    text.push('.');
    text
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

fn who(f: &Failure) -> String {
    let c = &f.caller;
    let mut who = match &c.user {
        Some(user) => format!("{} (uid {})", clean(user), c.uid),
        None => format!("uid {}", c.uid),
    };
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
    clean(&format!("{} of {}", limit.kind, limit.owner)).into_owned()
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
    let numbers = match (c.usage, c.bound()) {
        (Some(usage), Some(bound)) => {
            format!("{} of {}", amount(usage, c.unit), amount(bound, c.unit))
        }
        _ => "?".to_owned(),
    };
    format!("{}: {numbers}", title(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Constraint, oom_kill::tests::kill};

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
            printed(&[session.clone()], Verbosity::Normal, false),
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
    fn nothing_is_said_of_what_was_looked_for_alone() {
        let of = |filters: &[(&str, &str)]| {
            let filters = filters
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
            nothing(&filters.collect(), false)
        };
        assert!(of(&[]).contains("EAGAIN or ENOMEM (other errnos: --errno all)"));
        assert!(nothing(&BTreeMap::new(), true).contains("the filters given"));
        assert_eq!(of(&[("errno", "all")]), "No failed creation.");
        assert_eq!(
            of(&[("errno", "EBUSY"), ("uid", "7")]),
            "No failed creation with EBUSY (other errnos: --errno all), of those that uid=7 lets through."
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
