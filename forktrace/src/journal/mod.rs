//! Entries of systemd's journal, with fields of their own: `journalctl CAUSE=pid_max -o json`.
//!
//! journald's native protocol (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>): an entry is a datagram of
//! lines. Values are made harmless ([`clean`]), which leaves no newline in them. A datagram that doesn't go
//! through at once is counted, and never waited for: tracing goes on whatever becomes of journald.

use std::{fmt::Display, io, os::unix::net::UnixDatagram, path::Path};

use crate::{
    model::clean,
    record::{Failure, Loss, OomKill, Recent, Record, Repeat, Session},
};

/// Where journald listens.
pub const SOCKET: &str = "/run/systemd/journal/socket";

/// What kind of entry it is, as `MESSAGE_ID`: for `journalctl --catalog`, and for filters.
const FAILURE: &str = "c6f1d9fb4c9f4b3f9d0f0e4f6b1c7a51";
const OOM_KILL: &str = "7d0c3a5b8e8e4a1f8a8f5f0a3c2be462";
const LOSS: &str = "1f3b6c0d2a7d4de6a3d5c8e0b94f7273";
const SESSION: &str = "a8c2e4906d7b4f2b8a2bd1c0ee53f984";

/// warning; notice; informational: syslog(3).
const WARNING: u8 = 4;
const NOTICE: u8 = 5;
const INFO: u8 = 6;

/// Bytes of a value: of a datagram, journald takes as many as the socket's buffer holds.
const LONGEST: usize = 8192;

/// Failures whose fields a `repeat` can have again: it refers to one of the last second.
const RECENT: usize = 512;

/// A connection to journald.
pub struct Journal {
    socket: UnixDatagram,
    recent: Recent<u64, Entry, RECENT>,
    /// Entries that could not be written since the last one that could.
    undelivered: u64,
}

impl Journal {
    /// Connects to journald, or to what listens there in its place.
    pub fn open(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            recent: Recent::default(),
            undelivered: 0,
        })
    }

    /// Writes the entry of a record.
    pub fn take(&mut self, record: &Record) {
        match record {
            Record::Session(session) => self.send(&of_session(session)),
            Record::Failure(failure) => {
                let about = about(failure);
                let mut entry = Entry::new(FAILURE, WARNING, &failure.summary);
                entry.add("OBJECT_PID", failure.caller.pid);
                entry.add("FORKTRACE_SEQ", failure.seq);
                entry.append(&about);
                self.send(&entry);
                self.recent.remember(failure.seq, about);
            }
            Record::Repeat(repeat) => {
                let entry = of_repeat(repeat, self.recent.recall(repeat.of));
                self.send(&entry);
            }
            Record::Loss(loss) => self.send(&of_loss(loss)),
            Record::OomKill(kill) => self.send(&of_oom_kill(kill)),
            Record::Summary(_) => {}
        }
    }

    fn send(&mut self, entry: &Entry) {
        if self.undelivered > 0 {
            let count = self.undelivered;
            let text = format!("{count} entries of forktrace could not be written to the journal");
            let mut missing = Entry::new(LOSS, WARNING, &text);
            missing.add("COUNT", count);
            missing.add("LOSS", "journal");
            if self.socket.send(&missing.0).is_ok() {
                self.undelivered = 0;
            }
        }
        if self.socket.send(&entry.0).is_err() {
            self.undelivered += 1;
        }
    }
}

/// What a failure and its repeats have in common.
fn about(failure: &Failure) -> Entry {
    let mut entry = Entry(Vec::with_capacity(1024));
    entry.add("CAUSE", failure.cause.id());
    // As systemd.journal-fields(7) has it: a number.
    entry.add("ERRNO", failure.errno.number());
    entry.add("ERRNO_NAME", failure.errno.name());
    entry.add("OPERATION", failure.operation.name());
    entry.add_some("SYSCALL", failure.syscall.as_ref());
    if let Some(limit) = &failure.limit {
        entry.add("LIMIT", &limit.kind);
        entry.add("OWNER", &limit.owner);
        entry.add_some("LIMIT_VALUE", limit.value);
        entry.add_some("LIMIT_USAGE", limit.usage);
    }
    let caller = &failure.caller;
    entry.add("CALLER_PID", caller.pid);
    entry.add("CALLER_COMM", &caller.comm);
    entry.add_some("CALLER_EXE", caller.exe.as_ref());
    entry.add("CALLER_UID", caller.uid);
    entry.add_some("CALLER_USER", caller.user.as_ref());
    let cgroup = &failure.cgroup;
    entry.add_some("CGROUP", cgroup.path.as_ref());
    entry.add_some("UNIT", cgroup.unit.as_ref());
    entry.add_some("CONTAINER_ID", cgroup.container.as_ref());
    entry.add_some("POD_UID", cgroup.pod.as_ref());
    entry.add_some("NAMESPACE", cgroup.namespace.as_ref());
    entry.add_some("POD", cgroup.pod_name.as_ref());
    entry.add_some("CONTAINER", cgroup.container_name.as_ref());
    let fix = failure.fix.first();
    entry.add_some("FIX", fix.and_then(|fix| fix.now.as_ref()));
    entry.add_some(
        "FIX_PERSISTENT",
        fix.and_then(|fix| fix.persistent.as_ref()),
    );
    entry
}

