//! Plots as inline SVG: curves of percentiles, bars, and small lines over time.

use std::fmt::Write;

use super::Spread;
use crate::measure::{SHARE_MS, curve};

/// The contestant that a line or bar is about.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) name: String,
    pub(super) color: String,
    /// The line's dashes, as SVG has them; empty for none.
    pub(super) dash: &'static str,
}

/// A width on which text of eleven pixels is as large as that of the page.
const WIDE: f64 = 660.0;
const NARROW: f64 = 230.0;

/// The distribution of each: percentiles to the right, milliseconds upwards, both logarithmic.
pub(super) fn percentiles(lines: &[(Mark, Vec<f64>)], deadline_ms: f64) -> String {
    let (left, right, top, bottom) = (52.0, 150.0, 8.0, 30.0);
    // As tall as the bars beside it.
    let height = 400.0 + 16.0 * lines.len().saturating_sub(10) as f64;
    let shares = curve();
    let all = lines.iter().flat_map(|(_, line)| line.iter().skip(1).copied());
    // Without any line the axes still have an end.
    let (least, most) = all.fold((10.0f64, 1.0f64), |(l, m), v| (l.min(v), m.max(v)));
    let low = ticks(0.1, least.max(0.2)).last().copied().unwrap_or(1.0);
    let high = (most * 1.15).max(deadline_ms.min(most * 1.2)).max(low * 5.0);
    let last = (shares.len() - 1) as f64;
    let x = |index: f64| left + (WIDE - left - right) * index / last;
    let span = (high / low).log10();
    let y = |ms: f64| {
        let part = (ms.max(low) / low).log10() / span;
        height - bottom - (height - bottom - top) * part.min(1.0)
    };
    let mut svg = open(WIDE, height);
    for ms in ticks(0.1, high).into_iter().filter(|ms| *ms >= low) {
        let _ = write!(
            svg,
            "<line class=g x1={left} x2={:.1} y1={y:.1} y2={y:.1} /><text x={:.1} y={:.1} text-anchor=end>{}</text>",
            WIDE - right,
            left - 6.0,
            y(ms) + 4.0,
            short(ms),
            y = y(ms)
        );
    }
    for (index, label) in [(0.0, "0"), (6.02, "p50"), (20.0, "p90"), (40.0, "p99"), (60.0, "p99.9")]
    {
        let at = x(index);
        let _ = write!(
            svg,
            "<line class=g x1={at:.1} x2={at:.1} y1={top} y2={:.1} /><text x={at:.1} y={:.1} text-anchor=middle>{label}</text>",
            height - bottom,
            height - bottom + 16.0
        );
    }
    if deadline_ms <= high {
        let at = y(deadline_ms);
        let _ = write!(
            svg,
            "<line x1={left} x2={:.1} y1={at:.1} y2={at:.1} stroke=#b54708 stroke-dasharray='2 3' /><text x={:.1} y={:.1} style='fill:#b54708'>deadline (errors)</text>",
            WIDE - right,
            left + 6.0,
            at - 5.0
        );
    }
    for (mark, line) in lines {
        let points: Vec<String> = line
            .iter()
            .enumerate()
            .skip(1)
            .map(|(index, ms)| format!("{:.1},{:.1}", x(index as f64), y(*ms)))
            .collect();
        svg += &polyline(mark, &points, 2.0);
    }
    svg += &end_labels(lines, WIDE - right + 8.0, y, (top, height - bottom));
    svg + "</svg>"
}

