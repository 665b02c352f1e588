use super::*;
use crate::host::{process::Bounds, settings::Value};

fn baseline(values: &[Value]) -> Baseline {
    Baseline::new("2026-01-01T00:00:00Z", "h", "6.1", values.to_vec())
}

fn bounds(n: u64) -> Bounds {
    Bounds {
        soft: Some(n),
        hard: Some(n),
    }
}

fn sysctl(name: &str, value: &str) -> Value {
    Value::Sysctl(name.to_owned(), value.to_owned())
}

fn tasks(path: &str, limit: Option<u64>) -> Value {
    Value::Cgroup("pids.max".to_owned(), path.to_owned(), limit)
}

#[test]
fn what_has_changed_in_plain_words() {
    let unit = "/system.slice/postgresql.service";
    let before = baseline(&[
        sysctl("vm.overcommit_memory", "0"),
        sysctl("kernel.pid_max", "4194304"),
        tasks(unit, None),
        tasks("/gone", Some(5)),
        tasks("/same", Some(5)),
        Value::SwapTotal(1 << 30),
        Value::FirstProcess(Bounds::default()),
        Value::Unit("x.service".to_owned(), bounds(100)),
    ]);
    let now = baseline(&[
        sysctl("vm.overcommit_memory", "2"),
        sysctl("kernel.pid_max", "4194304"),
        tasks(unit, Some(100)),
        tasks("/same", Some(5)),
        tasks("/new", Some(7)),
        tasks("/new/free", None),
        Value::SwapTotal(0),
        Value::FirstProcess(Bounds::default()),
        Value::Unit("x.service".to_owned(), bounds(50)),
    ]);
    let changes = drift(&before, &now).changes;
    let texts: Vec<&str> = changes.iter().map(|c| &*c.text).collect();
    assert_eq!(
        texts,
        [
            "vm.overcommit_memory was 0, is 2",
            "SwapTotal was 1.0 GiB, is 0 B",
            "LimitNPROC of x.service was 100, is 50",
            "pids.max of /new is 7, was not there",
            "TasksMax of postgresql.service was max, is 100",
        ]
    );
    assert_eq!(changes[4].owner, unit);
    assert_eq!(
        (changes[4].was.as_deref(), changes[4].is.as_deref()),
        (Some("max"), Some("100"))
    );
    assert!(drift(&now, &now).changes.is_empty());
}

#[test]
fn a_baseline_is_read_as_it_was_written() {
    let saved = baseline(&[sysctl("kernel.core_pattern", "|/x \u{1b}")]);
    let text = serde_json::to_vec(&saved).unwrap();
    assert_eq!(Baseline::parse(&text).unwrap(), saved);
    let other = String::from_utf8(text).unwrap();
    let other = other.replace("\"forktrace_baseline\":1", "\"forktrace_baseline\":2");
    assert!(
        Baseline::parse(other.as_bytes())
            .unwrap_err()
            .contains("format is 2")
    );
    for bad in [
        "",
        "{}",
        "[]",
        "hello",
        "{\"type\":\"session\",\"schema\":1}",
    ] {
        assert!(Baseline::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}
