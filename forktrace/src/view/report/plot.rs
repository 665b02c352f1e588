//! Plots as SVG, drawn by hand: bars need no library. Places along the time are shares of the width, so
//! that a plot fills what room there is and its text stays readable; numbers, times and the ids of causes are
//! all that goes in, apart from what maud escapes.

use maud::{Markup, html};

use super::{
    axis::marks,
    words::{cause, duration, grouped, moment},
};
use crate::report::{Fullness, Heat, Report, TimelineRow};

/// Pixels of the bars.
const HEIGHT: f64 = 180.0;
/// Of the times below them.
const BELOW: f64 = 20.0;
/// Of a limit's use.
const LOW: f64 = 64.0;
/// Fewer bars are no wider than if there were so many.
const LEAST: usize = 16;
/// Behind these shares of a plot's width a time doesn't fit: of a narrow plot, and of any.
const LATE: f64 = 0.8;
const LAST: f64 = 0.92;
/// Shades of the heat map.
const SHADES: f64 = 8.0;

/// Colours that the style sheet has; what is less is drawn as one.
pub(super) const COLOURS: usize = 7;

/// Failures over time, the causes one on the other.
pub(super) fn over_time(t: &TimelineRow) -> Markup {
    let buckets = t.series.first().map_or(0, |s| s.counts.len());
    let wide = buckets.max(LEAST);
    let layers = layers(t, buckets);
    let highest = (0..buckets)
        .map(|at| {
            layers
                .iter()
                .fold(0u64, |sum, l| sum.saturating_add(l.1[at]))
        })
        .max()
        .unwrap_or(0)
        .max(1);
    let scale = (HEIGHT - 14.0) / highest as f64;
    let each = duration(t.bucket_seconds);
    html! {
        svg .plot width="100%" height=(HEIGHT + BELOW) role="img"
            aria-label=(format!("Failures over time by cause, {each} a bar")) {
            @for part in [0.5, 1.0] {
                @let y = HEIGHT - part * (HEIGHT - 14.0);
                line .grid x1="0" x2="100%" y1=(round(y)) y2=(round(y)) {}
                text .axis x="0" y=(round(y - 3.0)) { (short_number(highest as f64 * part)) }
            }
            @for at in 0..buckets {
                @let bars = stacked(&layers, at);
                @if !bars.is_empty() {
                    g {
                        title { (tooltip(t, &layers, at)) }
                        @for (colour, from, count) in bars {
                            rect class=(format!("c{colour}"))
                                x=(percent(at, wide)) width=(bar(wide))
                                y=(round(HEIGHT - (from + count) as f64 * scale))
                                height=(round((count as f64 * scale).max(1.0))) {}
                        }
                    }
                }
            }
            line .base x1="0" x2="100%" y1=(HEIGHT) y2=(HEIGHT) {}
            (times(t.start.as_deref(), t.bucket_seconds, wide, HEIGHT))
        }
        ul .legend {
            @for (colour, (name, _)) in layers.iter().enumerate() {
                li { span class=(format!("key c{colour}")) {} (name) }
            }
            li .dim { (each) " a bar" }
        }
    }
}

/// The times below a plot.
fn times(start: Option<&str>, bucket_seconds: u64, buckets: usize, y: f64) -> Markup {
    html! {
        @for (n, mark) in marks(start.unwrap_or_default(), bucket_seconds, buckets).iter().enumerate() {
            @let x = format!("{}%", round(mark.at * 100.0));
            // Where there is little room, every other one is left out.
            line .tick .odd[n % 2 == 1] x1=(x) x2=(x) y1=(y) y2=(y + 5.0) {}
            // It stands before the mark where behind it there is too little room.
            text .axis .odd[n % 2 == 1] .late[mark.at > LATE] .last[mark.at > LAST]
                x=(x) y=(y + 16.0) { (mark.text) }
        }
    }
}

/// A name and its counts; the smaller causes are one.
fn layers(t: &TimelineRow, buckets: usize) -> Vec<(&'static str, Vec<u64>)> {
    let shown = if t.series.len() > COLOURS {
        COLOURS - 1
    } else {
        COLOURS
    };
    let mut layers: Vec<_> = t
        .series
        .iter()
        .take(shown)
        .map(|s| (cause(s.cause), s.counts.clone()))
        .collect();
    if t.series.len() > shown {
        let mut rest = vec![0u64; buckets];
        for series in &t.series[shown..] {
            for (sum, n) in rest.iter_mut().zip(&series.counts) {
                *sum = sum.saturating_add(*n);
            }
        }
        layers.push(("others", rest));
    }
    layers
}