/// Names and last values to the right of their lines, pushed apart where they would overlap.
fn end_labels(
    lines: &[(Mark, Vec<f64>)],
    x: f64,
    y: impl Fn(f64) -> f64,
    (top, bottom): (f64, f64),
) -> String {
    let mut ends: Vec<(f64, f64, &Mark)> = lines
        .iter()
        .filter_map(|(mark, line)| line.last().map(|last| (y(*last), *last, mark)))
        .collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
    let step = (14.0f64).min((bottom - top) / ends.len().max(1) as f64);
    let mut places: Vec<f64> = ends.iter().map(|(at, ..)| *at).collect();
    // Around where they would like to be, and not only downwards from there.
    let lift = places.len() as f64 * step / 2.0;
    let crowd = places.iter().filter(|at| (**at - places[0]).abs() < lift).count();
    if let Some(first) = places.first_mut() {
        *first = (*first - (crowd.saturating_sub(1)) as f64 * step / 2.0).max(top + 6.0);
    }
    for index in 1..places.len() {
        places[index] = places[index].max(places[index - 1] + step);
    }
    let over = places.last().map_or(0.0, |last| (last - bottom).max(0.0));
    if over > 0.0 {
        let mut limit = bottom;
        for place in places.iter_mut().rev() {
            *place = place.min(limit);
            limit = *place - step;
        }
    }
    let mut text = String::new();
    for ((at, value, mark), place) in ends.iter().zip(places) {
        let _ = write!(
            text,
            "<g data-c='{name}'><path d='M{:.1} {at:.1}L{:.1} {place:.1}' stroke='{color}' fill=none opacity=.5 /><text x={:.1} y={:.1} style='fill:{color};font-weight:600'>{name}</text><text class=v x=655 y={:.1} text-anchor=end>{}</text></g>",
            x - 7.0,
            x + 3.0,
            x + 6.0,
            place + 4.0,
            place + 4.0,
            short(*value),
            name = mark.name,
            color = mark.color
        );
    }
    text
}

/// A bar for each, from `zero` on, with a whisker from the least to the most seed; or what its absence means.
pub(super) fn bars(
    rows: &[(Mark, Option<Spread>, &str)],
    zero: f64,
    least_span: f64,
    say: impl Fn(f64) -> String,
) -> String {
    let (left, right, step) = (74.0, 52.0, 19.0);
    let width = NARROW + 20.0;
    let most =
        rows.iter().filter_map(|(_, s, _)| s.map(|s| s.max)).fold(zero + least_span, f64::max);
    let x = |value: f64| {
        left + (width - left - right) * ((value - zero) / (most - zero)).clamp(0.0, 1.0)
    };
    let mut svg = open(width, rows.len() as f64 * step + 2.0);
    for (index, (mark, spread, none)) in rows.iter().enumerate() {
        let y = index as f64 * step + 2.0;
        let _ = write!(
            svg,
            "<g data-c='{name}'><text class=n x={:.1} y={:.1} text-anchor=end>{name}</text>",
            left - 7.0,
            y + 11.0,
            name = mark.name
        );
        match spread {
            None => {
                let _ = write!(svg, "<text x={:.1} y={:.1}>{none}</text>", left + 4.0, y + 11.0);
            }
            Some(s) => {
                let _ = write!(
                    svg,
                    "<rect x={left} y={y:.1} width={:.1} height=13 rx=3 fill='{}' opacity=.85 />",
                    (x(s.median) - left).max(1.0),
                    mark.color
                );
                if s.max > s.min {
                    let _ = write!(
                        svg,
                        "<line x1={:.1} x2={:.1} y1={m:.1} y2={m:.1} stroke=#1d2430 opacity=.55 />",
                        x(s.min),
                        x(s.max),
                        m = y + 6.5
                    );
                }
                let _ = write!(
                    svg,
                    "<text class=v x={:.1} y={:.1}>{}</text>",
                    x(s.max).max(x(s.median)) + 5.0,
                    y + 11.0,
                    say(s.median)
                );
            }
        }
        svg += "</g>";
    }
    svg + "</svg>"
}

