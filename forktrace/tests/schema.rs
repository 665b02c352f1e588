//! The promise about recordings: each line fits the JSON Schema that
//! `forktrace schema` prints, and what an earlier version has written stays
//! readable.
//!
//! `data/schema-1.ndjson` was recorded by version 0.1.0 on Linux 6.12 and is
//! never changed. FORKTRACE_RECORDINGS names a folder with the lines of every
//! recording that a test run has made (`cargo xtask test`).

use std::{collections::BTreeMap, env, fs, path::Path};

use forktrace::record::{Limit, LimitKind, Owner, Record, json_schema};
use forktrace::recording::{Damage, Reader};
use serde_json::{Value, json};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/schema-1.ndjson");

fn validator() -> jsonschema::Validator {
    jsonschema::validator_for(&json_schema()).expect("a JSON Schema")
}

fn values(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("a recording");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// How many lines fit the schema.
fn check(path: &Path) -> usize {
    let validator = validator();
    let values = values(path);
    for (n, value) in values.iter().enumerate() {
        if let Err(error) = validator.validate(value) {
            panic!("{} line {}: {error}: {value}", path.display(), n + 1);
        }
    }
    values.len()
}

#[test]
fn an_old_recording_fits_the_schema() {
    assert_eq!(check(Path::new(FIXTURE)), 102);
}

#[test]
fn what_this_test_run_has_recorded_fits_the_schema() {
    let Some(folder) = env::var_os("FORKTRACE_RECORDINGS") else {
        return;
    };
    let mut lines = 0;
    for entry in fs::read_dir(folder).expect("the folder of recordings") {
        lines += check(&entry.expect("an entry").path());
    }
    assert!(lines > 0, "nothing was recorded");
    println!("{lines} lines fit the schema");
}

/// A check that can't fail would be none.
#[test]
fn what_is_no_record_does_not_fit() {
    let validator = validator();
    let good = values(Path::new(FIXTURE));
    let failure = good
        .iter()
        .find(|v| v["type"] == "failure")
        .expect("a failure");
    let changed = |change: fn(&mut Value)| {
        let mut value = failure.clone();
        change(&mut value);
        value
    };
    assert!(validator.is_valid(failure));
    for bad in [
        changed(|v| v["seq"] = json!("one")),
        changed(|v| v["cause"] = json!("bad_luck")),
        changed(|v| v["caller"]["pid"] = json!(-1)),
        changed(|v| v["limit"]["unit"] = json!("apples")),
        changed(|v| v["type"] = json!("failures")),
        changed(|v| {
            v.as_object_mut().map(|v| v.remove("errno"));
        }),
        json!([]),
    ] {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}

#[test]
fn an_old_recording_is_read_whole() {
    let mut reader = Reader::open(Path::new(FIXTURE)).expect("the fixture");
    let (mut causes, mut kinds) = (BTreeMap::new(), BTreeMap::new());
    let mut of = BTreeMap::new();
    let mut total = None;
    let mut read = Vec::new();
    while let Some(record) = reader.read().expect("a readable file") {
        let kind = match &record {
            Record::Session(session) => {
                assert_eq!((session.schema, &*session.version), (1, "0.1.0"));
                assert_eq!(session.attach, "fexit");
                "session"
            }
            Record::Failure(f) => {
                *causes.entry(f.cause.id().to_owned()).or_insert(0) += 1;
                of.insert(f.seq, f.cause);
                "failure"
            }
            Record::Repeat(repeat) => {
                let cause = of[&repeat.of].id().to_owned();
                *causes.entry(cause).or_insert(0) += repeat.count;
                "repeat"
            }
            Record::Loss(_) => "loss",
            Record::OomKill(_) => "oom_kill",
            Record::Summary(summary) => {
                total = Some(summary.clone());
                "summary"
            }
        };
        *kinds.entry(kind).or_insert(0) += 1;
        read.push(record);
    }
    assert_eq!(reader.damage(), Damage::default());
    let wanted = [
        ("failure", 95),
        ("repeat", 5),
        ("session", 1),
        ("summary", 1),
    ];
    assert_eq!(kinds, wanted.into());
    let summary = total.expect("a summary");
    assert_eq!(summary.failures, 215);
    assert_eq!(summary.causes, causes);
    // Nothing that was written is lost on the way through the types.
    for (line, record) in values(Path::new(FIXTURE)).iter().zip(&read) {
        let now = serde_json::to_value(record).expect("JSON");
        contains(&now, line, &line["type"].to_string());
    }
}

/// Limits, their owners and holders travel as types through a reader, and are written again byte
/// for byte.
#[test]
fn limits_and_holders_are_written_again_as_they_were() {
    let mut limits = 0;
    for file in ["schema-1.ndjson", "oom-kill.ndjson"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data")
            .join(file);
        let text = fs::read_to_string(&path).expect("the fixture");
        for line in text.lines() {
            let record: Record = serde_json::from_str(line).expect("a record");
            let (of, holders): (Vec<&Limit>, _) = match &record {
                Record::Failure(f) => (
                    f.limit.iter().chain(&f.candidates).collect(),
                    &f.holders[..],
                ),
                Record::OomKill(kill) => (kill.limit.iter().collect(), &[][..]),
                _ => continue,
            };
            for limit in &of {
                assert!(!matches!(limit.kind, LimitKind::Other(_)), "{limit:?}");
                assert!(!matches!(limit.owner, Owner::Named(_)), "{limit:?}");
            }
            let limits_again = of.iter().map(serde_json::to_string);
            let again = limits_again.chain(holders.iter().map(serde_json::to_string));
            for again in again {
                let again = again.expect("JSON");
                assert!(line.contains(&again), "{again} is not in {line}");
            }
            limits += of.len();
        }
    }
    assert!(limits > 100, "{limits} limits");
}

/// `data/oom-kill.ndjson` was recorded on Linux 6.18: a process in `/a/b.service`, killed at the
/// memory.max of `/a`.
#[test]
fn an_oom_kill_fits_the_schema_and_is_read_whole() {
    let path = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/oom-kill.ndjson"
    ));
    assert_eq!(check(path), 3);
    let mut reader = Reader::open(path).expect("the fixture");
    let mut kills = Vec::new();
    let mut total = None;
    let lines = values(path);
    for line in &lines {
        let record = reader.read().expect("a readable file").expect("a record");
        let now = serde_json::to_value(&record).expect("JSON");
        contains(&now, line, &line["type"].to_string());
        match record {
            Record::OomKill(kill) => kills.push(kill),
            Record::Summary(summary) => total = Some(summary),
            _ => {}
        }
    }
    assert_eq!(kills.len(), 1);
    assert_eq!(kills[0].cgroup.path.as_deref(), Some("/a/b.service"));
    let limit = kills[0].limit.as_ref().expect("a limit");
    assert_eq!(limit.owner, Owner::cgroup("/a"));
    assert_eq!(limit.value, Some(20 << 20));
    let total = total.expect("a summary");
    assert_eq!((total.failures, total.oom_kills), (0, 1));
    // A check that can't fail would be none.
    let mut bad = lines[1].clone();
    bad["constraint"] = json!("bad_luck");
    assert!(!validator().is_valid(&bad));
}

/// Every field of the old value, with its value.
fn contains(now: &Value, then: &Value, at: &str) {
    match (now, then) {
        (Value::Object(now), Value::Object(then)) => {
            for (name, value) in then {
                let at = format!("{at}.{name}");
                contains(now.get(name).unwrap_or(&Value::Null), value, &at);
            }
        }
        (Value::Array(now), Value::Array(then)) => {
            assert_eq!(now.len(), then.len(), "{at}");
            for (now, then) in now.iter().zip(then) {
                contains(now, then, at);
            }
        }
        _ => assert_eq!(now, then, "{at}"),
    }
}
