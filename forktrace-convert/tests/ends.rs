//! How it ends: with the statuses and the words of forktrace.

use std::{
    fs,
    process::{Command, Output},
};

const RECORDING: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../forktrace/tests/data/schema-1.ndjson"
);

fn convert(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_forktrace-convert"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn wrong_usage_is_told_from_what_failed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (to, there) = (path("a.parquet"), path("there.parquet"));
    fs::write(&there, "old").unwrap();
    fs::write(path("text"), "no recording\n").unwrap();
    for (arguments, status, says) in [
        (
            &["-o", &to, "/"][..],
            2,
            "forktrace: reading /: Is a directory\n",
        ),
        (
            &["-o", &to, "/none"],
            2,
            "forktrace: opening /none: No such file or directory\n",
        ),
        (
            &["-o", &to, &path("text")],
            2,
            "is no recording of forktrace",
        ),
        (
            &["-o", &there, RECORDING],
            2,
            "exists already; --force overwrites it",
        ),
        (
            &["-o", &path("none/a.parquet"), RECORDING],
            2,
            "there is no folder",
        ),
        (
            &["-o", "/proc/self/a.parquet", RECORDING],
            4,
            "forktrace: writing /proc/self/a.parquet",
        ),
    ] {
        let run = convert(arguments);
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
    assert_eq!(fs::read(&there).unwrap(), b"old");
    assert!(!fs::exists(&to).unwrap());
}

#[test]
fn what_damage_has_lost_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let torn = path("torn.ndjson");
    let whole = fs::read(RECORDING).unwrap();
    fs::write(&torn, &whole[..whole.len() - 9]).unwrap();
    let to = path("a.parquet");
    for (lenient, status) in [(None, 5), (Some("--lenient"), 0)] {
        let mut arguments = vec!["--force", "-o", &to, &torn];
        arguments.extend(lenient);
        let run = convert(&arguments);
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(status), "{said}");
        assert!(
            said.contains("cut off") && said.contains(" failed creations in "),
            "{said}"
        );
    }
}

/// On a terminal (`script` makes one): how much was read, and how fast. Elsewhere nothing.
#[test]
fn reading_shows_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let slowly = format!(
        "(cat {RECORDING}; sleep 0.8; cat {RECORDING}) | {} --force -o {} -",
        env!("CARGO_BIN_EXE_forktrace-convert"),
        folder.path().join("a.parquet").display(),
    );
    let terminal = Command::new("script")
        .args(["-qec", &slowly, "/dev/null"])
        .output();
    let shown = String::from_utf8(terminal.unwrap().stdout).unwrap();
    assert!(shown.contains("iB/s"), "{shown:?}");
    let pipe = Command::new("sh").args(["-c", &slowly]).output().unwrap();
    assert!(!String::from_utf8_lossy(&pipe.stderr).contains("iB/s"));
}
