//! What is generated from the definition of the command line: completions, and manual pages.

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

/// What the program offers for the last word of a line, as a shell's script asks it.
fn offered(line: &[&str]) -> Vec<String> {
    let run = Command::new(env!("CARGO_BIN_EXE_forktrace"))
        .env("FORKTRACE_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", (line.len() - 1).to_string())
        .env("_CLAP_COMPLETE_COMP_TYPE", "9")
        .env("_CLAP_COMPLETE_SPACE", "true")
        .env("_CLAP_IFS", "\n")
        .arg("--")
        .args(line)
        .output()
        .unwrap();
    assert!(run.status.success(), "{line:?}: {run:?}");
    let text = String::from_utf8(run.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn completions_know_each_command_and_what_options_take() {
    let first = offered(&["forktrace", ""]);
    for command in commands() {
        assert!(first.contains(&command), "{command}: {first:?}");
    }
    // Programs are offered behind `--` alone.
    assert_eq!(offered(&["forktrace", "li"]), ["live"]);
    let is = |line: &[&str], wanted: &[&str]| assert_eq!(offered(line), wanted, "{line:?}");
    is(&["forktrace", "--cause", "cgroup_pi"], &["cgroup_pids_max"]);
    is(
        &["forktrace", "replay", "--cause", "lsm,cgroup_pi"],
        &["lsm,cgroup_pids_max"],
    );
    is(
        &["forktrace", "selftest", "--only", "cgroup_pi"],
        &["cgroup_pids_max"],
    );
    is(&["forktrace", "explain", "TasksM"], &["TasksMax"]);
    is(&["forktrace", "--errno", "EAG"], &["EAGAIN"]);
    is(&["forktrace", "report", "--format", "js"], &["json"]);
    let users = |line: &[&str]| offered(line).contains(&"root".to_owned());
    assert!(users(&["forktrace", "-u", "ro"]) && users(&["forktrace", "check", "--user", "ro"]));
    let own = std::process::id().to_string();
    is(&["forktrace", "record", "--pid", &own], &[&own]);
    let cgroup = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let seen = offered(&["forktrace", "--cgroup", "/"]);
    assert!(
        cgroup.is_empty() || seen.iter().all(|path| path.starts_with('/')),
        "{seen:?}"
    );
}

#[test]
fn the_scripts_ask_the_program_in_the_shells_that_are_here() {
    let dir = std::env::temp_dir().join(format!("forktrace-shells-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_forktrace"));
    let path = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let asked = [
        (
            "bash",
            "source $SCRIPT; COMP_WORDS=(forktrace --cause cgroup_pi); COMP_CWORD=2; \
             _clap_complete_forktrace forktrace cgroup_pi --cause; echo \"${COMPREPLY[@]}\"",
        ),
        // As bash breaks `--format=text --cause=cgroup_pi`.
        (
            "bash",
            "source $SCRIPT; COMP_WORDS=(forktrace --format = text --cause = cgroup_pi); COMP_CWORD=6; \
             _clap_complete_forktrace forktrace cgroup_pi =; echo \"${COMPREPLY[@]}\"",
        ),
        (
            "zsh",
            "compdef() { }; _describe() { local n=$argv[-1]; print -l -- ${(P)n} }; source $SCRIPT; \
             words=(forktrace --cause cgroup_pi); CURRENT=3; _clap_dynamic_completer_forktrace",
        ),
        (
            "fish",
            "source $SCRIPT; complete -C 'forktrace --cause cgroup_pi'",
        ),
    ];
    for (shell, script) in asked {
        let file = dir.join(shell);
        std::fs::write(&file, forktrace(&["completions", shell])).unwrap();
        let run = Command::new(shell)
            .args(["-c", script])
            .env("SCRIPT", &file)
            .env("PATH", &path)
            .env("HOME", &dir)
            .output();
        // Not every machine has every shell.
        let Ok(run) = run else { continue };
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(said.starts_with("cgroup_pids_max"), "{shell}: {run:?}");
    }
    std::fs::remove_dir_all(dir).unwrap();
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
fn each_command_has_a_whole_manual_page() {
    let page = forktrace(&["man"]);
    assert!(page.contains(".TH forktrace 1"), "{page}");
    let dir = std::env::temp_dir().join(format!("forktrace-man-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    forktrace(&["man", "-o", dir.to_str().unwrap()]);
    assert_eq!(
        std::fs::read_to_string(dir.join("forktrace.1")).unwrap(),
        page
    );
    for command in commands().iter().filter(|command| *command != "help") {
        assert!(
            page.contains(&format!("forktrace\\-{command}(1)")),
            "{command}"
        );
        let own = std::fs::read_to_string(dir.join(format!("forktrace-{command}.1"))).unwrap();
        assert_eq!(forktrace(&["man", command]), own);
        for section in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "EXAMPLES",
            "\"EXIT STATUS\"",
            "\"SEE ALSO\"",
        ] {
            assert!(
                own.contains(&format!("\n.SH {section}\n")),
                "{command}: {section}\n{own}"
            );
        }
        // Every option of its help stands in it.
        let help = forktrace(&[command, "--help"]);
        let options = help.lines().filter_map(|line| {
            let word = line
                .split_whitespace()
                .find(|word| word.starts_with("--"))?;
            line.starts_with("  ").then(|| word.trim_end_matches(','))
        });
        for option in options
            .filter(|option| option.len() > 2 && !help.contains(&format!("forktrace {option}")))
        {
            assert!(
                own.contains(&option.replace('-', "\\-")),
                "{command} {option}"
            );
        }
    }
    let live = forktrace(&["man", "live"]);
    for text in ["\n.SH FILES\n", "\n.SH ENVIRONMENT\n", "NO_COLOR", "<PID>"] {
        assert!(live.contains(text), "{text}");
    }
    std::fs::remove_dir_all(dir).unwrap();
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
