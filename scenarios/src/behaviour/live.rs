//! `forktrace live`: a command and its descendants, and what is printed.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use forktrace::provoke::sys::Signal;
use forktrace::record::Record;

use super::{
    Behaviour, HOSTILE, await_text, forktrace, no_panic, own_program, provoke, refused_user,
    started,
};
use crate::machine;
use crate::machine::without_preemption;
use crate::runner::{Tests, Where};
use crate::storm::{Keys, Storm};
use crate::tracer::{PATIENCE, Running, Tracer, no_raw_controls, parse_file};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "live_status",
        run: status,
    },
    Behaviour {
        name: "live_only_its_own",
        run: only_its_own,
    },
    Behaviour {
        name: "live_daemon",
        run: daemon,
    },
    Behaviour {
        name: "live_ends_another_users_command",
        run: another_user,
    },
    Behaviour {
        name: "live_missing_command",
        run: missing,
    },
    Behaviour {
        name: "live_hostile_comm",
        run: hostile,
    },
    Behaviour {
        name: "live_hostile_comm_json",
        run: hostile_json,
    },
    Behaviour {
        name: "live_sums_up",
        run: sums_up,
    },
    Behaviour {
        name: "live_says_a_limit_once",
        run: says_once,
    },
    Behaviour {
        name: "live_counts_wait_for_nothing",
        run: counts,
    },
    Behaviour {
        name: "live_ends_at_once",
        run: ends_at_once,
    },
    Behaviour {
        name: "record_sums_up",
        run: record_sums_up,
    },
];

fn status(tests: &Tests) -> Result<()> {
    for status in [0, 1, 37] {
        let number = status.to_string();
        forktrace(
            tests,
            &["live", "--", &own_program(), "helper", "exit", &number],
            status,
        )?;
    }
    Ok(())
}

/// Somebody else is refused at the same time: no record.
fn only_its_own(tests: &Tests) -> Result<()> {
    let go = tests.scratch.path("go");
    let mut command = Command::new(&tests.binary);
    command
        .args(["live", "--format", "json", "--", &own_program()])
        .args(["helper", "refused-after"])
        .arg(&go);
    let running = Running::start(&tests.scratch, "own", &mut command)?;
    let out = running.stdout.clone();
    let mut tracer = started(Tracer::follow(running, &out))?;
    let mut other = refused_user("elsewhere", tests.place.uid(110), 5)?;
    provoke(&mut other)?;
    fs::write(&go, "")?;
    tracer.running.wait_for_exit(9)?;
    tracer.read()?;
    let others = super::count_of(&tracer, other.actor.pid());
    ensure!(others == 0, "{others} records of somebody else");
    let failures = failures(&tracer);
    ensure!(
        failures == 1,
        "{failures} records, wanted the command's one"
    );
    Ok(())
}

fn failures(tracer: &Tracer) -> usize {
    tracer
        .lines
        .iter()
        .filter(|l| matches!(l.record, Record::Failure(_)))
        .count()
}

fn daemon(tests: &Tests) -> Result<()> {
    let running = forktrace(
        tests,
        &[
            "live",
            "--format",
            "json",
            "--",
            &own_program(),
            "helper",
            "daemon",
        ],
        7,
    )?;
    let lines = parse_file(&running.stdout)?;
    let found = lines
        .iter()
        .any(|l| matches!(&l.record, Record::Failure(f) if f.caller.comm == "grandchild"));
    ensure!(found, "no record of the grandchild: {}", running.printed());
    Ok(())
}

/// A command that has become somebody else is ended all the same: the capability for that is kept.
fn another_user(tests: &Tests) -> Result<()> {
    let ready = tests.scratch.path("ready");
    let mut command = Command::new(&tests.binary);
    command
        .args(["live", "--", &own_program(), "helper", "another-user"])
        .arg(&ready);
    let mut running = Running::start(&tests.scratch, "another", &mut command)?;
    let there = machine::await_some(PATIENCE, || ready.exists().then_some(()));
    there.context("the command did not start")?;
    running.signal(Signal::TERM);
    running.wait_for_exit(128 + libc::SIGTERM)
}

