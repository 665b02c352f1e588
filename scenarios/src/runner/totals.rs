//! The summary of a session against its records.

use anyhow::{Result, ensure};
use forktrace::record::{Loss, LossReason, Record, Summary};

use crate::oom;
use crate::tracer::Tracer;

/// The summary against the records: exact, nothing lost.
///
/// `skipped`: where returns can have been skipped, as many may be lost.
pub(super) fn totals(tracer: &Tracer, total: u64, summary: &Summary, skipped: u64) -> Result<()> {
    let losses = |of: fn(&Loss) -> bool| -> u64 {
        let counts = tracer.lines.iter().map(|l| match &l.record {
            Record::Loss(loss) if of(loss) => loss.count,
            _ => 0,
        });
        counts.sum()
    };
    oom::totals(&tracer.lines, summary)?;
    let lost = losses(Loss::is_of_failures);
    ensure!(
        summary.failures == total + lost,
        "the summary counts {} failures, the records {total} and {lost} lost",
        summary.failures
    );
    ensure!(lost <= skipped, "{lost} lost");
    ensure!(
        summary.lost == lost,
        "the summary says {} lost, the records {lost}",
        summary.lost
    );
    let recorded = losses(|loss| loss.reason == LossReason::Skipped);
    ensure!(
        summary.skipped == recorded,
        "the summary says {} skipped, the records {recorded}",
        summary.skipped
    );
    let by_cause: u64 = summary.causes.values().sum();
    ensure!(
        by_cause + lost == summary.failures,
        "the summary's causes add up to {by_cause}, {lost} lost, of {}",
        summary.failures
    );
    let mut last = 0;
    for line in &tracer.lines {
        if let Record::Failure(failure) = &line.record {
            ensure!(
                failure.seq == last + 1,
                "seq {} comes after {last}",
                failure.seq
            );
            last = failure.seq;
        }
        if let Record::Repeat(repeat) = &line.record {
            ensure!(
                repeat.of >= 1 && repeat.of <= last && repeat.count >= 1,
                "a repeat of {} counts {}",
                repeat.of,
                repeat.count
            );
        }
    }
    Ok(())
}
