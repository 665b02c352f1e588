//! Programs that are known not to try again: with the limit raised they go on without what was
//! refused, until they are restarted.

use std::path::Path;

use super::Subject;
use crate::model::{Caller, Fix, Operation};

/// By the name of the executable: what it is left with, and what helps.
const KNOWN: [(&str, &str, &str); 6] = [
    (
        "nginx",
        "starts no other worker in its place, and after a reload may have none at all",
        "reload it, or restart it where it has no worker",
    ),
    (
        "haproxy",
        "goes on accepting connections that the missing thread would have answered",
        "restart it",
    ),
    (
        "rsyslogd",
        "writes no line any more, and whoever logs to it waits",
        "restart it",
    ),
    ("uwsgi", "stays without the worker", "reload it"),
    (
        "supervisord",
        "gives a program up (FATAL) after a few attempts",
        "start that program again by supervisorctl",
    ),
    (
        "node",
        "may wait for ever for a thread that wasn't made when it started",
        "restart it",
    ),
];

/// What there is to do once there is room; `None` of programs that aren't known for it.
pub fn after(subject: &Subject<'_>) -> Option<Fix> {
    if subject.operation == Operation::Exec {
        return None;
    }
    let name = program(subject.caller);
    let (name, left_with, helps) = KNOWN.iter().find(|(known, ..)| *known == name)?;
    Some(Fix {
        now: None,
        persistent: None,
        note: Some(format!(
            "{name} is known not to try again: it {left_with}; once there is room, {helps}"
        )),
    })
}

/// Threads have names of their own, and the executable's is everybody's.
fn program(caller: &Caller) -> &str {
    let exe = caller.exe.as_deref().map(Path::new);
    let name = exe.and_then(Path::file_name).and_then(|name| name.to_str());
    name.unwrap_or(&caller.comm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cgroup, Errno, caller::tests::caller};

    fn told(exe: Option<&str>, comm: &str, operation: Operation) -> Option<String> {
        let caller = Caller {
            exe: exe.map(str::to_owned),
            comm: comm.to_owned(),
            ..caller()
        };
        let subject = Subject {
            caller: &caller,
            cgroup: &Cgroup::default(),
            operation,
            errno: Errno::EAGAIN,
        };
        after(&subject)?.note
    }

    #[test]
    fn those_that_are_known_by_their_executable() {
        let thread = Operation::Thread;
        let queue = told(Some("/usr/sbin/rsyslogd"), "rs:main Q:Reg", thread).unwrap();
        assert!(
            queue.starts_with("rsyslogd is known")
                && queue.ends_with("once there is room, restart it")
        );
        assert!(told(None, "haproxy", thread).is_some());
        assert!(told(Some("/usr/sbin/nginx"), "nginx", Operation::Process).is_some());
        assert_eq!(told(Some("/usr/bin/bash"), "nginx", thread), None);
        assert_eq!(told(None, "postgres", thread), None);
        // What was refused is another program.
        assert_eq!(told(None, "nginx", Operation::Exec), None);
    }
}
