//! `ulimit -u` in the files that each user's shell reads: /etc/profile and what it brings in. Hosters
//! bound their users so (cPanel's protection against fork bombs), and databases their own.
//!
//! A user's own files aren't read: they are of whoever is refused.

use std::fs;
use std::path::{Path, PathBuf};

use super::remembered::Remembered;
use super::unit_files::read;

const FILES: [&str; 11] = [
    "etc/profile",
    "etc/bashrc",
    "etc/bash.bashrc",
    "etc/bash/bashrc",
    "etc/zshenv",
    "etc/zprofile",
    "etc/zshrc",
    "etc/zsh/zshenv",
    "etc/zsh/zprofile",
    "etc/zsh/zshrc",
    "etc/ksh.kshrc",
];

const FOLDERS: [&str; 2] = ["etc/profile.d", "etc/bash/bashrc.d"];

/// More files of one folder aren't read.
const MOST: usize = 256;

/// Numbers that are remembered.
const REMEMBERED: usize = 64;

/// A line that sets the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// As the file has it.
    pub text: String,
    /// Path of the file.
    pub file: PathBuf,
}

/// Finds them, and remembers those of each number for a minute.
pub struct ShellFiles {
    known: Remembered<u64, Option<Line>>,
}

impl ShellFiles {
    /// A line that sets RLIMIT_NPROC to this number.
    pub fn nproc(&mut self, value: u64) -> Option<Line> {
        self.known.get(value, |value| nproc(Path::new("/"), *value))
    }
}

impl Default for ShellFiles {
    fn default() -> Self {
        Self {
            known: Remembered::new(REMEMBERED),
        }
    }
}

/// Whether a program of this name is a shell: what runs in its child before an execve is the user's.
pub fn is_shell(comm: &str) -> bool {
    matches!(
        comm.trim_start_matches('-'),
        "sh" | "ash"
            | "bash"
            | "dash"
            | "fish"
            | "ksh"
            | "mksh"
            | "zsh"
            | "csh"
            | "tcsh"
            | "busybox"
    )
}

fn nproc(root: &Path, value: u64) -> Option<Line> {
    let own = FILES.iter().map(|file| root.join(file));
    let more = FOLDERS.iter().flat_map(|folder| {
        let entries = fs::read_dir(root.join(folder)).into_iter().flatten();
        let files = entries.flatten().take(MOST).map(|entry| entry.path());
        files.filter(|file| {
            file.extension()
                .is_some_and(|end| end == "sh" || end == "bash")
        })
    });
    own.chain(more).find_map(|file| {
        let text = read(&file)?;
        let line = text.lines().rfind(|line| sets(line, value))?;
        Some(Line {
            text: line.trim().to_owned(),
            file,
        })
    })
}

/// `ulimit -n 100 -u 35`, `ulimit -Su 35`; the hard limit alone isn't meant.
fn sets(line: &str, value: u64) -> bool {
    let line = line.split('#').next().unwrap_or_default();
    line.split([';', '&', '|', '(', ')', '{', '}', '`'])
        .any(|command| {
            let mut words = command
                .split_whitespace()
                .skip_while(|word| *word != "ulimit");
            let mut is_next = false;
            words.any(|word| {
                let is_number = is_next && word.parse() == Ok(value);
                is_next = word.strip_prefix('-').is_some_and(|letters| {
                    letters.ends_with('u') && (letters.contains('S') || !letters.contains('H'))
                });
                is_number
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::made_up;

    #[test]
    fn lines_that_set_a_users_processes() {
        for (line, sets_it) in [
            ("ulimit -u 35", true),
            (
                "  ulimit -n 100 -u 35 -m 200000 -d 200000 -s 8192 2>/dev/null",
                true,
            ),
            ("[ $USER = oracle ] && ulimit -Su 35", true),
            ("if true; then ulimit -HSu 35; fi", true),
            ("ulimit -Hu 35", false),
            ("ulimit -n 35", false),
            ("ulimit -u 350", false),
            ("ulimit -u unlimited", false),
            ("# ulimit -u 35", false),
            ("echo -u 35", false),
            ("ulimit -u; echo 35", false),
        ] {
            assert_eq!(sets(line, 35), sets_it, "{line}");
        }
    }

    #[test]
    fn files_that_every_shell_reads() {
        let root = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| {
            made_up::write(root.path(), file, text);
        };
        assert_eq!(nproc(root.path(), 35), None);
        put("etc/profile.d/x.csh", "ulimit -u 35\n");
        put("root/.bashrc", "ulimit -u 35\n");
        assert_eq!(nproc(root.path(), 35), None);
        put(
            "etc/profile.d/limits.sh",
            "ulimit -n 4096 -u 14335\n\tulimit -n 100 -u 35\n",
        );
        let line = nproc(root.path(), 35).unwrap();
        assert_eq!(line.text, "ulimit -n 100 -u 35");
        assert!(line.file.ends_with("etc/profile.d/limits.sh"));
        assert!(is_shell("-bash") && is_shell("zsh") && !is_shell("sshd"));
    }
}
