//! `--follow`: the report of files that grow, printed again when something has come.

use std::{
    io::{self, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use forktrace::{
    reading::{Growing, Progress},
    report::Report,
};

use super::{asked, empty, write_page};
use crate::{
    cli::ReportArgs,
    command::{
        event_loop::{EndSignals, event_loop},
        terminal,
    },
    exit::{Exit, UsageError},
};

/// How long it rests between two looks: so many times as long as looking took, within these.
const EASE: u32 = 20;
const REST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(10);
/// Between two reports that are not printed over each other.
const APART: Duration = Duration::from_secs(5);

pub(super) fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    let is_stream = |path: &Path| path == Path::new("-");
    // Where nothing is, that is said when it is opened.
    let grows = |path: &Path| {
        path.metadata()
            .map_or(true, |about| about.is_file() || about.is_dir())
    };
    if args
        .files
        .iter()
        .any(|path| is_stream(path) || !grows(path))
    {
        return wrong(
            "--follow takes files and folders: of standard input and of pipes there is one report, at their end",
        );
    }
    if args.html.as_deref().is_some_and(is_stream) {
        return wrong("--follow writes a page anew each time, which needs a file: --html FILE");
    }
    let mut report = empty(args)?;
    let mut growing = Growing::new(&args.files)?;
    let mut page = Page(args.force);
    let mut progress = Progress::of(&args.files);
    // Until now, and while all that there is already is read, Ctrl-C ends it as it ends every command.
    let mut took = Instant::now();
    growing.look(&mut report, &progress, |what| progress.aside(|| say(what)));
    progress = Progress::hidden();
    event_loop()?.block_on(async {
        let mut signals = EndSignals::new()?;
        let apart = if moves(args) { Duration::ZERO } else { APART };
        let (mut changed, mut printed) = (true, None::<Instant>);
        loop {
            if changed && printed.is_none_or(|at| at.elapsed() >= apart) {
                show(args, &report.clone().finish_as(asked(args)), &mut page)?;
                (changed, printed) = (false, Some(Instant::now()));
            }
            let rest = took.elapsed().saturating_mul(EASE).clamp(REST, LONGEST);
            tokio::select! {
                biased;
                () = signals.asked_to_end() => break,
                () = tokio::time::sleep(rest) => {}
            }
            if terminal::is_gone() {
                return Ok(Exit::Done);
            }
            took = Instant::now();
            changed |= growing.look(&mut report, &progress, say);
        }
        // What came last isn't kept back.
        if changed {
            show(args, &report.finish_as(asked(args)), &mut page)?;
        }
        Ok(Exit::Done)
    })
}

fn wrong(text: &str) -> anyhow::Result<Exit> {
    Err(UsageError(text.to_owned()).into())
}

/// What is wrong with a file, beside the report.
fn say(what: &str) {
    eprintln!("forktrace: {what}");
}

/// Whether a report is printed over the one before.
fn moves(args: &ReportArgs) -> bool {
    args.format.for_people && terminal::look(args.color).moves
}

/// Whether the page's file may be written over: it was written before.
struct Page(bool);

/// In place on a terminal, one below the other elsewhere.
fn show(args: &ReportArgs, report: &Report, page: &mut Page) -> anyhow::Result<()> {
    if let Some(path) = &args.html {
        write_page(path, page.0, report)?;
        page.0 = true;
    }
    let look = terminal::look(args.color);
    let mut text = args.format.render(report, look)?;
    if moves(args) {
        text = terminal::in_place(&text, terminal::rows());
    } else if args.format.name != "json" {
        text.push(b'\n');
    }
    let mut out = io::stdout().lock();
    out.write_all(&text)?;
    Ok(out.flush()?)
}
