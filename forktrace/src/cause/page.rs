//! What `forktrace explain` says of a cause: static text, one page a cause,
//! kept in the cause's own file as its `PAGE`.
//!
//! Texts are plain sentences; what stands between backticks is code, as in
//! Markdown. Commands are complete lines for a POSIX shell, narrow enough
//! never to be wrapped, with `$PID` and the like from [`VARIABLES`] in the
//! places that differ from host to host.

use serde::Serialize;

use super::Cause;

/// One line of `forktrace explain --format json`.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line<'a> {
    /// A cause of the catalogue.
    Explanation(&'a Page),
}

/// A cause, explained: what it is, who checks it, how to confirm it by hand,
/// what to do about it.
///
/// Fields are only ever added, as in records. Text between backticks is code.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Page {
    /// Which cause the page explains.
    pub cause: Cause,
    /// What its limit is called where it is set and shown, and what is logged of it: all that
    /// `explain` takes in place of the id.
    pub known_as: &'static [&'static str],
    /// Which errno, as in errno(3); `any` where whoever refuses may choose.
    pub errno: &'static [&'static str],
    /// Who gets which errno, where that needs words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno_note: Option<&'static str>,
    /// Whose limit it is, in a few words.
    pub scope: &'static str,
    /// The cause in one line.
    pub summary: &'static str,
    /// What it is, a paragraph each.
    pub about: &'static [&'static str],
    /// What in the kernel refuses, in the order of its checks.
    pub checks: &'static [Check],
    /// Who is never refused by it.
    pub exempt: &'static str,
    /// How to see by hand that it is this one.
    pub confirm: &'static [Step],
    /// What helps at once; it's gone with the process, the unit, or the boot.
    pub fix_now: &'static [Step],
    /// What lasts, by where the limit is set.
    pub fix_for_good: &'static [Remedy],
    /// What is often said about it, and is wrong.
    pub folklore: &'static [Myth],
    /// Causes that look alike, or that come next once this one is mended.
    pub related: &'static [Cause],
}

/// A place in the kernel that refuses.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Check {
    /// Source file, as Linux 6.1 has it.
    pub file: &'static str,
    /// The function that returns the errno, as Linux 6.1 has it.
    pub function: &'static str,
    /// Kernel versions that this holds for, of 5.10 to 7.3.
    pub versions: &'static str,
    /// What is compared or asked.
    pub text: &'static str,
}

/// One thing to do or to look at.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Step {
    /// What to do, in a sentence or two.
    pub text: &'static str,
    /// Lines for a POSIX shell, as root; may be empty. `$PID`, `$UNIT` and the
    /// like have to be set first.
    pub commands: &'static [&'static str],
}

/// A fix that lasts.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Remedy {
    /// Where the limit is set: `systemd unit`, `Kubernetes`, `sysctl.d`, …
    pub place: &'static str,
    /// What to do, in a sentence or two.
    pub text: &'static str,
    /// Lines for a POSIX shell, as root; may be empty.
    pub commands: &'static [&'static str],
    /// Lines for the file that the text names; may be empty.
    pub lines: &'static [&'static str],
}

/// Folklore, and what the kernel does instead.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Myth {
    /// What is said.
    pub claim: &'static str,
    /// What is so.
    pub fact: &'static str,
}

/// What the commands of all pages leave to be filled in.
pub(super) const VARIABLES: &[(&str, &str)] = &[
    ("PID", "the process that is refused"),
    ("UNIT", "its systemd unit"),
    ("CONTAINER", "its container"),
    ("CG", "the directory of the cgroup that refuses"),
    ("N", "the new limit"),
];

impl Page {
    /// The variables that this page's commands use, and what they stand for.
    pub fn variables(&self) -> Vec<(&'static str, &'static str)> {
        let lines = self.fix_for_good.iter().flat_map(|r| r.lines).copied();
        let used: Vec<&str> = self
            .commands()
            .chain(lines)
            .flat_map(variables_in)
            .collect();
        VARIABLES
            .iter()
            .copied()
            .filter(|(name, _)| used.contains(name))
            .collect()
    }

    /// Every line of shell on this page.
    fn commands(&self) -> impl Iterator<Item = &'static str> {
        let steps = self.confirm.iter().chain(self.fix_now);
        steps
            .flat_map(|s| s.commands)
            .chain(self.fix_for_good.iter().flat_map(|r| r.commands))
            .copied()
    }
}

/// Names behind `$` that are all capitals: what a reader has to fill in. The
/// commands' own variables are lower case.
fn variables_in(line: &str) -> impl Iterator<Item = &str> {
    line.split('$').skip(1).filter_map(|rest| {
        let end = rest
            .find(|c: char| !c.is_ascii_uppercase())
            .unwrap_or(rest.len());
        (end > 0).then(|| &rest[..end])
    })
}

pub(super) const fn check(
    file: &'static str,
    function: &'static str,
    versions: &'static str,
    text: &'static str,
) -> Check {
    Check {
        file,
        function,
        versions,
        text,
    }
}

pub(super) const fn step(text: &'static str, commands: &'static [&'static str]) -> Step {
    Step { text, commands }
}

pub(super) const fn remedy(place: &'static str, text: &'static str) -> Remedy {
    Remedy {
        place,
        text,
        commands: &[],
        lines: &[],
    }
}

impl Remedy {
    pub(super) const fn run(mut self, commands: &'static [&'static str]) -> Self {
        self.commands = commands;
        self
    }

    pub(super) const fn lines(mut self, lines: &'static [&'static str]) -> Self {
        self.lines = lines;
        self
    }
}

