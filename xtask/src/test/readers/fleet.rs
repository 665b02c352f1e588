//! Recordings of a thousand hosts, the tables that are made of them, and the questions of docs/fleet.md: what was
//! put into the recordings has to come out.

use super::{
    cases::{recording, samples},
    converted::Converted,
};
use crate::{paths, run};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

pub(super) const HOSTS: u64 = 1000;
const DAYS: u64 = 3;
/// A host of which a file stands in the fleet twice.
const COPIED: u64 = 4;

/// The first line that each question is answered with.
pub(super) const ANSWERS: [(&str, &str); 10] = [
    (
        "01-which-limit-hurts-most-hosts",
        "pids.max,250,7500,256,512",
    ),
    ("02-since-when", "cgroup_pids_max,2026-11-02,250,3750"),
    ("03-which-kernel", "cgroup_pids_max,6.12.43,200,6000,no"),
    ("04-which-deploy", "2026-11-02,app.service,0,3750,250"),
    ("05-which-unit", "app.service,cgroup_pids_max,250,7500"),
    (
        "06-which-program-never-recovered",
        "/usr/bin/worker,250,2026-11-02,7500",
    ),
    ("07-which-hosts", "host-0020,2,31,2026-11-03"),
    (
        "08-at-the-same-time",
        "2026-11-01 12:07,rlimit_nproc,100,1200",
    ),
    (
        "09-which-hosts-have-another-value",
        "pids.max,/system.slice/app.service,256,512,10,250,host-0100",
    ),
    ("10-what-to-change", "TasksMax=1024,250"),
];

/// What is refused on a host: at which minute, by which limit, and to whom.
struct Refused {
    minute: u64,
    cause: &'static str,
    limit: (&'static str, &'static str, u64),
    program: &'static str,
    unit: &'static str,
    change: &'static str,
}

/// What is put into the recording of a host's day.
fn refused(host: u64, day: u64) -> Vec<Refused> {
    let mut all = Vec::new();
    if host % 10 == 1 {
        all.extend((0..2).map(|_| Refused {
            minute: 7,
            cause: "rlimit_nproc",
            limit: ("RLIMIT_NPROC", "uid 1000", 4096),
            program: "batch",
            unit: "cron.service",
            change: "nproc 8192",
        }));
    }
    if host.is_multiple_of(4) && day >= 2 {
        let value = if host.is_multiple_of(100) { 256 } else { 512 };
        all.extend((0..5).map(|_| Refused {
            minute: host % 60,
            cause: "cgroup_pids_max",
            limit: ("pids.max", "/system.slice/app.service", value),
            program: "worker",
            unit: "app.service",
            change: "TasksMax=1024",
        }));
    }
    if host.is_multiple_of(10) && day == 3 {
        all.push(Refused {
            minute: 30,
            cause: "pid_max",
            limit: ("kernel.pid_max", "host", 32768),
            program: "java",
            unit: "db.service",
            change: "kernel.pid_max=4194304",
        });
    }
    all
}

/// A folder with `fleet/host=…/date=…` in it.
pub(super) struct Fleet {
    pub folder: PathBuf,
}

impl Fleet {
    /// Writes the recordings.
    pub(super) fn record() -> Result<Self> {
        let text = recording()?;
        let (session, failure) = samples(&text)?;
        let session = serde_json::from_str(session)?;
        let folder = paths::work_dir("fleet")?;
        let fleet = folder.join("fleet");
        if fleet.exists() {
            fs::remove_dir_all(&fleet).context("removing the last fleet")?;
        }
        for host in 1..=HOSTS {
            for day in 1..=DAYS {
                write_day(&fleet, host, day, &session, &failure)?;
            }
        }
        // Of the file that was written at midnight.
        let copy = copy(&fleet);
        fs::copy(file(&fleet, COPIED, 2), &copy)
            .with_context(|| format!("writing {}", copy.display()))?;
        Ok(Self { folder })
    }

    /// Makes a table of each day; none where the program that writes Parquet isn't there.
    pub(super) fn convert(&self, converted: &Converted) -> Result<()> {
        if !converted.writes_parquet() {
            return Ok(());
        }
        let fleet = self.folder.join("fleet");
        for day in 1..=DAYS {
            let files: Vec<PathBuf> = (1..=HOSTS).map(|host| file(&fleet, host, day)).collect();
            let date = fleet.join(format!("date=2026-11-{day:02}"));
            fs::create_dir_all(&date).with_context(|| format!("making {}", date.display()))?;
            converted.convert(&files, &date.join("all.parquet"))?;
        }
        Ok(())
    }

    /// Makes one table of all files, with the copy; the folder that has it as a fleet.
    fn convert_all(&self, converted: &Converted) -> Result<PathBuf> {
        let fleet = self.folder.join("fleet");
        let one = paths::work_dir("fleet-of-one-table")?;
        let date = one.join("fleet/date=2026-11");
        fs::create_dir_all(&date).with_context(|| format!("making {}", date.display()))?;
        let days = (1..=DAYS).flat_map(|day| (1..=HOSTS).map(move |host| (host, day)));
        let mut files: Vec<PathBuf> = days.map(|(host, day)| file(&fleet, host, day)).collect();
        files.push(copy(&fleet));
        converted.convert(&files, &date.join("all.parquet"))?;
        Ok(one)
    }

