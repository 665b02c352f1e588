//! `forktrace explain` of lines of logs, as a user calls it.

use std::{
    fs,
    io::Write as _,
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt as _, fs::PermissionsExt as _, process::CommandExt as _},
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    pty::OpenptFlags,
};

const LINE: &str = "2026/11/29 10:00:00 [alert] 8#8: fork() failed while spawning \"worker process\" (11: \
                    Resource temporarily unavailable)";

fn explain(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_forktrace"))
        .arg("explain")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn said(run: &Output) -> Vec<serde_json::Value> {
    let text = String::from_utf8(run.stdout.clone()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// A folder of this test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("forktrace-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_line_on_the_command_line_and_on_standard_input() {
    for (arguments, input) in [(vec![LINE], ""), (vec!["-"], LINE)] {
        let run = explain(&arguments, input.as_bytes());
        let text = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(run.status.success(), "{run:?}");
        for part in [
            "nginx, refused",
            "EAGAIN is what",
            "has to be reloaded",
            "cgroup_pids_max",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
    let run = explain(&["-"], b"all is well");
    assert!(run.status.success());
    assert!(String::from_utf8_lossy(&run.stdout).contains("No message of the catalogue"));
    // Alone, it's neither a line that is known nor the name of anything.
    let run = explain(&["all is well"], b"");
    assert_eq!(run.status.code(), Some(2), "{run:?}");
    assert!(String::from_utf8_lossy(&run.stderr).contains("explain --programs"));
}

/// What names a cause, a limit or an errno is that; what holds more is a line of a log.
#[test]
fn names_lead_to_pages_and_lines_to_programs() {
    for (what, says) in [
        ("TasksMax", "cgroup_pids_max"),
        ("Cannot allocate memory", "overcommit"),
        (
            "-bash: fork: retry: Resource temporarily unavailable",
            "bash, refused",
        ),
        ("fork: Cannot allocate memory", "any program, by"),
        // Nobody in the catalogue says so, but the errno's text is there.
        ("frobnicate: Cannot allocate memory", "overcommit"),
    ] {
        let run = explain(&[what], b"");
        let text = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(
            run.status.success() && text.contains(says),
            "{what}: {text}"
        );
        let aside = String::from_utf8_lossy(&run.stderr);
        let unknown = aside.contains("any call can be answered with its errno");
        assert_eq!(unknown, what.starts_with("frob"), "{what}: {aside}");
    }
}

#[test]
fn logs_however_packed_and_the_rest_when_one_cannot_be_read() {
    let folder = Folder::new("explain");
    let log = format!("fine\n{LINE}\n");
    let gz = {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(log.as_bytes()).unwrap();
        packed.finish().unwrap()
    };
    let xz = {
        let mut packed = liblzma::write::XzEncoder::new(Vec::new(), 1);
        packed.write_all(log.as_bytes()).unwrap();
        packed.finish().unwrap()
    };
    let zst = zstd::encode_all(log.as_bytes(), 1).unwrap();
    let files = [
        folder.file("plain", log.as_bytes()),
        folder.file("a.gz", &gz),
        folder.file("b.xz", &xz),
        folder.file("c.zst", &zst),
        // Two of them, one after the other, as logs are appended to.
        folder.file("d.gz", &[gz.clone(), gz.clone()].concat()),
        // Torn.
        folder.file("e.gz", &gz[..gz.len() - 9]),
        folder.file("empty", b""),
        folder.file("f.bz2", b"BZh91AY&SY"),
    ];
    let missing = folder.0.join("missing").to_str().unwrap().to_owned();
    let directory = folder.0.to_str().unwrap().to_owned();
    let mut arguments = vec!["--format", "json", "--log"];
    arguments.extend(files.iter().map(String::as_str));
    arguments.extend([&*missing, &*directory]);
    let run = explain(&arguments, b"");
    assert_eq!(run.status.code(), Some(4), "{run:?}");
    let errors = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(errors.lines().count(), 4, "{errors}");
    for part in ["it is a directory", "No such file", "it is bzip2"] {
        assert!(errors.contains(part), "{errors}");
    }
    assert!(!errors.contains("os error"), "{errors}");
    let lines = said(&run);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0]["program"], "nginx");
    assert_eq!(lines[0]["errno"], "EAGAIN");
    let count = lines[0]["count"].as_u64().unwrap();
    assert!((6..=7).contains(&count), "{lines:?}");
    assert_eq!(lines[0]["first"]["line"], 2);
    assert!(Path::new(lines[0]["first"]["file"].as_str().unwrap()).ends_with("plain"));
    assert_eq!(lines[1]["said"], count);
}

/// A user's own, too: the others are still read.
#[test]
fn a_log_that_one_may_not_read_is_said() {
    let folder = Folder::new("permission");
    let theirs = folder.file("theirs", format!("{LINE}\n").as_bytes());
    let ours = folder.file("ours", format!("{LINE}\n").as_bytes());
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = Command::new(program(&folder));
    command.args(["explain", "--format", "json", "--log", &theirs, &ours]);
    // Root may read everything.
    if rustix::process::getuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let run = command.output().unwrap();
    assert_eq!(run.status.code(), Some(4), "{run:?}");
    let errors = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains("/theirs: Permission denied"), "{errors}");
    assert_eq!(said(&run)[0]["count"], 1);
}

/// The program where any user can run it: a home may be closed to others. It is copied by another process: where this
/// one had it open to write, a test beside could fork, and its child still have it open when it is to be run (ETXTBSY).
fn program(folder: &Folder) -> PathBuf {
    let copy = folder.0.join("forktrace");
    let own = env!("CARGO_BIN_EXE_forktrace");
    let status = Command::new("cp").arg(own).arg(&copy).status().unwrap();
    assert!(status.success());
    copy
}

/// Standard input is unpacked as files are.
#[test]
fn packed_lines_on_standard_input() {
    let packed = zstd::encode_all(LINE.as_bytes(), 1).unwrap();
    let run = explain(&["--format", "json", "-"], &packed);
    assert_eq!(said(&run)[0]["program"], "nginx", "{run:?}");
    let run = explain(&["-"], b"BZh91AY&SY");
    assert_eq!(run.status.code(), Some(4), "{run:?}");
    assert!(String::from_utf8_lossy(&run.stderr).contains("it is bzip2"));
}

/// On a terminal, how much was read is there while it is read, and gone in the end; elsewhere nothing is.
#[test]
fn progress_is_for_terminals() {
    let terminal = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    rustix::pty::grantpt(&terminal).unwrap();
    rustix::pty::unlockpt(&terminal).unwrap();
    let name = rustix::pty::ptsname(&terminal, Vec::new()).unwrap();
    let name = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
    let side = fs::File::options()
        .read(true)
        .write(true)
        .open(name)
        .unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_forktrace"))
        .args(["explain", "-"])
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(side)
        .spawn()
        .unwrap();
    let mut lines = child.stdin.take().unwrap();
    let mut shown = Vec::new();
    let begun = Instant::now();
    // Redrawn with what is read; a pipe has no end that is known.
    while !shown.windows(3).any(|part| part == b"B/s") {
        assert!(begun.elapsed() < Duration::from_secs(60), "{shown:?}");
        lines.write_all(b"fine\n").unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let mut part = [0; 4096];
        while waits(&terminal) {
            let read = rustix::io::read(&terminal, &mut part).unwrap();
            shown.extend_from_slice(&part[..read]);
        }
    }
    drop(lines);
    let run = child.wait_with_output().unwrap();
    assert!(run.status.success());
    assert!(String::from_utf8_lossy(&run.stdout).contains("No message of the catalogue"));
}

/// Whether there is something to be read.
fn waits(terminal: &OwnedFd) -> bool {
    let mut asked = [PollFd::new(terminal, PollFlags::IN)];
    let ready = rustix::event::poll(&mut asked, Some(&Timespec::default())).unwrap();
    ready > 0 && asked[0].revents().contains(PollFlags::IN)
}

/// journalctl reads the journal's files; where it isn't there, or fails, the log's files are the way.
#[test]
fn the_journal_of_a_unit_is_read_by_journalctl() {
    let folder = Folder::new("journal");
    let journalctl = |script: &str| {
        let path = folder.file("journalctl", script.as_bytes());
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let ask = |unit: &str| {
        Command::new(env!("CARGO_BIN_EXE_forktrace"))
            .args(["explain", "--format", "json", "--journal", unit])
            .env("PATH", format!("{}:/usr/bin:/bin", folder.0.display()))
            .output()
            .unwrap()
    };
    journalctl(
        r#"#!/bin/sh
for word; do case $word in --output=json) json=1 ;; --unit=web.service) unit=1 ;; esac; done
test "$json$unit" = 11 || exit 1
echo '{"SYSLOG_IDENTIFIER":"sshd","MESSAGE":"error: fork: Resource temporarily unavailable"}'
"#,
    );
    let run = ask("web.service");
    assert!(run.status.success(), "{run:?}");
    let lines = said(&run);
    assert_eq!(lines[0]["program"], "sshd");
    assert_eq!(lines[0]["first"]["file"], "journal of web.service");
    let run = ask("other.service");
    assert_eq!(run.status.code(), Some(4), "{run:?}");
    assert!(String::from_utf8_lossy(&run.stderr).contains("journalctl failed"));
    journalctl("#!/bin/sh\n");
    let run = ask("web.service");
    assert!(run.status.success(), "{run:?}");
    assert!(String::from_utf8_lossy(&run.stderr).contains("nothing of web.service"));
    let run = Command::new(env!("CARGO_BIN_EXE_forktrace"))
        .args(["explain", "--journal", "web.service"])
        .env("PATH", folder.0.join("nowhere"))
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(4), "{run:?}");
    assert!(String::from_utf8_lossy(&run.stderr).contains("give the files of the log by --log"));
}

