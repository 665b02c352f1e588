//! What `forktrace explain` makes of logs that programs have written when they were refused a process or a thread at a
//! pids.max, which is EAGAIN: excerpts of what `cargo xtask programs` has seen, with names of this kind of machine
//! replaced (`data/logs`).

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use serde_json::Value;

/// How a message tells the errno.
#[derive(Clone, Copy, PartialEq)]
enum Tells {
    True,
    /// Another may have been answered.
    NotAlways,
    /// None.
    Nothing,
}

use Tells::{NotAlways, Nothing, True};

/// A log, who has written it, what was wanted, and of each message how often it is there, the errno that it names, and
/// how it tells that. A message in doubt is none.
type Log = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(u64, &'static str, Tells)],
);

const LOGS: &[Log] = &[
    (
        "apache",
        "apache",
        "a child process",
        &[(1, "EAGAIN", True)],
    ),
    (
        "bash",
        "bash",
        "a command, a job",
        &[(4, "EAGAIN", True), (1, "EAGAIN", True)],
    ),
    (
        "celery",
        "celery",
        "a worker process in place",
        &[(1, "EAGAIN", True)],
    ),
    (
        "dbus",
        "dbus",
        "a service that is activated",
        &[(1, "EAGAIN", True)],
    ),
    ("fish", "fish", "a command", &[(1, "EAGAIN", True)]),
    (
        "gawk",
        "awk",
        "a command read from with getline",
        &[(1, "EAGAIN", True)],
    ),
    ("gcc", "gcc", "the compiler", &[(1, "EAGAIN", True)]),
    ("git", "git", "a hook, an alias", &[(1, "EAGAIN", True)]),
    // Its own message is of whatever went wrong; the traceback below tells.
    (
        "gunicorn",
        "python",
        "a process by os.fork",
        &[(1, "EAGAIN", True)],
    ),
    (
        "java",
        "java",
        "a thread",
        &[(1, "EAGAIN", NotAlways), (1, "", Nothing), (1, "", Nothing)],
    ),
    (
        "java-process",
        "java",
        "a process by ProcessBuilder",
        &[(1, "EAGAIN", True), (1, "EAGAIN", True)],
    ),
    (
        "jemalloc",
        "jemalloc",
        "a thread that gives memory back",
        &[(1, "EAGAIN", NotAlways)],
    ),
    (
        "ksh93",
        "ksh93",
        "a job in the background",
        &[(1, "EAGAIN", True)],
    ),
    (
        "make",
        "make",
        "a command of a recipe",
        &[(1, "EAGAIN", True)],
    ),
    // It says that memory is out.
    ("mariadb", "mariadb", "a connection", &[(1, "", Nothing)]),
    (
        "nginx",
        "nginx",
        "a worker process in place",
        &[(1, "EAGAIN", True), (1, "", Nothing)],
    ),
    (
        "nodejs",
        "nodejs",
        "a child process by spawn",
        &[(1, "EAGAIN", True)],
    ),
    (
        "openblas",
        "openblas",
        "a thread",
        &[(1, "EAGAIN", NotAlways), (1, "", Nothing)],
    ),
    ("perl", "perl", "a command by system", &[(2, "", Nothing)]),
    // popen(3)'s errno, here and in R.
    (
        "php",
        "php",
        "a command by popen",
        &[(2, "ENOMEM", NotAlways)],
    ),
    (
        "r",
        "r",
        "a command by system(intern",
        &[(1, "ENOMEM", NotAlways)],
    ),
    (
        "php-fpm",
        "php-fpm",
        "a worker process",
        &[(4, "EAGAIN", True)],
    ),
    (
        "postgresql",
        "postgresql",
        "a connection",
        &[(1, "EAGAIN", True)],
    ),
    (
        "python",
        "python",
        "a process by subprocess",
        &[(1, "EAGAIN", True)],
    ),
    ("python-thread", "python", "a thread", &[(1, "", Nothing)]),
    (
        "redis",
        "redis",
        "a save in the background",
        &[(2, "EAGAIN", True)],
    ),
    ("ruby", "ruby", "a thread", &[(1, "EAGAIN", NotAlways)]),
    ("socat", "socat", "a connection", &[(1, "EAGAIN", True)]),
    ("sshd", "sshd", "a connection", &[(1, "EAGAIN", True)]),
    ("sudo", "sudo", "the command", &[(1, "EAGAIN", True)]),
    ("tcsh", "tcsh", "a command", &[(1, "", Nothing)]),
    (
        "uwsgi",
        "uwsgi",
        "a worker in place",
        &[(1, "EAGAIN", True)],
    ),
    (
        "xinetd",
        "xinetd",
        "a connection",
        &[(5, "EAGAIN", True), (1, "", Nothing)],
    ),
    ("zsh", "zsh", "a command", &[(1, "EAGAIN", True)]),
];