/// A small line over time of values from 0 to 1, by `SHARE_MS`, with the time of trouble shaded and a level dashed.
pub(super) fn over_time(
    mark: &Mark,
    values: &[f64],
    end_ms: u64,
    trouble: Option<(u64, u64)>,
    level: f64,
) -> String {
    let height = 64.0;
    let x = |ms: f64| NARROW * ms / end_ms.max(1) as f64;
    let y = |value: f64| height - 12.0 - (height - 14.0) * value.clamp(0.0, 1.0);
    let mut svg = open(NARROW, height);
    if let Some((from, to)) = trouble {
        let _ = write!(
            svg,
            "<rect class=fault x={:.1} y=0 width={:.1} height={:.1} />",
            x(from as f64),
            x(to.min(end_ms) as f64) - x(from as f64),
            height - 12.0
        );
    }
    let _ = write!(
        svg,
        "<line class=fair x1=0 x2={NARROW} y1={l:.1} y2={l:.1} /><line class=g x1=0 x2={NARROW} y1={b:.1} y2={b:.1} />",
        l = y(level),
        b = y(0.0)
    );
    let points: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(index, value)| {
            format!("{:.1},{:.1}", x((index as f64 + 0.5) * SHARE_MS as f64), y(*value))
        })
        .collect();
    svg += &polyline(mark, &points, 1.6);
    let _ = write!(
        svg,
        "<text x=0 y={height}>0 s</text><text x={NARROW} y={height} text-anchor=end>{} s</text>",
        end_ms / 1_000
    );
    svg + "</svg>"
}

fn open(width: f64, height: f64) -> String {
    let class = if width >= WIDE { " class=wide-plot" } else { "" };
    format!("<svg{class} viewBox='0 0 {width} {height}' role=img>")
}

fn polyline(mark: &Mark, points: &[String], width: f64) -> String {
    let dash = dashes(mark);
    format!(
        "<polyline data-c='{name}' points='{}' fill=none stroke='{}' stroke-width={width} stroke-linejoin=round{dash}><title>{name}</title></polyline>",
        points.join(" "),
        mark.color,
        name = mark.name
    )
}

fn dashes(mark: &Mark) -> String {
    match mark.dash {
        "" => String::new(),
        dash => format!(" stroke-dasharray='{dash}'"),
    }
}

/// A piece of a contestant's line.
pub(super) fn sample(mark: &Mark) -> String {
    format!(
        "<svg class=sample viewBox='0 0 24 6'><path d='M0 3H24' stroke='{}' stroke-width=3{} /></svg>",
        mark.color,
        dashes(mark)
    )
}

/// From a tenth of a millisecond to hours.
const MOST_DECADES: i32 = 9;

/// 1, 2 and 5 of each decade.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let mut ticks = Vec::new();
    for power in 0..MOST_DECADES {
        let decade = low * 10f64.powi(power);
        ticks.extend([1.0, 2.0, 5.0].map(|step| step * decade).iter().filter(|ms| **ms <= high));
    }
    ticks
}

/// Milliseconds, in as few digits as tell something.
pub(super) fn short(ms: f64) -> String {
    match ms {
        ms if ms >= 1_000.0 => format!("{} s", trimmed(ms / 1_000.0, 2)),
        ms if ms >= 100.0 => format!("{ms:.0} ms"),
        ms => format!("{} ms", trimmed(ms, 1)),
    }
}

/// So many decimals, without zeros at the end.
pub(super) fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_shortly() {
        assert_eq!(short(2_000.0), "2 s");
        assert_eq!(short(1_234.0), "1.23 s");
        assert_eq!(short(187.4), "187 ms");
        assert_eq!(short(20.0), "20 ms");
        assert_eq!(short(0.25), "0.2 ms");
    }

    #[test]
    fn ticks_stay_below_the_top() {
        assert_eq!(ticks(10.0, 250.0), [10.0, 20.0, 50.0, 100.0, 200.0]);
    }

    #[test]
    fn plots_of_nothing_are_plots() {
        assert!(percentiles(&[], 2_000.0).ends_with("</svg>"));
        assert!(bars(&[], 0.0, 1.0, |v| v.to_string()).ends_with("</svg>"));
    }
}
