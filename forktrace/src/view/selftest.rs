//! The selftest's result as a table.

use std::io::{self, Write};

use super::{
    clean,
    colours::Colours,
    output::{Format, How, Look, Out, Output},
    wrap::wrap,
};
use crate::{
    model::{Certainty, without_numbers},
    selftest::{Case, End, Line, Outcome, Start},
};

pub(super) const FORMAT: Format<Line> = Format {
    name: "text",
    about: "For people",
    for_people: true,
    how: How::Stream(open),
};

fn open<'a>(out: Out<'a>, look: Look) -> Box<dyn Output<Line> + 'a> {
    Box::new(SelftestTable::new(out, look.colours, look.width))
}

/// Prints the selftest's lines, each as it comes.
struct SelftestTable<W> {
    out: W,
    colours: Colours,
    width: usize,
}

/// Columns of the cause, of what was provoked, of what was named.
const CAUSE: usize = 30;
const PROVOKED: usize = 10;
const NAMED: usize = 24;

impl<W: Write> SelftestTable<W> {
    /// `width` in columns (at least 60 are used).
    fn new(out: W, colours: bool, width: usize) -> Self {
        Self {
            out,
            colours: Colours::new(colours),
            width: width.max(60),
        }
    }

    fn start(&mut self, s: &Start) -> io::Result<()> {
        let Colours { dim, bold, .. } = self.colours;
        writeln!(
            self.out,
            "{dim}forktrace {} on {} (Linux {}), attached by {}{dim:#}",
            clean(&s.version),
            clean(&s.host),
            clean(&s.kernel),
            clean(&s.attach)
        )?;
        writeln!(
            self.out,
            "{bold}{:<CAUSE$}{:<PROVOKED$}{:<NAMED$}certainty{bold:#}",
            "cause", "provoked", "named"
        )
    }

    fn case(&mut self, c: &Case) -> io::Result<()> {
        let Colours { bad, good, dim, .. } = self.colours;
        let cause = match c.variant.as_str() {
            "" => c.cause.id().to_owned(),
            variant => format!("{}, {variant}", c.cause.id()),
        };
        if c.outcome == Outcome::Skipped {
            let room = self.width.saturating_sub(CAUSE);
            let why = without_numbers(&format!("skipped: {}", c.why.join("; ")));
            let why = clean(&why).into_owned();
            let mut label = cause.as_str();
            for line in wrap(&why, room) {
                writeln!(self.out, "{label:<CAUSE$}{dim}{line}{dim:#}")?;
                label = "";
            }
            return Ok(());
        }
        let provoked = match c.errno {
            Some(errno) => errno.name(),
            None => "-".into(),
        };
        let style = if c.outcome == Outcome::Named {
            good
        } else {
            bad
        };
        let named = match (c.outcome, c.said) {
            (Outcome::Named | Outcome::Misnamed, Some(said)) => said.id(),
            (outcome, _) => outcome.name(),
        };
        let certainty = match c.certainty {
            Some(Certainty::Observed) => "observed",
            Some(Certainty::Inferred) => "inferred",
            Some(Certainty::Unknown) => "unknown",
            None => "-",
        };
        writeln!(
            self.out,
            "{cause:<CAUSE$}{provoked:<PROVOKED$}{style}{named:<NAMED$}{style:#}{certainty}"
        )?;
        for why in &c.why {
            self.sentence(&without_numbers(why))?;
        }
        Ok(())
    }

    fn end(&mut self, e: &End) -> io::Result<()> {
        let Colours { bad, good, .. } = self.colours;
        let style = if e.is_fine() { good } else { bad };
        let mut text = format!("{} named", e.named);
        if e.not_named > 0 {
            text.push_str(&format!(", {} not named", e.not_named));
        }
        text.push_str(&format!(", {} skipped", e.skipped));
        if let Some(signal) = e.signal {
            text.push_str(&format!("; ended early by signal {signal}"));
        }
        if e.differences.is_empty() {
            writeln!(self.out, "{style}{text}; the host is as before{style:#}")?;
        } else {
            writeln!(self.out, "{style}{text}; not as before:{style:#}")?;
        }
        for difference in &e.differences {
            self.sentence(difference)?;
        }
        Ok(())
    }

    fn sentence(&mut self, text: &str) -> io::Result<()> {
        let bad = self.colours.bad;
        for line in wrap(&clean(text), self.width.saturating_sub(2)) {
            writeln!(self.out, "  {bad}{line}{bad:#}")?;
        }
        Ok(())
    }
}

impl<W: Write> Output<Line> for SelftestTable<W> {
    fn show(&mut self, line: &Line) -> io::Result<()> {
        match line {
            Line::SelftestStart(start) => self.start(start),
            Line::SelftestCase(case) => self.case(case),
            Line::SelftestEnd(end) => self.end(end),
        }?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, Errno};

    fn shown(lines: &[Line]) -> String {
        let mut out = Vec::new();
        let mut table = SelftestTable::new(&mut out, false, 80);
        for line in lines {
            table.show(line).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    fn case(outcome: Outcome, said: Option<Cause>, why: &str) -> Case {
        Case {
            cause: Cause::PidMax,
            variant: "pid namespace".to_owned(),
            outcome,
            refused: 1,
            errno: Some(Errno::EAGAIN),
            said,
            certainty: said.map(|_| Certainty::Inferred),
            limit: None,
            why: Vec::from_iter((!why.is_empty()).then(|| why.to_owned())),
        }
    }

    #[test]
    fn rows_say_what_was_named_or_why_not_within_80_columns() {
        let long =
            "a reason that is long enough to need more than one line of the table \u{1b}[31m";
        let text = shown(&[
            Line::SelftestStart(Start::default()),
            Line::SelftestCase(case(Outcome::Named, Some(Cause::PidMax), "")),
            Line::SelftestCase(case(Outcome::Misnamed, Some(Cause::ThreadsMax), long)),
            Line::SelftestCase(case(Outcome::Missed, None, long)),
            Line::SelftestCase(case(Outcome::Skipped, None, long)),
            Line::SelftestEnd(End {
                named: 1,
                not_named: 2,
                skipped: 1,
                differences: vec![long.to_owned()],
                signal: None,
            }),
        ]);
        assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        for row in [
            "pid_max, pid namespace        EAGAIN    pid_max                 inferred\n",
            "pid_max, pid namespace        EAGAIN    threads_max             inferred\n",
            "pid_max, pid namespace        EAGAIN    missed                  -\n",
            "pid_max, pid namespace        skipped: a reason",
            "1 named, 2 not named, 1 skipped; not as before:\n",
        ] {
            assert!(text.contains(row), "{row:?} in {text}");
        }
    }

    #[test]
    fn a_clean_end_says_so() {
        let text = shown(&[Line::SelftestEnd(End {
            named: 9,
            ..End::default()
        })]);
        assert_eq!(text, "9 named, 0 skipped; the host is as before\n");
    }
}
