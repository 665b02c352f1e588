//! `man`: manual pages, made of the parser's definition and of what it doesn't hold.

use std::{
    fs::Permissions,
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use roff::{Roff, bold, roman};

use crate::{
    cli::{
        Cli, ManArgs,
        manual::{self, Manual},
    },
    exit::{Exit, UsageError},
};

pub(super) fn run(args: &ManArgs) -> anyhow::Result<Exit> {
    if let Some(folder) = &args.output {
        write_all(folder)?;
        return Ok(Exit::Done);
    }
    let page = match &args.command {
        None => program()?,
        Some(name) => of(name)?,
    };
    io::stdout().write_all(&page)?;
    Ok(Exit::Done)
}

/// Pages are everybody's to read, and packages hold them as they are written here.
fn write_all(folder: &Path) -> anyhow::Result<()> {
    if !folder.is_dir() {
        let text = format!("{} is no folder", folder.display());
        return Err(UsageError(text).into());
    }
    let mut pages = vec![("forktrace.1".to_owned(), program()?)];
    for manual in manual::ALL {
        pages.push((format!("forktrace-{}.1", manual.name), of(manual.name)?));
    }
    for (name, page) in pages {
        let path = folder.join(name);
        forktrace::recording::write_whole(&path, true, &page)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o644))
            .with_context(|| format!("making {} readable", path.display()))?;
    }
    Ok(())
}

/// forktrace(1): its commands, and what holds for all of them.
fn program() -> io::Result<Vec<u8>> {
    let mut command = Cli::command();
    command.build();
    page(command, "forktrace", &manual::LIVE, true)
}

/// forktrace-NAME(1).
fn of(name: &str) -> io::Result<Vec<u8>> {
    let mut all = Cli::command();
    all.build();
    let manual = manual::ALL.into_iter().find(|manual| manual.name == name);
    let (Some(command), Some(manual)) = (all.find_subcommand(name), manual) else {
        return Err(io::ErrorKind::NotFound.into());
    };
    page(command.clone(), &format!("forktrace-{name}"), manual, false)
}

fn page(mut command: Command, title: &str, manual: &Manual, program: bool) -> io::Result<Vec<u8>> {
    let usage = command.render_usage().to_string();
    let version = format!("forktrace {}", env!("CARGO_PKG_VERSION"));
    // What its help ends with has sections of its own here.
    let command = command
        .after_help(None::<&str>)
        .after_long_help(None::<&str>)
        .display_name(title.to_owned());
    let man = Man::new(command)
        .title(title.to_owned())
        .source(version)
        .manual("forktrace manual");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    synopsis(&mut out, &usage)?;
    description(&mut out, manual)?;
    man.render_options_section(&mut out)?;
    if program {
        commands(&mut out)?;
    }
    examples(&mut out, manual)?;
    listed(&mut out, "FILES", manual.files)?;
    listed(&mut out, "ENVIRONMENT", manual.environment)?;
    let own: Vec<_> = manual
        .exit
        .iter()
        .chain(manual::EXIT.iter().filter(|(status, _)| {
            let said = manual.exit.iter().any(|(own, _)| own == status);
            let commands = ["live", "record"].contains(&manual.name);
            // Of other commands' statuses the program's page tells.
            !said && (program || *status != "1") && (commands || *status != "other")
        }))
        .copied()
        .collect();
    let mut statuses = own;
    statuses.sort_unstable();
    listed(&mut out, "EXIT STATUS", &statuses)?;
    see_also(&mut out, manual, program)?;
    Ok(out)
}

/// As `--help` has it: options in one word, values by their names.
fn synopsis(out: &mut Vec<u8>, usage: &str) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    let lines = usage.trim_start_matches("Usage:").trim().lines();
    for (n, line) in lines.enumerate() {
        if n > 0 {
            roff.control("br", []);
        }
        roff.text([bold(line.trim())]);
    }
    roff.to_writer(out)
}

fn description(out: &mut Vec<u8>, manual: &Manual) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", ["DESCRIPTION"]);
    for (n, paragraph) in manual.about.iter().enumerate() {
        if n > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(*paragraph)]);
    }
    roff.to_writer(out)
}

fn commands(out: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for command in Cli::command().get_subcommands() {
        roff.control("TP", []);
        roff.text([bold(format!("forktrace-{}(1)", command.get_name()))]);
        let about = command.get_about().map(ToString::to_string);
        roff.text([roman(about.unwrap_or_default())]);
    }
    roff.to_writer(out)
}

fn examples(out: &mut Vec<u8>, manual: &Manual) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]);
    for example in manual.examples {
        if !example.what.is_empty() {
            roff.control("PP", []);
            roff.text([roman(example.what)]);
        }
        roff.control("RS", ["4"]);
        roff.control("nf", []);
        roff.text([bold(example.line)]);
        roff.control("fi", []);
        roff.control("RE", []);
    }
    roff.to_writer(out)
}

/// A section of names and what they mean; none where there are none.
fn listed(out: &mut Vec<u8>, title: &str, all: &[(&str, &str)]) -> io::Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    for (name, text) in all {
        roff.control("TP", []);
        roff.text([bold(*name)]);
        roff.text([roman(*text)]);
    }
    roff.to_writer(out)
}

fn see_also(out: &mut Vec<u8>, manual: &Manual, program: bool) -> io::Result<()> {
    let ours = |name: &str| manual::ALL.iter().any(|manual| manual.name == name);
    let mut pages: Vec<String> = match program {
        true => manual::ALL
            .iter()
            .map(|manual| format!("forktrace-{}(1)", manual.name))
            .collect(),
        false => vec!["forktrace(1)".to_owned()],
    };
    for page in manual.see {
        let name = match ours(page) {
            true => format!("forktrace-{page}(1)"),
            false => (*page).to_owned(),
        };
        if !pages.contains(&name) {
            pages.push(name);
        }
    }
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman(pages.join(", "))]);
    roff.to_writer(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_page_has_a_section_twice() {
        for manual in manual::ALL {
            let page = String::from_utf8(of(manual.name).unwrap()).unwrap();
            let mut titles: Vec<_> = page.lines().filter(|l| l.starts_with(".SH")).collect();
            titles.sort_unstable();
            let all = titles.len();
            titles.dedup();
            assert_eq!(titles.len(), all, "{}", manual.name);
        }
    }
}
