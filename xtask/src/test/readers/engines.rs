//! `cargo xtask engines`: the questions of docs/fleet.md by engines for more than one machine. ClickHouse (in this
//! process's Python) reads the tables from an object store, Spark (a cluster of processes) from a folder, and both
//! have to answer as DuckDB does. Spark's loader reads the recordings that are hard, too.

use super::{
    cases::{cases, parse},
    converted::Converted,
    fleet::{ANSWERS, Fleet, HOSTS, begins_with, sql},
};
use crate::{
    apt, json_tools, local,
    monitoring::{
        http::free_port,
        server::{Server, until},
    },
    paths, python, run,
    test::{Tally, Tier},
};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// An object store for tests, which speaks S3.
const STORE: &str = "moto[server]==5.2.5";
const SPARK: &str = "pyspark==4.3.0";
/// Asks ClickHouse: the store's port; views and questions come by standard input.
const BY_CLICKHOUSE: &str = include_str!("by_clickhouse.py");
/// Asks Spark: the cluster, and recordings; without any, views and questions come by standard input.
const BY_SPARK: &str = include_str!("by_spark.py");

/// Runs `cargo xtask engines`.
///
/// # Errors
///
/// An engine can't be had or started.
pub(crate) fn main(args: &local::Args) -> Result<ExitCode> {
    apt::require(
        &[apt::Package::new(
            "openjdk-17-jre-headless",
            Path::new("/usr/bin/java"),
        )],
        "Spark",
    )?;
    let forktrace = args.forktrace()?;
    let mut tally = Tally::default();
    run(&forktrace, &mut tally)?;
    Ok(tally.end())
}

fn run(forktrace: &Path, tally: &mut Tally) -> Result<()> {
    let duckdb = json_tools::get()?.join("duckdb");
    let converted = Converted::get(Tier::Full, forktrace, &duckdb)?;
    for package in [super::CHDB, STORE, SPARK] {
        python::with(package)?;
    }
    let python = paths::work("python").join("bin/python");
    let fleet = Fleet::record()?;
    fleet.convert(&converted)?;
    let wanted: Result<Vec<String>> = ANSWERS
        .iter()
        .map(|(question, wanted)| {
            let answer = fleet.ask((&duckdb, ""), "tables", question)?;
            begins_with(&answer, wanted)?;
            Ok(answer)
        })
        .collect();
    let wanted = wanted?;
    let mut compare = |engine: &str, answers: Result<BTreeMap<String, Answer>>| {
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => return tally.fail(engine, &format!("{error:#}")),
        };
        for ((question, _), wanted) in ANSWERS.iter().zip(&wanted) {
            let answer = answers.get(*question);
            let took = answer.map_or(0.0, |answer| answer.seconds);
            let right = answer.context("no answer").and_then(|answer| {
                ensure!(answer.csv == *wanted, "{}DuckDB: {wanted}", answer.csv);
                Ok(())
            });
            let name = format!("{engine} answers of {HOSTS} hosts, in {took:.1} s: {question}");
            tally.step(&name, &right);
        }
    };
    compare(
        "ClickHouse, from an object store,",
        by_clickhouse(&python, &fleet),
    );
    let cluster = Cluster::start(&python)?;
    compare("Spark", cluster.ask(&python, &fleet));
    for case in cases()? {
        let read = cluster.read(&python, forktrace, case.name, &case.text);
        let right = read.and_then(|printed| {
            let read = parse(&printed)?;
            ensure!(read == case.wanted, "{read:?}, wanted {:?}", case.wanted);
            Ok(())
        });
        tally.step(&format!("Spark reads a recording: {}", case.name), &right);
    }
    Ok(())
}

/// What an engine answers to a question.
struct Answer {
    seconds: f64,
    csv: String,
}

/// Of lines `## question seconds`, each before the answer as CSV.
fn answers(printed: &[u8]) -> Result<BTreeMap<String, Answer>> {
    let printed = std::str::from_utf8(printed)?;
    let mut all = BTreeMap::new();
    for part in printed.split("## ").skip(1) {
        let (head, csv) = part.split_once('\n').context("an answer")?;
        let (question, seconds) = head.split_once(' ').context("a question and seconds")?;
        let answer = Answer {
            seconds: seconds.parse().context("seconds")?,
            csv: csv.to_owned(),
        };
        all.insert(question.to_owned(), answer);
    }
    Ok(all)
}

