//! Records as log records. Names of attributes are those of the semantic conventions where these have one.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{nanoseconds, number, scope, text};
use crate::{
    model::Cgroup,
    record::{Failure, Loss, OomKill, Record, Repeat, Session},
};

/// WARN and INFO of the log data model.
const WARN: u32 = 13;
const INFO: u32 = 9;

/// Whom records are of: the host of the session that they follow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    host: String,
    boot_id: Option<String>,
    kernel: String,
    version: String,
}

impl Resource {
    /// Of this session.
    pub fn of(session: &Session) -> Self {
        Self {
            host: session.host.clone(),
            boot_id: session.boot_id.clone(),
            kernel: session.kernel.clone(),
            version: session.version.clone(),
        }
    }

    pub(super) fn json(&self) -> Value {
        let all = [
            text("service.name", Some("forktrace")),
            text("service.version", Some(&self.version)),
            text("host.name", Some(&self.host)),
            text("os.type", Some("linux")),
            text("os.version", Some(&self.kernel)),
            text("forktrace.boot_id", self.boot_id.as_deref()),
        ];
        let all: Vec<Value> = all.into_iter().flatten().collect();
        json!({"attributes": all})
    }
}

/// A request for `/v1/logs`; `None`: nothing of it is a log record.
pub fn logs(resource: &Resource, records: &[Record]) -> Option<Value> {
    let all: Vec<Value> = records.iter().filter_map(record).collect();
    (!all.is_empty()).then(|| {
        json!({"resourceLogs": [{
            "resource": resource.json(),
            "scopeLogs": [{"scope": scope(), "logRecords": all}],
        }]})
    })
}

fn record(record: &Record) -> Option<Value> {
    match record {
        Record::Failure(failure) => Some(of_failure(failure)),
        Record::Repeat(repeat) => Some(of_repeat(repeat)),
        Record::Loss(loss) => Some(of_loss(loss)),
        Record::OomKill(kill) => Some(of_oom_kill(kill)),
        Record::Session(session) => Some(log(
            "forktrace.session",
            INFO,
            &session.started,
            &format!("tracing has begun, attached by {}", session.attach),
            vec![text("forktrace.attached", Some(&session.attach))],
        )),
        Record::Summary(_) => None,
    }
}

fn log(event: &str, severity: u32, time: &str, body: &str, all: Vec<Option<Value>>) -> Value {
    let at = nanoseconds(time);
    let all: Vec<Value> = all.into_iter().flatten().collect();
    json!({
        "timeUnixNano": at,
        "observedTimeUnixNano": at,
        "severityNumber": severity,
        "severityText": if severity == WARN { "WARN" } else { "INFO" },
        "eventName": event,
        "body": {"stringValue": body},
        "attributes": all,
    })
}

fn of_failure(failure: &Failure) -> Value {
    let caller = &failure.caller;
    let limit = failure.limit.as_ref();
    let owner = limit.map(|limit| limit.owner.to_string());
    let errno = failure.errno.name();
    let fix = failure.fix.first();
    let mut all = vec![
        number("forktrace.seq", Some(failure.seq)),
        text("forktrace.cause", Some(failure.cause.id())),
        text("forktrace.operation", Some(failure.operation.name())),
        text("error.type", Some(&*errno)),
        text("forktrace.syscall", failure.syscall.as_deref()),
        text("forktrace.limit.name", limit.map(|limit| limit.kind.name())),
        text("forktrace.limit.owner", owner.as_deref()),
        number("forktrace.limit.value", limit.and_then(|limit| limit.value)),
        number("forktrace.limit.usage", limit.and_then(|limit| limit.usage)),
        number("process.pid", Some(caller.pid.into())),
        number("thread.id", Some(caller.tid.into())),
        text("thread.name", Some(&caller.comm)),
        text("process.executable.path", caller.exe.as_deref()),
        number("process.real_user.id", Some(caller.uid.into())),
        text("process.real_user.name", caller.user.as_deref()),
        text("forktrace.fix.now", fix.and_then(|fix| fix.now.as_deref())),
        text(
            "forktrace.fix.persistent",
            fix.and_then(|fix| fix.persistent.as_deref()),
        ),
    ];
    all.extend(place(&failure.cgroup));
    log(
        "forktrace.failure",
        WARN,
        &failure.time,
        &failure.summary,
        all,
    )
}

fn place(cgroup: &Cgroup) -> [Option<Value>; 7] {
    [
        text("process.linux.cgroup", cgroup.path.as_deref()),
        text("systemd.unit", cgroup.unit.as_deref()),
        text("container.id", cgroup.container.as_deref()),
        text("k8s.pod.uid", cgroup.pod.as_deref()),
        text("k8s.pod.name", cgroup.pod_name.as_deref()),
        text("k8s.namespace.name", cgroup.namespace.as_deref()),
        text("k8s.container.name", cgroup.container_name.as_deref()),
    ]
}

fn of_repeat(repeat: &Repeat) -> Value {
    log(
        "forktrace.repeat",
        WARN,
        &repeat.last,
        &format!("{} more like failure {}", repeat.count, repeat.of),
        vec![
            number("forktrace.of", Some(repeat.of)),
            number("forktrace.count", Some(repeat.count)),
        ],
    )
}

fn of_loss(loss: &Loss) -> Value {
    log(
        "forktrace.loss",
        WARN,
        &loss.since,
        &loss.sentence(),
        vec![
            number("forktrace.count", Some(loss.count)),
            text("forktrace.reason", Some(loss.reason.name())),
        ],
    )
}

fn of_oom_kill(kill: &OomKill) -> Value {
    let victim = &kill.victim;
    let mut all = vec![
        number("process.pid", Some(victim.pid.into())),
        text("thread.name", Some(&victim.comm)),
        number("process.real_user.id", Some(victim.uid.into())),
    ];
    all.extend(place(&kill.cgroup));
    let body = format!("the OOM killer has killed {}[{}]", victim.comm, victim.pid);
    log("forktrace.oom_kill", WARN, &kill.time, &body, all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{failed, session};

    #[test]
    fn a_failure_is_a_log_record_of_its_host() {
        let Record::Session(about) = session("web1", "2026-11-29T12:00:00Z") else {
            unreachable!("it is one");
        };
        let made = logs(
            &Resource::of(&about),
            &[failed(7, "2026-11-29T12:00:01.5Z")],
        )
        .unwrap();
        let of = |all: &Value, key: &str| {
            let all = all["attributes"].as_array().unwrap();
            let found = all.iter().find(|attribute| attribute["key"] == key);
            found.map(|attribute| attribute["value"].clone())
        };
        let resource = &made["resourceLogs"][0];
        let host = of(&resource["resource"], "host.name");
        assert_eq!(host, Some(json!({"stringValue": "web1"})));
        let log = &resource["scopeLogs"][0]["logRecords"][0];
        assert_eq!(log["timeUnixNano"], "1795953601500000000");
        assert_eq!(log["severityNumber"], 13);
        assert_eq!(log["body"]["stringValue"], "no");
        let cause = of(log, "forktrace.cause");
        assert_eq!(cause, Some(json!({"stringValue": "cgroup_pids_max"})));
        // 64-bit numbers are strings in protobuf's JSON.
        assert_eq!(of(log, "process.pid"), Some(json!({"intValue": "812"})));
        assert_eq!(of(log, "container.id"), None);
        assert!(logs(&Resource::default(), &[]).is_none());
    }
}
