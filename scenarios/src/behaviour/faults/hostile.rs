//! Callers that choose every name that they can choose: nothing of it acts on a terminal, or is
//! markup in a page.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use forktrace::provoke::sys::{self, Signal};
use forktrace::record::Record;
use forktrace::view::is_harmful;

use super::super::{Behaviour, await_text, forktrace, own_program, record};
use crate::cgroup::Cgroup;
use crate::machine::await_some;
use crate::runner::Tests;
use crate::tracer::{PATIENCE, Running};

pub(super) const BEHAVIOURS: &[Behaviour] = &[Behaviour {
    name: "fault_hostile_names",
    run: names,
}];

/// An escape sequence, a mark that turns the direction of text, markup, and no UTF-8.
const NAME: &[u8] = b"\x1b[31m\xe2\x80\xae<script>alert(1)<b>&\"'\xff\x9b2J\x07";
/// What identity makes of it: as systemd writes a machine's name, and as LXC does.
const CGROUPS: [&[u8]; 2] = [
    b"machine-\\x1b\\x5b31m\\x0a<script>alert\\x281\\x29.scope",
    b"lxc.payload.\x1b[31m\xe2\x80\xae<script>alert(1)",
];

fn names(tests: &Tests) -> Result<()> {
    let tree = tests.place.cgroups.tree("hostile")?;
    let mut tracer = record(tests, &["--verbose"])?;
    let mut live = Command::new(&tests.binary);
    live.args(["live", "--verbose"]);
    let mut live = Running::start(&tests.scratch, "hostile-live", &mut live)?;
    await_text(|| live.printed(), "attached by")?;
    let until = tests.scratch.path("hostile-until");
    let mut callers = Vec::new();
    for (n, cgroup) in CGROUPS.into_iter().enumerate() {
        callers.push(start(tests, n, &tree.at(&[cgroup, NAME])?, &until)?);
    }
    let named = await_some(PATIENCE, || {
        tracer.read().ok()?;
        let containers = tracer.lines.iter().filter_map(|l| match &l.record {
            Record::Failure(f) => f.cgroup.container.as_ref(),
            _ => None,
        });
        let hostile = containers.filter(|c| c.contains('\x1b')).count();
        (hostile >= 2 && live.printed().contains("alert(1)")).then_some(())
    });
    named.context("no container of that name is reported")?;
    let exe = tracer.lines.iter().any(
        |l| matches!(&l.record, Record::Failure(f) if f.caller.exe.as_ref().is_some_and(|e| e.contains('\x1b'))),
    );
    ensure!(exe, "no executable of that name is reported");
    fs::write(&until, "")?;
    for caller in &mut callers {
        caller.wait_for_exit(0)?;
    }
    tracer.running.signal(Signal::USR1);
    await_text(|| tracer.running.said(), "Callers")?;
    tracer.end()?;
    live.signal(Signal::INT);
    live.wait_for_exit(0)?;
    harmless("live", &live.printed())?;
    harmless("the digest", &tracer.running.said())?;
    afterwards(tests, &tracer.lines)?;
    check(tests, &tree.at(&[CGROUPS[1], NAME])?)
}

/// A copy of this program by such a name, in the cgroup, refused by a limit of its own; it stays
/// until the file is there.
fn start(tests: &Tests, n: usize, home: &Cgroup, until: &Path) -> Result<Running> {
    let mut name = std::ffi::OsStr::from_bytes(NAME).to_owned();
    name.push(format!("\n{n}"));
    let program = tests.scratch.dir.join(name);
    fs::copy(own_program(), &program).context("copy this program")?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let mut command = Command::new(&program);
    command.args(["helper", "hostile-until"]).arg(until);
    let enter = home.clone();
    sys::before_exec(&mut command, move || enter.enter());
    Running::start(&tests.scratch, &format!("hostile-{n}"), &mut command)
}

/// The recording, replayed and summed up.
fn afterwards(tests: &Tests, lines: &[crate::expect::Line]) -> Result<()> {
    let file = tests.scratch.path("hostile.ndjson");
    let text: String = lines.iter().map(|l| format!("{}\n", l.raw)).collect();
    harmless("the recording", &text)?;
    fs::write(&file, text)?;
    let page = tests.scratch.path("hostile.html");
    let (file, html) = (path(&file)?, path(&page)?);
    for arguments in [
        vec!["replay", file, "--verbose"],
        vec!["replay", file, "--format", "json"],
        vec!["report", file],
        vec!["report", file, "--format", "json"],
        vec!["report", file, "--html", html],
    ] {
        let running = forktrace(tests, &arguments, 0)?;
        let name = arguments.join(" ");
        harmless(&name, &running.printed())?;
        harmless(&name, &running.said())?;
    }
    let page = fs::read_to_string(&page).context("the page is no UTF-8")?;
    harmless("the page", &page)?;
    ensure!(page.contains("alert(1)"), "the page doesn't name it");
    ensure!(
        !page.contains("<script>alert"),
        "names are markup in the page"
    );
    Ok(())
}

/// `check` of that cgroup, by its folder.
fn check(tests: &Tests, home: &Cgroup) -> Result<()> {
    home.limit(3)?;
    let mut command = Command::new(&tests.binary);
    command.arg("check").arg("--cgroup").arg(&home.dir);
    let mut running = Running::start(&tests.scratch, "hostile-check", &mut command)?;
    running.wait(PATIENCE)?;
    harmless("check", &running.printed())?;
    harmless("check", &running.said())?;
    ensure!(
        running.printed().contains("alert(1)"),
        "check doesn't name it: {}{}",
        running.printed(),
        running.said()
    );
    Ok(())
}

fn harmless(name: &str, text: &str) -> Result<()> {
    let bad = text.chars().find(|c| *c != '\n' && is_harmful(*c));
    ensure!(
        bad.is_none(),
        "{name} holds {bad:?}: {}",
        text.escape_debug()
    );
    Ok(())
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a path")
}
