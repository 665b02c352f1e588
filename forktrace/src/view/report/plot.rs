//! Plots as SVG, drawn by hand: bars need no library. Numbers and the ids of
//! causes are all that goes in, apart from what maud escapes.

use maud::{Markup, html};

use super::words::{cause, duration, moment, with_offset};
use crate::report::{Report, TimelineRow};

/// Units of the drawing; the page scales it.
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 220.0;
/// Space for the numbers at the left, and the times below.
const LEFT: f64 = 56.0;
const BELOW: f64 = 22.0;
const ABOVE: f64 = 8.0;

/// Colours that the style sheet has; what is less is drawn as one.
pub(super) const COLOURS: usize = 7;

/// Failures over time, the causes one on the other.
pub(super) fn over_time(t: &TimelineRow) -> Markup {
    let buckets = t.series.first().map_or(0, |s| s.counts.len());
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
    // Of a short time the bars would be planks.
    let step = ((WIDTH - LEFT) / buckets.max(1) as f64).min(60.0);
    let scale = (HEIGHT - ABOVE - BELOW) / highest as f64;
    let base = HEIGHT - BELOW;
    let start = t.start.as_deref().map(with_offset).unwrap_or_default();
    let wide = duration(t.bucket_seconds);
    html! {
        div .scroll .plot { svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img"
            aria-label=(format!("Failures over time by cause, {wide} a bar")) {
            @for part in [0.0, 0.5, 1.0] {
                @let y = base - part * (base - ABOVE);
                line .grid x1=(LEFT) x2=(WIDTH) y1=(round(y)) y2=(round(y)) {}
                text .axis x=(LEFT - 6.0) y=(round(y + 4.0)) text-anchor="end" {
                    (short_number(highest as f64 * part))
                }
            }
            @for at in 0..buckets {
                @let bars = stacked(&layers, at);
                @if !bars.is_empty() {
                    g {
                        title { (tooltip(t, &layers, at)) }
                        @for (colour, from, count) in bars {
                            rect class=(format!("c{colour}"))
                                x=(round(LEFT + at as f64 * step)) width=(round((step - 1.0).max(0.8)))
                                y=(round(base - (from + count) as f64 * scale))
                                height=(round((count as f64 * scale).max(1.0))) {}
                        }
                    }
                }
            }
            text .axis x=(LEFT) y=(HEIGHT - 5.0) { (start) }
            @if step * buckets as f64 > WIDTH * 0.7 {
                text .axis x=(WIDTH) y=(HEIGHT - 5.0) text-anchor="end" {
                    "+ " (duration(t.bucket_seconds.saturating_mul(buckets as u64)))
                }
            }
        } }
        ul .legend {
            @for (colour, (name, _)) in layers.iter().enumerate() {
                li { span class=(format!("key c{colour}")) {} (name) }
            }
            li .dim { (wide) " a bar" }
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
    let start = t
        .start
        .as_ref()
        .and_then(|s| s.parse::<jiff::Timestamp>().ok());
    let offset = i64::try_from(t.bucket_seconds.saturating_mul(at as u64)).unwrap_or(0);
    let time = start.and_then(|s| s.checked_add(jiff::SignedDuration::from_secs(offset)).ok());
    let mut text = time
        .map(|time| moment(&time.to_string()))
        .unwrap_or_default();
    for (name, counts) in layers.iter().filter(|(_, counts)| counts[at] > 0) {
        text.push_str(&format!("\n{name}: {}", counts[at]));
    }
    text
}

/// The owners with the most failures, as bars: HTML, so that names wrap.
pub(super) fn owners(r: &Report, name: impl Fn(usize) -> Markup) -> Markup {
    let rows = &r.limits.rows;
    let most = rows.first().map_or(1, |row| row.failures).max(1) as f64;
    html! {
        ol .bars {
            @for (at, row) in rows.iter().take(10).enumerate() {
                li {
                    span .name { (name(at)) }
                    span .count { (row.failures) }
                    svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" {
                        rect .track width="100" height="4" {}
                        rect .c0 width=(round((row.failures as f64 / most * 100.0).max(0.5))) height="4" {}
                    }
                }
            }
        }
    }
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
