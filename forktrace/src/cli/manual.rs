//! What the parser's definition doesn't hold: examples, and what else a manual page has to say.
//! `--help` and the manual pages are made of the same.

/// A command line, and what it is for.
pub(crate) struct Example {
    pub what: &'static str,
    pub line: &'static str,
}

const fn example(what: &'static str, line: &'static str) -> Example {
    Example { what, line }
}

/// What is to be known of a command beside its options.
pub(crate) struct Manual {
    /// The command's name; that of the program is the default command's.
    pub name: &'static str,
    /// What it does, a paragraph each, in the manual page.
    pub about: &'static [&'static str],
    pub examples: &'static [Example],
    /// Paths, and what is read or written there.
    pub files: &'static [(&'static str, &'static str)],
    /// Variables of the environment.
    pub environment: &'static [(&'static str, &'static str)],
    /// Statuses beside those of the program.
    pub exit: &'static [(&'static str, &'static str)],
    /// Other pages; those of forktrace by their commands.
    pub see: &'static [&'static str],
}

const COLOUR: (&str, &str) = ("NO_COLOR", "Set to anything: --color auto doesn't colour.");
const ZONE: (&str, &str) = (
    "TZ",
    "The zone of times, as tzset(3) takes it; without it the host's (/etc/localtime). The host's own \
     time zone database is used; where it has none, times are UTC.",
);
const LOCALTIME: (&str, &str) = ("/etc/localtime", "The zone of times where TZ isn't set.");
const PASSWD: (&str, &str) = (
    "/etc/passwd",
    "The names of users. Those of a directory service go by their numbers.",
);
const BTF: (&str, &str) = (
    "/sys/kernel/btf/vmlinux",
    "The kernel's types; --btf takes another file.",
);
const CGROUPS: (&str, &str) = (
    "/sys/fs/cgroup",
    "Cgroups, of both versions; where they are mounted is asked of /proc/self/mountinfo.",
);

/// Statuses of every command.
pub(crate) const EXIT: &[(&str, &str)] = &[
    ("0", "Done; also ended by Ctrl-C, SIGTERM or a closed pipe."),
    (
        "1",
        "check found a limit near, selftest a fault; with --fail something was refused.",
    ),
    (
        "2",
        "Wrong usage: an argument, or a file that can't be meant.",
    ),
    ("3", "It can't run here: privilege, or the kernel."),
    ("4", "It failed while running."),
    (
        "other",
        "With a command: the command's own, 126 and 127 where it could not be started, 128 and the \
         signal's number where one ended it.",
    ),
];

pub(crate) const LIVE: Manual = Manual {
    name: "live",
    about: &[
        "Attaches to the kernel's process creation and prints every creation that fails: who was refused, which check of the kernel refused, whose limit it is and how full, and what to change. Errors other than EAGAIN and ENOMEM are reported with --errno.",
        "Counts and a summary follow at the end. SIGUSR1 prints what has come so far. Once attached, forktrace creates no process and no thread, and has given up what it no longer needs.",
    ],
    examples: &[
        example("Why forks fail on this host, from now on:", "forktrace"),
        example(
            "From a shell that can't fork any more, in its place:",
            "exec forktrace",
        ),
        example(
            "Why a command fails, and what it starts:",
            "forktrace -- make -j64",
        ),
        example(
            "Of a unit, also before it is started:",
            "forktrace --unit nginx",
        ),
        example(
            "For a script, until the first failure of a user, ten minutes at most:",
            "forktrace -u www-data --count 1 --duration 10m --format json",
        ),
        example(
            "For a hook: status 1 if anything is refused within a minute:",
            "forktrace -q --count 1 --duration 60 --fail --unit nginx",
        ),
        example(
            "Threads too that fail before the kernel is asked for one:",
            "forktrace -p 4711 --thread-stacks",
        ),
    ],
    files: &[BTF, CGROUPS, PASSWD, LOCALTIME],
    environment: &[COLOUR, ZONE],
    exit: &[],
    see: &[
        "record",
        "check",
        "explain",
        "prlimit(1)",
        "fork(2)",
        "pthread_create(3)",
        "cgroups(7)",
    ],
};

pub(crate) const RECORD: Manual = Manual {
    name: "record",
    about: &[
        "Writes what live prints to a file of JSON lines that replay and report read, on any machine. A crash at any moment costs one line at most; files can be put away by size or age.",
    ],
    examples: &[
        example(
            "For weeks, in compressed files of 100 MB, the last twenty of them:",
            "forktrace record -o /var/log/forktrace/failures.ndjson.zst --append --max-size 100M --keep 20",
        ),
        example(
            "One command:",
            "forktrace record -o make.ndjson -- make -j64",
        ),
        example(
            "With numbers for Prometheus, by node_exporter and over HTTP:",
            "forktrace record -o failures.ndjson --metrics-file /run/forktrace/forktrace.prom --metrics 9435",
        ),
        example(
            "Into another program:",
            "forktrace record -q -o - | jq -r .cause",
        ),
    ],
    files: &[BTF, CGROUPS, PASSWD],
    environment: &[ZONE],
    exit: &[],
    see: &["replay", "report", "schema", "zstd(1)"],
};

