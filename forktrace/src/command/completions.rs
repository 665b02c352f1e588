//! `completions`: a script that asks this program at each completion: causes don't change, but users,
//! units, cgroups and processes do.

use std::io::{self, Write as _};

use clap_complete::{Shell, env::Shells};

use super::COMPLETE;
use crate::exit::{Exit, UsageError};

pub(super) fn run(shell: Shell) -> anyhow::Result<Exit> {
    let shells = Shells::builtins();
    let name = shell.to_string();
    let completer = shells
        .completer(&name)
        .ok_or_else(|| UsageError(format!("nothing is known of completions in {name}")))?;
    let mut text = Vec::new();
    let program = "forktrace";
    completer.write_registration(COMPLETE, program, program, program, &mut text)?;
    if shell == Shell::Bash {
        text = joined(&String::from_utf8_lossy(&text)).into_bytes();
    }
    io::stdout().write_all(&text)?;
    Ok(Exit::Done)
}

/// Where clap's script for bash asks the program.
const ASKS: &str = "    COMPREPLY=( $( \\\n";

/// Bash takes `--user=no` for three words and replaces the last of them: it is asked for as `--user no`.
const JOIN: &str = r#"    local at joined=()
    for at in "${!words[@]}"; do
        if [[ $at -gt 0 && $at -ne $COMP_CWORD && ${words[at]} == "=" && ${words[at-1]} == --* ]]; then
            if [[ $at -lt $COMP_CWORD ]]; then
                _CLAP_COMPLETE_INDEX=$((_CLAP_COMPLETE_INDEX - 1))
            fi
        else
            joined+=("${words[at]}")
        fi
    done
    words=("${joined[@]}")
"#;

fn joined(script: &str) -> String {
    script.replacen(ASKS, &format!("{JOIN}{ASKS}"), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_for_bash_has_the_place() {
        let mut text = Vec::new();
        let shells = Shells::builtins();
        let bash = shells.completer("bash").unwrap();
        bash.write_registration("V", "p", "p", "p", &mut text)
            .unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(joined(&text).contains("local at joined"), "{text}");
    }
}
