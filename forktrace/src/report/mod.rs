//! Sums recordings up: any number of files, sessions and hosts, read as a
//! stream in constant memory.
//!
//! [`Aggregator`] takes lines of recordings in any order of files and ends as a
//! [`Report`]. Every failure is counted exactly once in [`Totals::failures`];
//! what a table has no room for is in its `others`. The bounds:
//!
//! | kept | at most |
//! |---|---|
//! | limits, callers, cgroups; over all hosts kinds of limits, programs, users, units, pods | 2048 rows each, see [`table`] |
//! | for a page: failures that are kept whole, and a limit's fullness over time | 3 of each kind of limit, 64 buckets of each limit |
//! | hosts over time | 120 buckets, as many hosts as sessions |
//! | sessions (and so hosts) | 4096, then one line for the rest |
//! | failures that a `repeat` can refer to | the last 8192 of a session, 262 144 in all |
//! | repeats whose failure has not come yet | 65 536 |
//! | what is known again: ranges of failures, other records | 65 536, 262 144 |
//! | buckets of the timeline | 120 for each cause |
//! | limits that are told apart where their table has no room | 262 144 |
//! | bursts | 2048 |
//! | cgroups of OOM victims | 2048 rows |
//! | OOM kills that can be held against failures | 1024, of 65 536 seconds with failures |
//! | processes of a caller whose speed is known | the latest 64 |
//! | bytes of a name | 4096 |
//!
//! `report/` takes lines of files and the records of a session. Of a `failure` line, which is
//! nearly all of a recording, it borrows the fields that it counts (`report/line.rs`) and only looks
//! at the rest; everything else is read as `Record`. Each table keeps the rows with the larger
//! counts and adds what has to go to `others`, so that sums are exact whatever the size
//! (`report/table.rs`). Files may come in any order: sessions are known by host, boot and start,
//! repeats that come before their failure wait for it, and what depends on time goes by the
//! records' times.

mod advised;
mod aggregate;
mod ahead;
mod bursts;
mod counts;
mod distinct;
mod document;
mod few;
mod fill;
mod finish;
mod line;
mod list;
mod once;
mod oom;
mod rate;
mod recent;
mod roll_finish;
mod rolled;
mod rollup;
mod rows;
mod samples;
mod scan;
mod session;
pub mod table;
#[cfg(test)]
pub(crate) mod tests;
mod timeline;
mod when;

pub use aggregate::{Aggregator, Standing};
pub use document::{
    Advice, BurstRow, CallerRow, CauseCount, CgroupRow, Count, DamageCount, Fullness, HostRow,
    LimitRow, NearRow, OomReport, OwnerRow, Report, Sample, Series, SessionRow, TimelineRow, Top,
    Totals, ValueCount, VictimRow,
};
pub use line::is_own_failure;
pub use rate::Rate;
pub use rolled::{Asked, By, Heat, HeatRow, KinRow, RollRow, Rolled, Worst};

/// The JSON Schema of what `forktrace report --format json` prints.
pub fn json_schema() -> serde_json::Value {
    crate::model::published::REPORT.value()
}

#[cfg(test)]
mod schema_tests {
    use super::*;

    #[test]
    fn the_published_schema_is_that_of_the_types() {
        crate::model::published::REPORT.is_of(schemars::schema_for!(Report));
    }
}