/// What others say in a log: the interpreter, a library.
const BESIDE: &[(&str, &str)] = &[("celery", "python"), ("jemalloc", "rust")];

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/logs"))
}

/// What is said in a log without a doubt.
fn said(log: &str) -> Vec<Value> {
    let run = Command::new(env!("CARGO_BIN_EXE_forktrace"))
        .args(["explain", "--format", "json", "--log"])
        .arg(folder().join(format!("{log}.log")))
        .output()
        .unwrap();
    assert!(run.status.success(), "{log}: {run:?}");
    let text = String::from_utf8(run.stdout).unwrap();
    let all = text.lines().map(|line| serde_json::from_str(line).unwrap());
    all.filter(|one: &Value| one["type"] == "said" && one.get("doubt").is_none())
        .collect()
}

fn tells(telling: &Value) -> Tells {
    let trust = telling["trust"].as_str().unwrap();
    match () {
        () if trust.contains("is what the kernel answered") => True,
        () if trust.contains("may not be the truth") => NotAlways,
        () => {
            assert!(trust.starts_with("It names no errno"), "{trust}");
            Nothing
        }
    }
}

#[test]
fn each_log_is_its_programs_and_says_what_was_refused() {
    for (log, program, wish, messages) in LOGS {
        let (mine, others): (Vec<Value>, Vec<Value>) = said(log)
            .into_iter()
            .partition(|one| one["program"] == *program);
        for other in &others {
            let beside = (*log, other["program"].as_str().unwrap());
            assert!(BESIDE.contains(&beside), "{log}: {other}");
        }
        let mut found = Vec::new();
        for telling in &mine {
            let what = telling["wish"].as_str().unwrap();
            assert!(what.starts_with(wish), "{log}: {what}");
            // Whatever it says, EAGAIN was the answer, and a cgroup's pids.max why.
            let answered = telling["answered"].as_array().unwrap();
            assert!(
                answered.contains(&Value::from("EAGAIN")),
                "{log}: {telling}"
            );
            assert_eq!(telling["causes"][0]["cause"], "cgroup_pids_max", "{log}");
            let errno = telling["errno"].as_str().unwrap_or_default().to_owned();
            found.push((telling["count"].as_u64().unwrap(), errno, tells(telling)));
        }
        let mut wanted: Vec<_> = messages
            .iter()
            .map(|(count, errno, tells)| (*count, (*errno).to_owned(), *tells))
            .collect();
        let order = |one: &(u64, String, Tells)| (one.0, one.1.clone());
        found.sort_by_key(order);
        wanted.sort_by_key(order);
        assert!(found == wanted, "{log}: {mine:#?}");
    }
}

#[test]
fn every_excerpt_is_looked_at_and_short() {
    let files: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let wanted: BTreeSet<String> = LOGS.iter().map(|(log, ..)| format!("{log}.log")).collect();
    assert_eq!(files, wanted);
    for file in files {
        let text = fs::read_to_string(folder().join(&file)).unwrap();
        assert!(text.lines().count() <= 12 && text.len() < 2000, "{file}");
    }
}
