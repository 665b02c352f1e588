//! A report as text for people.

use std::fmt::Write as _;

use super::{
    grid::{Grid, Rest, Times, grid, rest, shown},
    table::Table,
    words::{
        amount, bare_program, below_callers, cause, count, duration, lasted, not_recorded, notes,
        processes, program, short, values, with_offset,
    },
};
use crate::{
    report::{By, Report, RollRow, Top},
    view::{
        clean,
        colours::Colours,
        holders,
        output::{Format, How},
        wrap::wrap,
    },
};

pub(crate) const FORMAT: Format<Report> = Format {
    name: "text",
    about: "For people",
    for_people: true,
    how: How::Document(|report, look| text(report, look.colours, look.width)),
};

/// Rows of each table.
const ROWS: usize = 10;
/// And of those that stand under what was printed as it happened.
const ROWS_OF_A_DIGEST: usize = 5;
/// Of fewer columns nobody could read.
const NARROWEST: usize = 40;
/// Columns of the host with the most failures.
const WORST: usize = 20;
/// Below this, tables have fewer columns.
const NARROW: usize = 60;
/// Beyond this, lines are long rather than readable.
const WIDEST: usize = 120;

/// `width` in columns; from 40 to 120 are used.
pub fn text(report: &Report, colours: bool, width: usize) -> String {
    let mut out = Text::new(report, colours, width, ROWS);
    out.opening();
    if report.totals.failures > 0 {
        match report.asked.by {
            Some(by) => out.rolled(by),
            None => out.everything(),
        }
    }
    if report.asked.by.is_none() {
        out.oom_kills();
        if !report.sessions.is_empty() || report.more_sessions > 0 {
            out.hosts();
        }
    }
    out.notes();
    out.out
}

/// What to do first, whose limits refused, who fills them, and who was refused: the end of a
/// session whose failures have been printed. Empty without any.
pub fn digest(report: &Report, colours: bool, width: usize) -> String {
    let mut out = Text::new(report, colours, width, ROWS_OF_A_DIGEST);
    if report.totals.failures > 0 {
        out.holders_beside_advice = true;
        out.advice();
        // One alone has just been named.
        if report.limits.rows.len() > 1 || report.limits.others > 0 {
            out.limits();
        }
        out.callers();
    }
    out.oom_kills();
    out.out
}

struct Text<'a> {
    r: &'a Report,
    out: String,
    colours: Colours,
    width: usize,
    /// Whether a row has to say whose it is.
    hosts: bool,
    /// What all hosts' names end in, which is said once.
    domain: &'a str,
    /// In columns; a table uses them all.
    room: usize,
    /// Of each table.
    rows: usize,
    /// Who fills a limit stands under what to do, and not in a table.
    holders_beside_advice: bool,
}

impl<'a> Text<'a> {
    fn new(report: &'a Report, colours: bool, width: usize, rows: usize) -> Self {
        Self {
            r: report,
            out: String::new(),
            colours: Colours::new(colours),
            width: width.clamp(NARROWEST, WIDEST),
            hosts: report.hosts.len() > 1,
            domain: super::table::common_domain(report.hosts.iter().map(|row| &*row.host)),
            room: width.max(NARROWEST),
            rows,
            holders_beside_advice: false,
        }
    }

    fn everything(&mut self) {
        self.advice();
        self.causes();
        // On several hosts each thing is a line, and what is of one host alone comes after.
        if self.hosts {
            self.rolled(By::Limit);
            self.holders();
            self.rolled(By::Host);
            self.rolled(By::Program);
            let named = |top: &Top<RollRow>| top.rows.iter().any(|row| row.name.is_some());
            let owners = [
                (By::Unit, &self.r.rolled.units),
                (By::Pod, &self.r.rolled.pods),
            ];
            for (by, _) in owners.into_iter().filter(|(_, top)| named(top)) {
                self.rolled(by);
            }
        } else {
            self.limits();
            self.holders();
            self.callers();
            self.cgroups();
        }
        self.timeline();
        self.bursts();
    }

