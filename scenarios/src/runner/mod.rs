//! The tests: for each attach style, everything is provoked under one
//! forktrace, which is then ended, and its recording compared.

mod compare;
mod context;
mod session;
mod settle;
mod totals;

use std::path::Path;

use anyhow::Result;

use crate::behaviour;
use crate::brief::{self, Provoked};
use crate::complaints;
use crate::report::Report;
use crate::scenario::Place;
use crate::session as sessions;
use crate::tracer::Scratch;

use context::STYLES;
pub(crate) use context::{Choice, Kind, Tests, Where};

/// Runs all tests; true when none failed.
pub(crate) fn run(at: Where, forktrace: &Path, choice: Choice) -> Result<bool> {
    let before = complaints::Before::now()?;
    let scratch = Scratch::new()?;
    let binary = scratch.binary(forktrace)?;
    let mut tests = Tests {
        place: Place::find(1)?,
        at,
        scratch,
        binary,
        choice,
        report: Report::default(),
        provoked: Provoked::default(),
        broken: false,
    };
    let with_sessions = tests.choice.has_kind(Kind::Sessions);
    let styles: Vec<String> = match &tests.choice.styles[..] {
        _ if !with_sessions => Vec::new(),
        [] => STYLES.map(str::to_owned).into(),
        styles => styles.to_vec(),
    };
    for style in &styles {
        tests.provoked = Provoked::default();
        for session in sessions::of(style, tests.at, tests.choice.brief) {
            session::run(&mut tests, style, session);
        }
        brief::check(&mut tests, style);
    }
    if tests.broken {
        tests
            .report
            .fail("behaviour", "not tried: forktrace did not start");
    } else {
        if tests.choice.has_kind(Kind::Kernel) {
            behaviour::run_on_each_kernel(&mut tests);
        }
        if tests.choice.has_kind(Kind::Commands) {
            behaviour::run(&mut tests);
        }
    }
    let left = tests.place.cgroups.nothing_left();
    tests.report.case("leaves_no_cgroup", left);
    before.check(&mut tests);
    Ok(tests.report.end())
}
