//! What runs under one forktrace: its options, and the scenarios.

use crate::brief;
use crate::runner::Where;
use crate::scenario::{self, Scenario};

/// One forktrace, and what is provoked under it.
pub(crate) struct Session {
    /// Names of cases begin with it.
    pub prefix: String,
    pub options: &'static [&'static str],
    /// Each with whether forktrace reports it.
    pub scenarios: Vec<(Scenario, bool)>,
}

/// In a test machine, scenarios under `--attach auto` begin with these. What it chooses is forced in
/// turn as well: it is enough that it chooses, and that nothing is missed.
const AUTO: [&str; 4] = ["nproc_", "pids_", "once_", "quiet_"];

/// The sessions of a style.
pub(crate) fn of(style: &str, at: Where, brief: bool) -> Vec<Session> {
    if brief {
        return of_brief(style);
    }
    let mut plain = Session {
        prefix: style.to_owned(),
        options: &[],
        scenarios: recorded(scenario::all()),
    };
    let others = scenario::errnos::all_quiet();
    plain
        .scenarios
        .extend(others.into_iter().map(|s| (s, false)));
    if style == "auto" && at == Where::TestMachine {
        let few = |name: &str| AUTO.iter().any(|start| name.starts_with(start));
        plain.scenarios.retain(|(s, _)| few(s.name));
        return vec![plain];
    }
    vec![
        plain,
        Session {
            prefix: format!("{style}+more"),
            options: &["--seccomp", "--thread-stacks"],
            scenarios: recorded(scenario::with_options()),
        },
        Session {
            prefix: format!("{style}+errnos"),
            options: &["--errno", "all"],
            scenarios: recorded(scenario::errnos::all()),
        },
    ]
}

/// Two, because starting a forktrace under emulation takes longer than most scenarios: one as users
/// start it, one with everything that can be asked for.
fn of_brief(style: &str) -> Vec<Session> {
    let mut plain = recorded(scenario::all());
    plain.retain(|(s, _)| brief::has(s.name));
    let mut more = scenario::with_options();
    more.extend(scenario::errnos::all());
    more.retain(|s| brief::has(s.name) && !plain.iter().any(|(p, _)| p.name == s.name));
    vec![
        Session {
            prefix: style.to_owned(),
            options: &[],
            scenarios: plain,
        },
        Session {
            prefix: format!("{style}+all"),
            options: &["--seccomp", "--thread-stacks", "--errno", "all"],
            scenarios: recorded(more),
        },
    ]
}

fn recorded(scenarios: Vec<Scenario>) -> Vec<(Scenario, bool)> {
    scenarios.into_iter().map(|s| (s, true)).collect()
}