    /// A table over all hosts.
    fn rolled(&mut self, by: By) {
        let Grid { heads, rows, rest } = grid(self.r, by, Times::Short);
        let narrow = self.width < NARROW;
        self.head(match by {
            By::Limit => "Limits",
            By::Cause => "Causes by failures",
            By::Host => "Hosts",
            By::Unit => "Units",
            By::Pod => "Pods",
            By::User => "Users",
            By::Program => "Programs",
        });
        // What the room there is has to go without, the least telling first.
        let without: &[&str] = match (narrow, self.room) {
            (true, _) => &[
                ">share",
                ">limits",
                "first",
                "last",
                "worst",
                "mostly",
                "user",
                ">highest use",
            ],
            (_, ..90) => &[">share", ">limits", ">highest use", "first", "last"],
            (_, ..110) => &[">share", ">limits", "first", "last"],
            _ => &[],
        };
        let keeps = |at: usize| {
            let head = heads[at];
            let is_name = at == 1;
            let last = head == "last" && by != By::Limit && !narrow;
            is_name || last || !without.contains(&head)
        };
        let columns: Vec<usize> = (0..heads.len()).filter(|at| keeps(*at)).collect();
        let pick = |all: &[String]| columns.iter().map(|at| all[*at].clone()).collect();
        let mut table = Table::new(&columns.iter().map(|at| heads[*at]).collect::<Vec<_>>());
        for mut row in rows {
            if by == By::Host {
                row[1] = self.host(&row[1]).to_owned();
            }
            if let Some(at) = heads.iter().position(|head| *head == "worst") {
                row[at] = match row[at].rsplit_once(" (") {
                    Some((host, count)) => {
                        let host = super::table::fit(&clean(self.host(host)), WORST);
                        format!("{host} ({count}")
                    }
                    None => row[at].clone(),
                };
            }
            table.row(pick(&row));
        }
        table.print(&mut self.out, self.colours, self.room, 1);
        let dim = self.colours.dim;
        for sentence in rest.sentences() {
            for line in wrap(&sentence, self.width - 2) {
                let _ = writeln!(self.out, "  {dim}{line}{dim:#}");
            }
        }
    }

    fn head(&mut self, text: &str) {
        let bold = self.colours.bold;
        self.out.push('\n');
        for line in wrap(text, self.width) {
            let _ = writeln!(self.out, "{bold}{line}{bold:#}");
        }
    }

