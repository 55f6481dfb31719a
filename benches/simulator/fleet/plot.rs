//! A plot of some lines as SVG, both axes logarithmic.

use std::fmt::Write as _;

/// Lines over sizes.
pub(crate) struct Plot<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) lines: Vec<Line<'a>>,
    /// What should not be exceeded, and its name.
    pub(crate) bound: Option<(f64, &'a str)>,
}

/// One line.
pub(crate) struct Line<'a> {
    pub(crate) name: &'a str,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Plot<'_> {
    pub(crate) fn svg(&self) -> String {
        let (low, high) = self.decades();
        let x = |value: f64| LEFT + (value.log10() - 1.0) / 3.0 * (RIGHT - LEFT);
        let y = |value: f64| {
            let share =
                (value.max(10_f64.powi(low)).log10() - f64::from(low)) / f64::from(high - low);
            BOTTOM - share * (BOTTOM - TOP)
        };
        let mut out = format!(
            "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 420 {HEIGHT}\" role=\"img\" \
             aria-label=\"{}\">",
            self.title, self.title
        );
        for decade in low..=high {
            let at = y(10_f64.powi(decade));
            let _ = write!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/><text x=\"{:.1}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{}</text>",
                LEFT - 6.0,
                at + 4.0,
                number(10_f64.powi(decade))
            );
        }
        for decade in 1..=4 {
            let at = x(10_f64.powi(decade));
            let _ = write!(
                out,
                "<path class=\"grid\" d=\"M{at:.1} {TOP}V{BOTTOM}\"/><text x=\"{at:.1}\" y=\"{:.1}\" \
                 text-anchor=\"middle\">{}</text>",
                BOTTOM + 16.0,
                number(10_f64.powi(decade))
            );
        }
        let middle = f64::midpoint(LEFT, RIGHT);
        let below = BOTTOM + 34.0;
        let _ = write!(
            out,
            "<text x=\"{middle:.1}\" y=\"{below:.1}\" text-anchor=\"middle\">{}</text>",
            self.x
        );
        if let Some((bound, name)) = self.bound {
            let at = y(bound);
            let _ = write!(
                out,
                "<path class=\"bound\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/><text class=\"bound\" x=\"{:.1}\" \
                 y=\"{:.1}\">{name}</text>",
                LEFT + 4.0,
                at - 4.0
            );
        }
        for (number, line) in self.lines.iter().enumerate() {
            out.push_str(&drawn(number, line, x, y));
        }
        out.push_str("</svg></figure>\n");
        out
    }

    /// The powers of ten between which all lies.
    fn decades(&self) -> (i32, i32) {
        let points = self.lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y);
        let bound = self.bound.iter().map(|(bound, _)| *bound);
        let all: Vec<f64> = points.chain(bound).filter(|it| *it > 0.0).collect();
        let (least, most) = all
            .iter()
            .fold((f64::MAX, 0.0_f64), |(least, most), it| (least.min(*it), most.max(*it)));
        let high = most.log10().ceil() as i32;
        let low = (least.log10().floor() as i32).max(high - MOST_DECADES);
        (low, high.max(low + 1))
    }
}

/// A line with its points, and its name at the top.
fn drawn(number: usize, line: &Line<'_>, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> String {
    let place = |(at, value): &(f64, f64)| format!("{:.1} {:.1}", x(*at), y(*value));
    let path: Vec<String> = line.points.iter().map(place).collect();
    let legend = TOP - 10.0;
    let at = LEFT + 175.0 * number as f64;
    let mut out = format!(
        "<path class=\"line l{number}\" d=\"M{}\"/><path class=\"line l{number}\" d=\"M{at:.1} {:.1}h18\"/>\
         <text x=\"{:.1}\" y=\"{legend:.1}\">{}</text>",
        path.join("L"),
        legend - 4.0,
        at + 23.0,
        line.name
    );
    for (size, value) in &line.points {
        let _ = write!(
            out,
            "<circle class=\"l{number}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\"><title>{size}: {}</title></circle>",
            x(*size),
            y(*value),
            super::page::figure(*value)
        );
    }
    out
}

fn number(value: f64) -> String {
    match value {
        value if value >= 1e9 => format!("{} G", value / 1e9),
        value if value >= 1e6 => format!("{} M", value / 1e6),
        value if value >= 1e4 => format!("{} k", value / 1e3),
        value => format!("{value}"),
    }
}

const LEFT: f64 = 52.0;
const RIGHT: f64 = 410.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 236.0;
const HEIGHT: f64 = 276.0;
const MOST_DECADES: i32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_points_lie_within_the_frame() {
        let points = vec![(10.0, 0.001), (10_000.0, 5e6)];
        let lines = vec![Line { name: "a", points }];
        let plot = Plot { title: "t", x: "x", lines, bound: Some((100.0, "b")) };
        let svg = plot.svg();
        for circle in svg.split("<circle").skip(1) {
            let value = |name: &str| -> f64 {
                let rest = circle.split(&format!("{name}=\"")).nth(1).unwrap_or_default();
                rest.split('"').next().and_then(|it| it.parse().ok()).unwrap_or(f64::NAN)
            };
            assert!((LEFT..=RIGHT).contains(&value("cx")), "{circle}");
            assert!((TOP..=BOTTOM).contains(&value("cy")), "{circle}");
        }
    }
}