pub(crate) const REPLAY: Manual = Manual {
    name: "replay",
    about: &[
        "Prints recordings as live would have printed them, without privilege. What is damaged in a file is passed over and named on standard error.",
    ],
    examples: &[
        example(
            "The last hour:",
            "forktrace replay --since 1h failures.ndjson",
        ),
        example(
            "What was refused in the night, by one limit:",
            "forktrace replay --since 'yesterday 22:00' --until 06:00 --cause cgroup_pids_max failures.ndjson.zst",
        ),
        example(
            "What is recorded at the moment, as it comes:",
            "forktrace replay --follow failures.ndjson",
        ),
        example(
            "To an OpenTelemetry collector, as it comes:",
            "forktrace replay --follow failures.ndjson --otlp http://127.0.0.1:4318",
        ),
        example(
            "From another host, in its records' own time:",
            "ssh db-1 cat failures.ndjson | forktrace replay --utc -",
        ),
    ],
    files: &[LOCALTIME],
    environment: &[COLOUR, ZONE],
    exit: &[],
    see: &["record", "report", "explain"],
};

pub(crate) const REPORT: Manual = Manual {
    name: "report",
    about: &[
        "Sums up any number of recordings, of any number of hosts: what to do first, causes, limits and who filled them, callers, cgroups, bursts and OOM kills.",
        "Of several hosts the same limit of the same owner is one line, with the host that has it worst. What an owner's name has from one start to the next, such as ids of containers and numbers of sessions, is a * there. --by sums up by one thing alone. Tables have ten rows, and as many more as have a hundredth of the failures; --top says how many.",
        "With --follow it goes on: what is written to the files, and to recordings that come to the folders (names that end in .ndjson or .ndjson.zst, at any depth), is added to the sums, and the report is printed again: over the one before on a terminal, cut to its height, else at most every five seconds. Files that are put away, renamed, copied anew or emptied are known again by what they hold. Files are looked at once a second, or up to every ten seconds where that takes long. What stands behind the last whole record of a file is waited for.",
    ],
    examples: &[
        example("What to do first:", "forktrace report failures.ndjson"),
        example(
            "Of many hosts, as one page with plots:",
            "forktrace report --html fleet.html web*/failures*.ndjson",
        ),
        example(
            "Which hosts have it worst, as a table for a spreadsheet:",
            "forktrace report --by host --top 50 --format csv web*/failures*.ndjson",
        ),
        example(
            "For a ticket:",
            "forktrace report --format markdown failures.ndjson",
        ),
        example(
            "Of a folder that hosts write to, as it grows:",
            "forktrace report --follow --html fleet.html --force /srv/fleet",
        ),
        example(
            "The limits of the last day, for a program:",
            "forktrace report --since 1d --format json failures.ndjson | jq .limits",
        ),
    ],
    files: &[LOCALTIME],
    environment: &[COLOUR, ZONE],
    exit: &[],
    see: &["record", "replay", "explain", "schema"],
};

pub(crate) const TOP: Manual = Manual {
    name: "top",
    about: &[
        "Shows the limits that can refuse a fork by how full they are, how they change, and the failures as they come, on one screen. Without the privilege to trace it shows the limits alone. Like live it creates no process and no thread, so that it works where a limit is full.",
        "A limit is said to be full in some time where its use has grown steadily while it was watched: a line fits it, and it grew in both halves. Limits are read once a second, on hosts with many processes less often, so that it stays below a hundredth of a processor.",
        "With a FILE it shows a recording in time, with the limits that the failures name. Times without a record are cut to three seconds; + and - change the speed, n goes on to the next record.",
        "Keys: Enter shows the whole answer, e explains the cause, Tab changes between limits and failures, / filters, s sorts, p pauses, ? lists all, q quits.",
    ],
    examples: &[
        example("This host, now:", "forktrace top"),
        example(
            "From a shell that can't fork any more, in its place:",
            "exec forktrace top",
        ),
        example("Failures of one unit:", "forktrace top --unit nginx"),
        example(
            "Last night, sixty times as fast:",
            "forktrace top --since 'yesterday 22:00' --speed 60 failures.ndjson.zst",
        ),
    ],
    files: &[BTF, CGROUPS, PASSWD, LOCALTIME],
    environment: &[
        COLOUR,
        ZONE,
        (
            "TERM",
            "A terminal that is dumb, or has no name, can't be drawn on.",
        ),
    ],
    exit: &[],
    see: &["live", "check", "replay", "explain", "top(1)"],
};

