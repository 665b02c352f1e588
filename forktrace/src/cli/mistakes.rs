//! What was perhaps meant by a command line that can't be taken.

use std::ffi::OsString;

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

/// Adds to an error what its line was near to: a command's name, or a command to be traced. The
/// parser itself can't, because a line without a command is `live`'s.
pub fn with_hints(mut error: Error, line: &[OsString]) -> Error {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let word = word.clone();
    if error.kind() != ErrorKind::UnknownArgument || word.starts_with('-') {
        return error;
    }
    let commands: Vec<String> = Cli::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    let words: Vec<_> = line.iter().skip(1).map(|w| w.to_string_lossy()).collect();
    let command = words
        .iter()
        .find(|word| commands.iter().any(|c| c == *word));
    let near = match command {
        None => near(&word, &commands),
        Some(_) => None,
    };
    let hint = match (near, command) {
        (Some(near), _) => format!("a similar command exists: '{near}'"),
        (None, Some(command)) if !TRACING.contains(&&**command) => return error,
        _ => match behind_dashes(&words, &word) {
            Some(line) => format!("a command to be traced goes behind '--': '{line}'"),
            None => return error,
        },
    };
    let hint = StyledStr::from(forktrace::view::clean(&hint).into_owned());
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint]));
    error
}

fn near<'a>(word: &str, commands: &'a [String]) -> Option<&'a str> {
    let rated = commands
        .iter()
        .map(|command| (strsim::jaro(word, command), &**command));
    let (rate, command) = rated.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (rate > SIMILAR).then_some(command)
}

/// The line as it was meant.
fn behind_dashes(words: &[std::borrow::Cow<'_, str>], word: &str) -> Option<String> {
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
    fn others_get_no_such_hint() {
        for typed in [&["check", "sleep"][..], &["live", "--nope"]] {
            let said = said(typed);
            assert!(!said.contains("behind '--'"), "{said}");
        }
    }
}
