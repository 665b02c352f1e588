//! What was perhaps meant by a command line that can't be taken.

use std::{borrow::Cow, ffi::OsString, os::unix::fs::PermissionsExt as _};

use clap::{
    CommandFactory as _, Error,
    builder::StyledStr,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::Cli;

/// Names like this are worth a question; clap's own measure.
const SIMILAR: f64 = 0.7;
/// Commands that trace a command which is given behind `--`.
const TRACING: [&str; 2] = ["live", "record"];

/// Adds to an error what its line was near to: a command's name, a command to be traced, or an option.
/// The parser itself can't, because a line without a command is `live`'s.
pub(crate) fn with_hints(mut error: Error, line: &[OsString]) -> Error {
    let kind = match error.kind() {
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        _ => return error,
    };
    let Some(ContextValue::String(word)) = error.get(kind) else {
        return error;
    };
    let words: Vec<_> = line.iter().skip(1).map(|w| w.to_string_lossy()).collect();
    let hints = hints(&words, word);
    if !hints.is_empty() {
        let hints = hints.iter().map(|hint| forktrace::view::clean(hint));
        let hints = hints.map(|hint| StyledStr::from(hint.into_owned()));
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(hints.collect()),
        );
    }
    error
}

fn hints(words: &[Cow<'_, str>], word: &str) -> Vec<String> {
    if word.starts_with('-') {
        return Vec::new();
    }
    let commands: Vec<String> = Cli::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    let similar =
        || near(word, &commands).map(|near| format!("a similar command exists: '{near}'"));
    let traced = || {
        let line = behind_dashes(words, word)?;
        Some(format!("a command to be traced goes behind '--': '{line}'"))
    };
    let is_command = |word: &&Cow<'_, str>| **word == "help" || commands.iter().any(|c| c == *word);
    match words.iter().find(is_command) {
        None => {
            let similar = similar();
            let follows = words.last().is_some_and(|last| last != word);
            let is_traced = similar.is_none() || follows || is_program(word);
            let traced = is_traced.then(traced).flatten();
            similar.into_iter().chain(traced).collect()
        }
        Some(command) if command == "help" => similar().into_iter().collect(),
        Some(command) if command == "check" => vec![subject(words, word)],
        Some(command) if TRACING.contains(&&**command) => traced().into_iter().collect(),
        Some(_) => Vec::new(),
    }
}

/// Whether the shell would find a program of that name.
fn is_program(word: &str) -> bool {
    let Some(path) = std::env::var_os("PATH").filter(|_| !word.contains('/')) else {
        return false;
    };
    let is_executable = |file: std::path::PathBuf| {
        let about = file.metadata();
        about.is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(&path).any(|folder| is_executable(folder.join(word)))
}

/// What `check` was perhaps asked about: `check postgresql`, `check pid 1`.
fn subject(words: &[Cow<'_, str>], word: &str) -> String {
    let at = words.iter().position(|w| w == word);
    let next = at.and_then(|at| words.get(at + 1));
    let (option, value) = match (word, next) {
        ("pid" | "cgroup" | "unit" | "user", Some(value)) => (word, &**value),
        _ if word.parse::<u32>().is_ok() => ("pid", word),
        _ if word.starts_with('/') => ("cgroup", word),
        _ => ("unit", word),
    };
    format!("whose forks are meant is an option: 'forktrace check --{option} {value}'")
}

fn near<'a>(word: &str, commands: &'a [String]) -> Option<&'a str> {
    let rated = commands
        .iter()
        .map(|command| (strsim::jaro(word, command), &**command));
    let (rate, command) = rated.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (rate > SIMILAR).then_some(command)
}

/// The line as it was meant.
fn behind_dashes(words: &[Cow<'_, str>], word: &str) -> Option<String> {
    let at = words.iter().position(|w| w == word)?;
    let mut line = vec!["forktrace"];
    line.extend(words[..at].iter().map(|w| &**w));
    line.push("--");
    line.extend(words[at..].iter().map(|w| &**w));
    Some(line.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    fn said(line: &[&str]) -> String {
        let line: Vec<OsString> = ["forktrace"]
            .iter()
            .chain(line)
            .map(OsString::from)
            .collect();
        let error = Cli::try_parse_from(&line).unwrap_err();
        let error = with_hints(error, &line);
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn near_commands_are_named() {
        for (typed, meant) in [
            (&["liv"][..], "'live'"),
            (&["relay", "x"], "'replay'"),
            (&["checks"], "'check'"),
            (&["selftests"], "'selftest'"),
            (&["explains", "pid_max"], "'explain'"),
        ] {
            let said = said(typed);
            assert!(
                said.contains(&format!("a similar command exists: {meant}")),
                "{said}"
            );
        }
    }

    #[test]
    fn a_command_without_dashes_gets_them() {
        for (typed, meant) in [
            (&["sleep", "1"][..], "'forktrace -- sleep 1'"),
            (&["/bin/sh"], "'forktrace -- /bin/sh'"),
            (&["live", "sleep", "1"], "'forktrace live -- sleep 1'"),
            (
                &["record", "-o", "x", "make"],
                "'forktrace record -o x -- make'",
            ),
            (
                &["--count", "1", "java", "-jar"],
                "'forktrace --count 1 -- java -jar'",
            ),
        ] {
            let said = said(typed);
            assert!(
                said.contains(&format!("goes behind '--': {meant}")),
                "{said}"
            );
        }
    }

    #[test]
    fn what_is_near_a_command_can_be_one_to_be_traced() {
        let told = said(&["make", "-j64"]);
        assert!(told.contains("'forktrace -- make -j64'"), "{told}");
        // A program that is there, and a word that is none.
        let told = said(&["chec"]);
        assert!(!told.contains("behind '--'"), "{told}");
        assert!(is_program("sh") && !is_program("chec") && !is_program("/bin/sh"));
    }

    #[test]
    fn help_of_what_is_no_command_names_the_nearest() {
        let told = said(&["help", "chekc"]);
        assert!(told.contains("a similar command exists: 'check'"), "{told}");
    }

    #[test]
    fn whose_forks_are_checked_is_an_option() {
        for (typed, meant) in [
            (&["check", "postgresql"][..], "--unit postgresql"),
            (&["check", "pid", "1"], "--pid 1"),
            (&["check", "812"], "--pid 812"),
            (&["check", "user", "bob"], "--user bob"),
            (&["check", "/system.slice"], "--cgroup /system.slice"),
        ] {
            let told = said(typed);
            assert!(
                told.contains(&format!("'forktrace check {meant}'")),
                "{told}"
            );
        }
    }

    #[test]
    fn others_get_no_such_hint() {
        for typed in [&["check", "sleep"][..], &["live", "--nope"]] {
            let said = said(typed);
            assert!(!said.contains("behind '--'"), "{said}");
        }
    }
}
