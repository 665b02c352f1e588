//! A real PostgreSQL under strict overcommit: its postmaster's fork is refused with ENOMEM.

use std::fs;
use std::io::Write as _;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail, ensure};
use forktrace::cause::Cause;
use forktrace::record::{Certainty, Errno, Failure, LimitKind};

use super::postgres::{Owner, Server, first_of, newest_server};
use super::{Behaviour, record};
use crate::machine;
use crate::runner::{Tests, Where};
use crate::scenario::skip;
use crate::setting;

pub(super) const BEHAVIOURS: &[Behaviour] = &[Behaviour {
    name: "postgres_strict_overcommit",
    run: strict_overcommit,
}];

/// Sessions that are there when the limit comes; each connects once more.
const SESSIONS: u64 = 12;

/// What the server says to its client and what the record says are the same story.
fn strict_overcommit(tests: &Tests) -> Result<()> {
    if tests.at == Where::Host {
        return skip("vm.overcommit_memory is for test machines");
    }
    let Some(bin) = newest_server() else {
        return skip("no PostgreSQL server is installed (Debian: postgresql)");
    };
    let Some(owner) = Owner::find("postgres")? else {
        return skip("there is no user postgres");
    };
    let tree = tests.place.cgroups.tree("pgo")?;
    let server = Server::start(tests, bin, owner, &tree.at(&["postgresql.service"])?)?;
    // Once nothing more is promised, nobody can start a program.
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        let mut psql = server.psql();
        psql.stdin(Stdio::piped()).stderr(Stdio::piped());
        sessions.push(psql.spawn().context("starting psql")?);
    }
    let mut tracer = record(tests, &[])?;
    let pid = server.postmaster.pid();
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let data = status.lines().find_map(|line| line.strip_prefix("VmData:"));
    let data = data.and_then(|text| text.trim().strip_suffix(" kB"));
    let private: u64 = data.context("no VmData")?.parse()?;
    let _admin = setting::set("vm/admin_reserve_kbytes", 0)?;
    let _user = setting::set("vm/user_reserve_kbytes", 0)?;
    let mode = setting::set("vm/overcommit_memory", 2)?;
    // Room for less and less of the fork, and for a client to print its answer; the kernel's
    // counter is some megabytes off the sum that meminfo shows.
    let mut said = None;
    let mut failure = None;
    for n in (0..SESSIONS).rev() {
        let committed = machine::meminfo("Committed_AS")? / 1024;
        let _limit = setting::set("vm/overcommit_kbytes", committed + private * n / SESSIONS)?;
        let psql = sessions.pop().context("no session left")?;
        said = connect_again(psql)?;
        if said.is_some() {
            // It reads memory as long as the limit is there.
            failure = Some(first_of(&mut tracer, pid)?);
            break;
        }
    }
    drop(mode);
    let said = said.context("every session was granted one more")?;
    ensure!(
        said.contains("could not fork new process for connection: Cannot allocate memory"),
        "psql says {said:?}"
    );
    println!("psql: {}", said.trim());
    check(&failure.context("no failure")?)?;
    tracer.end()?;
    for mut psql in sessions {
        let _ = psql.kill();
        let _ = psql.wait();
    }
    Ok(())
}

/// What psql complains of, if it does.
fn connect_again(mut psql: Child) -> Result<Option<String>> {
    let mut stdin = psql.stdin.take().context("psql has no standard input")?;
    stdin.write_all(b"\\c\n\\q\n").context("writing to psql")?;
    drop(stdin);
    let ended = psql.wait_with_output()?;
    match ended.status.success() {
        true => Ok(None),
        false => Ok(Some(String::from_utf8_lossy(&ended.stderr).into_owned())),
    }
}

fn check(f: &Failure) -> Result<()> {
    ensure!(f.caller.comm == "postgres", "{f:?}");
    ensure!(f.caller.user.as_deref() == Some("postgres"), "{f:?}");
    ensure!(
        (f.cause, f.errno) == (Cause::Overcommit, Errno::ENOMEM),
        "{f:?}"
    );
    let limit = f.limit.as_ref().context("no limit")?;
    ensure!(limit.kind == LimitKind::CommitLimit, "{limit:?}");
    let (Some(usage), Some(asked), Some(bound)) = (limit.usage, limit.requested, limit.bound())
    else {
        bail!("{limit:?}");
    };
    let memory = f.memory.as_ref().context("no memory")?;
    // The kernel's counter keeps up to 1/256 of RAM back (mm/mm_init.c `mm_compute_batch`), before the
    // refusal or after it.
    let kept_back = match f.certainty {
        Certainty::Inferred => memory.total.context("no MemTotal")? / 128,
        _ => 0,
    };
    ensure!(usage + asked + kept_back >= bound, "{limit:?}");
    ensure!(memory.overcommit_memory == Some(2), "{memory:?}");
    ensure!(memory.commit_limit == limit.value, "{memory:?}, {limit:?}");
    // What people see meanwhile: there is memory.
    ensure!(memory.available > Some(asked), "{memory:?}, {limit:?}");
    ensure!(f.holders.iter().any(|h| h.name == "postgres"), "{f:?}");
    Ok(())
}