pub(crate) const CONVERT: Manual = Manual {
    name: "convert",
    about: &[
        "Writes recordings as one table, a row for each failure, each count of repeats, each loss and each OOM kill, with host and session. Parquet has typed and nested columns, and is written by forktrace-convert, a program of its own that is looked for beside forktrace and in PATH; CSV has a column for each field, and JSON for lists. What the column failures adds up to is what report counts of the same files.",
    ],
    examples: &[
        example(
            "A month of many hosts:",
            "forktrace convert -o november.parquet web*/failures*.ndjson.zst",
        ),
        example(
            "For a spreadsheet, one cause alone:",
            "forktrace replay --cause pid_max --format json failures.ndjson | forktrace convert -o pid_max.csv -",
        ),
    ],
    files: &[],
    environment: &[],
    exit: &[],
    see: &["record", "replay", "report", "schema"],
};

pub(crate) const PROBES: Manual = Manual {
    name: "probes",
    about: &[
        "Attaches every probe that tracing would use, one style after the other, says what this kernel refuses and which evidence is lost by that, and ends.",
    ],
    examples: &[
        example("What this kernel gives:", "forktrace probes"),
        example("Of one style alone:", "forktrace probes --attach kprobe"),
    ],
    files: &[BTF],
    environment: &[],
    exit: &[],
    see: &["live", "selftest", "capabilities(7)"],
};

pub(crate) const EXPLAIN: Manual = Manual {
    name: "explain",
    about: &[
        "Prints what is known of a cause: what it is, who checks it in the kernel, who is exempt, how to confirm it by hand, and what to do now and for good. It is found by the cause's id, by a limit's name wherever that is set or shown, or by an error message; an errno lists every cause that answers with it.",
        "Of a line of a log it says which program says that, whether its errno is what the kernel answered, which causes can be behind it, how often the program asks, and what brings it back. Colours, JSON and logfmt are seen through. Logs are read by --log (also .gz, .zst and .xz), --journal, or from standard input by `-`; with --pid, --cgroup, --unit or --user the limits are read as well, and those that are near come first.",
    ],
    examples: &[
        example("All causes:", "forktrace explain"),
        example(
            "One, as records name it:",
            "forktrace explain cgroup_pids_max",
        ),
        example(
            "By the limit's name, wherever it was seen:",
            "forktrace explain TasksMax",
        ),
        example("", "forktrace explain 'ulimit -u'"),
        example(
            "What an errno or a message can mean:",
            "forktrace explain EAGAIN",
        ),
        example("", "forktrace explain 'Cannot allocate memory'"),
        example(
            "What a line means, and which limits of the unit are near:",
            "forktrace explain --unit nginx 'fork() failed while spawning \"worker process\" (11: Resource temporarily unavailable)'",
        ),
        example(
            "What logs say of refusals:",
            "forktrace explain --log /var/log/syslog /var/log/syslog.1.gz",
        ),
        example(
            "What programs say, and what brings them back:",
            "forktrace explain --programs",
        ),
    ],
    files: &[],
    environment: &[COLOUR],
    exit: &[],
    see: &["live", "check", "errno(3)"],
};

pub(crate) const CHECK: Manual = Manual {
    name: "check",
    about: &[
        "Compares each limit that could refuse a fork with what is in use, the fullest first, and says who fills it. Nothing is traced. --save keeps all settings, --against shows which have changed.",
    ],
    examples: &[
        example("How near anything on this host is:", "forktrace check"),
        example(
            "What a unit's next fork could be refused for:",
            "forktrace check --unit nginx",
        ),
        example(
            "What the kernel still counts of refusals from before:",
            "forktrace check --past",
        ),
        example(
            "An alert, from 80 percent on:",
            "forktrace check --warn 80 > /dev/null || alert",
        ),
        example(
            "Before a change, and after:",
            "forktrace check --save good.json",
        ),
        example("", "forktrace check --against good.json"),
    ],
    files: &[
        CGROUPS,
        PASSWD,
        LOCALTIME,
        ("/dev/kmsg", "OOM kills and refused forks of the last hour."),
    ],
    environment: &[COLOUR, ZONE],
    exit: &[("1", "A limit that applies is at --warn or above.")],
    see: &[
        "live",
        "explain",
        "prlimit(1)",
        "systemd.resource-control(5)",
    ],
};

