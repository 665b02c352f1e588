//! What PostgreSQL's processes say of themselves in their titles.
//!
//! src/backend/utils/misc/ps_status.c writes
//! `postgres: [CLUSTER: ]USER DATABASE HOST(PORT) ACTIVITY`, with `[local]` for a
//! connection by Unix socket; so 9.0 to 18. Processes that serve no client have
//! no host in their title. Users and clusters can be called anything, so a title
//! can lie; what comes of it here are numbers.

/// Client connections by what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backends {
    counts: [u64; STATES.len()],
}

/// What a client's backend does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Waits for the client, in no transaction.
    Idle,
    /// Waits for the client, which keeps a transaction open.
    IdleInTransaction,
    /// The same, and the transaction has failed.
    IdleInFailedTransaction,
    /// Executes something.
    Active,
    /// Waits for a lock, or for a standby.
    Waiting,
    /// Not yet ready for the client.
    Starting,
}

/// The states of a backend and their names, in the order in which they are printed.
const STATES: [(State, &str); 6] = [
    (State::Idle, "idle"),
    (State::IdleInTransaction, "idle in transaction"),
    (
        State::IdleInFailedTransaction,
        "idle in transaction (aborted)",
    ),
    (State::Active, "active"),
    (State::Waiting, "waiting"),
    (State::Starting, "starting"),
];

impl Backends {
    /// Counts the process with this title, unless it serves no client.
    pub(super) fn add(&mut self, title: &[u8]) {
        let Some(state) = state(title) else { return };
        for ((of, _), count) in STATES.iter().zip(&mut self.counts) {
            *count += u64::from(*of == state);
        }
    }

    /// Those that wait for their clients; `None` where there are no backends.
    pub(super) fn idle(&self) -> Option<u64> {
        let idle = |state| {
            matches!(
                state,
                State::Idle | State::IdleInTransaction | State::IdleInFailedTransaction
            )
        };
        let counted = STATES.iter().zip(self.counts);
        let all: u64 = self.counts.iter().sum();
        let waiting = counted.filter(|((state, _), _)| idle(*state));
        (all > 0).then(|| waiting.map(|(_, n)| n).sum())
    }

    /// "91 idle, 3 idle in transaction, 2 active"; `None` where there are none.
    pub(super) fn words(&self) -> Option<String> {
        let counted = STATES.iter().zip(self.counts).filter(|(_, n)| *n > 0);
        let words: Vec<String> = counted
            .map(|((_, name), n)| format!("{n} {name}"))
            .collect();
        (!words.is_empty()).then(|| words.join(", "))
    }
}

/// Whether processes of this name have such titles. The name stays that of the
/// program; `postmaster` was a link to it up to 15.
pub(super) fn is_postgres(comm: &str) -> bool {
    matches!(comm, "postgres" | "postmaster")
}

/// What the backend with this title does; `None` for what serves no client.
fn state(title: &[u8]) -> Option<State> {
    let title = String::from_utf8_lossy(title.strip_prefix(b"postgres: ")?);
    let fixed = match title.split_once(' ') {
        Some((cluster, rest)) if cluster.ends_with(':') => rest,
        _ => &title,
    };
    // Send their log to a standby; the second is 9.x's.
    if fixed.starts_with("walsender ") || fixed.starts_with("wal sender process ") {
        return None;
    }
    // The first word is the user, whatever it looks like.
    let mut words = fixed.split(' ').skip(1);
    words.by_ref().find(|word| is_host(word))?;
    let activity = words.collect::<Vec<_>>().join(" ");
    let activity = activity.trim();
    Some(match activity {
        "idle" => State::Idle,
        "idle in transaction" => State::IdleInTransaction,
        "idle in transaction (aborted)" => State::IdleInFailedTransaction,
        // tcop/postmaster.c, libpq/auth.c; nothing at all right after the fork.
        "" | "initializing" | "authentication" | "startup" => State::Starting,
        // storage/lmgr: "SELECT waiting". replication/syncrep.c: "COMMIT waiting
        // for 0/16B3748".
        _ if activity.ends_with(" waiting") || activity.contains(" waiting for ") => State::Waiting,
        // The command's tag, or PARSE, BIND, DESCRIBE, <FASTPATH>.
        _ => State::Active,
    })
}