#[test]
fn what_it_prints_is_what_the_schema_says() {
    let run = explain(&["--format", "json", LINE], b"");
    let schema = Command::new(env!("CARGO_BIN_EXE_forktrace"))
        .args(["schema", "log-lines"])
        .output()
        .unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for line in said(&run) {
        assert!(schema.is_valid(&line), "{line}");
    }
}

#[test]
fn wrong_usage_is_said() {
    for (arguments, says) in [
        (vec!["--format", "markdown", LINE], "markdown"),
        (vec!["pid_max", "--pid", "1"], "ask check"),
        (vec![LINE, "--pid", "4294967294"], "no process"),
    ] {
        let run = explain(&arguments, b"");
        assert_eq!(run.status.code(), Some(2), "{run:?}");
        assert!(
            String::from_utf8_lossy(&run.stderr).contains(says),
            "{run:?}"
        );
    }
}

#[test]
fn limits_are_read_beside_a_line() {
    let own = std::process::id().to_string();
    let run = explain(&["--format", "json", "--pid", &own, LINE], b"");
    assert!(run.status.success(), "{run:?}");
    assert_eq!(said(&run)[0]["program"], "nginx");
}

#[test]
fn the_catalogue_is_listed() {
    let run = explain(&["--programs"], b"");
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(
        run.status.success() && text.contains("PostgreSQL"),
        "{text}"
    );
}