pub(crate) const SELFTEST: Manual = Manual {
    name: "selftest",
    about: &[
        "Gets harmless processes refused for each cause that this host can bear, and compares what tracing says. The host is as before when it ends; --disruptive changes settings of the whole host for a moment.",
    ],
    examples: &[
        example("Whether causes are told here:", "forktrace selftest"),
        example(
            "One of them, while forktrace runs in another terminal:",
            "forktrace selftest --only cgroup_pids_max",
        ),
    ],
    files: &[BTF, CGROUPS],
    environment: &[COLOUR],
    exit: &[("1", "A cause was not told, or not rightly.")],
    see: &["probes", "explain"],
};

pub(crate) const SCHEMA: Manual = Manual {
    name: "schema",
    about: &[
        "Prints the JSON Schema of the lines that live --format json and record write, or of what another command's --format json prints.",
    ],
    examples: &[
        example("Of the records:", "forktrace schema"),
        example(
            "Of what check prints, into a file:",
            "forktrace schema check -o check.schema.json",
        ),
    ],
    files: &[],
    environment: &[],
    exit: &[],
    see: &["record", "report", "check"],
};

pub(crate) const COMPLETIONS: Manual = Manual {
    name: "completions",
    about: &[
        "Prints a script for a shell to read when it starts. At each completion the script asks the forktrace on the PATH, so that it knows the causes, users, units, cgroups and processes of the moment.",
    ],
    examples: &[
        example(
            "bash, for this user:",
            "forktrace completions bash > ~/.local/share/bash-completion/completions/forktrace",
        ),
        example(
            "zsh, for all:",
            "forktrace completions zsh > /usr/local/share/zsh/site-functions/_forktrace",
        ),
        example(
            "fish:",
            "forktrace completions fish > ~/.config/fish/completions/forktrace.fish",
        ),
    ],
    files: &[],
    environment: &[(
        "FORKTRACE_COMPLETE",
        "Set by the shell's script when it asks for completions.",
    )],
    exit: &[],
    see: &["man"],
};

pub(crate) const MAN: Manual = Manual {
    name: "man",
    about: &[
        "Prints a manual page, or writes the pages of all commands, forktrace.1 and forktrace-COMMAND.1, to a folder.",
    ],
    examples: &[
        example("Of check:", "forktrace man check | man -l -"),
        example("All pages:", "forktrace man -o /usr/local/share/man/man1"),
    ],
    files: &[],
    environment: &[],
    exit: &[],
    see: &["completions"],
};

/// Of every command, the default one first.
pub(crate) const ALL: [&Manual; 13] = [
    &LIVE,
    &RECORD,
    &REPLAY,
    &REPORT,
    &CONVERT,
    &TOP,
    &PROBES,
    &EXPLAIN,
    &CHECK,
    &SELFTEST,
    &SCHEMA,
    &COMPLETIONS,
    &MAN,
];

/// What `--help` ends with.
pub(crate) fn examples(manual: &Manual) -> String {
    let mut text = "Examples:".to_owned();
    for example in manual.examples {
        if !example.what.is_empty() {
            text.push_str(&format!("\n  {}", example.what));
        }
        text.push_str(&format!("\n      {}", example.line));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::{CommandFactory as _, Parser as _};

    #[test]
    fn every_command_has_a_manual() {
        let command = Cli::command();
        let commands: Vec<&str> = command.get_subcommands().map(|c| c.get_name()).collect();
        let manuals: Vec<&str> = ALL.iter().map(|manual| manual.name).collect();
        assert_eq!(manuals, commands);
        for manual in ALL {
            assert!(
                manual.examples.len() > 1 && !manual.see.is_empty(),
                "{}",
                manual.name
            );
        }
    }

    /// Words of a shell's line: quotes alone, for the examples need no more.
    fn words(line: &str) -> Vec<String> {
        let parts = line.split('\'').enumerate();
        let mut words = vec![String::new()];
        for (n, part) in parts {
            if n % 2 == 1 {
                words.last_mut().unwrap().push_str(part);
                continue;
            }
            for (n, piece) in part.split(' ').enumerate() {
                if n > 0 {
                    words.push(String::new());
                }
                words.last_mut().unwrap().push_str(piece);
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn every_example_is_a_command_line_that_is_taken() {
        for manual in ALL {
            for example in manual.examples {
                let at = example.line.find("forktrace").unwrap();
                let line = example.line[at..].split(['|', '>']).next().unwrap();
                let line = words(line);
                if let Err(error) = Cli::try_parse_from(&line) {
                    panic!("{line:?}: {error}");
                }
            }
        }
    }

    #[test]
    fn pages_that_are_referred_to_are_there() {
        for page in ALL.iter().flat_map(|manual| manual.see) {
            let ours = ALL.iter().any(|manual| manual.name == *page);
            assert!(ours || page.ends_with(')'), "{page}");
        }
    }
}