fn missing(tests: &Tests) -> Result<()> {
    let mut command = Command::new(&tests.binary);
    command.args(["live", "--", "no-such-command-here"]);
    let mut running = Running::start(&tests.scratch, "missing", &mut command)?;
    let status = running.wait(PATIENCE)?;
    let said = running.said();
    no_panic(&said)?;
    ensure!(
        status.code().is_some_and(|code| code != 0) && said.contains("no-such-command-here"),
        "{status}: {said}"
    );
    Ok(())
}

/// Text in a pipe or file holds no byte that a terminal acts on.
fn hostile(tests: &Tests) -> Result<()> {
    let running = forktrace(
        tests,
        &["live", "--", &own_program(), "helper", "hostile"],
        0,
    )?;
    for (name, bytes) in [
        ("standard output", fs::read(&running.stdout)?),
        ("standard error", fs::read(&running.stderr)?),
    ] {
        let text = String::from_utf8(bytes).with_context(|| format!("{name} is no UTF-8"))?;
        let bad = text.chars().find(|c| c.is_control() && *c != '\n');
        ensure!(bad.is_none(), "{name} holds {bad:?}: {text:?}");
    }
    ensure!(
        running.printed().contains("RLIMIT_NPROC"),
        "the failure is not printed: {}",
        running.printed()
    );
    Ok(())
}

fn hostile_json(tests: &Tests) -> Result<()> {
    let program = own_program();
    let arguments = [
        "live", "--format", "json", "--", &program, "helper", "hostile",
    ];
    let running = forktrace(tests, &arguments, 0)?;
    let lines = parse_file(&running.stdout)?;
    no_raw_controls(&lines)?;
    let caller = lines.iter().find_map(|l| match &l.record {
        Record::Failure(failure) => Some(&failure.caller),
        _ => None,
    });
    let caller = caller.context("no failure record")?;
    let wanted = String::from_utf8_lossy(HOSTILE);
    ensure!(caller.comm == wanted, "comm is {:?}", caller.comm);
    let hex: String = HOSTILE.iter().map(|b| format!("{b:02x}")).collect();
    ensure!(
        caller.comm_hex.as_ref() == Some(&hex),
        "comm_hex is {:?}",
        caller.comm_hex
    );
    Ok(())
}

/// Two users, one refused more often than the other: SIGUSR1 prints both, the worse one first, and
/// so does the end.
fn sums_up(tests: &Tests) -> Result<()> {
    let mut command = Command::new(&tests.binary);
    command.arg("live");
    let mut running = Running::start(&tests.scratch, "sums", &mut command)?;
    await_text(|| running.printed(), "attached by")?;
    running.signal(Signal::USR1);
    await_text(|| running.printed(), "No failed creation so far.")?;
    let uids = refuse_two(tests)?;
    await_text(|| running.printed(), &uids[0])?;
    await_text(|| running.printed(), &uids[1])?;
    running.signal(Signal::USR1);
    await_text(|| running.printed(), "What to do first")?;
    await_text(|| running.printed(), "Callers")?;
    running.signal(Signal::INT);
    running.wait_for_exit(0)?;
    let printed = running.printed();
    let digests: Vec<_> = printed.split("What to do first").skip(1).collect();
    ensure!(digests.len() == 2, "{} digests: {printed}", digests.len());
    for digest in digests {
        names_both(digest, &uids)?;
    }
    Ok(())
}

/// `live` of callers with this name, once it is attached.
fn watching(tests: &Tests, comm: &str) -> Result<Running> {
    let mut command = Command::new(&tests.binary);
    command.args(["live", "--comm", comm]);
    let running = Running::start(&tests.scratch, "watching", &mut command)?;
    await_text(|| running.printed(), "attached by")?;
    Ok(running)
}