    /// With the host before the column that gives way, where there are several.
    fn table(&self, heads: &[&'static str]) -> Table {
        let mut heads = heads.to_vec();
        if self.hosts {
            heads.insert(1, "host");
        }
        Table::new(&heads)
    }

    /// Without what all hosts' names end in.
    fn host<'h>(&self, host: &'h str) -> &'h str {
        host.strip_suffix(self.domain).unwrap_or(host)
    }

    fn row(&self, table: &mut Table, host: &str, mut cells: Vec<String>) {
        if self.hosts {
            cells.insert(1, self.host(host).to_owned());
        }
        table.row(cells);
    }

    fn print(&mut self, table: &Table) {
        let gives = 1 + usize::from(self.hosts);
        table.print(&mut self.out, self.colours, self.room, gives);
    }

    /// What the rows shown leave out.
    fn others<R>(&mut self, top: &Top<R>, failures: fn(&R) -> u64, not_recorded: &[String]) {
        let Colours { dim, .. } = self.colours;
        for more in not_recorded {
            for line in wrap(more, self.width - 2) {
                let _ = writeln!(self.out, "  {dim}{line}{dim:#}");
            }
        }
        let rest = rest(top, self.shown(top, failures), failures);
        // What was not recorded has just been told of, more exactly.
        let told = Rest {
            failures: rest.failures.saturating_sub(rest.unrecorded),
            unrecorded: 0,
            ..rest
        };
        for line in told.sentences() {
            let _ = writeln!(self.out, "  {dim}{line}{dim:#}");
        }
    }

    /// Rows of a table.
    fn shown<R>(&self, top: &Top<R>, failures: fn(&R) -> u64) -> usize {
        match self.holders_beside_advice {
            true => self.rows,
            false => shown(self.r, top, failures),
        }
    }

    fn opening(&mut self) {
        let t = &self.r.totals;
        let Colours { bold, .. } = self.colours;
        let sessions = self.r.sessions.len() as u64 + self.r.more_sessions;
        let failures = count(t.failures, "failed creation");
        let of = format!(
            "{failures} in {}: {}, {}",
            count(self.r.files, "file"),
            count(self.r.hosts.len() as u64, "host"),
            count(sessions, "session"),
        );
        for line in wrap(&of, self.width) {
            let _ = match line.strip_prefix(&failures) {
                Some(rest) => writeln!(self.out, "{bold}{failures}{bold:#}{rest}"),
                None => writeln!(self.out, "{line}"),
            };
        }
        if let (Some(first), Some(last)) = (&t.first, &t.last) {
            let times = format!("{} to {}", with_offset(first), with_offset(last));
            for line in wrap(&times, self.width) {
                let _ = writeln!(self.out, "{line}");
            }
        }
        if !self.domain.is_empty() {
            let (dim, domain) = (self.colours.dim, clean(self.domain));
            let _ = writeln!(self.out, "{dim}hosts without their {domain}{dim:#}");
        }
    }

    fn advice(&mut self) {
        self.head("What to do first");
        for (n, advice) in self.r.advice.iter().enumerate() {
            let Colours {
                bold, good, dim, ..
            } = self.colours;
            let text = format!(
                "{}: {}",
                count(advice.failures, "failure"),
                clean(&advice.summary)
            );
            let mut label = format!("{}.", n + 1);
            for line in wrap(&text, self.width - 5) {
                let _ = writeln!(self.out, "  {bold}{label:<3}{bold:#}{line}");
                label.clear();
            }
            let held = &advice.holders[..];
            if self.holders_beside_advice && !held.is_empty() {
                self.labelled("held by", &holders::line(held));
            }
            let mut fixes = advice.fix.iter().chain(&advice.more_fixes).peekable();
            if fixes.peek().is_none() {
                let id = advice.cause.id();
                let _ = writeln!(self.out, "     {dim}see `forktrace explain {id}`{dim:#}");
            }
            for fix in fixes {
                if let Some(now) = &fix.now {
                    // A command is never wrapped: it is there to be copied.
                    let _ = writeln!(self.out, "     {:<8}{good}{}{good:#}", "now", clean(now));
                }
                for (label, text) in [("lasting", &fix.persistent), ("note", &fix.note)] {
                    if let Some(text) = text {
                        self.labelled(label, &clean(text));
                    }
                }
            }
        }
    }

    /// A line of an advice, continued under itself.
    fn labelled(&mut self, label: &str, text: &str) {
        let dim = self.colours.dim;
        let mut label = label;
        for line in wrap(text, self.width - 13) {
            let _ = writeln!(self.out, "     {dim}{label:<8}{dim:#}{line}");
            label = "";
        }
    }

    fn causes(&mut self) {
        self.head("Causes");
        let columns = if self.width < NARROW { 3 } else { 5 };
        let heads = ["cause", ">failures", ">share", "first", "last"];
        let mut table = Table::new(&heads[..columns]);
        for c in &self.r.causes {
            let mut cells = vec![
                c.cause.id().to_owned(),
                c.failures.to_string(),
                format!("{:.1}%", c.share * 100.0),
                short(c.first.as_ref()),
                short(c.last.as_ref()),
            ];
            cells.truncate(columns);
            table.row(cells);
        }
        let t = &self.r.totals;
        let without = [
            (t.cause_not_here, "cause not in these files"),
            (t.lost, "lost in detail"),
        ];
        for (n, name) in without.into_iter().filter(|(n, _)| *n > 0) {
            let share = n as f64 * 100.0 / t.failures.max(1) as f64;
            let none = String::new;
            let share = format!("{share:.1}%");
            let mut cells = vec![name.to_owned(), n.to_string(), share, none(), none()];
            cells.truncate(columns);
            table.row(cells);
        }
        table.print(&mut self.out, self.colours, self.room, 0);
        let lists = [
            ("errno", &self.r.errnos),
            ("operation", &self.r.operations),
            ("certainty", &self.r.certainties),
        ];
        for (label, counts) in lists {
            let each = counts
                .iter()
                .map(|c| format!("{} {}", clean(&c.name), c.failures));
            let text = each.collect::<Vec<_>>().join(", ");
            let dim = self.colours.dim;
            let mut label = label;
            for line in wrap(&text, self.width - 13) {
                let _ = writeln!(self.out, "  {dim}{label:<11}{dim:#}{line}");
                label = "";
            }
        }
    }

    fn limits(&mut self) {
        self.head("Limits");
        let wide = self.width >= NARROW;
        let mut heads = vec![">failures", "limit and its owner", ">value"];
        heads.extend(wide.then_some(">highest use"));
        let mut table = self.table(&heads);
        let shown = self.shown(&self.r.limits, |row| row.failures);
        for row in self.r.limits.rows.iter().take(shown) {
            let mut cells = vec![row.failures.to_string(), row.title(), values(row)];
            cells.extend(wide.then(|| amount(row.highest_usage, row.unit)));
            self.row(&mut table, &row.host, cells);
        }
        self.print(&table);
        let more = not_recorded(&self.r.limits, "limit");
        self.others(&self.r.limits, |row| row.failures, &more);
    }

    fn holders(&mut self) {
        let held = self
            .r
            .limits
            .rows
            .iter()
            .filter(|row| !row.holders.is_empty());
        for row in held.take(3) {
            let head = format!("Who filled {}", clean(&row.title()));
            self.head(&super::table::fit(&head, self.width));
            let mut table = Table::new(&[">live", "holder", ">zombies", "detail"]);
            for h in row.holders.iter().take(self.rows) {
                table.row(vec![
                    h.tasks.to_string(),
                    holders::title(h),
                    h.zombies.to_string(),
                    holders::remark(h).unwrap_or_default(),
                ]);
            }
            table.print(&mut self.out, self.colours, self.room, 1);
        }
    }

    fn callers(&mut self) {
        self.head("Callers");
        let (narrow, wide) = (self.width < NARROW, self.width >= 100);
        let mut heads = match narrow {
            true => vec![">attempts", "program", ">processes"],
            false => vec![">attempts", "program", "user", ">processes", ">most in 1 s"],
        };
        heads.extend(wide.then_some("last"));
        let mut table = self.table(&heads);
        let shown = self.shown(&self.r.callers, |row| row.failures);
        for row in self.r.callers.rows.iter().take(shown) {
            let user = row
                .user
                .clone()
                .unwrap_or_else(|| format!("uid {}", row.uid));
            let mut cells = vec![row.failures.to_string()];
            if narrow {
                cells.extend([bare_program(row).to_owned(), processes(row)]);
                self.row(&mut table, &row.host, cells);
                continue;
            }
            cells.extend([
                program(row),
                super::table::fit(&clean(&user), 20),
                processes(row),
                row.most_in_a_second.to_string(),
            ]);
            cells.extend(wide.then(|| short(row.last.as_ref())));
            self.row(&mut table, &row.host, cells);
        }
        self.print(&table);
        let more = below_callers(self.r);
        self.others(&self.r.callers, |row| row.failures, &more);
    }

    fn cgroups(&mut self) {
        let lists = [
            ("Units", &self.r.units),
            ("Containers", &self.r.containers),
            ("Pods", &self.r.pods),
        ];
        for (head, rows) in lists.into_iter().filter(|(_, rows)| !rows.is_empty()) {
            self.head(head);
            let mut table = self.table(&[">failures", "name"]);
            for row in rows.iter().take(self.rows) {
                let cells = vec![row.failures.to_string(), row.shown().to_owned()];
                self.row(&mut table, &row.host, cells);
            }
            self.print(&table);
        }
        self.head("Cgroups");
        let mut table = self.table(&[">failures", "path"]);
        let shown = self.shown(&self.r.cgroups, |row| row.failures);
        for row in self.r.cgroups.rows.iter().take(shown) {
            let path = row.path.clone().unwrap_or_else(|| "not known".to_owned());
            self.row(&mut table, &row.host, vec![row.failures.to_string(), path]);
        }
        self.print(&table);
        let more = not_recorded(&self.r.cgroups, "cgroup");
        self.others(&self.r.cgroups, |row| row.failures, &more);
    }

    fn timeline(&mut self) {
        let t = &self.r.timeline;
        let Some(start) = &t.start else {
            return;
        };
        let buckets = t.series.first().map_or(0, |s| s.counts.len());
        let each = buckets.div_ceil(self.room.saturating_sub(44).max(1)).max(1);
        let wide = duration(t.bucket_seconds.saturating_mul(each as u64));
        self.head(&format!(
            "Over time: from {}, {wide} a column",
            with_offset(start)
        ));
        for series in t.series.iter().take(self.rows) {
            let columns: Vec<u64> = series
                .counts
                .chunks(each)
                .map(|part| part.iter().fold(0, |sum, n| n.saturating_add(sum)))
                .collect();
            let most = columns.iter().copied().max().unwrap_or(0);
            let bars: String = columns.iter().map(|n| bar(*n, most)).collect();
            let name = cause(series.cause);
            let _ = writeln!(self.out, "  {name:<25} {bars} to {most}");
        }
    }

    fn bursts(&mut self) {
        let gap = self.r.burst_gap_seconds;
        self.head(&format!("Largest bursts (no gap over {gap} s)"));
        let mut table = self.table(&[">failures", "mostly", "from", ">for"]);
        for row in &self.r.bursts {
            let cells = vec![
                row.failures.to_string(),
                cause(row.cause).to_owned(),
                short(Some(&row.first)),
                lasted(&row.first, &row.last),
            ];
            self.row(&mut table, &row.host, cells);
        }
        self.print(&table);
        if self.r.more_bursts > 0 {
            let dim = self.colours.dim;
            let _ = writeln!(self.out, "  {dim}{} smaller{dim:#}", self.r.more_bursts);
        }
    }

    fn oom_kills(&mut self) {
        let oom = &self.r.oom;
        if oom.kills == 0 {
            return;
        }
        self.head(&super::oom::heading(oom));
        let wide = self.width >= NARROW;
        let mut heads = vec![">kills", "cgroup", "victim"];
        heads.extend(wide.then_some("last"));
        let mut table = self.table(&heads);
        let shown = self.shown(&oom.victims, |row| row.kills);
        for row in oom.victims.rows.iter().take(shown) {
            let path = row.path.clone().unwrap_or_else(|| "not known".to_owned());
            let last = short(row.last.as_ref());
            let mut cells = vec![row.kills.to_string(), path, row.comm.clone()];
            cells.extend(wide.then_some(last));
            self.row(&mut table, &row.host, cells);
        }
        self.print(&table);
        self.others(&oom.victims, |row| row.kills, &[]);
        if oom.near.is_empty() {
            return;
        }
        self.head(&super::oom::near_heading(oom));
        for row in oom.near.iter().take(self.rows) {
            let mut line = super::oom::at(row);
            if self.hosts {
                line.push_str(&format!(" {}", row.host));
            }
            line.push_str(&format!(" {}", super::oom::who(row)));
            if let Some(path) = &row.path {
                line.push_str(&format!(" in {}", super::table::fit(&clean(path), 40)));
            }
            let reason = super::table::fit(&clean(&row.reason), self.width - 5);
            let text = format!("{}: {reason}; {}", clean(&line), super::oom::apart(row));
            for (n, line) in wrap(&text, self.width - 4).iter().enumerate() {
                let indent = if n == 0 { "  " } else { "    " };
                let _ = writeln!(self.out, "{indent}{line}");
            }
        }
        let dim = self.colours.dim;
        let shown = oom.near.len().saturating_sub(self.rows);
        if shown > 0 {
            let _ = writeln!(self.out, "  {dim}{shown} more{dim:#}");
        }
        for line in super::oom::left_out(oom) {
            let _ = writeln!(self.out, "  {dim}{line}{dim:#}");
        }
    }

    fn hosts(&mut self) {
        self.head("Sessions");
        let heads = [">failures", "host", "kernel", "style", "started", "ended"];
        let mut table = Table::new(&heads);
        for s in self.r.sessions.iter().take(2 * self.rows) {
            let started = s.started.as_ref();
            let ended = s.ended.as_ref().map(|ended| short(Some(ended)));
            table.row(vec![
                s.failures.to_string(),
                self.host(&s.host).to_owned(),
                s.kernel.clone(),
                super::table::fit(&clean(&s.attach), 10),
                super::table::fit(&clean(&short(started)), 14),
                super::table::fit(
                    &clean(&ended.unwrap_or_else(|| "no summary".to_owned())),
                    14,
                ),
            ]);
        }
        table.print(&mut self.out, self.colours, self.room, 2);
        let shown = self.r.sessions.len().min(2 * self.rows);
        let more = (self.r.sessions.len() - shown) as u64 + self.r.more_sessions;
        if more > 0 {
            let dim = self.colours.dim;
            let _ = writeln!(self.out, "  {dim}{} more{dim:#}", count(more, "session"));
        }
    }

    fn notes(&mut self) {
        let notes = notes(self.r);
        if notes.is_empty() {
            return;
        }
        self.head("To know");
        for note in notes {
            for (n, line) in wrap(&clean(&note), self.width - 4).iter().enumerate() {
                let mark = if n == 0 { "-" } else { " " };
                let _ = writeln!(self.out, "  {mark} {line}");
            }
        }
    }
}

/// An eighth of the highest at least, where there is anything.
fn bar(n: u64, most: u64) -> char {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    if n == 0 {
        return ' ';
    }
    let eighths = (n as f64 / most as f64 * 8.0).ceil() as usize;
    BARS[eighths.clamp(1, 8) - 1]
}
