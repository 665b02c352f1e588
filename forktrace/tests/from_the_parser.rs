//! What is generated from the definition of the command line: completions, and the man page.

use std::process::{Command, Output, Stdio};

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

fn forktrace(arguments: &[&str]) -> String {
    let run: Output = Command::new(env!("CARGO_BIN_EXE_forktrace"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(run.status.success(), "{arguments:?}: {run:?}");
    String::from_utf8(run.stdout).unwrap()
}

/// The commands that `--help` lists.
fn commands() -> Vec<String> {
    let help = forktrace(&["--help"]);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed: Vec<String> = listed
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with("     "))
        .filter_map(|line| Some(line.split_whitespace().next()?.to_owned()))
        .collect();
    assert!(listed.len() > 10, "{help}");
    listed
}

#[test]
fn completions_know_each_command_and_option() {
    for shell in SHELLS {
        let script = forktrace(&["completions", shell]);
        for word in commands().iter().map(String::as_str).chain(["ring-size"]) {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
    }
}

#[test]
fn the_shells_that_are_here_can_read_theirs() {
    for shell in ["bash", "zsh", "fish"] {
        let script = forktrace(&["completions", shell]);
        let checked = Command::new(shell)
            .arg("-n")
            .stdin(Stdio::piped())
            .spawn()
            .and_then(|mut child| {
                use std::io::Write as _;
                let mut input = child.stdin.take().unwrap();
                input.write_all(script.as_bytes())?;
                drop(input);
                child.wait()
            });
        // Not every machine has every shell.
        if let Ok(status) = checked {
            assert!(status.success(), "{shell} -n: {status}");
        }
    }
}

#[test]
fn the_man_page_names_each_command() {
    let page = forktrace(&["man"]);
    assert!(page.contains(".TH forktrace 1"), "{page}");
    for command in commands() {
        assert!(page.contains(&command.replace('-', "\\-")), "{command}");
    }
}

#[test]
fn an_unknown_shell_is_wrong_usage() {
    let run = Command::new(env!("CARGO_BIN_EXE_forktrace"))
        .args(["completions", "cmd"])
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(2));
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(SHELLS.iter().all(|shell| said.contains(shell)), "{said}");
}