pub(super) const fn myth(claim: &'static str, fact: &'static str) -> Myth {
    Myth { claim, fact }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::pages;

    #[test]
    fn no_page_leaves_out_what_a_reader_comes_for() {
        for page in pages() {
            let id = page.cause.id();
            assert!(!page.errno.is_empty(), "{id}");
            assert!(!page.about.is_empty(), "{id}");
            assert!(!page.checks.is_empty(), "{id}");
            assert!(!page.exempt.is_empty(), "{id}");
            assert!(
                page.confirm.iter().any(|s| !s.commands.is_empty()),
                "{id}: nothing to confirm it with"
            );
            assert!(!page.fix_now.is_empty(), "{id}");
            assert!(!page.fix_for_good.is_empty(), "{id}");
            assert!(!page.related.is_empty(), "{id}");
            assert!(!page.related.contains(&page.cause), "{id}");
            for text in texts(page) {
                assert!(!text.trim().is_empty(), "{id}");
                assert_eq!(text.trim(), text, "{id}");
            }
        }
    }

    /// Who reads the page may have any of these, and only one of them has set the limit.
    #[test]
    fn limits_that_many_set_say_where_each_does() {
        for cause in [
            Cause::CgroupPidsMax,
            Cause::RlimitNproc,
            Cause::CgroupMemoryMax,
        ] {
            let places = cause.page().fix_for_good.iter().map(|r| r.place);
            let places: Vec<&str> = places.collect();
            for place in [
                "systemd unit",
                "container runtime",
                "LXC, Incus",
                "Kubernetes",
            ] {
                assert!(places.contains(&place), "{}: {places:?}", cause.id());
            }
        }
    }

    fn texts(page: &Page) -> Vec<&'static str> {
        let mut all = vec![page.scope, page.summary, page.exempt];
        all.extend(page.errno_note);
        all.extend(page.about);
        all.extend(page.checks.iter().flat_map(|c| [c.versions, c.text]));
        let steps = page.confirm.iter().chain(page.fix_now);
        all.extend(steps.map(|s| s.text));
        all.extend(page.fix_for_good.iter().flat_map(|r| [r.place, r.text]));
        all.extend(page.folklore.iter().flat_map(|m| [m.claim, m.fact]));
        all
    }

    #[test]
    fn texts_need_no_escaping() {
        for page in pages() {
            for text in texts(page) {
                assert_eq!(text.matches('`').count() % 2, 0, "{text}");
                assert!(!text.contains("  "), "{text}");
                let plain: String = text.split('`').step_by(2).collect();
                assert!(!plain.contains(['<', '>', '*', '|', '$', '[']), "{text}");
            }
        }
    }

    #[test]
    fn the_list_fits_eighty_columns() {
        for page in pages() {
            assert!(page.cause.id().len() <= 24);
            assert!(page.errno.join(", ").len() <= 14);
            assert!(page.scope.chars().count() <= 36, "{}", page.scope);
            assert!(page.summary.chars().count() <= 76, "{}", page.summary);
        }
    }

    #[test]
    fn commands_are_narrow_and_their_variables_known() {
        let known: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).collect();
        for page in pages() {
            let lines = page.fix_for_good.iter().flat_map(|r| r.lines).copied();
            for line in page.commands().chain(lines) {
                assert!(line.chars().count() <= 74, "{line}");
                assert!(line.is_ascii(), "{line}");
                for name in variables_in(line) {
                    assert!(known.contains(&name), "${name} in {line}");
                }
            }
        }
    }

    /// What a reader copies: a number that raises the limit here lowers it where it is higher already.
    /// Ceilings don't, nor does a smaller stack, which is a way out.
    #[test]
    fn no_line_has_a_limits_number_of_its_own() {
        const CEILINGS: [u64; 3] = [4_194_304, 524_288, i64::MAX as u64];
        for page in pages().filter(|page| page.cause != Cause::RlimitStack) {
            let steps = page.fix_now.iter().map(|step| step.commands);
            let remedies = page.fix_for_good.iter();
            let lines = steps.chain(remedies.flat_map(|r| [r.commands, r.lines]));
            for line in lines.flatten() {
                let spaced = line.replace(['=', ':', '\'', '"'], " = ");
                let words: Vec<&str> = spaced.split_whitespace().collect();
                for pair in words.windows(2) {
                    let sets = matches!(pair[0], "=" | "echo" | "nproc" | "nofile" | "pids.max");
                    let number = pair[1].parse::<u64>().ok().filter(|_| sets);
                    assert!(
                        number.is_none_or(|number| number <= 2 || CEILINGS.contains(&number)),
                        "{}: {line}",
                        page.cause.id()
                    );
                }
            }
        }
    }

    #[test]
    fn commands_are_what_a_shell_can_read() {
        for page in pages() {
            let steps = page.confirm.iter().chain(page.fix_now);
            let scripts = steps
                .map(|s| s.commands)
                .chain(page.fix_for_good.iter().map(|r| r.commands));
            for script in scripts.filter(|s| !s.is_empty()) {
                let script = script.join("\n");
                let status = std::process::Command::new("sh")
                    .args(["-n", "-c", &script])
                    .status()
                    .unwrap();
                assert!(status.success(), "{script}");
            }
        }
    }

    #[test]
    fn variables_are_found() {
        assert_eq!(
            variables_in("echo $N > $CG/pids.max; d=$(cat $d) ${d%/*}").collect::<Vec<_>>(),
            ["N", "CG"]
        );
    }
}