/// Four hundred processes are refused by one limit, each once: it is printed in full once, and counted.
fn says_once(tests: &Tests) -> Result<()> {
    const COMM: &str = "live-storm";
    let tree = tests.place.cgroups.tree("live-storm")?;
    let mut storm = Storm::new(COMM, Keys::Processes, 400, tree)?;
    let mut running = watching(tests, COMM)?;
    let began = Instant::now();
    storm.begin()?;
    let refused = storm.end()?;
    let seconds = usize::try_from(began.elapsed().as_secs())?;
    running.signal(Signal::INT);
    running.wait_for_exit(0)?;
    let printed = running.printed();
    // Once again for each minute that an emulated machine takes, and every few seconds what came meanwhile, in
    // two rows.
    let most = 40 + seconds + 20 * (seconds / 60);
    let lines = printed.lines().count();
    ensure!(lines <= most, "{lines} lines: {printed}");
    if without_preemption() {
        ensure!(
            printed.contains(&format!("{refused} failed creations")),
            "{refused} were refused: {printed}"
        );
        let own = printed.lines().filter(|l| l.contains(" EAGAIN ")).count() as u64;
        let counted: u64 = printed.lines().filter_map(counted).sum();
        ensure!(
            own + counted == refused,
            "{own} are printed and {counted} counted of {refused}: {printed}"
        );
    }
    Ok(())
}

/// The number behind "…".
fn counted(line: &str) -> Option<u64> {
    line.split_once("… ")?.1.split(' ').next()?.parse().ok()
}

/// One process is refused nine times: the count comes without another failure, and without the end.
fn counts(tests: &Tests) -> Result<()> {
    let mut prober = refused_user("live-count", tests.place.uid(113), 9)?;
    let mut running = watching(tests, "live-count")?;
    provoke(&mut prober)?;
    await_text(|| running.printed(), "8 more: RLIMIT_NPROC of")?;
    running.signal(Signal::INT);
    running.wait_for_exit(0)
}

/// Ctrl-C gives the terminal back at once, in each style that this kernel takes.
fn ends_at_once(tests: &Tests) -> Result<()> {
    for style in ["fexit", "kprobe", "tracepoint"] {
        let mut command = Command::new(&tests.binary);
        command.args(["live", "--attach", style]);
        let mut running = Running::start(&tests.scratch, "ends", &mut command)?;
        let attached = machine::await_some(PATIENCE, || {
            let ended = running.status().is_some();
            (ended || running.printed().contains("attached by")).then_some(!ended)
        });
        if attached != Some(true) {
            continue;
        }
        let began = Instant::now();
        running.signal(Signal::INT);
        running.wait_for_exit(0)?;
        let took = began.elapsed();
        // Twelve tracepoints closed one after the other take a second; emulated, all takes longer.
        let most = Duration::from_millis(if tests.at == Where::Host { 500 } else { 3000 });
        ensure!(
            style == "kprobe" || took < most,
            "{style}: the end took {} ms",
            took.as_millis()
        );
    }
    Ok(())
}

fn record_sums_up(tests: &Tests) -> Result<()> {
    let mut tracer = super::record(tests, &[])?;
    let uids = refuse_two(tests)?;
    machine::await_some(PATIENCE, || {
        let _ = tracer.read();
        (failures(&tracer) == 7).then_some(())
    })
    .context("seven failures are not recorded")?;
    tracer.running.signal(Signal::USR1);
    await_text(|| tracer.running.said(), "Callers")?;
    names_both(&tracer.running.said(), &uids)?;
    tracer.end()?;
    Ok(())
}

/// Five refusals of one user and two of another; "uid N" of each.
fn refuse_two(tests: &Tests) -> Result<[String; 2]> {
    let uids = [tests.place.uid(111), tests.place.uid(112)];
    for (uid, count) in uids.into_iter().zip([5, 2]) {
        let mut prober = refused_user("summed", uid, count)?;
        provoke(&mut prober)?;
    }
    Ok(uids.map(|uid| format!("uid {uid}")))
}

fn names_both(digest: &str, uids: &[String; 2]) -> Result<()> {
    let [many, few] = ["  1. 5 failures: ", "  2. 2 failures: "]
        .map(|start| digest.lines().find(|line| line.starts_with(start)));
    let names = |line: Option<&str>, uid: &str| line.is_some_and(|line| line.contains(uid));
    ensure!(
        names(many, &uids[0]) && names(few, &uids[1]),
        "wanted 5 of {} and 2 of {}: {digest}",
        uids[0],
        uids[1]
    );
    Ok(())
}
