//! What a person meets at the command line: times, names of files, mistakes. Without privilege.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/schema-1.ndjson");

fn run(arguments: &[&str], zone: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_forktrace"))
        .args(arguments)
        .env("TZ", zone)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What is printed, of a run that succeeds.
fn printed(arguments: &[&str], zone: &str) -> String {
    let run = run(arguments, zone);
    assert!(run.status.success(), "{arguments:?}: {run:?}");
    text(&run.stdout)
}

/// What is said of wrong usage.
fn refused(arguments: &[&str]) -> String {
    let run = run(arguments, "");
    assert_eq!(run.status.code(), Some(2), "{arguments:?}: {run:?}");
    let said = text(&run.stderr);
    assert!(!said.contains("os error"), "{said}");
    said
}

#[test]
fn one_openmetrics_text_fits_into_an_output() {
    let said = refused(&["check", "--watch", "--format", "openmetrics"]);
    assert!(said.contains("--metrics-file"), "{said}");
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("forktrace-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A rule, so that the host's database doesn't matter.
const NEW_YORK: &str = "EST5EDT,M3.2.0,M11.1.0";

#[test]
fn times_are_of_the_zone_that_is_asked_for() {
    let utc = printed(&["replay", RECORDING], "");
    assert!(utc.contains("2026-11-23 03:48:47 UTC"), "{utc}");
    assert!(utc.contains("\n03:48:50 EAGAIN"), "{utc}");
    let local = printed(&["replay", RECORDING], NEW_YORK);
    assert!(local.contains("2026-11-22 22:48:47 -05:00"), "{local}");
    assert!(local.contains("\n22:48:50 EAGAIN"), "{local}");
    assert!(!local.contains("Ctrl-C"), "{local}");
    assert_eq!(printed(&["replay", "--utc", RECORDING], NEW_YORK), utc);
    let verbose = printed(&["replay", "-v", RECORDING], NEW_YORK);
    assert!(verbose.contains("\n2026-11-22T22:48:50."), "{verbose}");
    let report = printed(&["report", RECORDING], NEW_YORK);
    assert!(
        report.contains("2026-11-22 22:48:50 -05:00 to "),
        "{report}"
    );
    // What is typed is of the same zone as what is printed.
    let since = |time: &str, zone| printed(&["replay", "--since", time, RECORDING], zone);
    assert!(since("2026-11-22 22:00", NEW_YORK).contains("22:48:50 EAGAIN"));
    assert!(!since("2026-11-23 03:00", NEW_YORK).contains("22:48:50 EAGAIN"));
    assert!(since("2026-11-23 03:00", "").contains("03:48:50 EAGAIN"));
}

#[test]
fn a_zone_that_nobody_knows_is_said_to_be_utc() {
    let run = run(&["replay", RECORDING], "Mars/Olympus");
    assert!(run.status.success());
    let said = text(&run.stderr);
    assert!(
        said.contains("TZ=Mars/Olympus") && said.contains("times are UTC"),
        "{said}"
    );
    assert!(text(&run.stdout).contains("03:48:47 UTC"));
}

#[test]
fn times_that_can_t_be_meant_are_wrong_usage() {
    let said = refused(&["replay", "--since", "14:05", "--until", "13:00", RECORDING]);
    assert!(
        said.contains("--since is") && said.contains("after --until"),
        "{said}"
    );
    refused(&["report", "--since", "1h", "--until", "2h", RECORDING]);
    let said = refused(&["replay", "--since", "soon", RECORDING]);
    assert!(said.contains("is no time"), "{said}");
    assert!(
        printed(
            &["replay", "--since", "1h", "--until", "now", RECORDING],
            ""
        )
        .len()
            < 400
    );
}

#[test]
fn a_minus_is_standard_output() {
    let page = printed(&["report", "--html", "-", RECORDING], "");
    assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
    let schema = printed(&["schema", "-o", "-"], "");
    assert_eq!(schema, printed(&["schema"], ""));
    let run = run(&["check", "--save", "-"], "");
    let baseline: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert!(baseline.get("settings").is_some(), "{baseline}");
    assert!(fs::metadata("-").is_err());
    let said = refused(&["record", "-o", "-", "--max-size", "1M"]);
    assert!(said.contains("standard output"), "{said}");
}

/// A page on standard output is no less of a reading than one in a file.
#[test]
fn a_page_of_a_damaged_recording_ends_as_its_reading() {
    let folder = Folder::new("torn-page");
    let torn = folder.path("torn.ndjson");
    let recording = fs::read(RECORDING).unwrap();
    let lines = recording.split_inclusive(|byte| *byte == b'\n');
    let mut lines: Vec<&[u8]> = lines.collect();
    lines[2] = b"{\"type\":\"failure\",\n";
    fs::write(&torn, lines.concat()).unwrap();
    for page in ["-", &folder.path("page.html")] {
        let ended = |more: &[&str]| {
            let arguments = [&["report", "--force", "--html", page, &torn], more].concat();
            run(&arguments, "").status.code()
        };
        assert_eq!(ended(&[]), Some(5), "{page}");
        assert_eq!(ended(&["--lenient"]), Some(0), "{page}");
    }
}

/// The session is one, in however many files.
#[test]
fn the_digest_is_of_all_files_of_a_session() {
    let folder = Folder::new("rotated");
    let recording = text(&fs::read(RECORDING).unwrap());
    let session = recording.lines().next().unwrap();
    let failure = recording
        .lines()
        .find(|line| line.starts_with("{\"type\":\"failure\""))
        .unwrap();
    let seq = failure.split_once(",\"time\"").unwrap().0.to_owned();
    let numbered =
        |n: u64| failure.replacen(&seq, &format!("{{\"type\":\"failure\",\"seq\":{n}"), 1);
    let write = |name: &str, lines: &[String]| {
        let path = folder.path(name);
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        path
    };
    let summary = "{\"type\":\"summary\",\"ended\":\"2030-01-01T00:00:00Z\",\"failures\":5,\"lost\":0,\"killed\":0,\
                   \"causes\":{}}";
    let first = write(
        "a.ndjson",
        &[session.to_owned(), numbered(1), numbered(2), numbered(3)],
    );
    let second = write(
        "b.ndjson",
        &[
            session.to_owned(),
            numbered(4),
            numbered(5),
            summary.to_owned(),
        ],
    );
    let told = printed(&["replay", &first, &second], "");
    assert!(told.contains("1. 5 failures"), "{told}");
}

#[test]
fn files_are_whole_or_as_they_were() {
    let folder = Folder::new("whole");
    let path = folder.path("schema.json");
    printed(&["schema", "check", "-o", &path], "");
    let before = fs::read(&path).unwrap();
    let said = refused(&["schema", "report", "-o", &path]);
    assert!(
        said.contains("--force") && !said.contains("--append"),
        "{said}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);
    printed(&["schema", "report", "-o", &path, "--force"], "");
    assert_ne!(fs::read(&path).unwrap(), before);
    let page = folder.path("page.html");
    printed(&["report", "--html", &page, RECORDING], "");
    let said = refused(&["report", "--html", &page, RECORDING]);
    assert!(
        said.contains("--force") && !said.contains("--append"),
        "{said}"
    );
    // Nothing is left beside them.
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 2);
}

#[test]
fn names_that_promise_what_is_not_written_are_refused() {
    let folder = Folder::new("names");
    for (arguments, name) in [
        (&["record", "-o"][..], "x.gz"),
        (&["check", "--save"], "x.json.xz"),
        (&["schema", "-o"], "x.csv"),
    ] {
        let path = folder.path(name);
        let said = refused(&[arguments, &[&path]].concat());
        assert!(said.contains("what is written is no ."), "{said}");
    }
    refused(&["report", "--html", &folder.path("x.html.gz"), RECORDING]);
    for arguments in [
        &["record", "-o"][..],
        &["check", "--save"],
        &["schema", "-o"],
    ] {
        let said = refused(&[arguments, &[folder.0.to_str().unwrap()]].concat());
        assert!(said.contains("is a folder"), "{said}");
    }
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[test]
fn files_that_can_t_be_read_are_named_in_words() {
    let said = refused(&["report", "/nonexistent"]);
    assert_eq!(
        said,
        "forktrace: opening /nonexistent: No such file or directory\n"
    );
    let folder = Folder::new("packed");
    let packed = folder.path("a.ndjson.gz");
    fs::write(&packed, b"\x1f\x8b\x08\0\0\0\0\0\xe7\xe7\xe7\xe7\n").unwrap();
    let said = refused(&["report", &packed]);
    assert!(
        said.contains("compressed by gzip") && said.contains("`gzip -dc`"),
        "{said}"
    );
    // Whoever may write to a folder chooses names in it.
    for (command, path) in [
        ("report", "/none/a\u{1b}[31m\nb"),
        ("replay", "/none/a\u{1b}[31m\nb"),
    ] {
        let said = refused(&[command, path]);
        assert!(said.contains("a\\u{1b}[31m\\u{a}b"), "{said}");
    }
    let said = refused(&["report", "/"]);
    assert_eq!(said, "forktrace: reading /: Is a directory\n");
    // Nothing was read, so that nothing can be said of it.
    let explained = run(&["explain", "--log", "/nonexistent"], "");
    assert_eq!(explained.status.code(), Some(4));
    assert!(explained.stdout.is_empty());
}

#[test]
fn explain_is_found_by_what_people_have() {
    let page = |arguments: &[&str]| printed(&[&["explain"], arguments].concat(), "");
    let pids = page(&["cgroup_pids_max"]);
    for name in [
        &["pids.max"][..],
        &["TasksMax"],
        &["podPidsLimit"],
        &["fork", "rejected", "by", "pids", "controller"],
    ] {
        assert_eq!(page(name), pids, "{name:?}");
    }
    assert_eq!(page(&["ulimit -u"]), page(&["rlimit_nproc"]));
    let several = page(&["EAGAIN"]);
    assert!(several.contains("cgroup_pids_max") && several.contains("rlimit_nproc"));
    assert!(!several.contains("overcommit"), "{several}");
    let said = refused(&["explain", "pidsmax"]);
    assert!(
        said.contains("did you mean 'pids.max' (cgroup_pids_max)"),
        "{said}"
    );
}

#[test]
fn help_has_examples() {
    for command in [
        "live", "record", "replay", "report", "check", "explain", "selftest",
    ] {
        let help = printed(&[command, "--help"], "");
        assert!(help.contains("\nExamples:\n"), "{help}");
    }
    assert!(printed(&["--help"], "").contains("\nExamples:\n"));
}

/// What a command says on standard error.
fn said(run: &Output) -> String {
    text(&run.stderr)
}

#[test]
fn a_recording_becomes_a_table_that_adds_up_to_its_report() {
    let folder = Folder::new("convert");
    let csv = folder.path("a.csv");
    let convert = |arguments: &[&str]| run(&[&["convert"], arguments].concat(), "");
    let made = convert(&["-o", &csv, RECORDING, RECORDING]);
    assert!(made.status.success(), "{made:?}");
    let table = fs::read_to_string(&csv).unwrap();
    let sum: u64 = table
        .lines()
        .skip(1)
        .map(|row| row.split(',').nth(1).unwrap().parse::<u64>().unwrap())
        .sum();
    let report = printed(&["report", "--format", "json", RECORDING], "");
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["totals"]["failures"], sum);
    assert!(
        said(&made).contains(&format!("{sum} failed creations in ")),
        "{made:?}"
    );
    let out = convert(&["-o", "-", RECORDING]);
    assert_eq!(text(&out.stdout), table);
    // Nothing is overwritten unasked, and a recording never.
    assert!(refused(&["convert", "-o", &csv, RECORDING]).contains("--force"));
    let copy = folder.path("copy.csv");
    fs::copy(RECORDING, &copy).unwrap();
    let own = refused(&["convert", "--force", "-o", &copy, &copy]);
    assert!(own.contains("is to be read"), "{own}");
    let strange = refused(&["convert", "-o", &folder.path("a.xlsx"), RECORDING]);
    assert!(strange.contains(".parquet or .csv"), "{strange}");
    refused(&["convert", "-o", &folder.path("b.parquet"), "/none"]);
    refused(&["convert", "-o", &folder.path("b.csv"), "/none"]);
    // What damage has lost is told, and what is left is written.
    let torn = folder.path("torn.ndjson");
    let whole = fs::read(RECORDING).unwrap();
    fs::write(&torn, &whole[..whole.len() - 9]).unwrap();
    for (lenient, status) in [(false, 5), (true, 0)] {
        let mut arguments = vec!["--force", "-o", &csv, &torn];
        arguments.extend(lenient.then_some("--lenient"));
        let cut = convert(&arguments);
        assert_eq!(cut.status.code(), Some(status), "{cut:?}");
        assert!(said(&cut).contains("cut off"), "{cut:?}");
        assert_eq!(fs::read_to_string(&csv).unwrap(), table);
    }
}

/// Parquet is another program's: it is called with the same files where it is there, and named where it isn't.
#[test]
fn the_program_for_parquet_is_looked_for() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new("parquet");
    let to = folder.path("a.parquet");
    // In a folder of its own: beside the one that is tested, the real one may be.
    let (own, bin) = (env!("CARGO_BIN_EXE_forktrace"), folder.path("bin"));
    fs::create_dir(&bin).unwrap();
    let program = format!("{bin}/forktrace");
    fs::hard_link(own, &program)
        .or_else(|_| fs::copy(own, &program).map(drop))
        .unwrap();
    let convert = |path: &str| {
        let mut forktrace = Command::new(&program);
        forktrace.args(["convert", "--lenient", "-o", &to, RECORDING]);
        forktrace.env("PATH", path).output().unwrap()
    };
    let none = convert("/none");
    assert_eq!(none.status.code(), Some(2), "{none:?}");
    assert!(
        said(&none).contains("--package forktrace-convert"),
        "{none:?}"
    );
    let program = folder.path("forktrace-convert");
    fs::write(&program, "#!/bin/sh\necho \"$@\"\nexit 5\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let there = convert(folder.0.to_str().unwrap());
    assert_eq!(there.status.code(), Some(5));
    let called = text(&there.stdout);
    assert_eq!(
        called.trim_end(),
        format!("--output {to} --lenient -- {RECORDING}")
    );
}

/// What comes to a folder is added, each report is whole, it sleeps in between, and Ctrl-C ends it.
#[test]
fn a_report_goes_on_with_what_comes() {
    use std::io::{BufRead as _, BufReader};
    let folder = Folder::new("follow");
    let page = folder.path("page.html");
    let mut child = Command::new(env!("CARGO_BIN_EXE_forktrace"))
        .args(["report", "--follow", "--format", "json", "--html", &page])
        .arg(&folder.0)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next =
        || -> serde_json::Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["totals"]["failures"], 0);
    let whole = fs::read(RECORDING).unwrap();
    let (one, two) = whole.split_at(whole.len() / 2);
    let recording = folder.path("a.ndjson");
    fs::write(&recording, one).unwrap();
    let half = next();
    let begun = half["totals"]["failures"].as_u64().unwrap();
    assert!((1..215).contains(&begun), "{half}");
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(&recording)
        .unwrap();
    std::io::Write::write_all(&mut file, two).unwrap();
    let mut all = next();
    let mut once: serde_json::Value =
        serde_json::from_str(&printed(&["report", "--format", "json", RECORDING], "")).unwrap();
    assert_eq!(once["totals"]["failures"], 215);
    for report in [&mut all, &mut once] {
        // What the page's report has beside.
        report["samples"].take();
        for row in report["limits"]["rows"].as_array_mut().unwrap() {
            row["fullness"].take();
        }
    }
    assert_eq!(all, once);
    assert!(
        fs::read_to_string(&page)
            .unwrap()
            .contains("215 failed creations")
    );
    let busy = fs::read_to_string(format!("/proc/{}/schedstat", child.id())).unwrap();
    let nanoseconds: u64 = busy.split(' ').next().unwrap().parse().unwrap();
    assert!(
        nanoseconds < 3_000_000_000,
        "{nanoseconds} of some ten seconds"
    );
    let pid = child.id().to_string();
    Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(child.wait().unwrap().success());
    // Nor does it go on where nobody reads it.
    let unread = format!(
        "timeout 30 {} report --follow {} | head -1",
        env!("CARGO_BIN_EXE_forktrace"),
        folder.0.display()
    );
    let began = std::time::Instant::now();
    assert!(
        Command::new("sh")
            .args(["-c", &unread])
            .output()
            .unwrap()
            .status
            .success()
    );
    assert!(began.elapsed().as_secs() < 20);
    // Two files of a folder that nothing is left in but these.
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 2);
    assert!(refused(&["report", "--follow", "-"]).contains("standard input"));
    let own = refused(&["report", "--follow", "--html", "-", RECORDING]);
    assert!(own.contains("--html FILE"), "{own}");
    refused(&["report", "--follow", "/none"]);
}

/// What comes through a pipe comes once: the other program gets all of it.
#[test]
fn the_program_for_parquet_gets_the_whole_of_a_pipe() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new("parquet-pipe");
    let program = folder.path("forktrace-convert");
    fs::write(&program, "#!/bin/sh\nexec cat \"$4\"\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let own = folder.path("forktrace");
    fs::hard_link(env!("CARGO_BIN_EXE_forktrace"), &own)
        .or_else(|_| fs::copy(env!("CARGO_BIN_EXE_forktrace"), &own).map(drop))
        .unwrap();
    let to = folder.path("a.parquet");
    let line = format!("cat {RECORDING} | {own} convert -o {to} /dev/stdin");
    let run = Command::new("sh").args(["-c", &line]).output().unwrap();
    assert!(run.stdout == fs::read(RECORDING).unwrap(), "{}", said(&run));
}

/// On a terminal (`script` makes one): how much was read, and how fast. Elsewhere nothing.
#[test]
fn reading_shows_how_far_it_is() {
    let slowly = format!(
        "(cat {RECORDING}; sleep 0.8; cat {RECORDING}) | {} report --format json - > /dev/null",
        env!("CARGO_BIN_EXE_forktrace")
    );
    let terminal = Command::new("script")
        .args(["-qec", &slowly, "/dev/null"])
        .output();
    let shown = text(&terminal.unwrap().stdout);
    assert!(shown.contains("iB/s"), "{shown:?}");
    let pipe = Command::new("sh").args(["-c", &slowly]).output().unwrap();
    assert_eq!(text(&pipe.stderr), "");
}