/// `[local]`, `192.0.2.1(5432)`, `::1(5432)`, or a name with a port.
fn is_host(word: &str) -> bool {
    if word == "[local]" {
        return true;
    }
    let port = word.strip_suffix(')').and_then(|w| w.rsplit_once('('));
    port.is_some_and(|(host, port)| {
        !host.is_empty() && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends() {
        for (title, wanted) in [
            ("postgres: app shop [local] idle", State::Idle),
            (
                "postgres: 15/main: app shop 10.0.0.7(51234) idle",
                State::Idle,
            ),
            ("postgres: main: app shop ::1(5) idle   ", State::Idle),
            (
                "postgres: app shop db1.example(1) idle in transaction",
                State::IdleInTransaction,
            ),
            (
                "postgres: app shop [local] idle in transaction (aborted)",
                State::IdleInFailedTransaction,
            ),
            ("postgres: app shop [local] SELECT", State::Active),
            ("postgres: app shop [local] CREATE INDEX", State::Active),
            ("postgres: app shop [local] BIND", State::Active),
            ("postgres: app shop [local] <FASTPATH>", State::Active),
            ("postgres: app shop [local] UPDATE waiting", State::Waiting),
            (
                "postgres: app shop [local] COMMIT waiting for 0/16B3748",
                State::Waiting,
            ),
            ("postgres: app shop [local] startup", State::Starting),
            ("postgres: app shop [local] authentication", State::Starting),
            ("postgres: app shop [local] initializing", State::Starting),
            ("postgres: app shop [local] ", State::Starting),
            ("postgres: app shop [local]", State::Starting),
            // Names with spaces, and an old server before the database is known.
            ("postgres: my app my shop [local] idle", State::Idle),
            ("postgres: app [local] startup", State::Starting),
        ] {
            assert_eq!(state(title.as_bytes()), Some(wanted), "{title}");
        }
    }

    #[test]
    fn others_are_no_backends() {
        for title in [
            "/usr/lib/postgresql/15/bin/postgres",
            "postgres: checkpointer ",
            "postgres: 15/main: background writer ",
            "postgres: walwriter",
            "postgres: autovacuum launcher ",
            "postgres: autovacuum worker shop",
            "postgres: logical replication launcher ",
            "postgres: logical replication apply worker for subscription 16393 ",
            "postgres: parallel worker for PID 4711 ",
            "postgres: stats collector ",
            "postgres: archiver last was 000000010000000000000001",
            "postgres: startup recovering 000000010000000000000001",
            "postgres: io worker 0",
            "postgres: walsender standby 10.0.0.8(4711) streaming 0/3000148",
            "postgres: 15/main: walsender standby [local] streaming 0/3000148",
            "postgres: wal sender process standby 10.0.0.8(4711) streaming 0/3000148",
            "postgres: ",
            "postgres",
            "",
            "bash",
        ] {
            assert_eq!(state(title.as_bytes()), None, "{title}");
        }
    }

    #[test]
    fn words() {
        let mut all = Backends::default();
        assert_eq!(all.words(), None);
        all.add(b"postgres: checkpointer ");
        assert_eq!(all.words(), None);
        for _ in 0..3 {
            all.add(b"postgres: a b [local] idle");
        }
        all.add(b"postgres: a b [local] idle in transaction");
        all.add(b"postgres: a b \x1b]0;[local] [local] \xff\xfe\x1b[31m");
        assert_eq!(
            all.words().as_deref(),
            Some("3 idle, 1 idle in transaction, 1 active")
        );
    }
}