/// Of one bucket: colour, where it begins, how many.
fn stacked(layers: &[(&'static str, Vec<u64>)], at: usize) -> Vec<(usize, u64, u64)> {
    let mut from = 0u64;
    let mut bars = Vec::new();
    for (colour, (_, counts)) in layers.iter().enumerate() {
        if counts[at] > 0 {
            bars.push((colour, from, counts[at].min(u64::MAX - from)));
            from = from.saturating_add(counts[at]);
        }
    }
    bars
}

fn tooltip(t: &TimelineRow, layers: &[(&'static str, Vec<u64>)], at: usize) -> String {
    let mut text = bucket_time(t.start.as_deref(), t.bucket_seconds, at);
    for (name, counts) in layers.iter().filter(|(_, counts)| counts[at] > 0) {
        text.push_str(&format!("\n{name}: {}", grouped(counts[at])));
    }
    text
}

/// When a bucket begins.
fn bucket_time(start: Option<&str>, bucket_seconds: u64, at: usize) -> String {
    let start = start.and_then(|s| s.parse::<jiff::Timestamp>().ok());
    let offset = i64::try_from(bucket_seconds.saturating_mul(at as u64)).unwrap_or(0);
    let time = start.and_then(|s| s.checked_add(jiff::SignedDuration::from_secs(offset)).ok());
    time.map(|time| moment(&time.to_string()))
        .unwrap_or_default()
}

/// Hosts over time, a row each: the darker, the more failures. `name` makes a host's cell.
pub(super) fn heat(heat: &Heat, name: impl Fn(&str) -> Markup) -> Markup {
    let buckets = heat.hosts.first().map_or(0, |row| row.counts.len());
    let wide = buckets.max(LEAST);
    let rows = heat.hosts.iter().map(|row| (Some(&row.host), &row.counts));
    let others = (heat.other_hosts > 0).then_some((None, &heat.others));
    let most = heat.hosts.iter().flat_map(|row| &row.counts);
    let most = most.copied().max().unwrap_or(1).max(1);
    html! {
        table .heat {
            thead { tr {
                th scope="col" { "host" }
                th scope="col" { "over time, " (duration(heat.bucket_seconds)) " a cell" }
                th .n scope="col" { "failures" }
            } }
            tbody {
                @for (host, counts) in rows.chain(others) {
                    @let sum = counts.iter().fold(0u64, |sum, n| sum.saturating_add(*n));
                    tr {
                        td .long {
                            @match host {
                                Some(host) => (name(host)),
                                None => { (heat.other_hosts) " other hosts" },
                            }
                        }
                        td .strip {
                            svg width="100%" height="18" aria-hidden="true" {
                                @for (at, count) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
                                    rect class=(format!("h{}", shade(*count, most)))
                                        x=(percent(at, wide)) width=(cell(wide)) height="18" {
                                        title {
                                            (bucket_time(heat.start.as_deref(), heat.bucket_seconds, at))
                                            ": " (grouped(*count))
                                        }
                                    }
                                }
                            }
                        }
                        td .n { (grouped(sum)) }
                    }
                }
            }
            tfoot { tr {
                td {}
                td .strip {
                    svg width="100%" height=(BELOW) aria-hidden="true" {
                        (times(heat.start.as_deref(), heat.bucket_seconds, wide, 0.0))
                    }
                }
                td {}
            } }
        }
    }
}

/// From 1 to 8: each twice as many and more, the darkest the most.
fn shade(count: u64, most: u64) -> u64 {
    let (count, most) = ((count as f64).ln_1p(), (most as f64).ln_1p());
    (count / most * SHADES).ceil().clamp(1.0, SHADES) as u64
}

/// What was in use of a limit, and its value, at the refusals over time.
pub(super) fn fullness(f: &Fullness, amount: impl Fn(u64) -> String) -> Markup {
    let buckets = f.usage.len();
    let wide = buckets.max(LEAST);
    let numbers = f.usage.iter().chain(&f.value).flatten();
    let highest = numbers.copied().max().unwrap_or(0).max(1);
    let scale = (LOW - 12.0) / highest as f64;
    html! {
        svg .plot width="100%" height=(LOW + BELOW) role="img" aria-label="In use over time, and the limit" {
            @for (at, (usage, value)) in f.usage.iter().zip(&f.value).enumerate() {
                @if let (Some(usage), Some(value)) = (usage, value) {
                    g {
                        title {
                            (bucket_time(Some(&f.start), f.bucket_seconds, at))
                            "\nin use " (amount(*usage)) " of " (amount(*value))
                        }
                        rect .c0 x=(percent(at, wide)) width=(bar(wide))
                            y=(round(LOW - *usage as f64 * scale))
                            height=(round((*usage as f64 * scale).max(1.0))) {}
                        rect .c1 x=(percent(at, wide)) width=(cell(wide))
                            y=(round(LOW - *value as f64 * scale - 1.0)) height="2" {}
                    }
                }
            }
            text .axis x="0" y="9" { (amount(highest)) }
            line .base x1="0" x2="100%" y1=(LOW) y2=(LOW) {}
            (times(Some(&f.start), f.bucket_seconds, wide, LOW))
        }
    }
}

/// The owners with the most failures, as bars: HTML, so that names wrap.
pub(super) fn owners(r: &Report, name: impl Fn(usize) -> Markup) -> Markup {
    let rows = &r.rolled.limits.rows;
    let most = rows.first().map_or(1, |row| row.failures).max(1) as f64;
    html! {
        ol .bars {
            @for (at, row) in rows.iter().take(10).enumerate() {
                li {
                    span .name { (name(at)) }
                    span .count { (grouped(row.failures)) }
                    svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" {
                        rect .track width="100" height="4" {}
                        rect .c0 width=(round((row.failures as f64 / most * 100.0).max(0.5))) height="4" {}
                    }
                }
            }
        }
    }
}

fn percent(at: usize, of: usize) -> String {
    format!("{}%", round(at as f64 / of as f64 * 100.0))
}

/// Of a bar, with room to the next.
fn bar(of: usize) -> String {
    format!("{}%", round(90.0 / of as f64))
}

/// Of a cell, without.
fn cell(of: usize) -> String {
    format!("{}%", round(100.0 / of as f64 + 0.02))
}

fn round(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}

/// "950", "12k", "3.4M".
fn short_number(n: f64) -> String {
    match n {
        n if n < 1000.0 => round((n * 10.0).round() / 10.0).to_string(),
        n if n < 1e6 => format!("{}k", (n / 100.0).round() / 10.0),
        n => format!("{}M", (n / 1e5).round() / 10.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_reach_from_one_to_eight() {
        assert_eq!(shade(1, 1), 8);
        assert_eq!(shade(1, u64::MAX), 1);
        assert_eq!(shade(u64::MAX, u64::MAX), 8);
        assert!(shade(40, 1000) < shade(400, 1000));
    }
}