    /// What DuckDB answers to a question, as CSV: `from` is `recordings` or `tables`.
    pub(super) fn ask(&self, duckdb: (&Path, &str), from: &str, question: &str) -> Result<String> {
        ask(&self.folder, duckdb, from, question)
    }
}

fn ask(
    folder: &Path,
    (duckdb, schema): (&Path, &str),
    from: &str,
    question: &str,
) -> Result<String> {
    let mut asked = Command::new(duckdb);
    asked.current_dir(folder).arg("-csv");
    for part in [
        schema,
        &*sql(&format!("duckdb-{from}"))?,
        &*sql("duckdb")?,
        &*sql(question)?,
    ] {
        asked.args(["-c", part]);
    }
    run::capture(&mut asked)
}

/// A file of docs/fleet.
pub(super) fn sql(name: &str) -> Result<String> {
    let path = paths::root().join("docs/fleet").join(format!("{name}.sql"));
    fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

/// Whether an answer, as CSV, begins with what was put in.
pub(super) fn begins_with(answer: &str, wanted: &str) -> Result<()> {
    let first = answer.lines().nth(1);
    ensure!(first == Some(wanted), "{answer}wanted {wanted}");
    Ok(())
}

/// Asks DuckDB every question, of recordings and of tables; a line for each, with the time.
pub(super) fn check(
    duckdb: (&Path, &str),
    converted: &Converted,
    say: &mut dyn FnMut(&str, Result<()>),
) -> Result<()> {
    let fleet = Fleet::record()?;
    fleet.convert(converted)?;
    let tables = match converted.writes_parquet() {
        true => vec![fleet.folder.clone(), fleet.convert_all(converted)?],
        false => Vec::new(),
    };
    for (question, wanted) in ANSWERS {
        let begun = Instant::now();
        let answer = fleet.ask(duckdb, "recordings", question);
        let took = begun.elapsed().as_secs_f64();
        let right = answer.and_then(|answer| {
            begins_with(&answer, wanted)?;
            for folder in &tables {
                let other = ask(folder, duckdb, "tables", question)?;
                ensure!(other == answer, "of tables: {other}of recordings: {answer}");
            }
            Ok(())
        });
        say(
            &format!("DuckDB answers of {HOSTS} hosts, in {took:.1} s: {question}"),
            right,
        );
    }
    Ok(())
}

fn file(fleet: &Path, host: u64, day: u64) -> PathBuf {
    fleet.join(format!(
        "host=host-{host:04}/date=2026-11-{day:02}/failures.ndjson"
    ))
}

/// A copy of a host's file, in the folder of another date.
fn copy(fleet: &Path) -> PathBuf {
    file(fleet, COPIED, 3).with_file_name("failures.2026-11-02T00-00-00Z.ndjson")
}

/// What the repeats of a host's failures have in common with them.
fn alike(host: u64) -> &'static str {
    match host {
        11 => "check",
        21 => "user_and_cgroup",
        _ => "process",
    }
}

fn write_day(fleet: &Path, host: u64, day: u64, session: &Value, failure: &Value) -> Result<()> {
    let mut session = session.clone();
    session["host"] = json!(format!("host-{host:04}"));
    session["started"] = json!(format!("2026-11-{day:02}T00:00:00Z"));
    let new = host.is_multiple_of(10);
    session["kernel"] = json!(if new { "6.18.1" } else { "6.12.43" });
    let mut text = format!("{session}\n");
    let refused = refused(host, day);
    for (seq, refused) in refused.iter().enumerate() {
        let mut failure = failure.clone();
        let (name, scope, value) = refused.limit;
        failure["seq"] = json!(seq + 1);
        failure["time"] = json!(format!("2026-11-{day:02}T12:{:02}:00Z", refused.minute));
        failure["cause"] = json!(refused.cause);
        failure["caller"]["comm"] = json!(refused.program);
        failure["caller"]["exe"] = json!(format!("/usr/bin/{}", refused.program));
        failure["cgroup"]["unit"] = json!(refused.unit);
        failure["limit"]["name"] = json!(name);
        failure["limit"]["scope"] = json!(scope);
        failure["limit"]["value"] = json!(value);
        // Another limit of the same user.
        if host % 100 == 31 && name == "RLIMIT_NPROC" {
            failure["limit"]["within"] = json!("user namespace 4026532200");
            failure["limit"]["value"] = json!(64);
        }
        failure["fix"] = json!([{"now": null, "persistent": refused.change, "note": null}]);
        text.push_str(&format!("{failure}\n"));
    }
    if let Some(first) = refused.first() {
        let at = |second| format!("2026-11-{day:02}T12:{:02}:{second:02}Z", first.minute);
        let repeat = json!({
            "type": "repeat", "of": 1, "count": 10, "first": at(1), "last": at(2), "alike": alike(host),
        });
        text.push_str(&format!("{repeat}\n"));
    }
    let path = file(fleet, host, day);
    let folder = path.parent().context("a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}