/// The views of an engine, and all questions, a statement each: what is given to its script.
fn asked(views: &str) -> Result<Vec<u8>> {
    let questions: Result<Vec<_>> = ANSWERS.iter().map(|(q, _)| Ok((*q, sql(q)?))).collect();
    let views = sql(views)?;
    // No statement has one within.
    let views: Vec<&str> = views
        .split(";\n")
        .filter(|v| !v.trim().is_empty())
        .collect();
    Ok(serde_json::to_vec(
        &json!({"views": views, "questions": questions?}),
    )?)
}

fn by_clickhouse(python: &Path, fleet: &Fleet) -> Result<BTreeMap<String, Answer>> {
    let folder = paths::work_dir("engines")?;
    let port = free_port()?;
    let mut store = Command::new(python);
    store.args(["-m", "moto.server", "-p", &port.to_string()]);
    let _store = Server::start(&folder, &mut store)?;
    listens("the object store", port)?;
    let mut script = Command::new(python);
    script
        .args(["-c", BY_CLICKHOUSE, &port.to_string()])
        .current_dir(&fleet.folder);
    answers(&run::through(&mut script, &asked("clickhouse-tables")?)?)
}

/// Spark: one process that hands out work, one that does it.
struct Cluster {
    _master: Server,
    _worker: Server,
    folder: PathBuf,
    address: String,
}

impl Cluster {
    fn start(python: &Path) -> Result<Self> {
        let folder = paths::work_dir("engines")?;
        let find = "import os, pyspark; print(os.path.dirname(pyspark.__file__))";
        let home = run::capture(Command::new(python).args(["-c", find]))?;
        let class = Path::new(home.trim()).join("bin/spark-class");
        let port = free_port()?;
        let process = |class_name: &str| -> Result<Command> {
            let mut process = Command::new(&class);
            process
                .arg(format!("org.apache.spark.deploy.{class_name}"))
                .args(["--host", "127.0.0.1"])
                .args(["--webui-port", &free_port()?.to_string()])
                .envs(environment(python, &folder));
            Ok(process)
        };
        let mut master = process("master.Master")?;
        let master = Server::named(
            &folder,
            "spark-master",
            master.args(["--port", &port.to_string()]),
        )?;
        listens("Spark's master", port)?;
        let address = format!("spark://127.0.0.1:{port}");
        let mut worker = process("worker.Worker")?;
        let worker = Server::named(
            &folder,
            "spark-worker",
            worker.args(["--cores", "2", "--memory", "2g", &address]),
        )?;
        Ok(Self {
            _master: master,
            _worker: worker,
            folder,
            address,
        })
    }

    fn ask(&self, python: &Path, fleet: &Fleet) -> Result<BTreeMap<String, Answer>> {
        let mut script = self.driver(python);
        script.current_dir(&fleet.folder);
        answers(&run::through(&mut script, &asked("spark-tables")?)?)
    }

    /// The three numbers of a recording and a copy of it, by what `forktrace schema` prints for Spark.
    fn read(&self, python: &Path, forktrace: &Path, name: &str, text: &str) -> Result<String> {
        let file = self.folder.join(format!("{name}.ndjson"));
        let copy = file.with_extension("copy.ndjson");
        for file in [&file, &copy] {
            fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
        }
        let mut schema = Command::new(forktrace);
        let module = run::capture(schema.args(["schema", "--format", "spark"]))?;
        fs::write(self.folder.join("forktrace_spark.py"), module)
            .context("writing Spark's loader")?;
        let mut asked = self.driver(python);
        run::capture(asked.args([&file, &copy]).current_dir(&self.folder))
    }

    fn driver(&self, python: &Path) -> Command {
        let mut driver = Command::new(python);
        driver
            .args(["-c", BY_SPARK, &self.address])
            .envs(environment(python, &self.folder))
            .env("PYTHONPATH", &self.folder);
        driver
    }
}

/// On loopback, and writing nowhere else.
fn environment(python: &Path, folder: &Path) -> [(&'static str, std::ffi::OsString); 4] {
    [
        ("SPARK_LOCAL_IP", "127.0.0.1".into()),
        ("SPARK_LOCAL_DIRS", folder.join("spark").into()),
        ("SPARK_WORKER_DIR", folder.join("spark-work").into()),
        ("PYSPARK_PYTHON", python.into()),
    ]
}

fn listens(what: &str, port: u16) -> Result<()> {
    until(what, || {
        Ok(TcpStream::connect(("127.0.0.1", port)).ok().map(drop))
    })
}
