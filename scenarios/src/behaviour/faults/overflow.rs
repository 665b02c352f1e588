//! More happens than the ring buffer has room for.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use forktrace::provoke::sys::Signal;
use forktrace::record::{LossReason, Record};

use super::super::{Behaviour, provoke, record, refused_user};
use crate::expect::Line;
use crate::machine;
use crate::runner::Tests;
use crate::tracer::Tracer;

pub(super) const BEHAVIOURS: &[Behaviour] = &[Behaviour {
    name: "fault_ring_overflows",
    run: overflows,
}];

/// Refusals while nobody reads, one in each second: each is its check's first of that second, so all
/// the room there is is its own, and when that is gone it is lost, and recorded as lost.
const REFUSED: u64 = 14;

fn overflows(tests: &Tests) -> Result<()> {
    // Room for eight events.
    let mut tracer = record(tests, &["--comm", "overflows", "--ring-size", "64K"])?;
    let mut user = refused_user("overflows", tests.place.uid(139), 1)?;
    let pid = user.actor.pid() as u32;
    tracer.running.signal(Signal::STOP);
    for _ in 0..REFUSED {
        provoke(&mut user)?;
        std::thread::sleep(Duration::from_millis(1100));
    }
    tracer.running.signal(Signal::CONT);
    let awaited = machine::await_some(Duration::from_secs(10), || {
        let read = tracer.read();
        (read.is_err() || lost(&tracer) > 0).then_some(())
    });
    awaited.context("no loss is recorded")?;
    let before = recorded(&tracer, pid);
    // It goes on as before.
    provoke(&mut user)?;
    let summary = tracer.end()?;
    let (recorded, lost) = (recorded(&tracer, pid), lost(&tracer));
    ensure!(
        (5..=9).contains(&before) && recorded == before + 1,
        "{before} were recorded of what was there, {recorded} in the end"
    );
    ensure!(
        recorded + lost == REFUSED + 1 && summary.lost == lost && summary.failures == REFUSED + 1,
        "{recorded} recorded and {lost} lost; summed up as {} lost of {}",
        summary.lost,
        summary.failures
    );
    Ok(())
}

fn recorded(tracer: &Tracer, pid: u32) -> u64 {
    let is_of_it = |l: &&Line| matches!(&l.record, Record::Failure(f) if f.caller.pid == pid);
    tracer.lines.iter().filter(is_of_it).count() as u64
}

/// What the ring buffer had no room for.
fn lost(tracer: &Tracer) -> u64 {
    let losses = tracer.lines.iter().map(|line| match &line.record {
        Record::Loss(loss) if loss.reason == LossReason::RingFull => loss.count,
        _ => 0,
    });
    losses.sum()
}