fn of_repeat(repeat: &Repeat, known: Option<&Entry>) -> Entry {
    let text = format!("{} more like failure {}", repeat.count, repeat.of);
    let mut entry = Entry::new(FAILURE, WARNING, &text);
    entry.add("REPEATS", repeat.of);
    entry.add("COUNT", repeat.count);
    if let Some(known) = known.filter(|_| repeat.alike.is_process()) {
        entry.append(known);
    } else if let Some(cause) = known.and_then(|known| known.line("CAUSE")) {
        // Other processes', and of a storm over many limits other limits'.
        entry.0.extend_from_slice(cause);
    }
    entry
}

fn of_loss(loss: &Loss) -> Entry {
    let mut entry = Entry::new(LOSS, NOTICE, &loss.sentence());
    entry.add("COUNT", loss.count);
    entry.add("LOSS", &loss.reason);
    entry
}

fn of_oom_kill(kill: &OomKill) -> Entry {
    let victim = &kill.victim;
    let text = format!("the OOM killer has killed {}[{}]", victim.comm, victim.pid);
    let mut entry = Entry::new(OOM_KILL, WARNING, &text);
    entry.add("OBJECT_PID", victim.pid);
    entry.add("VICTIM_PID", victim.pid);
    entry.add("VICTIM_COMM", &victim.comm);
    entry.add_some("CGROUP", kill.cgroup.path.as_ref());
    entry.add_some("UNIT", kill.cgroup.unit.as_ref());
    entry
}

fn of_session(session: &Session) -> Entry {
    let text = format!("tracing has begun, attached by {}", session.attach);
    let mut entry = Entry::new(SESSION, INFO, &text);
    entry.add("ATTACHED", &session.attach);
    entry.add("FORKTRACE_VERSION", &session.version);
    entry
}

/// Lines of an entry.
struct Entry(Vec<u8>);

impl Entry {
    fn new(id: &str, priority: u8, message: &str) -> Self {
        let mut entry = Self(Vec::with_capacity(1024));
        entry.add("MESSAGE", message);
        entry.add("MESSAGE_ID", id);
        entry.add("PRIORITY", priority);
        entry.add("SYSLOG_IDENTIFIER", "forktrace");
        entry
    }

