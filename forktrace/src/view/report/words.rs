//! Words that the text and the page share.

use jiff::Timestamp;

pub(super) use crate::view::count;
pub(in crate::view) use crate::view::times::moment;
pub(super) use crate::view::times::with_offset;
use crate::{
    model::{Cause, Unit, program_and_thread},
    program::{after, by_id},
    recording::Damage,
    report::{CallerRow, DamageCount, LimitRow, Report, SessionRow, Top},
    view::{
        damage, damage::session, not_in_files, nothing_passed, times::without_year, without_summary,
    },
};

/// "11-22 13:14:15".
pub(super) fn short(time: Option<&String>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| without_year(time))
}

/// The same, and nothing where it isn't known.
pub(super) fn plain_short(time: Option<&String>) -> String {
    time.map_or_else(String::new, |time| without_year(time))
}

/// "1,234,567".
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number of what a limit counts.
pub(super) fn amount(n: Option<u64>, unit: Option<Unit>) -> String {
    match (n, unit) {
        (None, _) => "-".to_owned(),
        (Some(n), Some(unit)) => crate::model::amount(n, unit),
        (Some(n), None) => n.to_string(),
    }
}

/// All values of a limit; where failures aren't known by value, the latest.
pub(super) fn values(row: &LimitRow) -> String {
    match &row.values[..] {
        [] => amount(row.value, row.unit),
        all => {
            let all = all.iter().map(|of| amount(Some(of.value), row.unit));
            all.collect::<Vec<_>>().join(", ")
        }
    }
}

/// "java (http-nio-8080-e, main)": the threads' names where they are others.
pub(super) fn program(row: &CallerRow) -> String {
    let others = row.threads.iter();
    let others = others.filter(|comm| program_and_thread(&row.program, comm) != row.program);
    let others: Vec<&str> = others.map(String::as_str).collect();
    let program = bare_program(row);
    match others.is_empty() {
        true => program.to_owned(),
        false => format!("{program} ({})", others.join(", ")),
    }
}

/// "java".
pub(super) fn bare_program(row: &CallerRow) -> &str {
    match row.program.is_empty() {
        true => &row.comm,
        false => &row.program,
    }
}

/// "12", "256 or more".
pub(super) fn processes(row: &CallerRow) -> String {
    match row.more_processes {
        true => format!("{} or more", row.processes),
        false => row.processes.to_string(),
    }
}

/// Programs that made no further attempt, with what comes of that; a few at most.
fn without_attempt(r: &Report) -> impl Iterator<Item = String> {
    const MINUTE: u64 = 60;
    const MOST: usize = 5;
    let told = r.callers.rows.iter().filter_map(|row| {
        let quiet = row.quiet_seconds.filter(|seconds| *seconds >= MINUTE)?;
        let program = by_id(row.catalogued.as_deref()?)?;
        let after = after::afterwards(program, row.operation?, row.errno?)?;
        let host = match r.hosts.len() > 1 && !row.host.is_empty() {
            true => format!(" on {}", row.host),
            false => String::new(),
        };
        Some(format!(
            "{}{host}: no further attempt in the last {}: it {}",
            program.name,
            duration(quiet),
            after.without_attempt()
        ))
    });
    told.take(MOST)
}

/// What stands under the table of callers.
pub(super) fn below_callers(r: &Report) -> Vec<String> {
    without_attempt(r).chain(programs_not_recorded(r)).collect()
}

/// What of a table's failures was counted by the check alone.
pub(super) fn not_recorded<R>(top: &Top<R>, what: &str) -> Vec<String> {
    let more = |n: u64| format!("{n} more by the same checks, {what} not recorded");
    let n = Some(top.unrecorded).filter(|n| *n > 0);
    n.map(more).into_iter().collect()
}

/// The same of the callers, most of which are counted by user and cgroup: who asks there once, and ends,
/// is no other than who has a row.
fn programs_not_recorded(r: &Report) -> Vec<String> {
    let by_check = r.cgroups.unrecorded.min(r.callers.unrecorded);
    let alike = r.callers.unrecorded - by_check;
    let same = [
        (alike, "of the same users and cgroups"),
        (by_check, "by the same checks"),
    ];
    let more = same.into_iter().filter(|(n, _)| *n > 0);
    more.map(|(n, same)| format!("{n} more {same}, program not recorded"))
        .collect()
}

/// A series' name.
pub(super) fn cause(cause: Option<Cause>) -> &'static str {
    cause.map_or("cause not known", Cause::id)
}

/// "4 s", "17 min", "2 h", "3 d".
pub(in crate::view) fn duration(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", (seconds + 30) / 60),
        7200..=172_799 => format!("{} h", (seconds + 1800) / 3600),
        _ => format!("{} d", (seconds + 43_200) / 86_400),
    }
}

/// How long between two times; at least a second.
pub(super) fn lasted(first: &str, last: &str) -> String {
    let (Ok(first), Ok(last)) = (first.parse::<Timestamp>(), last.parse::<Timestamp>()) else {
        return "-".to_owned();
    };
    let seconds = last.as_second().abs_diff(first.as_second());
    duration(seconds.max(1))
}

/// What is not as it should be, one sentence each.
pub(super) fn notes(r: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    let t = &r.totals;
    if t.failures == 0 && r.left_out.failures > 0 {
        notes.push(nothing_passed(&r.left_out, t.unjudged));
    } else if t.failures == 0 && r.hosts.is_empty() && r.files > 0 {
        notes.push("no records: nothing has been recorded".to_owned());
    }
    let mut say = |n: u64, text: String| {
        if n > 0 {
            notes.push(text);
        }
    };
    say(
        t.cause_not_here,
        format!(
            "{}: counted as repeats of failures that are not in these files",
            count(t.cause_not_here, "failure")
        ),
    );
    say(
        t.again,
        format!(
            "{} more than once in these files (a copy, or a file given twice): each counts once",
            match t.again {
                1 => "1 failure stands".to_owned(),
                n => format!("{n} failures stand"),
            }
        ),
    );
    say(
        u64::from(!t.again_exact),
        "more records than can be known again: what stands twice in these files may count twice"
            .to_owned(),
    );
    for loss in &r.losses {
        let text = format!(
            "{} lost in detail: {}",
            count(loss.failures, "failure"),
            loss.name
        );
        say(loss.failures, text);
    }
    say(
        r.oom.lost,
        format!(
            "{} could not be recorded",
            crate::view::oom_kills(r.oom.lost)
        ),
    );
    say(
        t.only_in_summaries,
        format!(
            "{} more: counted by the sessions' summaries alone, lost in detail",
            count(t.only_in_summaries, "failure")
        ),
    );
    say(
        t.unjudged,
        format!(
            "{} not counted: nobody knows whether the filters want them",
            count(t.unjudged, "failure")
        ),
    );
    say(
        t.skipped_at_most,
        format!(
            "at most {} more: the kernel ran no program on some returns",
            count(t.skipped_at_most, "failure")
        ),
    );
    say(
        t.killed,
        format!(
            "{} cut short by a fatal signal, which are no failures",
            count(t.killed, "creation")
        ),
    );
    say(
        t.without_time,
        format!(
            "{} without a readable time",
            count(t.without_time, "failure")
        ),
    );
    notes.extend(passed_over(&r.damage));
    let crashed = r.sessions.iter().filter(|s| s.ended.is_none()).count() as u64;
    notes.extend(without_summary(crashed));
    let mut say = |n: u64, text: String| {
        if n > 0 {
            notes.push(text);
        }
    };
    for session in &r.sessions {
        of_session(session, &mut say);
    }
    notes
}

fn of_session(s: &SessionRow, say: &mut impl FnMut(u64, String)) {
    let missing = s.missing.saturating_sub(s.only_in_summary);
    if let Some(text) = not_in_files(missing, &s.host, s.started.as_deref()) {
        say(missing, text);
    }
    say(
        u64::from(s.unsure),
        format!(
            "{} is named by damaged data alone, and may be another",
            name(s)
        ),
    );
    say(
        s.too_many,
        format!(
            "{} more of {} than its summary counts: is a file given twice?",
            count(s.too_many, "failure"),
            name(s)
        ),
    );
}

fn passed_over(d: &DamageCount) -> Vec<String> {
    damage(&Damage {
        unreadable: d.unreadable,
        torn_bytes: d.torn_bytes,
        bad_frames: d.bad_frames,
        lost_lines: d.lost_lines,
        open_frames: d.open_frames,
        refused_frames: d.refused_frames,
        largest_window: d.largest_window,
    })
}

fn name(s: &SessionRow) -> String {
    session(&s.host, s.started.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations() {
        assert_eq!(moment("2026-11-22T13:14:15.5Z"), "2026-11-22 13:14:15");
        assert_eq!(moment("soon"), "soon");
        assert_eq!(
            short(Some(&"2026-11-22T13:14:15Z".to_owned())),
            "11-22 13:14:15"
        );
        assert_eq!(short(Some(&"é".to_owned())), "é");
        for (n, wanted) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(n), wanted);
        }
        for (seconds, wanted) in [(1, "1 s"), (128, "2 min"), (8192, "2 h"), (1 << 20, "12 d")] {
            assert_eq!(duration(seconds), wanted);
        }
    }
}