    fn add(&mut self, name: &str, value: impl Display) {
        let value = value.to_string();
        let value = clean(&value);
        let mut end = value.len().min(LONGEST);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'=');
        self.0.extend_from_slice(&value.as_bytes()[..end]);
        self.0.push(b'\n');
    }

    fn add_some(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    fn append(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// The line of a field, with its end.
    fn line(&self, name: &str) -> Option<&[u8]> {
        let mut lines = self.0.split_inclusive(|b| *b == b'\n');
        lines.find(|line| {
            let rest = line.strip_prefix(name.as_bytes());
            rest.is_some_and(|rest| rest.starts_with(b"="))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::LossReason, record::Alike, report::tests::failure};

    struct Journald {
        _dir: tempfile::TempDir,
        socket: UnixDatagram,
        journal: Journal,
    }

    impl Journald {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("socket");
            let socket = UnixDatagram::bind(&path).unwrap();
            socket.set_nonblocking(true).unwrap();
            let journal = Journal::open(&path).unwrap();
            Self {
                _dir: dir,
                socket,
                journal,
            }
        }

        fn next(&self) -> Option<Vec<String>> {
            let mut bytes = vec![0; 1 << 16];
            let length = self.socket.recv(&mut bytes).ok()?;
            let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
            assert!(text.ends_with('\n'), "{text}");
            Some(text.lines().map(str::to_owned).collect())
        }
    }

    fn failed(seq: u64, change: impl FnOnce(&mut Failure)) -> Record {
        let mut new = failure(seq, "2026-11-29T12:00:01Z");
        change(&mut new);
        Record::Failure(Box::new(new))
    }

    fn has(entry: &[String], line: &str) {
        assert!(entry.iter().any(|l| l == line), "{line}: {entry:#?}");
    }

    #[test]
    fn a_failure_has_fields_of_its_own_and_so_have_its_repeats() {
        let mut there = Journald::new();
        there.journal.take(&failed(7, |_| {}));
        let entry = there.next().unwrap();
        for line in [
            "MESSAGE=no",
            "PRIORITY=4",
            "SYSLOG_IDENTIFIER=forktrace",
            "CAUSE=cgroup_pids_max",
            "ERRNO=11",
            "ERRNO_NAME=EAGAIN",
            "LIMIT=pids.max",
            "OWNER=/system.slice",
            "LIMIT_VALUE=100",
            "UNIT=postgresql.service",
            "OBJECT_PID=812",
        ] {
            has(&entry, line);
        }
        let mut repeat = Repeat {
            of: 7,
            count: 6,
            first: String::new(),
            last: String::new(),
            alike: Alike::Process,
        };
        there.journal.take(&Record::Repeat(repeat.clone()));
        let entry = there.next().unwrap();
        for line in [
            "COUNT=6",
            "REPEATS=7",
            "CAUSE=cgroup_pids_max",
            "UNIT=postgresql.service",
        ] {
            has(&entry, line);
        }
        repeat.alike = Alike::Check;
        there.journal.take(&Record::Repeat(repeat));
        let entry = there.next().unwrap();
        has(&entry, "CAUSE=cgroup_pids_max");
        assert!(!entry.iter().any(|l| l.starts_with("UNIT=")), "{entry:?}");
    }

    #[test]
    fn hostile_names_forge_no_field() {
        let mut there = Journald::new();
        let hostile = "x\nPRIORITY=0\nCAUSE\n\u{1}\0\0\0";
        there.journal.take(&failed(1, |failure| {
            failure.caller.comm = hostile.to_owned();
            failure.cgroup.unit = Some(hostile.to_owned());
            failure.summary = hostile.to_owned();
        }));
        let entry = there.next().unwrap();
        let of = |name: &str| {
            let all = entry.iter().filter(|line| line.starts_with(name));
            all.collect::<Vec<_>>()
        };
        assert_eq!(of("PRIORITY="), ["PRIORITY=4"]);
        assert_eq!(of("CAUSE="), ["CAUSE=cgroup_pids_max"]);
        assert!(entry.iter().all(|line| line.contains('=')), "{entry:#?}");
    }

    #[test]
    fn what_is_lost_is_said_to_be_what_it_is() {
        let mut there = Journald::new();
        for (reason, says) in [
            (
                LossReason::RingFull,
                "3 failures were counted without detail (ring_full)",
            ),
            (
                LossReason::Skipped,
                "the kernel skipped forktrace on up to 3 returns, failing or not",
            ),
            (LossReason::OomKill, "3 OOM kills could not be recorded"),
        ] {
            let name = reason.name().to_owned();
            there.journal.take(&Record::Loss(Loss {
                count: 3,
                since: String::new(),
                reason,
            }));
            let entry = there.next().unwrap();
            has(&entry, &format!("MESSAGE={says}"));
            has(&entry, &format!("LOSS={name}"));
        }
    }

    #[test]
    fn a_journald_that_does_not_read_keeps_nobody_waiting_and_what_is_missing_is_said() {
        let mut there = Journald::new();
        for seq in 0..5000 {
            there.journal.take(&failed(seq, |_| {}));
        }
        assert!(there.journal.undelivered > 0);
        let missing = there.journal.undelivered;
        while there.next().is_some() {}
        there.journal.take(&Record::Loss(Loss {
            count: 1,
            since: String::new(),
            reason: LossReason::RingFull,
        }));
        let entry = there.next().unwrap();
        has(&entry, &format!("COUNT={missing}"));
        has(&entry, "LOSS=journal");
        has(&there.next().unwrap(), "LOSS=ring_full");
    }
}
